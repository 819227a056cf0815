"""The same over HTTP: clients and servers that others wrote go on as they do without sidespan, and are seen whole."""

import collections
import concurrent.futures
import contextlib
import glob
import json
import os
import re
import subprocess
import sys

import pytest

from codex import ROOT
from peers import (NODE_22, PEERS, SECONDS, collecting, ended, environment, free_port, in_any_order, program, proxied,
                   running, script, session, sidespan_path, steps_of)

sys.path.insert(0, ROOT + "/tests/system")

from lib.tls import certificates  # pylint: disable=wrong-import-position

SCHEMES = ["http", "https"]
SERVER_SCENARIOS, CLIENT_SCENARIOS = 32, ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"]
LISTEN = {scheme: f"{scheme}://127.0.0.1:0" for scheme in SCHEMES}


TRUSTS = {"NODE_EXTRA_CA_CERTS": certificates().path("ca.pem")}


def served(scheme):
    """What sidespan is to be told to serve that; one scenario comes by the name of a page that is to be kept out."""
    if scheme == "http":
        return []
    certificate, key = certificates().pair("peers", names="DNS:localhost,IP:127.0.0.1,DNS:evil.example.com")
    return [f"--tls-certificate={certificate}", f"--tls-key={key}"]


# ---- MCP ----


@contextlib.contextmanager
def everything(path):
    """server-everything, over the one or the other transport; its port."""
    port = free_port()
    with running("node", program("mcp-server-everything"), {"/mcp": "streamableHttp", "/sse": "sse"}[path], port=port,
                 more={"PORT": str(port)}):
        yield port


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
@pytest.mark.parametrize("sdk,scheme", [("1", "http"), ("2", "https")])
def test_mcp_clients(tmp_path, sdk, scheme, path):
    with everything(path) as port, collecting() as collector:
        direct = session("mcp", sdk, str(tmp_path), f"http://127.0.0.1:{port}{path}")
        with proxied(f"http://127.0.0.1:{port}", "--profile=mcp", *served(scheme), listen=LISTEN[scheme],
                     collector=collector) as proxy:
            passed = session("mcp", sdk, str(tmp_path), proxy.url + path, more=TRUSTS)
        spans = ended(collector)
    assert in_any_order(passed) == in_any_order(direct)
    methods = collections.Counter(span.attributes["rpc.method"] for span in spans if span.kind == 2)
    assert methods == dict(direct)["requests"]
    asked = [span.name for span in spans if span.kind == 3]
    assert sorted(asked) == sorted(dict(passed)["asked"])
    assert set(asked) == {"elicitation/create", "roots/list", "sampling/createMessage"}
    codes = {span.attributes.get("http.response.status_code") for span in spans if span.kind == 2}
    assert codes <= {None, 200, 200 if path == "/mcp" else 202}  # of the POST, or of the stream


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
def test_mcp_inspector(path):
    with everything(path) as port, collecting() as collector:
        with proxied(f"http://127.0.0.1:{port}", "--profile=mcp", collector=collector) as proxy:
            printed = []
            for url in (f"http://127.0.0.1:{port}", proxy.url):
                ran = subprocess.run(["node", program("mcp-inspector"), "--cli", url + path, "--method", "tools/call",
                                      "--tool-name", "echo", "--tool-arg", "message=hello"], env=environment(collector),
                                     cwd=PEERS, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
                                     check=False)
                assert ran.returncode == 0, ran.stderr
                printed.append(json.loads(ran.stdout))
        names = [span.name for span in ended(collector)]
    assert printed[0] == printed[1] and "hello" in json.dumps(printed[0])
    assert sorted(names) == ["initialize", "tools/call echo", "tools/list"]


@pytest.mark.parametrize("place", ["/params/_meta/*", "header,/params/_meta/*"])
def test_mcp_servers_see_our_context(place):
    """The server's own view: our context where it is to be, and what the client had put in the body beside its own."""
    port = free_port()
    with running("node", script("mcp-meta-server"), str(port), port=port), collecting() as collector:
        with proxied(f"http://127.0.0.1:{port}", "--profile=mcp", "--propagation-inject=" + place,
                     collector=collector) as proxy:
            steps = dict(session("mcp-meta", proxy.url + "/mcp"))
        told = {f"00-{span.trace_id}-{span.span_id}": span for span in ended(collector) if span.name == "tools/call meta"}
    bare, theirs = steps["bare"], steps["theirs"]
    assert told[bare["traceparent"][:-3]].parent_id is None
    span = told[theirs["traceparent"][:-3]]
    assert (span.trace_id, span.parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert theirs["baggage"] == "k=v" and "progressToken" in theirs
    fields = [said["fields"].get("traceparent") for said in (bare, theirs)]
    assert fields == ([bare["traceparent"], theirs["traceparent"]] if "header" in place else [None, None])


# ---- its conformance tests ----


def conformance(folder, *args, collector=None):
    """Runs some scenarios; returns what each has found, {scenario: [(check, status), ...]}."""
    ran = subprocess.run([NODE_22, program("conformance"), *args, "-o", str(folder)], cwd=PEERS, capture_output=True,
                         env={**environment(collector), **TRUSTS}, stdin=subprocess.DEVNULL, text=True, timeout=SECONDS,
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


# ---- Ethereum, aria2 ----


@pytest.fixture(scope="module", name="ganache")
def fixture_ganache(tmp_path_factory):
    """A node, and where it says what it is asked."""
    port = free_port()
    with open(tmp_path_factory.mktemp("ganache") / "said", "w+", encoding="utf-8") as said, \
            running(program("ganache"), f"--server.port={port}", "--wallet.deterministic", port=port, stdout=said):
        yield f"http://127.0.0.1:{port}", said


@pytest.mark.parametrize("library,scheme", [("ethers", "http"), ("viem", "https"), ("web3", "http")])
def test_ethereum_http(ganache, library, scheme):
    """Alone and in batches; each method that the node was asked for has a span."""
    node, said = ganache
    direct = session("ethereum-http", library, node)
    before = os.path.getsize(said.name)
    with collecting() as collector:
        with proxied(node, "--profile=ethereum", *served(scheme), listen=LISTEN[scheme], collector=collector) as proxy:
            passed = session("ethereum-http", library, proxy.url, more=TRUSTS)
        spans = ended(collector)
    said.seek(before)
    assert passed == direct and len(direct) == 5
    asked = [line.strip() for line in said.read().splitlines() if re.fullmatch(r"\s*[a-z]+_\w+", line)]
    assert sorted(span.attributes["rpc.method"] for span in spans) == sorted(asked)
    assert {span.name for span in spans if span.status == 2} == {"no_such_method"}


def test_aria2(tmp_path):
    """POST, GET and WebSocket on one port of ours, as on its own."""
    port = free_port()
    with running("aria2c", "--no-conf", "--enable-rpc", f"--rpc-listen-port={port}", "--disable-ipv6", f"--dir={tmp_path}",
                 port=port), collecting() as collector:
        direct = session("aria2", f"http://127.0.0.1:{port}/jsonrpc")
        with proxied(f"http://127.0.0.1:{port}", "--profile=generic", collector=collector) as proxy:
            passed = session("aria2", proxy.url + "/jsonrpc")
        spans = ended(collector)
    assert passed == direct and dict(direct)["told"] == ["aria2.onDownloadStart", "aria2.onDownloadError"]
    by_post = ["aria2.getVersion", "aria2.getGlobalOption", "no.such", "system.listMethods", "system.multicall"]
    by_socket = ["aria2.getVersion", "aria2.addUri", "no.such"]
    ways = {transport: sorted(span.attributes["rpc.method"] for span in spans
                              if span.attributes["rpc.transport"] == transport) for transport in ("http", "websocket")}
    assert ways == {"http": sorted(by_post), "websocket": sorted(by_socket)}
