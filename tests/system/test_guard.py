"""Who may speak HTTP to us: names, web pages, tokens. Each refusal reaches nobody behind us."""

import os

import pytest

from lib.front import Front
from lib.lab import address_of
from lib.peer import WebSocket, new_key, read_head, upgrade_reply, upgrade_request
from lib.stream import connect

EVIL = "https://attacker.example"
LISTEN = "--listen=ws://127.0.0.1:0"


class Server:
    """The program as the HTTP server of a command, which writes a file when it is started."""

    def __init__(self, lab, *args, listen=LISTEN):
        self.lab = lab
        self.started = lab.path("started")
        self.sidespan = lab.sidespan(
            *args, listen, "--", "sh", "-c", f"echo $$ >>{self.started}; exec cat")
        self.address = address_of(self.sidespan.url())

    def ask(self, request):
        """The head of the answer, and the stream."""
        client = self.lab.keep(connect(self.address))
        client.write(request)
        return read_head(client), client

    def refuses(self, request, status):
        head, client = self.ask(request)
        assert head.status == status
        body = client.read_all()
        assert head.get("Content-Length") == str(len(body)) and head.get("Connection") == "close"
        client.close()
        return head

    def starts_nothing(self):
        return not os.path.exists(self.started)

    def serves(self, request):
        head, client = self.ask(request)
        assert head.status == 101
        peer = WebSocket(client, is_client=True)
        peer.send('{"id":1,"method":"a"}')
        assert peer.recv() == b'{"id":1,"method":"a"}'
        peer.send_close(1000)
        client.close()


def upgrade(host="localhost", target="/", **fields):
    return upgrade_request(new_key(), target, host,
                           [(name.replace("_", "-"), value) for name, value in fields.items()])


def plain(host="localhost", **fields):
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join(["GET / HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode()


@pytest.mark.parametrize("make", [upgrade, plain])
@pytest.mark.parametrize("origin", [EVIL, "http://localhost", "http://127.0.0.1", "null", ""])
def test_web_pages_do_not_reach_a_command(lab, make, origin):
    server = Server(lab)
    server.refuses(make(Origin=origin), 403)
    server.sidespan.wait_line(f'answered 403: Origin "{origin}" is not in listen.allow_origin')
    assert server.starts_nothing()
    server.sidespan.stop()
    server.sidespan.wait_line("traffic: .*origins_refused=1")


def test_listed_pages_reach_a_command(lab):
    server = Server(lab, "--listen-allow-origin=https://app.example,http://b:8080",
                    "--listen-allow-origin=null")
    for origin in ("https://app.example", "HTTPS://APP.example:443", "http://b:8080", "null"):
        server.serves(upgrade(Origin=origin))
    for origin in (EVIL, "http://app.example", "http://b", "https://app.example.attacker.example"):
        server.refuses(upgrade(Origin=origin), 403)


@pytest.mark.parametrize("make", [upgrade, plain])
def test_names_that_were_made_to_point_here(lab, make):
    server = Server(lab)
    for host in ("attacker.example", "attacker.example:80", "localhost.attacker.example",
                 "127.0.0.1.attacker.example", "0.0.0.0", "10.0.0.1", "[::2]"):
        server.refuses(make(host), 421)
    for host in ("", "a@localhost", "localhost:x", "localhost, attacker.example"):
        server.refuses(make(host), 400)
    server.refuses(make(Host="localhost"), 400)
    server.sidespan.wait_line('answered 421: Host "attacker.example:80" is not ours')
    assert server.starts_nothing()
    server.sidespan.stop()
    server.sidespan.wait_line("traffic: .*hosts_refused=12")


def test_request_without_a_host(lab):
    server = Server(lab)
    server.refuses(b"GET / HTTP/1.1\r\n\r\n", 400)
    server.refuses(upgrade().replace(b"Host: localhost\r\n", b""), 400)


def test_names_that_are_ours(lab):
    server = Server(lab, "--listen-allow-host=box.example", "--listen-allow-host=web.example:80")
    port = server.address[1]
    for host in ("localhost", f"LOCALHOST:{port}", "localhost.:1", "a.localhost", "127.9.9.9",
                 f"127.0.0.1:{port}", "[::1]:9", "Box.Example:9", "web.example", "web.example.:80"):
        server.serves(upgrade(host))
    server.serves(upgrade("attacker.example", target="http://localhost/"))
    server.refuses(upgrade("localhost", target="http://attacker.example/"), 421)


def test_lines_behind_us_are_no_http_either(lab):
    backend = lab.backend("tcp")
    sidespan = lab.sidespan(LISTEN, "--upstream=" + backend.url)
    for request, status in ((upgrade(Origin=EVIL), 403), (upgrade("attacker.example"), 421)):
        client = lab.keep(connect(address_of(sidespan.url())))
        client.write(request)
        assert read_head(client).status == status
    client = lab.keep(connect(address_of(sidespan.url())))
    client.write(upgrade())
    assert read_head(client).status == 101
    backend.accept()  # the first that came
    WebSocket(client, True).send("x")
    assert backend.accepted[0].read_until(b"\n") == b"x\n"


def test_unix_sockets_have_no_name(lab):
    server = Server(lab, listen="--listen=ws+unix://" + lab.path("l"))
    for host in ("localhost", "anything", "attacker.example:1"):
        server.serves(upgrade(host))
    server.refuses(upgrade(Origin=EVIL), 403)


def test_never(lab):
    server = Server(lab, "--listen-check-origin=never")
    server.serves(upgrade("attacker.example", Origin=EVIL))


# in front of HTTP

@pytest.mark.parametrize("kind", ["ws", "ws+unix"])
def test_a_server_of_http_decides_itself(lab, kind):
    front = Front(lab, kind=kind)
    for make in (upgrade, plain):
        _, server, head = front.ask(make("attacker.example", Origin=EVIL, Authorization="Bearer x"))
        assert head.get("Host") == "attacker.example" and head.get("Origin") == EVIL
        assert head.get("Authorization") == "Bearer x"
        server.close()


@pytest.mark.parametrize("make", [upgrade, plain])
def test_always(lab, make):
    front = Front(lab, "--listen-check-origin=always", "--listen-allow-origin=http://a")
    for request, status in ((make(Origin=EVIL), 403), (make("attacker.example"), 421)):
        client = front.connect()
        client.write(request)
        assert read_head(client).status == status
    _, _, head = front.ask(make(Origin="http://a"))  # the first that comes
    assert head.get("Origin") == "http://a"
    assert "http_exchanges" not in front.counters() or make is plain


# tokens

@pytest.fixture
def token(lab):
    path = lab.write("token", "s3cret-token\n")
    os.chmod(path, 0o600)
    return path


@pytest.mark.parametrize("make", [upgrade, plain])
@pytest.mark.parametrize("kind", ["ws", "ws+unix"])
def test_token_is_needed_and_kept(lab, token, make, kind):
    front = Front(lab, "--listen-token-file", token, kind=kind)
    for fields in ({}, {"Authorization": "Bearer s3cret-tokem"}, {"Authorization": "s3cret-token"},
                   {"Authorization": "Basic s3cret-token"}, {"Cookie": "Bearer s3cret-token"}):
        client = front.connect()
        client.write(make(**fields))
        head = read_head(client)
        assert head.status == 401 and head.get("WWW-Authenticate") == "Bearer"
        client.read_all()
    _, server, head = front.ask(make(Authorization="bearer  s3cret-token", X_Kept="y"))
    assert head.get("Authorization") is None and head.get("X-Kept") == "y"
    assert b"s3cret" not in head.text
    assert front.counters()["tokens_refused"] == 5
    assert "s3cret" not in "\n".join(front.sidespan.lines)


def test_token_for_a_command(lab, token):
    server = Server(lab, "--listen-token-file", token)
    server.refuses(upgrade(), 401)
    server.refuses(plain(), 401)
    server.refuses(upgrade(Authorization="Bearer s3cret-token", Origin=EVIL), 403)
    assert server.starts_nothing()
    server.serves(upgrade(Authorization="Bearer s3cret-token"))


def test_token_of_the_server_is_the_servers(lab):
    """Without a token of ours the field is none of our business."""
    front = Front(lab)
    client, server, head = front.ask(upgrade(Authorization="Bearer theirs"))
    assert head.get("Authorization") == "Bearer theirs"
    server.write(upgrade_reply(head.get("Sec-WebSocket-Key")))
    assert read_head(client).status == 101


@pytest.mark.parametrize("check", [[], ["--check"]])
def test_token_that_is_none_ends_us(lab, check):
    for text, why in (("", "it is empty"), ("a b", "it has a blank"), ("x" * 5000, "too long")):
        path = lab.write("token", text)
        sidespan = lab.sidespan(*check, LISTEN, "--listen-token-file", path, "--", "cat")
        assert sidespan.wait() == 2
        assert len(sidespan.log("error")) == 1 and why in sidespan.log("error")[0]
    sidespan = lab.sidespan(*check, LISTEN, "--listen-token-file", "/nowhere/t", "--", "cat")
    assert sidespan.wait() == 2


def test_token_that_all_can_read_is_warned_about(lab, token):
    os.chmod(token, 0o644)
    server = Server(lab, "--listen-token-file", token)
    assert len([line for line in server.sidespan.log("warn") if "everybody" in line]) == 1
    server.serves(upgrade(Authorization="Bearer s3cret-token"))
