"""
The built-in profiles of protocols: what --explain makes of the conversations in tests/golden/profiles, which are of
sessions of tests/real/peers, recorded with --record. UPDATE_GOLDEN=1 writes what comes out beside them,
instead of comparing.
"""

import glob
import json
import os
import re
import subprocess

import pytest

from lib.process import BINARY, ROOT

FILES = sorted(glob.glob(os.path.join(ROOT, "tests/golden/profiles/*.jsonl")))
PROFILES = sorted(glob.glob(os.path.join(ROOT, "config/profiles/*.json")))
PROTOCOLS = {"acp", "ethereum", "lsp", "mcp"}


def name_of(path):
    return os.path.splitext(os.path.basename(path))[0]


def explained(lab, profile, path, *args):
    ran = subprocess.run([BINARY, "--profile", profile, *args, "--explain", path], capture_output=True, text=True,
                         env=lab.environment(None, None), timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_golden(lab, path):
    text = explained(lab, name_of(path).split("-", maxsplit=1)[0], path)
    beside = path.removesuffix("l").removesuffix(".json") + ".txt"
    if os.environ.get("UPDATE_GOLDEN"):
        with open(beside, "w", encoding="utf-8") as file:
            file.write(text)
    with open(beside, encoding="utf-8") as file:
        assert text == file.read()


def test_each_protocol_has_a_recording_and_fits_a_page():
    assert {name_of(path).split("-", maxsplit=1)[0] for path in FILES} == PROTOCOLS
    assert PROTOCOLS <= {name_of(path) for path in PROFILES}
    for path in PROFILES:
        if name_of(path) in PROTOCOLS:
            with open(path, encoding="utf-8") as file:
                assert len(file.readlines()) < 60, path


def trees(text):
    """What stands behind the rules' notes, which name keys."""
    return text[text.index("\ntrace 1"):]


def test_uris_are_opt_in(lab):
    path = os.path.join(ROOT, "tests/golden/profiles/lsp.jsonl")
    text = trees(explained(lab, "lsp", path))
    assert "document go" in text and "lsp.document.diagnostics=2" in text and "file:///" not in text
    text = trees(explained(lab, "lsp", path, "--lifecycle-on=uris"))
    assert "lsp.document.uri=file:///tmp/go/a.go" in text and "lsp.request.uri=file:///tmp/go/a.go" in text
    assert "document" not in trees(explained(lab, "lsp", path, "--lifecycle-off=documents")).replace("documentSymbol", "")


def test_a_call_that_the_server_makes_a_task(lab):
    """As since 2026-07-28: nobody asked for it, and its id stands in the answer itself."""
    path = lab.write("tasks.txt", """
> {"id":1,"method":"tools/call","params":{"name":"long"}}
> {"id":2,"method":"tools/call","params":{"name":"short"}}
< {"id":2,"result":{"resultType":"complete","content":[]}}
< {"id":1,"result":{"resultType":"task","taskId":"t","status":"working"}}
> {"id":3,"method":"tasks/get","params":{"taskId":"t"}}
< {"id":3,"result":{"resultType":"complete","taskId":"t","status":"working"}}
> {"id":4,"method":"tasks/get","params":{"taskId":"t"}}
< {"id":4,"result":{"resultType":"complete","taskId":"t","status":"failed","error":{"code":1,"message":"no"}}}
""")
    long, short = trees(explained(lab, "mcp", path)).split("trace ")[1:3]
    assert re.search("tools/call long .*\n   └─ task long  7.00 ms .*ERROR .*mcp.task.id=t .*error.type=failed", long)
    assert "tools/call short" in short and "task" not in short


@pytest.mark.parametrize("answer,length", [('"result":null', "3.00 ms"), ('"error":{"code":1,"message":"no"}', "1.00 ms")])
def test_work_begins_with_the_editors_consent(lab, answer, length):
    path = lab.write("work.txt", """
< {"id":1,"method":"window/workDoneProgress/create","params":{"token":7}}
> {"id":1,%s}
< {"method":"window/logMessage","params":{}}
< {"method":"$/progress","params":{"token":7,"value":{"kind":"begin","title":"Indexing"}}}
< {"method":"$/progress","params":{"token":7,"value":{"kind":"end"}}}
""" % answer)
    assert f"work Indexing  {length}" in trees(explained(lab, "lsp", path))


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
AMBIENT = "11111111111111111111111111111111", "2222222222222222"


def carried(trace, span):
    return {"traceparent": f"00-{trace}-{span}-01"}


@pytest.mark.parametrize("told", [False, True])
def test_a_servers_own_context_is_above_what_it_asks(lab, told):
    link = lab.traced("stdio", profile="mcp", env={"TRACEPARENT": f"00-{AMBIENT[0]}-{AMBIENT[1]}-01"},
                      args=["--propagation-inject-server-requests"] if told else [])
    for number, meta in enumerate(({}, carried(TRACE, SPAN), {"traceparent": "no"})):
        asked = {"id": number, "method": "sampling/createMessage", "params": {"_meta": meta}}
        link.server.send(asked)
        received = link.client.recv_json()
        link.client.send({"id": number, "result": {}})
        link.server.recv()
        span = link.collector.span(request_id=str(number))
        assert (span.name, span.kind) == ("sampling/createMessage", 3)
        if number == 1:
            assert (span.trace_id, span.parent_id) == (TRACE, SPAN)
        else:
            assert span.parent_id is None and span.trace_id not in (TRACE, AMBIENT[0])
        if told:
            assert received["params"]["_meta"]["traceparent"][:-3] == f"00-{span.trace_id}-{span.span_id}"
        else:
            assert received == asked


def test_the_environments_context_is_a_link_beside_a_requests_own(lab):
    link = lab.traced("stdio", profile="mcp", env={"TRACEPARENT": f"00-{AMBIENT[0]}-{AMBIENT[1]}-01"})
    metas = [{}, carried(TRACE, SPAN), carried(*AMBIENT), {"traceparent": "no"}]
    for number, meta in enumerate(metas):
        link.call({"id": number, "method": "tools/list", "params": {"_meta": meta}}, {"id": number, "result": {}})
    spans = [link.collector.span(request_id=str(number)) for number in range(len(metas))]
    assert [(span.trace_id, span.parent_id) for span in spans[:3]] == [AMBIENT, (TRACE, SPAN), AMBIENT]
    assert spans[3].parent_id is None
    assert [[(link["traceId"], link["spanId"]) for link in span.links] for span in spans] == [[], [AMBIENT], [], []]


def test_callers_faults_are_errors_where_that_is_asked_for(lab):
    path = os.path.join(ROOT, "tests/golden/profiles/mcp-stateless.jsonl")
    lines = [line for line in explained(lab, "mcp", path).splitlines() if "-32602" in line]
    assert len(lines) == 1 and "ERROR" not in lines[0] and "error.type" not in lines[0]
    text = explained(lab, "mcp", path, "--lifecycle-on=faults")
    assert "ERROR Tool no-such-tool not found" in text and "error.type=-32602" in text


@pytest.mark.parametrize("profile,method", [("mcp", "elicitation/create"), ("lsp", "workspace/configuration")])
def test_what_servers_ask_is_known_by_its_connection(lab, profile, method):
    """Each conversation counts its own: two ask under the same id at the same time, and one behind the other."""
    link = lab.traced("tcp", profile=profile)
    pairs = [(link.client, link.server), link.open()]

    def ask(number, *pairs):
        asked = {"id": number, "method": method, "params": {}}
        for client, server in pairs:
            server.send(asked)
            assert client.recv_json() == asked
        for client, server in pairs:
            client.send({"id": number, "result": {}})
            server.recv()

    ask(0, *pairs)
    for pair in pairs:
        ask(1, pair)
    spans = link.collector.wait_spans(4)
    assert [(span.name, span.kind, span.end_reason) for span in spans] == 4 * [(method, 3, "answered")]
    assert sorted(span.request_id for span in spans) == ["0", "0", "1", "1"]
