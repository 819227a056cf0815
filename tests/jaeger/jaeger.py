"""The real Jaeger: started for the tests, or the one at JAEGER_URL; and what its API says.

    JAEGER       the program, build/jaeger/jaeger if unset (tests/jaeger/build makes it)
    JAEGER_URL   instead: a Jaeger that runs, as http://localhost:16686
    JAEGER_OTLP  where it takes OTLP over HTTP, port 4318 of the same host if unset
"""

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UI = ROOT + "/docker/jaeger/ui.json"
WAIT_S = 30
CONFIG = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {receivers: [otlp], exporters: [jaeger_storage_exporter]}
  telemetry:
    metrics: {level: none}
    logs: {level: warn}
extensions:
  jaeger_storage: {backends: {memory: {memory: {max_traces: 100000}}}}
  jaeger_query:
    storage: {traces: memory}
    max_clock_skew_adjust: 10s
    ui: {config_file: "%s"}
    http: {endpoint: "127.0.0.1:%d"}
    grpc: {endpoint: "127.0.0.1:%d"}
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:%d"}}}
exporters:
  jaeger_storage_exporter: {trace_storage: memory}
"""
"""Clocks are adjusted here, by up to 10 s: where that is right it changes nothing."""


def free_ports(count):
    """Ports that nobody listens on, just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def until(fact, what):
    """What fact() says once it is something; it can only be asked again and again."""
    deadline = time.monotonic() + WAIT_S
    while not (found := fact()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


class Jaeger:
    def __init__(self):
        self.process, self.url = None, os.environ.get("JAEGER_URL", "").rstrip("/")
        if self.url:
            host = urllib.parse.urlsplit(self.url).hostname
            self.otlp = os.environ.get("JAEGER_OTLP") or f"http://{host}:4318"
            return
        program = os.environ.get("JAEGER") or ROOT + "/build/jaeger/jaeger"
        query, grpc, otlp = free_ports(3)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
            file.write(CONFIG % (UI, query, grpc, otlp))
        self.config = file.name
        self.process = subprocess.Popen([program, "--config", file.name],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.url, self.otlp = f"http://127.0.0.1:{query}", f"http://127.0.0.1:{otlp}"
        until(self.answers, "Jaeger does not start")

    def answers(self):
        assert self.process.poll() is None, f"{self.process.args} has ended"
        with contextlib.suppress(OSError):
            urllib.request.urlopen(self.otlp + "/v1/traces", b"{}", WAIT_S)  # not its type: 415
        with contextlib.suppress(OSError):
            return self.get("/api/v3/services") is not None
        return False

    def close(self):
        if self.process:
            self.process.kill()  # it has nothing to keep, and takes its time to end
            self.process.wait()
            os.unlink(self.config)

    def get(self, path, **query):
        """The JSON at a path; None: there is no such thing."""
        url = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        try:
            with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def page(self):
        """The text of the page itself."""
        with urllib.request.urlopen(self.url + "/", timeout=WAIT_S) as answer:
            return answer.read().decode()

    def search(self, **query):
        """The ids of the traces that the page would find."""
        return [each["traceID"] for each in self.get("/api/traces", **query)["data"]]

    def post(self, body):
        request = urllib.request.Request(self.otlp + "/v1/traces", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=WAIT_S).close()

    def services(self):
        return self.get("/api/v3/services").get("services", [])

    def operations(self, service):
        return [each["name"] for each in
                self.get("/api/v3/operations", service=service)["operations"]]

    def trace(self, trace_id):
        """(span, resource, scope) of a trace, OTLP JSON: clocks adjusted, warnings among the
        attributes. (The older /api/traces adjusts by other rules in this version.)"""
        answer = self.get("/api/v3/traces/" + trace_id)
        return list(spans_of(answer["result"])) if answer else []


def spans_of(body):
    """(span, resource, scope) of an OTLP JSON body."""
    for resource in body["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield span, resource["resource"], scope.get("scope", {})


class Tee(ThreadingHTTPServer):
    """A collector that keeps what it is sent and passes it on, with the answer that comes back."""

    daemon_threads = True

    def __init__(self, target):
        super().__init__(("127.0.0.1", 0), TeeHandler)
        self.target, self.bodies = target, []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def sent(self):
        return [found for body in self.bodies for found in spans_of(body)]

    def close(self):
        self.shutdown()
        self.server_close()


class TeeHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        request = urllib.request.Request(self.server.target + self.path, raw,
                                         {"Content-Type": self.headers["Content-Type"]})
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            status, body = answer.status, answer.read()
        self.server.bodies.append(json.loads(raw))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
