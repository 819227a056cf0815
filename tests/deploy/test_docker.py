"""What docker/ has for engines: hadolint's view of the Dockerfile, and files that agree with each other."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from balancing import without_balancing
from lib.process import BINARY, ROOT

TOOLS = os.path.join(ROOT, "build/deploy/venv/bin")
JAEGER = os.environ.get("JAEGER", os.path.join(ROOT, "build/jaeger/jaeger"))


def read(name):
    with open(os.path.join(ROOT, "docker", name), encoding="utf-8") as file:
        return file.read()


def version():
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
        return re.search(r"(?m)^VERSION +:= (\S+)$", file.read())[1]


@pytest.mark.skipif(not os.access(f"{TOOLS}/hadolint", os.X_OK), reason="no hadolint")
def test_hadolint_has_nothing_to_say():
    done = subprocess.run([f"{TOOLS}/hadolint", os.path.join(ROOT, "docker/Dockerfile")], capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_dockerfile():
    last = read("Dockerfile").rsplit("\nFROM ", 1)[1]
    assert last.startswith("scratch ")
    assert re.search(r"(?m)^USER \d+:\d+$", last) and 'CMD ["/usr/local/bin/sidespan", "probe"]' in last
    assert f"ARG VERSION={version()}\n" in last and "org.opencontainers.image.version" in last
    assert re.search(r"(?m)^EXPOSE 4501 9464$", last)


def test_scripts_parse():
    for name in ("image.sh", "curl.sh", "debian/build.sh"):
        subprocess.run(["sh", "-n", os.path.join(ROOT, "docker", name)], check=True)


@pytest.mark.parametrize("name", ["compose.yaml", "collector/compose.yaml"])
def test_compose(name):
    """Images have versions, the files that are mounted are there, what is awaited exists."""
    found = yaml.safe_load(read(name))
    services = found["services"]
    for service in services.values():
        image = service.get("image", "a:1")
        assert ":" in image.replace("${CODEX_IMAGE:-codex}", "x:1") and not image.endswith(":latest")
        assert set(service.get("depends_on", [])) <= set(services)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert os.path.exists(os.path.join(ROOT, "docker", os.path.dirname(name), source))
            else:
                assert source in found["volumes"]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_what_must_have_ended_is_waited_for():
    """A job that gives a folder away: who writes there starts when it is done, not when it begins."""
    services = yaml.safe_load(read("collector/compose.yaml"))["services"]
    assert "chown" in services["folder"]["command"]
    assert services["jaeger"]["depends_on"] == {"folder": {"condition": "service_completed_successfully"}}


def test_image_is_built_with_its_health_check():
    """It is none of OCI's, which podman and buildah make unless told."""
    text = read("image.sh")
    assert text.count("--format docker") == 2 and re.search(r"= docker \|\| format='--format docker'", text)


def test_sidespan_of_compose_takes_its_arguments():
    service = yaml.safe_load(read("compose.yaml"))["services"]["sidespan"]
    done = subprocess.run([BINARY, "--check", *service["command"]], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "note:" not in done.stdout, done.stdout + done.stderr
    image = re.search(r"(?m)^ENV (SIDESPAN_ADMIN_LISTEN)=(\S+)$", read("Dockerfile"))
    examined = subprocess.run([BINARY, "doctor", "--exporter=none", "--connect-timeout=1ms", *service["command"]],
                              capture_output=True, text=True, check=False, env={image[1]: image[2]})
    wanted = int(re.search(r"(?:allow for|may need) (\d+) MiB", examined.stdout)[1])
    assert 64 <= wanted <= int(service["mem_limit"].removesuffix("m"))


# collectors

@pytest.mark.skipif(not os.access(JAEGER, os.X_OK), reason="no Jaeger: make jaeger")
@pytest.mark.parametrize("name", ["sampler", "jaeger", "gateway"])
def test_collector_takes_its_configuration(name, tmp_path):
    """Jaeger's binary is a collector, without the exporter that spreads traces: another has its place."""
    path = os.path.join(ROOT, f"docker/collector/{name}.yaml")
    if name == "gateway":
        path = without_balancing(tmp_path)
    done = subprocess.run([JAEGER, "validate", "--config", path], capture_output=True, text=True, check=False,
                          env={**os.environ, "JAEGER_DATA": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr


# systemd

@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd")
def test_exposure_of_the_unit():
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes",
                           os.path.join(ROOT, "docker/systemd/sidespan.service")],
                          capture_output=True, text=True, check=False)
    assert "Unknown" not in done.stderr, done.stderr
    assert float(re.search(r"Overall exposure level for sidespan.service: (\S+)", done.stdout)[1]) <= 1.2


def calls(*groups):
    """The system calls of groups, and of those that they name."""
    found = set()
    for line in subprocess.run(["systemd-analyze", "syscall-filter", *groups], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        name = line.strip()
        if line.startswith(" ") and not name.startswith("#"):
            found |= calls(name) if name.startswith("@") else {name}
    return found


def allowed_calls():
    """What the filters of the unit leave, in their order."""
    allowed = set()
    for words in re.findall(r"(?m)^SystemCallFilter=(.*)$", read("systemd/sidespan.service")):
        groups = {word for word in words.lstrip("~").split() if word.startswith("@")}
        named = {word for word in words.lstrip("~").split() if word not in groups}.union(*map(calls, groups))
        allowed = allowed - named if words.startswith("~") else allowed | named
    return allowed


# As systemd does it: all other calls fail with EPERM.
FILTERED = """
import ctypes, os, sys
library = ctypes.CDLL("libseccomp.so.2")
library.seccomp_init.restype = ctypes.c_void_p
made = ctypes.c_void_p(library.seccomp_init(0x50001))
for name in sys.argv[1].split():
    number = library.seccomp_syscall_resolve_name(name.encode())
    assert number < 0 or library.seccomp_rule_add(made, 0x7fff0000, number, 0) == 0
assert library.seccomp_load(made) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd")
def test_unit_allows_its_sandbox(tmp_path):
    """It runs behind the unit's filter, and enters as much of its sandbox as without."""
    said = []
    for prefix in ([], [sys.executable, "-c", FILTERED, " ".join(sorted(allowed_calls()))]):
        with subprocess.Popen([*prefix, BINARY, "--exporter=none", "--log-level=debug", f"--listen=unix://{tmp_path}/a",
                               "--upstream=tcp://127.0.0.1:1"], stderr=subprocess.PIPE, text=True) as running:
            said.append(next((line.split("sandbox: ")[1] for line in running.stderr if "sandbox: " in line), None))
            running.terminate()
    assert said[0] and said[0] == said[1]


def test_unit_starts_what_is_understood():
    text = read("systemd/sidespan.service")
    line = re.search(r"(?m)^ExecStart=((?:.*\\\n)*.*)$", text)[1].replace("\\\n", " ").split()
    done = subprocess.run([BINARY, "--check", *line[1:]], capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"], "STATE_DIRECTORY": "/tmp"})
    assert done.returncode == 0, done.stderr
    for words in ("Type=notify", "WatchdogSec=", "ExecReload=/bin/kill -HUP $MAINPID", "RuntimeDirectory=sidespan"):
        assert words in text
    assert "ListenStream=127.0.0.1:4501" in read("systemd/sidespan.socket")
