"""sidespan doctor: a verdict, and what helps, for all that the settings name. And sidespan probe."""

import email.utils
import gzip
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

from lib.collector import Collector, ok, status
from lib.operator import ADMIN, Operator
from lib.peer import Lines, Sized
from lib.process import BINARY
from lib.stream import has_ipv6
from lib.tls import certificates
from lib.wait import Background

EMPTY = {"resourceSpans": []}


class Examined(Collector):
    """A collector that gets an export without spans."""

    def take(self, handler, raw):
        self.requests.append((handler.headers, raw))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer(self, handler, None)

    accept = spans = lambda self, request: None

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        self.reserved.close()


class Report:
    """What was said: (verdict, text, help) of each subject, the last line of it."""

    def __init__(self, done):
        self.code, self.log, self.text = done.returncode, done.stderr.decode(), done.stdout.decode()
        assert "Sanitizer" not in self.log and "runtime error:" not in self.log, self.log
        self.all = []
        for line in self.text.splitlines():
            if line.startswith(" " * 19 + "-> "):
                self.all[-1][3] = line[22:]
            else:
                verdict, subject, text = re.fullmatch(r"(ok|-|warn|FAIL) +(\w+) +(.*)", line).groups()
                self.all.append([verdict, subject, text, None])
        failed = any(found[0] == "FAIL" for found in self.all)
        assert self.code == (1 if failed else 0), self.text

    def __getitem__(self, subject):
        return [found for found in self.all if found[1] == subject][-1]

    def verdict(self, subject):
        return self[subject][0]


def doctor(lab, *args, env=None, collector=None, **options):
    made = lab.environment(collector, env)
    made.pop("OTEL_BSP_SCHEDULE_DELAY", None)
    return subprocess.run([BINARY, "doctor", *args], capture_output=True, env=made, timeout=120,
                          check=False, **options)


def examine(lab, *args, **options):
    return Report(doctor(lab, *args, **options))


# settings

def test_without_anything(lab):
    report = examine(lab)
    assert [found[:2] for found in report.all][:4] == [
        ["ok", "settings"], ["-", "server"], ["-", "carrier"], ["-", "collector"]]
    assert [found[1] for found in report.all][4:] == ["clock", "descriptors", "memory"]


@pytest.mark.parametrize("args,text", [
    (["--exporter=none"], "spans go nowhere (exporter none)"), (["--disabled"], "there are no spans (disabled)"),
    (["--exporter=console"], "spans go to standard error (exporter console)")])
def test_without_a_collector(lab, args, text):
    assert examine(lab, *args)["collector"] == ["-", "collector", text, None]


def test_settings_without_effect_are_warned_about(lab):
    report = examine(lab, "--profile=lsp", "--batch-delay=1s")
    assert report["settings"] == ["warn", "settings", "--batch-delay: no effect: the exporter is none", None]


def test_what_only_the_doctor_heeds_has_an_effect(lab):
    """It waits for a command as long as connect.timeout says, so that is no mistake there."""
    report = examine(lab, "--connect-timeout=1s", "--", "false")
    assert [found[:3] for found in report.all if found[1] == "settings"] == [
        ["ok", "settings", "profile generic, service false-sidespan"]]


def test_wrong_settings_end_it(lab):
    done = doctor(lab, "--batch-delay=never")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--batch-delay" in done.stderr


def test_memory_that_settings_allow_for(lab):
    """What is served to operators is counted where it is served."""
    own = ["--inflight-bytes-max=100MiB", "--batch-queue-bytes-max=20MiB"]
    admin = ["--admin-listen=http://127.0.0.1:9464", "--admin-connections-max=3", "--admin-live-bytes-max=2MiB"]
    for args, wanted in ((own, 136), (own + admin + ["--admin-traces-bytes=5MiB"], 136 + 5 + 3 * 5),
                         (own + admin + ["--admin-traces-bytes=0"], 136 + 3 * 2)):
        told = examine(lab, *args)["memory"]
        assert re.search(r"(\d+) MiB(?: at most)?$", told[2])[1] == str(wanted)
        assert told[0] == "ok" or f"allow {wanted} MiB" in told[3]


# the collector

def test_collector_gets_what_spans_would_come_with(lab):
    collector = lab.keep(Examined())
    report = examine(lab, collector=collector, env={"OTEL_EXPORTER_OTLP_HEADERS": "x-key=secret"})
    (headers, raw), = collector.requests
    assert json.loads(gzip.decompress(raw) if headers["Content-Encoding"] else raw) == EMPTY
    assert (headers["Content-Type"], headers["x-key"]) == ("application/json", "secret")
    assert report.verdict("collector") == "ok" and collector.url + "/v1/traces" in report["collector"][2]
    assert "secret" not in report.text + report.log


@pytest.mark.parametrize("code,help_", [
    (301, "OTEL_EXPORTER_OTLP_ENDPOINT"), (400, "https://"), (401, "OTEL_EXPORTER_OTLP_HEADERS"),
    (403, "OTEL_EXPORTER_OTLP_HEADERS"), (404, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), (405, "/v1/traces"),
    (413, "how large"), (415, "OTEL_EXPORTER_OTLP_PROTOCOL"), (429, "spool.directory"), (503, "own log"), (418, "own log")])
def test_refusal_of_a_collector_is_explained(lab, code, help_):
    report = examine(lab, collector=lab.keep(Examined(status(code))))
    verdict, _, text, helps = report["collector"]
    assert verdict == "FAIL" and f"status {code}" in text and "told so" in text and help_ in helps


@pytest.mark.parametrize("given,works", [("http/json", "http/protobuf"), ("http/protobuf", "http/json")])
def test_other_protocol_is_tried(lab, given, works):
    collector = lab.keep(Examined(status(415), ok(b"")))
    report = examine(lab, collector=collector, env={"OTEL_EXPORTER_OTLP_PROTOCOL": given})
    assert report["collector"][3] == f"OTEL_EXPORTER_OTLP_PROTOCOL={works} works: it was tried"
    first, second = [headers["Content-Type"] for headers, _ in collector.requests]
    assert {first, second} == {"application/json", "application/x-protobuf"}
    assert ("json" in first) == ("json" in given)


def test_metrics_are_taken_by_another_one(lab):
    spans, metrics = lab.keep(Examined()), lab.keep(Examined(status(404)))
    environment = {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": metrics.url + "/m",
                   "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "x-key=secret", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    report = examine(lab, collector=spans, env=environment)
    (headers, raw), = metrics.requests
    assert json.loads(gzip.decompress(raw) if headers["Content-Encoding"] else raw) == {"resourceMetrics": []}
    assert (headers["Content-Type"], headers["x-key"]) == ("application/json", "secret")
    assert report.verdict("collector") == "ok" and "x-key" not in spans.requests[0][0]
    verdict, _, text, helps = report["metrics"]
    assert verdict == "FAIL" and metrics.url + "/m" in text and "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" in helps


def test_what_is_no_collector(lab):
    report = examine(lab, collector=lab.keep(Examined(ok(b"<html>"))))
    assert report.verdict("collector") == "warn" and "is it a collector" in report["collector"][2]


def test_nobody_there(lab):
    report = examine(lab, collector=lab.keep(Examined(start=False)))
    assert report.verdict("collector") == "FAIL" and "is not reached" in report["collector"][2]
    assert "4318" in report["collector"][3]


@pytest.mark.parametrize("tls,scheme,knows,verdict,help_", [
    (True, "https", True, "ok", None), (True, "https", False, "FAIL", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    (False, "https", True, "FAIL", "http://")])
def test_tls(lab, tls, scheme, knows, verdict, help_):
    collector = lab.keep(Examined(start=False))
    collector.start(tls=certificates().server() if tls else None)
    report = examine(lab, collector=collector, env={
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}://127.0.0.1:{collector.port}",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": certificates().path("ca.pem") if knows else None})
    assert report.verdict("collector") == verdict, report.text
    assert report["collector"][3] is None if help_ is None else help_ in report["collector"][3]


# the clock

@pytest.mark.parametrize("ahead,verdict,word", [(0, "ok", "the same"), (3600, "warn", "ahead"), (-3600, "warn", "behind")])
def test_clock_of_the_collector(lab, ahead, verdict, word):
    date = email.utils.formatdate(time.time() + ahead, usegmt=True)
    report = examine(lab, collector=lab.keep(Examined(status(200, b"{}", Date=date))))
    assert report.verdict("clock") == verdict and word in report["clock"][2]


# the server

def play(peers, *answers):
    """Answers one request of each conversation; returns the requests."""
    found = []
    for answer in answers:
        server = peers()
        found.append(json.loads(server.recv()))
        server.send({"method": "told", "params": {}})
        server.send({"jsonrpc": "2.0", "id": found[-1]["id"], **answer})
    return found


RESULT = {"result": {"ok": True}}
ERROR = {"error": {"code": -32602, "message": "\x1b[31mno such member"}}


@pytest.mark.parametrize("kind", ["tcp", "unix", "ws", "ws+unix", "lsp+tcp", "tls+tcp", "stdio"])
def test_server_is_asked_without_and_with_our_context(lab, kind):
    args = ["--profile=codex"]
    if kind == "tls+tcp":
        args.append("--tls-upstream-ca=" + certificates().path("ca.pem"))
    if kind == "stdio":
        puppets = lab.puppets
        played = Background(play, lambda: puppets.accept().peer, RESULT, RESULT)
        report = examine(lab, *args, "--", *puppets.command())
    else:
        backend = lab.backend(kind)
        played = Background(play, backend.accept_peer, RESULT, RESULT)
        report = examine(lab, *args, "--upstream=" + backend.url)
    plain, traced = played.result()
    assert plain.pop("method") == traced.pop("method") == "initialize"
    assert "trace" not in plain and re.fullmatch("00-.*", traced.pop("trace")["traceparent"])
    assert plain == traced and "clientInfo" in plain["params"]
    assert [report.verdict(of) for of in ("server", "carrier")] == ["ok", "ok"]


@pytest.mark.parametrize("args,speaks", [
    (["--profile=lsp"], Sized), (["--profile=lsp", "--framing=lines"], Lines),
    (["--profile=mcp", "--framing=content-length"], Sized), (["--profile=mcp"], Lines),
    (["--profile=mcp", "--listen=lsp+tcp://127.0.0.1:0"], Sized),
    (["--profile=lsp", "--listen=tcp://127.0.0.1:0"], Sized),
    (["--profile=lsp", "--listen=json+tcp://127.0.0.1:0"], Lines),
    (["--profile=lsp", "--listen=ws://127.0.0.1:0"], Lines),
    (["--profile=lsp", "--listen=ws://127.0.0.1:0", "--framing=content-length"], Sized)])
def test_command_is_spoken_to_in_its_framing(lab, args, speaks):
    """As what listens would speak to it, with these settings."""
    puppets = lab.puppets
    count = 2 if "--profile=mcp" in args else 1  # language servers get no carrier
    played = Background(play, lambda: speaks(puppets.accept().peer.stream), *[RESULT] * count)
    report = examine(lab, *args, "--", *puppets.command())
    assert all(found["method"] == "initialize" for found in played.result())
    assert [report.verdict(of) for of in ("server", "carrier")] == ["ok", "ok" if count == 2 else "-"], report.text


@pytest.mark.parametrize("answers,server,carrier", [
    ((RESULT, ERROR), "ok", "FAIL"), ((ERROR,), "warn", None)])
def test_server_that_refuses(lab, answers, server, carrier):
    backend = lab.backend("tcp")
    played = Background(play, backend.accept_peer, *answers)
    report = examine(lab, "--profile=mcp", "--upstream=" + backend.url)
    requests = played.result()
    assert report.verdict("server") == server
    last = report["carrier" if carrier else "server"]
    assert "error -32602: " in last[2] and "no such member" in last[2] and "\x1b" not in report.text
    assert report.verdict("carrier") == (carrier or "-")
    if carrier:
        assert "--propagation-inject none" in last[3]
        assert "_meta" not in requests[0]["params"] and "traceparent" in requests[1]["params"]["_meta"]


def test_nothing_to_try_without_a_carrier(lab):
    backend = lab.backend("tcp")
    played = Background(play, backend.accept_peer, RESULT)
    report = examine(lab, "--profile=ethereum", "--upstream=" + backend.url)
    assert played.result()[0]["method"] == "web3_clientVersion"
    assert (report.verdict("server"), report.verdict("carrier")) == ("ok", "-")


@pytest.mark.parametrize("args,text", [
    (["--upstream=tcp://127.0.0.1:1"], "Connection refused"),
    (["--upstream=http://127.0.0.1:1", "--listen=http://127.0.0.1:0"], "Connection refused"),
    (["--", "false"], "it has ended, with status 1"),
    (["--", "sh", "-c", "exit 3"], "it has ended, with status 3"),
    (["--", "sh", "-c", "echo no key >&2; exit 3"], "no key"),
    (["--", "/nowhere/at/all"], "command not found"), (["--", "/etc/passwd"], "Permission denied")])
def test_server_that_is_not_there(lab, args, text):
    report = examine(lab, "--connect-timeout=4s", *args)
    assert report.verdict("server") == "FAIL" and text in report["server"][2], report.text
    assert report["server"][3] and report.verdict("carrier") == "-"


def test_server_that_says_nothing(lab):
    backend = lab.backend("tcp")
    report = examine(lab, "--connect-timeout=2s", "--upstream=" + backend.url)
    assert report.verdict("server") == "FAIL" and "says nothing to initialize" in report["server"][2]


def serve_http(backend, *answers):
    """Answers a POST on each of some connections; returns what was posted."""
    found = []
    for answer in answers:
        stream = backend.accept()
        head = stream.read_until(b"\r\n\r\n")
        size = re.search(rb"(?i)content-length: (\d+)", head)
        found.append((head, stream.read_exactly(int(size[1])) if size else b""))
        stream.write(answer)
    return found


HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%b\r\n\r\n"
BODY = b'{"jsonrpc":"2.0","id":1,"result":{"text":"{\\"id\\":1}"}}'
CHUNKS = b"".join(b"%x\r\n%b\r\n" % (len(BODY[at:at + 9]), BODY[at:at + 9]) for at in range(0, len(BODY), 9))


@pytest.mark.parametrize("path,meets", [("", b"/mcp"), ("/", b"/mcp"), ("/a/b?c=d", b"/a/b?c=d")])
@pytest.mark.parametrize("answer", [
    HTTP % (b"application/json", b"Content-Length: %d" % len(BODY)) + BODY,
    HTTP % (b"application/json", b"Transfer-Encoding: chunked") + CHUNKS + b"0\r\n\r\n",
    HTTP % (b"text/event-stream", b"Connection: close") + b"event: message\ndata: " + BODY + b"\n\n"])
def test_server_of_http(lab, answer, path, meets):
    """It is asked as a client asks: by its own name, where servers of MCP are if nobody says where."""
    backend = lab.backend("ws")
    served = Background(serve_http, backend, answer, answer)
    report = examine(lab, "--profile=mcp", "--listen=http://127.0.0.1:0" + path,
                     "--upstream=" + backend.url.replace("ws:", "http:") + path)
    (head, plain), (_, traced) = served.result()
    assert head.startswith(b"POST %b HTTP/" % meets)
    assert re.findall(rb"(?im)^host: *(.*)\r$", head) == [backend.url.split("/")[2].encode()]
    assert b"traceparent" not in plain and b"traceparent" in traced
    assert [report.verdict(of) for of in ("server", "carrier")] == ["ok", "ok"], report.text


@pytest.mark.parametrize("words,verdict", [(b"200 No (status 401)", "FAIL"), (b"403 (status 500)", "warn")])
def test_words_of_a_server_are_no_status(lab, words, verdict):
    backend = lab.backend("ws")
    served = Background(serve_http, backend, b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % words)
    report = examine(lab, "--upstream=" + backend.url)
    served.result()
    assert report.verdict("server") == verdict, report.text


@pytest.mark.parametrize("size", [b"ffffffffffffffff", b"7fffffffffffffff"])
def test_server_of_http_that_announces_too_much(lab, size):
    """More than there is memory: no answer, and no crash."""
    backend = lab.backend("ws")
    served = Background(serve_http, backend, HTTP % (b"application/json", b"Transfer-Encoding: chunked") +
                        size + b"\r\n" + BODY)
    report = examine(lab, "--profile=mcp", "--connect-timeout=500ms", "--listen=http://127.0.0.1:0",
                     "--upstream=" + backend.url.replace("ws:", "http:"))
    served.result()
    assert report.verdict("server") == "FAIL", report.text


@pytest.mark.parametrize("status_", [b"200 OK", b"400 Bad Request"])
def test_conversation_of_mcp_is_ended(lab, status_):
    """A server that gave it a name would keep it."""
    backend = lab.backend("ws")
    answer = (b"HTTP/1.1 %b\r\nmcp-session-id: s-1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
              b"\r\n" % (status_, len(BODY))) + BODY
    gone = b"HTTP/1.1 204 No Content\r\n\r\n"
    times = 2 if status_ == b"200 OK" else 1
    served = Background(serve_http, backend, *[answer, gone] * times)
    report = examine(lab, "--profile=mcp", "--listen=http://127.0.0.1:0",
                     "--upstream=" + backend.url.replace("ws:", "http:"))
    heads = [head for head, _ in served.result()]
    assert report.verdict("server") == ("ok" if times == 2 else "warn"), report.text
    for asked, ended in zip(heads[::2], heads[1::2]):
        assert asked.startswith(b"POST /mcp ") and b"session-id" not in asked.lower()
        assert ended.startswith(b"DELETE /mcp ") and b"\r\nMcp-Session-Id: s-1\r\n" in ended


@pytest.mark.parametrize("place,used", [("", True), ("/" + "a" * 100, False)])
def test_place_for_temporary_files(lab, place, used):
    """$TMPDIR, unless the name of a socket there would be too long."""
    folder = lab.directory + place
    backend = lab.backend("ws")
    seen = []

    def serve():
        stream = backend.accept()
        stream.read_until(b"\r\n\r\n")
        seen.extend(name for name in os.listdir(folder) if name.startswith("sidespan-"))
        stream.write(HTTP % (b"application/json", b"Content-Length: %d" % len(BODY)) + BODY)
    os.makedirs(folder, exist_ok=True)
    served = Background(serve)
    report = examine(lab, "--profile=mcp", "--propagation-inject=none", "--listen=http://127.0.0.1:0",
                     "--upstream=" + backend.url.replace("ws:", "http:"), env={"TMPDIR": folder})
    served.result()
    assert report.verdict("server") == "ok", report.text
    assert len(seen) == (1 if used else 0)
    assert not [name for name in os.listdir(folder) if name.startswith("sidespan-")]


def test_place_for_temporary_files_that_is_not_there(lab):
    report = examine(lab, "--profile=mcp", "--listen=http://127.0.0.1:0", "--upstream=http://127.0.0.1:1",
                     env={"TMPDIR": "/nowhere/at/all"})
    assert report["server"][:3] == [
        "warn", "server", "http://127.0.0.1:1 could not be tried: No such file or directory"]


def test_command_that_leaves_somebody_who_talks(lab):
    """Its log has no end: the verdict does not wait for one."""
    flag = lab.write("talk", "")
    report = examine(lab, "--", "sh", "-c", "setsid sh -c 'exec >&2; while [ -e %s ]; do echo noise; sleep 0.1; done' "
                     ">&2 & echo gone >&2; exit 1" % flag)
    os.unlink(flag)
    assert report.verdict("server") == "FAIL" and "does not answer: " in report["server"][2]


def test_hangup_is_none_of_a_trials_business(lab):
    """It listens, but there is nothing that its settings could be read again from."""
    backend = lab.backend("ws")
    answer = HTTP % (b"application/json", b"Content-Length: %d" % len(BODY)) + BODY

    def serve():
        stream = backend.accept()
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
            trial, = map(int, file.read().split())
        os.kill(trial, signal.SIGHUP)
        stream.read_until(b"\r\n\r\n")
        stream.write(answer)

    with subprocess.Popen([BINARY, "doctor", "--listen=http://127.0.0.1:0", "--propagation-inject=none",
                           "--upstream=" + backend.url.replace("ws:", "http:")], env=lab.environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        served = Background(serve)
        said, log = process.communicate(timeout=120)
    served.result()
    report = Report(subprocess.CompletedProcess([], process.returncode, said, log))
    assert report.verdict("server") == "ok", report.text


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_server_that_wants_credentials(lab, scheme):
    backend = lab.backend("ws")
    served = Background(serve_http, backend, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    listen = ["--listen=http://127.0.0.1:0"] if scheme == "http" else []
    report = examine(lab, *listen, "--upstream=" + backend.url.replace("ws:", scheme + ":"))
    served.result()
    assert report.verdict("server") == "warn" and "wants credentials" in report["server"][2], report.text


@pytest.mark.parametrize("scheme", ["ws", "http"])
@pytest.mark.parametrize("code", [403, 421])
def test_server_that_wants_another_name(lab, scheme, code):
    backend = lab.backend("ws")
    served = Background(serve_http, backend, b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % code)
    listen = ["--listen=http://127.0.0.1:0"] if scheme == "http" else []
    report = examine(lab, *listen, "--upstream=" + backend.url.replace("ws:", scheme + ":"))
    served.result()
    assert report.verdict("server") == "warn" and f"status {code}" in report["server"][2], report.text
    assert "the host that --upstream names" in report["server"][3]


@pytest.mark.parametrize("args,help_", [
    (["--", "/nowhere/at/all"], "PATH"), (["--", "/etc/passwd"], "executed"), (["--", "false"], "read its input"),
    (["--upstream=tcp://127.0.0.1:1"], "start the server"), (["--upstream=ws://127.0.0.1:1"], "start the server"),
    (["--listen=http://127.0.0.1:0", "--upstream=http://127.0.0.1:1"], "start the server")])
def test_what_helps_against_nobody(lab, args, help_):
    report = examine(lab, "--connect-timeout=1s", *args)
    assert help_ in report["server"][3], report.text


@pytest.mark.parametrize("knows,help_", [(False, "--tls-upstream-ca"), (True, "--tls-server-name"), (None, "no TLS")])
def test_what_helps_against_a_certificate(lab, knows, help_):
    """Of nobody we know; of another name; or there is none."""
    backend = lab.backend("tls+tcp" if knows is not None else "ws")
    args = ["--tls-upstream-ca=" + certificates().path("ca.pem"), "--tls-server-name=other.example"] if knows else []
    url = backend.url if knows is not None else backend.url.replace("ws:", "tls+tcp:")
    played = Background(backend.accept if knows is not None else
                        lambda: backend.accept().write(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    report = examine(lab, "--connect-timeout=1s", "--upstream=" + url, *args)
    played.result()
    assert report.verdict("server") == "FAIL" and help_ in report["server"][3], report.text


@pytest.mark.parametrize("scheme,answer,text,help_", [
    ("ws", b"404 No", "(status 404)", "no WebSocket"), ("ws", b"500 No", "(status 500)", "the server's own log"),
    ("ws", b"200 Yes", "(status 200)", "no WebSocket"), ("http", b"404 No", "status 404", "right path"),
    ("http", b"500 No", "status 500", "the server's own log"), ("http", b"502 No", "status 502", "the server's own log"),
    ("http", b"200 Yes", "what it says is no JSON-RPC", "correct --upstream")])
def test_server_of_http_that_answers_something_else(lab, scheme, answer, text, help_):
    backend = lab.backend("ws")
    served = Background(serve_http, backend, b"HTTP/1.1 %b\r\nContent-Length: 7\r\n\r\nHello.\n" % answer)
    listen = ["--listen=http://127.0.0.1:0"] if scheme == "http" else []
    report = examine(lab, *listen, "--upstream=" + backend.url.replace("ws:", scheme + ":"))
    served.result()
    assert text in report["server"][2] and help_ in report["server"][3], report.text


@pytest.mark.parametrize("line", [
    "cannot bind port 4013", "status 401", "(status 403)", "handshake: no (status 401)"])
@pytest.mark.parametrize("begin", ["", "sidespan: warn: connection 0: server's "])
def test_words_of_a_command_are_no_status(lab, begin, line):
    """The second is what a sidespan as the command says of its server."""
    report = examine(lab, "--", "sh", "-c", f'echo "{begin}{line}" >&2; exit 1')
    assert report.verdict("server") == "FAIL" and line in report["server"][2], report.text


def test_one_that_serves_is_left_alone(lab):
    """The same settings, of a sidespan that runs: its listeners, recording and spool stay as they are."""
    spool, record = lab.path("spool"), lab.path("record")
    backend = lab.backend("unix")
    args = [ADMIN, "--listen=" + lab.listen_url("unix"), "--upstream=" + backend.url,
            "--record-file=" + record, "--spool-directory=" + spool]
    collector = lab.keep(Examined())
    running = Operator(lab, *args, collector=collector)
    with open(record, "rb") as file:
        before = file.read()
    played = Background(play, backend.accept_peer, RESULT)
    report = examine(lab, "--admin-listen=" + running.url, *args[1:], collector=collector)
    played.result()
    assert report.verdict("server") == "ok"
    with open(record, "rb") as file:
        assert file.read() == before
    assert len(collector.requests) == 1


# limits

def test_descriptors(lab):
    report = examine(lab, "--listen=tcp://127.0.0.1:0", "--upstream=tcp://127.0.0.1:1", "--connect-timeout=1ms",
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))
    verdict, _, text, helps = report["descriptors"]
    possible, wanted = map(int, re.search(r"enough for (\d+) of connections.max (\d+)", text).groups())
    assert verdict == "warn" and 30 <= possible <= 45 and wanted == 10000
    assert f"--connections-max {possible}" in helps and int(re.search(r"ulimit -n (\d+)", helps)[1]) > 20000


# probe

def probe(lab, *args):
    done = subprocess.run([BINARY, "probe", *args], capture_output=True, env=lab.environment(), check=False)
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("kind", ["http", "unix"])
def test_probe(lab, kind):
    backend = lab.backend("tcp")
    admin = "--admin-listen=" + (f"unix://{lab.path('a')}" if kind == "unix" else "http://127.0.0.1:0")
    serving = Operator(lab, "--listen=" + lab.listen_url("tcp"), "--upstream=" + backend.url, admin=admin)
    code, said = probe(lab, "--admin-listen=" + serving.url)
    assert code == 0 and "status 200" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_probe_of_one_that_listens_on_all_addresses(lab, host):
    """As in a container, whose health check has the variables of what it asks, not its flags."""
    if host == "[::]" and not has_ipv6():
        pytest.skip("no IPv6 here")
    backend = lab.backend("tcp")
    listen = f"ws://{host}:0"
    serving = Operator(lab, "--listen=" + listen, "--allow-remote", "--upstream=" + backend.url,
                       admin=f"--admin-listen=http://{host}:0")
    done = subprocess.run([BINARY, "probe"], capture_output=True, check=False, env={
        **lab.environment(), "SIDESPAN_LISTEN": listen,
        "SIDESPAN_ADMIN_LISTEN": f"http://{host}:{serving.url.rpartition(':')[2]}"})
    assert (done.returncode, b"status 200" in done.stderr) == (0, True), done.stderr


def test_probe_of_one_that_is_not_ready(lab):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        serving = Operator(lab, "--listen=" + lab.listen_url("tcp"),
                           "--upstream=tcp://127.0.0.1:%d" % nobody.getsockname()[1])
        code, said = probe(lab, "--admin-listen=" + serving.url)
        assert code == 1 and "status 503" in said


def test_probe_of_nobody(lab):
    assert probe(lab)[0] == 1 and "admin.listen is not set" in probe(lab)[1]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        code, said = probe(lab, "--admin-listen=http://127.0.0.1:%d" % nobody.getsockname()[1])
    assert code == 1 and "Connection refused" in said
