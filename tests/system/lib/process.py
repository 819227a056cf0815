"""Processes: the program under test, and the puppet that it wraps."""

import collections
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

from lib.peer import Lines
from lib.stream import Stream
from lib.wait import Deadline, TimedOut, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BINARY = os.path.abspath(os.environ.get("SIDESPAN", os.path.join(ROOT, "build/release/sidespan")))
PUPPET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "puppet.py")
PIPE = subprocess.PIPE


def is_sanitized():
    """Memory figures of a sanitizer build say nothing."""
    with open(BINARY, "rb") as file:
        return re.search(b"__(asan|tsan)_init", file.read()) is not None


class Sidespan:
    def __init__(self, args, env, stdin=PIPE, stdout=PIPE, cwd=None, preexec=None, prefix=()):
        self.args = [*prefix, BINARY, *args]
        self.process = subprocess.Popen(self.args, stdin=stdin, stdout=stdout, stderr=PIPE, env=env,
                                        cwd=cwd, preexec_fn=preexec, bufsize=0)
        self.pid = self.process.pid
        self.stderr = b""
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.read_stderr, daemon=True)
        self.thread.start()
        self.expect_crash = False

    def read_stderr(self):
        while True:
            data = os.read(self.process.stderr.fileno(), 65536)
            with self.changed:
                self.stderr += data
                self.changed.notify_all()
            if not data:
                return

    @property
    def lines(self):
        """Without the times in front of ours."""
        text = re.sub(rb"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?=sidespan: )", b"", self.stderr)
        return text.decode(errors="replace").splitlines()

    def log(self, level=None):
        """Our own lines (of one level), without what the wrapped command wrote."""
        found = [re.match(r"sidespan: (error|warn|info|debug): (.*)", line) for line in self.lines]
        return [m[2] for m in found if m and level in (None, m[1])]

    def peer(self):
        """The client's end of stdin and stdout."""
        reader = os.dup(self.process.stdout.fileno()) if self.process.stdout else None
        writer = os.dup(self.process.stdin.fileno()) if self.process.stdin else None
        for file in (self.process.stdin, self.process.stdout):
            if file:
                file.close()
        return Lines(Stream(reader, writer))

    def wait_line(self, pattern, seconds=None, count=1):
        """Waits for that many lines of stderr which match; returns the last one's match."""
        deadline = Deadline(seconds)
        with self.changed:
            while True:
                found = [m for m in (re.search(pattern, line) for line in self.lines) if m]
                if len(found) >= count:
                    return found[count - 1]
                if deadline.passed() or not self.thread.is_alive():
                    raise TimedOut(f"no line {pattern!r} (x{count}) in:\n" + "\n".join(self.lines))
                self.changed.wait(min(deadline.left(), 0.2))

    def url(self):
        return self.wait_line(r'listening on ([^\s"]+)')[1]

    def wait(self, seconds=None):
        """Waits for the end: the exit status as a shell would show it."""
        try:
            status = self.process.wait(Deadline(seconds).seconds)
        except subprocess.TimeoutExpired:
            raise TimedOut(f"{self.args} still runs:\n" + "\n".join(self.lines)) from None
        self.thread.join(2)
        return status if status >= 0 else 128 - status

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        os.kill(self.pid, number)

    def listens(self):
        return any(arg.startswith("--listen") for arg in self.args) or \
            any(", listening on " in line for line in self.log("info"))

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def status(self, field):
        with open(f"/proc/{self.pid}/status") as file:
            return re.search(rf"^{field}:\s*(\S+)", file.read(), re.M)[1]

    def memory_peak(self):
        return int(self.status("VmHWM")) * 1024

    def memory_peak_reset(self):
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def children(self):
        """The commands, without the lookout that knows which signals were for all of us."""
        return [pid for pid in children_of(self.pid) if process_name(pid) != "signal-lookout"]

    def accounting(self, kind="spans"):
        """Of a line at exit, spans: or traffic: {"created": 3, "sent": 3}; 0 is left out there."""
        lines = [line for line in self.log("info") if line.startswith(f"{kind}:")]
        assert lines, "no accounting in:\n" + "\n".join(self.lines)
        return collections.Counter({name: int(value) for name, value
                                    in re.findall(r"(\w+)=(\d+)", lines[-1])})

    def check(self):
        """What holds for every run: no crash, no sanitizer's report, all spans accounted for."""
        text = "\n".join(self.lines)
        assert "Sanitizer" not in text and "runtime error:" not in text, text
        assert "Assertion" not in text, text
        if not self.expect_crash:
            died = self.process.returncode
            assert died is None or died >= 0, f"killed by signal {-died}:\n{text}"
        if any(line.startswith("spans:") for line in self.log("info")):
            count = self.accounting()
            created = count.pop("created")
            for extra in ("posts", "retries"):
                count.pop(extra, None)
            assert created == sum(count.values()), text

    def close(self):
        """A listener is told to end; else the program must end by itself, its peers being gone."""
        for file in (self.process.stdin, self.process.stdout):
            if file:
                file.close()
        try:
            if self.running() and self.listens():
                self.signal(signal.SIGTERM)
            self.wait()
        finally:
            if self.running():
                self.process.kill()
                self.process.wait()
            self.thread.join(2)
            self.process.stderr.close()
        self.check()


class Puppets:
    """Where puppets report."""

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(64)
        self.puppets = []

    def command(self, *args):
        return [sys.executable, "-I", "-S", PUPPET, self.path, *args]

    def accept(self, seconds=None):
        self.listener.settimeout(Deadline(seconds).seconds)
        try:
            control, _ = self.listener.accept()
        except TimeoutError:
            raise TimedOut("no puppet was started") from None
        return self.take(control)

    def take(self, control):
        """The puppet that has connected."""
        self.puppets.append(Puppet(control))
        return self.puppets[-1]

    def close(self):
        for puppet in self.puppets:
            puppet.close()
        self.listener.close()


class Puppet:
    def __init__(self, control):
        control.settimeout(Deadline().seconds)
        _, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        self.control = control
        self.peer = Lines(Stream(*descriptors))
        self.pending = b""
        self.hello = self.listen()
        self.pid = self.hello["pid"]

    def listen(self):
        while b"\n" not in self.pending:
            data = self.control.recv(65536)
            if not data:
                raise EOFError("the puppet is gone")
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return json.loads(line)

    def order(self, do, **what):
        self.control.sendall(json.dumps(dict(what, do=do)).encode() + b"\n")

    def tell(self, do, **what):
        self.order(do, **what)
        answer = self.listen()
        assert answer["done"] == do
        return answer

    def exit(self, status=0):
        """Ends the process; its pipes too, as far as the test has not closed them."""
        self.peer.close()
        self.order("exit", status=status)

    def gone(self):
        return not process_alive(self.pid)

    def wait_gone(self):
        until(self.gone, f"the end of process {self.pid}")

    def close(self):
        self.peer.close()
        self.control.close()


def children_of(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has ended meanwhile
    return found


def descendants_of(pid):
    found = children_of(pid)
    for child in found:
        found += children_of(child)
    return found


def process_name(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def process_alive(pid):
    """Whether a process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
