"""TLS for tests: certificates, and a bridge that gives a test the plain half of a connection."""

import functools
import os
import select
import socket
import ssl
import subprocess
import tempfile
import threading

CHUNK = 1 << 16
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Certificates:
    """Files of a folder, each made when it is first asked for."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sstls")
        openssl("req", "-x509", *CURVE, "-keyout", self.path("ca.key"), "-out", self.path("ca.pem"),
                "-days", "30", "-subj", "/CN=test root")

    def path(self, name):
        return os.path.join(self.folder.name, name)

    @functools.lru_cache(maxsize=None)
    def pair(self, name, subject="/CN=localhost", names="DNS:localhost,IP:127.0.0.1", days=30):
        """(certificate, key) for these names, vouched for by ca.pem."""
        key, request, made = self.path(name + ".key"), self.path(name + ".csr"), self.path(name + ".pem")
        with open(self.path(name + ".ext"), "w") as file:
            file.write(f"subjectAltName={names}\n")
        openssl("req", *CURVE, "-keyout", key, "-out", request, "-subj", subject)
        since = ["-days", str(days)] if days > 0 else ["-not_before", "20200101000000Z", "-not_after",
                                                       "20200102000000Z"]
        try:
            openssl("x509", "-req", "-in", request, "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"),
                    "-CAcreateserial", "-out", made, "-extfile", self.path(name + ".ext"), *since)
        except subprocess.CalledProcessError:  # before 3.4 only days, which may be below 0
            openssl("x509", "-req", "-in", request, "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"),
                    "-CAcreateserial", "-out", made, "-extfile", self.path(name + ".ext"), "-days", str(days))
        return made, key

    def server(self, name="server", ask=False, **options):
        """A server's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pair(name, **options))
        if ask:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.path("ca.pem"))
        return context

    def client(self, name=None):
        """A client's context, with a certificate of that name."""
        context = ssl.create_default_context(cafile=self.path("ca.pem"))
        if name:
            context.load_cert_chain(*self.pair(name, subject="/O=Clients/CN=" + name, names="DNS:" + name))
        return context


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@functools.lru_cache(maxsize=None)
def certificates():
    return Certificates()


class Bridge(threading.Thread):
    """
    Between a socket that speaks TLS and .plain, of which the test has the other end. An end on one
    side is an end on the other, each way for itself; .error is what went wrong.
    """

    def __init__(self, sock, context, server_name=None):
        super().__init__(daemon=True)
        self.raw = sock
        self.ours, self.plain = socket.socketpair()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server_name is None,
                                    server_hostname=server_name)
        self.error = None
        self.agreed = threading.Event()
        self.cut = False  # ends are passed on without close_notify
        self.to_raw, self.to_plain = bytearray(), bytearray()
        self.raw_ended = self.plain_ended = self.shut = self.told_end = False
        for end in (self.raw, self.ours):
            end.setblocking(False)
        self.start()

    def run(self):
        try:
            while not (self.told_end and self.shut and not self.to_raw):
                self.step()
                self.wait()
        except (OSError, ssl.SSLError) as error:
            self.error = error
            self.flush()
        self.agreed.set()
        self.ours.close()
        self.raw.close()

    def flush(self):
        """An alert goes out as far as it is taken."""
        self.to_raw += self.outgoing.read()
        try:
            self.raw.send(self.to_raw)
        except OSError:
            pass

    def step(self):
        try:
            if not self.agreed.is_set():
                self.tls.do_handshake()
                self.agreed.set()
            self.decrypt()
        except ssl.SSLWantReadError:
            pass
        if self.plain_ended and self.agreed.is_set() and not self.shut:
            self.shut = True
            try:
                if not self.cut:
                    self.tls.unwrap()
            except ssl.SSLWantReadError:
                pass
            self.to_raw += self.outgoing.read()
            self.raw.setblocking(True)
            self.raw.sendall(self.to_raw)
            self.raw.setblocking(False)
            self.to_raw.clear()
            self.raw.shutdown(socket.SHUT_WR)
        self.to_raw += self.outgoing.read()

    def decrypt(self):
        while len(self.to_plain) < CHUNK and not self.told_end:
            try:
                data = self.tls.read(CHUNK)
            except ssl.SSLZeroReturnError:
                data = b""
            self.to_plain += data
            if not data:
                if not self.to_plain:
                    self.told_end = True
                    self.ours.shutdown(socket.SHUT_WR)
                return

    def wait(self):
        poll = select.poll()
        poll.register(self.raw, (0 if self.raw_ended or len(self.to_plain) >= CHUNK else select.POLLIN) |
                      (select.POLLOUT if self.to_raw else 0))
        poll.register(self.ours, (select.POLLIN if self.takes_plain() else 0) |
                      (select.POLLOUT if self.to_plain else 0))
        ready = dict(poll.poll(1000))
        if ready.get(self.raw.fileno(), 0) & select.POLLOUT:
            del self.to_raw[:self.raw.send(self.to_raw[:CHUNK])]
        if ready.get(self.raw.fileno(), 0) & select.POLLIN:
            data = self.raw.recv(CHUNK)
            self.incoming.write(data) if data else self.incoming.write_eof()
            self.raw_ended = not data
        if ready.get(self.ours.fileno(), 0) & select.POLLOUT:
            del self.to_plain[:self.ours.send(self.to_plain[:CHUNK])]
        if ready.get(self.ours.fileno(), 0) & select.POLLIN:
            data = self.ours.recv(CHUNK)
            self.plain_ended = not data
            if data:
                self.tls.write(data)

    def takes_plain(self):
        return self.agreed.is_set() and not self.plain_ended and len(self.to_raw) < CHUNK
