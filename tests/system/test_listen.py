"""--listen and --upstream: every way in joined to every way out; sockets, addresses, failures."""

import json
import os
import signal
import socket
import stat
import time

import pytest

from lib.lab import KINDS, SOCKETS, address_of
from lib.peer import Dialing, Lines, read_head, serve_upgrade, upgrade_request
from lib.stream import Stream, connect, has_ipv6
from lib.wait import Background, until

REQUEST = '{"id":1,"method":"thread/list","params":{"text":"grüße"}}'
PAIRS = [(listen, upstream) for listen in KINDS for upstream in KINDS]


def one_error(program, status):
    """The program refuses to start with one line that says why."""
    assert program.wait() == status, program.lines
    assert len(program.lines) == 1, program.lines
    line, = program.log("error")
    return line


# every pair of ends

@pytest.mark.parametrize("listen,upstream", PAIRS)
def test_messages_pass(lab, listen, upstream):
    link = lab.link(listen, upstream, profile="generic")
    for number in range(20):
        text = json.dumps({"id": number, "method": "m", "params": "x" * number * 500}).encode()
        assert link.call(text) == text
        link.server.send(b'{"id":%d,"result":"yes"}' % number)
        assert link.client.recv() == b'{"id":%d,"result":"yes"}' % number
    link.server.send('{"method":"note"}')
    assert link.client.recv() == b'{"method":"note"}'


@pytest.mark.parametrize("listen,upstream", PAIRS)
def test_end_of_the_client_reaches_the_server(lab, listen, upstream):
    """At once, as nothing is due; see test_gone.py for what is."""
    link = lab.link(listen, upstream, args=["--child-grace=1h"])
    link.call(REQUEST, '{"id":1,"result":{}}')
    link.client.close()
    expect_end(link.server)
    if upstream == "stdio":
        link.puppet.exit(0)
    if listen != "stdio":
        link.server.close()
        link.sidespan.wait_line("connection 0: closed: (the client went away|both sides ended)")


@pytest.mark.parametrize("listen,upstream", PAIRS)
def test_end_of_the_server_reaches_the_client(lab, listen, upstream):
    link = lab.link(listen, upstream)
    link.call(REQUEST)
    link.puppet.exit(0) if link.puppet else link.server.close()
    expect_end(link.client)
    if listen == "stdio":
        link.sidespan.wait()
    else:
        assert link.sidespan.running()


def expect_end(peer):
    if isinstance(peer, Lines):
        peer.expect_eof()
    else:
        peer.recv_end()


@pytest.mark.parametrize("listen,upstream", [("tcp", "tcp"), ("unix", "tcp"), ("tcp", "unix"),
                                             ("stdio", "tcp"), ("stdio", "unix"),
                                             ("tcp", "stdio"), ("unix", "stdio")])
def test_half_closed_stream_still_gets_answers(lab, listen, upstream):
    link = lab.link(listen, upstream)
    link.call(REQUEST)
    link.client.close_write()
    link.server.expect_eof()
    answering = Background(answer, link)
    for number in range(100):
        assert link.client.recv_json()["id"] == number
    link.client.expect_eof()
    answering.result()


def answer(link):
    for number in range(100):
        link.server.send({"id": number, "result": "x" * 1000})
    link.puppet.exit(0) if link.puppet else link.server.close()


@pytest.mark.parametrize("kind", SOCKETS)
def test_conversations_do_not_mix(lab, kind):
    link = lab.link(kind)
    pairs = [(link.client, link.server)] + [link.open() for _ in range(9)]
    for number, (client, _) in enumerate(pairs):
        client.send({"id": 1, "method": f"from {number}"})
    for number, (client, server) in enumerate(pairs):
        assert server.recv_json()["method"] == f"from {number}"
        server.send({"id": 1, "result": number})
    for number, (client, _) in enumerate(pairs):
        assert client.recv_json()["result"] == number
    pairs[3][0].close()
    expect_end(pairs[3][1])
    link.call(REQUEST, '{"id":1,"result":1}')


@pytest.mark.parametrize("listen", SOCKETS)
def test_each_connection_has_its_own_command(lab, listen):
    link = lab.link(listen, "stdio")
    first = link.puppet
    client, server = link.open()
    second = link.puppet
    assert first.pid != second.pid
    first.exit(3)
    expect_end(link.client)
    link.call(REQUEST, '{"id":1,"result":1}', client, server)
    client.close()
    server.expect_eof()
    second.exit(0)
    until(lambda: link.sidespan.children() == [], "no children left")
    link.call(REQUEST, '{"id":1,"result":1}', *link.open())


def test_command_of_a_connection_is_ended_when_the_client_left(lab):
    link = lab.link("unix", "stdio", args=["--child-grace=50ms"])
    link.puppet.tell("catch", signals=[signal.SIGTERM])
    link.client.close()
    link.server.expect_eof()
    assert link.puppet.listen() == {"caught": signal.SIGTERM}
    link.puppet.wait_gone()
    assert link.sidespan.running()


def test_command_of_a_connection_that_cannot_start(lab):
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--", "/no/such/file")
    for count in (1, 2):
        Lines(lab.keep(connect(address_of(program.url())))).expect_eof()
        program.wait_line("error: .* cannot start /no/such/file: command not found", count=count)
    assert program.running()


@pytest.mark.parametrize("command", ["/no/such/file", "/dev/null"])
@pytest.mark.parametrize("listen", ["ws", "ws+unix"])
def test_command_of_an_upgrade_that_cannot_start(lab, listen, command):
    """No 101 before the command runs."""
    program = lab.sidespan("--listen=" + lab.listen_url(listen), "--", command)
    stream = lab.keep(connect(address_of(program.url())))
    stream.write(upgrade_request("dGhlIHNhbXBsZSBub25jZQ=="))
    assert read_head(stream).status == 502
    assert program.stop() == 0
    line, = program.log("error")
    assert line.startswith(f"connection 0: cannot start {command}: ")
    assert "connections_refused=1" in program.log("info")[-1]


# Unix sockets

@pytest.mark.parametrize("kind", ["unix", "ws+unix"])
def test_unix_socket_is_private_and_removed(lab, kind):
    link = lab.link(kind)
    path = address_of(link.url)
    mode = os.stat(path)
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o600
    link.finish()
    assert not os.path.exists(path)


@pytest.mark.parametrize("umask", [0, 0o777])
def test_unix_socket_is_private_whatever_the_umask(lab, umask):
    path = lab.path()
    program = lab.sidespan(f"--listen=unix://{path}", "--upstream=" + lab.backend("unix").url,
                           preexec=lambda: os.umask(umask))
    program.url()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_stale_unix_socket_is_replaced(lab):
    path = lab.path()
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    backend = lab.backend("unix")
    program = lab.sidespan(f"--listen=unix://{path}", "--upstream=" + backend.url)
    program.url()
    client = Lines(lab.keep(connect(path)))
    client.send(REQUEST)
    assert backend.accept_peer().recv() == REQUEST.encode()


def test_live_unix_socket_is_left_alone(lab):
    other = lab.backend("unix")
    path = address_of(other.url)
    program = lab.sidespan(f"--listen=unix://{path}", "--upstream=tcp://127.0.0.1:1")
    assert path in one_error(program, 1)
    lab.keep(connect(path))
    other.accept()


def test_other_files_are_left_alone(lab):
    path = lab.write("precious", "data")
    program = lab.sidespan(f"--listen=unix://{path}", "--upstream=tcp://127.0.0.1:1")
    assert path in one_error(program, 1)
    assert open(path).read() == "data"


def test_socket_of_a_successor_is_not_removed(lab):
    link = lab.link("unix")
    path = address_of(link.url)
    os.unlink(path)
    other = socket.socket(socket.AF_UNIX)
    other.bind(path)
    link.finish()
    assert os.path.exists(path)
    other.close()


def test_unix_path_too_long(lab):
    program = lab.sidespan("--listen=unix:///tmp/" + "x" * 200, "--upstream=tcp://127.0.0.1:1")
    assert program.wait() in (1, 2)
    assert len(program.lines) == 1


# addresses

@pytest.mark.parametrize("kind", ["tcp", "ws"])
def test_address_taken(lab, kind):
    other = lab.backend(kind)
    program = lab.sidespan("--listen=" + other.url, "--upstream=tcp://127.0.0.1:1")
    assert str(address_of(other.url)[1]) in one_error(program, 1)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
@pytest.mark.parametrize("kind", ["tcp", "ws"])
def test_remote_address_needs_permission(lab, kind, host):
    args = [f"--listen={kind}://{host}:0", "--upstream=tcp://127.0.0.1:1"]
    assert "allow-remote" in one_error(lab.sidespan(*args), 2).replace("_", "-")
    if host == "0.0.0.0":
        assert "127.0.0.1" not in lab.sidespan(*args, "--allow-remote").url()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3", "[::1]"])
def test_loopback_addresses(lab, host):
    if host == "[::1]" and not has_ipv6():
        pytest.skip("no IPv6 here")
    backend = lab.backend("tcp")
    program = lab.sidespan(f"--listen=tcp://{host}:0", "--upstream=" + backend.url)
    client = Lines(lab.keep(connect(address_of(program.url()))))
    client.send(REQUEST)
    assert backend.accept_peer().recv() == REQUEST.encode()


# a backend that is not there

def refusing(lab, kind):
    """A URL where nobody listens."""
    if kind.endswith("unix"):
        return f"{kind}://{lab.path()}"
    sock = lab.keep(socket.socket())
    sock.bind(("127.0.0.1", 0))
    return f"{kind}://127.0.0.1:{sock.getsockname()[1]}"


SOON = "--connect-timeout=100ms"


@pytest.mark.parametrize("listen,upstream", [("ws", "ws"), ("ws+unix", "ws+unix"), ("ws", "tcp")])
def test_no_backend_for_an_upgrade(lab, listen, upstream):
    url = refusing(lab, upstream)
    program = lab.sidespan("--listen=" + lab.listen_url(listen), "--upstream=" + url, SOON)
    for count in (1, 2):
        stream = lab.keep(connect(address_of(program.url())))
        stream.write(upgrade_request("dGhlIHNhbXBsZSBub25jZQ=="))
        assert read_head(stream).status == 502
        program.wait_line(r"error: .*cannot reach .*(refused|No such file)", count=count)
    assert program.running()


@pytest.mark.parametrize("listen,upstream", [("tcp", "tcp"), ("unix", "unix"), ("tcp", "ws")])
def test_no_backend_for_a_stream(lab, listen, upstream):
    url = refusing(lab, upstream)
    program = lab.sidespan("--listen=" + lab.listen_url(listen), "--upstream=" + url, SOON)
    for count in (1, 2):
        Lines(lab.keep(connect(address_of(program.url())))).expect_eof()
        program.wait_line(r"error: .*cannot reach .*(refused|No such file)", count=count)
    assert program.running()
    assert len([line for line in program.log("warn") if "not there yet" in line]) == 2


@pytest.mark.parametrize("upstream", SOCKETS)
def test_no_backend_for_our_own_stdin(lab, upstream):
    program = lab.sidespan("--upstream=" + refusing(lab, upstream), SOON)
    client = lab.keep(program.peer())
    client.expect_eof()
    assert program.wait() == 1
    assert len(program.log("error")) == 1


class Later:
    """A server that nobody can reach before listen()."""

    def __init__(self, lab, kind):
        self.lab = lab
        self.url = refusing(lab, kind)
        self.socket = lab.keep(socket.socket(socket.AF_UNIX)) if "unix" in kind else lab.owned[-1]

    def accept(self):
        if self.socket.family == socket.AF_UNIX:
            self.socket.bind(address_of(self.url))
        self.socket.listen()
        self.socket.settimeout(10)
        return self.lab.keep(Stream.of_socket(self.socket.accept()[0]))


@pytest.mark.parametrize("upstream", ["tcp", "unix"])
def test_backend_that_comes_later(lab, upstream):
    """What was said to nobody reaches it when it is there."""
    later = Later(lab, upstream)
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + later.url)
    client = Lines(lab.keep(connect(address_of(program.url()))))
    client.send(REQUEST)
    program.wait_line("warn: connection 0: .* is not there yet: (Connection refused|No such file)")
    server = Lines(later.accept())
    assert server.recv() == REQUEST.encode()
    server.send('{"id":1,"result":1}')
    assert client.recv() == b'{"id":1,"result":1}'
    assert program.log("error") == []


@pytest.mark.parametrize("upstream", ["ws", "ws+unix", "tcp"])
def test_backend_of_an_upgrade_that_comes_later(lab, upstream):
    later = Later(lab, upstream)
    program = lab.sidespan("--listen=ws://127.0.0.1:0", "--upstream=" + later.url)
    dialing = Dialing(lab.keep(connect(address_of(program.url()))))
    program.wait_line("warn: connection 0: .* is not there yet")
    stream = later.accept()
    server = serve_upgrade(stream)[0] if upstream.startswith("ws") else Lines(stream)
    dialing.finish().send(REQUEST)
    assert server.recv() == REQUEST.encode()


def test_name_that_is_not_known_yet(lab):
    """It need not be at the start, nor does looking it up stop anybody else."""
    name = "x" * 64 + ".test"  # longer than a label may be: no server is asked
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", f"--upstream=tcp://{name}:1",
                           "--connect-timeout=200ms")
    clients = [Lines(lab.keep(connect(address_of(program.url())))) for _ in range(3)]
    for client in clients:
        client.expect_eof()
    program.wait_line(f"error: connection 2: cannot reach tcp://{name}:1: {name}: ")
    assert program.stop() == 0


def test_backend_that_does_not_answer_the_connect(lab):
    """Its backlog is full, so the kernel drops what comes."""
    silent = lab.keep(socket.socket())
    silent.bind(("127.0.0.1", 0))
    silent.listen(0)
    lab.keep(connect(silent.getsockname()))
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--connect-timeout=300ms",
                           "--upstream=tcp://127.0.0.1:%d" % silent.getsockname()[1])
    began = time.monotonic()
    Lines(lab.keep(connect(address_of(program.url())))).expect_eof()
    assert time.monotonic() - began > 0.25
    program.wait_line("error: connection 0: cannot reach .*: Connection timed out")
    assert program.running()


def test_own_stdin_to_a_path_of_a_websocket(lab):
    backend = lab.backend("ws")
    program = lab.sidespan(f"--upstream={backend.url}/some/path?a=b")
    client = lab.keep(program.peer())
    server = backend.accept_peer()
    assert backend.head.start == b"GET /some/path?a=b HTTP/1.1"
    assert backend.head.get("Host") == backend.url.split("//")[1]
    assert backend.head.get("Sec-WebSocket-Version") == "13"
    assert backend.head.get("Origin") is None
    client.send(REQUEST)
    assert server.recv() == REQUEST.encode()
    client.close()
    server.recv_end()
    server.close()
    assert program.wait() == 0


# stopping

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_an_idle_listener(lab, number):
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=tcp://127.0.0.1:1")
    address = address_of(program.url())
    program.signal(number)
    assert program.wait(2) == 0
    with pytest.raises(ConnectionRefusedError):
        connect(address)


def test_signal_stops_a_busy_listener_in_time(lab):
    link = lab.link("unix", args=["--shutdown-drain=200ms"])
    link.call(REQUEST)
    link.sidespan.signal(signal.SIGTERM)
    link.client.expect_eof()
    assert link.sidespan.wait(3) == 0


def test_usage_without_anything_to_do(lab):
    for args in ([], ["--listen=tcp://127.0.0.1:0"],
                 ["--upstream=tcp://127.0.0.1:1", "--", "cat"], ["--"]):
        one_error(lab.sidespan(*args), 2)


@pytest.mark.parametrize("url", ["", "foo", "http://127.0.0.1:1", "tcp://127.0.0.1",
                                 "tcp://127.0.0.1:99999", "tcp://127.0.0.1:x", "unix://relative",
                                 "ws+unix://", "tcp://:1"])
@pytest.mark.parametrize("option", ["--listen", "--upstream"])
def test_bad_urls(lab, option, url):
    other = "--upstream" if option == "--listen" else "--listen"
    program = lab.sidespan(f"{option}={url}", f"{other}=tcp://127.0.0.1:0")
    assert option.strip("-") in one_error(program, 2)
