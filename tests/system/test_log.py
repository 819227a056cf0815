"""The log: nobody waits for its reader, and no peer fills it."""

import fcntl
import os
import re
import select
import signal
import subprocess

import pytest

from lib.lab import address_of
from lib.peer import Lines
from lib.process import BINARY
from lib.stream import connect
from lib.wait import until

REQUEST = '{"id":1,"method":"thread/list","params":{}}'


def come_and_go(url, backend, count):
    """That many connections, one after the other; each says something."""
    for _ in range(count):
        client = Lines(connect(address_of(url)))
        client.send(REQUEST)
        server = backend.accept_peer()
        assert server.recv() == REQUEST.encode()
        server.close()
        client.expect_eof()
        client.close()


def counted(program):
    line, = [line for line in program.log("info") if line.startswith("traffic: ")]
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}


@pytest.mark.parametrize("args,most", [([], 20), (["--log-lines-max=5"], 5),
                                       (["--log-lines-max=0"], 60)])
def test_lines_of_one_kind_are_limited(lab, args, most):
    backend = lab.backend("tcp")
    program = lab.sidespan("--listen=tcp://127.0.0.1:0", "--upstream=" + backend.url, *args)
    come_and_go(program.url(), backend, 60)
    assert program.stop() == 0
    held_back = 0
    for kind in (r"connection \d+: open", r"connection \d+: closed: .*"):
        lines = [line for line in program.log("info") if re.fullmatch(kind, line)]
        assert len(lines) == most
        told = [int(line.split()[0]) for line in program.log("info")
                if re.fullmatch(r"\d+ more lines like this one were held back: " + kind, line)]
        assert told == ([60 - most] if most < 60 else [])
        held_back += sum(told)
    count = counted(program)
    assert count["connections"] == 60
    assert count.get("log_lines_held_back", 0) == held_back
    assert "log_lines_lost" not in count


def test_nobody_waits_for_the_reader_of_the_log(lab):
    backend = lab.backend("tcp")
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    url = lab.listen_url("unix")
    program = subprocess.Popen(
        [BINARY, "--listen=" + url, "--upstream=" + backend.url, "--log-lines-max=0"],
        env=lab.environment(), stderr=writer)
    try:
        until(lambda: os.get_blocking(writer) and readable(reader), "the first line")
        come_and_go(url, backend, 100)
        os.close(writer)
        text = b""
        while b"log lines lost" not in text:  # told without another line being logged
            text += os.read(reader, 65536)
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
        while more := os.read(reader, 65536):
            text += more
        lines = text.decode().splitlines()
        assert all(re.match(r"\S+Z sidespan: (info|warn): .*", line) for line in lines)
        lost = sum(int(number) for number in re.findall(
            r"^\S+Z sidespan: warn: (\d+) log lines lost: stderr was full$", text.decode(), re.M))
        written = sum("info: connection" in line for line in lines)
        assert lost > 50 and written + lost == 200
        assert f" log_lines_lost={lost}" in lines[-1]
    finally:
        program.kill()
        program.wait()
        os.close(reader)


def readable(descriptor):
    return select.select([descriptor], [], [], 0)[0]
