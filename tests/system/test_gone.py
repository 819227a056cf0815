"""A peer that is gone, or half gone, is noticed: every way to leave meets every kind of server.

Nothing may be left for ever, answers still due arrive where there is somebody to read them, and who
is still there is not given up.
"""

import os
import signal
import socket
import time

import pytest

from lib.flood import FLOOD, drain, fill
from lib.lab import KINDS, address_of
from lib.peer import Dialing, Lines, WebSocket
from lib.process import process_alive
from lib.stream import Stream, connect
from lib.wait import Background, until

GRACE = 0.25
ARGS = [f"--child-grace={GRACE * 1000:.0f}ms", "--child-linger=50ms", "--backlog-bytes-max=64KiB",
        "--inflight-max-age=400ms"]  # what is looked at now and then is so more often
CLIENTS = ("stdio", "tcp", "unix", "ws")
SLACK = 6  # for the machine
REQUEST = '{"id":1,"method":"thread/list"}'
ANSWER = b'{"id":1,"result":{}}'


def close(client):
    client.close()


def reset(client):
    """Or, without TCP, the order in which a dying process closes its ends, the other way round."""
    if client.stream.sock is None:
        client.stream.close_read()
    if client.stream.sock is not None and client.stream.sock.family != socket.AF_UNIX:
        client.stream.reset()
    else:
        client.close()


def half(client):
    client.close_write()


LEAVES = [(client, leave) for client in CLIENTS for leave in (close, reset)
          if (client, leave) != ("unix", reset)]  # the same


def flood(client):
    """More than a pipe and our backlog take, but not so much that the client's end is stuck."""
    client.stream.write(client.frame(FLOOD) * 150)


class Clock:
    """Bounds from both sides for what happens after a moment."""

    def __init__(self):
        self.start = time.monotonic()

    def within(self, least, most=None):
        took = time.monotonic() - self.start
        assert least - 0.02 <= took <= (least if most is None else most) + SLACK, took


def over(link):
    """The session has ended; with our own stdin and stdout, the program."""
    if link.listen == "stdio":
        return link.sidespan.wait()
    link.sidespan.wait_line("connection 0: closed")
    assert link.sidespan.running()


def gone(link):
    """The command, with the pipes that the test holds for it."""
    link.puppet.wait_gone()
    link.server.close()


def expect_end(client):
    if isinstance(client, WebSocket):
        client.recv_end()
    else:
        client.expect_eof()


# servers: what they do when the client has left; each ends, or has to be ended

def heeds(link, clock):
    """Says its last words when its input ends, and ends."""
    link.server.stream.read_all()
    try:
        link.server.send(ANSWER)
    except BrokenPipeError:
        pass
    link.puppet.exit(3)
    return 3


def ignores(link, clock):
    """Does not heed the end of its input, but SIGTERM."""
    gone(link)
    clock.within(GRACE)
    return 128 + signal.SIGTERM


def stubborn(link, clock):
    """Nor that."""
    assert link.puppet.listen() == {"caught": signal.SIGTERM}
    clock.within(GRACE)
    gone(link)
    clock.within(2 * GRACE)
    return 128 + signal.SIGKILL


def deaf(link, clock):
    """Reads nothing; much was sent to it."""
    gone(link)
    clock.within(GRACE)
    return 128 + signal.SIGTERM


def exits(link, clock):
    """Has exited before; something else holds its output open."""
    link.server.close()
    return 3


def is_killed(link, clock):
    link.server.close()
    return 128 + signal.SIGKILL


def before(link, server):
    """What a server of that kind does, and has done to it, while the client is there."""
    link.call(REQUEST)
    if server is stubborn:
        link.puppet.tell("catch", signals=[signal.SIGTERM])
    elif server is deaf:
        flood(link.client)
    elif server is exits:
        link.puppet.order("exit", status=3)
        link.puppet.wait_gone()
    elif server is is_killed:
        link.puppet.order("kill", signal=signal.SIGKILL)
        link.puppet.wait_gone()


SERVERS = [heeds, ignores, stubborn, deaf]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client,leave", LEAVES)
def test_client_leaves(lab, client, leave, server):
    link = lab.link(client, "stdio", args=ARGS)
    before(link, server)
    clock = Clock()
    leave(link.client)
    status = server(link, clock)
    assert over(link) in (None, status)


@pytest.mark.parametrize("server", [heeds, ignores, deaf, exits, is_killed])
@pytest.mark.parametrize("client,leave", LEAVES)
def test_client_that_does_not_read_leaves(lab, client, leave, server):
    """As long as it is there its messages wait for it, also when the server has ended."""
    link = lab.link(client, "stdio", args=ARGS)
    link.call(REQUEST)
    fill(link.server)
    before_leaving = {exits: dict(do="exit", status=3),
                      is_killed: dict(do="kill", signal=signal.SIGKILL)}.get(server)
    if before_leaving:
        link.puppet.order(**before_leaving)
        link.puppet.wait_gone()
        link.server.close()
    if server is deaf:
        fill(link.client)
    assert not [line for line in link.sidespan.log() if "closed" in line]
    clock = Clock()
    leave(link.client)
    status = server(link, clock)
    assert over(link) in (None, status)


@pytest.mark.parametrize("server", [ignores, stubborn, deaf])
@pytest.mark.parametrize("client", ["tcp", "unix", "ws"])
def test_client_of_a_connection_ends_its_half(lab, client, server):
    """It may have closed all: the command may be silent for child.grace, not longer."""
    link = lab.link(client, "stdio", args=ARGS)
    before(link, server)
    clock = Clock()
    half(link.client)
    server(link, clock)
    expect_end(link.client)
    over(link)


@pytest.mark.parametrize("client", ["tcp", "unix"])
def test_command_that_talks_after_the_end_is_not_ended(lab, client):
    link = lab.link(client, "stdio", args=ARGS)
    link.call(REQUEST)
    clock = Clock()
    half(link.client)
    link.server.expect_eof()
    while time.monotonic() - clock.start < 2 * GRACE:
        last = Clock()
        link.server.send(FLOOD)
        assert link.client.recv() == FLOOD
        with pytest.raises(AssertionError):
            until(link.puppet.gone, "the end of the command", GRACE / 2)
    gone(link)
    last.within(GRACE)
    link.client.expect_eof()
    over(link)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("client", ["stdio", "tcp", "unix"])
def test_answers_due_come_after_the_end_of_a_client(lab, client, late):
    """On our own stdin, however late."""
    link = lab.link(client, "stdio", args=["--child-grace=300ms"] if late else
                    ["--child-grace=1h", "--child-linger=0ms"])
    link.call(REQUEST)
    half(link.client)
    link.server.expect_eof()
    if late and client == "stdio":
        with pytest.raises(AssertionError):
            until(link.puppet.gone, "the end of the command", 1)
    elif late:
        link.puppet.wait_gone()
        return
    link.server.send(ANSWER)
    link.puppet.exit(3)
    assert link.client.recv() == ANSWER
    link.client.expect_eof()
    assert over(link) in (None, 3)


@pytest.mark.parametrize("server", [ignores, deaf])
@pytest.mark.parametrize("leave", [close, reset])
def test_whoever_started_us_is_waited_for_while_it_is_there(lab, leave, server):
    link = lab.link("stdio", "stdio", args=ARGS)
    before(link, server)
    half(link.client)
    with pytest.raises(AssertionError):
        until(link.puppet.gone, "the end of the command", 2 * GRACE)
    link.server.send(FLOOD)
    assert link.client.recv() == FLOOD
    clock = Clock()
    leave(link.client)
    assert over(link) == server(link, clock)


@pytest.mark.parametrize("client,leave", LEAVES)
def test_client_of_a_command_that_closed_its_input_leaves(lab, client, leave):
    """What it sends goes nowhere; its end is seen all the same."""
    link = lab.link(client, "stdio", args=ARGS)
    link.call(REQUEST)
    link.server.stream.close_read()
    link.client.send(REQUEST)
    link.sidespan.wait_line("the server takes no more")
    if client != "stdio":
        link.client.stream.write(link.client.frame(FLOOD) * 10000)
    with pytest.raises(AssertionError):
        until(link.puppet.gone, "the end of the command", 2 * GRACE)
    link.server.send(FLOOD)
    assert link.client.recv() == FLOOD
    clock = Clock()
    leave(link.client)
    gone(link)
    clock.within(GRACE)
    over(link)


@pytest.mark.parametrize("leave", [close, reset, half])
@pytest.mark.parametrize("client", ["stdio", "tcp", "unix"])
def test_both_sides_end_their_halves(lab, client, leave):
    """A command that closes its output but does not exit, or only late."""
    link = lab.link(client, "stdio", args=ARGS)
    link.call(REQUEST)
    link.server.close_write()
    link.client.expect_eof()
    link.client.send(REQUEST)
    link.server.recv()
    with pytest.raises(AssertionError):
        until(link.puppet.gone, "the end of the command", 2 * GRACE)
    clock = Clock()
    leave(link.client)
    gone(link)
    clock.within(GRACE)
    assert over(link) in (None, 143)


# a server behind a socket, which no signal reaches

@pytest.mark.parametrize("upstream", ["tcp", "unix", "ws"])
@pytest.mark.parametrize("client,leave", LEAVES)
def test_client_of_a_server_that_does_not_heed_ends(lab, client, leave, upstream):
    """Closing TCP is a half-close to us until something is written: see idle.timeout."""
    link = lab.link(client, upstream, args=[*ARGS, *(
        ["--idle-timeout=500ms"] if client == "tcp" and leave is close else [])])
    link.call(REQUEST)
    clock = Clock()
    leave(link.client)
    assert over(link) in (None, 0)
    clock.within(0)
    expect_end(link.server)


@pytest.mark.parametrize("upstream", ["tcp", "unix", "ws"])
@pytest.mark.parametrize("client,leave", LEAVES)
def test_client_of_a_server_that_does_not_read(lab, client, leave, upstream):
    """Its last messages wait for that for child.grace."""
    link = lab.link(client, upstream, args=[*ARGS, *(
        ["--idle-timeout=500ms"] if client == "tcp" and leave is close else [])])
    link.call(REQUEST)
    server = link.server.stream.sock
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    flood(link.client)
    clock = Clock()
    leave(link.client)
    assert over(link) in (None, 0)
    clock.within(0)


@pytest.mark.parametrize("upstream", ["stdio", "tcp"])
@pytest.mark.parametrize("client", ["tcp", "ws"])
def test_client_whose_end_is_stuck(lab, client, upstream):
    """Behind what it sent and nobody reads; TCP cannot tell it from one that is there."""
    link = lab.link(client, upstream, args=[*ARGS, "--idle-timeout=500ms"])
    link.call(REQUEST)
    fill(link.client)
    clock = Clock()
    link.client.close()
    over(link)
    clock.within(0)


@pytest.mark.parametrize("upstream", ["tcp", "unix"])
@pytest.mark.parametrize("client", ["stdio", "tcp", "unix"])
def test_half_closed_client_of_a_server_is_waited_for(lab, client, upstream):
    link = lab.link(client, upstream, args=ARGS)
    link.call(REQUEST)
    half(link.client)
    link.server.expect_eof()
    with pytest.raises(AssertionError):
        link.sidespan.wait_line("closed", 2 * GRACE)
    link.server.send(ANSWER)
    assert link.client.recv() == ANSWER
    link.server.close()
    link.client.expect_eof()
    over(link)


@pytest.mark.parametrize("client", ["stdio", "tcp", "unix"])
def test_answers_due_are_waited_for_towards_a_websocket(lab, client):
    """Longer than child.linger, which is for those that nobody is owed; not longer than asked."""
    link = lab.traced(client, "ws", args=["--child-linger=20ms", "--child-grace=10s"])
    link.call(REQUEST)
    clock = Clock()
    half(link.client)
    with pytest.raises(AssertionError):
        link.server.recv_close(0.5)
    link.server.send(ANSWER)
    assert link.client.recv() == ANSWER
    assert link.server.recv_close() == (1000, b"")
    clock.within(0.5, 2)
    link.server.close()
    link.client.expect_eof()


@pytest.mark.parametrize("client", ["stdio", "tcp"])
def test_answers_due_are_not_waited_for_for_ever(lab, client):
    link = lab.traced(client, "ws", args=["--child-linger=20ms", "--child-grace=500ms"])
    link.call(REQUEST)
    clock = Clock()
    half(link.client)
    assert link.server.recv_close() == (1000, b"")
    clock.within(0.5)
    expect_end(link.client)
    clock.within(1)


# before the backend is there

PATIENT = ["--connect-timeout=600s", "--handshake-timeout=600s", "--shutdown-drain=600s",
           "--log-level=debug"]
PLAIN = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def begin(lab, listen):
    """A program whose backend is not there yet; (program, where it is to be, client's stream)."""
    later = lab.path("later")
    scheme = "ws+unix" if listen.startswith("ws") else "unix"
    program = lab.sidespan("--listen=" + lab.listen_url(listen), f"--upstream={scheme}://{later}",
                           *PATIENT)
    return program, later, lab.keep(connect(address_of(program.url())))


def open_count(program):
    return len(os.listdir(f"/proc/{program.pid}/fd"))


def dialled(program):
    program.wait_line("connection 0: .* is not there yet")


def ask_lines(stream):
    stream.write(b'{"id":1,"method":"m"}\n{"id":2,"method":"m"}\n')


def ask_upgrade(stream):
    Dialing(stream)


def ask_upgrade_and_more(stream):
    """With the first frame behind it, before there was an answer."""
    Dialing(stream, early=b"\x81\x82....{}")


def ask_plain(stream):
    stream.write(PLAIN)


@pytest.mark.parametrize("listen,ask,leave", [
    ("unix", ask_lines, "close"), ("tcp", ask_lines, "reset"),
    ("unix", None, "close"), ("tcp", None, "reset"),
    ("ws", ask_upgrade, "close"), ("ws", ask_upgrade, "reset"),
    ("ws", ask_upgrade_and_more, "close"), ("ws", ask_upgrade_and_more, "reset"),
    ("ws+unix", ask_upgrade_and_more, "close"),
    ("ws", ask_plain, "reset"), ("ws+unix", ask_plain, "close")])
def test_client_that_leaves_while_the_backend_is_dialled(lab, listen, ask, leave):
    program, _, client = begin(lab, listen)
    if ask:
        ask(client)
    if ask or listen in ("unix", "tcp"):
        dialled(program)
    before = open_count(program)
    getattr(client, leave)()
    program.wait_line("connection 0: closed: the client went away")
    until(lambda: open_count(program) < before, "its descriptor to be closed")
    assert program.stop() == 0


@pytest.mark.parametrize("listen,ask", [("unix", ask_lines), ("tcp", ask_lines),
                                        ("ws", ask_plain), ("ws+unix", ask_plain)])
def test_client_that_half_closes_while_the_backend_is_dialled(lab, listen, ask):
    """It waits for its answers: what it said reaches the backend when that comes."""
    program, later, client = begin(lab, listen)
    ask(client)
    client.close_write()
    dialled(program)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(later)
    listener.listen()
    listener.settimeout(10)
    server = lab.keep(Stream.of_socket(listener.accept()[0]))
    listener.close()
    if ask is ask_plain:
        assert server.read_until(b"\r\n\r\n").startswith(b"GET / HTTP/1.1\r\n")
        server.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        assert client.read_all().endswith(b"\r\n\r\nhi")
        return
    assert b'"id":1' in server.read_until(b"\n") and b'"id":2' in server.read_until(b"\n")
    server.expect_eof()
    server.write(b'{"id":2,"result":1}\n')
    assert client.read_until(b"\n") == b'{"id":2,"result":1}\n'


@pytest.mark.parametrize("listen,ask", [
    ("unix", None), ("unix", ask_lines), ("tcp", ask_lines), ("ws", ask_upgrade),
    ("ws", ask_upgrade_and_more), ("ws", ask_plain)])
def test_stop_while_the_backend_is_dialled(lab, listen, ask):
    """Nothing was asked of anybody: there is nothing to wait for."""
    program, _, client = begin(lab, listen)
    if ask:
        ask(client)
    dialled(program)
    assert program.stop() == 0
    if listen == "ws":
        assert client.read_all().startswith(b"HTTP/1.1 503 ")
    program.wait_line("closed: shutdown")


def test_stop_leaves_what_is_under_way(lab):
    """The other connections have their time."""
    link = lab.link("tcp", args=["--shutdown-drain=600s"])
    link.call({"id": 1, "method": "m"})
    link.sidespan.signal(signal.SIGTERM)
    link.sidespan.wait_line("1 connections to end")
    link.server.send({"id": 1, "result": 7})
    assert link.client.recv_json() == {"id": 1, "result": 7}
    link.client.close()
    link.server.close()
    assert link.sidespan.wait() == 0
