"""The Kubernetes manifests: by the schema, by our own rules, and their settings by the program itself."""

import os
import re
import subprocess

import pytest
import yaml

from lib.process import BINARY, ROOT

FILES = ["codex.yaml", "mcp.yaml"]
VALIDATE = os.path.join(ROOT, "build/deploy/venv/bin/kubernetes-validate")


def path_of(name):
    return os.path.join(ROOT, "docker/kubernetes", name)


@pytest.fixture(name="kinds", params=FILES)
def by_kind(request):
    with open(path_of(request.param), encoding="utf-8") as file:
        return {found["kind"]: found for found in yaml.safe_load_all(file)}


@pytest.mark.skipif(not os.access(VALIDATE, os.X_OK), reason="no kubernetes-validate")
@pytest.mark.parametrize("version", ["1.30", "1.32"])
@pytest.mark.parametrize("name", FILES)
def test_schema(name, version):
    done = subprocess.run([VALIDATE, "--strict", "-k", version, path_of(name)], capture_output=True, text=True,
                          check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "failed" not in said, said
    assert said.count("passed for resource") == 4


def test_kinds(kinds):
    assert set(kinds) == {"ConfigMap", "Deployment", "Service", "NetworkPolicy", "PodMonitor"}


def test_pod_gives_nothing_away(kinds):
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    containers = pod["initContainers"] + pod["containers"]
    assert len(containers) == 2
    for container in containers:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] and context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]
        assert not container["image"].endswith(":latest") and ":" in container["image"]
        mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
        assert mounts <= {volume["name"] for volume in pod["volumes"]}


def token_of(kinds):
    """Where the listener's token comes from: the Secret that is mounted there, and its key."""
    settings, = kinds["ConfigMap"]["data"].values()
    sidecar, = kinds["Deployment"]["spec"]["template"]["spec"]["initContainers"]
    named = re.search(r'"listen\.token_file": "(.*)/(.*)"', settings)
    if not named:
        return None
    volume, = [mount["name"] for mount in sidecar["volumeMounts"] if mount["mountPath"] == named[1]]
    secret, = [found["secret"]["secretName"] for found in kinds["Deployment"]["spec"]["template"]["spec"]["volumes"]
               if found["name"] == volume]
    return {"name": secret, "key": named[2]}


def test_sidecar(kinds):
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    sidecar, = pod["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    ports = {port["name"]: port["containerPort"] for port in sidecar["ports"]}
    for probe in ("startupProbe", "livenessProbe"):
        assert sidecar[probe]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert pod["containers"][0]["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": ports["metrics"]}
    endpoint, = kinds["PodMonitor"]["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == "metrics"
    # a token of clients is asked for there, too
    assert endpoint.get("authorization", {}).get("credentials") == token_of(kinds)
    assert kinds["Service"]["spec"]["ports"][0]["targetPort"] in ports
    rules = [port["port"] for rule in kinds["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]]
    assert sorted(rules) == sorted(ports.values())
    labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (kinds["Service"]["spec"]["selector"], kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
                     kinds["PodMonitor"]["spec"]["selector"]["matchLabels"]):
        assert selector == labels


def test_settings_are_understood_and_fit_the_limit(kinds, tmp_path):
    sidecar, = kinds["Deployment"]["spec"]["template"]["spec"]["initContainers"]
    settings, = kinds["ConfigMap"]["data"].values()
    (tmp_path / "token").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "sidespan.json").write_text(settings.replace("/run/sidespan-token", str(tmp_path)))
    args = [arg.replace("/etc/sidespan", str(tmp_path)) for arg in sidecar["args"]]
    env = {entry["name"]: entry.get("value", "x") for entry in sidecar["env"]}
    env["OTEL_RESOURCE_ATTRIBUTES"] = re.sub(r"\$\((\w+)\)", "x", env["OTEL_RESOURCE_ATTRIBUTES"])
    env["STATE_DIRECTORY"] = str(tmp_path)
    done = subprocess.run([BINARY, "--check", *args], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0 and "no effect" not in done.stdout, done.stdout + done.stderr
    assert re.search(r"(?m)^admin\.listen +http://0\.0\.0\.0:9464 ", done.stdout)
    assert "k8s.container.name=sidespan" in done.stdout and "k8s.node.name=x" in done.stdout
    examined = subprocess.run([BINARY, "doctor", "--exporter=none", "--connect-timeout=1ms", *args],
                              capture_output=True, text=True, check=False, env=env)
    wanted = int(re.search(r"(?:allow for|may need) (\d+) MiB", examined.stdout)[1])
    assert 64 <= wanted <= int(sidecar["resources"]["limits"]["memory"].removesuffix("Mi"))
