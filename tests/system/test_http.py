"""The HTTP in front of a WebSocket: what is passed on, what is not, and what is refused."""

import pytest

from lib.front import Front, pour
from lib.peer import (TEXT, Dialing, WebSocket, frame_bytes, new_key, read_body, read_head,
                      upgrade_reply, upgrade_request)
from lib.wait import Background

LONG = "x" * 30000


@pytest.fixture
def front(lab):
    return Front(lab)


# requests that are no upgrade

@pytest.mark.parametrize("path", ["/readyz", "/healthz", "/other?x=1"])
def test_plain_request_is_passed_on(front, path):
    request = f"GET {path} HTTP/1.1\r\nHost: h:1\r\nX-Odd:  two  blanks \r\n\r\n".encode()
    client, server, head = front.ask(request)
    assert head.start == f"GET {path} HTTP/1.1".encode()
    assert ("Host", "h:1") in head.fields and ("X-Odd", "two  blanks") in head.fields
    reply = b"HTTP/1.1 200 OK\r\nX-Answer: yes\r\nContent-Length: 5\r\n\r\nready"
    server.write(reply)
    answer = read_head(client)
    assert answer.start == b"HTTP/1.1 200 OK" and answer.get("X-Answer") == "yes"
    assert read_body(client, answer) == b"ready"


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
    b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 4\r\n\r\nnope",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nold",
    b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"b" * 300000,
])
def test_plain_answers_arrive(front, reply):
    client, server, _ = front.ask(b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    writing = Background(lambda: (server.write(reply), server.close()))
    arrived = client.read_all()
    writing.result()
    head, body = reply.split(b"\r\n\r\n", 1)
    assert arrived.split(b"\r\n")[0] == head.split(b"\r\n")[0]
    assert arrived.split(b"\r\n\r\n", 1)[1] == body


def test_body_of_a_plain_request_is_passed_on(front):
    body = b"b" * 200000
    request = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    client, server, head = front.ask(request)
    writing = Background(client.write, body)
    assert head.get("Content-Length") == str(len(body))
    assert server.read_exactly(len(body)) == body
    writing.result()
    server.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
    assert read_head(client).status == 405


# the upgrade

FIELDS = [("Authorization", "Bearer s3cret"), ("Origin", "https://example.org"),
          ("Sec-WebSocket-Protocol", "first, second"), ("X-Custom", "a  b"),
          ("Cookie", "a=1; b=2"), ("x-custom", "again"), ("User-Agent", "t/1"),
          ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
NOT_PASSED = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
              ("x-codex-app-server-compression", "zstd-stream-v1"),
              ("X-Codex-App-Server-Compression", "zstd-stream-v1")]
HOP_BY_HOP = {"connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "via"}


@pytest.mark.parametrize("kind", ["ws", "ws+unix"])
def test_upgrade_is_passed_on_unchanged(lab, kind):
    front = Front(lab, kind=kind)
    request = upgrade_request(new_key(), "/rpc?x=%20y", "example.org:99", FIELDS + NOT_PASSED)
    _, _, head = front.ask(request)
    assert head.start == b"GET /rpc?x=%20y HTTP/1.1"
    passed = [field for field in head.fields if field[0].lower() not in HOP_BY_HOP]
    assert passed == [("Host", "example.org:99")] + FIELDS
    assert head.all("Upgrade") == ["websocket"] and head.all("Sec-WebSocket-Version") == ["13"]
    assert "upgrade" in head.get("Connection").lower()
    assert len(head.all("Sec-WebSocket-Key")) == 1


def test_no_origin_is_added(front):
    _, _, head = front.ask(upgrade_request(new_key()))
    assert head.get("Origin") is None and head.get("Authorization") is None
    assert head.get("Sec-WebSocket-Extensions") is None


def test_answer_to_the_upgrade_is_passed_back(front):
    client = front.connect()
    dialing = Dialing(client, fields=[("Sec-WebSocket-Protocol", "first, second")])
    server = front.backend.accept_peer(fields=[
        ("Sec-WebSocket-Protocol", "second"), ("X-Answer", "yes"),
        ("x-codex-websocket-max-unfragmented-message-bytes", "16777216")])
    peer = dialing.finish()
    assert dialing.head.get("Sec-WebSocket-Protocol") == "second"
    assert dialing.head.get("X-Answer") == "yes"
    assert dialing.head.get("x-codex-websocket-max-unfragmented-message-bytes") == "16777216"
    peer.send("hello")
    assert server.recv() == b"hello"


@pytest.mark.parametrize("status,fields,body", [
    (401, b"WWW-Authenticate: Bearer\r\n", b"who are you"),
    (403, b"X-Why: origin\r\n", b""),
    (426, b"Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n", b"upgrade"),
    (431, b"", b"too much" * 1000),
    (503, b"Retry-After: 3\r\n", b"later"),
    (302, b"Location: /elsewhere\r\n", b""),
])
def test_refusal_arrives_as_sent(front, status, fields, body):
    client, server, _ = front.ask(upgrade_request(new_key()))
    reply = b"HTTP/1.1 %d Because\r\n%sContent-Length: %d\r\n\r\n" % (status, fields, len(body))
    server.write(reply + body)
    head = read_head(client)
    assert head.start == b"HTTP/1.1 %d Because" % status
    for line in fields.splitlines():
        assert line in head.lines
    assert read_body(client, head) == body
    assert front.sidespan.running()


def test_refusal_without_length(front):
    client, server, _ = front.ask(upgrade_request(new_key()))
    server.write(b"HTTP/1.1 400 Bad Request\r\n\r\nno length")
    server.close()
    assert client.read_all().endswith(b"\r\n\r\nno length")


def lying(**changes):
    def reply(key):
        return upgrade_reply(key, **changes)
    return reply


LIES = {
    "accept": lying(accept="s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    "extension": lying(fields=[("Sec-WebSocket-Extensions", "permessage-deflate")]),
    "subprotocol": lying(fields=[("Sec-WebSocket-Protocol", "not-asked-for")]),
    "no upgrade": lambda key: upgrade_reply(key).replace(b"Upgrade: websocket\r\n", b""),
    "no connection": lambda key: upgrade_reply(key).replace(b"Connection: Upgrade\r\n", b""),
    "no accept": lambda key: upgrade_reply(key).replace(b"Sec-WebSocket-Accept", b"X"),
    "garbage": lambda key: b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "endless": lambda key: b"HTTP/1.1 200 OK\r\n" + 10 * (b"X: %s\r\n" % LONG.encode()),
    "silence": lambda key: b"",
}


@pytest.mark.parametrize("lie", LIES)
def test_lying_backend(front, lie):
    client, server, head = front.ask(upgrade_request(new_key()))
    writing = Background(pour, server, LIES[lie](head.get("Sec-WebSocket-Key")))
    if lie == "silence":
        server.close()
    assert read_head(client).status == 502
    writing.result()
    front.sidespan.wait_line("sidespan: (info|warn|error): .*502.*server")


def test_silent_backend(lab):
    front = Front(lab, "--handshake-timeout=100ms")
    client, _, _ = front.ask(upgrade_request(new_key()))
    assert read_head(client).status in (502, 504)


@pytest.mark.parametrize("early", [True, False])
def test_frames_sent_along_with_the_handshake(front, early):
    client = front.connect()
    frames = b"".join(frame_bytes(TEXT, b"early %d" % number, key=b"1234") for number in range(50))
    dialing = Dialing(client, early=frames if early else b"")
    server = front.backend.accept_peer(early=frame_bytes(TEXT, b"welcome"))
    peer = dialing.finish()
    assert peer.recv() == b"welcome"
    if not early:
        client.write(frames)
    for number in range(50):
        assert server.recv() == b"early %d" % number


def test_handshake_byte_by_byte(front):
    client = front.connect()
    key = new_key()
    Background(client.write_pieces, upgrade_request(key), [1] * 400).result()
    server = front.backend.accept()
    head = read_head(server)
    server.write_pieces(upgrade_reply(head.get("Sec-WebSocket-Key")), [1] * 400)
    assert read_head(client).status == 101
    WebSocket(client, True).send("hello")
    assert WebSocket(server, False).recv() == b"hello"


def test_large_head_passes(front):
    fields = [(f"X-{number}", "y" * 100) for number in range(250)]
    _, _, head = front.ask(upgrade_request(new_key(), fields=fields))
    assert [field for field in head.fields if field[0].startswith("X-")] == fields


# bad requests

def answer_to(front, data):
    client = front.connect()
    pour(client, data)
    return read_head(client)


def test_head_too_large(lab):
    front = Front(lab, "--handshake-bytes-max=2048")
    assert answer_to(front, upgrade_request(new_key(), fields=[("X", LONG)])).status == 431
    client, server, _ = front.ask(upgrade_request(new_key()))


@pytest.mark.parametrize("request_bytes", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \x00\r\n\r\n",
    upgrade_request("short"),
    upgrade_request(new_key()).replace(b"GET", b"POST"),
    upgrade_request(new_key()).replace(b"Host: localhost\r\n", b""),
])
def test_bad_requests(front, request_bytes):
    assert answer_to(front, request_bytes).status == 400
    assert front.sidespan.running()


def test_other_version_of_websocket(front):
    request = upgrade_request(new_key()).replace(b"Version: 13", b"Version: 8")
    head = answer_to(front, request)
    assert head.status == 426 and head.get("Sec-WebSocket-Version") == "13"


def test_client_that_does_not_finish_its_request(lab):
    front = Front(lab, "--handshake-timeout=100ms")
    client = front.connect()
    client.write(b"GET / HTTP/1.1\r\nHost:")
    rest = client.read_all()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 408")


def test_what_is_refused_is_counted(lab):
    front = Front(lab, "--handshake-bytes-max=2048", "--handshake-timeout=300ms")
    assert answer_to(front, upgrade_request(new_key(), fields=[("X", LONG)])).status == 431
    assert answer_to(front, b"GET / HTTP/1.1\r\nno colon\r\n\r\n").status == 400
    late = front.connect()
    late.write(b"GET / HTTP/1.1\r\nHost:")
    late.read_all()
    unanswered, _, _ = front.ask(upgrade_request(new_key()))
    assert read_head(unanswered).status == 504
    answered, server, _ = front.ask(upgrade_request(new_key()))
    server.write(b"HTTP/1.1 101 no\r\nX: " + b"x" * 4096)
    assert read_head(answered).status == 502
    counters = front.counters()
    assert counters["heads_refused"] == 2 and counters["handshakes_overdue"] == 2
    assert counters["backends_unusable"] == 1


def test_client_that_leaves_in_the_handshake(front):
    client, server, _ = front.ask(upgrade_request(new_key()))
    client.close()
    server.expect_eof(3)  # well before the handshake's timeout
    client = front.connect()
    client.write(b"GET / HT")
    client.close()
    _, _, head = front.ask(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n")
    assert head.start.startswith(b"GET /readyz")
