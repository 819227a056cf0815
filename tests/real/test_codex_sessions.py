"""Ordinary sessions: each scenario, over each transport, as it is without sidespan."""

import pytest

from checks import (
    check_accounts,
    check_bytes,
    check_order,
    check_spans,
    check_work,
    request_spans,
    shapes,
)
from codex import TRANSPORTS, Lab
from scenarios import SCENARIOS


@pytest.fixture(scope="module")
def bare_shapes():
    """What codex sends when nothing stands before it; the same over every transport."""
    known = {}

    def look(name):
        if name not in known:
            lab = Lab()
            try:
                server = lab.serve("stdio", bare=True)
                SCENARIOS[name](server)
                server.stop()
                check_bytes(server)
                known[name] = [shapes(client) for client in server.clients]
            finally:
                lab.close()
        return known[name]

    return look


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_session(lab, bare_shapes, transport, name):
    server = lab.serve(transport)
    SCENARIOS[name](server)
    assert server.stop() == 0
    check_bytes(server)
    check_spans(server)
    assert [shapes(client) for client in server.clients] == bare_shapes(name)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_untapped(lab, transport):
    """Nothing between the two, no profile named: a wrapped `codex app-server` is recognised."""
    server = lab.serve(
        transport, tap=False, **({"profile": "auto"} if transport == "stdio" else {})
    )
    SCENARIOS["turns"](server)
    assert server.stop() == 0
    client = server.clients[0]
    check_accounts(server)
    check_order(server)
    check_work(server)
    requests = request_spans(lab.collector)
    assert len(requests) == len(client.requests())
    assert {span.attributes["rpc.request_id"]: span.name for span in requests} == {
        str(request.id): "app_server.request " + request.method for request in client.requests()
    }


@pytest.mark.parametrize("transport", ["ws", "unix"])
def test_connections(lab, transport):
    """Two connections at once with the same ids; the second sees the first one's turn."""
    server = lab.serve(transport)
    first, second = server.connect(), server.connect(init=False).initialize("second_client", "7")
    thread = first.start_thread()
    first.turn(thread, "hello")
    assert "result" in second.call("thread/resume", {"threadId": thread})
    turn = first.start_turn(thread, "<hold>")
    second.wait_note("item/agentMessage/delta")
    lab.model.release()
    for client in (first, second):
        client.wait_turn(turn, "completed")
    assert server.stop() == 0
    check_bytes(server)
    check_spans(server)
    requests = request_spans(lab.collector)
    assert len({span.attributes["app_server.connection_id"] for span in requests}) == 2


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_long_answer(lab, transport):
    server = lab.serve(transport)
    client = server.connect()
    client.turn(client.start_thread(), "<deltas 2000>")
    assert server.stop() == 0
    check_bytes(server)
    check_spans(server)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_large_request(lab, transport):
    """More than sidespan holds back: the carrier goes before the closing brace."""
    server = lab.serve(transport)
    client = server.connect()
    thread = client.start_thread()
    client.turn(thread, "<deltas 1>" + "x\u20ac" * 300000)
    late = client.start(
        "turn/start",
        {"threadId": thread, "input": [{"type": "text", "text": "y" * 100000}]},
        trace={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    )
    client.wait_turn(client.wait_reply(late)["result"]["turn"]["id"], "completed")
    assert server.stop() == 0
    check_spans(server)
    check_bytes(server)
