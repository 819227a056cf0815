"""The demo: what its programs say to each other, and the traces that come of it.

Needs the programs of tests/demo in DEMO_BIN (default build/release/tests/demo).
"""

import json
import os
import pathlib
import re
import subprocess
import urllib.request

import pytest

from lib.process import BINARY, ROOT
from lib.wait import PATIENCE, until

BIN = pathlib.Path(ROOT, os.environ.get("DEMO_BIN", "build/release/tests/demo"))
OK, ERROR = 1, 2
INTERNAL, CLIENT = 1, 3
THREAD = "0199a000-0000-7000-8000-00000000000"
TURN = "0199b000-0000-7000-8000-00000000000"
CONVERSATIONS = [
    ["initialize"], ["model/list"], ["thread/start", "turn/start"],
    ["thread/start", "turn/start", "turn/interrupt"], ["thread/start", "turn/start"],
    ["turn/start"]]


def run(command, env):
    ran = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         timeout=3 * PATIENCE, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran


def tap(lab):
    """A command that runs the server; files with what it has heard and said."""
    heard, said = lab.path("heard"), lab.path("said")
    return ["bash", "-c", f'tee "{heard}" | "{BIN}/agent_server" | tee "{said}"'], heard, said


def messages(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def test_what_the_server_says(lab):
    """Messages have the members of codex's; the answer of turn/start comes first, or second."""
    command, heard, said = tap(lab)
    run([BIN / "agent_client", "--", *command], lab.environment())
    found = messages(said)
    assert {tuple(message) for message in found} == {
        ("id", "result"), ("error", "id"), ("method", "params", "emittedAtMs"),
        ("method", "id", "params")}
    answered = [i for i, message in enumerate(found) if "turn" in message.get("result", ())]
    started = [i for i, message in enumerate(found) if message.get("method") == "turn/started"]
    assert [a < b for a, b in zip(answered, started, strict=True)] == [True, False, True]
    answers = [message for message in messages(heard) if "method" not in message]
    assert answers == [{"id": 0, "result": {"decision": "accept"}}]


def test_demo(lab):
    collector = lab.collector()
    env = dict(lab.environment(collector), SIDESPAN=BINARY, DEMO_BIN=str(BIN))
    ran = run([pathlib.Path(ROOT, "tests/demo/run.sh")], env)
    for part in ("turn completed", "a person says yes to: /bin/bash -lc make", "turn interrupted",
                 "turn failed: exceeded retry limit", "error: thread not found"):
        assert ran.stdout.count(part) == 2, ran.stdout
    assert "See it in Jaeger" in ran.stdout
    assert ran.stdout.splitlines()[-3] == "Now yours:" and ran.stdout.count(f"  {BINARY} ") == 2
    assert ran.stderr.count("app_server.request turn/interrupt") == 1, ran.stderr
    ours = [span for span in collector.spans if span.resource["service.name"] == "sidespan-demo"]
    check_client(collector.spans, ran)
    check_requests(ours)
    check_turns(ours)


def check_client(spans, ran):
    """The client's own: one per conversation, around all of it, and no trace is without its root."""
    client = [span for span in spans if span.resource["service.name"] == "demo-client"]
    assert [span.name for span in client] == ["ask for a build", "ask for a story", "ask too much"]
    known = {(span.trace_id, span.span_id) for span in spans}
    assert all(span.parent_id is None or (span.trace_id, span.parent_id) in known for span in spans)
    assert len({span.resource["host.name"] for span in spans}) == 1
    for span in client:
        assert span.kind == CLIENT and span.parent_id is None
        assert f"our span {span.span_id}: {span.name}" in ran.stdout
        below = [other for other in spans if other.trace_id == span.trace_id and other is not span]
        assert len(below) >= 3
        assert all(span.start <= other.start and other.end <= span.end for other in below)
    # the first time, for the console: there the client's spans are the parents of the requests'
    shown = re.findall(r"our span ([0-9a-f]{16})", ran.stdout)[:3]
    assert list(dict.fromkeys(re.findall(r"\(parent ([0-9a-f]{16})\)", ran.stderr))) == shown


def of_name(spans, name):
    return [span for span in spans if span.name.startswith(name)]


def check_requests(spans):
    """One trace per conversation, below the span that the client named; one for each other."""
    requests = sorted(of_name(spans, "app_server.request "), key=lambda span: int(span.request_id))
    expected = [method for methods in CONVERSATIONS for method in methods]
    assert [span.method for span in requests] == expected
    assert {span.resource["service.name"] for span in spans} == {"sidespan-demo"}
    assert all(span.attributes["app_server.client_name"] == "demo_client" for span in requests)
    rest = list(requests)
    for methods in CONVERSATIONS:
        here, rest = rest[:len(methods)], rest[len(methods):]
        assert len({(span.trace_id, span.parent_id) for span in here}) == 1
        assert (here[0].parent_id is None) == ("thread/start" not in methods)
    assert len({span.trace_id for span in requests}) == len(CONVERSATIONS)
    assert [span.status for span in requests] == [0] * (len(requests) - 1) + [ERROR]


# The rest holds when turns are recorded: test_demo then calls check_turns after check_requests.

def children(spans, parent, name=""):
    found = [span for span in of_name(spans, name) if span.parent_id == parent.span_id]
    assert all(span.trace_id == parent.trace_id and span.start >= parent.start for span in found)
    return sorted(found, key=lambda span: span.start)


def only_child(spans, parent, name):
    child, = children(spans, parent, name)
    return child


def items(spans, turn):
    return [span for span in children(spans, turn, "") if "item.type" in span.attributes]


def milliseconds(span):
    return (span.end - span.start) / 1e6


def check_turns(spans):
    requests = sorted(of_name(spans, "app_server.request turn/start"),
                      key=lambda span: int(span.request_id))
    checks = (check_completed, check_interrupted, check_failed)
    for number, (check, request) in enumerate(zip(checks, requests), 1):
        dispatch = only_child(spans, request, "app_server.dispatch turn_input")
        turn = only_child(spans, dispatch, "app_server.turn")
        assert dispatch.kind == turn.kind == INTERNAL
        assert turn.attributes["thread.id"] == f"{THREAD}{number}"
        assert turn.attributes["turn.id"] == f"{TURN}{number}"
        assert turn.attributes["turn.kind"] == "turn"
        assert turn.end > request.end
        check(spans, turn)
    interrupt, = of_name(spans, "app_server.request turn/interrupt")
    assert only_child(spans, interrupt, "app_server.dispatch interrupt")
    assert len(of_name(spans, "app_server.turn")) == 3
    assert len({span.trace_id for span in spans}) == len(CONVERSATIONS)


def check_completed(spans, turn):
    """Its items one after the other; the person's time inside the command's."""
    assert turn.status == OK and turn.attributes["turn.status"] == "completed"
    reasoning, command, message = items(spans, turn)
    assert [span.attributes["item.type"] for span in (reasoning, command, message)] == [
        "reasoning", "commandExecution", "agentMessage"]
    assert reasoning.end <= command.start and command.end <= message.start
    assert message.end <= turn.end
    assert command.attributes["process.executable.name"] == "make"
    assert command.attributes["process.exit.code"] == 0
    approval = only_child(spans, command, "approval ")
    assert approval.name == "approval commandExecution" and command.name == "commandExecution make"
    assert approval.kind == CLIENT and approval.attributes["approval.decision"] == "accept"
    assert 300 <= milliseconds(approval) < milliseconds(command) < milliseconds(turn)
    assert turn.attributes["turn.usage.input_tokens"] == 2000
    assert turn.attributes["turn.usage.output_tokens"] == 100
    assert turn.attributes["turn.delta.count"] == 4
    first = turn.attributes["turn.time_to_first_token_ms"]
    assert 0 < first < (reasoning.end - turn.start) / 1e6


def check_interrupted(spans, turn):
    """The item that was under way ends with the turn."""
    assert turn.status == 0 and turn.attributes["turn.status"] == "interrupted"
    change, message = items(spans, turn)
    assert change.attributes["item.type"] == "fileChange"
    assert change.attributes["item.status"] == "completed"
    assert message.attributes["item.type"] == "agentMessage"
    assert change.end <= message.start and message.end <= turn.end


def check_failed(spans, turn):
    """The retry is no end; the failure says why."""
    assert turn.status == ERROR and turn.attributes["turn.status"] == "failed"
    assert turn.message == "exceeded retry limit, last status: 429 Too Many Requests"
    assert turn.attributes["error.type"] == "responseTooManyFailedAttempts"
    assert milliseconds(turn) > 150
    calls = children(spans, turn)  # the two attempts
    assert [call.name for call in calls] == 2 * ["chat demo-small"]
    assert [call.status for call in calls] == 2 * [ERROR]
    assert turn.start == calls[0].start and calls[0].end <= calls[1].start
    assert calls[1].message == turn.message


@pytest.mark.parametrize("end", ["enter", "end of input", "signal"])
def test_page(lab, end):
    """What stays says where its page is, the conversation comes again, and with the script all ends."""
    script = subprocess.Popen(
        [os.path.join(ROOT, "tests/demo/run.sh"), "--page"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=lab.environment(env={"SIDESPAN": BINARY, "DEMO_BIN": str(BIN), "TMPDIR": lab.directory,
                                 "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}))
    try:
        lines = iter(script.stdout.readline, "")
        url = next(found[1] for found in (re.match(r"Look at it in a browser: (http://127\.0\.0\.1:\d+/)$", line)
                                          for line in lines) if found)

        def get(path):
            with urllib.request.urlopen(url + path, timeout=PATIENCE) as answer:
                return answer.read().decode()

        assert get("").startswith("<!doctype html>")
        until(lambda: json.loads(get("traces"))["seq"] >= 29 + 29, "all of it, and once more")
        if end == "signal":
            script.terminate()
        elif end == "enter":
            script.stdin.write("\n")
            script.stdin.flush()
        else:
            script.stdin.close()
        assert script.wait(3 * PATIENCE) == 0
    finally:
        script.kill()
        script.wait()
        script.stdin.close()
        script.stdout.close()
    with pytest.raises(OSError):
        get("")
    assert os.listdir(lab.directory) == []
