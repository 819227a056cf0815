"""Our context in the fields of HTTP requests: what a head says is what its message says."""

import json

import pytest

from lib.peer import read_head
from lib.wait import Background
from test_http_spans import FIELDS, JSON, PARENT, TRACE, TRACEPARENT, Traced, answer, call, chunked, linked, read_body, reply, result, sized

OTHER_TRACE, OTHER_PARENT = "1" * 32, "2" * 16
OTHER = f"00-{OTHER_TRACE}-{OTHER_PARENT}-01"
LONG = "x" * 20000
FRAMINGS = {
    "sized": sized,
    "chunk": chunked,
    "chunks": lambda body, **more: chunked(*(body[at:at + 999] for at in range(0, len(body), 999)), **more),
}


def with_fields(request, fields):
    return request.replace(JSON, JSON + fields, 1)


def front_of(lab, inject="header", *args):
    return Traced(lab, "--propagation-inject=" + inject, *args)


def ask(front, request, step=None):
    """The request's head and body as the server has them, once it is answered."""
    client = front.connect()
    writing = Background(client.write_pieces, request, iter([step] * len(request))) if step else \
        Background(client.write, request)
    server = front.backend.accept()
    head = read_head(server)
    body = read_body(server, head) if head.get("Content-Length") or head.get("Transfer-Encoding") else b""
    writing.result()
    reply(server, client, answer(result()))
    return head, body


def told(head):
    """The one context that a head has: (trace, span), and its tracestate."""
    assert len(head.all("traceparent")) == 1
    _, trace, span, _ = head.get("traceparent").split("-")
    return (trace, span), head.all("tracestate")


@pytest.mark.parametrize("inject", ["header", "header,/trace", "/trace,header"])
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("step", [None, 1])
def test_a_request(lab, inject, framing, step):
    """Ours takes the place of theirs in the head, and in the body where that is wanted, too."""
    front = front_of(lab, inject)
    head, body = ask(front, with_fields(FRAMINGS[framing](call()), FIELDS), step)
    span = front.collector.span("m")
    assert (span.trace_id, span.parent_id, span.trace_state) == (TRACE, PARENT, "a=1,b=2")
    assert told(head) == ((TRACE, span.span_id), ["a=1,b=2"])
    assert head.get("X") == "y"
    if inject == "header":
        assert body == call()
    else:
        assert json.loads(body)["trace"] == {"traceparent": f"00-{TRACE}-{span.span_id}-01", "tracestate": "a=1,b=2"}


@pytest.mark.parametrize("inject", ["header", "header,/trace"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_body_says_whose_trace_it_is(lab, inject, framing):
    front = front_of(lab, inject)
    head, _ = ask(front, with_fields(FRAMINGS[framing](call(trace={"traceparent": OTHER})), FIELDS))
    span = front.collector.span("m")
    assert told(head) == ((OTHER_TRACE, span.span_id), [])
    assert span.parent_id == OTHER_PARENT and linked(span) == [(TRACE, PARENT)]


@pytest.mark.parametrize("inject", ["header", "header,/trace"])
@pytest.mark.parametrize("request_", [
    sized(b'{"method":"note"}'), chunked(b'{"method":"note"}'), sized(b'{"id":1,"result":{}}'),
    sized(b'{"result":"%s","id":1}' % LONG.encode()), chunked(b'{"result":{"a":"%s"},"id":1}' % LONG.encode()),
    sized(b"no JSON"), chunked(b"no JSON"), sized(b'{"a"' + LONG.encode()), chunked(), sized(b""),
    sized(call(), fields=JSON + b"Content-Encoding: gzip\r\n"),
    b"GET / HTTP/1.1\r\nHost: h\r\n" + JSON + b"\r\n"])
def test_what_is_no_request(lab, inject, request_):
    """Its fields are as they came."""
    front = front_of(lab, inject)
    head, body = ask(front, with_fields(request_, FIELDS))
    assert head.all("traceparent") == [TRACEPARENT] and head.all("tracestate") == ["a=1", "b=2"]


@pytest.mark.parametrize("inject", ["header", "header,/trace"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_batch(lab, inject, framing):
    """Its first request, which has a trace of its own, is that of the head; the others have the head's."""
    front = front_of(lab, inject)
    body = b'[{"method":"note"},%s,%s]' % (call(1, "a", trace={"traceparent": OTHER}), call(2, "b"))
    head, received = ask(front, with_fields(FRAMINGS[framing](body), FIELDS))
    first, second = front.collector.span("a"), front.collector.span("b")
    assert told(head) == ((OTHER_TRACE, first.span_id), [])
    assert (second.trace_id, second.parent_id) == (TRACE, PARENT)
    assert (received == body) == (inject == "header")


@pytest.mark.parametrize("inject", ["header", "header,/trace"])
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("order", ["id first", "id last", "context last"])
def test_a_long_request(lab, inject, framing, order):
    """The head goes when 16 KiB are there: with the trace that these tell of, in the name of the
    span that comes of it in any case."""
    front = front_of(lab, inject)
    carrier = '"trace":{"traceparent":"%s"}' % OTHER
    body = {"id first": '{"id":1,"method":"m",%s,"params":"%s"}' % (carrier, LONG),
            "id last": '{"method":"m",%s,"params":"%s","id":1}' % (carrier, LONG),
            "context last": '{"method":"m","params":"%s",%s,"id":1}' % (LONG, carrier)}[order].encode()
    head, received = ask(front, with_fields(FRAMINGS[framing](body), FIELDS))
    span = front.collector.span("m")
    early = order != "context last"
    assert told(head) == ((OTHER_TRACE if early else TRACE, span.span_id), [] if early else ["a=1,b=2"])
    assert span.parent_id == (OTHER_PARENT if early else PARENT)
    assert linked(span) == [(TRACE, PARENT) if early else (OTHER_TRACE, OTHER_PARENT)]
    if inject == "header":
        assert received == body
    else:  # where the body's own stands before it is known that this is a request, it stays
        assert json.loads(received)["trace"]["traceparent"] == (
            OTHER if order == "id last" else head.get("traceparent"))


@pytest.mark.parametrize("inject", ["header", "header,/trace"])
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("blanks", [0, 20000])
def test_a_long_batch(lab, inject, framing, blanks):
    """What its first request says of its trace counts, if that stands in what the head waits for."""
    front = front_of(lab, inject)
    body = b"[" + b" " * blanks + b'%s,{"method":"note","a":"%s"},%s]' % (
        call(1, "a", trace={"traceparent": OTHER}, long=LONG), LONG.encode(), call(2, "b"))
    head, received = ask(front, with_fields(FRAMINGS[framing](body), FIELDS))
    first, second = front.collector.span("a"), front.collector.span("b")
    trace = TRACE if blanks else OTHER_TRACE
    assert told(head)[0] == (trace, first.span_id) == (first.trace_id, first.span_id)
    assert (second.trace_id, second.parent_id) == (TRACE, PARENT)
    if inject == "header":
        assert received == body
    else:
        assert json.loads(received)[0]["trace"]["traceparent"] == head.get("traceparent")


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_request_that_waits_to_be_let(lab, framing):
    """Its head cannot wait for its body."""
    front = front_of(lab)
    request = with_fields(FRAMINGS[framing](call(trace={"traceparent": OTHER})), FIELDS + b"Expect: 100-continue\r\n")
    at = request.index(b"\r\n\r\n") + 4
    client = front.connect()
    client.write(request[:at])
    server = front.backend.accept()
    head = read_head(server)
    server.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert read_head(client).start == b"HTTP/1.1 100 Continue"
    client.write(request[at:])
    assert read_body(server, head) == call(trace={"traceparent": OTHER})
    reply(server, client, answer(result()))
    span = front.collector.span("m")
    assert told(head) == ((TRACE, span.span_id), ["a=1,b=2"])
    assert span.parent_id == PARENT and linked(span) == [(OTHER_TRACE, OTHER_PARENT)]


BAGGAGE = b"Baggage: k=1\r\nbaggage: l=2\r\n"


@pytest.mark.parametrize("args, request_, kept", [
    (("--propagation-inject=header",), call(), {"traceparent": 1, "tracestate": 1, "baggage": 2}),
    (("--propagation-inject=header", "--propagation-baggage=strip"), call(), {"traceparent": 1, "tracestate": 1}),
    (("--propagation-inject=header", "--propagation-strip"), call(), {"traceparent": 1, "tracestate": 1, "baggage": 2}),
    (("--propagation-inject=header", "--propagation-strip"), b'{"method":"n"}', {"baggage": 2}),
    (("--propagation-inject=none", "--propagation-strip"), call(), {"baggage": 2}),
    (("--propagation-inject=none", "--propagation-strip", "--disabled"), call(), {"baggage": 2}),
    (("--propagation-inject=none", "--propagation-strip", "--propagation-baggage=strip"), b"no JSON", {}),
    (("--propagation-inject=none", "--propagation-strip", "--propagation-extract=/trace"), call(),
     {"traceparent": 1, "tracestate": 2, "baggage": 2}),
    (("--propagation-inject=header", "--propagation-trust=restart"), call(), {"traceparent": 1, "baggage": 2}),
    (("--propagation-inject=header", "--propagation-trust=restart"), b'{"method":"n"}', {"baggage": 2}),
    (("--propagation-inject=none", "--propagation-trust=restart"), call(),
     {"traceparent": 1, "tracestate": 2, "baggage": 2}),
])
def test_what_is_left_of_theirs(lab, args, request_, kept):
    front = Traced(lab, *args)
    head, _ = ask(front, with_fields(sized(request_), FIELDS + BAGGAGE))
    assert {name: len(head.all(name)) for name in ("traceparent", "tracestate", "baggage") if head.all(name)} == kept
    if "restart" in args[-1]:
        assert (TRACE in (head.get("traceparent") or "")) == ("none" in args[0])


def test_the_next_request_has_nothing_of_it(lab):
    front = front_of(lab)
    client = front.connect()
    for number in range(2):
        client.write(sized(call(method=f"m{number}")) + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        server = front.backend.accept() if number == 0 else server
        head = read_head(server)
        read_body(server, head)
        reply(server, client, answer(result()))
        assert read_head(server).get("traceparent") is None
        reply(server, client, answer(b"ok"))
        span = front.collector.span(f"m{number}")
        assert told(head)[0] == (span.trace_id, span.span_id)


def test_where_no_http_is_spoken(lab):
    """It does nothing, and is told of."""
    backend = lab.backend("tcp")
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + backend.url, "--propagation-inject=header")
    program.url()
    assert program.stop() == 0
    assert program.log("warn") == ["--propagation-inject: header puts nothing: clients speak no HTTP here"]
