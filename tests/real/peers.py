"""Clients and servers that others wrote: the same session with and without sidespan between them.

What npm installs lies in build/peers; peers/*.mjs are copied beside it, as modules are looked for
from where a program lies.
"""

import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from codex import ROOT, sidespan_path
from collector import Collector

PEERS = ROOT + "/build/peers"
SECONDS = 90


GOPLS = PEERS + "/bin/gopls"


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


def session(script, *args, collector=None):
    """Runs a script of peers/; returns its steps, [(step, what), ...]."""
    for path in glob.glob(ROOT + "/tests/real/peers/*.mjs"):
        shutil.copy(path, PEERS)
    ran = subprocess.run(["node", f"{PEERS}/{script}.mjs", *args], env=environment(collector), cwd=PEERS,
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    rows = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    return [(row["step"], row["what"]) for row in rows]


def in_any_order(steps):
    return sorted(json.dumps(step) for step in steps)


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
def running(*command, port=None, collector=None):
    """A program in the background; with a port, once it listens there."""
    with subprocess.Popen(command, env=environment(collector), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + SECONDS
            while port is not None and not listens(port):
                assert process.poll() is None and time.monotonic() < until, command
                time.sleep(0.02)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def collecting():
    collector = Collector()
    try:
        yield collector
    finally:
        collector.shutdown()
        collector.server_close()
