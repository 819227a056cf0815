"""Sessions between peers that nobody here wrote go as they go without sidespan, and are seen whole."""

import json
import os
import subprocess
import time

import pytest

from peers import PEERS, SECONDS, collecting, free_port, in_any_order, program, running, session, sidespan_path, wrapped

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
        calls = sum(1 for _, what in direct if isinstance(what, dict) and {"content", "thrown"} & set(what))
        methods = seen(collector, {"tools/call": calls, "initialize": 1, "ping": 1})
    assert in_any_order(passed) == in_any_order(direct)
    assert [methods.count(method) for method in ("tools/call", "initialize", "ping")] == [calls, 1, 1]


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
        methods = seen(collector, {"eth_subscribe": 1})
    assert without_balance(passed) == without_balance(direct)
    assert {"eth_chainId", "eth_accounts", "eth_getBalance", "eth_subscribe"} <= set(methods)


def seen(collector, counts):
    """The methods of all requests' spans, once there are that many; other spans, of a profile, have none."""
    def methods():
        return [span.attributes["rpc.method"] for span in collector.ours() if "rpc.method" in span.attributes]
    collector.wait(lambda: all(methods().count(name) >= count for name, count in counts.items()), SECONDS)
    return methods()


def without_balance(steps):
    """The sessions before have spent something."""
    return [step for step in steps if step[0] != "balance"]


def test_acp_stdio(tmp_path):
    command = ["node", f"{PEERS}/acp-agent.mjs"]
    direct = session("acp", str(tmp_path), *command)
    with collecting() as collector:
        passed = session("acp", str(tmp_path), *wrapped(*command), collector=collector)
        methods = seen(collector, {"session/prompt": 3})
    assert in_any_order(passed) == in_any_order(direct)
    assert sorted(methods) == ["initialize", "session/new"] + 3 * ["session/prompt"]


SOURCES = {
    "clangd": ("a.c", "c", ["clangd", "--background-index=false"], "int caf\u00e9;\nint two(void)\n{\n\treturn caf\u00e9 + missing;\n}\n"),
    "typescript": ("a.ts", "typescript", [program("typescript-language-server"), "--stdio"],
                   "const caf\u00e9: number = 1;\nexport const two: string = caf\u00e9;\n"),
}


CALLS = ["initialize", "textDocument/hover", "textDocument/documentSymbol", "textDocument/definition", "no/such",
         "textDocument/semanticTokens/full", "shutdown"]


@pytest.mark.parametrize("server", SOURCES)
def test_lsp_stdio(tmp_path, server):
    """Content-Length heads, which are found out: as direct, and every request is a span."""
    name, language, command, text = SOURCES[server]
    (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "tsconfig.json").write_text("{}", encoding="utf-8")
    direct = session("lsp", str(tmp_path), name, language, *command)
    with collecting() as collector:
        passed = session("lsp", str(tmp_path), name, language, *wrapped(*command), collector=collector)
        methods = seen(collector, {method: 1 for method in CALLS})
    assert passed == direct
    assert [methods.count(method) for method in CALLS] == [1] * len(CALLS)


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
    with collecting() as collector, \
            running("ovsdb-server", f"--remote=punix:{direct}", f"--unixctl={tmp_path}/ctl", str(tmp_path / "db")), \
            running(sidespan_path(), f"--listen=json+unix://{through}", f"--upstream=json+unix://{direct}",
                    collector=collector):
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
        methods = seen(collector, {"transact": 3, "monitor": 1})
    assert [methods.count(method) for method in ("transact", "monitor")] == [3, 1]
    assert {"list_dbs", "get_schema", "set_db_change_aware"} <= set(methods)


# ---- what the profiles make of them ----


def named(collector, counts):
    """The names of all spans, once there are that many of some."""
    def names():
        return [span.name for span in collector.ours()]
    collector.wait(lambda: all(names().count(name) >= count for name, count in counts.items()), SECONDS)
    return names()


@pytest.mark.parametrize("sdk", ["1", "2"])
def test_mcp_profile(tmp_path, sdk):
    command = SERVERS["everything"](str(tmp_path))
    direct = session("mcp", sdk, str(tmp_path), *command)
    with collecting() as collector:
        passed = session("mcp", sdk, str(tmp_path), *wrapped(*command, args=["--profile=mcp"]), collector=collector)
        names = named(collector, {"tools/call get-sum": 42, "sampling/createMessage": 1, "ping": 1})
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


SHOWS_META = """
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
const server = new McpServer({ name: 'meta', version: '1' });
server.registerTool('meta', {}, async (extra) => ({ content: [{ type: 'text', text: JSON.stringify(extra._meta ?? null) }] }));
await server.connect(new StdioServerTransport());
"""

ASKS_META = """
import process from 'node:process';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
const [command, ...args] = process.argv.slice(2);
const client = new Client({ name: 'peer', version: '1' });
await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: 'ignore' }));
const ask = async (options, meta) => JSON.parse((await client.callTool(
  { name: 'meta', arguments: {}, ...(meta && { _meta: meta }) }, undefined, options)).content[0].text);
console.log(JSON.stringify({ step: 'bare', what: await ask() }));
console.log(JSON.stringify({ step: 'theirs', what: await ask({ onprogress: () => {} }, {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', baggage: 'k=v' }) }));
await client.close();
process.exit(0);
"""


def test_mcp_servers_see_our_context():
    """The server's own view of _meta: our context, and what the client had put there beside its own."""
    for name, text in (("meta-server", SHOWS_META), ("meta", ASKS_META)):
        with open(f"{PEERS}/{name}.mjs", "w", encoding="utf-8") as file:
            file.write(text)
    with collecting() as collector:
        steps = dict(session("meta", *wrapped("node", f"{PEERS}/meta-server.mjs", args=["--profile=mcp"]),
                             collector=collector))
        named(collector, {"tools/call meta": 2})
        told = {f"00-{span.trace_id}-{span.span_id}": span for span in collector.ours() if span.name == "tools/call meta"}
    bare, theirs = steps["bare"], steps["theirs"]
    assert told[bare["traceparent"][:-3]].parent_id in (None, "")
    span = told[theirs["traceparent"][:-3]]
    assert (span.trace_id, span.parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert theirs["baggage"] == "k=v" and "progressToken" in theirs


def test_acp_profile(tmp_path):
    command = ["node", f"{PEERS}/acp-agent.mjs"]
    direct = session("acp", str(tmp_path), *command)
    with collecting() as collector:
        passed = session("acp", str(tmp_path), *wrapped(*command, args=["--profile=acp"]), collector=collector)
        names = named(collector, {"prompt end_turn": 1, "prompt cancelled": 1, "prompt": 1})
        spans = collector.ours()
    assert in_any_order(passed) == in_any_order(direct)
    assert names.count("permission selected") == 2 and names.count("fs/read_text_file") == 1
    turns = {span.name: span for span in spans}
    tools = [span for span in spans if span.name == "execute"]
    # this agent calls its tool call-1 in each turn: an id that was over is not begun again
    assert [span.parent_id for span in tools] == [turns["prompt end_turn"].span_id]
    assert tools[0].attributes["gen_ai.conversation.id"] == "session-1"


@pytest.mark.parametrize("library", ["ethers", "viem", "web3"])
def test_ethereum_profile(library):
    node, proxy = free_port(), free_port()
    with running(program("ganache"), f"--server.port={node}", "--wallet.deterministic", "--logging.quiet",
                 port=node), collecting() as collector:
        with running(sidespan_path(), "--profile=ethereum", f"--listen=ws://127.0.0.1:{proxy}",
                     f"--upstream=ws://127.0.0.1:{node}", port=proxy, collector=collector):
            session("ethereum", library, f"ws://127.0.0.1:{proxy}")
            names = named(collector, {"subscription newHeads": 1, "eth_subscribe": 1})
        spans = [span for span in collector.ours() if span.name == "subscription newHeads"]
    assert {"eth_chainId", "eth_getBalance"} <= set(names)
    assert all(span.attributes["eth.notifications"] >= 1 for span in spans)
