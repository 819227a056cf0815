"""SIGHUP: the settings are read again, and are in force for all, or for connections to come."""

import json
import os
import signal
import threading
import time

import pytest

from lib.lab import address_of
from lib.operator import ADMIN, Operator
from lib.peer import read_body, read_head
from lib.process import is_sanitized
from lib.stream import connect

OK = r"settings (\d+) are in force: (.*)"


class Reloading:
    """A listener with a file of settings, a collector and a client."""

    def __init__(self, lab, settings=None, listen="unix", args=(), **options):
        self.lab = lab
        self.file = lab.write("settings.json", "{}")
        self.write(settings or {})
        self.link = lab.link(listen, args=[f"--config={self.file}", ADMIN, *args], profile="generic", **options)
        self.sidespan = self.link.sidespan
        self.operator = Operator.of(lab, self.sidespan)
        self.count = 0

    def write(self, settings):
        with open(self.file + ".new", "w") as file:
            file.write(settings if isinstance(settings, str) else json.dumps(settings))
        os.rename(self.file + ".new", self.file)

    def reload(self, settings=None, said=OK):
        if settings is not None:
            self.write(settings)
        self.count += 1
        self.sidespan.signal(signal.SIGHUP)
        return self.sidespan.wait_line(said, count=self.count if said == OK else 1)

    def call(self, method, client=None, server=None):
        return self.link.call({"id": 1, "method": method, "params": {}}, {"id": 1, "result": {}}, client, server)


def test_for_all_at_once(lab):
    r = Reloading(lab, {"log.level": "info"}, collector=lab.collector())
    told = r.reload({"log.level": "debug", "idle.timeout": "1h", "connections.max": 7})
    assert told[1] == "2" and told[2] == "other connections.max, idle.timeout, log.level"
    now = r.operator.get("/config").json()
    assert now["generation"] == "2"
    assert (now["log.level"], now["idle.timeout"], now["connections.max"]) == ("debug", "1h", "7")
    assert r.reload()[2] == "nothing is other"
    assert r.reload({"log.format": "json"}, r'"settings 4 are in force: other ')
    assert json.loads(r.sidespan.lines[-1])["level"] == "info"


def test_new_connections_are_recorded_by_the_new_settings(lab):
    """And those that are there by theirs, also what is put into their messages."""
    collector = lab.collector()
    r = Reloading(lab, {"span.name": "old {method}", "propagation.inject": "/trace"}, collector=collector)
    r.call("one")
    told = r.reload({"span.name": "new {method}", "propagation.inject": "/params/_meta/*"})
    assert told[2] == ("other span.name, propagation.inject, to record connections to come by")
    client, server = r.link.open()
    assert b"\"trace\"" in r.call("two")
    received = r.call("three", client, server)
    received = json.loads(received)
    assert "trace" not in received and "traceparent" in received["params"]["_meta"]
    assert {collector.span(m).name for m in ("one", "two", "three")} == {"old one", "old two", "new three"}
    assert r.link.finish() == 0
    count = r.sidespan.accounting("traffic")
    assert count["connections"] == 2 and count["reloads"] == 1 and count["reloads_failed"] == 0


def test_what_goes_on_by_all_settings_is_one(lab):
    """The oldest first, whoever records it; the youngest has no place."""
    r = Reloading(lab)

    def ask(client, server, count, method):
        for number in range(count):
            client.send({"id": f"{method}{number}", "method": method})
        for _ in range(count):
            server.recv()

    ask(r.link.client, r.link.server, 1, "one")
    r.reload({"span.name": "new {method}"})
    ask(*r.link.open(), 1, "two")
    ask(r.link.client, r.link.server, 200, "three")
    told = r.operator.get("/open").json()
    assert [span["name"] for span in told["spans"]] == ["one", "new two"] + ["three"] * 198
    assert told["omitted"] == 2
    assert r.operator.metrics()["sidespan_open", 'type="request"'] == 202


def test_sampling_and_profile_for_new_connections(lab):
    profile = lab.write("mine.json", json.dumps({"name": "mine", "constants": {"a": "one"}}))
    collector = lab.collector()
    r = Reloading(lab, {}, collector=collector, args=[f"--profile={profile}"])
    r.call("one")
    lab.write("mine.json", json.dumps({"name": "mine", "constants": {"a": "two"}}))
    assert r.reload()[2] == "other the profile, to record connections to come by"
    client, server = r.link.open()
    r.call("two", client, server)
    r.call("three")
    assert [collector.span(m).attributes["a"] for m in ("one", "two", "three")] == ["one", "two", "one"]
    assert r.reload({"sampling.methods": {"t*": 0}})[2] == "other sampling.methods, to record connections to come by"
    assert r.operator.get("/config").json()["sampling.methods"] == "t*=0"
    client, server = r.link.open()
    r.call("two out", client, server)
    assert r.operator.metrics()["sidespan_requests_sampled_out_total", None] == 1
    r.reload({"sampler": "always_off"})
    client, server = r.link.open()
    r.call("four", client, server)
    r.call("five")
    collector.span("five")
    assert not [span for span in collector.spans if span.method in ("two out", "four")]


def test_what_is_measured_stays_and_is_said(lab):
    """Of a profile with other metrics, or another name; and not of one whose metrics are the same."""
    metrics = [{"name": "echo.duration", "span": "request", "labels": ["rpc.method"]}]
    profile = {"name": "mine", "metrics": metrics}
    file = lab.write("mine.json", json.dumps(profile))
    r = Reloading(lab, {}, args=[f"--profile={file}"])
    stays = "warn: restart to measure by this profile: metrics and sidespan_profile stay as at the start$"
    lab.write("mine.json", json.dumps({**profile, "constants": {"a": "b"}}))
    assert r.reload()[2].startswith("other the profile")
    for count, other in enumerate(({"name": "yours"}, {"metrics": [{**metrics[0], "bounds": [1]}]}, {"metrics": 2 * metrics}), 1):
        lab.write("mine.json", json.dumps({**profile, **other}))
        assert r.reload()[2].startswith("other the profile")
        r.sidespan.wait_line(stays, count=count)
    assert len([line for line in r.sidespan.lines if "restart to measure" in line]) == 3
    r.call("one", *r.link.open())
    told = r.operator.metrics()
    assert [value for (name, _), value in told.items() if name == "echo_duration_seconds_count"] == [1]
    assert {labels.split("sidespan_profile=")[1] for name, labels in told
            if name == "rpc_server_call_duration_seconds_count"} == {'"mine"'}


def test_another_collector(lab):
    """What the one did not take the other gets; each span comes once."""
    away, there = lab.collector(start=False), lab.collector()
    r = Reloading(lab, {"otlp": {"endpoint": away.url, "headers": {"x-key": "one"}}},
                  env={"OTEL_TRACES_EXPORTER": None}, args=["--batch-delay=10ms", "--retry-initial=1h", "--retry-max=1h",
                                                            "--otlp-timeout=0"])
    r.call("one")
    r.sidespan.wait_line("takes no spans, they wait")
    told = r.reload({"otlp": {"endpoint": there.url, "headers": {"x-key": "two"}}})
    assert told[2] == "other otlp.endpoint, otlp.headers"
    there.wait_spans(1)
    r.call("two")
    there.wait_spans(2)
    assert {request.headers["x-key"] for request in there.requests} == {"two"}
    r.sidespan.wait_line(f"collector {there.url}/v1/traces takes spans$")
    assert r.link.finish() == 0
    assert r.sidespan.accounting()["sent"] == 2


@pytest.mark.parametrize("bad, why", [
    ("{", r"settings.json:1: "),
    ('{\n"log.level": "loud"}', r'settings.json:2: log.level: "loud": must be one of error, warn, info, debug'),
    ('{"log.levle": "info"}', r"settings.json:1: .*log.levle.*log.level"),
    ('{"sampler.arg": 2}', r'settings.json:1: sampler.arg: "2": must be '),
    (None, r"settings.json: .*No such file"),
])
def test_a_bad_file_changes_nothing(lab, bad, why):
    collector = lab.collector()
    r = Reloading(lab, {"span.name": "old {method}"}, collector=collector)
    before = r.operator.get("/config").json()
    if bad is None:
        os.unlink(r.file)
    else:
        r.write(bad)
    r.sidespan.signal(signal.SIGHUP)
    r.sidespan.wait_line(r"error: the settings stay as they are: .*" + why)
    assert r.operator.get("/config").json() == before
    metrics = r.operator.metrics()
    assert metrics["sidespan_reloads_failed_total", None] == 1
    assert metrics["sidespan_config_last_reload_successful", None] == 0
    client, server = r.link.open()
    r.call("one", client, server)
    assert collector.span("one").name == "old one"
    r.reload({"span.name": "new {method}"})
    metrics = r.operator.metrics()
    assert metrics["sidespan_reloads_total", None] == 1
    assert metrics["sidespan_config_last_reload_successful", None] == 1
    assert metrics["sidespan_config_generation", None] == 2
    assert abs(metrics["sidespan_config_last_reload_success_timestamp_seconds", None] - time.time()) < 60
    assert r.sidespan.running()


def test_what_cannot_change_is_named(lab):
    r = Reloading(lab, {"batch.delay": "1s", "log.level": "info"}, collector=lab.collector(),
                  env={"OTEL_BSP_SCHEDULE_DELAY": None})
    r.reload({"batch.delay": "2s", "service.name": "other", "sandbox": False, "log.level": "info"})
    r.sidespan.wait_line("warn: restart to apply what cannot change while we run: service.name, batch.delay, sandbox$")
    now = r.operator.get("/config").json()
    assert now["batch.delay"] == "1s" and now["service.name"] == "sidespan" and now["sandbox"] == "true"


def test_flags_and_variables_stay_stronger(lab):
    r = Reloading(lab, {}, args=["--idle-timeout=2h"], env={"SIDESPAN_FIRST_BYTE_TIMEOUT": "3h"})
    r.reload({"idle.timeout": "1s", "first_byte.timeout": "1s", "connect.timeout": "1s"})
    now = r.operator.get("/config").json()
    assert (now["idle.timeout"], now["first_byte.timeout"], now["connect.timeout"]) == ("2h", "3h", "1s")


def test_another_token(lab):
    token = lab.write("token", "first-token")
    backend = lab.backend("ws")
    file = lab.write("settings.json", json.dumps({"listen.token_file": token}))
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", f"--upstream={backend.url}", f"--config={file}")

    def status(word):
        return operator.get("/config", more=f"Authorization: Bearer {word}\r\n").status

    assert (status("first-token"), status("second-token")) == (200, 401)
    lab.write("token", "second-token")
    operator.sidespan.signal(signal.SIGHUP)
    assert operator.sidespan.wait_line(OK)[2] == "other the token"
    assert (status("first-token"), status("second-token")) == (401, 200)
    assert not [line for line in operator.sidespan.lines if "second-token" in line]


def test_a_conversation_over_http_keeps_its_settings(lab):
    """Whatever connection it comes over; a connection that is kept open keeps its own, too."""
    collector = lab.collector()
    r = Reloading(lab, {"span.name": "old {method}"}, listen="http", collector=collector, dial=False)
    name, servers = "Mcp-Session-Id: abc\r\n", {}

    def ask(method, client=None, more=""):
        client = client or lab.keep(connect(address_of(r.link.url)))
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method})
        client.write(f"POST / HTTP/1.1\r\nHost: localhost\r\n{more}Content-Type: application/json\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        if client not in servers:
            servers[client] = r.link.backend.accept()
        server = servers[client]
        read_message(server)
        reply = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}})
        server.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(reply)}\r\n\r\n"
                     f"{reply}".encode())
        read_message(client)
        return client

    old = ask("one", more=name)
    r.reload({"span.name": "new {method}"})
    new = ask("two", more=name)
    ask("three", new)
    ask("four", old)
    ask("five", old, name)
    ask("six", new, name)
    names = [collector.span(m).name for m in ("one", "two", "three", "four", "five", "six")]
    assert names == ["old one", "old two", "new three", "old four", "old five", "old six"]


def read_message(stream):
    return read_body(stream, read_head(stream))


def test_hundred_reloads_under_load(lab):
    """Nothing is lost, nothing is sent twice, nothing grows, and what nobody holds any more goes."""
    collectors = [lab.collector(), lab.collector()]
    sizes = []
    r = Reloading(lab, {"otlp.endpoint": collectors[0].url}, env={"OTEL_TRACES_EXPORTER": None},
                  args=["--batch-delay=10ms", "--log-lines-max=0"])
    stop, calls = threading.Event(), [0, 0]

    def talk(index):
        client, server = (r.link.client, r.link.server) if index == 0 else (None, None)
        while not stop.is_set():
            if index == 1:
                client, server = r.link.open()
            r.link.call({"id": 1, "method": f"m{index}", "params": {}}, {"id": 1, "result": {}}, client, server)
            calls[index] += 1
            if index == 1:
                client.close()
                server.close()

    threads = [threading.Thread(target=talk, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, 101):
            r.reload({"otlp.endpoint": collectors[number % 2].url, "span.name": f"s{number}",
                      "log.level": "info" if number % 3 else "debug"})
            if number in (20, 100):
                sizes.append(r.operator.metrics()["process_resident_memory_bytes", None])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert r.link.finish() == 0
    count = r.sidespan.accounting()
    assert count["created"] == count["sent"] == sum(calls)
    ids = [span.span_id for collector in collectors for span in collector.spans]
    assert len(ids) == len(set(ids)) == sum(calls)
    assert r.sidespan.accounting("traffic")["reloads"] == 100
    assert is_sanitized() or sizes[1] < sizes[0] + 8e6  # settings alone would be more than that
