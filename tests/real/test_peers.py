"""Sessions between peers that nobody here wrote go as they go without sidespan, and are seen whole."""

import collections
import json
import os
import subprocess
import time

import pytest

from peers import (GOPLS, PEERS, SECONDS, collecting, ended, environment, free_port, in_any_order, needs, program, running, script,
                   session, sidespan_path, wrapped)

SERVERS = {
    "everything": lambda folder: ["node", program("mcp-server-everything"), "stdio"],
    "filesystem": lambda folder: ["node", program("mcp-server-filesystem"), folder],
}


@pytest.mark.parametrize("sdk", ["1", "2"])
@pytest.mark.parametrize("server", SERVERS)
def test_mcp_stdio(tmp_path, sdk, server):
    command = SERVERS[server](str(tmp_path))
    direct = session("mcp", sdk, str(tmp_path), *command)
    with collecting() as collector:
        passed = session("mcp", sdk, str(tmp_path), *wrapped(*command), collector=collector)
        methods = seen(collector)
    assert in_any_order(passed) == in_any_order(direct)
    said = dict(passed)
    assert collections.Counter(methods) == collections.Counter(said["asked"]) + collections.Counter(said["requests"])


@pytest.mark.parametrize("library", ["ethers", "viem", "web3"])
def test_ethereum_websocket(library):
    node, proxy = free_port(), free_port()
    with running(program("ganache"), f"--server.port={node}", "--wallet.deterministic", "--logging.quiet",
                 port=node):
        direct = session("ethereum", library, f"ws://127.0.0.1:{node}")
        with collecting() as collector:
            with running(sidespan_path(), f"--listen=ws://127.0.0.1:{proxy}", f"--upstream=ws://127.0.0.1:{node}",
                         port=proxy, collector=collector):
                passed = session("ethereum", library, f"ws://127.0.0.1:{proxy}")
        methods = seen(collector)
    assert without_balance(passed) == without_balance(direct)
    assert {"eth_chainId", "eth_accounts", "eth_getBalance", "eth_subscribe"} <= set(methods)


def seen(collector):
    """The methods of all requests' spans; other spans, of a profile, have none."""
    return [span.attributes["rpc.method"] for span in ended(collector) if "rpc.method" in span.attributes]


def without_balance(steps):
    """The sessions before have spent something."""
    return [step for step in steps if step[0] != "balance"]


def test_acp_stdio(tmp_path):
    command = ["node", script("acp-agent")]
    direct = session("acp", str(tmp_path), *command)
    with collecting() as collector:
        passed = session("acp", str(tmp_path), *wrapped(*command), collector=collector)
        methods = seen(collector)
    assert in_any_order(passed) == in_any_order(direct)
    assert sorted(methods) == ["initialize", "session/new"] + 3 * ["session/prompt"]


SOURCES = {
    "clangd": ("a.c", "c", ["clangd", "--background-index=false"], "int caf\u00e9;\nint two(void)\n{\n\treturn caf\u00e9 + missing;\n}\n"),
    "typescript": ("a.ts", "typescript", [program("typescript-language-server"), "--stdio"],
                   "const caf\u00e9: number = 1;\nexport const two: string = caf\u00e9;\n"),
    "pylsp": ("a.py", "python", ["pylsp"], "import os\n\ncaf\u00e9 = 1\nprint(caf\u00e9 + missing)\n"),
    "gopls": ("a.go", "go", [GOPLS], "package a\n\nvar caf\u00e9 = 1\n\nfunc two() int {\n\treturn caf\u00e9 + missing\n}\n"),
}


CALLS = ["initialize", "textDocument/hover", "textDocument/documentSymbol", "textDocument/definition", "no/such",
         "textDocument/semanticTokens/full", "shutdown"]


def write_source(folder, server):
    """Of a program with an error; returns its file and its language."""
    name, language, _, text = SOURCES[server]
    (folder / name).write_text(text, encoding="utf-8")
    (folder / "tsconfig.json").write_text("{}", encoding="utf-8")
    (folder / "go.mod").write_text("module a\n\ngo 1.19\n", encoding="utf-8")
    return name, language


def check_lsp(spans):
    """What the profile, which is found by the command, makes of a session of lsp.mjs or Neovim."""
    client = {"lsp.client.name": "peer", "lsp.client.version": "1"}
    requests = [span for span in spans if "rpc.method" in span.attributes and span.kind == 2]
    assert requests and all(client.items() <= span.attributes.items() for span in requests)
    cancelled, = [span for span in requests if span.name == "textDocument/semanticTokens/full"]
    assert set(cancelled.events) <= {"cancel asked for"}  # unless the answer was quicker
    document, = [span for span in spans if span.name.startswith("document ")]
    assert document.attributes["lsp.document.diagnostics"] >= 1 and document.status != 2
    assert not any("file://" in str(value) for span in spans for value in span.attributes.values())
    asked = [span for span in spans if span.kind == 3]
    assert all(span.name == span.attributes["lsp.method"] for span in asked)
    return [span.name for span in spans if span.name.startswith("work ")]


WORK = {"clangd": [], "typescript": [], "pylsp": None, "gopls": ["work Setting up workspace"]}


@pytest.mark.parametrize("server", [
    pytest.param(server, marks=needs(SOURCES[server][2][0])) for server in SOURCES])
def test_lsp_stdio(tmp_path, server):
    """Content-Length heads, which are found out: as direct, and every request is a span."""
    name, language = write_source(tmp_path, server)
    command = SOURCES[server][2]
    direct = session("lsp", str(tmp_path), name, language, *command)
    with collecting() as collector:
        passed = session("lsp", str(tmp_path), name, language, *wrapped(*command), collector=collector)
        methods = seen(collector)
    assert passed == direct
    assert [methods.count(method) for method in CALLS] == [1] * len(CALLS)
    work = check_lsp(collector.ours())
    assert WORK[server] is None or set(WORK[server]) <= set(work)


@needs(GOPLS)
def test_lsp_unix(tmp_path):
    """gopls as a daemon on a Unix socket, and a session through another."""
    name, language = write_source(tmp_path, "gopls")
    direct, through = str(tmp_path / "direct"), str(tmp_path / "through")
    with running(GOPLS, "serve", f"-listen=unix;{direct}"), collecting() as collector:
        with running(sidespan_path(), "--profile=lsp", f"--listen=lsp+unix://{through}", f"--upstream=lsp+unix://{direct}",
                     collector=collector):
            wait_for(direct)
            wait_for(through)
            sessions = [session("lsp", str(tmp_path), name, language, f"unix:{sock}") for sock in (direct, through)]
        methods = seen(collector)
    assert sessions[0] == sessions[1]
    assert [methods.count(method) for method in CALLS] == [1] * len(CALLS)
    assert "work Setting up workspace" in check_lsp(collector.ours())


def neovim(folder, name, command, collector=None):
    """The steps of nvim.lua."""
    peer = json.dumps({"folder": str(folder), "file": name, "command": command})
    ran = subprocess.run(["nvim", "--headless", "-u", "NONE", "--cmd", f"lua peer = vim.json.decode([==[{peer}]==])", "-c",
                          f"luafile {os.path.dirname(__file__)}/peers/nvim.lua"], env=environment(collector), capture_output=True,
                         stdin=subprocess.DEVNULL, text=True, timeout=SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    rows = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    return [(row["step"], row["what"]) for row in rows]


@needs("nvim")
@needs("clangd")
def test_neovim(tmp_path):
    name, _ = write_source(tmp_path, "clangd")
    command = SOURCES["clangd"][2]
    direct = neovim(tmp_path, name, command)
    with collecting() as collector:
        passed = neovim(tmp_path, name, wrapped(*command), collector)
        methods = seen(collector)
    assert passed == direct and ("diagnostics", [3]) in direct
    assert sorted(methods) == ["initialize", "shutdown"] + [
        f"textDocument/{call}" for call in ("definition", "documentSymbol", "hover")]
    assert {span.attributes.get("lsp.client.name") for span in collector.ours()} >= {"Neovim"}


SCHEMA = {"name": "seen", "version": "1.0.0", "tables": {
    "row": {"isRoot": True, "columns": {"name": {"type": "string"}, "number": {"type": "integer"}}}}}


def ovsdb(sock, command, *args):
    """What ovsdb-client prints."""
    ran = subprocess.run(["ovsdb-client", "--timeout=30", command, f"unix:{sock}", *args], capture_output=True,
                         text=True, timeout=SECONDS, check=False)
    return ran.returncode, ran.stdout, ran.stderr


def insert(number):
    return json.dumps(["seen", {"op": "insert", "table": "row", "row": {"name": "caf\u00e9 }{", "number": number}}])


def wait_for(path):
    until = time.monotonic() + SECONDS
    while not os.path.exists(path):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_ovsdb_unix(tmp_path):
    """JSON-RPC 1.0 with nothing between its messages."""
    direct, through = str(tmp_path / "direct"), str(tmp_path / "through")
    (tmp_path / "schema").write_text(json.dumps(SCHEMA), encoding="utf-8")
    subprocess.run(["ovsdb-tool", "create", tmp_path / "db", tmp_path / "schema"], check=True)
    server = ["ovsdb-server", f"--remote=punix:{direct}", f"--unixctl={tmp_path}/ctl", str(tmp_path / "db")]
    through_us = [sidespan_path(), f"--listen=json+unix://{through}", f"--upstream=json+unix://{direct}"]
    with collecting() as collector, running(*server):
        with running(*through_us, collector=collector):
            wait_for(direct)
            wait_for(through)
            assert ovsdb(through, "transact", insert(1))[0] == 0
            monitors = [subprocess.Popen(["ovsdb-client", "--timeout=60", "--format=json", "monitor", f"unix:{sock}",
                                          "seen", "row"], stdout=subprocess.PIPE, text=True)
                        for sock in (direct, through)]
            first = [monitor.stdout.readline() for monitor in monitors]
            assert first[0] == first[1] and "initial" in first[0]
            assert ovsdb(direct, "transact", insert(2))[0] == 0
            later = [monitor.stdout.readline() for monitor in monitors]
            assert later[0] == later[1] and "insert" in later[0]
            for monitor in monitors:
                monitor.kill()
                monitor.wait()
            for command in (["list-dbs"], ["get-schema", "seen"], ["dump", "--format=json", "seen"],
                            ["list-tables", "seen"], ["transact", '["seen",{"op":"no such"}]'], ["dump", "no such"]):
                assert ovsdb(through, *command) == ovsdb(direct, *command), command
        methods = seen(collector)
    assert [methods.count(method) for method in ("transact", "monitor")] == [3, 1]
    assert {"list_dbs", "get_schema", "set_db_change_aware"} <= set(methods)


# ---- what the profiles make of them ----


def named(collector):
    """The names of all spans."""
    return [span.name for span in ended(collector)]


@pytest.mark.parametrize("sdk", ["1", "2"])
def test_mcp_profile(tmp_path, sdk):
    command = SERVERS["everything"](str(tmp_path))
    direct = session("mcp", sdk, str(tmp_path), *command)
    with collecting() as collector:
        passed = session("mcp", sdk, str(tmp_path), *wrapped(*command, args=["--profile=mcp"]), collector=collector)
        names = named(collector)
        spans = collector.ours()
    assert in_any_order(passed) == in_any_order(direct)
    assert names.count("tools/call get-sum") == 42 and names.count("prompts/get simple-prompt") == 1
    assert {"roots/list", "elicitation/create"} <= set(names)
    calls = [span for span in spans if span.name == "tools/call get-sum"]
    assert all(span.attributes["gen_ai.operation.name"] == "execute_tool" for span in calls)
    assert [span.attributes.get("error.type") for span in calls].count("tool_error") == 1
    long = [span for span in spans if span.name == "tools/call trigger-long-running-operation"]
    assert sorted(span.attributes.get("error.type", "") for span in long) == ["", "cancelled"]
    assert all(span.attributes["mcp.client.name"] == "peer" for span in calls)


def test_mcp_servers_see_our_context():
    """The server's own view of _meta: our context, and what the client had put there beside its own."""
    with collecting() as collector:
        steps = dict(session("mcp-meta", *wrapped("node", script("mcp-meta-server"), args=["--profile=mcp"]),
                             collector=collector))
        told = {f"00-{span.trace_id}-{span.span_id}": span for span in ended(collector) if span.name == "tools/call meta"}
    bare, theirs = steps["bare"], steps["theirs"]
    assert told[bare["traceparent"][:-3]].parent_id in (None, "")
    span = told[theirs["traceparent"][:-3]]
    assert (span.trace_id, span.parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert theirs["baggage"] == "k=v" and "progressToken" in theirs


def test_mcp_second_era():
    """2026-07-28, both sides of the second SDK: no initialize, who is who in each message's _meta."""
    command = ["node", script("mcp-server-modern")]
    direct = session("mcp-modern", *command)
    with collecting() as collector:
        passed = session("mcp-modern", *wrapped(*command, args=["--profile=mcp"]), collector=collector)
        names = named(collector)
        spans = {span.name: span for span in collector.ours()}
        orders = [span for span in collector.ours() if span.name == "tools/call order"]
    assert [step for step in passed if step[0] != "meta"] == [step for step in direct if step[0] != "meta"]
    assert "traceparent" in dict(passed)["meta"]
    assert orders[1].links == [orders[0].span_id] and orders[0].links == []
    assert "input required" in orders[0].events and names.count("prompts/get greet") == 1
    assert spans["tools/call steps"].events == ["progress"]
    assert (spans["tools/call fail"].status, spans["tools/call fail"].attributes["error.type"]) == (2, "tool_error")
    assert (spans["tools/call wait"].status, spans["tools/call wait"].attributes["error.type"]) == (2, "cancelled")
    fault = spans["tools/call no-such-tool"]
    assert fault.status == 0 and "error.type" not in fault.attributes and -32602 == int(
        fault.attributes["rpc.response.status_code"])
    for span in orders:
        assert (span.attributes["mcp.protocol.version"], span.attributes["mcp.client.name"],
                span.attributes["mcp.server.name"]) == ("2026-07-28", "peer", "modern-server")


def test_mcp_tasks(tmp_path):
    """A call that goes on as a task, which asks: one span from its handle to its end, the question below it."""
    command = SERVERS["everything"](str(tmp_path))
    with collecting() as collector:
        steps = session("mcp-tasks", *wrapped(*command, args=["--profile=mcp"]), collector=collector)
        spans = {span.name: span for span in ended(collector)}
    assert [step for step, _ in steps][:2] == ["taskCreated", "taskStatus"] and steps[-1][0] == "result"
    call, task = spans["tools/call simulate-research-query"], spans["task simulate-research-query"]
    assert (task.parent_id, task.status) == (call.span_id, 1) and task.end >= spans["tasks/result"].start
    assert spans["elicitation/create"].parent_id == task.span_id and spans["elicitation/create"].kind == 3


@pytest.mark.parametrize("method,args,span", [
    ("tools/list", [], "tools/list"),
    ("tools/call", ["--tool-name", "echo", "--tool-arg", "message=hello"], "tools/call echo"),
    ("prompts/get", ["--prompt-name", "simple-prompt"], "prompts/get simple-prompt"),
    ("resources/list", [], "resources/list"),
])
def test_mcp_inspector(tmp_path, method, args, span):
    """The Inspector's command line, which starts its server by itself."""
    command = SERVERS["everything"](str(tmp_path))
    printed = []
    with collecting() as collector:
        for number, server in enumerate((command, wrapped(*command, args=["--profile=mcp"]))):
            script = tmp_path / f"server-{number}"
            script.write_text("#!/bin/sh\nexec " + " ".join(server) + "\n", encoding="utf-8")
            script.chmod(0o755)
            ran = subprocess.run(["node", program("mcp-inspector"), "--cli", str(script), "--method", method, *args],
                                 env=environment(collector), cwd=PEERS, stdin=subprocess.DEVNULL, capture_output=True,
                                 text=True, timeout=SECONDS, check=False)
            assert ran.returncode == 0, ran.stderr
            printed.append(json.loads(ran.stdout))
        names = named(collector)
    assert printed[0] == printed[1]
    assert sorted(names)[:1] == ["initialize"] and names.count(span) == 1


def test_acp_second_version():
    """The turn goes on behind the answer, until the session is idle."""
    command = ["node", script("acp-2-agent")]
    direct = session("acp-2", *command)
    with collecting() as collector:
        passed = session("acp-2", *wrapped(*command, args=["--profile=acp"]), collector=collector)
        spans = ended(collector)
    assert in_any_order(passed) == in_any_order(direct)
    turns = {span.name: span for span in spans if span.name.startswith("prompt ")}
    tools = [span for span in spans if span.name == "execute"]
    assert sorted(span.parent_id for span in tools) == sorted(span.span_id for span in turns.values())
    asked = [span for span in spans if span.name == "permission selected"]
    assert sorted(span.parent_id for span in asked) == sorted(span.span_id for span in tools)
    assert (turns["prompt error"].status, turns["prompt error"].status_message) == (2, "no model")
    assert turns["prompt cancelled"].events == ["cancel asked for"] and turns["prompt cancelled"].status == 0
    for turn in turns.values():
        assert turn.kind == 2 and turn.attributes["acp.context.used"] == 1200
        assert (turn.attributes["gen_ai.conversation.id"], turn.attributes["gen_ai.agent.name"]) == ("session-1", "peer-agent")
        assert all(turn.start <= span.start and span.end <= turn.end for span in tools if span.parent_id == turn.span_id)


def test_acp_profile(tmp_path):
    command = ["node", script("acp-agent")]
    direct = session("acp", str(tmp_path), *command)
    with collecting() as collector:
        passed = session("acp", str(tmp_path), *wrapped(*command, args=["--profile=acp"]), collector=collector)
        names = named(collector)
        spans = collector.ours()
    assert in_any_order(passed) == in_any_order(direct)
    assert names.count("permission selected") == 2 and names.count("fs/read_text_file") == 1
    turns = {span.name: span for span in spans}
    tools = [span for span in spans if span.name == "execute"]
    # this agent calls its tool call-1 in each turn: an id that was over is not begun again
    assert [span.parent_id for span in tools] == [turns["prompt end_turn"].span_id]
    assert tools[0].attributes["gen_ai.conversation.id"] == "session-1"


ETHEREUM_ENDS = {"ethers": {"eth_accounts"}, "viem": {"eth_getBlockByNumber"}, "web3": {"eth_unsubscribe", "net_listening"}}


@pytest.mark.parametrize("library", ["ethers", "viem", "web3"])
def test_ethereum_profile(library):
    node, proxy = free_port(), free_port()
    with running(program("ganache"), f"--server.port={node}", "--wallet.deterministic", "--logging.quiet",
                 port=node), collecting() as collector:
        with running(sidespan_path(), "--profile=ethereum", f"--listen=ws://127.0.0.1:{proxy}",
                     f"--upstream=ws://127.0.0.1:{node}", port=proxy, collector=collector):
            session("ethereum", library, f"ws://127.0.0.1:{proxy}")
        names = named(collector)
    spans = [span for span in collector.ours() if span.name == "subscription newHeads"]
    requests = [span for span in collector.ours() if "rpc.method" in span.attributes]
    assert {"eth_chainId", "eth_getBalance"} <= set(names)
    above = {span.span_id for span in requests if span.name == "eth_subscribe"}
    for span in spans:
        assert span.attributes["eth.notifications"] >= 1 and span.parent_id in above
        # viem goes without a word to the node, the others unsubscribe
        assert span.attributes.get("sidespan.end_reason", "closed") in ("closed", "connection_closed")
    assert ETHEREUM_ENDS[library] <= set(names)
    wrong = [span for span in requests if span.name == "no_such_method"]
    assert all(int(span.attributes["rpc.response.status_code"]) == -32700 or
               int(span.attributes["rpc.response.status_code"]) == -32601 for span in wrong)
    assert len(wrong) == (library != "web3") and all(span.status == 2 for span in wrong)
