"""An OTLP/HTTP JSON collector that keeps every span it is sent, whoever sent it."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def plain(value):
    """An OTLP AnyValue as a Python value; 64-bit integers travel as strings."""
    if "intValue" in value:
        return int(value["intValue"])
    return next(iter(value.values()), None)


def plain_attributes(attributes):
    return {each["key"]: plain(each["value"]) for each in attributes}


class Span:
    """One span, with the resource and the scope it came under."""

    def __init__(self, resource, scope, span):
        self.resource = plain_attributes(resource.get("attributes", []))
        self.scope = scope
        self.keys = [each["key"] for each in span.get("attributes", [])]
        self.attributes = plain_attributes(span.get("attributes", []))
        self.name, self.kind, self.flags = span["name"], span.get("kind", 0), span.get("flags", 0)
        self.trace_id, self.span_id = span["traceId"], span["spanId"]
        self.parent_id = span.get("parentSpanId") or None
        self.tracestate = span.get("traceState", "")
        self.start_ns = int(span["startTimeUnixNano"])
        self.end_ns = int(span["endTimeUnixNano"])
        self.start, self.end = self.start_ns / 1e9, self.end_ns / 1e9
        self.links = [link["spanId"] for link in span.get("links", [])]
        self.events = [event["name"] for event in span.get("events", [])]
        self.status = span.get("status", {}).get("code", 0)
        self.status_message = span.get("status", {}).get("message", "")

    def __repr__(self):
        return "<%s %s/%s parent %s status %d %r %r>" % (
            self.name,
            self.trace_id,
            self.span_id,
            self.parent_id,
            self.status,
            self.status_message,
            self.attributes,
        )


class Collector(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server_port
        self.spans, self.arrived, self.complaints = [], threading.Condition(), []
        self.senders = 0
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def ours(self):
        """The spans sidespan sent."""
        return [span for span in self.spans if span.scope.get("name") == "sidespan"]

    def codex(self):
        """The spans codex sent of its own accord."""
        return [span for span in self.spans if span.scope.get("name") != "sidespan"]

    def wait(self, enough, timeout):
        """Waits until enough() holds, asked whenever spans arrive. Returns its last answer."""
        with self.arrived:
            return self.arrived.wait_for(enough, timeout)

    def ended(self, timeout):
        """
        Waits until there are spans and nobody is left who could send more: an exporter keeps its
        connection until its program ends.
        """
        return self.wait(lambda: self.spans and self.senders == 0, timeout)

    def process_request(self, request, client_address):
        with self.arrived:
            self.senders += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        super().shutdown_request(request)
        with self.arrived:
            self.senders -= 1
            self.arrived.notify_all()

    def take(self, path, headers, body):
        if path != "/v1/traces" or headers.get_content_type() != "application/json":
            self.complaints.append("POST %s %s" % (path, headers.get_content_type()))
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self.arrived:
            for resource in json.loads(body)["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        self.spans.append(Span(resource["resource"], scope.get("scope", {}), span))
            self.arrived.notify_all()

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.server.take(
            self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"]))
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
