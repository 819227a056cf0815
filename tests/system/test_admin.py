"""What operators ask of us: health, readiness, metrics, settings; and who may ask."""

import json
import os
import re
import signal
import socket
import time

import pytest

from lib.lab import address_of
from lib.operator import ADMIN, Operator
from lib.peer import read_head
from lib.stream import connect
from lib.wait import TimedOut, until

@pytest.fixture(name="served")
def make_served(lab):
    backend = lab.backend("ws")
    return Operator(lab, "--listen=ws://127.0.0.1:0", f"--upstream={backend.url}"), backend


def test_health_is_that_we_live(lab):
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9")
    asked = operator.get("/healthz")
    assert asked.status == 200 and asked.json()["status"] == "ok"
    assert asked.head.get("Cache-Control") == "no-store"
    assert asked.head.get("X-Content-Type-Options") == "nosniff"
    assert asked.head.get("Cross-Origin-Resource-Policy") == "same-origin"


def test_ready_is_that_the_server_can_be_reached(lab, served):
    operator, backend = served
    assert operator.get("/readyz").json() == {
        "ready": True, "server": "reachable",
        "exporter": {"created": 0, "sent": 0, "rejected": 0, "dropped": 0, "spooled": 0, "pending": 0, "state": "none"}}
    backend.close()
    until(lambda: operator.get("/readyz").status == 503, "not ready")
    operator.sidespan.wait_line("warn: not ready: the server cannot be reached: Connection refused")
    assert operator.get("/readyz").json()["server"] == "unreachable"
    assert operator.get("/healthz").status == 200


def test_ready_again(lab):
    path = lab.path("later")
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", f"--upstream=ws+unix://{path}")
    assert operator.get("/readyz").status == 503
    server = lab.keep(socket.socket(socket.AF_UNIX))
    server.bind(path)
    server.listen()
    until(lambda: operator.get("/readyz").status == 200, "ready")
    operator.sidespan.wait_line("info: ready: the server can be reached again")


def test_many_ask_and_the_server_is_connected_to_once(lab, served):
    operator, backend = served
    clients = [operator.connect() for _ in range(8)]
    for client in clients:
        client.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert [read_head(client).status for client in clients] == [200] * 8
    backend.accept()
    with pytest.raises(TimedOut):
        backend.accept(0.05)


def test_a_command_is_ready_at_once(lab):
    operator = Operator(lab, "--", "cat")
    assert operator.get("/readyz").status == 200


def test_not_ready_while_we_end(lab):
    link = lab.link("ws", args=[ADMIN, "--shutdown-drain=1m"])
    operator = Operator.of(lab, link.sidespan)
    link.sidespan.signal(signal.SIGTERM)
    link.sidespan.wait_line("1 connections to end")
    assert operator.get("/readyz").json()["server"] == "we end"
    assert operator.get("/readyz").status == 503 and operator.get("/healthz").status == 200


def test_metrics_are_what_is_counted(lab, served):
    operator, _ = served
    before = operator.metrics()
    assert before["sidespan_connections_total", None] == 0
    assert before["sidespan_connections_open", None] == 0
    assert before["process_resident_memory_bytes", None] > 1e6
    assert [labels for name, labels in before if name == "sidespan_build_info"] == ['version="0.1.0"']
    lab.keep(connect(address_of(operator.sidespan.url())))
    until(lambda: operator.metrics()["sidespan_connections_open", None] == 1, "a connection")
    now = operator.metrics()
    assert now["sidespan_connections_total", None] == 1
    parts = [value for (name, _), value in now.items() if name.startswith("sidespan_spans_")]
    assert now["sidespan_spans_created_total", None] == sum(parts) / 2


def test_bytes_and_carriers(lab):
    link = lab.link("tcp", args=[ADMIN], profile="codex")
    operator = Operator.of(lab, link.sidespan)
    trace = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    asked = [{"id": 1, "method": "a"}, {"id": 2, "method": "a", "trace": trace},
             {"id": 3, "method": "a", "trace": {**trace, "tracestate": "="}}, {"id": 4, "method": "a", "trace": {"traceparent": "x"}}]
    for request in asked:
        link.call(request, {"id": request["id"], "result": {}})
    told = operator.metrics()
    assert [told[f"sidespan_carriers_{name}_total", None] for name in ("accepted", "absent", "invalid")] == [2, 1, 1]
    assert told["sidespan_client_bytes_total", None] == sum(len(link.client.frame(request)) for request in asked)
    assert told["sidespan_server_bytes_total", None] == sum(len(link.client.frame({"id": n, "result": {}})) for n in range(1, 5))


def test_how_long_threads_are_loaded(lab):
    """And realtime sessions last: measured, not sent."""
    link = lab.link("ws", args=[ADMIN], profile="codex", collector=lab.collector())
    operator = Operator.of(lab, link.sidespan)

    def hear(method, **params):
        link.server.send({"method": method, "params": params})
        link.client.recv()

    link.call({"id": 1, "method": "thread/start"}, {"id": 1, "result": {"thread": {"id": "T"}}})
    hear("thread/started", thread={"id": "T"})
    hear("thread/realtime/started", threadId="T")
    told = operator.metrics()
    assert [told["sidespan_open", f'type="{name}"'] for name in ("loaded thread", "realtime session", "turn")] == [1, 1, 0]
    assert operator.get("/open").json()["spans"] == []
    hear("thread/realtime/closed", threadId="T")
    hear("thread/status/changed", threadId="T", status={"type": "notLoaded"})
    hear("thread/closed", threadId="T")
    told = operator.metrics()
    assert told["codex_thread_loaded_duration_seconds_count", ""] == 1
    assert told["codex_realtime_duration_seconds_count", ""] == 1
    assert told["sidespan_open", 'type="loaded thread"'] == 0
    assert [span.name for span in link.collector.wait_spans(1)] == ["app_server.request thread/start"]
    assert told["sidespan_spans_created_total", None] == 1


def test_settings_without_secrets(lab):
    token = lab.write("token", "hush-hush")
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9",
                        f"--listen-token-file={token}",
                        env={"OTEL_EXPORTER_OTLP_HEADERS": "authorization=hush-hush"})
    asked = operator.get("/config", more="Authorization: Bearer hush-hush\r\n")
    told = asked.json()
    assert told["upstream"] == "ws://127.0.0.1:9" and told["listen.token_file"] == token
    assert "hush-hush" not in asked.body and "***" in told["otlp.headers"]


def test_the_token_is_for_what_is_told_not_for_health(lab):
    token = lab.write("token", "hush-hush")
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9",
                        f"--listen-token-file={token}")
    for target in ("/metrics", "/config", "/open", "/traces", "/stats", "/live", "/nothing"):
        asked = operator.get(target)
        assert asked.status == 401 and asked.head.get("WWW-Authenticate") == "Bearer"
        assert operator.get(target, more="Authorization: Bearer hush\r\n").status == 401
    assert operator.get("/metrics", more="Authorization: Bearer hush-hush\r\n").status == 200
    assert operator.get("/healthz").status == 200
    operator.sidespan.stop()
    operator.sidespan.wait_line("traffic: .*admin_refused=14")


@pytest.mark.parametrize("target", ["/", "/healthz", "/readyz", "/metrics", "/config", "/open", "/traces", "/stats", "/live", "/nothing"])
def test_no_foreign_page_is_answered(lab, served, target):
    operator, _ = served
    for more, host in (("", "attacker.example"), ("Origin: https://attacker.example\r\n", "localhost"),
                       ("Origin: null\r\n", "localhost"), ("Host: localhost\r\n", "localhost"),
                       ("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: image\r\n", "localhost")):
        assert operator.get(target, host=host, more=more).status == 403
    operator.sidespan.wait_line("admin: a request is refused: Host \"attacker.example\" is not ours")
    link = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: document\r\n"
    assert operator.get(target, more=link, method="HEAD").status == (404 if target == "/nothing" else 200)


@pytest.mark.parametrize("request_, status", [
    (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 405),
    (b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    (b"GET /metricsx HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    (b"GET /metrics?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
    (b"GET http://localhost/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
    (b"GET /metrics HTTP/1.1\r\n\r\n", 403),
    (b"\x16\x03\x01\x02\x00\x01", 400),
    (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 70000 + b"\r\n\r\n", 431),
])
def test_requests(lab, served, request_, status):
    operator, _ = served
    client = operator.connect()
    client.write(request_)
    assert read_head(client).status == status
    client.read_all()


def test_head_has_no_body(served):
    operator, _ = served
    asked = operator.get("/metrics", method="HEAD")
    assert asked.status == 200 and asked.body == "" and int(asked.head.get("Content-Length")) > 1000


@pytest.mark.parametrize("target", ["/readyz", "/metrics"])
def test_a_client_that_has_said_all_is_answered(lab, target):
    """And leaves: the place that it had is another's."""
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", f"--upstream={lab.backend('ws').url}",
                        "--admin-connections-max=1")
    for _ in range(3):
        client = operator.connect()
        client.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        client.close_write()
        assert read_head(client).status == 200
        assert client.read_all()


def test_so_many_connections_and_no_more(lab):
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9",
                        "--admin-connections-max=2")
    silent = [operator.connect() for _ in range(2)]
    third = operator.connect()
    third.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert third.read_quiet(0.1) == b""
    silent[0].close()
    assert read_head(third).status == 200
    third.close()
    for _ in range(5):
        assert operator.get("/healthz").status == 200


def test_silent_clients_are_closed(lab):
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9",
                        "--handshake-timeout=50ms")
    client = operator.connect()
    assert client.read_all() == b""
    client = operator.connect()
    client.write(b"GET /healthz HT")
    assert client.read_all() == b""


def test_a_request_that_trickles_is_cut_off(lab):
    """However often a byte of it comes."""
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9", "--handshake-timeout=200ms")
    client = operator.connect()
    for byte in b"GET /healthz HTTP/1.1\r\nA: " + b"a" * 200:
        if client.eof:
            break
        client.send_some(bytes([byte]), 1)
        assert client.read_quiet(0.1) == b""
    assert client.eof
    operator.sidespan.stop()
    operator.sidespan.wait_line("traffic: .*admin_dropped=1")


class SlowReader:
    """Asks for ended spans of some 32 KiB each, so many of them, and reads the answer slowly."""

    def __init__(self, lab, spans, *args, has_said_all=False):
        attributes = ",".join(f"{name}=" + 4000 * "x" for name in "abcdefgh")
        link = lab.link("ws", args=[f"--admin-listen=unix://{lab.path('admin.sock')}", "--exporter=none",
                                    f"--span-attributes={attributes}", *args])
        self.operator = Operator.of(lab, link.sidespan)
        for number in range(spans):
            link.call({"id": number, "method": "a"}, {"id": number, "result": {}})
        until(lambda: self.operator.metrics()["sidespan_open", 'type="request"'] == 0, "all have ended")
        self.client = self.operator.connect()
        self.client.write(b"GET /traces HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if has_said_all:
            self.client.close_write()

    def read(self, size, pause):
        """How many bytes came, and how many were announced."""
        head = read_head(self.client)
        count = len(self.client.take(len(self.client.buffer)))
        os.set_blocking(self.client.reader, True)
        while part := os.read(self.client.reader, size):
            count += len(part)
            time.sleep(pause)
        return count, int(head.get("Content-Length"))


@pytest.mark.parametrize("has_said_all", [False, True])
def test_an_answer_that_is_taken_too_slowly_is_cut_off(lab, has_said_all):
    """However often some of it is taken: 80 KiB in a second of 600."""
    reader = SlowReader(lab, 20, "--handshake-timeout=1s", has_said_all=has_said_all)
    count, size = reader.read(8192, 0.1)
    assert count < size and 600 * 1024 < size < 700 * 1024
    assert reader.operator.metrics()["sidespan_admin_dropped_total", None] == 1


def test_a_large_answer_may_be_taken_for_longer(lab):
    """As much again for each MiB: here 8 s for what takes some 3."""
    reader = SlowReader(lab, 100, "--handshake-timeout=2s", "--admin-traces-bytes=8MiB")
    count, size = reader.read(32768, 0.025)
    assert count == size and 3 * 1024 * 1024 < size
    assert reader.operator.metrics()["sidespan_admin_dropped_total", None] == 0


def test_a_unix_socket_is_ours_and_goes(lab):
    path = lab.path("admin.sock")
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9",
                        admin=f"--admin-listen=unix://{path}")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert operator.get("/healthz", host="anything").status == 200
    assert operator.get("/healthz", more="Origin: http://a\r\n").status == 403
    operator.sidespan.stop()
    assert not os.path.exists(path)


def test_a_command_is_wrapped_without_it_when_the_port_is_taken(lab):
    taken = lab.keep(socket.create_server(("127.0.0.1", 0)))
    port = taken.getsockname()[1]
    sidespan = lab.sidespan(f"--admin-listen=http://127.0.0.1:{port}", "--", "cat")
    sidespan.wait_line(f"warn: admin.listen: 127.0.0.1:{port}: Address already in use; it goes without")
    sidespan.peer().close()
    assert sidespan.wait() == 0
    sidespan = lab.sidespan(f"--admin-listen=http://127.0.0.1:{port}", "--listen=ws://127.0.0.1:0",
                            "--upstream=ws://127.0.0.1:9")
    assert sidespan.wait() == 1
    assert f"admin.listen: 127.0.0.1:{port}: Address already in use" in sidespan.log("error")


@pytest.mark.parametrize("url, why", [
    ("http://127.0.0.1:0/metrics", "must be http://HOST:PORT without a path"),
    ("https://127.0.0.1:1", "must be http://HOST:PORT without a path"),
    ("tcp://127.0.0.1:1", "must be http://HOST:PORT without a path"),
    ("lsp+unix:///tmp/x", "must be http://HOST:PORT without a path"),
    ("http://0.0.0.0:1", "other machines could look at it"),
    ("http://127.0.0.1:8", "the same as listen or upstream"),
    ("http://127.0.0.1:9", "the same as listen or upstream"),
])
def test_wrong_urls(lab, url, why):
    sidespan = lab.sidespan(f"--admin-listen={url}", "--listen=ws://127.0.0.1:8",
                            "--upstream=ws://127.0.0.1:9")
    assert sidespan.wait() == 2
    assert f'--admin-listen: "{url}": {why}' in sidespan.log("error")[0]


CALLS = "rpc_server_call_duration_seconds_count"


def counts(operator, family=CALLS):
    """How many were measured, by the labels that differ."""
    return {labels: value for (name, labels), value in operator.metrics().items() if name == family}


def labels(method, code=""):
    code = code and f'rpc_response_status_code="{code}",error_type="{code}",'
    return f'rpc_method="{method}",{code}rpc_system_name="jsonrpc",rpc_transport="websocket",sidespan_profile="generic"'


@pytest.mark.parametrize("args", [
    [], ["--sampler=always_off"], ["--exporter=none"], ["--requests-record=other"], ["--lifecycle=off"]])
def test_requests_are_measured_recorded_or_not(lab, args):
    link = lab.link("ws", args=[ADMIN, *args], profile="generic")
    operator = Operator.of(lab, link.sidespan)
    for number in range(3):
        link.call({"id": number, "method": "a"}, {"id": number, "result": {}})
    link.call({"id": 7, "method": "b"}, {"id": 7, "error": {"code": -32601, "message": "no"}})
    until(lambda: sum(counts(operator).values()) == 4, "four requests")
    assert counts(operator) == {labels("a"): 3, labels("b", "-32601"): 1}


def test_a_request_that_goes_on_is_measured_once(lab):
    profile = lab.write("p.json", json.dumps({"name": "p", "lifecycle": {
        "spans": {"prompt": {"name": "prompt", "key": {"s": "/params/s"}, "requests": "prompt"}},
        "rules": [{"name": "goes on", "on": "reply", "methods": "prompt", "do": "stay", "span": "prompt"},
                  {"name": "over", "on": "notification", "methods": "idle", "do": "close", "span": "prompt"}]},
        "metrics": [{"name": "prompts", "span": "prompt"}]}))
    link = lab.link("ws", args=[ADMIN], profile=profile)
    operator = Operator.of(lab, link.sidespan)
    link.call({"id": 1, "method": "prompt", "params": {"s": "x"}}, {"id": 1, "result": {}})
    link.server.send({"method": "idle", "params": {"s": "x"}})
    link.client.recv()
    until(lambda: sum(counts(operator, "prompts_seconds_count").values()) == 1, "a prompt")
    assert counts(operator) == {}


def test_names_without_end_are_counted_together(lab):
    link = lab.link("ws", args=[ADMIN, "--metrics-series-max=3"], profile="generic")
    operator = Operator.of(lab, link.sidespan)
    for number in range(8):
        link.call({"id": number, "method": f"m{number}"}, {"id": number, "result": {}})
    until(lambda: sum(counts(operator).values()) == 8, "eight requests")
    found = counts(operator)
    assert len(found) == 4
    assert [value for name, value in found.items() if 'otel_metric_overflow="true"' in name] == [5]
    assert operator.metrics()["sidespan_metric_overflows_total", None] == 5


def test_open_metrics_where_it_is_asked_for(lab):
    link = lab.link("ws", args=[ADMIN], collector=lab.collector(), profile="generic")
    operator = Operator.of(lab, link.sidespan)
    link.call({"id": 1, "method": "a"}, {"id": 1, "result": {}})
    until(lambda: counts(operator) != {}, "a request")
    asked = operator.get("/metrics", more="Accept: text/html;q=0.5, application/openmetrics-text;version=1.0.0\r\n")
    assert asked.head.get("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert asked.body.endswith("\n# EOF\n") and "# TYPE sidespan_requests counter\n" in asked.body
    (trace, span), = re.findall(r'_bucket\{.*\} 1 # \{trace_id="(\w+)",span_id="(\w+)"\}', asked.body)
    found = link.collector.wait_spans(1)[0]
    assert (found.trace_id, found.span_id) == (trace, span)
