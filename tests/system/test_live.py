"""What goes on and what ended last, at admin.listen: /open, /traces, /stats, /live."""

import json
import os
import pathlib
import subprocess

import pytest

from lib.operator import ADMIN, Operator
from lib.peer import read_head
from lib.wait import until

BIN = pathlib.Path(os.environ.get("BENCH_BIN", "build/release/tests/bench"))
EVIL = '<img src=x onerror="alert(1)">\u2028\x7f</script>'


def open_now(operator, count):
    """What goes on, once it is so much: the encoded spans, oldest first."""
    asked = until(lambda: (told := operator.get("/open").json()) and len(told["spans"]) == count and told,
                  f"{count} open spans")
    assert int(asked["timeUnixNano"]) >= max((int(span["startTimeUnixNano"]) for span in asked["spans"]), default=0)
    assert [span for span in asked["spans"] if "endTimeUnixNano" in span] == []
    return asked["spans"], asked["omitted"]


def attributes(span):
    return {found["key"]: next(iter(found["value"].values())) for found in span["attributes"]}


@pytest.mark.parametrize("args", [[], ["--exporter=none"], ["--exporter=console"], ["--otlp-protocol=http/protobuf"],
                                  ["--sampler=always_off"], ["--requests-record=none"]])
def test_what_goes_on_now(lab, args):
    """Whatever becomes of its spans, a request that waits is seen, and nothing of it does harm."""
    link = lab.link("ws", args=[ADMIN, *args], profile="codex")
    operator = Operator.of(lab, link.sidespan)
    assert open_now(operator, 0) == ([], 0)
    evil = '<img src=x onerror="alert(1)">\u2028\x7f'
    link.client.send({"id": 1, "method": evil, "params": {"threadId": "T\0"}})
    (span,), omitted = open_now(operator, 1)
    assert omitted == 0 and span["name"] == "app_server.request " + evil and "status" not in span
    assert attributes(span)["rpc.method"] == evil and attributes(span)["thread.id"] == "T\0"
    told = json.loads(link.server.recv())
    if "trace" in told:
        assert told["trace"]["traceparent"].split("-")[1:3] == [span["traceId"], span["spanId"]]
    else:
        assert args == ["--requests-record=none"]
    link.server.send({"id": 1, "result": {}})
    assert open_now(operator, 0) == ([], 0)


def test_the_oldest_of_what_goes_on(lab):
    """A turn with what is in it; of many requests the oldest, the others are counted."""
    link = lab.link("ws", args=[ADMIN], profile="codex")
    operator = Operator.of(lab, link.sidespan)
    about = {"threadId": "T", "turnId": "u"}
    link.call({"id": 1, "method": "turn/start", "params": about}, {"id": 1, "result": {"turn": {"id": "u"}}})
    for message in ({"method": "item/started", "params": {**about, "item": {"id": "i", "type": "plan"}}},
                    {"id": 9, "method": "item/tool/requestUserInput", "params": {**about, "itemId": "i"}}):
        link.server.send(message)
        link.client.recv()
    names = ["app_server.turn", "plan", "approval userInput"]
    spans, omitted = open_now(operator, 3)
    assert [span["name"] for span in spans] == names and omitted == 0
    assert spans[1]["parentSpanId"] == spans[0]["spanId"]
    for number in range(250):
        link.client.send({"id": number, "method": "a"})
    for number in range(250):
        link.server.recv()
    spans, omitted = open_now(operator, 200)
    assert [span["name"] for span in spans] == names + ["app_server.request a"] * 197 and omitted == 53
    told = operator.metrics()
    assert told["sidespan_open", 'type="turn"'] == 1 and told["sidespan_open", 'type="request"'] == 250
    assert told["sidespan_open", 'type="hook"'] == 0
    oldest = [told["sidespan_open_oldest_age_seconds", f'type="{name}"'] for name in ("turn", "approval", "request")]
    assert sorted(oldest, reverse=True) == oldest and oldest[2] > 0


def traces(operator, count, target="/traces"):
    """The spans of each trace by its id, once there are so many spans."""
    told = until(lambda: (told := operator.get(target).json()) and
                 sum(len(trace["spans"]) for trace in told["traces"]) == count and told, f"{count} spans")
    for trace in told["traces"]:
        assert {span["traceId"] for span in trace["spans"]} == {trace["traceId"]}
    return {trace["traceId"]: trace["spans"] for trace in told["traces"]}, told["seq"]


@pytest.fixture(name="link")
def make_link(lab):
    return lab.link("ws", args=[ADMIN], profile="codex", collector=lab.collector())


def call(link, number, method="a", fails=False, **more):
    result = {"error": {"code": -1, "message": EVIL}} if fails else {"result": {}}
    link.call({"id": number, "method": method, "params": {"threadId": "T"}, **more}, {"id": number, **result})


def test_ended_spans_are_those_that_are_sent(link):
    """Byte for byte what the collector gets, by trace; the one that ended last is the last."""
    operator = Operator.of(link.lab, link.sidespan)
    assert traces(operator, 0) == ({}, 0)
    first = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    call(link, 1, EVIL, trace=first)
    call(link, 2, "b", fails=True)
    call(link, 3, "c", trace=first)
    found, seq = traces(operator, 3)
    assert seq == 3 and [len(spans) for spans in found.values()] == [1, 2]
    assert [span["name"].split(" ", 1)[1] for spans in found.values() for span in spans] == ["b", EVIL, "c"]
    sent = {span.span_id: span.raw for span in link.collector.wait_spans(3)}
    assert {span["spanId"]: span for spans in found.values() for span in spans} == sent
    later, _ = traces(operator, 1, "/traces?since=2")
    assert [spans[0]["name"] for spans in later.values()] == ["app_server.request c"]
    for wrong in ("?since=3x", "?since=", "?since=99999999999999999999", "?sinc=2", "?"):
        traces(operator, 3, "/traces" + wrong)


@pytest.mark.parametrize("args", [["--exporter=none"], ["--exporter=console"], ["--otlp-protocol=http/protobuf"]])
def test_ended_spans_wherever_they_go(lab, args):
    """The same as for a collector of JSON, of requests and of turns."""
    def talk(*args, collector=None):
        link = lab.link("ws", args=[ADMIN, *args], profile="codex", collector=collector)
        operator = Operator.of(lab, link.sidespan)
        call(link, 1, "initialize", params={"clientInfo": {"name": EVIL}})
        link.call({"id": 2, "method": "turn/start", "params": {"threadId": "T"}}, {"id": 2, "result": {"turn": {"id": "u"}}})
        link.server.send({"method": "turn/completed", "params": {"threadId": "T", "turn": {"id": "u", "status": "failed"}}})
        link.client.recv()
        found, _ = traces(operator, 4)
        return link, [(span["name"], span["kind"], span.get("status"), attributes(span))
                      for spans in found.values() for span in spans]

    link, found = talk(*args, collector=lab.collector())
    assert found == talk(collector=lab.collector())[1]
    assert found[0][3]["app_server.client_name"] == EVIL and found[-1][2] == {"code": 2}
    if args == ["--exporter=none"]:
        link.sidespan.wait_line("spans at admin.listen alone")
        link.finish()
        link.sidespan.wait_line("spans: created=0$")
        assert link.collector.spans == []


@pytest.mark.parametrize("args", [["--admin-traces-bytes=0"], ["--sampler=always_off"], ["--exporter=none", "--admin-traces-bytes=0"]])
def test_nothing_is_kept(lab, args):
    link = lab.link("ws", args=[ADMIN, *args], collector=lab.collector())
    operator = Operator.of(lab, link.sidespan)
    call(link, 1)
    assert traces(operator, 0) == ({}, 0)
    if "--exporter=none" in args:
        link.sidespan.wait_line(r"no spans \(exporter none\)")


def test_errors_and_slow_ones_are_kept_for_longer(lab):
    """In so many bytes, whatever comes."""
    link = lab.link("ws", args=[ADMIN, "--admin-traces-bytes=64KiB", "--admin-keep-slower-than=150ms"], profile="generic")
    operator = Operator.of(lab, link.sidespan)
    call(link, 1, "fails", fails=True)
    call(link, 2, "is quick")
    link.client.send({"id": 3, "method": "is slow"})
    link.server.recv()
    until(lambda: operator.metrics()["sidespan_open_oldest_age_seconds", 'type="request"'] > 0.16, "it takes long")
    link.server.send({"id": 3, "result": {}})
    link.client.recv()
    for number in range(4, 404):
        call(link, number, f"m{number}")
    asked = operator.get("/traces")
    names = [span["name"] for trace in asked.json()["traces"] for span in trace["spans"]]
    assert names[:2] == ["fails", "is slow"] and names[-1] == "m403" and "is quick" not in names
    assert names[2:] == [f"m{number}" for number in range(404 - len(names) + 2, 404)] and 20 < len(names) < 100
    assert len(asked.body) < 64 * 1024
    assert operator.metrics()["sidespan_spans_forgotten_total", None] == 403 - len(names)


def test_a_hundred_thousand_requests(lab):
    """Neither the page nor we grow."""
    backend = lab.keep(Tool("backend", "--framing", "lines"))
    sidespan = lab.sidespan(ADMIN, "--listen=tcp://127.0.0.1:0", f"--upstream=tcp://127.0.0.1:{backend.port}",
                            "--admin-traces-bytes=1MiB", "--exporter=none", "--profile=generic")
    operator = Operator.of(lab, sidespan)

    def load(count):
        command = [BIN / "load", "--lines", sidespan.url().rsplit(":", 1)[1], "--count", str(count),
                   "--outstanding", "64", "--timeout", "60"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        asked = operator.get("/traces")
        assert asked.json()["seq"] >= count
        return int(sidespan.status("VmRSS")), len(asked.body)

    before, size = load(5000)
    after, again = load(100000)
    assert after < before + 16384 and 0.4 * 1024 * 1024 < size <= 1024 * 1024 and again <= 1024 * 1024


class Tool:
    """A program of the benchmark that listens on a free port."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen([BIN / name, *arguments], stderr=subprocess.PIPE, text=True)
        self.port = self.process.stderr.readline().strip().rsplit(":", 1)[1]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def test_numbers_at_a_glance(lab):
    collector = lab.collector()
    link = lab.link("ws", args=[ADMIN, "--service-name=a\"b", "--admin-jaeger-url=http://localhost:16686"],
                    profile="codex", collector=collector)
    operator = Operator.of(lab, link.sidespan)
    for number in range(3):
        call(link, number, EVIL, fails=number == 2)
    call(link, 3, "z")
    link.client.send({"id": 4, "method": "waits"})
    link.server.recv()
    about = {"threadId": "T", "turnId": "u"}
    usage = {"inputTokens": 100, "outputTokens": 20}
    for message in ({"method": "turn/started", "params": {"threadId": "T", "turn": {"id": "u"}}},
                    {"method": "thread/tokenUsage/updated", "params": {**about, "tokenUsage": {"total": usage, "last": usage}}}):
        link.server.send(message)
        link.client.recv()
    collector.wait_spans(5)
    told = until(lambda: (told := operator.get("/stats").json())["exporter"]["pending"] == 0 and told, "all sent")
    assert {**told, "methods": 0, "timeUnixNano": 0, "uptimeSeconds": 0} == {
        "timeUnixNano": 0, "uptimeSeconds": 0, "version": "0.1.0", "server": 'a"b', "methods": 0,
        "jaegerUrl": "http://localhost:16686", "slowSeconds": 1, "sessions": 1, "inFlight": 1,
        "tokens": [{"model": "_OTHER", "kind": "input", "tokens": 100}, {"model": "_OTHER", "kind": "output", "tokens": 20}],
        "exporter": {"created": 5, "sent": 5, "rejected": 0, "dropped": 0, "spooled": 0, "pending": 0, "state": "ok"}}
    assert [(row["method"], row["count"], row["errors"]) for row in told["methods"]] == [(EVIL, 3, 1), ("z", 1, 0)]
    for row in told["methods"]:
        assert 0 < row["p50"] <= row["p95"] <= row["p99"] <= 10


@pytest.mark.parametrize("args, state", [
    (["--exporter=none"], "none"), (["--exporter=console"], "console"), (["--disabled"], "none"),
    (["--exporter=otlp", "--otlp-endpoint=http://127.0.0.1:9", "--batch-delay=10ms"], "away")])
def test_how_the_exporter_does(lab, args, state):
    link = lab.link("ws", args=[ADMIN, *args])
    operator = Operator.of(lab, link.sidespan)
    call(link, 1)
    until(lambda: operator.get("/stats").json()["exporter"]["state"] == state, state)
    ready = operator.get("/readyz")
    assert ready.status == 200 and ready.json()["exporter"]["state"] == state
    assert operator.get("/stats").json()["jaegerUrl"] is None


class Listener:
    """Who listens at /live."""

    def __init__(self, operator, more=""):
        self.stream = operator.connect()
        self.stream.write(f"GET /live HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
        self.head = read_head(self.stream)

    def event(self):
        lines = self.stream.read_until(b"\n\n").decode().split("\n")[:-2]
        if lines == [":"]:
            return self.event()
        fields = dict(line.split(": ", 1) for line in lines)
        return fields["event"], json.loads(fields["data"]), fields.get("id")

    def hear(self, event, holds=lambda told: True):
        """The next one of that name for which that holds."""
        while True:
            name, told, number = self.event()
            if name == event and holds(told):
                return told, number


def test_what_happens_is_told(lab, link):
    operator = Operator.of(lab, link.sidespan)
    call(link, 1, "before")
    traces(operator, 1)
    listener = Listener(operator)
    assert listener.head.status == 200 and listener.head.get("Content-Type") == "text/event-stream"
    assert listener.head.get("Content-Length") is None and listener.head.get("Cache-Control") == "no-store"
    (first, told, _), (second, numbers, _) = listener.event(), listener.event()
    assert (first, second) == ("open", "stats") and told["spans"] == []
    assert numbers["methods"][0]["method"] == "before"
    link.client.send({"id": 2, "method": EVIL})
    link.server.recv()
    told, _ = listener.hear("open", lambda told: len(told["spans"]) == 1)
    assert told["spans"][0]["name"] == "app_server.request " + EVIL
    link.server.send({"id": 2, "result": {}})
    assert listener.hear("open")[0]["spans"] == []
    told, number = listener.hear("spans")
    assert [span["name"] for span in told["spans"]] == ["app_server.request " + EVIL] and told["omitted"] == 0
    assert number == "2"
    again = Listener(operator, "Last-Event-ID: 0\r\n")
    told, number = again.hear("spans")
    assert [span["name"] for span in told["spans"]] == ["app_server.request before", "app_server.request " + EVIL]
    assert number == "2"


def test_half_of_the_connections_may_listen(lab):
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9", "--admin-connections-max=4")
    listeners = [Listener(operator) for _ in range(2)]
    assert [listener.head.status for listener in listeners] == [200, 200]
    assert operator.get("/live").status == 503
    listeners[0].stream.close()
    until(lambda: Listener(operator).head.status == 200, "a place")
    assert operator.get("/live", method="HEAD").status == 200


def test_who_does_not_read_is_dropped(lab):
    """And nobody else notices."""
    path = lab.path("admin.sock")
    link = lab.link("ws", args=[f"--admin-listen=unix://{path}", "--admin-live-bytes-max=1KiB", "--span-attributes=a=" + "x" * 2000])
    operator = Operator.of(lab, link.sidespan)
    deaf, reader = Listener(operator), Listener(operator)
    number = 0

    def dropped():
        nonlocal number
        for _ in range(150):
            number += 1
            call(link, number)
        reader.hear("spans")
        return operator.metrics()["sidespan_admin_dropped_total", None] == 1

    until(dropped, "one is dropped")
    call(link, 0)
    reader.hear("spans")
    assert deaf.stream.read_all().startswith(b"event: open\n")
    assert operator.get("/healthz").status == 200
