"""The same over HTTP: clients and servers that others wrote go on as they do without sidespan, and are seen whole."""

import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys

import pytest

from codex import ROOT
from peers import (NODE_22, PEERS, SECONDS, collecting, ended, environment, free_port, program, proxied, running, script,
                   sidespan_path, steps_of)

sys.path.insert(0, ROOT + "/tests/system")

from lib.tls import certificates  # pylint: disable=wrong-import-position

SCHEMES = ["http", "https"]
SERVER_SCENARIOS, CLIENT_SCENARIOS = 32, ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"]
LISTEN = {scheme: f"{scheme}://127.0.0.1:0" for scheme in SCHEMES}


def served(scheme):
    """What sidespan is to be told to serve that; one scenario comes by the name of a page that is to be kept out."""
    if scheme == "http":
        return []
    certificate, key = certificates().pair("peers", names="DNS:localhost,IP:127.0.0.1,DNS:evil.example.com")
    return [f"--tls-certificate={certificate}", f"--tls-key={key}"]


# ---- conformance of MCP ----


def conformance(folder, *args, collector=None):
    """Runs some scenarios; returns what each has found, {scenario: [(check, status), ...]}."""
    trusts = {"NODE_EXTRA_CA_CERTS": certificates().path("ca.pem")}
    certificates().pair("peers", names="DNS:localhost,IP:127.0.0.1,DNS:evil.example.com")
    ran = subprocess.run([NODE_22, program("conformance"), *args, "-o", str(folder)], cwd=PEERS, capture_output=True,
                         env={**environment(collector), **trusts}, stdin=subprocess.DEVNULL, text=True, timeout=SECONDS,
                         check=False)
    assert ran.returncode == 0, ran.stdout[-4000:]
    found = {}
    for path in glob.glob(str(folder) + "/*/checks.json"):
        name = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", os.path.basename(os.path.dirname(path)))
        with open(path, encoding="utf-8") as file:
            found[name] = sorted((check["id"], check["status"]) for check in json.load(file))
    return found


def judged(found):
    """Without the messages that it noted on the way, whose number is a matter of time."""
    return {name: [check for check in checks if check[1] != "INFO"] for name, checks in found.items()}


def in_context(requests, spans):
    """That each request came to the server in the context of a span of its own, and none is left."""
    contexts = {f"00-{span.trace_id}-{span.span_id}": span.attributes["rpc.method"]
                for span in spans if span.kind == 2 and "rpc.method" in span.attributes}
    assert sorted(((context or "none")[:-3], method) for method, context in requests) == sorted(contexts.items())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_mcp_conformance_of_servers(tmp_path, scheme):
    port = free_port()
    with open(tmp_path / "requests", "w+", encoding="utf-8") as said, \
            running(NODE_22, script("mcp-conformance-server"), str(port), port=port, stdout=said), \
            collecting() as collector:
        direct = conformance(tmp_path / "direct", "server", "--suite", "all", "--url", f"http://127.0.0.1:{port}/mcp")
        before = os.path.getsize(said.name)
        with proxied(f"http://127.0.0.1:{port}", "--profile=mcp", *served(scheme), listen=LISTEN[scheme],
                     collector=collector) as proxy:
            passed = conformance(tmp_path / "passed", "server", "--suite", "all", "--url", f"{proxy.url}/mcp")
        spans = ended(collector)
        said.seek(before)
        requests = steps_of(said.read())
    assert len(direct) == SERVER_SCENARIOS and judged(passed) == judged(direct)
    assert {status for checks in judged(passed).values() for _, status in checks} == {"SUCCESS"}
    refused, = [span for span in spans if span.attributes.get("http.response.status_code") == 403]
    assert (refused.name, refused.attributes["error.type"]) == ("initialize", "403")  # by who is kept out
    in_context(requests, [span for span in spans if span is not refused])
    asked = sorted(span.attributes["rpc.method"] for span in spans if span.kind == 3)
    assert asked == 3 * ["elicitation/create"] + ["sampling/createMessage"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_mcp_conformance_of_clients(tmp_path, scheme):
    client = f"{NODE_22} {script('mcp-conformance-client')}"
    through = " ".join([client, sidespan_path(), "--profile=mcp", f"--listen={LISTEN[scheme]}", *served(scheme)])

    def run(name, command, collector=None):
        return conformance(tmp_path / (name + str(collector is None)), "client", "--scenario", name, "--command", command,
                           collector=collector)

    with collecting() as collector, concurrent.futures.ThreadPoolExecutor(2 * len(CLIENT_SCENARIOS)) as pool:
        direct = [pool.submit(run, name, client) for name in CLIENT_SCENARIOS]
        passed = [pool.submit(run, name, through, collector) for name in CLIENT_SCENARIOS]
        direct, passed = [[judged(each.result()) for each in runs] for runs in (direct, passed)]
        spans = ended(collector)
    assert [list(found) for found in direct] == [[name] for name in CLIENT_SCENARIOS]
    assert passed == direct
    assert {status for found in passed for checks in found.values() for _, status in checks} == {"SUCCESS"}
    methods = [span.attributes["rpc.method"] for span in spans if "rpc.method" in span.attributes]
    assert sorted(methods) == sorted(4 * ["initialize", "tools/list"] + 3 * ["tools/call"] + ["elicitation/create"])
