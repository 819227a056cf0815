"""Work that outlives its request: the trees that real sessions leave at the collector."""

import pytest

from checks import (
    REQUEST,
    TURN,
    above,
    check_accounts,
    check_bytes,
    check_codex_spans,
    check_order,
    check_spans,
    codex_requests,
    end_reason,
    request_spans,
)
from codex import TRANSPORTS
from trees import TASKS, draw, expected, tasks
from turns import APPROVAL, LISTENING, TURNS, hold, leave

WAIT_S = 10
CASES = [
    pytest.param(name, transport, False, id="%s-%s" % (name, transport))
    for name, session in TURNS.items()
    for transport in session.transports
] + [
    pytest.param(name, session.transports[number % len(session.transports)], True, id=name + "-otel")
    for number, (name, session) in enumerate(TURNS.items())
    if session.exports
]
"""Over each transport; with codex's own export over one, which all of them have in turn."""


def wait_codex(server, tree):
    """codex exports a little later; its end would drop what it still has."""
    collector = server.lab.collector
    requests = sum(len(client.requests()) for client in server.clients)

    def complete():
        names = sorted(span.name for span in collector.codex() if span.name in TASKS)
        return names == tasks(tree) and len(codex_requests(collector)) == requests

    assert collector.wait(complete, WAIT_S)


@pytest.mark.parametrize("name, transport, otel", CASES)
def test_tree(lab, name, transport, otel):
    server = lab.serve(transport, otel=otel)
    TURNS[name].run(server)
    tree = expected(TURNS[name].tree, codex=otel)
    if otel:
        wait_codex(server, tree)
    server.stop()
    assert draw(lab.collector.spans) == tree
    check_spans(server)
    check_codex_spans(server)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", ["turn", "accepted", "steered", "interrupted"])
def test_off(lab, name, transport):
    """Work is left to a server that traces it: its spans are below the requests, nothing is ours."""
    server = lab.serve(transport, otel=True, options=["--lifecycle=off"])
    TURNS[name].run(server)
    wait_codex(server, expected(TURNS[name].tree, codex=True))
    server.stop()
    check_bytes(server)
    check_accounts(server)
    check_order(server)
    check_codex_spans(server)
    ours = lab.collector.ours()
    assert ours == request_spans(lab.collector)
    assert len(ours) == len(server.clients[0].requests())
    spans = {span.span_id: span for span in lab.collector.spans}
    for span in lab.collector.codex():
        if span.name in TASKS:
            request = above(span, spans, REQUEST)
            assert request.attributes["turn.id"] == span.attributes["turn.id"]


OPTIONS = {
    "dispatch none": (
        "steered",
        ["--lifecycle-dispatch=none"],
        """
        app_server.request turn/start answered
          app_server.turn OK closed kind=turn status=completed
            codex turn/start
              codex session_task.turn
            agentMessage parent_ended
            agentMessage parent_ended
            agentMessage closed
        app_server.request turn/steer ERROR error type=-32600
          codex turn/steer
        """,
    ),
    "dispatch some": (
        "steered",
        ["--lifecycle-dispatch=turns"],
        """
        app_server.request turn/start answered
          app_server.dispatch turn_input
            app_server.turn OK closed kind=turn status=completed
              codex turn/start
                codex session_task.turn
              agentMessage parent_ended
              agentMessage parent_ended
              agentMessage closed
        app_server.request turn/steer ERROR error type=-32600
          codex turn/steer
        app_server.request turn/start answered
          app_server.dispatch turn_input -> app_server.turn
            codex turn/start
        """,
    ),
    "no dispatch of a compaction": (
        "preempted",
        ["--lifecycle-dispatch=none"],
        """
        app_server.request turn/start answered
          app_server.turn closed kind=turn status=interrupted
            codex turn/start
              codex session_task.turn
            agentMessage parent_ended
        app_server.request thread/compact/start answered
          codex thread/compact/start
            codex session_task.compact
          app_server.turn OK closed kind=compact status=completed
            contextCompaction closed
        """,
    ),
    "no items": (
        "accepted",
        ["--lifecycle-off=items"],
        """
        app_server.request turn/start answered
          app_server.dispatch turn_input
            app_server.turn OK closed kind=turn status=completed
              codex turn/start
                codex session_task.turn
              approval commandExecution answered decision=accept
        """,
    ),
    "no approvals": (
        "accepted",
        ["--lifecycle-off=approvals"],
        """
        app_server.request turn/start answered
          app_server.dispatch turn_input
            app_server.turn OK closed kind=turn status=completed
              codex turn/start
                codex session_task.turn
              commandExecution touch closed status=completed command=touch exit=0
              agentMessage closed
        """,
    ),
    "no events": (
        "retried",
        ["--lifecycle-off=events"],
        """
        app_server.request turn/start answered
          app_server.dispatch turn_input
            app_server.turn ERROR closed kind=turn status=failed type=other
              codex turn/start
                codex session_task.turn
        """,
    ),
}


@pytest.mark.parametrize("which", OPTIONS)
def test_options(lab, which):
    """What is not wanted is not there, and nothing hangs below it."""
    name, options, tree = OPTIONS[which]
    tree = expected(tree, codex=True)
    server = lab.serve("ws", otel=True, options=options)
    TURNS[name].run(server)
    wait_codex(server, tree)
    server.stop()
    assert draw(lab.collector.spans) == tree
    check_accounts(server)
    check_order(server)
    check_codex_spans(server)


def wait_spans(lab, wanted):
    """The spans for which wanted(span) is true, once there is one."""
    assert lab.collector.wait(lambda: any(map(wanted, lab.collector.ours())), WAIT_S)
    return [span for span in lab.collector.ours() if wanted(span)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_announced(lab, transport):
    """A turn that goes on can be found before it ends."""
    options = ["--lifecycle-announce-after=10ms", "--batch-delay=20ms"]
    server = lab.serve(transport, options=options)
    client = server.connect()
    turn = client.start_turn(client.start_thread(), "<hold>")
    told, *_ = wait_spans(lab, lambda span: span.name == "app_server.turn started")
    assert [span for span in lab.collector.ours() if span.name == TURN] == []
    lab.model.release()
    client.wait_turn(turn, "completed")
    server.stop()
    check_accounts(server)
    check_order(server)
    (span,) = [span for span in lab.collector.ours() if span.name == TURN]
    assert (told.parent_id, told.start_ns) == (span.parent_id, span.start_ns)
    assert told.start_ns + 10_000_000 <= told.end_ns < span.end_ns
    assert told.attributes["turn.status"] == "inProgress"
    for name in ("thread.id", "turn.id", "turn.kind"):
        assert told.attributes[name] == span.attributes[name]


@pytest.mark.parametrize("transport", LISTENING)
def test_expired(lab, transport):
    """Nobody is left who could see how a turn ends: it is given up after a time, once."""
    options = ["--lifecycle-max-age=200ms", "--batch-delay=20ms"]
    server = lab.serve(transport, options=options)
    client = server.connect()
    thread = client.start_thread()
    turn = hold(client, thread)
    leave(server, client)
    (span,) = wait_spans(lab, lambda span: span.name == TURN)
    assert (end_reason(span), span.status) == ("expired", 0)
    later = server.connect()
    later.call("thread/resume", {"threadId": thread})
    lab.model.release()
    later.wait_turn(turn, "completed")
    server.stop()
    check_accounts(server)
    check_order(server)
    assert [each for each in lab.collector.ours() if each.name == TURN] == [span]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_asked_in_context(lab, transport):
    """If that is wanted, a client that is asked learns in the name of which span."""
    server = lab.serve(transport, options=["--propagation-inject-server-requests"])
    client = server.connect()
    client.turn(client.start_thread(), "<run touch a>")
    carrier = client.wait_note(APPROVAL)["trace"]
    server.stop()
    check_spans(server)
    (span,) = [each for each in lab.collector.ours() if each.name.startswith("approval ")]
    assert carrier == {"traceparent": "00-%s-%s-01" % (span.trace_id, span.span_id)}
