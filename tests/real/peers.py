"""Clients and servers that others wrote: the same session with and without sidespan between them.

What npm installs lies in build/peers; peers/*.mjs are copied beside it, as modules are looked for
from where a program lies.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from codex import ROOT, Program, sidespan_path
from collector import Collector

PEERS = ROOT + "/build/peers"
SECONDS = 90


GOPLS = PEERS + "/bin/gopls"
NODE_22 = PEERS + "/node_modules/.bin/node"


def needs(command):
    """A mark for tests of a peer that may not be there."""
    return pytest.mark.skipif(shutil.which(command) is None, reason=f"there is no {command}: see tests/deps and Makefile")


def program(name):
    """Of an npm package."""
    return PEERS + "/node_modules/.bin/" + name


def environment(collector=None):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    if collector is None:
        return kept
    return {**kept, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "20"}


def script(name):
    """Of peers/, from where it finds its modules; others may be reading it."""
    copy = f"{PEERS}/.{name}-{os.getpid()}-{threading.get_ident()}"
    shutil.copy(f"{ROOT}/tests/real/peers/{name}.mjs", copy)
    os.replace(copy, f"{PEERS}/{name}.mjs")
    return f"{PEERS}/{name}.mjs"


def steps_of(text):
    """What a script says: [(step, what), ...]."""
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [(row["step"], row.get("what")) for row in rows]


def session(name, *args, collector=None, more=None):
    """Runs a script of peers/; returns its steps."""
    ran = subprocess.run(["node", script(name), *args], env={**environment(collector), **(more or {})}, cwd=PEERS,
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return steps_of(ran.stdout)


def in_any_order(steps):
    """Without what was asked of the client: how often a server does is a matter of time."""
    return sorted(json.dumps(step) for step in steps if step[0] != "asked")


def wrapped(*command, args=()):
    """The command, behind sidespan."""
    return [sidespan_path(), *args, "--", *command]


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def running(*command, port=None, collector=None, more=None, stdout=subprocess.DEVNULL):
    """A program in the background; with a port, once it listens there."""
    with subprocess.Popen(command, env={**environment(collector), **(more or {})}, cwd=PEERS, stdin=subprocess.DEVNULL,
                          stdout=stdout, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + SECONDS
            while port is not None and not listens(port):
                assert process.poll() is None and time.monotonic() < until, command
                time.sleep(0.02)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def proxied(upstream, *args, collector, listen="http://127.0.0.1:0"):
    """sidespan in front of a server: a program with a url; ended when it is left, and gone well."""
    proxy = Program([sidespan_path(), f"--listen={listen}", f"--upstream={upstream}", *args], environment(collector), PEERS)
    try:
        proxy.url = proxy.wait_log(r" listening on (\S+)")[1]
        yield proxy
    finally:
        status = proxy.end()
    assert status == 0, proxy.log


@contextlib.contextmanager
def collecting():
    collector = Collector()
    try:
        yield collector
    finally:
        collector.shutdown()
        collector.server_close()


def ended(collector):
    """All spans, once nobody is left who could send one more: what is to be looked at was waited for."""
    assert collector.ended(SECONDS)
    return collector.ours()
