"""Puts programs, peers and collectors together, and takes them apart after the test."""

import itertools
import os
import shutil
import socket
import tempfile

from lib.collector import Collector
from lib.peer import Dialing, Lines, Sized, Texts, serve_upgrade
from lib.process import Puppets, Sidespan
from lib.stream import Stream, connect
from lib.tls import Bridge, certificates
from lib.wait import Deadline, TimedOut

SOCKETS = ("ws", "ws+unix", "tcp", "unix")
KINDS = ("stdio", *SOCKETS)
TLS = ("wss", "tls+tcp")


def speaks(kind):
    """What is spoken at a URL of that kind, where it is no WebSocket."""
    return Sized if kind.startswith("lsp") else Texts if kind.startswith("json") else Lines


def address_of(url):
    """What to connect to for a URL: a socket path, or (host, port)."""
    scheme, rest = url.split("://", 1)
    if scheme.endswith("unix"):
        return rest
    host, port = rest.split("/", 1)[0].rsplit(":", 1)
    return host.strip("[]"), int(port)


class Backend:
    """A server that listens; the test accepts and plays it."""

    def __init__(self, kind, path, backlog=256, tls=None):
        self.kind = kind
        self.tls = tls or (certificates().server() if kind in TLS else None)
        unix = kind.endswith("unix")
        self.listener = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.listener.bind(path if unix else ("127.0.0.1", 0))
        self.listener.listen(backlog)
        name = self.listener.getsockname()
        self.url = f"{kind}://" + (path if unix else "127.0.0.1:%d" % name[1])
        self.head = None
        self.accepted = []

    def accept(self, seconds=None):
        """The next connection, nothing read from it."""
        self.listener.settimeout(Deadline(seconds).seconds)
        try:
            sock, _ = self.listener.accept()
        except TimeoutError:
            raise TimedOut(f"nobody came to {self.url}") from None
        if not self.kind.endswith("unix"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = Stream.of_socket(sock) if not self.tls else bridged(sock, self.tls)
        self.accepted.append(stream)
        return stream

    def accept_peer(self, seconds=None, **options):
        """The next connection, after its handshake."""
        stream = self.accept(seconds)
        if not self.kind.startswith("ws"):
            return speaks(self.kind)(stream)
        peer, self.head = serve_upgrade(stream, **options)
        return peer

    def close(self):
        for stream in self.accepted:
            stream.close()
        self.listener.close()


def bridged(sock, context, server_name=None):
    """A stream of what is said within TLS over the socket; it has the bridge."""
    bridge = Bridge(sock, context, server_name)
    stream = Stream.of_socket(bridge.plain)
    stream.bridge = bridge
    return stream


class Link:
    """A running program with a conversation through it: client and server are the two ends."""

    def __init__(self, lab, sidespan, listen, backend, collector, dial=True):
        self.lab = lab
        self.sidespan = sidespan
        self.listen = listen
        self.backend = backend
        self.collector = collector
        self.url = sidespan.url() if listen != "stdio" else None
        self.puppet = None
        self.client, self.server = self.open() if dial else (None, None)

    def dial(self, **options):
        """Begins a client's connection; finish() makes the peer of it."""
        stream = self.lab.keep(self.connect())
        if self.listen.startswith("ws"):
            return Dialing(stream, **options)
        peer = speaks(self.listen)(stream)
        peer.finish = lambda: peer
        return peer

    def connect(self, context=None):
        stream = connect(address_of(self.url))
        if self.listen in TLS:
            stream = bridged(stream.sock, context or certificates().client(), "localhost")
        return stream

    def open(self):
        """A further conversation: (client, server)."""
        client = self.lab.keep(self.sidespan.peer()) if self.listen == "stdio" else self.dial()
        if self.backend:
            server = self.backend.accept_peer()
        else:
            self.puppet = self.lab.puppets.accept()
            server = self.puppet.peer
        return client if self.listen == "stdio" else client.finish(), server

    def call(self, request, reply=None, client=None, server=None):
        """One round trip; returns the request as the server got it."""
        client, server = client or self.client, server or self.server
        client.send(request)
        received = server.recv()
        if reply is not None:
            server.send(reply)
            client.recv()
        return received

    def finish(self):
        """The client leaves; in a wrap the puppet then ends as a server does."""
        self.client.close()
        if self.puppet:
            self.puppet.exit(0)
        if self.listen != "stdio":
            self.server.close()
            return self.sidespan.stop()
        return self.sidespan.wait()


class Lab:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="ss")
        self.numbers = itertools.count(1)
        self.owned = []
        self.made_puppets = None

    def keep(self, thing):
        self.owned.append(thing)
        return thing

    def path(self, name="s"):
        """A name for a file or socket that does not exist yet."""
        return os.path.join(self.directory, f"{next(self.numbers)}{name}")

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return path

    @property
    def puppets(self):
        if not self.made_puppets:
            self.made_puppets = self.keep(Puppets(self.path("p")))
        return self.made_puppets

    def collector(self, *answers, **options):
        return self.keep(Collector(*answers, **options))

    def backend(self, kind, **options):
        return self.keep(Backend(kind, self.path(kind[0]), **options))

    def environment(self, collector=None, env=None):
        made = {"PATH": os.environ["PATH"], "HOME": self.directory, "LANG": "C.UTF-8"}
        made.update({name: value for name, value in os.environ.items()
                     if name.endswith("SAN_OPTIONS")})
        if collector:
            made["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
            made["OTEL_BSP_SCHEDULE_DELAY"] = "10"
        else:
            made["OTEL_TRACES_EXPORTER"] = "none"
        made.update(env or {})
        return {name: value for name, value in made.items() if value is not None}

    def sidespan(self, *args, collector=None, env=None, **options):
        return self.keep(Sidespan(args, self.environment(collector, env), **options))

    def listen_url(self, kind):
        return f"{kind}://" + (self.path("l") if kind.endswith("unix") else "127.0.0.1:0")

    def link(self, listen="unix", upstream=None, args=(), profile="codex", collector=None,
             dial=True, **options):
        """Starts the program between a client and a server of these kinds, and joins them."""
        upstream = upstream or listen
        args = [f"--profile={profile}", *args]
        if listen != "stdio":
            args += ["--listen=" + self.listen_url(listen)]
        if listen in TLS:
            certificate, key = certificates().pair("server")
            args = ["--tls-certificate=" + certificate, "--tls-key=" + key, *args]
        if upstream in TLS:
            args = ["--tls-upstream-ca=" + certificates().path("ca.pem"), *args]
        backend = None
        if upstream != "stdio":
            backend = self.backend(upstream)
            args += ["--upstream=" + backend.url]
        else:
            args += ["--", *self.puppets.command()]
        sidespan = self.sidespan(*args, collector=collector, **options)
        return Link(self, sidespan, listen, backend, collector, dial)

    def traced(self, listen="unix", upstream=None, **options):
        """A link with a collector behind it."""
        return self.link(listen, upstream, collector=self.collector(), **options)

    def close(self):
        """Peers first, so that the program finds its way out; then the program; then the rest."""
        errors = []
        programs = [thing for thing in self.owned if isinstance(thing, Sidespan)]
        collectors = [thing for thing in self.owned if isinstance(thing, Collector)]
        peers = [thing for thing in self.owned if thing not in programs + collectors]
        for thing in [*reversed(peers), *programs, *collectors]:
            try:
                thing.close()
            except Exception as error:
                errors.append(error)
        shutil.rmtree(self.directory, ignore_errors=True)
        if errors:
            raise errors[0]
