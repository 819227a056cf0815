"""HTTP that is no WebSocket, or that refuses one: requests and answers, one after the other."""

import base64
import time

import pytest

from lib.front import Front, pour
from lib.lab import address_of
from lib.peer import (TEXT, WebSocket, frame_bytes, new_key, read_body, read_head, upgrade_reply,
                      upgrade_request)
from lib.stream import connect
from lib.wait import Background, TimedOut

GET = b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"  # and no more
NEXT = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def front(lab):
    return Front(lab)


@pytest.fixture
def hasty(lab):
    """Gives up soon."""
    return Front(lab, "--handshake-timeout=100ms", "--http-response-timeout=100ms")


# connections that are kept, or not

BODIES = {
    "length": (b"Content-Length: 5\r\n", b"ready"),
    "chunks": (b"Transfer-Encoding: chunked\r\n", b"5;a=b\r\nready\r\n0\r\nX-Trailer: t\r\n\r\n"),
    "nothing": (b"Content-Length: 0\r\n", b""),
    "large": (b"Content-Length: 300000\r\n", b"b" * 300000),
}


@pytest.mark.parametrize("framing", BODIES)
def test_the_server_is_told_that_the_client_closes(front, framing):
    fields, body = BODIES[framing]
    client, server, head = front.ask(
        b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nKeep-Alive: timeout=9\r\n\r\n")
    assert head.text == b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nA: b\r\n" + fields
    writing = Background(
        pour, server, answer + b"Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n\r\n" + body)
    assert client.read_all(5) == answer + b"Connection: close\r\n\r\n" + body
    writing.result()
    server.expect_eof()  # the server had meant to keep it


@pytest.mark.parametrize("framing", BODIES)
def test_the_client_is_told_that_the_server_closes(front, framing):
    fields, body = BODIES[framing]
    client, server, head = front.ask(NEXT)
    assert head.text == NEXT  # who keeps a connection says nothing
    answer = b"HTTP/1.1 200 OK\r\nA: b\r\n" + fields
    writing = Background(pour, server, answer + b"Connection: Close\r\n\r\n" + body)
    assert client.read_all(5) == answer + b"Connection: close\r\n\r\n" + body
    writing.result()


@pytest.mark.parametrize("kind", ["ws", "ws+unix"])
@pytest.mark.parametrize("framing", BODIES)
def test_connections_are_kept(lab, kind, framing):
    fields, body = BODIES[framing]
    front = Front(lab, kind=kind)
    request = b"POST /x HTTP/1.1\r\nHost: h\r\nA: b\r\n" + fields + b"\r\n" + body
    answer = b"HTTP/1.1 200 OK\r\nB: c\r\n" + fields + b"\r\n" + body
    client = front.connect()
    for number in range(3):
        writing = Background(client.write, request)
        if number == 0:
            server = front.backend.accept()
        assert server.read_exactly(len(request)) == request
        writing.result()
        writing = Background(server.write, answer)
        assert client.read_exactly(len(answer)) == answer
        writing.result()
    assert front.counters()["http_exchanges"] == 3


def test_an_old_client_that_keeps_its_connection(front):
    request = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    client, server, head = front.ask(request)
    assert head.text == request
    server.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert client.read_until(b"ok") == \
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"
    client.write(b"GET / HTTP/1.0\r\n\r\n")
    assert read_head(server).get("Connection") == "close"


def test_an_old_server(front):
    client, server, _ = front.ask(NEXT)
    server.write(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert client.read_all().endswith(b"\r\nConnection: close\r\n\r\nok")


@pytest.mark.parametrize("step", [1, 7, 10000])
def test_pipelined_requests_are_answered_in_order(front, step):
    requests = [b"GET /0 HTTP/1.1\r\nHost: h\r\n\r\n",
                b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody",
                b"HEAD /2 HTTP/1.1\r\nHost: h\r\n\r\n",
                b"POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"4\r\nbody\r\n0\r\n\r\n",
                b"GET /4 HTTP/1.1\r\nHost: h\r\n\r\n"]
    client = front.connect()
    writing = Background(client.write_pieces, b"".join(requests), [step] * 1000)
    server = front.backend.accept()
    for number, request in enumerate(requests):
        assert server.read_exactly(len(request)) == request
        assert server.read_quiet(0.05) == b""  # the next waits for the answer
        answer = b"HTTP/1.1 200 %d\r\nContent-Length: 1\r\n\r\n" % number
        server.write(answer + (b"" if number == 2 else b"x"))
        assert client.read_until(b"\r\n\r\n") == answer
        assert number == 2 or client.read_exactly(1) == b"x"
    writing.result()


@pytest.mark.parametrize("first", [
    b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n"
    b'{"id":7,"method":"m"}'])
def test_an_answer_of_our_own_knows_nothing_of_the_request_before(front, first):
    client, server, _ = front.ask(first)
    server.write(b"HTTP/1.1 204 None\r\n\r\n")
    assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 204 None\r\n\r\n"
    client.write(b"GET / HTTP/1.1\r\nHost : h\r\n\r\n")
    head = read_head(client)
    assert (head.status, head.get("Content-Type")) == (400, "text/plain")
    assert read_body(client, head) == b"bad field name\n"


def test_many_pipelined_requests(front):
    client, server, _ = front.ask(NEXT * 3000)  # more than the buffers of heads
    for number in range(3000):
        if number > 0:
            assert read_head(server).start == b"GET /next HTTP/1.1"
        server.write(OK)
        assert client.read_until(b"ok") == OK


@pytest.mark.parametrize("first", ["plain", "refusal"])
@pytest.mark.parametrize("together", [False, True])
def test_an_upgrade_behind_other_requests(front, first, together):
    key, begin = new_key(), NEXT if first == "plain" else upgrade_request(new_key())
    frame = frame_bytes(TEXT, b"early", key=b"1234")
    upgrade = upgrade_request(key) + frame
    client, server, _ = front.ask(begin + upgrade if together else begin)
    server.write(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno")
    assert client.read_until(b"no") == b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"
    if not together:
        client.write(upgrade)
    assert read_head(server).get("Sec-WebSocket-Key") == key
    server.write(upgrade_reply(key))
    assert read_head(client).status == 101
    assert WebSocket(server, False).recv() == b"early"


@pytest.mark.parametrize("pause", [False, True])
def test_a_server_that_closes_between_two_requests(front, pause):
    client, server, _ = front.ask(NEXT)
    server.write(OK)
    if pause:
        assert client.read_until(b"ok") == OK
        server.close()
        front.connect().close()  # another event has been seen since
    else:
        server.close()
        assert client.read_until(b"ok") == OK
    client.write(NEXT)
    server = front.backend.accept()
    assert read_head(server).text == NEXT
    server.write(OK)
    assert client.read_until(b"ok") == OK


def test_a_server_that_closes_instead_of_the_second_answer(front):
    client, server, _ = front.ask(NEXT + NEXT)
    server.write(OK)
    assert client.read_until(b"ok") == OK
    assert read_head(server).text == NEXT
    server.close()
    assert read_head(client).status == 502
    client.read_all()


@pytest.mark.parametrize("behind", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"\r\n"])
@pytest.mark.parametrize("pause", [False, True])
def test_nothing_behind_an_answer_reaches_the_client(front, behind, pause):
    """Nor is it taken for the answer to the next request, which has a new connection."""
    client, server, _ = front.ask(NEXT)
    server.write(OK if pause else OK + behind)
    assert client.read_until(b"ok") == OK
    if pause:
        server.write(behind)
    server.expect_eof()
    client.write(NEXT)
    server = front.backend.accept()
    read_head(server)
    server.write(OK.replace(b"ok", b"so"))
    assert client.read_until(b"so") == OK.replace(b"ok", b"so")


def test_body_up_to_the_end_of_the_connection(front):
    client, server, _ = front.ask(GET)
    server.write(b"HTTP/1.1 200 OK\r\n\r\nuntil ")
    assert client.read_until(b"until ") == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil "
    server.write(b"the end")
    server.close()
    assert client.read_all() == b"the end"


def test_exchanges_are_counted(front):
    for _ in range(2):
        client, server, _ = front.ask(GET)
        server.write(OK)
        client.read_all()
    assert front.counters()["http_exchanges"] == 2


# fields between neighbours

HOPS = ["Connection: X-Hop, close", "X-Hop: 1", "x-hop: 2", "Keep-Alive: timeout=5",
        "TE: trailers", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eDp5",
        "Proxy-Authenticate: Basic", "Connection: x-more", "X-More: 3"]
KEPT = ["A: 1", "Proxy-Status: x", "Trailer: t", "TEA: 2", "X-Hop-Not: 4"]


def mixed(*more):
    lines = [line for pair in zip(HOPS, KEPT + KEPT) for line in pair] + list(more)
    return "\r\n".join(lines).encode() + b"\r\n"


def kept(*more):
    return [line.encode() for line in KEPT + KEPT + list(more)]


def test_fields_between_neighbours_of_a_plain_request(front):
    client, server, head = front.ask(b"GET / HTTP/1.1\r\n" + mixed(
        "Upgrade: h2c", "HTTP2-Settings: x", "Connection: HTTP2-Settings", "Host: h") + b"\r\n")
    assert head.lines == kept("Host: h", "Connection: close")
    server.write(b"HTTP/1.1 200 OK\r\n" + mixed("Upgrade: h2c", "Content-Length: 0") + b"\r\n")
    assert read_head(client).lines == kept("Content-Length: 0", "Connection: close")


def test_fields_between_neighbours_of_an_upgrade(front):
    key = new_key()
    client, server, head = front.ask(b"GET / HTTP/1.1\r\n" + mixed(
        "Upgrade: h2c", "Upgrade: WebSocket", "connection: upgrade", "Host: h",
        f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13") + b"\r\n")
    assert head.lines == kept(
        "Host: h", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
        "Connection: Upgrade", "Upgrade: websocket")
    server.write(upgrade_reply(key)[:-2] + mixed() + b"\r\n")
    head = read_head(client)
    assert head.lines == [line.encode() for line in (
        f"Sec-WebSocket-Accept: {upgrade_reply(key).decode().split(': ')[-1].strip()}",
        *KEPT, *KEPT, "Connection: Upgrade", "Upgrade: websocket")]


def test_via(lab):
    """By option: in requests and in every answer to them, behind what is there; not in our own."""
    front = Front(lab, "--http-via", "--http-response-timeout=200ms")
    key = new_key()
    request = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nVia: 1.1 a\r\n"
    client, server, head = front.ask(b"GET / HTTP/1.1\r\nHost: h\r\nVia: 1.1 a\r\nVia: 1.1 b\r\n\r\n")
    assert head.lines == [b"Host: h", b"Via: 1.1 a", b"Via: 1.1 b", b"Via: 1.1 sidespan"]
    server.write(b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 X\r\nVia: 1.0 c\r\nContent-Length: 0\r\n\r\n")
    assert read_head(client).lines == [b"Via: 1.1 sidespan"]
    assert read_head(client).lines == [b"Via: 1.0 c", b"Content-Length: 0", b"Via: 1.1 sidespan"]
    client.write(request + b"\r\n")
    assert b"Via: 1.0 sidespan" in read_head(server).lines
    server.write(b"HTTP/1.0 204 X\r\nConnection: keep-alive\r\n\r\n")
    assert b"Via: 1.0 sidespan" in read_head(client).lines
    client.write(upgrade_request(key))
    assert b"Via: 1.1 sidespan" in read_head(server).lines
    server.write(upgrade_reply(key))
    assert b"Via: 1.1 sidespan" in read_head(client).lines
    client, _, _ = front.ask(GET)
    own = client.read_all()
    assert own.startswith(b"HTTP/1.1 504") and b"sidespan\r\n" not in own


def test_fields_between_neighbours_of_a_refusal(front):
    client, server, _ = front.ask(upgrade_request(new_key()))
    server.write(b"HTTP/1.1 401 No\r\n" + mixed("Content-Length: 2") + b"\r\nno")
    head = read_head(client)
    assert head.lines == kept("Content-Length: 2", "Connection: close")
    assert client.read_all() == b"no"
    server.expect_eof()


@pytest.mark.parametrize("option", ["Host", "content-length", "Transfer-Encoding", "a" + ",b" * 40])
def test_connection_does_not_take_away_what_a_message_is(front, option):
    client = front.connect()
    client.write(f"POST / HTTP/1.1\r\nHost: h\r\nConnection: {option}\r\nContent-Length: 1\r\n\r\nx"
                 .encode())
    assert read_head(client).status == 400
    client, server, _ = front.ask(GET)
    server.write(f"HTTP/1.1 200 OK\r\nConnection: {option}\r\nContent-Length: 1\r\n\r\nx".encode())
    assert read_head(client).status == 502


# requests that go nowhere

def answer_alone(address, request):
    """The answer to a request that must not reach the server; and it is the last."""
    client = connect(address)
    client.write(request)
    head = read_head(client)
    body = client.read_all()
    client.close()
    assert head.get("Connection").lower().startswith("close")
    if request.startswith(b"HEAD"):
        assert body == b"" and int(head.get("Content-Length")) > 0
    else:
        assert head.get("Content-Length") == str(len(body)) and body.endswith(b"\n")
    return head


class PathFront(Front):
    def listen_url(self, kind):
        return "ws://127.0.0.1:0/ok"


@pytest.mark.parametrize("target", ["/", "/ok/", "/okay", "/secret?/ok", "/OK", "/%6fk", "/ok/../x",
                                    "*", "http://h/secret", "http://h", "http://h?/ok", "ok"])
def test_other_paths_are_not_served(lab, target):
    front = PathFront(lab)
    methods = ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "X-ODD"]
    requests = [f"{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode() for method in methods]
    for request in requests:
        assert answer_alone(front.address, request).status == 404
    assert front.counters() == {"connections": len(methods),
                                "client_bytes": sum(map(len, requests))}  # no exchange


@pytest.mark.parametrize("target", ["/secret", "http://h/secret", "*"])
def test_upgrades_of_other_paths_are_not_served(lab, target):
    assert answer_alone(PathFront(lab).address, upgrade_request(new_key(), target)).status == 404


@pytest.mark.parametrize("target", ["/ok", "/ok?x=/y", "http://h/ok", "HTTPS://[::1]:1/ok?x"])
def test_the_path_is_served_in_every_form(lab, target):
    front = PathFront(lab)
    client, server, head = front.ask(f"PUT {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert head.start == f"PUT {target} HTTP/1.1".encode()
    server.write(OK)
    assert read_head(client).status == 200
    assert front.ask(upgrade_request(new_key(), target))[2].start.split()[1] == target.encode()


@pytest.mark.parametrize("fields", [
    b"Content-Length: 2\r\nTransfer-Encoding: chunked", b"Content-Length: 2\r\nContent-Length: 3",
    b"Content-Length: 2, 3", b"Content-Length: 2\r\nContent-Length: 2", b"Content-Length: 0x2",
    b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding: xchunked", b"Content-Length : 2",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"X: y\nContent-Length: 2",
    b"X: y\r\n Content-Length: 2", b"X: y\rContent-Length: 2", b"Content-Length: 2\x00",
])
def test_answers_that_two_would_read_in_two_ways(front, fields):
    client, server, _ = front.ask(NEXT)
    server.write(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n")
    assert read_head(client).status == 502
    client.read_all()
    server.expect_eof()


@pytest.mark.parametrize("preface", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n"])
def test_http2_is_refused(front, preface):
    assert answer_alone(front.address, preface).status == 505
    front.sidespan.wait_line("answered 505: HTTP/2 is not spoken here")


def test_a_request_without_a_host(front):
    assert answer_alone(front.address, b"GET / HTTP/1.1\r\n\r\n").status == 400


def test_our_own_answer_to_a_bad_head_request_has_no_body(front):
    assert answer_alone(front.address, b"HEAD / HTTP/1.1\r\nHost : h\r\n\r\n").status == 400


def test_no_tunnel_for_connect(front):
    head = answer_alone(front.address, b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n")
    assert head.status == 501
    assert "http_exchanges" not in front.counters()


@pytest.mark.parametrize("fields", [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked, gzip",
    b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 5, 5", b"Content-Length: -1",
    b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: xchunked",
    b"X: y\nTransfer-Encoding: chunked", b"X: y\r\n Transfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked", b"Content-Length: 5\r\nTransfer-Encoding: identity",
    b"Content-Length: +5", b"Content-Length: 0x5", b"Content-Length: 5 5", b"Content-Length:",
    b"Content-Length\x00: 5", b"Content-Length: 5\r\nContent-Length: 5", b"Host: g",
    b"Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding",
])
def test_requests_that_two_would_read_in_two_ways(front, fields):
    head = answer_alone(front.address, b"POST / HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n\r\n0\r\n\r\n")
    assert head.status == 400
    assert "http_exchanges" not in front.counters()


def test_body_that_is_no_chunks(front):
    client, server, _ = front.ask(
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    assert server.read_exactly(6) == b"1\r\nx\r\n"
    client.write(b"2\nGET /smuggled HTTP/1.1\r\n\r\n")
    assert read_head(client).status == 400
    assert server.read_all() == b"2"
    assert front.counters()["framing_errors"] == 1


def test_our_own_answer_to_a_head_has_no_body(lab):
    sidespan = lab.sidespan("--listen=ws://127.0.0.1:0", "--", "cat")
    address = address_of(sidespan.url())
    assert answer_alone(address, b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 426
    head = answer_alone(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert head.status == 426 and head.get("Sec-WebSocket-Version") == "13"
    assert head.get("Upgrade") == "websocket" and head.get("Connection") == "close, Upgrade"


def test_refusal_that_asks_for_an_upgrade(front):
    client, server, _ = front.ask(GET)
    server.write(b"HTTP/1.1 426 So\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                 b"Content-Length: 0\r\n\r\n")
    head = read_head(client)
    assert head.get("Upgrade") == "websocket" and head.get("Connection") == "close, Upgrade"
    client, server, _ = front.ask(NEXT)
    server.write(b"HTTP/1.1 426 So\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n")
    assert read_head(client).get("Connection") == "keep-alive, Upgrade"


# interim answers

def test_a_request_that_waits_to_be_told_to_go_on(front):
    client, server, head = front.ask(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                                     b"Content-Length: 4\r\n\r\n")
    assert head.get("Expect") == "100-continue"
    server.write(b"HTTP/1.1 100 Continue\r\nKeep-Alive: x\r\n\r\n")
    assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.write(b"body")
    assert server.read_exactly(4) == b"body"
    server.write(OK)
    assert client.read_until(b"ok") == OK


@pytest.mark.parametrize("status", [417, 413])
def test_a_request_that_is_told_not_to_go_on(front, status):
    """Its body may come or not: nobody can tell, so nothing more is read."""
    client, server, _ = front.ask(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                                  b"Content-Length: 4\r\n\r\n")
    server.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
    head = read_head(client)
    assert head.status == status and head.get("Connection") == "close"
    client.write(NEXT)
    assert client.read_all() == b""
    assert server.read_all() == b""


@pytest.mark.parametrize("request_bytes", [GET, upgrade_request(new_key())])
@pytest.mark.parametrize("together", [False, True])
def test_interim_answers_come_before_the_final_one(front, request_bytes, together):
    client, server, _ = front.ask(request_bytes)
    interim = [b"HTTP/1.1 %d X\r\nA: %d\r\n\r\n" % (number, number) for number in (102, 103, 103)]
    for answer in [b"".join(interim)] if together else interim:
        server.write(answer + (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" if together else b""))
    for answer in interim:
        assert client.read_until(b"\r\n\r\n") == answer
    if not together:
        server.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    assert read_head(client).lines[0] == b"Content-Length: 0"


def test_old_clients_have_no_interim_answers(front):
    client, server, head = front.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert head.start == b"GET / HTTP/1.0"
    server.write(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    assert read_head(client).status == 200


@pytest.mark.parametrize("request_bytes", [GET, upgrade_request(new_key())])
@pytest.mark.parametrize("size", [10, 900])
def test_interim_answers_are_limited(lab, request_bytes, size):
    """In number, then in bytes of all of them."""
    front = Front(lab, "--handshake-interim-max=3", "--handshake-bytes-max=2048")
    count = 3 if size == 10 else 2
    client, server, _ = front.ask(request_bytes)
    answer = b"HTTP/1.1 102 X\r\nA: %s\r\n\r\n" % (b"x" * size)
    for _ in range(count):
        server.write(answer)
        assert client.read_until(b"\r\n\r\n") == answer
    pour(server, answer)
    assert read_head(client).status == 502
    assert front.counters()["interims_refused"] == 1


def test_interim_answers_to_our_own_request_are_limited(lab):
    backend = lab.backend("ws")
    sidespan = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + backend.url,
                            "--handshake-interim-max=1")
    client = lab.keep(connect(address_of(sidespan.url())))
    server = backend.accept()
    head = read_head(server)
    server.write(b"HTTP/1.1 102 X\r\n\r\n" * 2 + upgrade_reply(head.get("Sec-WebSocket-Key")))
    client.expect_eof()
    sidespan.wait_line("too many interim answers")


def test_interim_answers_wait_for_a_slow_client(lab):
    front = Front(lab, "--handshake-bytes-max=1MiB", kind="ws+unix")
    client, server, _ = front.ask(GET)
    answer = b"HTTP/1.1 103 X\r\nA: %s\r\n\r\n" % (b"x" * 60000)
    sent = server.send_some(answer * 17, 0.5)
    assert sent < 800000  # two sockets' buffers, one answer, and what was read with it
    writing = Background(server.write, (answer * 17)[sent:] + OK)
    for _ in range(17):
        assert client.read_until(b"\r\n\r\n") == answer
    assert read_head(client).status == 200 and client.read_all() == b"ok"
    writing.result()


# servers that hang

def ends_in_time(client):
    """What comes until the end, which is not before the 100 ms are up."""
    begin = time.monotonic()
    rest = client.read_all(5)
    assert time.monotonic() - begin >= 0.05
    return rest


@pytest.mark.parametrize("request_bytes", [
    GET, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", upgrade_request(new_key())])
def test_server_that_does_not_answer(hasty, request_bytes):
    client, server, _ = hasty.ask(request_bytes)
    assert ends_in_time(client).startswith(b"HTTP/1.1 504 ")
    server.read_all()


@pytest.mark.parametrize("request_bytes,answer", [
    (GET, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
    (upgrade_request(new_key()), b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nhalf"),
])
def test_server_that_stops_in_its_answer(hasty, request_bytes, answer):
    client, server, _ = hasty.ask(request_bytes)
    server.write(answer)
    assert ends_in_time(client).endswith(b"half")
    server.expect_eof()


@pytest.mark.parametrize("method,answer", [
    ("GET", b"HTTP/1.1 304 Same\r\nContent-Length: 100\r\n"),
    ("GET", b"HTTP/1.1 204 None\r\nContent-Length: 100\r\n"),
    ("GET", b"HTTP/1.1 304 Same\r\n"),
    ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n"),
    ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"),
    ("HEAD", b"HTTP/1.1 404 No\r\n"),
    ("UPGRADE", b"HTTP/1.1 304 Same\r\nContent-Length: 100\r\n"),
])
def test_answers_without_a_body_end_with_their_head(front, method, answer):
    client, server, _ = front.ask(upgrade_request(new_key()) if method == "UPGRADE" else
                                  f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    server.write(answer + b"\r\n")
    assert client.read_until(b"\r\n\r\n") == answer + b"\r\n"
    client.write(NEXT)
    assert read_head(server).text == NEXT


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked\r\n", b""])
def test_streams_may_be_silent(hasty, framing):
    """What has no known end may be waited for, as long as somebody waits."""
    client, server, _ = hasty.ask(GET)
    server.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + framing + b"\r\n")
    read_head(client)
    for _ in range(2):
        assert client.read_quiet(0.3) == b"" and not client.eof
        server.write(b"4\r\nnews\r\n")
        assert client.read_exactly(9) == b"4\r\nnews\r\n"
    client.close_write()
    client.expect_eof()
    server.expect_eof()


def test_request_that_stops(hasty):
    client, server, _ = hasty.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
    assert server.read_exactly(4) == b"half"
    assert ends_in_time(client).startswith(b"HTTP/1.1 408 ")
    server.expect_eof()


def test_request_that_takes_long(lab):
    """As long as something moves."""
    front = Front(lab, "--handshake-timeout=400ms")
    client, server, _ = front.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n")
    for byte in (b"a", b"b", b"c", b"d", b"e", b"f"):
        assert client.read_quiet(0.2) == b"" and not client.eof
        client.write(byte)
        assert server.read_exactly(1) == byte
    server.write(OK)
    assert read_head(client).status == 200


# peers that leave, or are slow

@pytest.mark.parametrize("kind", ["ws", "ws+unix"])
def test_half_close_behind_the_request_is_not_the_end(lab, kind):
    front = Front(lab, kind=kind)
    client, server, _ = front.ask(GET)
    client.close_write()
    with pytest.raises(TimedOut):
        server.read_exactly(1, 0.2)
    server.write(OK)
    assert client.read_all().endswith(b"\r\n\r\nok")


def test_half_close_inside_the_request_is_passed_on(front):
    client, server, _ = front.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
    client.close_write()
    assert server.read_all() == b"half"
    server.write(b"HTTP/1.1 400 Half\r\nContent-Length: 0\r\n\r\n")
    assert read_head(client).status == 400


def test_end_of_who_listens_to_events_is_passed_on(front):
    client, server, _ = front.ask(GET)
    server.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
    assert client.read_until(b"data: 1\n\n").startswith(b"HTTP/1.1 200 OK")
    client.close_write()
    server.expect_eof(3)
    server.write(b"data: 2\n\n")
    server.close()
    assert client.read_all() == b"data: 2\n\n"


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_client_that_leaves_while_the_server_thinks(lab, leave):
    front = Front(lab, kind="ws" if leave == "reset" else "ws+unix")
    client, server, _ = front.ask(GET)
    getattr(client, leave)()
    server.expect_eof(3)


def test_answer_before_the_end_of_the_request(front):
    client, server, _ = front.ask(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n")
    writing = Background(pour, client, b"b" * 50000000)
    server.write(b"HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\n\r\nmuch")
    assert client.read_until(b"much").startswith(b"HTTP/1.1 413 Too Much\r\n")
    writing.result()


def test_server_that_leaves_without_an_answer(front):
    client, server, _ = front.ask(GET)
    server.close()
    assert read_head(client).status == 502


@pytest.mark.parametrize("answer", [
    b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000,
])
def test_answers_that_are_none(front, answer):
    client, server, _ = front.ask(GET)
    writing = Background(pour, server, answer)
    assert read_head(client).status == 502
    writing.result()


def test_answer_that_is_no_chunks(front):
    """Nobody can tell what it would be, so it is cut off, which its client sees."""
    client, server, _ = front.ask(NEXT)
    server.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz")
    read_head(client)
    assert client.read_all() == b"3\r\nabc\r\n"
    server.expect_eof()
    assert front.counters()["framing_errors"] == 1


def test_slow_client_gets_all_of_the_answer(lab):
    front = Front(lab, "--log-level=debug", kind="ws+unix")
    client, server, _ = front.ask(GET)
    body = b"b" * 350000  # more than the socket holds, less than what pauses the server
    server.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    server.expect_eof()
    with pytest.raises(TimedOut):  # longer than a last word has
        front.sidespan.wait_line("connection 0: closed", 1.3)
    assert read_body(client, read_head(client)) == body
    client.expect_eof()


def test_client_that_does_not_read_pauses_the_server(front):
    client, server, _ = front.ask(GET)
    server.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n")
    sent = server.send_some(b"b" * 50000000, 0.5)
    assert sent < 50000000
    assert int(front.sidespan.status("VmRSS")) < 100000


def test_interim_answers_without_end(lab):
    """They are bounded, and so are we."""
    front = Front(lab)
    client, server, _ = front.ask(NEXT)
    pour(server, b"HTTP/1.1 103 X\r\nA: b\r\n\r\n" * 100000)
    assert client.read_until(b"HTTP/1.1 502 ").count(b"HTTP/1.1 103 X") == 64
    assert int(front.sidespan.status("VmRSS")) < 50000


def test_bodies_of_any_size_both_ways(front):
    body = b"0123456789abcdef" * 500000
    client, server, _ = front.ask(b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                                  b"Transfer-Encoding: chunked\r\n\r\n")
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    writing = Background(client.write, chunks)
    assert server.read_exactly(len(chunks)) == chunks
    writing.result()
    writing = Background(pour, server,
                         b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert read_head(client).status == 200
    assert client.read_all() == chunks
    writing.result()


# what the two of a handshake must have, in which nobody else took part

def test_every_key_of_our_own_is_another(lab):
    backend = lab.backend("ws")
    sidespan = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + backend.url)
    keys = set()
    for _ in range(8):
        lab.keep(connect(address_of(sidespan.url())))
        keys.add(read_head(backend.accept()).get("Sec-WebSocket-Key"))
    assert len(keys) == 8
    for key in keys:
        assert len(key) == 24 and len(set(base64.b64decode(key, validate=True))) > 4
