#!/usr/bin/env python3
"""The real codex app-server, with sidespan before it or bare, over three transports.

    stdio   sidespan -- [tap] codex app-server
    ws      sidespan --listen ws://...       ->  [tap]  ->  codex app-server --listen ws://...
    unix    sidespan --listen ws+unix://...  ->  [tap]  ->  codex app-server --listen unix://...

The tap (tap.py) records what passes between the two. Environment:

    SIDESPAN   the program under test, build/release/sidespan if unset
    CODEX      codex's program; if unset the newest that `npm install` put below build/codex-*

Run as a program, `codex.py --bare [SCENARIO...]` tries the harness without sidespan.
"""

import contextlib
import glob
import os
import re
import signal
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import wire
from client import WAIT_S, Client
from collector import Collector
from model import Model
from tap import CLIENT_TO_SERVER, Recording, Relay

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(HERE + "/../..")
TRANSPORTS = ("stdio", "ws", "unix")

CONFIG = """
model = "mock-model"
model_provider = "mock"
approval_policy = "on-request"
sandbox_mode = "read-only"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.mock]
name = "Mock"
base_url = "%s"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
supports_websockets = false
"""
CONFIG_OTEL = """
[otel]
environment = "test"
exporter = "none"
metrics_exporter = "none"
[otel.trace_exporter."otlp-http"]
endpoint = "%s/v1/traces"
protocol = "json"
"""

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def sidespan_path():
    return os.path.abspath(os.environ.get("SIDESPAN") or ROOT + "/build/release/sidespan")


def codex_path():
    """The native program: npm's `codex` is a script that starts it and would outlive or hide it."""
    path = os.environ.get("CODEX") or \
        max(glob.glob(ROOT + "/build/codex-*/node_modules/.bin/codex"), default="build/codex-VERSION")
    script = os.path.realpath(path)
    native = glob.glob(os.path.dirname(script) + "/../../codex-*/vendor/*/bin/codex")
    assert os.path.isfile(script), "no codex at %s: `make test-real` installs it" % path
    return os.path.realpath(native[0]) if native else script


def until(fact):
    """Waits for something that can only be looked at."""
    deadline = time.monotonic() + WAIT_S
    while not fact():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


def state(path):
    """The state letter of the process or thread at that path in /proc; Z when there is none."""
    try:
        with open(path + "/stat", encoding="latin1") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def freeze(pid):
    """Stops a process, all of its threads."""
    os.kill(pid, signal.SIGSTOP)
    tasks = "/proc/%d/task" % pid
    until(lambda: all(state("%s/%s" % (tasks, task)) == "T" for task in os.listdir(tasks)))


class Program:
    """A process whose stderr is kept, line by line."""

    def __init__(self, command, environment, cwd, talks=False):
        pipe = subprocess.PIPE if talks else subprocess.DEVNULL
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=cwd,
            bufsize=0,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.log, self.changed, self.ended = [], threading.Condition(), False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for data in self.process.stderr:
            line = COLOURS.sub("", data.decode("utf8", "replace").rstrip("\n"))
            with self.changed:
                self.log.append(line)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_log(self, pattern):
        """The match of the first line that has the pattern."""
        found = []

        def look():
            found[:] = [match for line in self.log if (match := re.search(pattern, line))][:1]
            return found or self.ended

        with self.changed:
            self.changed.wait_for(look, WAIT_S)
        assert found, "no line like %r in %s" % (pattern, self.log[-20:])
        return found[0]

    def wait(self):
        """The exit status, as subprocess tells it: -N after signal N."""
        status = self.process.wait(WAIT_S)
        self.thread.join(WAIT_S)
        return status

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.wait()

    def kill(self):
        """Ends the process and what it may have left behind."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()


class Lab:
    """What one test has to itself: folder, codex home, model, collector, the servers it starts."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="real-")
        self.workspace, self.home = self.folder + "/w", self.folder + "/h"
        os.mkdir(self.workspace)
        os.mkdir(self.home)
        self.model, self.collector, self.programs = Model(), Collector(), []

    def configure(self, otel):
        """Writes codex's configuration; with its own export or, as usual, without."""
        with open(os.path.join(self.home, "config.toml"), "w", encoding="utf8") as file:
            file.write(CONFIG % self.model.url + (CONFIG_OTEL % self.collector.url if otel else ""))

    def environment(self):
        """Nothing of the caller's but what programs need to start, and the sanitizers' options."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "LANG", "TMPDIR") or name.endswith("SAN_OPTIONS")
        }
        return {**kept, "HOME": self.home, "CODEX_HOME": self.home}

    def serve(self, transport, otel=False, environment=None, **options):
        """A running Server; see there. With otel codex exports as well, soon after the fact."""
        self.configure(otel)
        kind = {"stdio": Wrapped, "ws": Listening, "unix": Listening}[transport]
        soon = {"OTEL_BSP_SCHEDULE_DELAY": "100"} if otel else {}
        environment = {**self.environment(), **soon, **(environment or {})}
        return kind(self, transport, environment, **options)

    def close(self):
        """Ends whatever is left."""
        for program in self.programs:
            program.kill()
        self.model.close()
        self.collector.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Server:
    """
    codex, before it sidespan unless bare, between them a tap if asked for. .sidespan is a Program
    or None, .clients are those that connected, in order, .status is sidespan's after stop().
    """

    def __init__(self, lab, transport, environment, bare=False, tap=True, options=()):
        self.lab, self.transport, self.bare, self.tapped = lab, transport, bare, tap
        self.environment, self.number = environment, len(lab.programs)
        self.clients, self.sidespan, self.status = [], None, None
        self.options = ["--otlp-endpoint", lab.collector.url, *options]

    def path(self, name):
        """A file of this server's; short, as names of sockets have to be."""
        return "%s/%d%s" % (self.lab.folder, self.number, name)

    def run(self, command, talks=False):
        program = Program(command, self.environment, self.lab.workspace, talks)
        self.lab.programs.append(program)
        return program

    def add_client(self, connection, init):
        client = Client(connection)
        self.clients.append(client)
        if init:
            client.initialize()
        return client

    def arrived(self, number=0):
        """The texts that came through to codex on one connection."""
        websocket = self.transport != "stdio"
        messages = self.recordings()[number].messages(CLIENT_TO_SERVER, websocket)
        return [text for _, text in messages]

    def accounts(self):
        """sidespan's last line as numbers; `dropped` is the sum of all causes."""
        line = self.sidespan.wait_log(r"spans: (created=.*)")[1]
        numbers = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}
        dropped = sum(value for name, value in numbers.items() if name.startswith("dropped"))
        return {name: numbers.get(name, 0) for name in ("created", "sent", "rejected", "pending")} | {
            "dropped": dropped
        }


class Wrapped(Server):
    """On standard input and output; there is one client, and it is there from the start."""

    def __init__(self, lab, transport, environment, profile="codex", arguments=(), **options):
        super().__init__(lab, transport, environment, **options)
        codex = [codex_path(), "app-server", *arguments]
        tap = [sys.executable, HERE + "/tap.py", self.path("tap")] if self.tapped else []
        proxy = [] if self.bare else [sidespan_path(), "--profile", profile, *self.options, "--"]
        self.program = self.run(proxy + tap + codex, talks=True)
        self.sidespan = None if self.bare else self.program

    def connect(self, init=True):
        return self.add_client(wire.Pipe(self.program.process), init)

    def codex_pid(self):
        """The process at the end of the chain sidespan, tap, codex; once codex has answered."""
        pid = self.program.process.pid
        while os.path.basename(os.readlink("/proc/%d/exe" % pid)) != "codex":
            with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
                pid = int(file.read().split()[0])
        return pid

    def stop(self):
        """Closes our end and waits for everything to end by itself."""
        for client in self.clients:
            client.close()
        self.status = self.program.wait()
        return self.status

    def recordings(self):
        return [Recording.read(self.path("tap"))]


class Listening(Server):
    """On a socket; clients come and go."""

    def __init__(self, lab, transport, environment, arguments=(), **options):
        super().__init__(lab, transport, environment, **options)
        codex = [codex_path(), "app-server", *arguments, "--listen"]
        if transport == "ws":
            self.codex = self.run([*codex, "ws://127.0.0.1:0"])
            self.codex_url = self.codex.wait_log(r"listening on: (ws://\S+)")[1]
        else:
            self.codex = self.run([*codex, "unix://" + self.path("c")])
            self.codex_url = "ws+unix://" + self.path("c")
            self.wait_socket()
        self.url, self.relay = self.codex_url, None
        if self.tapped:
            path = self.path("t") if transport == "unix" else None
            self.relay = Relay(lambda: wire.connect(self.codex_url)[0], path)
            self.url = self.relay.url
        if not self.bare:
            listen = "ws://127.0.0.1:0" if transport == "ws" else "ws+unix://" + self.path("s")
            where = ["--listen", listen, "--upstream", self.url]
            self.sidespan = self.run([sidespan_path(), "--profile", "codex", *self.options, *where])
            self.url = self.sidespan.wait_log(r", listening on (\S+)")[1]

    def wait_socket(self):
        """codex does not say when its Unix socket is ready."""

        def listens():
            assert self.codex.process.poll() is None, self.codex.log
            with contextlib.suppress(OSError):
                wire.connect(self.codex_url)[0].close()
                return True

        until(listens)

    def connect(self, init=True, **options):
        return self.add_client(wire.WebSocket(self.url, **options), init)

    def codex_pid(self):
        return self.codex.process.pid

    def stop(self):
        """Clients first, then sidespan, then codex: what each still has to say finds a listener."""
        for client in self.clients:
            if not client.ended:
                client.close()
        self.status = self.sidespan.end() if self.sidespan else 0
        self.codex.end()
        if self.relay:
            self.relay.close()
        return self.status

    def recordings(self):
        """Those of WebSocket connections, in the order of the clients."""
        return [
            each for each in self.relay.recordings if each.head("s2c").startswith("HTTP/1.1 101")
        ]


def main():
    from scenarios import SCENARIOS

    names = [name for name in sys.argv[1:] if name != "--bare"] or list(SCENARIOS)
    for transport in TRANSPORTS:
        for name in names:
            lab = Lab()
            begin = time.monotonic()
            try:
                server = lab.serve(transport, bare=True)
                SCENARIOS[name](server)
                server.stop()
                counts = [len(client.messages) for client in server.clients]
                seconds = time.monotonic() - begin
                print("ok %-5s %-10s messages %s, %.1f s" % (transport, name, counts, seconds))
            finally:
                lab.close()


if __name__ == "__main__":
    main()
