"""The whole program with an allocation that fails, its own or a library's: at each place in turn.

A conversation goes through the program while its Nth allocation is refused. Then, at each end, what
came is what was sent, from the first message on; if not all of it came, both ends have seen the end,
the log says why and, without --listen, the exit status. Spans are delivered, or counted as lost.
Who comes next is served as if nothing had been. OOM=all tries all of them, else a sample.
"""

import json
import os
import re
import socket
import threading

import pytest

from lib.lab import TLS, Lab, address_of, bridged
from lib.peer import Closed, Dialing, Lines, WebSocket, encode, serve_upgrade
from lib.process import is_sanitized
from lib.refuse import Refusal
from lib.stream import Stream, connect
from lib.tls import certificates
from lib.wait import Background, TimedOut

ALL = os.environ.get("OOM") == "all"
SAMPLE = 5  # at the start, and as many later
FOR_GOOD = 1000000

pytestmark = pytest.mark.skipif(is_sanitized(), reason="sanitizers bring an allocator of their own")

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CLIENT, SERVER = "client", "server"
LONG = 100000


def script(name):
    """A conversation about a thread; its long messages wait for their reader: a backlog."""
    def note(method, **params):
        return {"method": method, "params": {"threadId": name, **params}}

    def turn(status="inProgress"):
        return {"id": name, "rootTurnId": name, "status": status}

    def item(what, **more):
        return note(f"item/{what}", turnId=name,
                    item={"id": "i", "type": "commandExecution", **more})

    return [(speaker, encode(message)) for speaker, message in (
        (CLIENT, {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "a"}}}),
        (SERVER, {"id": 1, "result": {"userAgent": "b"}}),
        (CLIENT, {"method": "initialized"}),
        (CLIENT, {"id": 2, **note("turn/start", input=["x" * 20000]),
                  "trace": {"traceparent": PARENT, "tracestate": "a=1"}}),
        (SERVER, {"id": 2, "result": {"turn": turn()}}),
        (SERVER, note("turn/started", turn=turn())),
        (SERVER, item("started", command="/bin/make all")),
        (SERVER, {"id": "q", **note("item/commandExecution/requestApproval", turnId=name,
                                    itemId="i")}),
        (CLIENT, {"id": "q", "result": {"decision": "accept"}}),
        (SERVER, note("item/agentMessage/delta", turnId=name, itemId="i", delta="words " * 8000)),
        (SERVER, note("error", turnId=name, willRetry=True, error={"message": "again"})),
        (SERVER, item("completed", status="completed", exitCode=0)),
        (SERVER, note("turn/completed", turn=turn("completed"))),
        (CLIENT, {"id": 3, "method": "model/list", "trace": 5, "params": {"long": "y" * 300000}}),
        (SERVER, {"id": 3, "error": {"code": -1, "message": "no"}, "more": "z" * 300000}),
        (CLIENT, "this is no JSON"),
        (SERVER, {"id": 4, "method": "last", "params": {}}),
    )]


class PuppetPeer(Lines):
    """The other end of pipes, whose process ends with them."""

    def __init__(self, puppet):
        super().__init__(puppet.peer.stream)
        self.puppet = puppet

    def close(self):
        super().close()
        try:
            self.puppet.order("exit", status=0)
        except OSError:
            pass  # it has been killed


class Over(Exception):
    """The other end has gone, or ours was refused: there is no one to talk to."""


class Conversation:
    """A script with each end in a thread of its own, which leaves when it is told of an end."""

    def __init__(self, name, open_client, open_server):
        self.script = script(name)
        self.said = [threading.Event() for _ in self.script]
        self.over = threading.Event()
        self.heard = {CLIENT: [], SERVER: []}
        self.whole = {CLIENT: False, SERVER: False}
        ends = [Background(self.play, CLIENT, open_client),
                Background(self.play, SERVER, open_server)]
        for end in ends:
            end.result(10)

    def play(self, own, open_peer):
        peer = None
        try:
            peer = open_peer(self.over)
            for step, (speaker, message) in enumerate(self.script):
                if speaker == own:
                    peer.send(message)
                    self.said[step].set()
                else:
                    if len(message) > LONG:
                        self.said[step].wait()
                    self.heard[own].append(peer.recv())
            self.leave(own, peer)
            self.whole[own] = True
        except (EOFError, OSError, Closed, Over):
            pass  # what was heard until then is looked at
        finally:
            self.over.set()
            for event in self.said:
                event.set()
            if peer:
                peer.close()

    @staticmethod
    def leave(own, peer):
        """The client goes, the server hears of it and goes, the client hears of that."""
        if own == CLIENT:
            peer.send_close(1000) if isinstance(peer, WebSocket) else peer.close_write()
        if isinstance(peer, WebSocket):
            peer.recv_close()
        else:
            peer.expect_eof()
        if own == SERVER and isinstance(peer, WebSocket):
            peer.send_close(1000)

    def is_whole(self):
        return all(self.whole.values())

    def check(self):
        for own, heard in self.heard.items():
            sent = [message for speaker, message in self.script if speaker != own]
            assert [plain(came) for came in heard] == [plain(said) for said in sent[:len(heard)]]


def plain(message):
    """A message without its carrier, and the blanks that were promised for one."""
    try:
        value = json.loads(message)
    except ValueError:
        return message
    value.pop("trace", None)
    return value


class Run:
    """One start of the program: a conversation with failures, one without, the end."""

    def __init__(self, listen, upstream, number=0, count=1, expected=0):
        self.listen = listen
        self.upstream = upstream
        self.wraps = listen == "stdio"
        self.lab = Lab()
        self.refusal = self.lab.keep(Refusal(self.lab.directory))
        self.collector = self.lab.collector()
        self.expected = expected
        self.count = count
        self.program = None
        try:
            self.refusal.arm(number, count)
            started = self.start()
            self.start_count = self.refusal.count
            self.talk() if started else self.check_refusal()
        except Exception as error:
            lines = "\n".join(self.program.lines) if self.program else ""
            why = f"{listen} to {upstream}: allocation {number} (x{count}) of " \
                f"{self.refusal.where()}:\n{error!r}\n{lines}"
            self.close_failed()
            raise AssertionError(why) from error
        self.places = self.refusal.places()
        self.allocations = self.refusal.count
        self.lab.close()

    def close_failed(self):
        if self.program and self.program.running():
            self.program.process.kill()
        try:
            self.lab.close()
        except Exception:
            pass  # it has failed already

    def start(self):
        args = ["--profile=codex", "--child-grace=2s", "--child-linger=100ms"]
        if not self.wraps:
            args += ["--listen=" + self.lab.listen_url(self.listen)]
        if self.listen in TLS:
            certificate, key = certificates().pair("server")
            args += ["--tls-certificate=" + certificate, "--tls-key=" + key]
        if self.upstream in TLS:
            args += ["--tls-upstream-ca=" + certificates().path("ca.pem")]
        self.backend = None
        if self.upstream != "stdio":
            self.backend = self.lab.backend(self.upstream)
            self.backend.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            args += ["--upstream=" + self.backend.url]
        else:
            args += ["--", *self.lab.puppets.command()]
        self.program = self.lab.sidespan(*args, collector=self.collector,
                                         env=self.refusal.environment())
        try:
            self.program.wait_line("info: version " if self.wraps else "listening on ")
        except TimedOut:
            if self.program.thread.is_alive():
                raise
            return False  # it has not started
        self.url = None if self.wraps else self.program.url()
        return True

    # how the ends come to be

    def open_client(self, over):
        if self.wraps:
            return self.lab.keep(self.program.peer())
        stream = connect(address_of(self.url))
        if self.listen in TLS:
            stream = bridged(stream.sock, certificates().client(), "localhost")
        self.lab.keep(stream)
        if not self.listen.startswith("ws"):
            return Lines(stream)
        dialing = Dialing(stream)
        try:
            return dialing.finish()
        except AssertionError as error:
            if dialing.head is None:
                raise
            raise Over(dialing.head.status) from error

    def open_server(self, over):
        listener = self.backend.listener if self.backend else self.lab.puppets.listener
        listener.settimeout(0.02)
        while True:
            try:
                sock, _ = listener.accept()
                break
            except TimeoutError:
                if over.is_set():
                    raise Over from None
        if not self.backend:
            return PuppetPeer(self.lab.puppets.take(sock))
        stream = bridged(sock, self.backend.tls) if self.backend.tls else Stream.of_socket(sock)
        self.lab.keep(stream)
        return serve_upgrade(stream)[0] if self.upstream.startswith("ws") else Lines(stream)

    # what must hold

    def talk(self):
        self.conversation = Conversation("T", self.open_client, self.open_server)
        self.refusal.disarm()
        self.conversation.check()
        if self.wraps:
            self.check_ended()
            status = self.program.wait()
            # without memory for a timer there is no grace for a command that has been heard out
            killed = status == 137 and self.count == FOR_GOOD
            assert killed or (status == 0) == self.conversation.is_whole(), \
                f"status {status}, {self.conversation.whole}"
        else:
            self.talk_again()
        if not self.conversation.is_whole():
            assert self.program.log("error") or self.tells("TLS with the (client|server): "), \
                "nothing told of the end"
        if any(line.startswith("spans: ") for line in self.program.log("info")):
            self.check_spans()

    def talk_again(self):
        """Who comes next is served, unless the start itself has failed, behind the listening."""
        again = Conversation("U", self.open_client, self.open_server)
        again.check()
        if again.is_whole():
            assert self.program.stop() == 0
            return
        assert "open" not in "".join(self.program.log("info")), f"the next one: {again.whole}"
        self.check_refusal()

    def tells(self, pattern):
        return re.search(pattern, "\n".join(self.program.log()))

    def check_refusal(self):
        """It has not started, and says why."""
        self.check_ended()
        assert self.program.wait() in (1, 2)
        assert self.program.log("error")

    def check_ended(self):
        self.program.wait()
        assert self.program.process.returncode >= 0, "it has crashed"

    def check_spans(self):
        count = self.program.accounting()
        assert count["sent"] <= len(self.collector.spans) <= count["created"]
        self.created = count["created"]
        if self.created < self.expected and self.conversation.is_whole():
            assert self.tells("_no_memory=|out of memory"), f"{self.created} spans, not a word"


KINDS = [("stdio", "stdio"), ("ws", "ws"), ("tcp", "tcp"), ("ws", "stdio"), ("unix", "ws"),
         ("stdio", "ws"), ("wss", "tls+tcp")]


def spread(numbers, count):
    step = max(1, len(numbers) // count)
    return numbers[step // 2::step]


@pytest.mark.parametrize("count", [1, FOR_GOOD])
@pytest.mark.parametrize("listen, upstream", KINDS)
def test_places(listen, upstream, count):
    """One allocation that fails, or all from one on; at the start, and later."""
    whole = Run(listen, upstream)
    places = whole.places
    if not ALL:
        start = [number for number in places if number <= whole.start_count]
        places = spread(start, SAMPLE) + spread(places[len(start):], SAMPLE)
    failures = []
    for number in places:
        try:
            Run(listen, upstream, number, count, whole.created)
        except AssertionError as error:
            failures.append(str(error))
    print(f"{listen} to {upstream}: {len(places)} places of {whole.allocations} allocations")
    assert not failures, f"{len(failures)} failures:\n\n" + "\n\n".join(failures)
