"""Delivery: every mood of a collector, the conversation undisturbed, every span accounted for."""

import email.utils
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import ssl
import struct
import subprocess
import termios
import threading
import time

import pytest

from lib import collector as answers
from lib.process import BINARY, is_sanitized
from lib.stream import Stream
from lib.wait import Background, until

FAST = ["--retry-initial=10ms", "--retry-max=50ms"]


def talk(link, count, first=1):
    """So many round trips; they must not notice the collector."""
    for number in range(first, first + count):
        link.call({"id": number, "method": f"m{number}"}, {"id": number, "result": {}})


def start(lab, collector, *args, **options):
    return lab.link("unix", collector=collector, args=[*FAST, *args], **options)


def finish(link):
    """Ends the program; its accounting must agree with the collector."""
    assert link.finish() == 0
    count = link.sidespan.accounting()
    assert count["sent"] + count.get("rejected", 0) == len(link.collector.spans)
    return count


# a collector as it should be

def test_request_line_and_headers(lab):
    link = start(lab, lab.collector())
    talk(link, 3)
    link.collector.wait_spans(3)
    for request in link.collector.requests:
        assert request.path == "/v1/traces"
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["User-Agent"].lower().startswith("sidespan/")
        assert request.headers["Content-Encoding"] is None
        assert request.headers["Host"] == link.collector.url.split("//")[1]
    count = finish(link)
    assert count["created"] == count["sent"] == 3


def test_connection_is_kept(lab):
    link = start(lab, lab.collector(), "--batch-spans-max=1")
    for number in range(20):
        talk(link, 1, number)
        link.collector.wait_spans(number + 1)
    assert len({request.connection for request in link.collector.requests}) == 1


def test_nothing_is_sent_when_nothing_happened(lab):
    link = start(lab, lab.collector())
    finish(link)
    assert link.collector.requests == []


def test_batches_by_count(lab):
    link = start(lab, lab.collector(), "--batch-spans-max=4", "--batch-delay=1h")
    talk(link, 12)
    assert len(link.collector.wait_spans(12)) == 12
    assert [len(request.spans) for request in link.collector.requests] == [4, 4, 4]


def test_batches_by_bytes(lab):
    link = start(lab, lab.collector(), "--batch-bytes-max=4096", "--batch-delay=1h",
                 "--batch-spans-max=2000")
    talk(link, 40)
    link.collector.wait(lambda: len(link.collector.requests) >= 3, "a few batches")
    finish(link)
    assert len(link.collector.spans) == 40
    assert max(request.size for request in link.collector.requests) < 6000


def test_batches_by_time(lab):
    link = start(lab, lab.collector(), env={"OTEL_BSP_SCHEDULE_DELAY": "300"})
    started = time.monotonic()
    talk(link, 5)
    link.collector.wait_spans(5)
    assert link.collector.requests[0].time - started > 0.2
    assert len(link.collector.requests) <= 2


def test_last_spans_are_flushed_at_exit(lab):
    link = start(lab, lab.collector(), "--batch-delay=1h")
    talk(link, 7)
    assert finish(link)["sent"] == 7


def test_last_spans_of_a_wrapped_command_are_flushed(lab):
    collector = lab.collector()
    link = lab.link("stdio", collector=collector, args=["--batch-delay=1h"])
    talk(link, 7)
    link.call({"id": "open", "method": "never answered"})
    assert finish(link)["sent"] == 8


@pytest.mark.parametrize("setting", ["gzip", "GZIP", "none", ""])
def test_compression(lab, setting):
    link = start(lab, lab.collector(), env={"OTEL_EXPORTER_OTLP_COMPRESSION": setting})
    talk(link, 2)
    link.collector.wait_spans(2)
    expected = "gzip" if setting.lower() == "gzip" else None
    assert link.collector.requests[0].headers["Content-Encoding"] == expected


def test_headers_come_from_the_environment_and_stay_secret(lab):
    env = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=se%20cret%2Cpart, x-team = blue "}
    link = start(lab, lab.collector(answers.status(503), answers.status(401)), "--log-level=debug",
                 env=env)
    talk(link, 1)
    link.collector.wait_requests(2)
    for request in link.collector.requests:
        assert request.headers["api-key"] == "se cret,part" and request.headers["x-team"] == "blue"
    finish(link)
    assert b"cret" not in link.sidespan.stderr


def test_headers_for_traces_win(lab):
    env = {"OTEL_EXPORTER_OTLP_HEADERS": "a=general", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=own"}
    link = start(lab, lab.collector(), env=env)
    talk(link, 1)
    assert link.collector.wait_requests(1)[0].headers["a"] == "own"


@pytest.mark.parametrize("general,traces,path", [
    ("", None, "/v1/traces"), ("/", None, "/v1/traces"), ("/base", None, "/base/v1/traces"),
    ("/base/", None, "/base/v1/traces"), ("/wrong", "/own/path", "/own/path"),
    ("/wrong", "", "/"), ("/wrong", "/", "/"), (None, "/v1/traces", "/v1/traces"),
])
def test_endpoint_rules(lab, general, traces, path):
    collector = lab.collector()
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": None if general is None else collector.url + general,
           "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": None if traces is None else collector.url + traces}
    link = start(lab, collector, env=env)
    talk(link, 1)
    assert collector.wait_requests(1)[0].path == path


def test_bad_text_does_not_spoil_a_batch(lab):
    link = start(lab, lab.collector())
    for number, method in enumerate([b"\xff\xfe", b"\\ud800", b"\\u0000", b"\\u0007\\u2028"]):
        link.call(b'{"id":%d,"method":"%s"}' % (number, method), {"id": number, "result": 1})
    link.call({"id": 9, "method": "ok"}, b'{"id":9,"error":{"code":1,"message":"\xc3("}}')
    link.collector.wait_spans(5)
    finish(link)
    assert [(span.method, span.message) for span in link.collector.spans] == [
        ("\ufffd\ufffd", None), ("\ufffd", None), ("\0", None), ("\7\u2028", None),
        ("ok", "\ufffd(")]


# a collector that is away, slow, or hangs

def test_slow_collector_delays_nothing(lab):
    """All round trips are over while the first batch still waits for its answer."""
    release = threading.Event()
    link = start(lab, lab.collector(answers.held(release), answers.ok()), "--batch-spans-max=1")
    talk(link, 200)
    assert not release.is_set() and len(link.collector.requests) <= 1
    release.set()
    link.collector.wait_spans(200)
    assert finish(link)["sent"] == 200


def test_collector_that_is_not_there(lab):
    link = start(lab, lab.collector(start=False), "--shutdown-timeout=100ms")
    talk(link, 50)
    count = finish(link)
    assert count["created"] == 50 and count["sent"] == 0
    assert len(link.sidespan.log("warn")) + len(link.sidespan.log("error")) <= 5


def test_collector_that_comes_later(lab):
    link = start(lab, lab.collector(start=False))
    talk(link, 10)
    link.sidespan.wait_line("sidespan: (warn|error): .*(collector|export|otlp|span)")
    link.collector.start()
    link.collector.wait_spans(10)
    assert finish(link)["sent"] == 10
    traffic = link.sidespan.accounting("traffic")
    assert traffic["retries"] >= 1
    assert traffic["posts"] - traffic["retries"] == len(link.collector.requests)


def test_hanging_collector_does_not_hold_the_exit(lab):
    link = start(lab, lab.collector(answers.hang()), "--shutdown-timeout=200ms")
    talk(link, 5)
    link.collector.wait_requests(1)
    talk(link, 5, 6)
    started = time.monotonic()
    count = finish(link)
    assert time.monotonic() - started < 2
    assert count["created"] == 10 and count["sent"] == 0


def test_hanging_collector_and_a_wrapped_command(lab):
    collector = lab.collector(answers.hang())
    link = lab.link("stdio", collector=collector, args=["--shutdown-timeout=200ms"])
    talk(link, 5)
    collector.wait_requests(1)
    link.client.close()
    started = time.monotonic()
    link.puppet.exit(42)
    assert link.sidespan.wait() == 42
    assert time.monotonic() - started < 2


def test_signal_while_the_last_spans_are_delivered(lab):
    """The command's exit status is ours even so."""
    collector = lab.collector(answers.hang())
    link = lab.link("stdio", collector=collector, args=["--shutdown-timeout=1s"])
    talk(link, 1)
    collector.wait_requests(1)
    link.client.close()
    link.puppet.exit(42)
    until(lambda: not os.path.exists(f"/proc/{link.puppet.pid}"), "the command to be reaped")
    link.sidespan.signal(signal.SIGTERM)
    assert link.sidespan.wait() == 42


def test_hanging_collector_is_given_up_after_the_timeout(lab):
    link = start(lab, lab.collector(answers.hang(), answers.ok()), "--otlp-timeout=1s",
                 "--batch-spans-max=5", "--batch-delay=1h")
    talk(link, 5)
    link.collector.wait_requests(1)
    talk(link, 5, 6)
    link.collector.wait_spans(5)
    count = finish(link)
    assert count["sent"] == 5 and count["created"] == 10


def test_exit_while_a_retry_is_waiting(lab):
    link = lab.link("unix", collector=lab.collector(answers.status(503)),
                    args=["--retry-initial=1h", "--retry-max=1h", "--shutdown-timeout=200ms"])
    talk(link, 3)
    link.collector.wait_requests(1)
    started = time.monotonic()
    count = finish(link)
    assert time.monotonic() - started < 2 and count["sent"] == 0 and count["created"] == 3


def test_collector_that_is_back_before_the_exit_is_over(lab):
    """The last spans are tried again for shutdown.timeout, whatever the pauses were before."""
    troubles = [answers.status(503), answers.status(503, Retry_After="3600"),
                answers.status(429, Retry_After="0"), answers.ok()]
    collector = lab.collector(*troubles)
    link = lab.link("stdio", collector=collector, args=[
        "--batch-delay=1h", "--retry-initial=1h", "--retry-max=1h", "--shutdown-timeout=60s"])
    talk(link, 3)
    count = finish(link)
    assert count["sent"] == 3 and link.sidespan.accounting("traffic")["retries"] == 3


# trouble that passes

@pytest.mark.parametrize("trouble", [
    answers.reset(), answers.close(), answers.status(503), answers.status(502),
    answers.status(504), answers.status(429), answers.raw(b"HTTP/1.1 503 \r\n\r\n"),
    answers.raw(b""), answers.status(503, Retry_After="0"), answers.status(503, Retry_After="junk"),
], ids=lambda trouble: None)
def test_what_is_retried(lab, trouble):
    link = start(lab, lab.collector(trouble, trouble, trouble, answers.ok()))
    talk(link, 5)
    link.collector.wait_spans(5)
    count = finish(link)
    assert count["sent"] == count["created"] == 5
    first, *_, last = [sorted(span.span_id for span in request.spans)
                       for request in link.collector.requests[:4]]
    assert set(first) <= set(last)


def test_retry_after_is_obeyed(lab):
    """Both forms at once, so that the test waits once."""
    def in_two_seconds():
        return email.utils.formatdate(time.time() + 2, usegmt=True)

    def by_date(collector, handler, request):
        answers.status(429, Retry_After=in_two_seconds())(collector, handler, request)

    links = [start(lab, lab.collector(answers.status(429, Retry_After="1"), answers.ok())),
             start(lab, lab.collector(by_date, answers.ok()))]
    for link in links:
        talk(link, 1)
    for link in links:
        link.collector.wait_spans(1)
        first, second = link.collector.requests
        assert 0.95 <= second.time - first.time < 4
        assert finish(link)["sent"] == 1


def test_retries_back_off(lab):
    troubles = [answers.status(503)] * 6 + [answers.ok()]
    link = lab.link("unix", collector=lab.collector(*troubles),
                    args=["--retry-initial=20ms", "--retry-max=100ms"])
    talk(link, 1)
    link.collector.wait_spans(1)
    times = [request.time for request in link.collector.requests]
    pauses = [after - before for before, after in zip(times, times[1:])]
    assert len(pauses) == 6 and sum(pauses[3:]) > sum(pauses[:3])
    assert 0.05 < sum(pauses) < 2


def test_retries_end_with_the_timeout(lab):
    link = start(lab, lab.collector(answers.status(503)), "--otlp-timeout=150ms")
    talk(link, 3)
    link.sidespan.wait_line("sidespan: (warn|error):")
    until(lambda: len(link.collector.requests) >= 2, "retries")
    talk(link, 1, 4)
    count = finish(link)
    assert count["created"] == 4 and count["sent"] == 0


# trouble that does not pass

@pytest.mark.parametrize("code", [400, 401, 403, 404, 408, 415, 418, 500, 501, 505, 300, 304])
def test_what_is_not_retried(lab, code):
    link = start(lab, lab.collector(answers.status(code), answers.ok()), "--batch-spans-max=5",
                 "--batch-delay=1h")
    talk(link, 5)
    link.collector.wait_requests(1)
    talk(link, 5, 6)
    link.collector.wait_spans(5)
    count = finish(link)
    assert len(link.collector.requests) == 2
    assert count["sent"] == 5 and count["dropped_refused"] == 5
    assert any(str(code) in line for line in link.sidespan.log()), link.sidespan.lines


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_are_not_followed(lab, code):
    elsewhere = lab.collector()
    refusal = answers.status(code, Location=elsewhere.url + "/v1/traces")
    link = start(lab, lab.collector(refusal), env={"OTEL_EXPORTER_OTLP_HEADERS": "secret=1"})
    talk(link, 1)
    link.collector.wait_requests(1)
    assert finish(link)["dropped_refused"] == 1
    assert elsewhere.requests == []


@pytest.mark.parametrize("rejected,lost", [("2", 2), (2, 2), ("0", 0), (0, 0), (None, 0),
                                           ("5", 5), (99, 5), (-1, 0), ("junk", 0)])
def test_partial_success(lab, rejected, lost):
    success = {"partialSuccess": {"errorMessage": "some were odd", "rejectedSpans": rejected}}
    link = start(lab, lab.collector(answers.ok(json.dumps(success).encode())),
                 "--batch-spans-max=5", "--batch-delay=1h")
    talk(link, 5)
    link.collector.wait_requests(1)
    count = finish(link)
    assert (count["sent"], count["rejected"]) == (5 - lost, lost)
    assert len(link.collector.requests) == 1
    assert any("some were odd" in line for line in link.sidespan.log("warn"))


@pytest.mark.parametrize("body", [
    b"", b"{}", b'{"partialSuccess":{}}', b'{"partialSuccess":null}', b"garbage", b"<html>",
    b'{"partialSuccess":', b"[]", b"\xff\xfe\x00", b'{"unknown":[1,2]}', b"[" * 100000,
    b'{"partialSuccess":{"rejectedSpans":[]}}',
])
def test_success_with_any_body_is_success(lab, body):
    link = start(lab, lab.collector(answers.ok(body)))
    talk(link, 3)
    link.collector.wait_spans(3)
    count = finish(link)
    assert count["sent"] == 3 and count.get("rejected", 0) == 0


@pytest.mark.parametrize("data", [b"not HTTP at all\r\n\r\n", b"HTTP/9.9 ???\r\n\r\n",
                                  b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
                                  b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                                  b"Content-Length: 3\r\n\r\nxyz"])
def test_garbled_responses_do_no_harm(lab, data):
    link = start(lab, lab.collector(answers.raw(data), answers.ok()), "--shutdown-timeout=500ms")
    talk(link, 3)
    link.collector.wait_requests(1)
    talk(link, 3, 4)
    link.finish()
    assert link.sidespan.accounting()["created"] == 6


def test_endless_response(lab):
    link = start(lab, lab.collector(answers.endless(), answers.ok()),
                 "--otlp-response-bytes-max=100000", "--batch-spans-max=3", "--batch-delay=1h")
    talk(link, 3)
    link.collector.wait_requests(1)
    talk(link, 3, 4)
    link.collector.wait_spans(3)
    assert finish(link)["created"] == 6
    assert len(link.collector.requests) == 2


# bounds

def test_queue_is_bounded_and_drops_the_oldest(lab):
    release = threading.Event()
    link = start(lab, lab.collector(answers.held(release), answers.ok()),
                 "--batch-spans-max=1", "--batch-queue-max=10")
    talk(link, 1)
    link.collector.wait_requests(1)
    talk(link, 100, 2)
    release.set()
    link.collector.wait(lambda: "m101" in [span.method for span in link.collector.spans], "m101")
    count = finish(link)
    assert count["created"] == 101 and count["dropped_queue"] == 90
    assert [span.method for span in link.collector.spans] == [
        "m1", *[f"m{number}" for number in range(92, 102)]]


def test_burst_while_the_collector_is_slow(lab):
    """What the defaults have room for is not lost: 3,000 spans wait for one answer."""
    release = threading.Event()
    link = start(lab, lab.collector(answers.held(release), answers.ok()))
    talk(link, 1)
    link.collector.wait_requests(1)
    talk(link, 3000, 2)
    release.set()
    link.collector.wait_spans(3001)
    count = finish(link)
    assert count["sent"] == count["created"] == 3001


def test_queue_is_bounded_in_bytes(lab):
    link = start(lab, lab.collector(answers.hang()), "--shutdown-timeout=50ms",
                 "--batch-spans-max=10", "--batch-queue-bytes-max=65536")
    talk(link, 500)
    count = finish(link)
    assert count["created"] == 500 and count["dropped_queue"] > 200


def test_request_over_the_limit_is_not_sent(lab):
    link = start(lab, lab.collector(), "--otlp-request-bytes-max=1024", "--batch-delay=1h")
    talk(link, 1)
    link.call({"id": 2, "method": "x" * 1000}, {"id": 2, "result": 1})
    link.finish()
    count = link.sidespan.accounting()
    assert count["created"] == 2
    assert all(request.size <= 1024 for request in link.collector.requests)
    assert count["dropped_too_large"] >= 1


def test_bounded_memory_while_the_collector_hangs(lab):
    link = start(lab, lab.collector(answers.hang()), "--shutdown-timeout=50ms")
    talk(link, 100)
    before = link.sidespan.memory_peak()
    for burst in range(10):
        for number in range(1000):
            link.client.send('{"id":%d,"method":"%s"}' % (number, "m" * 150))
            if number % 100 == 99:
                for _ in range(100):
                    link.server.recv()
        answering = Background(lambda: [link.server.send('{"id":%d,"result":1}' % number)
                                        for number in range(1000)])
        for _ in range(1000):
            link.client.recv()
        answering.result()
    if not is_sanitized():
        assert link.sidespan.memory_peak() - before < 40 << 20
    assert finish(link)["created"] == 10100


@pytest.mark.skipif(is_sanitized(), reason="memory figures of a sanitizer build say nothing")
def test_memory_of_a_peak_is_given_back(lab):
    """Idle again, the program is as small as before, but for what the heap has in pieces."""
    release = threading.Event()
    collector = lab.collector(answers.ok(), answers.held(release), answers.ok())
    link = start(lab, collector, env={"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"})
    talk(link, 1)
    collector.wait_spans(1)

    def resident():
        return int(link.sidespan.status("VmRSS")) * 1024

    before = resident()
    failure = {"error": {"code": 1, "message": "x" * 1000}}
    for number in range(2, 5002):
        link.call({"id": number, "method": "m" * 200}, {"id": number, **failure})
    peak = resident()
    release.set()
    collector.wait_spans(5001)
    assert peak - before > 6 << 20
    until(lambda: resident() - before < 2 << 20, "the memory to be given back")
    assert finish(link)["sent"] == 5001


# what is said

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_log_of_a_run(lab):
    """What we are, that spans arrive, what became of them: one line each, with the time."""
    link = lab.traced("unix", env={"OTEL_SERVICE_NAME": "shop"})
    talk(link, 2)
    link.collector.wait_spans(2)
    talk(link, 1, first=3)
    link.collector.wait_spans(3)
    link.finish()
    lines = link.sidespan.stderr.decode().splitlines()
    assert all(re.match(STAMP + " sidespan: info: ", line) for line in lines)
    said = link.sidespan.log("info")
    assert re.fullmatch(r"version \S+, profile codex, service shop, spans to "
                        rf"{link.collector.url}/v1/traces, server {link.backend.url}, "
                        rf"listening on {link.url}", said[0])
    assert [line for line in said if "takes spans" in line] == [
        f"collector {link.collector.url}/v1/traces takes spans"]
    assert "spans: created=3 sent=3" in said


def test_log_at_a_terminal_has_no_time(lab):
    ours, theirs = pty.openpty()
    process = subprocess.run([BINARY, "--exporter=none", "--", "true"], stderr=theirs,
                             stdin=subprocess.DEVNULL, env=lab.environment(), check=True)
    os.close(theirs)
    text = lab.keep(Stream(ours, None)).read_all().decode()
    assert process.returncode == 0 and text.startswith("sidespan: info: version ")


def test_log_in_json(lab):
    link = lab.link("unix", args=["--log-format=json"], env={"OTEL_TRACES_EXPORTER": "none"},
                    upstream="tcp")
    link.client.send('{"id":1,"method":"\\"\\u0001ä","trace":{"traceparent":"no"}}')
    link.server.recv()
    link.finish()
    lines = [json.loads(line) for line in link.sidespan.stderr.decode().splitlines()]
    assert all(list(line) == ["time", "level", "logger", "message"] for line in lines)
    assert all(re.fullmatch(STAMP, line["time"]) and line["logger"] == "sidespan"
               for line in lines)
    assert lines[0]["message"].startswith("version ") and lines[0]["level"] == "info"
    warned, = [line["message"] for line in lines if line["level"] == "warn"]
    assert warned.startswith('ignoring the invalid trace carrier of request "')


@pytest.mark.parametrize("args", [["--check", "--log-format=json"], ["--nonsense"]])
def test_log_of_mistakes_has_no_time(lab, args):
    ran = subprocess.run([BINARY, *args], env=lab.environment({}), capture_output=True, text=True,
                         check=False)
    assert not re.search(STAMP, ran.stdout + ran.stderr)


# other exporters

def test_console(lab):
    link = lab.link("unix", env={"OTEL_TRACES_EXPORTER": "console"})
    link.call({"id": 1, "method": "thread/list"}, {"id": 1, "result": {}})
    link.call({"id": 2, "method": "turn/start"},
              {"id": 2, "error": {"code": -32600, "message": "not like this"}})
    link.finish()
    text = link.sidespan.stderr.decode()
    assert "thread/list" in text and "turn/start" in text and "not like this" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("terminal", [True, False])
def test_console_is_coloured_on_a_terminal(lab, terminal):
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen([BINARY, "--profile=codex", "--", "cat"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=theirs,
                               env=lab.environment(env={"OTEL_TRACES_EXPORTER": "console",
                                                        "TERM": "xterm"}))
    os.close(theirs)
    process.stdin.write(b'{"id":1,"method":"thread/list"}\n')
    process.stdin.close()
    text = lab.keep(Stream(ours, None)).read_all().decode()
    process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0
    assert "thread/list" in text and ("\x1b[" in text) == terminal


def console_lines(lab, columns=None, env=None):
    """What the console shows of a request with long attributes, on a terminal of that width."""
    ours, theirs = pty.openpty() if columns else os.pipe()
    if columns:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    program = subprocess.Popen(
        [BINARY, "--profile=codex", "--log-level=error", "--", "cat"], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=theirs,
        env=lab.environment(env={"OTEL_TRACES_EXPORTER": "console", "NO_COLOR": "1", **(env or {})}))
    os.close(theirs)
    line = {"id": 1, "method": "turn/steer", "params": {"threadId": "t" * 50, "turnId": "u" * 50}}
    program.stdin.write(json.dumps(line).encode() + b"\n")
    program.stdin.close()
    text = lab.keep(Stream(ours, None)).read_all().decode()
    assert program.wait() == 0
    return text.replace("\r", "").splitlines()


@pytest.mark.parametrize("columns, env, expected", [
    (70, None, 70), (150, None, 150), (None, None, 100), (70, {"COLUMNS": "90"}, 90),
    (None, {"COLUMNS": "no"}, 100), (70, {"COLUMNS": "90", "SIDESPAN_CONSOLE_WIDTH": "80"}, 80)])
def test_console_fits_the_terminal(lab, columns, env, expected):
    lines = console_lines(lab, columns, env)
    assert len(lines) > 2 and lines[0].startswith("trace ")
    assert max(map(len, lines)) <= expected
    words = " ".join(lines).split()
    assert "thread.id=" + "t" * 50 in words and "turn.id=" + "u" * 50 in words
    assert max(map(len, lines)) > expected - 52  # as much as fits


# encrypted

@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate for localhost which signs itself, as authority, server and client."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl command to make certificates with")
    directory = tmp_path_factory.mktemp("tls")
    key, certificate = str(directory / "key.pem"), str(directory / "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return key, certificate


def encrypted(collector, certificates, ask_client):
    key, certificate = certificates
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if ask_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate)
    collector.start(context)
    collector.url = collector.url.replace("http:", "https:")
    return collector


@pytest.mark.parametrize("traces", ["", "TRACES_"])
@pytest.mark.parametrize("ask_client", [False, True])
def test_encrypted_collector(lab, certificates, ask_client, traces):
    key, certificate = certificates
    env = {f"OTEL_EXPORTER_OTLP_{traces}CERTIFICATE": certificate}
    if ask_client:
        env[f"OTEL_EXPORTER_OTLP_{traces}CLIENT_KEY"] = key
        env[f"OTEL_EXPORTER_OTLP_{traces}CLIENT_CERTIFICATE"] = certificate
    collector = encrypted(lab.collector(start=False), certificates, ask_client)
    link = start(lab, collector, env=env)
    talk(link, 3)
    collector.wait_spans(3)
    assert finish(link)["sent"] == 3


def test_unknown_authority_is_refused(lab, certificates):
    collector = encrypted(lab.collector(start=False), certificates, False)
    link = start(lab, collector, "--shutdown-timeout=100ms")
    talk(link, 3)
    link.sidespan.wait_line("sidespan: (warn|error): .*certificate")
    assert finish(link)["sent"] == 0 and collector.requests == []


def test_state_of_the_collector_is_logged_once(lab):
    link = start(lab, lab.collector(*[answers.status(503)] * 10, answers.ok()))
    talk(link, 1)
    link.collector.wait_spans(1)
    finish(link)
    lines = link.sidespan.log("warn") + link.sidespan.log("error")
    assert 1 <= len(lines) <= 2, lines
