"""Bytes between the test and the program: a socket, or a pair of pipe ends, with deadlines."""

import errno
import os
import select
import socket
import struct

from lib.wait import Deadline, TimedOut

CHUNK = 1 << 18


class Stream:
    def __init__(self, reader, writer, sock=None):
        self.reader = reader
        self.writer = writer
        self.sock = sock
        self.buffer = bytearray()
        self.eof = False
        for descriptor in (reader, writer):
            if descriptor is not None:
                os.set_blocking(descriptor, False)

    @classmethod
    def of_socket(cls, sock):
        return cls(sock.fileno(), sock.fileno(), sock)

    # writing

    def send_some(self, data, seconds):
        """Writes what goes out before the stream is stuck for that long; returns the count."""
        view = memoryview(data)
        sent = 0
        while sent < len(view):
            if not wait_ready(self.writer, select.POLLOUT, seconds):
                break
            try:
                sent += os.write(self.writer, view[sent:sent + CHUNK])
            except BlockingIOError:
                pass
        return sent

    def write(self, data, seconds=None):
        deadline = Deadline(seconds)
        view = memoryview(data)
        sent = 0
        while sent < len(view):
            count = self.send_some(view[sent:sent + CHUNK], deadline.left())
            sent += count
            if count == 0:
                raise TimedOut(f"stuck after writing {sent} of {len(view)} bytes")

    def write_pieces(self, data, sizes):
        """Writes data cut at the given sizes; the last one goes on for ever."""
        position = 0
        sizes = iter(sizes)
        while position < len(data):
            size = next(sizes, len(data))
            self.write(data[position:position + size])
            position += size

    def close_write(self):
        if self.writer is None:
            return
        if self.sock:
            self.sock.shutdown(socket.SHUT_WR)
        else:
            os.close(self.writer)
        self.writer = None

    def close_read(self):
        if self.reader is not None and not self.sock:
            os.close(self.reader)
        self.reader = None

    def close(self):
        if self.sock:
            self.sock.close()
        else:
            for descriptor in {self.reader, self.writer} - {None}:
                os.close(descriptor)
        self.reader = self.writer = None

    def reset(self):
        """Closes a TCP connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    # reading

    def fill(self, seconds=None):
        """Waits for more input; False at the end of it."""
        deadline = Deadline(seconds)
        while not self.eof:
            if not wait_ready(self.reader, select.POLLIN, deadline.left()):
                raise TimedOut(f"no input for {deadline.seconds:g} s, "
                               f"have {bytes(self.buffer[:200])}")
            try:
                data = os.read(self.reader, CHUNK)
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno not in (errno.ECONNRESET, errno.EIO):
                    raise
                data = b""
            self.buffer += data
            self.eof = not data
            return not self.eof
        return False

    def take(self, size):
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def read_exactly(self, size, seconds=None):
        while len(self.buffer) < size:
            if not self.fill(seconds):
                raise EOFError(f"the end, wanted {size} bytes, have {bytes(self.buffer[:200])}")
        return self.take(size)

    def read_until(self, mark, seconds=None):
        searched = 0
        while True:
            found = self.buffer.find(mark, searched)
            if found >= 0:
                return self.take(found + len(mark))
            searched = max(0, len(self.buffer) - len(mark) + 1)
            if not self.fill(seconds):
                raise EOFError(f"the end, wanted {mark}, have {bytes(self.buffer[:200])}")

    def read_all(self, seconds=None):
        while self.fill(seconds):
            pass
        return self.take(len(self.buffer))

    def read_quiet(self, seconds):
        """What comes until nothing came for that long."""
        try:
            return self.read_all(seconds)
        except TimedOut:
            return self.take(len(self.buffer))

    def expect_eof(self, seconds=None):
        rest = self.read_all(seconds)
        assert rest == b"", f"expected the end, got {rest[:200]}"


def wait_ready(descriptor, event, seconds):
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(seconds * 1000))


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
            return True
    except OSError:
        return False


def connect(address):
    """Opens a stream to a socket path or a (host, port)."""
    family = socket.AF_UNIX if isinstance(address, str) else \
        socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(Deadline().seconds)
    sock.connect(address)
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Stream.of_socket(sock)
