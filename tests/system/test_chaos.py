"""Peers that do anything at any time: nothing crashes, nothing leaks, the next one is served."""

import os
import random

import pytest

from lib.carrier import check_injected
from lib.lab import address_of
from lib.peer import Dialing, Lines, frame_bytes, new_key, upgrade_reply, upgrade_request
from lib.stream import connect
from lib.wait import TimedOut, until

REQUEST = b'{"id":1,"method":"m","params":{"text":"' + b"x" * 300 + b'"}}'
PAIRS = [("ws", "ws"), ("tcp", "tcp"), ("ws", "tcp"), ("unix", "ws"), ("tcp", "stdio"),
         ("ws", "stdio")]


class Chaos:
    def __init__(self, seed, url, backend):
        self.random = random.Random(seed)
        self.url = url
        self.backend = backend
        self.streams = []

    def some(self, role):
        """A piece of what a peer in that role might send, right or wrong."""
        frame = frame_bytes(1, REQUEST, key=b"abcd" if role == "client" else None)
        request = upgrade_request(new_key(), fields=[("X", "y" * 200)])
        good = {"client": [request, request, frame, REQUEST + b"\n",
                           b"GET /readyz HTTP/1.1\r\n\r\n"],
                "server": [upgrade_reply(new_key()), frame, b'{"id":1,"result":1}\n',
                           b"HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nabc"]}[role]
        wild = [os.urandom(50), b"\x88\x02\x03\xe8", b"\x89\x80abcd", b"\n" * 20, frame[:40],
                b"x" * 100000, b"{" * 3000, request[:50]]
        data = self.random.choice(good * 3 + wild)
        return data if self.random.randrange(3) else data[:self.random.randrange(len(data))]

    def step(self):
        kind = self.random.randrange(10)
        if kind < 3 or not self.streams:
            self.streams.append((connect(address_of(self.url)), "client"))
        elif kind < 4 and self.backend:
            self.accept()
        elif kind < 8:
            stream, role = self.random.choice(self.streams)
            self.attempt(lambda: stream.send_some(self.some(role), 0.001))
        else:
            stream, _ = self.streams.pop(self.random.randrange(len(self.streams)))
            self.random.choice([stream.close, self.abort(stream), self.half(stream)])()

    def accept(self):
        """Takes a connection; sometimes agrees to the upgrade as it should."""
        try:
            stream = self.backend.accept(0.01)
        except TimedOut:
            return
        self.streams.append((stream, "server"))
        if self.random.randrange(2):
            head = stream.read_quiet(0.01)
            key = head.partition(b"Sec-WebSocket-Key: ")[2][:24].decode("latin-1")
            if len(key) == 24:
                self.attempt(lambda: stream.send_some(upgrade_reply(key), 0.01))

    def attempt(self, action):
        try:
            action()
        except OSError:
            pass

    def abort(self, stream):
        return stream.close if "unix" in self.url else stream.reset

    def half(self, stream):
        def close_half():
            self.attempt(stream.close_write)
            stream.read_quiet(0.001)
            stream.close()
        return close_half

    def close(self):
        """Also what the program opens late."""
        for stream, _ in self.streams:
            stream.close()
        self.streams.clear()
        while self.backend:
            try:
                self.backend.accept(0.01).close()
            except TimedOut:
                break


@pytest.mark.parametrize("listen,upstream", PAIRS)
def test_peers_in_chaos(lab, listen, upstream):
    backend = lab.backend(upstream) if upstream != "stdio" else None
    collector = lab.collector()
    program = lab.sidespan("--profile=codex", "--child-grace=20ms", "--handshake-timeout=300ms",
                           "--listen=" + lab.listen_url(listen),
                           *(["--upstream=" + backend.url] if backend else ["--", "cat"]),
                           collector=collector)
    url = program.url()

    def descriptors():
        return len(os.listdir(f"/proc/{program.pid}/fd"))

    idle = descriptors()
    chaos = Chaos(f"{listen} {upstream}", url, backend)
    for _ in range(400):
        chaos.step()

    def quiet():
        chaos.close()
        return descriptors() <= idle + 1  # that to the collector

    until(quiet, "all connections to end")
    until(lambda: program.children() == [], "all children to end")
    converse(lab, url, backend)
    assert collector.wait(lambda: "after" in [span.method for span in collector.spans], "a span")


def converse(lab, url, backend):
    stream = lab.keep(connect(address_of(url)))
    client = Dialing(stream) if url.startswith("ws") else Lines(stream)
    server = backend.accept_peer() if backend else None
    client = client.finish() if url.startswith("ws") else client
    client.send('{"id":1,"method":"after"}')
    check_injected('{"id":1,"method":"after"}', (server or client).recv())
    (server or client).send('{"id":1,"result":1}')
