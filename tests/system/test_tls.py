"""TLS: the same as without it, on either side; who is trusted; certificates that change; endings."""

import contextlib
import http.client
import http.server
import json
import signal
import ssl
import threading
import warnings

import pytest

from lib.lab import TLS, address_of, bridged
from lib.peer import Lines
from lib.stream import connect
from lib.tls import certificates, openssl
from lib.wait import PATIENCE, Background, until

SIDES = [("wss", "ws"), ("ws", "wss"), ("wss", "wss"), ("tls+tcp", "tcp"), ("tcp", "tls+tcp"), ("tls+tcp", "tls+tcp"),
         ("wss", "tls+tcp"), ("tls+tcp", "wss"), ("tls+tcp", "stdio"), ("stdio", "tls+tcp"), ("stdio", "wss"),
         ("wss", "stdio")]
HALF = [("tls+tcp", "tls+tcp"), ("tls+tcp", "tcp"), ("tcp", "tls+tcp"), ("tls+tcp", "stdio")]


def stopped(sidespan):
    """The counters at the end."""
    sidespan.stop()
    return sidespan.accounting("traffic")


# what passes

@pytest.mark.parametrize("listen,upstream", SIDES)
def test_messages_pass(lab, listen, upstream):
    link = lab.link(listen, upstream, profile="generic")
    for number, size in enumerate([1, 100, 16300, 16384, 16385, 70000, 1500000]):
        text = json.dumps({"id": number, "method": "m", "params": "x" * size}).encode()
        answer = b'{"id":%d,"result":"%s"}' % (number, b"y" * size)
        assert link.call(text) == text
        link.server.send(answer)
        assert link.client.recv() == answer


@pytest.mark.parametrize("listen,upstream", [pair for pair in SIDES if "stdio" not in pair])
def test_requests_have_spans(lab, listen, upstream):
    link = lab.traced(listen, upstream)
    link.call('{"id":1,"method":"thread/list"}', '{"id":1,"result":{}}')
    link.collector.wait_spans(1)
    span = link.collector.span("thread/list")
    assert span.attributes["rpc.transport"] == ("websocket" if listen in ("ws", "wss") else "tcp")


@pytest.mark.parametrize("listen,upstream", HALF)
def test_half_closed_stream_still_gets_answers(lab, listen, upstream):
    """By close_notify, which is of one direction (RFC 8446, 6.1)."""
    link = lab.link(listen, upstream)
    link.client.send('{"id":1,"method":"thread/list"}')
    link.client.close_write()
    assert json.loads(link.server.recv())["id"] == 1
    link.server.expect_eof()
    link.server.send('{"id":1,"result":{}}')
    assert link.client.recv() == b'{"id":1,"result":{}}'
    link.puppet.exit(0) if link.puppet else link.server.close()
    link.client.expect_eof()
    assert not link.sidespan.log("warn")


@pytest.mark.parametrize("listen,upstream", [("tls+tcp", "tls+tcp"), ("wss", "wss")])
def test_a_peer_that_does_not_read_stops_its_counterpart(lab, listen, upstream):
    link = lab.link(listen, upstream, profile="generic")
    messages = [json.dumps({"method": "note", "params": {"number": number, "text": "z" * 30000}}) for number in range(400)]
    frames = b"".join(link.server.frame(message) for message in messages)
    sent = link.server.stream.send_some(frames, 0.5)
    assert sent < len(frames)
    rest = Background(link.server.stream.write, frames[sent:])
    assert [link.client.recv() for _ in messages] == [message.encode() for message in messages]
    rest.result()


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": asked["params"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("listen,upstream", [("https", "https"), ("https", "http"), ("http", "https")])
def test_http_requests_of_one_connection(lab, listen, upstream):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    if upstream == "https":
        server.socket = certificates().server().wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    certificate, key = certificates().pair("server")
    collector = lab.collector()
    sidespan = lab.sidespan(f"--listen={listen}://127.0.0.1:0", f"--upstream={upstream}://127.0.0.1:{server.server_port}",
                            *["--tls-certificate=" + certificate, "--tls-key=" + key] * (listen == "https"),
                            *["--tls-upstream-ca=" + certificates().path("ca.pem")] * (upstream == "https"),
                            "--profile=generic", collector=collector)
    host, port = address_of(sidespan.url())
    client = http.client.HTTPSConnection(host, port, context=certificates().client()) if listen == "https" else \
        http.client.HTTPConnection(host, port)
    for number in range(20):
        params = ["v" * number * 3000]
        client.request("POST", "/", json.dumps({"jsonrpc": "2.0", "id": number, "method": "m", "params": params}),
                       {"Content-Type": "application/json"})
        assert json.loads(client.getresponse().read())["result"] == params
    client.close()
    collector.wait_spans(20)
    assert stopped(sidespan)["connections"] == 1
    server.shutdown()
    server.server_close()


def test_a_secret_is_not_sent_in_the_clear(lab):
    """What arrives at the server's socket is no JSON."""
    backend = lab.backend("tcp")
    sidespan = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + backend.url.replace("tcp", "tls+tcp"),
                            "--tls-upstream-ca=" + certificates().path("ca.pem"))
    client = lab.keep(Lines(connect(address_of(sidespan.url()))))
    client.send('{"id":1,"method":"secret"}')
    first = backend.accept().read_exactly(3)
    assert first[:2] == b"\x16\x03"  # a handshake record (RFC 8446, 5.1)


# who is trusted

def failing(lab, url, *args, kind="ws"):
    """A client before a server that is not to be trusted: (sidespan, what is read by it)."""
    sidespan = lab.sidespan(f"--listen={kind}://127.0.0.1:0", "--upstream=" + url, *args)
    stream = lab.keep(connect(address_of(sidespan.url())))
    stream.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
                 if kind == "ws" else b'{"id":1,"method":"m"}\n')
    return sidespan, stream


SERVERS = {
    "expired": ({"days": -1}, ["ca"], "certificate has expired"),
    "elsewhere": ({"names": "DNS:other.example"}, ["ca"], "IP address mismatch"),
    "unknown": ({}, [], "unable to get local issuer certificate"),
}


@pytest.mark.parametrize("kind", ["ws", "tcp"])
@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_is_not_trusted(lab, name, kind):
    options, trusted, reason = SERVERS[name]
    backend = lab.backend("wss" if kind == "ws" else "tls+tcp", tls=certificates().server(name, **options))
    args = ["--tls-upstream-ca=" + certificates().path("ca.pem")] if trusted else []
    sidespan, stream = failing(lab, backend.url, *args, kind=kind)
    server = backend.accept()
    assert stream.read_all().startswith(b"HTTP/1.1 502 " if kind == "ws" else b"")
    server.bridge.agreed.wait(10)
    server.expect_eof()  # nothing was sent to it
    assert stopped(sidespan)["tls_failed"] == 1
    assert len([line for line in sidespan.lines if reason in line]) == 1, sidespan.lines


def test_a_server_of_another_name(lab):
    """tls.server_name is what its certificate is for, and what it is asked for (RFC 6066, 3)."""
    asked = []
    context = certificates().server("named", names="DNS:server.example")
    context.sni_callback = lambda tls, name, _: asked.append(name)
    backend = lab.backend("tls+tcp", tls=context)
    sidespan = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + backend.url, "--tls-server-name=server.example",
                            "--tls-upstream-ca=" + certificates().path("ca.pem"))
    client = lab.keep(Lines(connect(address_of(sidespan.url()))))
    client.send('{"id":1,"method":"m"}')
    assert json.loads(backend.accept_peer().recv())["id"] == 1
    assert asked == ["server.example"]


def test_a_server_that_has_another_name(lab):
    backend = lab.backend("tls+tcp", tls=certificates().server("named", names="DNS:server.example"))
    sidespan, stream = failing(lab, backend.url, "--tls-server-name=other.example",
                               "--tls-upstream-ca=" + certificates().path("ca.pem"), kind="tcp")
    backend.accept().expect_eof()
    stream.expect_eof()
    sidespan.wait_line("cannot reach tls.tcp://.*: hostname mismatch")


@pytest.mark.parametrize("version,may", [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_versions(lab, version, may):
    link = lab.link("tls+tcp", "tcp", dial=False)
    context = certificates().client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    context.set_ciphers("ALL:@SECLEVEL=0")
    stream = lab.keep(link.connect(context))
    if may:
        stream.write(b'{"id":1,"method":"m"}\n')
        assert json.loads(link.backend.accept_peer().recv())["id"] == 1
    else:
        stream.read_all()
        link.sidespan.wait_line("TLS with the client: unsupported protocol")


def test_our_certificate_for_the_server(lab):
    certificate, key = certificates().pair("us", subject="/CN=us", names="DNS:us")
    backend = lab.backend("tls+tcp", tls=certificates().server(ask=True))
    sidespan = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + backend.url,
                            "--tls-upstream-ca=" + certificates().path("ca.pem"),
                            "--tls-upstream-certificate=" + certificate, "--tls-upstream-key=" + key)
    client = lab.keep(Lines(connect(address_of(sidespan.url()))))
    client.send('{"id":1,"method":"m"}')
    server = backend.accept_peer()
    assert json.loads(server.recv())["id"] == 1
    assert server.stream.bridge.tls.getpeercert()["subject"] == ((("commonName", "us"),),)


def test_clients_with_a_certificate(lab):
    """Others are refused; who it was stands in the spans if that is asked for."""
    link = lab.link("tls+tcp", "tcp", collector=lab.collector(), args=[
        "--tls-client-ca=" + certificates().path("ca.pem"), "--tls-client-subject"], dial=False)
    refused = link.connect(certificates().client())
    with contextlib.suppress(OSError):  # which it may learn before it has said anything
        refused.write(b'{"id":1,"method":"thread/list"}\n')
    refused.read_all()
    link.sidespan.wait_line("TLS with the client: peer did not return a certificate")
    client = Lines(lab.keep(link.connect(certificates().client("alice"))))
    client.send('{"id":2,"method":"thread/list"}')
    server = link.backend.accept_peer()
    assert json.loads(server.recv())["id"] == 2
    server.send('{"id":2,"result":{}}')
    link.collector.wait_spans(1)
    assert link.collector.span("thread/list").attributes["tls.client.subject"] == "CN=alice,O=Clients"


@pytest.mark.parametrize("args,may", [([], False), (["client-ca"], True), (["token"], True), (["--allow-remote"], True)])
@pytest.mark.parametrize("kind", ["wss", "ws"])
def test_who_may_listen_for_other_machines(lab, kind, args, may):
    certificate, key = certificates().pair("server")
    given = {"client-ca": "--tls-client-ca=" + certificates().path("ca.pem"),
             "token": "--listen-token-file=" + lab.write("token", "t0k3n")}
    args = [given.get(arg, arg) for arg in args]
    if kind == "wss":
        args += ["--tls-certificate=" + certificate, "--tls-key=" + key]
    elif args and "client-ca" in args[0]:
        may = False  # nobody is asked for one without TLS
    sidespan = lab.sidespan(f"--listen={kind}://0.0.0.0:0", "--upstream=tcp://127.0.0.1:1", *args)
    if may:
        sidespan.url()
        return
    assert sidespan.wait() == 2
    assert "other machines could use the server" in sidespan.lines[-1]


# certificates that change

def serial(stream):
    assert stream.bridge.agreed.wait(3 * PATIENCE) and stream.bridge.error is None, stream.bridge.error
    return stream.bridge.tls.getpeercert()["serialNumber"]


@pytest.mark.parametrize("hangup", [False, True])
def test_a_changed_certificate(lab, hangup):
    """For new connections; those there are go on. What cannot be used is not."""
    files = [lab.write("own.pem", open(certificates().pair("server")[0]).read()),
             lab.write("own.key", open(certificates().pair("server")[1]).read())]
    backend = lab.backend("tcp")
    sidespan = lab.sidespan("--listen=tls+tcp://127.0.0.1:0", "--upstream=" + backend.url, "--tls-certificate=" + files[0],
                            "--tls-key=" + files[1])

    def dial():
        return lab.keep(bridged(connect(address_of(sidespan.url())).sock, certificates().client(), "localhost"))

    first = dial()
    before = serial(first)
    for file, source in zip(files, certificates().pair("next")):
        with open(source) as new, open(file, "w") as old:
            old.write(new.read())
    if hangup:
        sidespan.signal(signal.SIGHUP)
        sidespan.wait_line("the certificate has changed and is used from now on")
        assert serial(dial()) != before
    else:
        until(lambda: serial(dial()) != before, "the new certificate")
    after = serial(dial())
    with open(files[1], "w") as old:
        old.write("no key")
    sidespan.signal(signal.SIGHUP)
    sidespan.wait_line("the changed certificate is not used: .*own.key: it has no private key in PEM form")
    assert serial(dial()) == after
    first.write(b'{"id":1,"method":"m"}\n')
    assert json.loads(Lines(backend.accept()).recv())["id"] == 1


def test_changed_files_for_the_server(lab):
    """At a hangup: who is shown to the server, in new connections; what cannot be used is not."""
    files = [lab.write("own.pem", open(certificates().pair("us")[0]).read()),
             lab.write("own.key", open(certificates().pair("us")[1]).read())]
    backend = lab.backend("tls+tcp", tls=certificates().server(ask=True))
    sidespan = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + backend.url,
                            "--tls-upstream-ca=" + certificates().path("ca.pem"),
                            "--tls-upstream-certificate=" + files[0], "--tls-upstream-key=" + files[1])

    def shown():
        client = lab.keep(Lines(connect(address_of(sidespan.url()))))
        client.send('{"id":1,"method":"m"}')
        server = backend.accept_peer()
        assert json.loads(server.recv())["id"] == 1
        return serial(server.stream)

    before = shown()
    for file, source in zip(files, certificates().pair("next")):
        with open(source) as new, open(file, "w") as old:
            old.write(new.read())
    sidespan.signal(signal.SIGHUP)
    sidespan.wait_line("tls.upstream files have changed and are used from now on")
    after = shown()
    assert after != before
    with open(files[1], "w") as old:
        old.write("no key")
    sidespan.signal(signal.SIGHUP)
    sidespan.wait_line("the changed tls.upstream files are not used: .*own.key: it has no private key in PEM form")
    assert shown() == after


# what is no TLS, or not all of it

@pytest.mark.parametrize("kind", TLS)
@pytest.mark.parametrize("said,reason", [(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http request"),
                                         (b'{"jsonrpc":"2.0","id":1,"method":"initialize"}\n', "wrong version number"),
                                         (b"\x16\x03\x01\x00", "it was cut off in the handshake")])
def test_who_speaks_no_tls(lab, kind, said, reason):
    link = lab.link(kind, "tcp", dial=False)
    stream = lab.keep(connect(address_of(link.url)))
    stream.write(said)
    stream.close_write()
    stream.read_all()
    link.sidespan.wait_line("warn: connection 0: TLS with the client: " + reason)
    assert stopped(link.sidespan)["tls_failed"] == 1


@pytest.mark.parametrize("kind", TLS)
def test_who_says_nothing(lab, kind):
    link = lab.link(kind, "tcp", args=["--handshake-timeout=300ms"], dial=False)
    stream = lab.keep(connect(address_of(link.url)))
    stream.expect_eof()
    link.sidespan.wait_line("TLS with the client: no handshake within handshake.timeout|closed: no upgrade")


def test_a_server_that_says_nothing(lab):
    backend = lab.backend("tcp")
    sidespan, stream = failing(lab, backend.url.replace("tcp", "wss"), "--handshake-timeout=300ms")
    backend.accept()
    assert stream.read_all().startswith(b"HTTP/1.1 50")
    sidespan.wait_line("no handshake within handshake.timeout|did not answer")


@pytest.mark.parametrize("end", ["client", "server"])
def test_a_connection_that_is_cut_off(lab, end):
    """What came before is passed on; the end without close_notify is said and counted."""
    link = lab.link("tls+tcp", "tls+tcp")
    cut, other = (link.client, link.server) if end == "client" else (link.server, link.client)
    cut.send('{"method":"note"}')
    assert other.recv() == b'{"method":"note"}'
    cut.stream.bridge.cut = True
    cut.close_write()
    other.expect_eof()
    other.close()
    link.sidespan.wait_line(f"TLS with the {end}: it was cut off, without close_notify")
    assert stopped(link.sidespan)["tls_broken"] == 1


@pytest.mark.parametrize("said,told", [(b"", False), (b"GET / HT", True),
                                       (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf", True)])
def test_a_client_of_http_that_is_cut_off(lab, said, told):
    """Between requests it is how most of them end (RFC 9112, 9.8); inside of one it is said and counted."""
    link = lab.link("wss", "ws", dial=False)
    stream = lab.keep(link.connect())
    stream.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    server = link.backend.accept()
    server.read_until(b"\r\n\r\n")
    server.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert stream.read_until(b"ok").startswith(b"HTTP/1.1 200 OK")
    stream.write(said)
    stream.bridge.cut = True
    stream.close_write()
    stream.read_all()
    if told:
        link.sidespan.wait_line("warn: connection 0: TLS with the client: it was cut off, without close_notify")
    assert stopped(link.sidespan).get("tls_broken", 0) == told
    assert any("TLS with" in line for line in link.sidespan.lines) == told


@pytest.mark.parametrize("fields", [b"Content-Length: 100\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_an_answer_that_is_cut_off(lab, fields):
    """Also one that has no length: without close_notify nobody knows whether all of it has come."""
    link = lab.link("ws", "wss", dial=False)
    stream = lab.keep(link.connect())
    stream.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    server = link.backend.accept()
    server.read_until(b"\r\n\r\n")
    server.write(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n4\r\nhalf")
    assert stream.read_until(b"half").startswith(b"HTTP/1.1 200 OK")
    server.bridge.cut = True
    server.close_write()
    assert stream.read_all() == b""
    link.sidespan.wait_line("warn: connection 0: TLS with the server: it was cut off, without close_notify")
    assert stopped(link.sidespan)["tls_broken"] == 1


def test_http_is_agreed_on_and_nothing_else(lab):
    link = lab.link("wss", "tcp", dial=False)
    for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["http/1.0", "http/1.1"], "http/1.1"),
                            (["http/1.0"], "http/1.0")):
        context = certificates().client()
        context.set_alpn_protocols(offered)
        stream = lab.keep(link.connect(context))
        assert stream.bridge.agreed.wait(10) and stream.bridge.tls.selected_alpn_protocol() == chosen
    context = certificates().client()
    context.set_alpn_protocols(["h2"])
    lab.keep(link.connect(context)).read_all()
    link.sidespan.wait_line("TLS with the client: no application protocol")


# what a start refuses, so does a check

WRONG = {
    "no certificate": (["--listen=wss://127.0.0.1:0"], "TLS needs a certificate"),
    "no key": (["--listen=wss://127.0.0.1:0", "--tls-certificate=CERT"], "must stand with the file of its key"),
    "another's key": (["--listen=wss://127.0.0.1:0", "--tls-certificate=CERT", "--tls-key=OTHER"],
                      "--tls-key: .* it is not the key of the certificate"),
    "a passphrase": (["--listen=wss://127.0.0.1:0", "--tls-certificate=CERT", "--tls-key=LOCKED"],
                     "--tls-key: .*: it has a passphrase; must be a key without one"),
    "no PEM": (["--listen=wss://127.0.0.1:0", "--tls-certificate=KEY", "--tls-key=KEY"],
               "--tls-certificate: .*: it has no certificate in PEM form"),
    "not there": (["--upstream=wss://127.0.0.1:1", "--tls-upstream-ca=/no/such"], "--tls-upstream-ca: .*No such file"),
}


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("what", WRONG)
def test_what_a_start_refuses(lab, what, check):
    args, reason = WRONG[what]
    certificate, key = certificates().pair("server")
    locked = lab.path("locked")
    openssl("ec", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked)
    files = {"CERT": certificate, "KEY": key, "OTHER": certificates().pair("next")[1], "LOCKED": locked}
    args = [arg.split("=")[0] + "=" + files[arg.split("=")[1]] if arg.split("=")[1] in files else arg for arg in args]
    if not any(arg.startswith("--upstream") for arg in args):
        args += ["--upstream=tcp://127.0.0.1:1"]
    sidespan = lab.sidespan(*args, *["--check"] * check)
    assert sidespan.wait() == 2
    assert len(sidespan.lines) == 1
    sidespan.wait_line(reason)
