"""sidespan top: what runs now, for a person at a terminal."""

import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import threading

import pytest

from lib.operator import ADMIN, Operator
from lib.process import BINARY
from lib.wait import Deadline, TimedOut, until


def top(lab, *args, **options):
    return subprocess.run([BINARY, "top", *args], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, env=lab.environment(), timeout=Deadline().seconds, **options)


def ended(done):
    """The status and the one line that says why; nothing else was printed."""
    assert done.stdout == "" and done.stderr.count("\n") == 1
    return done.returncode, done.stderr.removeprefix("sidespan: error: top: ").strip()


class Terminal:
    """The program on a terminal of a given size; what it shows is what was written since the last picture."""

    def __init__(self, lab, *args, rows=24, columns=80, is_piped=False):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            if is_piped:
                os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.execve(BINARY, [BINARY, "top", *args], lab.environment())
        self.found = termios.tcgetattr(self.fd)
        self.resize(rows, columns)
        self.written = b""
        self.lab = lab

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        try:
            self.written += os.read(self.fd, 65536)
            return True
        except OSError:  # the other end is gone
            return False

    def lines(self):
        """The last whole picture, without what makes it one."""
        pictures = self.written.split(b"\x1b[H")[1:]
        whole = [picture for picture in pictures if b"\x1b[J" in picture]
        text = whole[-1].split(b"\x1b[J")[0].decode() if whole else ""
        return [re.sub(r"\x1b\[[0-9;]*[mK]", "", line) for line in text.replace("\r", "").split("\n")]

    def until(self, pattern):
        deadline = Deadline()
        while not (found := re.search(pattern, "\n".join(self.lines()))):
            if deadline.passed() or not self.read():
                raise TimedOut(f"no {pattern!r} in {self.written!r}")
        return found

    def is_raw(self):
        """Keys come one by one, and are not shown."""
        return termios.tcgetattr(self.fd)[3] & (termios.ICANON | termios.ECHO) == 0

    def press(self, keys):
        os.write(self.fd, keys)

    def wait(self):
        """The exit status; the terminal is as it was."""
        while self.read():
            pass
        _, status = os.waitpid(self.pid, 0)
        assert termios.tcgetattr(self.fd) == self.found
        assert self.written.count(b"\x1b[?1049h") == self.written.count(b"\x1b[?1049l")
        assert self.written.count(b"\x1b[?25l") == self.written.count(b"\x1b[?25h")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


class Fake(threading.Thread):
    """Answers each connection with the next of the texts, and then again with the last one."""

    def __init__(self, lab, *answers):
        super().__init__(daemon=True)
        self.answers, self.asked = list(answers), []
        self.listener = lab.keep(socket.create_server(("127.0.0.1", 0)))
        self.where = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                self.asked.append(client.recv(65536).decode())
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                client.sendall(answer)


def page(body, status="200 OK", length=True):
    text = body if isinstance(body, str) else json.dumps(body)
    head = f"HTTP/1.1 {status}\r\n" + f"Content-Length: {len(text)}\r\n" * length
    return (head + "\r\n" + text).encode()


def span(name, **more):
    return {"name": name, "kind": 2, "traceId": "ab" * 16, "startTimeUnixNano": "1000000000", "attributes": [], **more}


def told(*spans, **more):
    return {"timeUnixNano": "5000000000", "spans": spans, "omitted": 0, **more}


STATS = {"version": "1.2.3", "server": "s", "uptimeSeconds": 61, "sessions": 2, "inFlight": 3,
         "exporter": {"sent": 4, "pending": 5, "spooled": 6, "rejected": 7, "dropped": 8, "state": "ok"}}


@pytest.mark.parametrize("kind", ["url", "address", "unix", "socket", "name"])
def test_what_runs_of_a_running_program(lab, kind):
    path = lab.path("admin")
    admin = f"--admin-listen=unix://{path}" if kind in ("unix", "socket", "name") else ADMIN
    link = lab.link("ws", args=[admin], profile="codex")
    url = link.sidespan.wait_line(r"health and metrics at (\S+)")[1]
    link.client.send({"id": 1, "method": "turn/start", "params": {"threadId": "T"}})
    link.server.recv()
    link.server.send({"id": 1, "result": {"turn": {"id": "u"}}})
    link.client.recv()
    link.client.send({"id": 2, "method": "evil\x1b[31m\u202e"})
    link.server.recv()
    where = {"address": url.removeprefix("http://"), "socket": path, "name": os.path.basename(path)}.get(kind, url)
    done = top(lab, where, cwd=os.path.dirname(path))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "2 run: 1 request, 1 turn" in lines
    at = lines.index("")
    assert lines[at + 1].split() == ["AGE", "KIND", "NAME", "CONN", "THREAD", "TRACE"]
    assert re.fullmatch(r" *\d\.\ds  turn     app_server\.turn .* T  +[0-9a-f]{32}", lines[at + 2])
    assert re.fullmatch(r" *\d\.\ds  request  evil�\[31m� .* [0-9a-f]{32}", lines[at + 3])
    assert len(lines) == at + 4


def test_the_token(lab):
    token = lab.write("token", "hush-hush\n")
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9", f"--listen-token-file={token}")
    assert ended(top(lab, operator.url)) == \
        (1, f"{operator.url}: it answers 401: it asks for the token in listen.token_file: --token-file FILE")
    done = top(lab, "--token-file", token, operator.url)
    assert done.returncode == 0 and "nothing runs\n" in done.stdout
    assert top(lab, "--token-file", lab.write("token", "\n hush-hush \r\n\n"), operator.url).returncode == 0


@pytest.mark.parametrize("text, why", [
    ("", "it is empty"), ("hush hush\n", "it has a blank, a line break or something else that no token has"),
    ("x" * 4097, "it is too long"), ("x\0\n", "it has a NUL byte"), ("x" * 65537, "larger than 64 KiB"),
    (None, "Is a directory")])
def test_no_token(lab, text, why):
    """As listen.token_file would have it."""
    path = lab.directory if text is None else lab.write("token", text)
    assert ended(top(lab, "--token-file", path, "x")) == \
        (2, f"--token-file: {path}: {why}; must have one token of 1 to 4096 visible ASCII characters")


USAGE = [([], "must be followed by what admin.listen of a running sidespan is: sidespan top URL|SOCKET"),
         (["a", "b"], "b: a second one; must be one URL or SOCKET"),
         (["--twice"], "--twice: no such option; see sidespan top --help"),
         (["-t"], "-t: no such option; see sidespan top --help"),
         (["--token-file"], "--token-file: must be followed by a FILE"),
         (["--token-file", "/nowhere/t", "x"], "--token-file: /nowhere/t: No such file or directory"),
         *(([url], f"{url}: must be http://HOST:PORT, unix:///PATH or the path of a socket") for url in
           ("https://localhost:1", "tcp://localhost:1", "http://localhost:1/x", "lsp+unix:///x", "ftp://x", "/" * 108)),
         (["localhost:x"], "localhost:x: the port is not a number from 0 to 65535")]


@pytest.mark.parametrize("args, why", USAGE)
def test_wrong_arguments(lab, args, why):
    assert ended(top(lab, *args)) == (2, why)


def test_help(lab):
    done = top(lab, "--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("usage: sidespan top ")
    assert "sidespan top" in subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout


ANSWERS = [(b"", "it has closed the connection without an answer"),
           (b"HTTP/1.1 200", "it has closed the connection without an answer"),
           (b"SSH-2.0-x\r\n", "it does not speak HTTP"),
           (page("", "404 Not Found"), "it answers 404: this is no admin.listen of sidespan, or of an older one"),
           (page("", "403 Forbidden"), "it answers 403: it does not answer to this name"),
           (page("", "500 Oh"), "it answers 500: that is not expected"),
           (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "its answer breaks off"),
           (page("<html>"), "not what sidespan says"),
           (page("[]"), "not what sidespan says")]


@pytest.mark.parametrize("answer, why", ANSWERS)
def test_wrong_answers(lab, answer, why):
    fake = Fake(lab, answer)
    assert ended(top(lab, fake.where)) == (1, f"{fake.where}: {why}")
    assert fake.asked == [f"GET /open HTTP/1.0\r\nHost: {fake.where}\r\n\r\n"]


def test_nobody_there(lab):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = "127.0.0.1:%d" % listener.getsockname()[1]
    assert ended(top(lab, where)) == (1, f"{where}: Connection refused")
    assert ended(top(lab, "/nowhere/x")) == (1, "/nowhere/x: No such file or directory")


@pytest.mark.parametrize("length", [True, False])
def test_numbers(lab, length):
    fake = Fake(lab, page(told(span("a"), omitted=4), length=length), page(STATS, length=length))
    done = top(lab, fake.where)
    assert done.returncode == 0
    assert done.stdout.splitlines()[:3] == [
        "sidespan 1.2.3  s  up 1m01s  sessions 2  in flight 3",
        "exporter ok  sent 4  pending 5  rejected 7  dropped 8  spooled 6",
        "5 run: 1 request, 4 not told of"]


def test_live_on_a_terminal(lab):
    """Again and again, until q; what nobody is there to tell is shown as it was, and why."""
    fake = Fake(lab, page(told(span("first"))), page(STATS), page(told(span("second"), span("third"))), page(STATS),
                b"", page(told()), page(STATS))
    terminal = Terminal(lab, fake.where, columns=140)
    terminal.until("first")
    terminal.press(b"x")
    terminal.until("second .*\n.*third")
    terminal.until("sidespan 1.2.3 .*without an answer\n(.*\n)*.*third")
    assert terminal.until("nothing runs") and len(terminal.lines()) == 3
    terminal.press(b"xq")
    assert terminal.wait() == 0


@pytest.mark.parametrize("end", [b"q", b"Q", b"\x04", b"\x03", b"\x1c", signal.SIGINT, signal.SIGTERM, signal.SIGQUIT,
                                 signal.SIGHUP])
def test_ends(lab, end):
    terminal = Terminal(lab, Fake(lab, page(told())).where)
    terminal.until("nothing runs")
    assert terminal.is_raw()
    if isinstance(end, bytes):
        terminal.press(end)
    else:
        os.kill(terminal.pid, end)
    assert terminal.wait() == 0


def test_the_size_of_the_terminal(lab):
    fake = Fake(lab, page(told(*(span(f"a-name-{number}") for number in range(30)))))
    terminal = Terminal(lab, fake.where, rows=10, columns=40)
    terminal.until("and 26 more")
    assert len(terminal.lines()) == 10 and max(map(len, terminal.lines())) == 40
    terminal.resize(40, 100)
    terminal.until("a-name-29  " + "ab" * 16)
    terminal.press(b"q")
    assert terminal.wait() == 0


def test_suspended_and_continued(lab):
    terminal = Terminal(lab, Fake(lab, page(told(span("a")))).where)
    terminal.until("request  a")
    terminal.press(b"\x1a")
    until(lambda: open(f"/proc/{terminal.pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T", "it stops")
    assert termios.tcgetattr(terminal.fd) == terminal.found
    os.kill(terminal.pid, signal.SIGCONT)
    while terminal.written.count(b"\x1b[?1049h") < 2:
        assert terminal.read()
    assert terminal.is_raw()
    terminal.press(b"q")
    assert terminal.wait() == 0


@pytest.mark.parametrize("args, is_piped", [(["--once"], False), ([], True)])
def test_once_on_a_terminal(lab, args, is_piped):
    """Where no key could end it, too."""
    terminal = Terminal(lab, *args, Fake(lab, page(told(span("a")))).where, is_piped=is_piped)
    assert terminal.wait() == 0
    assert b"request  a" in terminal.written and b"\x1b[H" not in terminal.written
