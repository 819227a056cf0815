"""JSON-RPC over HTTP: requests get their context, bodies keep their framing, answers end spans."""

import json

import pytest

from lib.carrier import check_injected
from lib.front import Front, pour
from lib.lab import address_of
from lib.peer import new_key, read_head, upgrade_reply, upgrade_request
from lib.peer import read_body as read_sized
from lib.wait import Background

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
JSON = b"Content-Type: application/json\r\n"
HEAD = b"POST /rpc HTTP/1.1\r\nHost: h\r\n"


def read_body(stream, head):
    """Of any framing."""
    if head.get("Transfer-Encoding") is None:
        return read_sized(stream, head)
    body = b""
    while size := int(stream.read_until(b"\r\n").split(b";")[0], 16):
        body += stream.read_exactly(size)
        assert stream.read_exactly(2) == b"\r\n"
    while stream.read_until(b"\r\n") != b"\r\n":
        pass
    return body


class Traced(Front):
    """The program in front of an HTTP server that the test plays, with a collector."""

    def __init__(self, lab, *args, profile="generic"):
        self.collector = lab.collector()
        self.lab, self.clients = lab, []
        self.backend = lab.backend("ws")
        if not any(arg.startswith("--propagation-inject=") for arg in args):
            args = ("--propagation-inject=/trace", *args)
        self.sidespan = lab.sidespan(
            "--listen=http://127.0.0.1:0", "--upstream=" + self.backend.url.replace("ws:", "http:"),
            "--profile=" + profile, "--propagation-flags=01", *args, collector=self.collector)
        self.address = address_of(self.sidespan.url())


@pytest.fixture
def front(lab):
    return Traced(lab)


def call(identity=1, method="m", **more):
    return json.dumps({"jsonrpc": "2.0", "id": identity, "method": method, **more},
                      separators=(",", ":")).encode()


def result(identity=1):
    return json.dumps({"jsonrpc": "2.0", "id": identity, "result": {}}).encode()


def sized(body, head=HEAD, fields=JSON):
    return head + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(*chunks, head=HEAD, trailer=b"", extension=b""):
    return (head + JSON + b"Transfer-Encoding: chunked\r\n\r\n" +
            b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks) +
            b"0\r\n" + trailer + b"\r\n")


def answer(body, status=200, fields=JSON):
    return b"HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n" % (status, fields, len(body)) + body


def reply(server, client, data):
    writing = Background(pour, server, data)
    head = read_head(client)
    body = read_body(client, head)
    writing.result()
    return head, body


# requests

FRAMINGS = {
    "sized": lambda body: sized(body),
    "chunk": lambda body: chunked(body, trailer=b"T: r\r\n", extension=b";a=b"),
    "chunks": lambda body: chunked(*(body[at:at + 7] for at in range(0, len(body), 7))),
}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("step", [1, 3000])
def test_a_request_gets_its_context(front, framing, step):
    body = call(trace={"traceparent": TRACEPARENT})
    client = front.connect()
    request = FRAMINGS[framing](body)
    client.write_pieces(request, [step] * 1000)
    server = front.backend.accept()
    head = read_head(server)
    received = read_body(server, head)
    check_injected(body.decode(), received)
    assert [line for line in head.lines if not line.startswith(b"Content-Length")] == \
        [line for line in request.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]
         if not line.startswith(b"Content-Length")]
    assert reply(server, client, answer(result()))[1] == result()
    span = front.collector.span("m")
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert json.loads(received)["trace"]["traceparent"].split("-")[2] == span.span_id
    assert span.attributes["rpc.transport"] == "http"
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["server.address"] == "127.0.0.1"
    assert span.attributes["server.port"] == int(front.backend.url.rsplit(":", 1)[1])
    assert span.attributes["sidespan.end_reason"] == "answered" and span.status == 0


@pytest.mark.parametrize("framing", ["sized", "chunk", "chunks"])
@pytest.mark.parametrize("size", [16000, 16384, 16385, 20000, 300000])
def test_long_requests(front, framing, size):
    body = call(params={"text": "x" * size})
    client = front.connect()
    writing = Background(client.write, FRAMINGS[framing](body))
    server = front.backend.accept()
    received = read_body(server, read_head(server))
    writing.result()
    check_injected(body.decode(), received.rstrip(b" "))
    reply(server, client, answer(result()))
    front.collector.span("m")


@pytest.mark.parametrize("rest", [1, 4000, 8900])
@pytest.mark.parametrize("size", [9000, 20000])
def test_a_request_whose_rest_comes_behind_the_answer_before_it(front, size, rest):
    """Its head came early, and more than is read at once; its size depends on what did not."""
    first, body = sized(call(method="first")), call(2, params={"text": "x" * size})
    client, server, head = front.ask(first + sized(body)[:-rest])
    read_body(server, head)
    reply(server, client, answer(result()))
    client.write(sized(body)[-rest:])
    check_injected(body.decode(), read_body(server, read_head(server)).rstrip(b" "))
    reply(server, client, answer(result(2)))
    assert front.collector.span("m").end_reason == "answered"


PASSED = {
    "text": b"this is a text",
    "binary": bytes(range(256)) * 100,
    "other json": b'{"arguments":{},"method":"session-get","tag":7}',
    "notification": b'{"jsonrpc":"2.0","method":"n"}',
    "broken": b'{"id":1,"method":"m"',
    "array": b"[1,2,3]",
    "blanks": b"\r\n \r\n",
    "reply": b'{"jsonrpc":"2.0","id":1,"result":{}}',
    "large": b"x" * 1000000,
}


@pytest.mark.parametrize("kind", PASSED)
@pytest.mark.parametrize("framing", ["sized", "chunk"])
def test_other_bodies_pass_as_they_are(front, kind, framing):
    body = PASSED[kind]
    request = sized(body) if framing == "sized" else chunked(body, extension=b";a=b")
    client = front.connect()
    writing = Background(client.write, request)
    server = front.backend.accept()
    if framing == "sized" or body[:1] not in b"{[\r":
        assert server.read_exactly(len(request)) == request
    else:
        assert read_body(server, read_head(server)) == body
    writing.result()
    assert reply(server, client, answer(b"ok"))[1] == b"ok"


def test_packed_bodies_pass_as_they_are(front):
    request = sized(call(), fields=JSON + b"Content-Encoding: gzip\r\n")
    client = front.connect()
    client.write(request)
    assert front.backend.accept().read_exactly(len(request)) == request


def test_a_request_that_waits_to_be_told_to_go_on(front):
    """Its size has been told, so it stays as it is; but it has a span."""
    body = call()
    client, server, head = front.ask(HEAD + JSON + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
                                     % len(body))
    server.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.write(body)
    assert server.read_exactly(len(body)) == body
    reply(server, client, answer(result()))
    front.collector.span("m")


def test_a_batch(front):
    body = b"[" + call(1, "a") + b"," + call(2, "b") + b',{"jsonrpc":"2.0","method":"n"}]'
    client = front.connect()
    client.write(sized(body))
    server = front.backend.accept()
    received = json.loads(read_body(server, read_head(server)))
    reply(server, client, answer(b"[" + result(2) + b"," + result(1) + b"]"))
    spans = {method: front.collector.span(method) for method in "ab"}
    for element, method in zip(received, "ab"):
        assert element["trace"]["traceparent"].split("-")[2] == spans[method].span_id
    assert "trace" not in received[2]


def test_ids_are_those_of_one_exchange(front):
    """The same id again and again, also on two connections at once."""
    first, server, _ = front.ask(sized(call(method="first")))
    second, other, _ = front.ask(sized(call(method="second")))
    reply(other, second, answer(b'{"jsonrpc":"2.0","id":1,"error":{"code":-3,"message":"no"}}'))
    reply(server, first, answer(result()))
    for number in range(3):
        first.write(sized(call(method=f"m{number}")))
        read_body(server, read_head(server))
        reply(server, first, answer(result()))
    assert front.collector.span("first").status == 0
    assert front.collector.span("second").attributes["error.type"] == "-3"
    for number in range(3):
        assert front.collector.span(f"m{number}").end_reason == "answered"


# carriers in fields

FIELDS = f"traceparent: {TRACEPARENT}\r\ntracestate: a=1\r\nX: y\r\nTraceState: b=2\r\n".encode()


@pytest.mark.parametrize("framing", ["sized", "chunk"])
def test_a_parent_in_fields(front, framing):
    """What came in fields goes on as it is; the body gets ours."""
    client = front.connect()
    request = FRAMINGS[framing](call()).replace(JSON, JSON + FIELDS)
    client.write(request)
    server = front.backend.accept()
    head = read_head(server)
    carrier = json.loads(read_body(server, head))["trace"]
    assert head.get("traceparent") == TRACEPARENT and head.all("tracestate") == ["a=1", "b=2"]
    reply(server, client, answer(result()))
    span = front.collector.span("m")
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert carrier == {"traceparent": f"00-{TRACE}-{span.span_id}-01", "tracestate": "a=1,b=2"}
    client.write(sized(call(method="next")))  # which has none
    read_body(server, read_head(server))
    reply(server, client, answer(result()))
    span = front.collector.span("next")
    assert span.parent_id is None and span.trace_id != TRACE


def spans_of(front, fields, **more):
    client, server, head = front.ask(sized(call(**more), fields=JSON + fields))
    read_sized(server, head)
    reply(server, client, answer(result()))
    return front.collector.span("m")


def test_the_body_comes_before_the_fields(front):
    other = f"00-{'1' * 32}-{'2' * 16}-01"
    span = spans_of(front, FIELDS, trace={"traceparent": other})
    assert (span.trace_id, span.parent_id) == ("1" * 32, "2" * 16)


def linked(span):
    return [(link["traceId"], link["spanId"]) for link in span.links]


@pytest.mark.parametrize("body, links", [
    (f"00-{'1' * 32}-{'2' * 16}-01", [(TRACE, PARENT)]), (TRACEPARENT, []), ("no", [(TRACE, PARENT)])])
def test_the_other_carrier_is_a_link(front, body, links):
    assert linked(spans_of(front, FIELDS, trace={"traceparent": body})) == links


@pytest.mark.parametrize("body, expected", [
    (None, "ann"), ({"traceparent": TRACEPARENT}, "ann"), ({"baggage": "user.id=bob"}, "bob"),
    ({"traceparent": TRACEPARENT, "baggage": "tenant=1"}, None)])
def test_baggage_in_fields(lab, body, expected):
    """It counts where the body has none, whosever context does; and goes on as it came."""
    front = Traced(lab, "--baggage-attributes=user.id")
    fields = b"baggage: x=1\r\nBaggage: user.id=ann\r\n"
    more = {"trace": body} if body else {}
    client, server, head = front.ask(sized(call(**more), fields=JSON + fields))
    assert head.all("baggage") == ["x=1", "user.id=ann"]
    read_sized(server, head)
    reply(server, client, answer(result()))
    assert front.collector.span("m").attributes.get("user.id") == expected


@pytest.mark.parametrize("trust", ["continue", "restart-with-link", "restart"])
def test_trust(lab, trust):
    front = Traced(lab, "--propagation-trust", trust)
    span = spans_of(front, FIELDS)
    assert (span.trace_id == TRACE) == (span.parent_id == PARENT) == (trust == "continue")
    assert linked(span) == [(TRACE, PARENT)] * (trust == "restart-with-link")
    assert span.trace_state == ("a=1,b=2" if trust == "continue" else None)


@pytest.mark.parametrize("fields", [FIELDS + FIELDS, b"traceparent: x\r\n",
                                    b"traceparent: " + b"1" * 20000 + b"\r\n"])
def test_fields_that_are_no_carrier(front, fields):
    span = spans_of(front, fields)
    assert span.parent_id is None and span.trace_id != TRACE


@pytest.mark.parametrize("extract,found", [
    ("true", True), ("header", True), ("/x,header", True), ("header,/trace", True), ("/trace", False),
    ("false", False)])
def test_where_is_looked(lab, extract, found):
    front = Traced(lab, "--propagation-extract=" + extract)
    assert (spans_of(front, FIELDS).trace_id == TRACE) == found


def test_fields_alone(lab):
    front = Traced(lab, "--propagation-extract=header")
    assert spans_of(front, b"", trace={"traceparent": TRACEPARENT}).trace_id != TRACE


# answers

@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_an_http_error_is_an_error(front, status):
    client, server, head = front.ask(sized(call()))
    reply(server, client, answer(b"<p>no", status, b"Content-Type: text/html\r\n"))
    span = front.collector.span("m")
    assert span.status == 2 and span.attributes["error.type"] == str(status)
    assert span.attributes["http.response.status_code"] == status
    assert span.end_reason == "http_answer"


def test_an_http_error_with_an_answer(front):
    client, server, head = front.ask(sized(call()))
    reply(server, client, answer(b'{"id":1,"error":{"code":-32000,"message":"busy"}}', 400))
    span = front.collector.span("m")
    assert span.attributes["error.type"] == "-32000" and span.end_reason == "error"
    assert span.attributes["http.response.status_code"] == 400


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked\r\n", b""])
@pytest.mark.parametrize("step", [1, 1000])
def test_answers_in_pieces(front, framing, step):
    client, server, head = front.ask(sized(call()))
    body = result()
    if framing:
        body = b"".join(b"%x\r\n%s\r\n" % (len(body[at:at + 5]), body[at:at + 5])
                        for at in range(0, len(body), 5)) + b"0\r\n\r\n"
    whole = b"HTTP/1.1 200 OK\r\n" + JSON + framing + b"\r\n" + body
    server.write_pieces(whole, [step] * len(whole))
    if not framing:
        server.close()
        assert client.read_all().endswith(body)
    else:
        assert client.read_until(b"0\r\n\r\n") == whole
    assert front.collector.span("m").end_reason == "answered"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("step", [1, 1000])
def test_events_are_messages(front, end, step):
    """And they flow as they come: nothing is held, or changed."""
    client, server, head = front.ask(sized(call()))
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    server.write(start)
    assert client.read_until(b"\r\n\r\n") == start[:-2] + b"Connection: close\r\n\r\n"
    lines = [": hello", "id: 1", "data: ", "", "event: message",
             'data: {"jsonrpc":"2.0","id":1,', 'data: "result":{}}', "", ""]
    stream = end.join(lines).encode()
    for at in range(0, len(stream), step):
        server.write(stream[at:at + step])
        assert client.read_exactly(len(stream[at:at + step])) == stream[at:at + step]
    span = front.collector.span("m")  # while the stream is open
    assert span.end_reason == "answered" and span.attributes["http.response.status_code"] == 200
    server.close()


def test_events_without_an_end(front):
    client, server, head = front.ask(sized(call()))
    server.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\ndata: " + result())
    server.close()
    assert client.read_all().endswith(result())
    assert front.collector.span("m").end_reason == "answered"


def test_a_notification_has_no_span(front):
    body = b'{"jsonrpc":"2.0","method":"n"}'
    client, server, head = front.ask(sized(body))
    reply(server, client, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
    client.write(sized(call()))
    read_body(server, read_head(server))
    reply(server, client, answer(result()))
    front.collector.span("m")
    assert len(front.collector.spans) == 1


# no server

@pytest.mark.parametrize("accept", [b"", b"Accept: application/json, text/event-stream\r\n",
                                    b"Accept: text/html\r\n"])
@pytest.mark.parametrize("identity", [7, "a-1", 'a"b'])
def test_an_error_of_json_rpc_for_who_asks_for_it(lab, accept, identity):
    front = Traced(lab, "--connect-timeout=1ms")
    front.backend.close()
    client = front.connect()
    client.write(sized(call(identity), fields=JSON + accept))
    head = read_head(client)
    body = read_body(client, head)
    assert head.status == 502
    if accept.endswith(b"html\r\n"):
        assert head.get("Content-Type") == "text/plain"
        return
    assert head.get("Content-Type") == "application/json"
    told = json.loads(body)
    assert told["id"] == (None if identity == 'a"b' else identity)
    assert told["error"]["code"] == -32000 and told["jsonrpc"] == "2.0"
    span = front.collector.span("m")
    assert span.attributes["error.type"] == "502" and span.status == 2


def test_no_answer_in_time(lab):
    front = Traced(lab, "--http-response-timeout=100ms")
    client, server, head = front.ask(sized(call()))
    head = read_head(client)
    assert head.status == 504 and json.loads(read_body(client, head))["id"] == 1
    assert front.collector.span("m").attributes["error.type"] == "504"


def test_a_client_that_leaves(front):
    client, server, head = front.ask(sized(call()))
    client.reset()
    assert front.collector.span("m").end_reason == "connection_closed"


# conversations with a name

SESSION = b"Mcp-Session-Id: s-1\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def post(front, body, status=202, fields=SESSION):
    """A POST on a connection of its own, and its answer, without a message."""
    client, server, head = front.ask(sized(body, fields=JSON + fields))
    read_sized(server, head)
    assert reply(server, client, answer(b"", status, b""))[0].status == status


def listening(front, fields=SESSION):
    client, server, _ = front.ask(b"GET /rpc HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n" +
                                  fields + b"\r\n")
    server.write(EVENTS)
    assert read_head(client).status == 200
    return client, server


def tell(client, server, message):
    event = b"event: message\ndata: " + message + b"\n\n"
    server.write(event)
    assert client.read_exactly(len(event)) == event


def test_an_answer_on_another_connection(front):
    stream = listening(front)
    post(front, call())
    tell(*stream, result())
    span = front.collector.span("m")
    assert span.end_reason == "answered" and span.attributes["http.response.status_code"] == 202
    assert front.counters()["http_sessions"] == 1


FAILED = b'{"jsonrpc":"2.0","id":1,"error":{"code":-3,"message":"no"}}'


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("fields", [b"", SESSION])
@pytest.mark.parametrize("streams", [False, True])
def test_one_id_in_two_exchanges_at_once(front, order, fields, streams):
    asked = [front.ask(sized(call(method=method), fields=JSON + fields)) for method in "ab"]
    for client, server, head in asked:
        read_sized(server, head)
        if streams:
            server.write(EVENTS)
            assert read_head(client).status == 200
    for number in order:
        message = (result(), FAILED)[number]
        client, server, _ = asked[number]
        tell(client, server, message) if streams else reply(server, client, answer(message))
        front.collector.span("ab"[number])
    assert front.collector.span("a").attributes.get("error.type") is None
    assert front.collector.span("b").attributes["error.type"] == "-3"
    assert {"ids_reused", "replies_unmatched"}.isdisjoint(front.counters())


def test_one_id_twice_is_answered_in_order_on_a_stream_of_its_own(front):
    stream = listening(front)
    post(front, call(method="a"))
    post(front, call(method="b"))
    tell(*stream, result())
    assert front.collector.span("a").end_reason == "answered"
    tell(*stream, FAILED)
    assert front.collector.span("b").attributes["error.type"] == "-3"


def test_an_exchange_does_not_answer_another(front):
    asked = [front.ask(sized(call(number, "ab"[number - 1]), fields=JSON + SESSION)) for number in (1, 2)]
    for _, server, head in asked:
        read_sized(server, head)
    reply(asked[1][1], asked[1][0], answer(FAILED, 500))
    assert front.collector.span("b").attributes["error.type"] == "500"
    reply(asked[0][1], asked[0][0], answer(result()))
    assert front.collector.span("a").attributes.get("error.type") is None
    assert front.counters()["replies_unmatched"] == 1


@pytest.mark.parametrize("other", [b"", b"Mcp-Session-Id: s-2\r\n"])
def test_an_answer_to_another_conversation(front, other):
    stream = listening(front, other)
    post(front, call())
    tell(*stream, result())
    post(front, call(2, "end"), 400)
    assert front.collector.span("end").attributes["error.type"] == "400"
    assert [span.attributes["rpc.method"] for span in front.collector.spans] == ["end"]
    assert front.counters()["replies_unmatched"] == 1


def test_what_the_server_asks_is_answered_by_a_later_post(lab):
    front = Traced(lab, profile="mcp")
    stream = listening(front)
    tell(*stream, call(7, "roots/list"))
    post(front, b'{"jsonrpc":"2.0","id":7,"result":{"roots":[]}}')
    front.collector.wait(lambda: any(span.name == "roots/list" for span in front.collector.spans),
                         "the request of the server")
    span = next(span for span in front.collector.spans if span.name == "roots/list")
    assert span.kind == 3 and span.status == 0 and span.attributes.get("error.type") is None


def test_a_conversation_begins_with_an_answer(lab):
    """What initialize says is on all its spans, whatever their connection."""
    front = Traced(lab, profile="mcp")
    body = call(0, "initialize", params={"protocolVersion": "2025-06-18", "capabilities": {},
                                         "clientInfo": {"name": "tests", "version": "1"}})
    client, server, head = front.ask(sized(body))
    read_sized(server, head)
    reply(server, client, answer(result(0), fields=JSON + SESSION))
    other, server, head = front.ask(sized(call(1, "ping"), fields=JSON + SESSION))
    read_sized(server, head)
    reply(server, other, answer(result()))
    for name in ("initialize", "ping"):
        span = front.collector.span(name)
        assert span.attributes["mcp.session.id"] == "s-1"
        assert span.attributes["mcp.client.name"] == "tests"
    assert front.counters()["http_sessions"] == 1


@pytest.mark.parametrize("method,status,ends", [
    (b"DELETE", 200, True), (b"DELETE", 405, False), (b"POST", 404, True), (b"POST", 400, False)])
def test_the_end_of_a_conversation(front, method, status, ends):
    post(front, call())
    client, server, _ = front.ask(method + b" /rpc HTTP/1.1\r\nHost: h\r\n" + SESSION +
                                  b"Content-Length: 0\r\n\r\n")
    reply(server, client, answer(b"", status, b""))
    client.close()
    if ends:
        assert front.collector.span("m").end_reason == "connection_closed"
    else:
        tell(*listening(front), result())
        assert front.collector.span("m").end_reason == "answered"


def test_conversations_are_bounded(lab):
    front = Traced(lab, "--http-sessions-max=1", "--log-level=debug")
    post(front, call(), fields=b"Mcp-Session-Id: a\r\n")
    for stream in front.clients + front.backend.accepted:
        stream.close()
    front.sidespan.wait_line("connection 0: closed")
    post(front, b"{}", fields=b"Mcp-Session-Id: b\r\n")
    assert front.collector.span("m").end_reason == "connection_closed"
    counters = front.counters()
    assert (counters["http_sessions"], counters["http_sessions_evicted"]) == (2, 1)


def test_a_conversation_that_rests_is_over(lab):
    front = Traced(lab, "--http-session-idle=1s")
    post(front, call())
    for stream in front.clients + front.backend.accepted:
        stream.close()
    assert front.collector.span("m").end_reason == "connection_closed"


# streams that name an endpoint: HTTP with SSE of MCP 2024-11-05

ENDPOINT = b"/messages?sessionId=1"


def streaming(front, endpoint=ENDPOINT, target=b"/a/sse?x=/y", step=1000):
    client, server, _ = front.ask(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n")
    event = b"event: endpoint\ndata: " + endpoint + b"\n\n"
    server.write(EVENTS)
    assert read_head(client).status == 200
    for at in range(0, len(event), step):
        server.write(event[at:at + step])
        assert client.read_exactly(len(event[at:at + step])) == event[at:at + step]
    return client, server


def post_to(front, target, body, status=202):
    client, server, head = front.ask(sized(body, HEAD.replace(b"/rpc", target)))
    assert head.start.split()[1] == target
    read_sized(server, head)
    assert reply(server, client, answer(b"" if status == 204 else b"Accepted", status, b""))[0].status == status


@pytest.mark.parametrize("endpoint,target", [
    (ENDPOINT, ENDPOINT), (b"http://elsewhere:1" + ENDPOINT, ENDPOINT), (ENDPOINT + b"#x", ENDPOINT),
    (b"messages?sessionId=1", b"/a/messages?sessionId=1"), (b"?s=1", b"/a/sse?s=1"), (b"http://h?s", b"/?s"),
    (ENDPOINT, b"http://h" + ENDPOINT)])
@pytest.mark.parametrize("step", [1, 1000])
def test_an_answer_on_a_stream_that_has_named_its_endpoint(front, endpoint, target, step):
    stream = streaming(front, endpoint, step=step)
    post_to(front, target, call())
    tell(*stream, result())
    span = front.collector.span("m")
    assert span.end_reason == "answered" and span.attributes["http.response.status_code"] == 202
    assert front.counters()["http_sessions"] == 1


@pytest.mark.parametrize("status", [200, 204])
def test_an_answer_on_the_stream_whatever_the_post_is_told(front, status):
    stream = streaming(front)
    post_to(front, ENDPOINT, call(), status)
    tell(*stream, result())
    assert front.collector.span("m").end_reason == "answered"


def test_an_answer_on_the_stream_before_that_to_the_post(front):
    stream = streaming(front)
    client, server, head = front.ask(sized(call(), HEAD.replace(b"/rpc", ENDPOINT)))
    read_sized(server, head)
    tell(*stream, result())
    assert front.collector.span("m").end_reason == "answered"
    assert reply(server, client, answer(b"", 202))[0].status == 202


def test_a_post_that_fails_has_no_answer_on_the_stream(front):
    streaming(front)
    post_to(front, ENDPOINT, call(), 400)
    assert front.collector.span("m").attributes["error.type"] == "400"


def test_streams_have_ids_of_their_own(front):
    names = [ENDPOINT + b"%d" % number for number in range(3)]
    streams = [streaming(front, name) for name in names]
    for number, name in enumerate(names):
        post_to(front, name, call(method=f"m{number}"))
    for number in (1, 2, 0):
        tell(*streams[number], FAILED if number == 1 else result())
        assert front.collector.span(f"m{number}").status == (2 if number == 1 else 0)
    counters = front.counters()
    assert counters["http_sessions"] == 3 and "replies_unmatched" not in counters


def test_what_the_server_asks_on_the_stream_is_answered_by_a_later_post(lab):
    front = Traced(lab, profile="mcp")
    stream = streaming(front)
    tell(*stream, call(7, "roots/list"))
    post_to(front, ENDPOINT, b'{"jsonrpc":"2.0","id":7,"result":{"roots":[]}}')
    span = front.collector.span("roots/list")
    assert span.kind == 3 and span.status == 0 and span.attributes.get("error.type") is None


@pytest.mark.parametrize("leaves", ["server", "client"])
def test_the_end_of_the_stream_is_that_of_its_conversation(front, leaves):
    client, server = streaming(front)
    post_to(front, ENDPOINT, call())
    server.close() if leaves == "server" else client.reset()
    assert front.collector.span("m").end_reason == "connection_closed"
    post_to(front, ENDPOINT, call(method="later"))
    assert front.collector.span("later").end_reason == "http_answer"


@pytest.mark.parametrize("event", [
    b"data: " + ENDPOINT + b"\n\n", b"event: message\ndata: " + ENDPOINT + b"\n\n",
    b"event: endpoint\ndata: " + ENDPOINT + b"1\n\n", b"event: endpoint\ndata: \n\n",
    b"event: endpoint\ndata: " + ENDPOINT + b"\ndata: \n\n", b"event: endpoint\ndata: {}\n\n",
    b"data: {}\n\nevent: endpoint\ndata: " + ENDPOINT + b"\n\n",
    b"event: endpoint\ndata: " + ENDPOINT + b"x" * 300 + b"\n\n"])
def test_events_that_name_no_endpoint_of_a_post(front, event):
    client, server = listening(front, b"")
    server.write(event)
    assert client.read_exactly(len(event)) == event
    post_to(front, ENDPOINT, call())
    assert front.collector.span("m").end_reason == "http_answer"


# exchanges without JSON-RPC

ENVELOPE = b'{"arguments":{},"method":"session-get","tag":7}'


def all_of(lab, *args):
    return Traced(lab, "--http-spans=all", *args)


def exchange(front, request, answer):
    """What passes is what was said."""
    client = front.connect()
    client.write(request)
    server = front.backend.accept()
    assert server.read_exactly(len(request)) == request
    server.write(answer)
    assert client.read_exactly(len(answer)) == answer


def get(target=b"/", method=b"GET", fields=b""):
    return method + b" " + target + b" HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n"


def test_the_get_of_a_page_has_a_span_if_asked_for(lab):
    front = all_of(lab)
    exchange(front, get(b"/a/b?token=c", fields=FIELDS), answer(b"<p>", 404, b"Content-Type: text/html\r\n"))
    span = front.collector.span(name="GET")
    assert (span.kind, span.status, span.trace_id, span.parent_id) == (2, 0, TRACE, PARENT)
    assert span.attributes == {
        "http.request.method": "GET", "url.path": "/a/b", "url.scheme": "http",
        "http.response.status_code": 404, "server.address": "127.0.0.1",
        "server.port": int(front.backend.url.rsplit(":", 1)[1])}


def test_one_kept_for_a_share_says_so(lab):
    """A trace that begins with it; the shares of methods are not for what has none."""
    front = all_of(lab, "--sampler=parentbased_traceidratio", "--sampling-methods=*=0")
    for fields in (b"", FIELDS):
        exchange(front, get(fields=fields), answer(b"<p>"))
    spans = front.collector.wait_spans(2)
    assert {span.trace_id == TRACE: span.trace_state for span in spans} == {False: "ot=th:0", True: "a=1,b=2"}


@pytest.mark.parametrize("request_bytes", [get(), sized(ENVELOPE), get(method=b"PUT")])
def test_by_itself_it_has_none(front, request_bytes):
    exchange(front, request_bytes, answer(b'{"arguments":{},"result":"success","tag":7}'))
    client, server, head = front.ask(sized(call(method="last")))
    read_body(server, head)
    reply(server, client, answer(result()))
    front.collector.span("last")
    assert len(front.collector.spans) == 1


def test_json_that_is_no_rpc_has_a_span(lab):
    front = all_of(lab)
    exchange(front, sized(ENVELOPE), answer(b'{"arguments":{},"result":"success","tag":7}'))
    assert front.collector.span(name="POST").attributes["http.request.method"] == "POST"
    assert len(front.collector.spans) == 1


@pytest.mark.parametrize("body,status,reply_body", [
    (call(), 200, result()), (call(), 500, b""), (b'{"method":"n"}', 202, b""), (b'{"method":"n"}', 204, b""),
    (b'{"jsonrpc":"2.0","method":"n"}', 200, b"{}"), (result(), 202, b""),
    (b'{"method":"n"}', 400, FAILED)])
def test_json_rpc_has_no_span_of_http(lab, body, status, reply_body):
    front = all_of(lab)
    client, server, head = front.ask(sized(body))
    read_body(server, head)
    reply(server, client, answer(reply_body, status, JSON))
    client.write(get(method=b"HEAD"))
    assert read_head(server).start.startswith(b"HEAD")
    server.write(b"HTTP/1.1 200 OK\r\n\r\n")
    read_head(client)
    front.collector.span(name="HEAD")
    assert {span.name for span in front.collector.spans} <= {"HEAD", "m"}


def test_a_stream_of_rpc_has_no_span_of_http(lab):
    front = all_of(lab)
    client, server = listening(front)
    tell(client, server, b'{"jsonrpc":"2.0","method":"n"}')
    client.close()
    exchange(front, get(b"/other"), answer(b""))
    assert front.collector.span(name="GET").attributes["url.path"] == "/other"


@pytest.mark.parametrize("status,kind", [(500, 2), (503, 2), (499, 0), (302, 0)])
def test_what_is_an_error_to_a_server(lab, status, kind):
    front = all_of(lab)
    exchange(front, get(), answer(b"", status))
    span = front.collector.span(name="GET")
    assert span.status == kind and span.attributes["http.response.status_code"] == status
    assert span.attributes.get("error.type") == (str(status) if kind == 2 else None)


def test_methods_that_nobody_knows(lab):
    front = all_of(lab)
    exchange(front, get(method=b"X-ODD"), answer(b""))
    attributes = front.collector.span(name="HTTP").attributes
    assert (attributes["http.request.method"], attributes["http.request.method_original"]) == ("_OTHER", "X-ODD")


def test_an_exchange_without_an_answer(lab):
    front = all_of(lab)
    client, server, _ = front.ask(get())
    client.reset()
    span = front.collector.span(name="GET")
    assert span.status == 2 and span.attributes["error.type"] == "connection_closed"
    assert "http.response.status_code" not in span.attributes


def test_no_server_is_an_error_of_ours(lab):
    front = all_of(lab, "--connect-timeout=1ms")
    front.backend.close()
    client = front.connect()
    client.write(get())
    assert read_head(client).status == 502
    assert front.collector.span(name="GET").attributes["error.type"] == "502"


@pytest.mark.parametrize("status", [101, 401])
def test_upgrades_have_none(lab, status):
    front, key = all_of(lab), new_key()
    client, server, _ = front.ask(upgrade_request(key))
    server.write(upgrade_reply(key) if status == 101 else answer(b"", status))
    assert read_head(client).status == status
    client.close()
    exchange(front, get(b"/other"), answer(b""))
    assert front.collector.span(name="GET").attributes["url.path"] == "/other"
    assert len(front.collector.spans) == 1
