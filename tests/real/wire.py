"""What carries JSON-RPC: lines on pipes, or a WebSocket (RFC 6455, the client's side)."""

import base64
import os
import socket
import struct

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
READ_BYTES = 1 << 16


class Refused(Exception):
    """The server did not upgrade; the text is its whole answer."""


def mask(data, key):
    if not data:
        return data
    repeated = (key * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(
        len(data), "big"
    )


def frame(opcode, payload, final=True):
    """A masked frame, as a client sends it."""
    size, key = len(payload), os.urandom(4)
    head = bytes([(0x80 if final else 0) | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += struct.pack(">BH", 0x80 | 126, size)
    else:
        head += struct.pack(">BQ", 0x80 | 127, size)
    return head + key + mask(payload, key)


class Lines:
    """Bytes in, lines out, without their ends."""

    def __init__(self):
        self.rest = b""

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [(TEXT, line) for line in lines]


class Frames:
    """Bytes in, (opcode, payload) of whole messages and control frames out."""

    def __init__(self):
        self.rest, self.parts, self.opcode = b"", [], 0

    def take_frame(self):
        """The next complete frame as (final, opcode, payload), or None."""
        data = self.rest
        if len(data) < 2:
            return None
        size, at = data[1] & 127, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(data[2 : 2 + width], "big"), 2 + width
        masked = data[1] >> 7
        end = at + 4 * masked + size
        if len(data) < end:
            return None
        payload = data[end - size : end]
        self.rest = data[end:]
        return data[0] >> 7, data[0] & 15, mask(payload, data[at : at + 4]) if masked else payload

    def feed(self, data):
        self.rest += data
        messages = []
        while taken := self.take_frame():
            final, opcode, payload = taken
            if opcode >= CLOSE:
                messages.append((opcode, payload))
                continue
            self.opcode = opcode or self.opcode
            self.parts.append(payload)
            if final:
                messages.append((self.opcode, b"".join(self.parts)))
                self.parts = []
        return messages


class Pipe:
    """Newline-delimited JSON with a process."""

    def __init__(self, process):
        self.process, self.lines = process, Lines()

    @staticmethod
    def pack(text):
        return text.encode() + b"\n"

    def send_bytes(self, data):
        while data:
            data = data[self.process.stdin.write(data) :]

    def receive(self):
        """Blocks; a list of texts, empty at the end."""
        while data := os.read(self.process.stdout.fileno(), READ_BYTES):
            if messages := self.lines.feed(data):
                return [payload.decode() for _, payload in messages]
        return []

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass


def at_once(connection):
    """A TCP connection on which nothing small waits for an acknowledgement of what went before."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def connect(url):
    """A connected socket for ws://HOST:PORT or ws+unix:///PATH, and what to write into Host."""
    if url.startswith("ws+unix://"):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(url[len("ws+unix://") :])
        return connection, "localhost"
    host, port = url[len("ws://") :].rstrip("/").rsplit(":", 1)
    return at_once(socket.create_connection((host, int(port)))), "%s:%s" % (host, port)


def read_head(connection):
    """One HTTP head and the bytes that came after it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(READ_BYTES)
        if not more:
            raise Refused("end of file after %r" % data)
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    return head.decode("latin1"), rest


def ask(url, target, headers=(), timeout=20):
    """A plain GET; the status line and everything after it, as text."""
    connection, host = connect(url)
    connection.settimeout(timeout)
    with connection:
        lines = ["GET %s HTTP/1.1" % target, "Host: " + host, *headers, "Connection: close", "", ""]
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        while data := connection.recv(READ_BYTES):
            answer += data
    return answer.decode("latin1")


class WebSocket:
    """A WebSocket client's end."""

    def __init__(self, url, headers=(), target="/", timeout=20):
        self.socket, host = connect(url)
        self.frames, self.close_payload = Frames(), None
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET %s HTTP/1.1" % target,
            "Host: " + host,
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: " + key,
            "Sec-WebSocket-Version: 13",
            *headers,
            "",
            "",
        ]
        self.socket.settimeout(timeout)
        self.socket.sendall("\r\n".join(lines).encode())
        try:
            self.head, self.early = read_head(self.socket)
        except ConnectionError as error:
            raise Refused(str(error)) from error
        if " 101 " not in self.head.split("\r\n")[0]:
            self.socket.close()
            raise Refused(self.head)
        self.socket.settimeout(None)

    @staticmethod
    def pack(text):
        return frame(TEXT, text.encode())

    def send_bytes(self, data):
        self.socket.sendall(data)

    def receive(self):
        """Blocks; a list of texts, empty at the end. Answers pings."""
        try:
            while data := self.early or self.socket.recv(READ_BYTES):
                self.early = b""
                if texts := list(self.take(data)):
                    return texts
        except OSError:
            pass
        return []

    def take(self, data):
        for opcode, payload in self.frames.feed(data):
            if opcode == PING:
                self.send_bytes(frame(PONG, payload))
            elif opcode == CLOSE:
                self.close_payload = payload
            elif opcode == TEXT:
                yield payload.decode()

    def say_goodbye(self):
        self.send_bytes(frame(CLOSE, struct.pack(">H", 1000)))

    def close(self):
        """The polite end: a close frame, then nothing more from us."""
        try:
            self.say_goodbye()
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def deafen(self):
        """Makes receive() end, without a word to the peer."""
        self.socket.shutdown(socket.SHUT_RD)

    def reset(self):
        """The rude end, once nobody is in receive(): a reset on TCP, an end of file on Unix."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
