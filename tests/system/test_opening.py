"""The first moments of a connection: what starts a command, what ends a connection at once."""

import os
import re
import socket

import pytest

from lib.lab import address_of
from lib.peer import Lines
from lib.stream import connect
from lib.wait import until

REQUEST = b'{"id":1,"method":"thread/list","params":{}}'
CROSS_SITE = (b"POST / HTTP/1.1\r\nHost: 127.0.0.1:4501\r\nOrigin: https://attacker.example\r\n"
              b"Content-Type: text/plain\r\nContent-Length: 44\r\n\r\n" + REQUEST + b"\n")
SETTLED = b"POST / HTTP/1"  # the shortest part of it by which it is clear


def listening(lab, kind, *args):
    """In front of a command; what it was given stands in a file that it makes when it starts."""
    path = lab.path("started")
    program = lab.sidespan("--listen=" + lab.listen_url(kind), *args, "--",
                           "sh", "-c", f"cat >{path}.new; mv {path}.new {path}")
    return program, path


def client_of(lab, program):
    return lab.keep(connect(address_of(program.url())))


def started(path):
    return os.path.exists(path) or os.path.exists(path + ".new")


# HTTP where lines are spoken

@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("step", [1, 1000])
def test_http_request_starts_no_command(lab, kind, step):
    program, path = listening(lab, kind)
    client = client_of(lab, program)
    client.write_pieces(CROSS_SITE if step > 1 else SETTLED, iter([step] * len(CROSS_SITE)))
    client.expect_eof()
    assert program.stop() == 0
    assert program.log("warn") == ["connection 0: closed: an HTTP request where no HTTP is spoken"]
    assert not started(path)
    assert " http_refused=1" in program.log("info")[-1]
    assert [line for line in program.log() if "connection 0" in line] == program.log("warn")


@pytest.mark.parametrize("step", [1, 1000])
def test_http_request_does_not_reach_a_server(lab, step):
    backend = lab.backend("tcp")
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + backend.url)
    client = client_of(lab, program)
    server = backend.accept()
    client.write_pieces(CROSS_SITE if step > 1 else SETTLED, iter([step] * len(CROSS_SITE)))
    server.expect_eof()
    client.expect_eof()
    link = Lines(client_of(lab, program))
    link.send(REQUEST)
    assert backend.accept_peer().recv() == REQUEST


# when a command is started

@pytest.mark.parametrize("kind", ["tcp", "unix", "ws"])
def test_bare_connections_start_no_command(lab, kind):
    program, path = listening(lab, kind)
    for _ in range(30):
        client_of(lab, program).close()
    if kind != "ws":
        last = client_of(lab, program)
        last.write(REQUEST + b"\n")
        last.close_write()
        until(lambda: os.path.exists(path), "the one that was asked for")
        assert open(path, "rb").read() == REQUEST + b"\n"
    assert program.stop() == 0
    assert started(path) == (kind != "ws")


def test_first_byte_starts_the_command(lab):
    link_args = ["--listen=tcp://127.0.0.1:0", "--", *lab.puppets.command()]
    program = lab.sidespan(*link_args)
    client = client_of(lab, program)
    with pytest.raises(AssertionError, match="no puppet"):
        lab.puppets.accept(0.3)
    client.write(b"{")
    server = lab.puppets.accept(0.6).peer
    client.write(REQUEST[1:] + b"\n")
    assert server.recv() == REQUEST


def test_command_that_speaks_first(lab):
    """It is started after a second without a word."""
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--", *lab.puppets.command())
    client = Lines(client_of(lab, program))
    server = lab.puppets.accept().peer
    server.send('{"method":"welcome"}')
    assert client.recv() == b'{"method":"welcome"}'
    client.send(REQUEST)
    assert server.recv() == REQUEST


def test_what_may_be_http_is_held_until_it_is_clear(lab):
    """Nothing is lost, the command runs meanwhile and may speak."""
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--", *lab.puppets.command())
    client = client_of(lab, program)
    client.write(b"GET / HT")
    server = lab.puppets.accept().peer
    server.send('{"method":"welcome"}')
    assert Lines(client).recv() == b'{"method":"welcome"}'
    client.write(b"ML\n" + REQUEST + b"\n")
    assert server.recv() == b"GET / HTML"
    assert server.recv() == REQUEST


# silence

@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_silent_client_of_http_is_closed(lab, scheme):
    """Not only after handshake.timeout, which is for a request that has begun."""
    backend = lab.backend("ws")
    program = lab.sidespan("--listen=" + scheme + "://127.0.0.1:0", "--upstream=" + backend.url,
                           "--first-byte-timeout=100ms", "--handshake-timeout=1h")
    client_of(lab, program).expect_eof()
    program.wait_line("connection 0: closed: nobody said anything within first_byte.timeout")
    assert program.stop() == 0
    assert " connections_silent=1" in program.log("info")[-1]


def test_silent_connection_is_closed(lab):
    backend = lab.backend("tcp")
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + backend.url,
                           "--first-byte-timeout=100ms")
    silent = client_of(lab, program)
    backend.accept()
    talking, server = Lines(client_of(lab, program)), None
    talking.send(REQUEST)
    server = backend.accept_peer()
    assert server.recv() == REQUEST
    silent.expect_eof()
    server.send('{"id":1,"result":1}')
    assert talking.recv() == b'{"id":1,"result":1}'
    program.wait_line("connection 0: closed: nobody said anything within first_byte.timeout")
    talking.close()
    server.close()
    assert program.stop() == 0
    assert " connections_silent=1" in program.log("info")[-1]


@pytest.mark.parametrize("kind", ["tcp", "ws"])
def test_idle_connection_is_closed(lab, kind):
    link = lab.link(kind, "tcp", args=["--idle-timeout=100ms"])
    link.call(REQUEST, '{"id":1,"result":1}')
    if kind == "ws":
        assert link.client.recv_end()[0] == 1001
    else:
        link.client.expect_eof()
    link.server.expect_eof()
    link.sidespan.wait_line("connection 0: closed: idle for idle.timeout")
    assert link.sidespan.stop() == 0
    assert " connections_idle=1" in link.sidespan.log("info")[-1]


# how many, and who

def test_default_of_connections(lab):
    """Where each has a process of its own, fewer are enough; unless somebody says otherwise."""
    def limit(*args):
        program = lab.sidespan("--check", *args)
        text = lab.keep(program.peer()).stream.read_all().decode()
        assert program.wait() == 0, program.lines
        return re.search(r"^connections.max +(\d+) ", text, re.M)[1]

    listen, command = "--listen=tcp://127.0.0.1:0", ["--", "cat"]
    assert limit(listen, "--upstream=tcp://127.0.0.1:1") == "10000"
    assert limit(listen, *command) == "64"
    assert limit(*command) == "10000"
    assert limit(listen, "--connections-max=65", *command) == "65"
    path = lab.write("c.json", '{"connections.max": 10000}')
    assert limit(listen, "--config", path, *command) == "10000"


def test_commands_that_outlive_their_clients_count(lab):
    """No more processes than connections.max, however fast clients come and go."""
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--connections-max=2",
                           "--child-grace=10s", "--", *lab.puppets.command())
    puppets = []
    for _ in range(2):
        client = client_of(lab, program)
        client.write(REQUEST + b"\n")
        puppets.append(lab.puppets.accept())
        assert puppets[-1].peer.recv() == REQUEST
        client.close()
        puppets[-1].peer.expect_eof()  # it stays all the same
    third = client_of(lab, program)
    third.write(REQUEST + b"\n")
    program.wait_line("accepting pauses: connections.max is reached")
    with pytest.raises(AssertionError, match="no puppet"):
        lab.puppets.accept(0.3)
    puppets[0].exit(0)
    assert lab.puppets.accept().peer.recv() == REQUEST
    puppets[1].exit(0)


@pytest.mark.parametrize("kind", ["unix", "ws+unix"])
def test_log_says_who_came_to_a_unix_socket(lab, kind):
    link = lab.link(kind)
    link.sidespan.wait_line(
        f"info: connection 0: open: process {os.getpid()} of user {os.getuid()}$")


def test_connections_of_one_address(lab):
    backend = lab.backend("tcp")
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + backend.url,
                           "--connections-max-per-source=2")
    address = address_of(program.url())
    mine = [client_of(lab, program) for _ in range(2)]
    servers = [backend.accept() for _ in mine]
    client_of(lab, program).expect_eof()
    program.wait_line("warn: connections.max_per_source is reached: a connection of 127.0.0.1 was")
    other = lab.keep(socket.create_connection(address, source_address=("127.0.0.2", 0)))
    servers.append(backend.accept())
    mine[0].close()
    servers[0].expect_eof()
    servers[0].close()
    until(lambda: any("connection 0: closed" in line for line in program.lines), "its end")
    client = Lines(client_of(lab, program))
    client.send(REQUEST)
    assert backend.accept_peer().recv() == REQUEST
    other.close()
    assert program.stop() == 0
    assert " connections_over_source=1" in program.log("info")[-1]
