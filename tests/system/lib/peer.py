"""One side of a JSON-RPC conversation: newline JSON or WebSocket, client or server.

Messages are bytes. send() also takes a str, or a dict or list, which it writes as compact JSON.
"""

import base64
import hashlib
import json
import os
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def encode(message):
    if isinstance(message, bytes):
        return message
    if isinstance(message, str):
        return message.encode()
    return json.dumps(message, separators=(",", ":")).encode()


class Closed(AssertionError):
    """A close frame came where a message was waited for."""


class Peer:
    def __init__(self, stream):
        self.stream = stream

    def recv_json(self, seconds=None):
        return json.loads(self.recv(seconds))

    def expect_eof(self, seconds=None):
        self.stream.expect_eof(seconds)

    def close_write(self):
        self.stream.close_write()

    def close(self):
        self.stream.close()


class Lines(Peer):
    """Newline-delimited JSON."""

    def send(self, message):
        self.stream.write(self.frame(message))

    def frame(self, message):
        return encode(message) + b"\n"

    def recv(self, seconds=None):
        return self.stream.read_until(b"\n", seconds)[:-1]


class Sized(Peer):
    """Messages behind Content-Length heads, which are read as strictly as can be."""

    def send(self, message):
        self.stream.write(self.frame(message))

    def frame(self, message, head="Content-Length: %d\r\n\r\n"):
        body = encode(message)
        return (head % len(body)).encode() + body

    def recv(self, seconds=None):
        head = self.stream.read_until(b"\r\n\r\n", seconds)
        size = int(head.removeprefix(b"Content-Length: "))
        assert head == b"Content-Length: %d\r\n\r\n" % size
        return self.stream.read_exactly(size, seconds)


class Texts(Peer):
    """JSON texts with nothing between them."""

    def send(self, message):
        self.stream.write(self.frame(message))

    def frame(self, message):
        return encode(message)

    def recv(self, seconds=None):
        text = self.stream.read_exactly(2, seconds)
        while True:
            try:
                json.loads(text)
                return text
            except ValueError:
                text += self.stream.read_exactly(1, seconds)


class Frame:
    def __init__(self, head, key, payload):
        self.fin = bool(head[0] & 0x80)
        self.rsv = head[0] >> 4 & 7
        self.opcode = head[0] & 15
        self.key = key
        self.payload = payload

    def __repr__(self):
        return f"<frame opcode={self.opcode} fin={self.fin} size={len(self.payload)} " \
            f"{self.payload[:60]}>"


def xor(key, data):
    if not data:
        return b""
    pad = (key * (len(data) // 4 + 1))[:len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pad, "little")) \
        .to_bytes(len(data), "little")


def frame_bytes(opcode, payload=b"", fin=True, rsv=0, key=None, length=None, form=None):
    """A frame as told, right or wrong. form: bytes used for the length, 1, 3 or 9."""
    length = len(payload) if length is None else length
    form = form or (1 if length < 126 else 3 if length < 65536 else 9)
    mask = 0x80 if key is not None else 0
    head = bytes([fin << 7 | rsv << 4 | opcode])
    head += bytes([mask | length]) if form == 1 else \
        struct.pack(">BH", mask | 126, length) if form == 3 else \
        struct.pack(">BQ", mask | 127, length)
    return head + (key + xor(key, payload) if key is not None else payload)


class WebSocket(Peer):
    """After the handshake. Checks of every frame it reads that RFC 6455 allows it."""

    def __init__(self, stream, is_client):
        super().__init__(stream)
        self.is_client = is_client
        self.controls = []

    def frame(self, message, opcode=TEXT, **options):
        options.setdefault("key", os.urandom(4) if self.is_client else None)
        return frame_bytes(opcode, encode(message), **options)

    def send(self, message, opcode=TEXT):
        self.stream.write(self.frame(message, opcode))

    def send_frame(self, opcode, payload=b"", **options):
        self.stream.write(self.frame(payload, opcode, **options))

    def send_fragments(self, parts, opcode=TEXT):
        for i, part in enumerate(parts):
            self.send_frame(0 if i else opcode, part, fin=i == len(parts) - 1)

    def send_close(self, code=None, reason=b""):
        self.send_frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)

    def recv_frame(self, seconds=None):
        head = self.stream.read_exactly(2, seconds)
        size = head[1] & 127
        if size == 126:
            size, = struct.unpack(">H", self.stream.read_exactly(2, seconds))
            assert size > 125, "length not minimal"
        elif size == 127:
            size, = struct.unpack(">Q", self.stream.read_exactly(8, seconds))
            assert 65535 < size < 1 << 63, "length not minimal"
        masked = bool(head[1] & 0x80)
        assert masked != self.is_client, "frames to a server are masked, to a client not"
        key = self.stream.read_exactly(4, seconds) if masked else None
        payload = self.stream.read_exactly(size, seconds)
        frame = Frame(head, key, xor(key, payload) if masked else payload)
        assert frame.rsv == 0 and frame.opcode in (0, 1, 2, 8, 9, 10), frame
        assert frame.opcode < 8 or (frame.fin and size < 126), frame
        return frame

    def recv_data_frame(self, seconds=None):
        """The next frame that is no control frame; answers pings, keeps the others aside."""
        while True:
            frame = self.recv_frame(seconds)
            if frame.opcode < 8:
                return frame
            self.controls.append(frame)
            if frame.opcode == PING:
                self.send_frame(PONG, frame.payload)
            if frame.opcode == CLOSE:
                raise Closed(f"unexpected close {frame.payload}")

    def recv_frames(self, seconds=None):
        """The data frames of one message."""
        frames = [self.recv_data_frame(seconds)]
        assert frames[0].opcode != 0, "continuation without a beginning"
        while not frames[-1].fin:
            frames.append(self.recv_data_frame(seconds))
            assert frames[-1].opcode == 0, "a new message inside of another"
        return frames

    def recv(self, seconds=None):
        frames = self.recv_frames(seconds)
        assert frames[0].opcode == TEXT, frames[0]
        return b"".join(frame.payload for frame in frames)

    def recv_close(self, seconds=None):
        """Reads up to the close frame: (code or None, reason)."""
        while True:
            frame = self.recv_frame(seconds)
            if frame.opcode == CLOSE:
                return close_of(frame)

    def recv_end(self, seconds=None):
        """Reads up to the end of the stream: close (code, reason), None without close frame."""
        close = None
        try:
            while True:
                frame = self.recv_frame(seconds)
                assert close is None, f"{frame} after the close frame"
                assert frame.opcode >= 8, f"{frame} before the end"
                close = close_of(frame) if frame.opcode == CLOSE else None
        except EOFError:
            assert not self.stream.buffer, "cut off in a frame"
            return close


def close_of(frame):
    assert len(frame.payload) != 1, "close frame with half a code"
    if not frame.payload:
        return None, b""
    return struct.unpack(">H", frame.payload[:2])[0], frame.payload[2:]


# the opening handshake

class Head:
    """The head of an HTTP request or response, each line kept as it came."""

    def __init__(self, text):
        self.text = text
        self.start, *self.lines = text[:-4].split(b"\r\n")
        self.fields = [(line.split(b":", 1)[0].decode(), line.split(b":", 1)[1].strip().decode())
                       for line in self.lines]

    def all(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None

    @property
    def status(self):
        return int(self.start.split()[1])


def read_head(stream, seconds=None):
    return Head(stream.read_until(b"\r\n\r\n", seconds))


def read_body(stream, head):
    """The body of a response, by Content-Length or up to the end."""
    length = head.get("Content-Length")
    return stream.read_exactly(int(length)) if length is not None else stream.read_all()


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def new_key():
    return base64.b64encode(os.urandom(16)).decode()


def upgrade_request(key, target="/", host="localhost", fields=()):
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Upgrade: websocket",
             "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(lines + ["", ""]).encode()


def upgrade_reply(key, fields=(), accept=None):
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Accept: {accept or accept_of(key)}"]
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(lines + ["", ""]).encode()


class Dialing:
    """The client's half of a handshake: sent when made, finish() gives the peer."""

    def __init__(self, stream, target="/", host="localhost", fields=(), early=b""):
        self.stream = stream
        self.key = new_key()
        self.head = None
        stream.write(upgrade_request(self.key, target, host, fields) + early)

    def finish(self):
        self.head = read_head(self.stream)
        assert self.head.status == 101, self.head.text + self.stream.read_quiet(0.1)
        assert self.head.get("Sec-WebSocket-Accept") == accept_of(self.key)
        assert self.head.get("Upgrade").lower() == "websocket"
        assert "upgrade" in self.head.get("Connection").lower()
        return WebSocket(self.stream, is_client=True)


def serve_upgrade(stream, fields=(), early=b""):
    """The server's half: reads the request, agrees, and gives (peer, head of the request)."""
    head = read_head(stream)
    assert head.get("Upgrade").lower() == "websocket"
    stream.write(upgrade_reply(head.get("Sec-WebSocket-Key"), fields) + early)
    return WebSocket(stream, is_client=False), head
