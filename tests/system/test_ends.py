"""Ends that a conversation has been seen to come to, and should not."""

import signal
import socket
import subprocess
import time

import pytest

from lib.peer import PING, frame_bytes
from lib.process import BINARY, is_sanitized
from lib.wait import until


def slowly(stream):
    time.sleep(0.01)
    return stream.take(len(stream.buffer)) if stream.fill() else b""


def test_stop_signal_while_the_last_output_is_not_read(lab):
    program = lab.sidespan("--", "head", "-c", "300000", "/dev/zero")
    program.wait_line("connection 0: open")
    until(lambda: program.children() == [], "the command has exited")
    program.signal(signal.SIGTERM)
    program.wait(3)


def test_command_ignores_what_we_were_told_to_ignore(lab):
    program = lab.sidespan("--", "sh", "-c", "kill -HUP $$; echo alive",
                           preexec=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert lab.keep(program.peer()).stream.read_all() == b"alive\n"


def test_others_go_on_writing_to_a_shared_output_socket(lab):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run(["sh", "-c", f"{BINARY} -- echo one; echo two"], env=lab.environment(),
                       stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL)
        theirs.close()
        with ours.makefile("rb") as reader:
            assert reader.read() == b"one\ntwo\n"


@pytest.mark.skipif(is_sanitized(), reason="memory figures of a sanitizer build say nothing")
def test_pings_of_a_client_that_does_not_read(lab):
    link = lab.link("ws", "stdio")
    link.sidespan.memory_peak_reset()
    before = link.sidespan.memory_peak()
    sent = link.client.stream.send_some(frame_bytes(PING, b"x" * 125, key=b"abcd") * 200000, 2)
    assert sent > 0
    assert link.sidespan.memory_peak() - before < 4 << 20


@pytest.mark.parametrize("goodbye", ["close frame", "end of file"])
def test_command_that_ignores_the_end_of_a_websocket(lab, goodbye):
    link = lab.link("ws", "stdio", args=["--child-grace=200ms"])
    if goodbye == "close frame":
        link.client.send_close(1000, b"")
    link.client.close()
    link.sidespan.wait_line("connection 0: closed", 3)


def test_close_frame_after_a_backend_on_a_unix_socket(lab):
    link = lab.link("ws", "unix")
    link.server.send("last")
    link.server.close()
    assert link.client.recv() == b"last"
    assert link.client.recv_end() == (1000, b"")


def test_last_messages_of_a_client_that_closes_a_unix_socket(lab):
    link = lab.link("unix", "stdio")
    messages = b'{"method":"note"}\n' * 500000
    sent = link.client.stream.send_some(messages, 1)
    assert sent < len(messages)  # everybody's buffers are full
    link.client.close()
    received = 0
    while data := slowly(link.server.stream):
        received += len(data)
    assert received == sent


def test_context_of_a_broken_message_is_forgotten(lab):
    link = lab.traced("tcp")
    carrier = '"trace":{"traceparent":"00-%s-%s-01"}'
    broken = '{"id":1,"method":"a",' + carrier % ("a" * 32, "1" * 16) + ',"params":"' + \
        "x" * 20000 + '" broken'
    late = "{" + carrier % ("b" * 32, "2" * 16) + ',"params":"' + "y" * 40000 + \
        '","id":2,"method":"b"}'
    link.client.send(broken)
    link.server.recv()
    link.call(late, '{"id":2,"result":{}}')
    span, = link.collector.wait_spans(1)
    assert span.trace_id == "b" * 32
