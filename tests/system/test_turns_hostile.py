"""Lifecycles under attack: what peers send that no sane peer would, and what the spans are then."""

import json

import pytest

from lib.process import is_sanitized
from lib.wait import Background, until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{CLIENT}-01"
# Nothing is to be lost on the way to the collector, and nobody waited for.
ROOMY = ["--batch-queue-max=1000000", "--batch-queue-bytes-max=1GiB", "--shutdown-timeout=60s",
         "--batch-delay=10ms", "--shutdown-drain=0", "--log-lines-max=0"]
SLOW = 60  # seconds for floods, on a machine that has other work


def line(message):
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def start(thread="T", identity=1, **more):
    return dict({"id": identity, "method": "turn/start", "params": {"threadId": thread},
                 "trace": {"traceparent": TRACEPARENT}}, **more)


def started(turn, thread="T", root=None):
    return {"method": "turn/started", "params": {"threadId": thread, "turn": {
        "id": turn, "rootTurnId": turn if root is None else root, "status": "inProgress"}}}


def completed(turn, thread="T", status="completed", **more):
    return {"method": "turn/completed", "params": {"threadId": thread, "turn": dict(
        {"id": turn, "status": status}, **more)}}


def item(what, turn, name, thread="T", **more):
    return {"method": f"item/{what}", "params": {"threadId": thread, "turnId": turn, "item": dict(
        {"id": name, "type": "commandExecution"}, **more)}}


def ask(identity, turn, name, thread="T"):
    return {"method": "item/commandExecution/requestApproval", "id": identity,
            "params": {"threadId": thread, "turnId": turn, "itemId": name}}


def check_tree(spans):
    """No span twice, no parent that is neither here nor the client's, no child before its parent.
    """
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    for span in spans:
        assert span.start <= span.end
        if span.parent_id in (None, CLIENT):
            continue
        assert span.parent_id in by_id, f"orphan {span!r} {span.attributes}"
        assert by_id[span.parent_id].trace_id == span.trace_id
        assert by_id[span.parent_id].start <= span.start
    return spans


def named(spans, name):
    return [span for span in spans if span.name == name]


def relay(link, *messages):
    """The server says all this; waits until the client has it."""
    link.server.stream.write(b"".join(messages if isinstance(messages[0], bytes)
                                      else map(line, messages)), SLOW)
    for _ in messages:
        link.client.recv(SLOW)


def finish(link):
    """Ends the program; returns all spans, checked."""
    assert link.finish() == 0
    count = link.sidespan.accounting()
    assert count["created"] == count["sent"], count
    spans = link.collector.spans
    assert len(spans) == count["sent"]
    return check_tree(spans)


def profile_of(lab, spans, rules):
    return lab.write("mad.json", json.dumps({"name": "mad", "lifecycle": {
        "spans": spans, "rules": rules}}))


def rule(on, do, span, methods=None, **more):
    made = {"on": on, "do": do, "span": span, **more}
    return dict(made, methods=methods) if methods else made


# keys

JOB = {"job": {"name": "job", "key": ["a", "b", "c"]}}


def test_a_part_of_a_key_that_is_longer_than_the_whole_key(lab):
    key = ["/params/a", "/params/b", "/params/c"]
    profile = profile_of(lab, JOB, [
        rule("notification", "open", "job", ["open"], key=key),
        rule("notification", "close", "job", ["close"], key=key[:2])])
    link = lab.traced(profile=profile)
    relay(link, {"method": "open", "params": {"a": "1", "b": "2", "c": "3"}},
          {"method": "close", "params": {"a": "1", "b": "x" * 256}},
          {"method": "close", "params": {"a": "1", "b": "2"}})
    span, = finish(link)
    assert span.end_reason == "closed"


def test_a_span_has_a_name_though_its_title_comes_to_nothing(lab):
    spans = {"job": {"name": "{what}", "key": ["a"], "announce": "{what}"}}
    profile = profile_of(lab, spans, [
        rule("notification", "open", "job", ["open"], key=["/a"], set={"what": "/what"})])
    link = lab.traced(profile=profile, args=["--lifecycle-announce-after=1ms"])
    relay(link, {"method": "open", "a": "1"})
    until(lambda: link.collector.spans, "the announcement")
    assert {span.name for span in finish(link)} == {"job"}


@pytest.mark.parametrize("size", [1, 255, 256])
def test_long_ids_are_kept_whole(lab, size):
    link = lab.traced()
    relay(link, started("x" * size), item("started", "x" * size, "y" * size),
          item("completed", "x" * size, "y" * size), completed("x" * size))
    spans = finish(link)
    assert {span.attributes["turn.id"] for span in spans} == {"x" * size}
    assert len(spans) == 2 and all(span.end_reason == "closed" for span in spans)


BAD_IDS = ['""', '"%s"' % ("x" * 257), '"%s"' % ("x" * 300), "{}", '{"id":"t"}', "[]", '["t"]',
           "null", "true", "false"]


@pytest.mark.parametrize("identity", BAD_IDS)
def test_what_is_no_id_opens_nothing(lab, identity):
    link = lab.traced()
    text = json.dumps(started("@")).replace('"@"', identity).encode() + b"\n"
    done = json.dumps(completed("@")).replace('"@"', identity).encode() + b"\n"
    delta = (b'{"method":"item/agentMessage/delta","params":{"threadId":"T","turnId":' +
             identity.encode() + b',"delta":"x"}}\n')
    relay(link, text, delta, done, line(started("good")), delta, line(completed("good")))
    spans = finish(link)
    assert [span.attributes["turn.id"] for span in spans] == ["good"]
    assert "turn.delta.count" not in spans[0].attributes


ODD_IDS = ["1", "-1", "1.5", "1e400", "0.1e-400", '"\\u0000"', '"a\\u0000b"', '"\\ud83d\\ude00"',
           '"\\ud83d"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"é"', '"' + "\\u00e9" * 128 + '"']


@pytest.mark.parametrize("identity", ODD_IDS)
def test_odd_ids_are_ids(lab, identity):
    link = lab.traced()
    relay(link, *[json.dumps(message).replace('"@"', identity).encode() + b"\n" for message in (
        started("@"), item("started", "@", "i"), item("completed", "@", "i"), completed("@"))])
    spans = finish(link)
    assert len(spans) == 2 and all(span.end_reason == "closed" for span in spans)


def test_ids_that_are_not_utf_8(lab):
    link = lab.traced()
    for raw in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"ab\xe2\x82"):
        relay(link, *[line(message).replace(b"@", raw) for message in (
            started("@"), item("started", "@", "i"), completed("@"))])
    finish(link)


def test_duplicate_keys_and_every_order_of_keys(lab):
    link = lab.traced()
    relay(link,
          b'{"params":{"turn":{"rootTurnId":"1","id":"1"},"threadId":"T"},"method":"turn/started"}\n',
          b'{"params":{"turn":{"id":"x","id":"2"},"threadId":"y","threadId":"T"},'
          b'"method":"turn/completed","method":"turn/started"}\n',
          b'{"method":"turn/started","params":{"threadId":"T","turn":{"id":"7"}},'
          b'"params":{"threadId":"T","turn":{"id":"3"}}}\n',
          b'{"method":"turn/started","params":{"threadId":"T","turn":{"id":"8"}},"params":[]}\n',
          line(completed("1")), line(completed("2")), line(completed("3")))
    spans = finish(link)
    assert sorted(span.attributes["turn.id"] for span in spans) == ["1", "2", "3"]
    reasons = {span.attributes["turn.id"]: span.end_reason for span in spans}
    assert reasons == {"1": "superseded", "2": "closed", "3": "closed"}


def test_a_message_of_20_megabytes_with_its_ids_at_the_end(lab):
    link = lab.traced("ws")
    big = "\\u00e9xy" * 2500000
    end = ('{"params":{"item":{"text":"%s","status":"completed","id":"i",'
           '"type":"commandExecution"},"turnId":"1","threadId":"T"},"method":"item/completed"}')
    said = [started("1"), item("started", "1", "i"), end % big, completed("1")]
    server = Background(lambda: [link.server.send(message) for message in said])
    assert [len(link.client.recv(SLOW)) for _ in said][2] > len(big)
    server.result(SLOW)
    spans = finish(link)
    assert len(spans) == 2 and all(span.end_reason == "closed" for span in spans)


# requests

def test_batches_submit_work_too(lab):
    link = lab.traced()
    link.client.send([start(identity=1), start(identity=2)])
    carriers = [message["trace"]["traceparent"] for message in link.server.recv_json()]
    assert len(set(carriers)) == 2
    relay(link, line([started("1")]), line(started("2")), line(completed("2")),
          line([{"id": 1, "result": {"turn": {"id": "1"}}}, {"id": 2, "error": {"code": 1}}]))
    spans = finish(link)
    assert {span.span_id for span in spans} >= {carrier[36:52] for carrier in carriers}
    assert len(named(spans, "app_server.turn")) == 2


def test_steering_with_two_turn_ids(lab):
    link = lab.traced()
    relay(link, started("1"))
    link.call({"id": 1, "method": "turn/steer", "params": {
        "threadId": "T", "turnId": "1", "expectedTurnId": "2"}}, {"id": 1, "result": {}})
    finish(link)


def test_a_flood_of_turns_that_are_asked_for_and_never_answered(lab):
    link = lab.traced(args=["--inflight-max=5000", *ROOMY])
    for i in range(3000):
        link.client.send(start(identity=i, thread=f"T{i % 7}"))
        link.server.recv()
    relay(link, *[started(f"t{i}", f"T{i % 7}") for i in range(1000)])
    spans = finish(link)
    assert len(named(spans, "app_server.turn")) == 1000
    assert len(named(spans, "app_server.request turn/start")) == 3000


def test_shutdown_while_turns_are_asked_for_and_run(lab):
    link = lab.traced(args=ROOMY)
    for i in range(20):
        link.client.send(start(identity=i, thread=f"T{i}"))
        link.server.recv()
    relay(link, *[started(f"t{i}", f"T{i}") for i in range(10)])
    relay(link, *[item("started", f"t{i}", "i", f"T{i}") for i in range(10)])
    relay(link, *[ask(i, f"t{i}", "i", f"T{i}") for i in range(10)])
    link.client.send({"id": 100, "method": "thread/compact/start", "params": {"threadId": "C"}})
    link.server.recv()
    relay(link, {"id": 100, "result": {}})
    assert link.sidespan.stop() == 0
    count = link.sidespan.accounting()
    assert count["created"] == count["sent"] == 20 + 10 + 10 + 10 + 10 + 2, count
    spans = check_tree(link.collector.spans)
    turns = named(spans, "app_server.turn")
    assert len(turns) == 10 and {turn.end_reason for turn in turns} == {"shutdown"}


# connections

def more_connections(link, count):
    return [link.open() for _ in range(count)]


def say(pair, *messages):
    client, server = pair
    for message in messages:
        server.send(message)
        client.recv(SLOW)


def leave(link, pair, count=1):
    """The client goes; the program has noticed."""
    closed = len([text for text in link.sidespan.log("info") if ": closed: " in text])
    pair[0].close()
    link.sidespan.wait_line(": closed: ", count=closed + 1)
    pair[1].close()


def test_the_same_turn_on_twelve_connections(lab):
    link = lab.traced("ws", args=ROOMY)
    pairs = [(link.client, link.server)] + more_connections(link, 11)
    for pair in pairs:
        say(pair, started("1"), item("started", "1", "i"), ask(5, "1", "i"))
    for pair in reversed(pairs):
        say(pair, item("completed", "1", "i"), completed("1"))
    spans = finish(link)
    assert sorted(span.name for span in spans) == [
        "app_server.turn", "approval commandExecution", "commandExecution"]
    assert named(spans, "app_server.turn")[0].end_reason == "closed"


@pytest.mark.parametrize("count", [3, 8, 9, 12])
def test_a_backend_that_dies_with_many_connections_on_a_turn(lab, count):
    link = lab.traced("ws", args=ROOMY)
    pairs = [(link.client, link.server)] + more_connections(link, count - 1)
    for pair in pairs:
        say(pair, started("1"), item("started", "1", "i"), ask(5, "1", "i"))
    for _, server in pairs:
        server.stream.close()
    link.sidespan.wait_line(": closed: the server ended", count=count)
    until(lambda: len(link.collector.spans) == 3, "three spans")
    assert finish(link)
    assert {span.end_reason for span in link.collector.spans} == {"backend_exited"}
    assert {span.status for span in link.collector.spans} == {2}


def test_connections_that_come_and_go_during_turns(lab):
    link = lab.traced("unix", args=ROOMY)
    for i in range(1, 61):
        pair = link.open()
        say(pair, started(str(i)), item("started", str(i), "i"), started(str(i - 1)))
        pair[0].send(start(identity=1))
        pair[1].recv()
        if i % 2:
            say(pair, ask(i, str(i), "i"))
        leave(link, pair)
    say((link.client, link.server), *[completed(str(i)) for i in range(61)])
    spans = finish(link)
    assert len(named(spans, "app_server.turn")) == 61
    assert {span.end_reason for span in named(spans, "app_server.turn")} == {
        "closed", "superseded"}


def test_the_server_says_more_after_the_client_has_half_closed(lab):
    link = lab.traced("unix")
    relay(link, started("1"))
    link.client.close_write()
    relay(link, item("started", "1", "i"), item("completed", "1", "i"), completed("1"))
    link.server.close()
    link.client.expect_eof()
    assert link.sidespan.stop() == 0
    assert {span.end_reason for span in check_tree(link.collector.spans)} == {"closed"}
    assert len(link.collector.spans) == 2


def test_stdin_ends_in_a_turn(lab):
    link = lab.traced("stdio")
    relay(link, started("1"), item("started", "1", "i"), ask(1, "1", "i"))
    link.client.close()
    link.puppet.exit(0)
    link.sidespan.wait()
    spans = check_tree(link.collector.spans)
    assert len(spans) == 3 and {span.end_reason for span in spans} <= {
        "connection_closed", "backend_exited"}


def test_a_command_for_each_connection_has_turns_of_its_own(lab):
    link = lab.traced("unix", "stdio")
    other = link.open()
    pairs = [(link.client, link.server), other]
    for pair in pairs:
        say(pair, started("1"), item("started", "1", "i"), ask(0, "1", "i"))
    for pair in pairs:
        pair[0].send({"id": 0, "result": {"decision": "accept"}})
        pair[1].recv()
        say(pair, item("completed", "1", "i"), completed("1"))
    link.client.close()
    other[0].close()
    for puppet in lab.puppets.puppets:
        puppet.exit(0)
    assert link.sidespan.stop() == 0
    spans = check_tree(link.collector.spans)
    assert len(spans) == 6
    assert sorted(span.end_reason for span in spans) == ["answered"] * 2 + ["closed"] * 4


# requests of the server

def approvals(spans):
    return [span for span in spans if span.name.startswith("approval ")]


def test_requests_of_the_server_with_one_id_on_two_connections(lab):
    link = lab.traced("unix", args=ROOMY)
    one, two = (link.client, link.server), link.open()
    say(one, started("1", "A"), ask(7, "1", "i", "A"))
    say(two, started("2", "B"), ask(7, "2", "j", "B"))
    two[0].send({"id": 7, "result": {"decision": "decline"}})
    two[1].recv()
    one[0].send({"id": 7, "result": {"decision": "accept"}})
    one[1].recv()
    say(one, completed("1", "A"))
    say(two, completed("2", "B"))
    spans = finish(link)
    assert {(span.attributes["thread.id"], span.attributes.get("approval.decision"))
            for span in approvals(spans)} == {("A", "accept"), ("B", "decline")}


def test_a_request_of_the_server_answered_twice_and_by_another_connection(lab):
    link = lab.traced("unix", args=ROOMY)
    one, two = (link.client, link.server), link.open()
    say(one, started("1"), ask(7, "1", "i"))
    say(two, started("1"), ask(7, "1", "i"))
    for client, server in (two, one, two):
        client.send({"id": 7, "result": {"decision": "accept"}})
        server.recv()
    say(one, ask(7, "1", "i"), completed("1"))
    spans = finish(link)
    assert [span.end_reason for span in approvals(spans)] == ["answered"]


def test_thousands_of_requests_of_the_server_that_are_never_answered(lab):
    link = lab.traced("unix", args=ROOMY)
    relay(link, started("1"))
    relay(link, *[ask(i, "1", f"i{i}") for i in range(5000)])
    relay(link, *[ask(i, "1", f"i{i}") for i in range(5000)])
    for i in range(0, 5000, 50):
        link.client.send({"id": i, "error": {"code": -32000, "message": "no"}})
        link.server.recv()
    relay(link, completed("1"))
    spans = approvals(finish(link))
    assert len(spans) == 5000
    assert len([span for span in spans if span.end_reason == "error"]) == 100
    assert len([span for span in spans if span.end_reason == "parent_ended"]) == 4900


INJECT = "--propagation-inject-server-requests=true"


@pytest.mark.parametrize("padding", [0, 20000])
def test_a_request_of_the_server_that_changes_its_id_on_the_way(lab, padding):
    link = lab.traced("unix", args=[INJECT])
    text = (b'{"method":"item/x/requestApproval","id":%d,"trace":{},"padding":"%s","params":'
            b'{"threadId":"T","turnId":"1","itemId":"%s"}%s}\n')
    padding = b"x" * padding
    relay(link, line(started("1")), line(ask(1, "1", "i")),
          text % (1, padding, b"j", b',"id":2'),
          text % (3, padding, b"j", b',"id":3,"method":"other"'),
          text % (4, padding, b"k", b""), text % (4, padding, b"k", b',"id":5'),
          line(completed("1")))
    assert len(approvals(finish(link))) == 5


@pytest.mark.parametrize("inject", [[], [INJECT]])
def test_two_spans_for_one_request_of_the_server(lab, inject):
    spans = {"turn": {"name": "turn", "key": ["thread.id"]},
             "a": {"name": "a", "key": ["thread.id"]}, "b": {"name": "b", "key": ["thread.id"]}}
    profile = profile_of(lab, spans, [
        rule("notification", "open", "turn", ["open"], key=["/params/t"]),
        rule("server_request", "open", "a", key=["/params/t"]),
        rule("server_request", "open", "b", key=["/params/t"]),
        rule("client_reply", "close", "a"), rule("client_reply", "close", "b")])
    link = lab.traced("unix", profile=profile, args=["--propagation-inject=/trace", *inject])
    relay(link, {"method": "open", "params": {"t": "T"}},
          {"method": "ask", "id": 1, "params": {"t": "T"}})
    link.client.send({"id": 1, "result": {}})
    link.server.recv()
    found = finish(link)
    assert sorted(span.name for span in found) == ["a", "b", "turn"]
    assert [span.end_reason for span in found if span.name in "ab"] == ["answered"] * 2


BROKEN = [b'{"method":"a","id":1', b'{"method":"item/x/requestApproval","id":1,"params":{]}',
          b'{"method":"x","id":1}{"method":"y","id":2}', b"[]", b"{}", b"nonsense", b'"', b"\xff\xfe",
          b'{"id":1,"method":"x","params":{"threadId":"\xff"}', b'{"method":"x","id":{}}',
          b"[" * 5000, b'{"method":"x","id":1,"params":' + b"[" * 3000 + b"]" * 3000 + b"}",
          b'{"id":1,"id":1,"id":']


@pytest.mark.parametrize("listen", ["unix", "ws"])
def test_broken_requests_of_the_server_pass_as_they_are(lab, listen):
    link = lab.traced(listen, args=[INJECT])
    for text in BROKEN:
        if listen == "ws" and b"\xff" in text:
            continue
        link.server.send(text)
        assert link.client.recv() == text
    finish(link)


# options at their limits

def test_sixteen_spans_at_most(lab):
    """What was given up does not come back when its end, or another beginning, is told."""
    link = lab.traced("unix", args=[*ROOMY, "--lifecycle-spans-max=16"])
    for i in range(100):
        thread = f"T{i}"
        relay(link, started(str(i), thread), item("started", str(i), "i", thread),
              ask(i, str(i), "i", thread))
    relay(link, *[item("started", "99", f"j{i}", "T99") for i in range(40)])
    for again in (started, completed):
        relay(link, *[again(str(i), f"T{i}") for i in range(100)])
    spans = finish(link)
    turns = named(spans, "app_server.turn")
    assert sorted(int(turn.attributes["turn.id"]) for turn in turns) == list(range(100))
    assert named(spans, "approval commandExecution")
    closed = [int(turn.attributes["turn.id"]) for turn in turns if turn.end_reason == "closed"]
    assert 99 in closed and len(closed) <= 16
    evicted = [span for span in spans if span.end_reason == "evicted"]
    assert len(spans) - len(evicted) == 16
    assert len([turn for turn in turns if turn.end_reason == "evicted"]) == 100 - len(closed)


def test_a_flood_costs_others_nothing(lab):
    """Neither another turn nor, if it is one of turns, another connection."""
    link = lab.traced("unix", args=[*ROOMY, "--lifecycle-spans-max=64"])
    client, server = link.open()
    server.stream.write(line(started("quiet", "Q")) + line(item("started", "quiet", "i", "Q")) +
                        line(ask(1, "quiet", "i", "Q")))
    for _ in range(3):
        client.recv()
    relay(link, started("calm", "C"), item("started", "calm", "i", "C"), started("busy", "B"))
    relay(link, *[item("started", "busy", f"i{i}", "B") for i in range(1000)])
    relay(link, item("completed", "calm", "i", "C"), completed("calm", "C"))
    relay(link, *[started(str(i), f"T{i}") for i in range(1000)])
    client.send({"id": 1, "result": {"decision": "accept"}})
    server.recv()
    server.stream.write(line(item("completed", "quiet", "i", "Q")) + line(completed("quiet", "Q")))
    for _ in range(2):
        client.recv()
    client.close()
    server.close()
    spans = finish(link)
    assert len(spans) == 6 + 2000
    assert len([span for span in spans if span.end_reason == "evicted"]) == 6 + 2000 - 64 - 2
    reasons = [(span.attributes["turn.id"], span.end_reason) for span in spans
               if span.attributes["turn.id"] in ("quiet", "calm")]
    assert sorted(reasons) == [("calm", "closed")] * 2 + [("quiet", "answered")] + [
        ("quiet", "closed")] * 2


def test_turns_that_are_never_closed_take_bounded_memory(lab):
    link = lab.traced("unix", args=ROOMY)
    server = Background(lambda: link.server.stream.write(
        b"".join(line(started(str(i), f"T{i}")) for i in range(30000)), SLOW))
    for _ in range(30000):
        link.client.recv(SLOW)
    server.result(SLOW)
    spans = finish(link)
    reasons = [span.end_reason for span in spans]
    assert len(spans) == 30000 and reasons.count("evicted") == 20000


@pytest.mark.skipif(is_sanitized(), reason="memory figures of a sanitizer build say nothing")
def test_memory_of_many_turns_is_given_back(lab):
    """Ten seconds after a peak of open spans the program is about as small as it was."""
    link = lab.traced("unix", args=ROOMY)
    relay(link, started("first"), completed("first"))

    def resident():
        return int(link.sidespan.status("VmRSS")) * 1024

    before = resident()
    for what in (started, completed):
        server = Background(lambda what=what: link.server.stream.write(
            b"".join(line(what(str(i), f"T{i}")) for i in range(9000)), SLOW))
        for _ in range(9000):
            link.client.recv(SLOW)
        server.result(SLOW)
        if what is started:
            peak = resident()
    assert peak - before > 8 << 20
    until(lambda: resident() - before < 2 << 20, "the memory to be given back", SLOW)
    assert len(finish(link)) == 9001


def test_short_lives(lab):
    link = lab.traced("unix", args=[
        *ROOMY, "--lifecycle-max-age=100ms", "--lifecycle-announce-after=1ms",
        "--lifecycle-grace=0", "--inflight-max-age=100ms"])
    relay(link, *[started(str(i), f"T{i}") for i in range(50)])
    relay(link, *[item("started", str(i), "i", f"T{i}") for i in range(50)])
    relay(link, {"method": "thread/status/changed", "params": {
        "threadId": "T0", "status": {"type": "idle"}}}, started("more", "T0"))
    until(lambda: len(link.collector.spans) >= 101, "all that were open")
    spans = finish(link)
    assert {span.end_reason for span in spans} <= {"idle", "expired", "parent_ended", None,
                                                   "connection_closed", "backend_exited", "shutdown"}
    announced = named(spans, "app_server.turn started") + named(spans, "tool running")
    assert len(spans) - len(announced) == 101


@pytest.mark.parametrize("dispatch", ["all", "turns", "none"])
@pytest.mark.parametrize("inject", ["/trace", "none"])
def test_every_promise_is_kept(lab, dispatch, inject):
    """Whatever a request comes to: the carrier that was forwarded names a span that is there."""
    link = lab.traced("unix", args=[
        *ROOMY, f"--lifecycle-dispatch={dispatch}", f"--propagation-inject={inject}"])
    told = []
    methods = ["turn/start", "turn/steer", "review/start", "thread/compact/start",
               "thread/shellCommand", "thread/settings/update", "turn/interrupt"]

    def request(identity, method, thread):
        link.client.send({"id": identity, "method": method, "params": {"threadId": thread}})
        told.append(link.server.recv_json().get("trace", {}).get("traceparent"))

    number = 0
    for method in methods:
        result = {"result": {"turn": {"id": "r"}}}
        for answers in [[], [{"error": {"code": 1, "message": "m"}}], [result], [{"result": {}}],
                        [started("r", "@"), result], [started("o", "@"), result],
                        [result, started("o", "@", "r")], [started("o", "@", "r"), result],
                        [{"result": {}}, started("q", "@")], [completed("r", "@"), result],
                        [result, completed("r", "@"), started("r", "@")]]:
            number += 1
            thread = f"T{number}"
            request(number, method, thread)
            relay(link, *[dict(message, id=number) if "method" not in message else
                          json.loads(json.dumps(message).replace("@", thread))
                          for message in answers] or [{"method": "nothing"}])
    spans = finish(link)
    names = {span.span_id for span in spans}
    assert inject == "none" or None not in told
    assert {text[36:52] for text in told if text} <= names


def test_a_slow_reader_with_a_backlog(lab):
    link = lab.traced("ws", args=ROOMY)
    slow = link.open()
    slow[1].send(started("1"))
    big = "x" * 100000
    server = Background(lambda: [slow[1].send(item("completed", "1", f"i{i}", text=big))
                                 for i in range(400)])
    say((link.client, link.server), started("1"), *[
        item(what, "1", f"i{i}") for i in range(400) for what in ("started", "completed")],
        completed("1"))
    for _ in range(401):
        slow[0].recv(SLOW)
    server.result(SLOW)
    say(slow, completed("1"))
    spans = finish(link)
    assert len(spans) == 401
    assert {span.end_reason for span in spans} == {"closed"}


@pytest.mark.skipif(is_sanitized(), reason="a sanitizer has costs of its own")
def test_turns_of_one_thread_cost_no_more_than_others(lab):
    def cost(threads):
        link = lab.traced("unix", args=ROOMY)
        before = link.sidespan.cpu_seconds()
        server = Background(lambda: link.server.stream.write(b"".join(
            line(started(str(i), f"T{i % threads}")) for i in range(30000)), SLOW))
        for _ in range(30000):
            link.client.recv(SLOW)
        server.result(SLOW)
        return link.sidespan.cpu_seconds() - before

    assert cost(1) < 5 * cost(30000) + 0.3
