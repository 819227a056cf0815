"""The harness itself: its clients against its servers, without the program in between."""

import json
import os
import subprocess
import urllib.error
import urllib.request

import pytest

from lib import collector as answers
from lib.lab import SOCKETS, address_of
from lib.peer import Dialing, Lines, PING, frame_bytes
from lib.stream import connect
from lib.wait import Background, TimedOut, until


def join(lab, kind):
    backend = lab.backend(kind)
    stream = lab.keep(connect(address_of(backend.url)))
    if not kind.startswith("ws"):
        return Lines(stream), backend.accept_peer()
    dialing = Dialing(stream)
    server = backend.accept_peer()
    return dialing.finish(), server


@pytest.mark.parametrize("kind", SOCKETS)
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 3000000])
def test_peers_understand_each_other(lab, kind, size):
    client, server = join(lab, kind)
    for sender, receiver in ((client, server), (server, client)):
        sending = Background(sender.send, b"x" * size)
        assert receiver.recv() == b"x" * size
        sending.result()
    client.close()
    server.expect_eof()


def test_frames_are_checked(lab):
    client, server = join(lab, "ws")
    client.send_frame(PING, b"hello")
    client.send_fragments([b"a", b"b", b""])
    assert server.recv() == b"ab"
    assert client.recv_frame().payload == b"hello"
    client.stream.write(frame_bytes(1, b"not masked"))
    with pytest.raises(AssertionError):
        server.recv()


def test_waiting_ends(lab):
    client, _ = join(lab, "unix")
    with pytest.raises(TimedOut):
        client.recv(0.01)
    with pytest.raises(TimedOut):
        until(lambda: False, "never", 0.01)


def test_puppet(lab):
    process = subprocess.Popen(lab.puppets.command("an argument"), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    puppet = lab.puppets.accept()
    assert puppet.hello["argv"] == ["an argument"] and puppet.hello["parent"] == os.getpid()
    process.stdin.write(b"question\n")
    process.stdin.flush()
    assert puppet.peer.recv() == b"question"
    puppet.peer.send("answer")
    assert process.stdout.readline() == b"answer\n"
    puppet.tell("catch", signals=[15])
    process.terminate()
    assert puppet.listen() == {"caught": 15}
    puppet.tell("stderr", text="oops\n")
    assert process.stderr.readline() == b"oops\n"
    puppet.exit(3)
    assert process.stdout.read() == b""
    assert process.wait() == 3


SPAN = {"traceId": "1" * 32, "spanId": "2" * 16, "name": "n", "kind": 2, "flags": 257,
        "startTimeUnixNano": "%d", "endTimeUnixNano": "%d", "status": {"code": 0},
        "attributes": [{"key": "rpc.method", "value": {"stringValue": "m"}}]}


def post(collector, **changes):
    import time
    now = time.time_ns()
    span = dict(SPAN, startTimeUnixNano=str(now), endTimeUnixNano=str(now + 1), **changes)
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]}
    body = {"resourceSpans": [{"resource": resource,
                               "scopeSpans": [{"scope": {"name": "x"}, "spans": [span]}]}]}
    request = urllib.request.Request(collector.url + "/v1/traces", json.dumps(body).encode(), {
        "Content-Type": "application/json", "User-Agent": "OTel-OTLP-Exporter-test"})
    return urllib.request.urlopen(request, timeout=5)


def test_collector_takes_good_spans_only():
    good = answers.Collector()
    assert post(good).status == 200
    assert good.span("m").name == "n"
    good.close()
    bad = answers.Collector()
    post(bad, traceId="F" * 32)
    with pytest.raises(AssertionError):
        bad.close()


def test_collector_misbehaves_in_order():
    collector = answers.Collector(answers.status(503), answers.reset(), answers.close(),
                                  answers.ok())
    with pytest.raises(urllib.error.HTTPError):
        post(collector)
    for _ in range(2):
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            post(collector)
    assert collector.spans == []
    post(collector)
    assert len(collector.spans) == 1 and len(collector.requests) == 4
    collector.close()


def test_collector_refuses_until_started():
    collector = answers.Collector(start=False)
    with pytest.raises(urllib.error.URLError):
        post(collector)
    collector.start()
    post(collector)
    collector.close()
