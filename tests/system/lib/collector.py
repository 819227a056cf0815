"""A collector for OTLP/HTTP JSON that checks every body it gets and misbehaves as told.

Each request is answered by the next of `answers`; the last one stays in force. An answer is a
function of the collector's connection handler; ok(), status(), and the others below make them.
"""

import gzip
import http.server
import json
import os
import re
import socket
import socketserver
import struct
import subprocess
import threading
import time

from lib.wait import PATIENCE, until


class Span:
    def __init__(self, span, resource, scope):
        self.raw = span
        self.name = span["name"]
        self.kind = span["kind"]
        self.trace_id = span["traceId"]
        self.span_id = span["spanId"]
        self.parent_id = span.get("parentSpanId")
        self.trace_state = span.get("traceState")
        self.flags = span.get("flags", 0)
        self.start = int(span["startTimeUnixNano"])
        self.end = int(span["endTimeUnixNano"])
        self.status = span.get("status", {}).get("code", 0)
        self.message = span.get("status", {}).get("message")
        self.attributes = attributes_of(span.get("attributes", []))
        self.events = span.get("events", [])
        self.links = span.get("links", [])
        self.resource = resource
        self.scope = scope

    @property
    def method(self):
        return self.attributes.get("rpc.method")

    @property
    def request_id(self):
        return self.attributes.get("rpc.request_id")

    @property
    def end_reason(self):
        return self.attributes.get("sidespan.end_reason")

    def __repr__(self):
        return f"<span {self.name!r} id={self.request_id!r} {self.end_reason} status={self.status}>"


def attributes_of(pairs):
    found = {}
    for pair in pairs:
        (kind, value), = pair["value"].items()
        found[pair["key"]] = int(value) if kind == "intValue" else value
    return found


# what facts about OTLP JSON a body must obey

SPAN_KEYS = {"traceId", "spanId", "parentSpanId", "traceState", "flags", "name", "kind",
             "startTimeUnixNano", "endTimeUnixNano", "attributes", "droppedAttributesCount",
             "events", "droppedEventsCount", "links", "droppedLinksCount", "status"}
VALUE_TYPES = {"stringValue": str, "boolValue": bool, "intValue": str, "doubleValue": (int, float)}


def need(condition, *what):
    if not condition:
        raise ValueError(" ".join(str(part) for part in what)[:500])


def check_attributes(pairs):
    keys = [pair["key"] for pair in pairs]
    need(len(keys) == len(set(keys)), "attribute twice", keys)
    for pair in pairs:
        need(set(pair) == {"key", "value"} and pair["key"], "attribute", pair)
        (kind, value), = pair["value"].items()
        need(isinstance(value, VALUE_TYPES[kind]), "attribute value", pair)
        need(kind != "intValue" or re.fullmatch(r"-?\d+", value), "integer", pair)


def check_span(span):
    need(set(span) <= SPAN_KEYS, "unknown key", span)
    need(re.fullmatch("[0-9a-f]{32}", span["traceId"]) and int(span["traceId"], 16), span)
    need(re.fullmatch("[0-9a-f]{16}", span["spanId"]) and int(span["spanId"], 16), span)
    if "parentSpanId" in span:
        need(re.fullmatch("[0-9a-f]{16}", span["parentSpanId"]), span)
        need(int(span["parentSpanId"], 16), "parent of zeros", span)
    need(span["name"] and isinstance(span["kind"], int) and 1 <= span["kind"] <= 5, span)
    start, end = span["startTimeUnixNano"], span["endTimeUnixNano"]
    need(isinstance(start, str) and isinstance(end, str) and int(end) > int(start), "times", span)
    need(abs(int(start) / 1e9 - time.time()) < 3600, "not our century", span)
    need(span.get("flags", 256) >> 10 == 0 and span.get("flags", 256) & 256, "flags", span)
    need(("parentSpanId" in span) or not span.get("flags", 0) & 512, "remote parent of root", span)
    need(span.get("traceState") != "", "empty traceState", span)
    status = span.get("status", {})
    need(set(status) <= {"code", "message"} and status.get("code", 0) in (0, 1, 2), span)
    need("message" not in status or status["code"] == 2, "message without error", span)
    check_attributes(span.get("attributes", []))


def check_request(handler, raw):
    need(handler.command == "POST", handler.command)
    need(handler.headers["Content-Type"] in ("application/json", PROTOBUF),
         handler.headers["Content-Type"])
    need("Expect" not in handler.headers, "Expect header")
    need("OTel-OTLP-Exporter" in handler.headers["User-Agent"], handler.headers["User-Agent"])


class Decoder:
    """Bodies in protobuf as JSON, by a Python that has Google's library."""

    def __init__(self):
        self.lock = threading.Lock()
        self.process = None

    def decode(self, raw):
        with self.lock:
            if not self.process:
                program = os.path.join(os.path.dirname(__file__), "otlp_decode.py")
                self.process = subprocess.Popen(["/usr/bin/python3", "-I", program], bufsize=0,
                                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.process.stdin.write(b"%d\n%b" % (len(raw), raw))
            line = b""
            while not line.endswith(b"\n"):
                part = self.process.stdout.readline()
                need(part, "a body that is no protobuf", raw)
                line += part
        return line


PROTOBUF = "application/x-protobuf"
DECODER = Decoder()


def parse_body(raw):
    """All spans of a body, or ValueError with what is wrong."""
    def no_constants(text):
        raise ValueError(f"{text} is no JSON")

    body = json.loads(raw.decode("utf-8"), parse_constant=no_constants)
    need(set(body) == {"resourceSpans"} and body["resourceSpans"], "top level", body)
    spans = []
    for resource_spans in body["resourceSpans"]:
        need(set(resource_spans) <= {"resource", "schemaUrl", "scopeSpans"}, resource_spans.keys())
        check_attributes(resource_spans["resource"]["attributes"])
        resource = attributes_of(resource_spans["resource"]["attributes"])
        need("service.name" in resource, "no service.name")
        for scope_spans in resource_spans["scopeSpans"]:
            need(set(scope_spans) <= {"scope", "schemaUrl", "spans"}, scope_spans.keys())
            need(scope_spans["spans"], "empty envelope")
            for span in scope_spans["spans"]:
                check_span(span)
                spans.append(Span(span, resource, scope_spans["scope"]))
    return spans


class Request:
    def __init__(self, handler, raw, spans):
        self.path = handler.path
        self.headers = handler.headers
        self.size = len(raw)
        self.spans = spans
        self.time = time.monotonic()
        self.connection = handler.client_address
        self.accepted = False


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError):
            self.close_connection = True

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            size = int(self.headers["Content-Length"])
            raw = self.rfile.read(size)
            if len(raw) < size:
                raise ConnectionError("cut off: it is no request, and comes again")
            return raw
        raw = b""
        while size := int(self.rfile.readline(), 16):
            raw += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return raw

    def do_POST(self):
        raw = self.read_body()
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        self.server.collector.take(self, raw)

    do_GET = do_PUT = do_POST

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"{}", fields=()):
        self.send_response_only(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, collector, address):
        self.collector = collector
        self.allow_reuse_address = True
        super().__init__(address, Handler)

    def handle_error(self, *_):
        pass


class Collector:
    def __init__(self, *answers, port=0, start=True):
        self.answers = list(answers) or [ok()]
        self.changed = threading.Condition()
        self.requests = []
        self.errors = []
        self.let_go = threading.Event()
        # A bound socket that does not listen refuses connections and keeps the port ours.
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserved.bind(("127.0.0.1", port))
        self.port = self.reserved.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = None
        if start:
            self.start()

    def start(self, tls=None):
        self.server = Server(self, ("127.0.0.1", self.port))
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def take(self, handler, raw):
        try:
            check_request(handler, raw)
            binary = handler.headers["Content-Type"] == PROTOBUF
            spans = parse_body(DECODER.decode(raw) if binary else raw)
        except (ValueError, KeyError, TypeError) as error:
            self.errors.append(f"{error!r} in {raw[:2000]}")
            spans = []
        request = Request(handler, raw, spans)
        with self.changed:
            self.requests.append(request)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            self.changed.notify_all()
        answer(self, handler, request)

    def accept(self, request):
        with self.changed:
            request.accepted = True
            self.changed.notify_all()

    @property
    def spans(self):
        """The spans of requests that were answered with success."""
        return [span for request in self.requests if request.accepted for span in request.spans]

    def wait(self, condition, what, seconds=None):
        return until(condition, f"{what}; have {len(self.requests)} requests, {self.spans}"
                     if self.requests else what, seconds)

    def wait_requests(self, count, seconds=None):
        self.wait(lambda: len(self.requests) >= count, f"{count} requests", seconds)
        return self.requests[:count]

    def wait_spans(self, count, seconds=None):
        self.wait(lambda: len(self.spans) >= count, f"{count} spans at the collector", seconds)
        spans = self.spans
        assert len(spans) == count, spans
        return spans

    def span(self, method=None, **attributes):
        """Waits for the one span of that method (and request_id, ...)."""
        def found():
            return [span for span in self.spans if method in (None, span.method) and
                    all(getattr(span, name) == value for name, value in attributes.items())]

        spans = self.wait(found, f"a span {method or ''} {attributes or ''}")
        assert len(spans) == 1, spans
        return spans[0]

    def close(self):
        self.let_go.set()
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        self.reserved.close()
        assert not self.errors, "\n".join(self.errors)
        ids = [span.span_id for span in self.spans]
        assert len(ids) == len(set(ids)), "a span was delivered twice"


# answers

def ok(body=b"{}"):
    """Success, with that body."""
    def answer(collector, handler, request):
        collector.accept(request)
        handler.answer(200, body)
    return answer


def status(code, body=b'{"code":2,"message":"told so"}', **fields):
    def answer(collector, handler, request):
        handler.answer(code, body, [(name.replace("_", "-"), value) for name, value in
                                    fields.items()])
    return answer


def held(event, then=None):
    """Waits for an event of the test (or the end of the test), then goes on."""
    def answer(collector, handler, request):
        event.wait(3 * PATIENCE)
        (then or ok())(collector, handler, request)
    return answer


def hang():
    """No answer until the collector is closed, then none either."""
    def answer(collector, handler, request):
        collector.let_go.wait(6 * PATIENCE)
        handler.close_connection = True
    return answer


def reset():
    def answer(collector, handler, request):
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.close_connection = True
    return answer


def close():
    """Closes without an answer."""
    def answer(collector, handler, request):
        handler.close_connection = True
    return answer


def raw(data, accepted=False):
    """Writes data as the whole response, then closes."""
    def answer(collector, handler, request):
        if accepted:
            collector.accept(request)
        handler.wfile.write(data)
        handler.wfile.flush()
        handler.close_connection = True
    return answer


def endless():
    """A response of 200 whose body does not end."""
    def answer(collector, handler, request):
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not collector.let_go.is_set():
            handler.wfile.write(b" " * 65536)
    return answer
