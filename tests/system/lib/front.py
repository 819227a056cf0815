"""The program in front of HTTP that the test plays itself, byte by byte, on both sides."""

import contextlib
import re

from lib.lab import address_of
from lib.peer import read_head
from lib.stream import connect


class Front:
    """The program in front of a WebSocket backend that the test plays from its first byte."""

    def __init__(self, lab, *args, kind="ws"):
        self.lab = lab
        self.clients = []
        self.backend = lab.backend(kind)
        self.sidespan = lab.sidespan("--listen=" + self.listen_url(kind),
                                     "--upstream=" + self.backend.url, *args)
        self.address = address_of(self.sidespan.url())

    def listen_url(self, kind):
        return self.lab.listen_url(kind)

    def connect(self):
        self.clients.append(self.lab.keep(connect(self.address)))
        return self.clients[-1]

    def ask(self, request):
        """Sends a request; returns (client's stream, backend's stream, head at the backend)."""
        client = self.connect()
        client.write(request)
        server = self.backend.accept()
        return client, server, read_head(server)

    def counters(self):
        """Both sides leave, the program ends: the counters of its last line."""
        for stream in self.clients + self.backend.accepted:
            stream.close()
        self.sidespan.stop()
        lines = [line for line in self.sidespan.log("info") if line.startswith("traffic:")]
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", lines[-1])}


def pour(stream, data):
    """Writes what the other side takes; it may have enough before the end."""
    with contextlib.suppress(ConnectionError):
        stream.send_some(data, 1)
