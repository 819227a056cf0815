"""Frames between a WebSocket client and a WebSocket server (RFC 6455), both roles of ours."""

import json
import os
import re
import struct

import pytest

from lib.carrier import check_injected
from lib.peer import BINARY, CLOSE, PING, PONG, TEXT, close_of, frame_bytes
from lib.process import is_sanitized
from lib.wait import Background, until

MIB = 1 << 20
SIZES = [0, 1, 125, 126, 127, 65535, 65536, 300000]
LATIN = b"caf\xe9"


@pytest.fixture
def link(lab):
    return lab.link("ws")


def both_ways(link):
    return (link.client, link.server), (link.server, link.client)


# whole messages

@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_sizes(link, opcode):
    for sender, receiver in both_ways(link):
        for size in SIZES:
            payload = b"a" * size if opcode == TEXT else os.urandom(size)
            sending = Background(sender.send, payload, opcode)
            frames = receiver.recv_frames()
            sending.result()
            assert frames[0].opcode == opcode
            assert b"".join(frame.payload for frame in frames) == payload


@pytest.mark.parametrize("text", [
    b"", b" ", b"hello", b"{", b'{"id":1,"method":"m"', b"[]", b"null", b"\xef\xbb\xbf{}",
    b'{"id":1,"method":"m"}{"id":2,"method":"m"}', "grüße 🚀".encode(), b"\x00\x01", b"a\nb\r\n",
    b'{"id":1,"method":"m",}', b'{"id":1 "method":"m"}', b"{'id':1,'method':'m'}",
])
def test_text_that_is_no_message_passes_untouched(link, text):
    for sender, receiver in both_ways(link):
        sender.send(text)
        assert receiver.recv() == text
    assert link.call('{"id":2,"method":"m"}') != b'{"id":2,"method":"m"}'


def test_binary_is_not_looked_at(lab):
    link = lab.traced("ws")
    request = b'{"id":1,"method":"m"}'
    link.client.send(request, BINARY)
    frame, = link.server.recv_frames()
    assert frame.opcode == BINARY and frame.payload == request
    check_injected(request, link.call(request, '{"id":1,"result":1}'))
    assert link.collector.span("m").request_id == "1"
    assert len(link.collector.spans) == 1


def test_masks_are_not_repeated(link):
    keys = set()
    for _ in range(50):
        link.client.send("x")
        keys.add(link.server.recv_frame().key)
    assert len(keys) == 50


def test_bytes_one_by_one(link):
    text = b'{"id":1,"method":"m","params":{"text":"' + "ü€🚀".encode() * 5 + b'"}}'
    for sender, receiver in both_ways(link):
        data = sender.frame(text) + sender.frame(b"ping", PING) + sender.frame(b"x" * 126)
        Background(sender.stream.write_pieces, data, [1] * len(data)).result()
        received = receiver.recv()
        if receiver is link.server:
            check_injected(text, received)
        else:
            assert received == text
        assert receiver.recv() == b"x" * 126


# fragments and control frames

def test_fragments(link):
    parts = [b'{"id":', b"", b'1,"method":"m","params":"gr\xc3', b'\xbc\xc3\x9f', b'e"}', b""]
    link.client.send_fragments(parts)
    check_injected(b"".join(parts), link.server.recv())
    link.server.send_fragments(parts)
    assert link.client.recv() == b"".join(parts)


def test_fragments_of_binary(link):
    parts = [os.urandom(size) for size in (1, 0, 70000, 126)]
    for sender, receiver in both_ways(link):
        Background(sender.send_fragments, parts, BINARY).result()
        frames = receiver.recv_frames()
        assert frames[0].opcode == BINARY
        assert b"".join(frame.payload for frame in frames) == b"".join(parts)


def until_text(peer, text):
    """Reads up to that message, answering pings; the control frames that came."""
    assert peer.recv() == text
    controls, peer.controls = peer.controls, []
    return controls


@pytest.mark.parametrize("payload", [b"", b"p", bytes(range(125))])
def test_ping_gets_its_pong(link, payload):
    for sender, receiver in both_ways(link):
        sender.send_frame(PING, payload)
        sender.send("after")
        until_text(receiver, b"after")
        receiver.send("back")
        pongs = [frame for frame in until_text(sender, b"back") if frame.opcode == PONG]
        assert [pong.payload for pong in pongs] == [payload]


def test_ping_between_fragments(link):
    for sender, receiver in both_ways(link):
        sender.send_frame(TEXT, b'{"id":1,', fin=False)
        sender.send_frame(PING, b"between")
        receiver.send("go on")  # reading it below answers what came in between
        sender.send_frame(0, b'"result":', fin=False)
        sender.send_frame(PONG, b"unsolicited")
        sender.send_frame(0, b"7}")
        assert receiver.recv() == b'{"id":1,"result":7}'
        receiver.controls.clear()
        receiver.send("done")
        assert sender.recv() == b"go on"
        assert sender.recv() == b"done"
        assert b"between" in [frame.payload for frame in sender.controls]
        sender.controls.clear()


def test_pong_arrives_while_a_long_message_is_unfinished(link):
    link.client.send_frame(TEXT, b'{"id":1,"method":"m","params":"', fin=False)
    for _ in range(3):
        link.client.send_frame(0, b"x" * 30000, fin=False)
    link.client.send_frame(PING, b"alive?")
    serving = Background(link.server.recv)
    frame = link.client.recv_frame()
    assert frame.opcode == PONG and frame.payload == b"alive?"
    link.client.send_frame(0, b'"}')
    assert len(serving.result()) > 90000


def test_unsolicited_pong_does_no_harm(link):
    for sender, receiver in both_ways(link):
        sender.send_frame(PONG, b"nobody asked")
        sender.send("after")
        until_text(receiver, b"after")


# the end

CLOSES = [(None, b""), (1000, b""), (1001, b"going away"), (1008, "größer".encode()), (1012, b""),
          (3000, b"x" * 123), (4001, b"ours"), (4999, b"")]


@pytest.mark.parametrize("code,reason", CLOSES)
@pytest.mark.parametrize("who", ["client", "server"])
def test_close_is_relayed_and_echoed(link, who, code, reason):
    closer, other = (link.client, link.server) if who == "client" else (link.server, link.client)
    closer.send("last word")
    closer.send_close(code, reason)
    assert other.recv() == b"last word"
    assert other.recv_close() == (code, reason)
    other.send_close(code, reason)
    assert closer.recv_close() == (code, reason)
    link.server.close()
    assert link.client.recv_end() is None


def test_client_closes_and_server_just_ends(link):
    """codex does so."""
    link.client.send_close(1000, b"bye")
    assert link.server.recv_close() == (1000, b"bye")
    link.server.close()
    link.client.recv_end()


def test_server_closes_and_client_just_ends(link):
    link.server.send_close(1001, b"bye")
    assert link.client.recv_close() == (1001, b"bye")
    link.client.close()
    link.server.recv_end()


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("who", ["client", "server"])
def test_end_without_close_frame_is_passed_on(link, who, reset):
    leaver, other = (link.client, link.server) if who == "client" else (link.server, link.client)
    leaver.send('{"method":"last word"}')
    assert other.recv() == b'{"method":"last word"}'
    leaver.stream.reset() if reset else leaver.close()
    other.recv_end()
    other.close()
    assert link.sidespan.running()
    assert link.sidespan.log("error") == []
    if not reset:
        assert link.sidespan.log("warn") == []


def test_last_messages_before_the_end_arrive(link):
    def say():
        for number in range(500):
            link.server.send(b"%d" % number + b"x" * 2000)
        link.server.close()

    saying = Background(say)
    for number in range(500):
        assert link.client.recv().startswith(b"%dx" % number)
    link.client.recv_end()
    saying.result()


def test_messages_after_a_close_frame_are_not_passed(link):
    link.client.send_close(1000)
    link.client.stream.send_some(link.client.frame("too late"), 1)
    assert link.server.recv_close() == (1000, b"")
    link.server.send_close(1000)
    link.server.close_write()
    assert link.server.recv_end() is None


# broken framing: client's side

BROKEN = {
    "reserved bit 1": (1002, lambda p: p.frame("x", rsv=4)),
    "reserved bit 2": (1002, lambda p: p.frame("x", rsv=2)),
    "reserved bit 3": (1002, lambda p: p.frame("x", rsv=1)),
    "opcode 3": (1002, lambda p: p.frame("x", 3)),
    "opcode 11": (1002, lambda p: p.frame("x", 11)),
    "fragmented ping": (1002, lambda p: p.frame("x", PING, fin=False)),
    "ping over 125": (1002, lambda p: p.frame(b"x" * 126, PING)),
    "continuation of nothing": (1002, lambda p: p.frame("x", 0)),
    "message in a message": (1002, lambda p: p.frame("x", TEXT, fin=False) + p.frame("y")),
    "length 10 in 16 bits": (1002, lambda p: p.frame("x" * 10, form=3)),
    "length 10 in 64 bits": (1002, lambda p: p.frame("x" * 10, form=9)),
    "length 126 in 64 bits": (1002, lambda p: p.frame("x" * 126, form=9)),
    "length over 2^63": (1002, lambda p: p.frame("x", form=9, length=1 << 63)),
    "half a close code": (1002, lambda p: p.frame(b"\x03", CLOSE)),
    "not UTF-8": (1007, lambda p: p.frame(LATIN)),
    "cut UTF-8 at the end": (1007, lambda p: p.frame("ü".encode()[:1])),
    "surrogate": (1007, lambda p: p.frame(b"\xed\xa0\x80")),
    "overlong": (1007, lambda p: p.frame(b"\xc0\xaf")),
    "beyond Unicode": (1007, lambda p: p.frame(b"\xf4\x90\x80\x80")),
    "not UTF-8 in a later fragment": (1007, lambda p: p.frame("x", fin=False) + p.frame(LATIN, 0)),
    "not UTF-8 across fragments": (1007, lambda p: p.frame("ü".encode()[:1], fin=False) +
                                   p.frame(b"x", 0)),
    "not UTF-8, message unfinished": (1007, lambda p: p.frame(LATIN + b"x", fin=False)),
    "close reason not UTF-8": (1007, lambda p: p.frame(b"\x03\xe8" + LATIN, CLOSE)),
}
for number in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535):
    BROKEN[f"close code {number}"] = \
        (1002, lambda p, number=number: p.frame(struct.pack(">H", number), CLOSE))


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("who", ["client", "server"])
def test_broken_framing_closes_the_session(link, who, kind):
    code, make = BROKEN[kind]
    bad, other = (link.client, link.server) if who == "client" else (link.server, link.client)
    bad.send("fine")
    assert other.recv() == b"fine"
    bad.stream.write(make(bad))
    close = bad.recv_end()
    assert close and close[0] == code, close
    end_of_data(other, 1001 if who == "client" else 1014, cut=who == "server" and code == 1007)
    link.sidespan.wait_line(f"connection 0: broken websocket framing from the {who} at byte \\d+: \\S")
    link.call('{"id":1,"method":"m"}', None, *link.open())


def end_of_data(peer, code, cut=False):
    """Reads the end, which says why; a first part of the broken message may have come before. One
    that was cut inside of a frame cannot say it.
    """
    frame = None
    try:
        while not frame or frame.opcode != CLOSE:
            assert not frame or not frame.fin, frame
            frame = peer.recv_frame()
    except EOFError:
        assert cut
        return
    assert close_of(frame)[0] == code, frame
    assert peer.stream.read_all() == b""


def test_unmasked_frame_of_a_client(link):
    link.client.stream.write(frame_bytes(TEXT, b"not masked"))
    assert link.client.recv_end()[0] == 1002
    end_of_data(link.server, 1001)


def test_masked_frame_of_a_server(link):
    link.server.stream.write(frame_bytes(TEXT, b"masked", key=b"1234"))
    assert link.server.recv_end()[0] == 1002
    end_of_data(link.client, 1014)


def test_reason_of_a_closed_session_is_logged(link):
    link.client.send("fine")
    link.client.send_frame(3, b"")
    link.client.recv_end()
    link.sidespan.wait_line(
        "warn: connection 0: broken websocket framing from the client at byte 10: .*opcode")
    link.sidespan.wait_line("connection 0: closed: broken framing")


# large messages

def request_of(size, carrier=b""):
    head, tail = b'{"id":1,"method":"m",' + carrier + b'"params":"', b'"}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


@pytest.mark.parametrize("listen,upstream", [("ws", "ws"), ("tcp", "ws"), ("ws", "tcp"),
                                             ("unix", "unix"), ("stdio", "stdio")])
@pytest.mark.parametrize("to", ["server", "client"])
def test_20_mb_in_bounded_memory(lab, listen, upstream, to):
    link = lab.link(listen, upstream)
    sender, receiver = (link.client, link.server) if to == "server" else (link.server, link.client)
    link.call('{"id":0,"method":"m"}', '{"id":0,"result":0}')
    link.sidespan.memory_peak_reset()
    before = link.sidespan.memory_peak()
    message = request_of(20 * MIB)
    data = sender.frame(message)
    sent = sender.stream.send_some(data, 0.1)  # nobody reads: it must stop somewhere
    assert 0 < sent < len(data)
    writing = Background(sender.stream.write, data[sent:])
    received = receiver.recv()
    writing.result()
    if to == "server":
        check_injected(message, received, blanks=True)
    else:
        assert received == message
    if not is_sanitized():
        assert link.sidespan.memory_peak() - before < 4 * MIB
    link.call('{"id":2,"method":"m"}', '{"id":2,"result":0}')


@pytest.mark.parametrize("listen,upstream", [("ws", "ws"), ("tcp", "ws"), ("unix", "unix"),
                                             ("stdio", "stdio")])
def test_beginning_passes_before_the_end_came(lab, listen, upstream):
    link = lab.link(listen, upstream)
    for sender, receiver in both_ways(link):
        message = request_of(2 * MIB)
        data = sender.frame(message)
        beginning = Background(sender.stream.write, data[:MIB])
        until(lambda: receiver.stream.fill() and len(receiver.stream.buffer) > MIB // 2,
              "a good part")
        rest = Background(lambda: (beginning.result(), sender.stream.write(data[MIB:])))
        received = receiver.recv()
        rest.result()
        if receiver is link.server:
            check_injected(message, received, blanks=True)
        else:
            assert received == message


@pytest.mark.parametrize("frame_size", [MIB, 100000])
def test_fragments_are_not_joined_beyond_16_mib(link, frame_size):
    message = request_of(17 * MIB)
    parts = [message[i:i + frame_size] for i in range(0, len(message), frame_size)]
    for sender, receiver in both_ways(link):
        sending = Background(sender.send_fragments, parts)
        frames = receiver.recv_frames()
        sending.result()
        assert max(len(frame.payload) for frame in frames) <= 16 * MIB
        received = b"".join(frame.payload for frame in frames)
        if receiver is link.server:
            check_injected(message, received, blanks=True)
        else:
            assert received == message


@pytest.mark.parametrize("to", ["server", "client"])
def test_lines_become_frames_of_16_mib_at_most(lab, to):
    link = lab.link(*(("tcp", "ws") if to == "server" else ("ws", "tcp")))
    sender, receiver = (link.client, link.server) if to == "server" else (link.server, link.client)
    message = request_of(17 * MIB)
    sending = Background(sender.send, message)
    frames = receiver.recv_frames()
    sending.result()
    assert max(len(frame.payload) for frame in frames) <= 16 * MIB
    received = b"".join(frame.payload for frame in frames)
    if to == "server":
        check_injected(message, received, blanks=True)
    else:
        assert received == message


def test_frame_of_17_mib_stays_one_frame(link):
    """Servers send such frames (a turn's whole text); clients get them as they are."""
    message = request_of(17 * MIB)
    sending = Background(link.server.send, message)
    assert link.client.recv() == message
    sending.result()


@pytest.mark.parametrize("listen,upstream", [("ws", "ws"), ("tcp", "ws"), ("ws", "tcp")])
@pytest.mark.parametrize("size", [100, 100000])
def test_peer_that_dies_in_a_message(lab, listen, upstream, size):
    """The part that came may be passed on, but no complete message is made of it."""
    link = lab.link(listen, upstream)
    for sender, receiver in both_ways(link):
        client, server = link.open()
        sender, receiver = (client, server) if sender is link.client else (server, client)
        data = sender.frame(request_of(size))
        sender.stream.write(data[:-10])
        sender.close()
        try:
            while True:
                message = receiver.recv()
                with pytest.raises(ValueError):
                    json.loads(message)
        except (EOFError, AssertionError):  # the end, or a close frame
            pass
    link.call('{"id":1,"method":"m"}', '{"id":1,"result":1}')


# between framings

PRETTY = '{\n  "id": 1,\r\n  "method": "m",\n  "params": {"text": "a\\nb"}\n}'


def test_newlines_of_a_websocket_message_do_not_break_lines(lab):
    link = lab.link("ws", "tcp")
    received = link.call(PRETTY)
    assert json.loads(received)["params"] == {"text": "a\nb"}
    assert link.call('{"id":2,"method":"after"}').startswith(b'{"id":2')
    link = lab.link("tcp", "ws")
    link.call('{"id":1,"method":"m"}')
    link.server.send(PRETTY)
    assert json.loads(link.client.recv()) == json.loads(PRETTY)
    link.server.send("{}")
    assert link.client.recv() == b"{}"


def test_line_that_is_not_utf8_does_not_become_text(lab):
    """A text frame may not carry it (RFC 6455, 5.6): the session ends, the backend is spared."""
    link = lab.link("tcp", "ws")
    link.client.stream.write(b'{"id":1,"method":"' + LATIN + b'"}\n')
    end_of_data(link.server, 1001)
    link.client.expect_eof()


def test_ping_of_a_server_behind_a_stream(lab):
    link = lab.link("tcp", "ws")
    link.server.send_frame(PING, b"alive?")
    link.server.send("note")
    assert link.client.recv() == b"note"
    frame = link.server.recv_frame()
    assert frame.opcode == PONG and frame.payload == b"alive?"


def test_close_of_a_server_behind_a_stream(lab):
    link = lab.link("tcp", "ws")
    link.server.send("note")
    link.server.send_close(1000, b"bye")
    assert link.client.recv() == b"note"
    link.client.expect_eof()
    assert link.server.recv_end() == (1000, b"bye")


def test_end_of_a_stream_before_a_websocket(lab):
    link = lab.link("ws", "tcp")
    link.call('{"id":1,"method":"m"}')
    link.server.send("last")
    link.server.close()
    assert link.client.recv() == b"last"
    assert link.client.recv_end() == (1000, b"")


FIPS_ONLY = """
openssl_conf = all
[all]
alg_section = algorithms
[algorithms]
default_properties = fips=yes
"""


@pytest.mark.parametrize("listen, upstream", [("ws", "tcp"), ("ws+unix", "ws+unix"), ("tcp", "ws")])
def test_no_sha_1(lab, listen, upstream):
    """Handshakes, which secure nothing, want nothing of an OpenSSL that may do little."""
    env = {"OPENSSL_CONF": lab.write("openssl.cnf", FIPS_ONLY)}
    link = lab.link(listen, upstream, env=env)
    assert link.call({"id": 1, "method": "a"}, {"id": 1, "result": 1})
