"""A message counts when all of it is there and is JSON to its end; what is not is passed on, and counted."""

import pytest

from test_turns import answer, ask, say, turn

LONG = "x" * 200_000  # flows through: its envelope is complete long before its end
TAILS = ["INFO done", " {}", "}", ",", "\x01", "\\"]
FRAMINGS = ["tcp", "ws", "stdio"]


def not_json(link):
    return link.sidespan.accounting("traffic")["messages_not_json"]


def pass_on(sender, receiver, texts):
    for text in texts:
        sender.send(text)
        assert receiver.recv() == text.encode()


@pytest.mark.parametrize("listen", FRAMINGS)
def test_answer_with_a_tail_answers_nothing(lab, listen):
    link = lab.traced(listen)
    link.client.send('{"id":1,"method":"m"}')
    link.server.recv()
    broken = ['{"id":1,"result":1}' + tail for tail in TAILS]
    broken += ['{"id":1,"result":"%s"}%s' % (LONG, tail) for tail in TAILS]
    broken += ['[{"id":1,"result":1}]x', '[{"id":1,"result":1},{"id":2,"result":"%s"}] x' % LONG]
    broken += ['{"id":1,"result":1', '[{"id":1,"result":1}', '{"id":1,"result":"%s"' % LONG]
    pass_on(link.server, link.client, broken)
    pass_on(link.server, link.client, ['{"id":1,"error":{"code":-7,"message":"the real one"}}'])
    span = link.collector.wait_spans(1)[0]
    assert (span.end_reason, span.message) == ("error", "the real one")
    link.finish()
    assert not_json(link) == len(broken)
    assert len(link.collector.spans) == 1


@pytest.mark.parametrize("listen", FRAMINGS)
def test_request_with_a_tail_is_none(lab, listen):
    link = lab.traced(listen)
    broken = ['{"id":1,"method":"m"}' + tail for tail in TAILS]
    broken += ['[{"id":1,"method":"m"}]x', '{"id":1,"method":"m"', '[{"id":1,"method":"m"}']
    pass_on(link.client, link.server, broken)
    for text in ('{"id":1,"method":"m","x":"%s"}' % LONG, '[{"id":1,"method":"m","x":"%s"}]' % LONG):
        link.client.send(text + "x")  # was edited before its end was seen
        assert link.server.recv().endswith(b"}x" if text[0] == "{" else b"}]x")
    link.call('{"id":1,"method":"whole"}', '{"id":1,"result":1}')
    assert link.collector.wait_spans(1)[0].method == "whole"
    link.finish()
    assert not_json(link) == len(broken) + 2
    assert len(link.collector.spans) == 1


@pytest.mark.parametrize("listen", FRAMINGS)
def test_notification_with_a_tail_says_nothing(lab, listen):
    """Neither an end, nor a beginning, nor an event."""
    link = lab.traced(listen)
    ask(link, "turn/start")
    answer(link, {"turn": {"id": "u"}})
    for text in ('{"method":"turn/completed","params":{"threadId":"T","turn":{"id":"u","status":'
                 '"completed"}}} oops',
                 '{"method":"turn/started","params":{"threadId":"T","turn":{"id":"v","rootTurnId":'
                 '"v"}}} oops',
                 '{"method":"error","params":{"threadId":"T","turnId":"u","willRetry":true,'
                 '"error":{"message":"again"}}}x',
                 '{"id":0,"method":"item/commandExecution/requestApproval","params":{"threadId":'
                 '"T","turnId":"u","itemId":"i"}}x'):
        pass_on(link.server, link.client, [text])
    say(link, turn("completed", status="failed"))
    link.collector.span(name="app_server.turn")
    link.finish()
    turns = [span for span in link.collector.spans if span.name == "app_server.turn"]
    assert [span.attributes["turn.status"] for span in turns] == ["failed"]
    assert [event["name"] for event in turns[0].events] == ["failed"]
    assert not [span for span in link.collector.spans if "approval" in span.name]


@pytest.mark.parametrize("listen", FRAMINGS)
def test_long_batch_is_answered_at_its_end(lab, listen):
    """Requests and answers in batches that are longer than what is held; all of them count."""
    link = lab.traced(listen, args=["--batch-queue-max=100000"])
    count = 2000
    link.client.send([{"id": i, "method": f"m{i}"} for i in range(count)])
    for i, request in enumerate(link.server.recv_json()):
        assert request["method"] == f"m{i}" and request["trace"]["traceparent"].startswith("00-")
    answers = [{"id": i, "result": {"text": "y" * 50}} for i in range(count)]
    link.server.send(answers)
    assert link.client.recv_json() == answers
    spans = link.collector.wait_spans(count)
    assert {(span.method, span.request_id, span.end_reason) for span in spans} == \
        {(f"m{i}", str(i), "answered") for i in range(count)}


def test_broken_long_batch_does_not_count(lab):
    link = lab.traced("tcp")
    link.client.send("[" + ",".join('{"id":%d,"method":"m"}' % i for i in range(2000)) + "]]")
    assert link.server.recv().count(b'"method":"m"') == 2000
    link.call('{"id":7,"method":"whole"}', '{"id":7,"result":1}')
    assert link.collector.wait_spans(1)[0].method == "whole"
    link.finish()
    assert len(link.collector.spans) == 1


def test_carriers_of_a_long_batch_name_the_spans(lab):
    link = lab.traced("tcp")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    link.client.send([{"id": i, "method": "m", "filler": "z" * 100,
                       "trace": {"traceparent": f"00-{trace}-{i + 1:016x}-01"}} for i in range(500)])
    told = {request["id"]: request["trace"]["traceparent"].split("-")
            for request in link.server.recv_json()}
    link.server.send([{"id": i, "result": 1} for i in range(500)])
    link.client.recv()
    for span in link.collector.wait_spans(500):
        identity = int(span.request_id)
        assert (span.trace_id, span.parent_id) == (trace, f"{identity + 1:016x}")
        assert told[identity][1:3] == [trace, span.span_id]
