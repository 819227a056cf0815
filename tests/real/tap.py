#!/usr/bin/env python3
"""A tap between sidespan and codex: relays bytes as they are and records them with the time.

As a program it stands on stdin and stdout before a command and ends with the command's status:

    tap.py RECORD COMMAND [ARG...]

In the tests' own process, Relay listens on a socket before a listening server. Times are taken
between reading a chunk and writing it, so they lie inside the span of the proxy before it.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time

from wire import READ_BYTES, TEXT, Frames, Lines, at_once

CLIENT_TO_SERVER, SERVER_TO_CLIENT = "c2s", "s2c"


class Recording:
    """The chunks of one connection, in both directions, and which of these have ended."""

    def __init__(self):
        self.chunks, self.ended = [], []

    @staticmethod
    def read(path):
        recording = Recording()
        with open(path, encoding="ascii") as file:
            for line in file:
                direction, when, data = json.loads(line)
                recording.chunks.append((direction, when, bytes.fromhex(data)))
        return recording

    def bytes(self, direction):
        return b"".join(
            data for chunk_direction, _, data in self.chunks if chunk_direction == direction
        )

    def head(self, direction):
        """The HTTP head at the begin of a WebSocket connection."""
        return self.bytes(direction).split(b"\r\n\r\n", 1)[0].decode("latin1")

    def messages(self, direction, websocket):
        """(time of the last byte, text) of every message."""
        messages, head_seen, head = [], not websocket, b""
        decoder = Frames() if websocket else Lines()
        for chunk_direction, when, data in self.chunks:
            if chunk_direction != direction:
                continue
            if not head_seen:
                head += data
                if b"\r\n\r\n" not in head:
                    continue
                data, head_seen = head.split(b"\r\n\r\n", 1)[1], True
            messages += [
                (when, payload.decode()) for opcode, payload in decoder.feed(data) if opcode == TEXT
            ]
        return messages


def pump(read, write, finish, record):
    """Relays until the end of file, recording each chunk before it is passed on."""
    try:
        while data := read():
            record(data)
            write(data)
    except OSError:
        pass
    try:
        finish()
    except OSError:
        pass


class Relay:
    """Listens at .url, on TCP or at path, and relays to connect(); .recordings are in order."""

    def __init__(self, connect, path=None):
        self.connect, self.recordings = connect, []
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(path or ("127.0.0.1", 0))
        self.listener.listen()
        self.url = (
            "ws+unix://" + path if path else "ws://127.0.0.1:%d" % self.listener.getsockname()[1]
        )
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            recording = Recording()
            self.recordings.append(recording)
            threading.Thread(target=self.serve, args=(client, recording), daemon=True).start()

    def serve(self, client, recording):
        if client.family == socket.AF_INET:
            at_once(client)
        try:
            server = self.connect()
        except OSError:
            client.close()
            return
        with client, server:
            ways = [
                threading.Thread(target=self.relay, daemon=True, args=(recording, *way))
                for way in ((CLIENT_TO_SERVER, client, server), (SERVER_TO_CLIENT, server, client))
            ]
            for way in ways:
                way.start()
            for way in ways:
                way.join()

    @staticmethod
    def relay(recording, direction, source, target):
        pump(
            lambda: source.recv(READ_BYTES),
            target.sendall,
            lambda: target.shutdown(socket.SHUT_WR),
            lambda data: recording.chunks.append((direction, time.time(), data)),
        )
        recording.ended.append(direction)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data) :]


def main():
    path, *command = sys.argv[1:]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    lock = threading.Lock()
    with open(path, "w", encoding="ascii") as file:

        def relay(direction, source, target, finish):
            def record(data):
                with lock:
                    file.write(json.dumps([direction, time.time(), data.hex()]) + "\n")
                    file.flush()

            pump(
                lambda: os.read(source, READ_BYTES),
                lambda data: write_all(target, data),
                finish,
                record,
            )

        threading.Thread(
            target=relay,
            daemon=True,
            args=(CLIENT_TO_SERVER, 0, child.stdin.fileno(), child.stdin.close),
        ).start()
        relay(SERVER_TO_CLIENT, child.stdout.fileno(), 1, lambda: None)
        status = child.wait()
        os._exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
