"""How things end: exit statuses, signals, ends of file, requests unanswered, programs killed."""

import os
import signal
import time

import pytest

from checks import (
    CLOCKS_DIFFER_S,
    check_accounts,
    check_bytes,
    check_order,
    check_spans,
    end_reason,
    request_spans,
)
from client import WAIT_S
from codex import TRANSPORTS, freeze, state, until
from tap import CLIENT_TO_SERVER

LISTENING = ("ws", "unix")


def alive(pid):
    """Is there such a process, and is it not a zombie?"""
    return state("/proc/%d" % pid) != "Z"


def start_unanswered(server, client, count=3):
    """Stops codex and sends requests; returns codex's pid once they are through sidespan."""
    pid = server.codex_pid()
    freeze(pid)
    for _ in range(count):
        client.start("thread/list")
    sent = sum(message.sent for message in client.messages)
    until(lambda: len(server.arrived(-1)) == sent)
    return pid


def reasons(collector, method):
    return [
        end_reason(span)
        for span in request_spans(collector)
        if span.attributes["rpc.method"] == method
    ]


@pytest.mark.parametrize("bare", [True, False], ids=["bare", "sidespan"])
@pytest.mark.parametrize("how", ["eof", "TERM", "INT", "HUP"])
def test_exit_status(lab, bare, how):
    """The wrapped codex's status is ours, whatever ends it in mid turn; bare shows what it is."""
    expected = {"eof": 0, "TERM": 0, "INT": 128 + 2, "HUP": 128 + 1}[how]
    server = lab.serve("stdio", bare=bare, tap=False)
    client = server.connect()
    client.start_turn(client.start_thread(), "<hold>")
    client.wait_note("item/agentMessage/delta")
    pid = server.program.process.pid if bare else server.codex_pid()
    if how == "eof":
        client.wire.close()
    else:
        server.program.process.send_signal(getattr(signal, "SIG" + how))
    client.wait_end()
    status = server.program.wait()
    assert (status if status >= 0 else 128 - status) == expected
    assert not alive(pid)
    if not bare:
        assert reasons(lab.collector, "turn/start") == ["answered"]
        check_accounts(server)
        check_order(server)
        assert len(request_spans(lab.collector)) == len(client.requests())


@pytest.mark.parametrize("arguments, status", [(["--no-such-option"], 2), (["--help"], 0)])
def test_command_line(lab, arguments, status):
    """codex that does not serve at all: its output and status come through."""
    bare = lab.serve("stdio", bare=True, tap=False, arguments=arguments)
    wrapped = lab.serve("stdio", tap=False, arguments=arguments)
    outputs = [server.program.process.stdout.read() for server in (bare, wrapped)]
    assert outputs[0] == outputs[1]
    assert [server.program.wait() for server in (bare, wrapped)] == [status, status]
    assert wrapped.accounts()["created"] == 0


def test_eof_with_requests(lab):
    """stdin ends with requests still queued: codex answers some at best; each span says which."""
    server = lab.serve("stdio")
    client = server.connect()
    for method in ("thread/loaded/list", "thread/list", "model/list", "thread/start"):
        client.start(method)
    assert server.stop() == 0
    check_bytes(server)
    check_spans(server)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_codex_killed(lab, transport):
    """codex dies with requests unanswered: their spans end at that moment and say why."""
    server = lab.serve(transport)
    client = server.connect()
    pid = start_unanswered(server, client)
    before = time.time()
    os.kill(pid, signal.SIGKILL)
    client.wait_end()
    after = time.time()
    assert server.stop() == (128 + 9 if transport == "stdio" else 0)
    check_bytes(server)
    check_spans(server)
    ends = ("answered", "error")
    lost = [span for span in request_spans(lab.collector) if end_reason(span) not in ends]
    assert len(lost) == 3
    for span in lost:
        assert end_reason(span) == "backend_exited" or transport != "stdio"
        assert before - CLOCKS_DIFFER_S <= span.end <= after + 1


@pytest.mark.parametrize("transport", LISTENING)
def test_client_gone(lab, transport):
    """
    A client goes away with requests unanswered; codex and the other client go on. On Unix it looks
    as if the client only had nothing more to say, so codex may still answer.
    """
    server = lab.serve(transport)
    other, client = server.connect(), server.connect()
    pid = start_unanswered(server, client)
    client.abort()
    until(lambda: CLIENT_TO_SERVER in server.recordings()[1].ended)
    os.kill(pid, signal.SIGCONT)
    assert "result" in other.call("model/list")
    assert server.stop() == 0
    check_accounts(server)
    ends = reasons(lab.collector, "thread/list")
    assert len(ends) == 3
    assert set(ends) <= {"connection_closed", "answered" if transport == "unix" else ""}


@pytest.mark.parametrize("transport", LISTENING)
def test_turn_outlives_client(lab, transport):
    """A turn goes on when its connection is gone; a later connection sees its end."""
    server = lab.serve(transport)
    client = server.connect()
    thread = client.start_thread()
    turn = client.start_turn(thread, "<hold>")
    client.wait_note("item/agentMessage/delta")
    client.abort()
    later = server.connect()
    assert "result" in later.call("thread/resume", {"threadId": thread})
    lab.model.release()
    later.wait_turn(turn, "completed")
    assert server.stop() == 0
    check_spans(server)
    assert reasons(lab.collector, "turn/start") == ["answered"]


def test_sidespan_killed(lab):
    """kill -9 of the wrapper leaves no codex behind, not even one in the middle of a turn."""
    server = lab.serve("stdio", tap=False)
    client = server.connect()
    client.start_turn(client.start_thread(), "<hold>")
    client.wait_note("item/agentMessage/delta")
    pid = server.codex_pid()
    server.program.process.kill()
    until(lambda: not alive(pid))


NO_REQUESTS = ("hello", "5", "{}", "[]", '{"id":28,"method":')
DROPPED = (
    '{"id":null,"method":"thread/loaded/list","params":{}}',
    '{"id":1.5,"method":"thread/loaded/list","params":{}}',
    '{"id":[1],"method":"thread/loaded/list","params":{}}',
    '{"id":30,"id":31,"method":"thread/loaded/list","params":{}}',
)
BATCH = "[%s]" % ",".join('{"id":%d,"method":"thread/list","params":{}}' % id for id in (40, 41))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_dropped(lab, transport):
    """What codex drops without a word does no harm; no span says that it was answered."""
    server = lab.serve(transport)
    client = server.connect()
    for text in (*NO_REQUESTS, *DROPPED, BATCH):
        client.send(text)
    client.send({"method": "no/such", "params": {}})
    client.send({"id": 999, "result": {}})
    assert "result" in client.call("thread/loaded/list")
    assert server.stop() == 0
    answered = [request for request in client.requests() if request.reply]
    assert len(answered) == 2
    check_accounts(server)
    ends = {
        span.attributes.get("rpc.request_id"): end_reason(span) for span in lab.collector.ours()
    }
    for request_id, reason in ends.items():
        assert (reason == "answered") == (request_id in [str(request.id) for request in answered])
    assert {"40", "41"} <= set(ends)
    for text in NO_REQUESTS:
        assert text in server.arrived()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_expired(lab, transport):
    """A request that codex never answers is given up while the connection still lives."""
    server = lab.serve(transport, options=["--inflight-max-age", "300ms", "--batch-delay", "50ms"])
    client = server.connect()
    client.send(BATCH)

    def given_up():
        spans = [span for span in lab.collector.ours() if end_reason(span) == "expired"]
        return [span for span in spans if span.attributes["rpc.request_id"] in ("40", "41")]

    assert lab.collector.wait(lambda: len(given_up()) == 2, WAIT_S)
    assert "result" in client.call("thread/loaded/list")
    assert server.stop() == 0
    check_accounts(server)
    assert len({span.attributes["rpc.request_id"] for span in given_up()}) == 2
    for span in given_up():
        assert 0.25 < span.end - span.start < 5
