"""The sandbox of a proxy without a command: on unless switched off, never handed to a command."""

import os
import re

import pytest

REQUEST = '{"id":1,"method":"m"}'
REPLY = '{"id":1,"result":{}}'


def state(pid):
    with open(f"/proc/{pid}/status") as file:
        text = file.read()
    return tuple(int(re.search(rf"^{field}:\s*(\d)", text, re.M)[1])
                 for field in ("NoNewPrivs", "Seccomp"))


@pytest.mark.parametrize("listen", ["ws", "unix", "stdio"])
def test_conversation_inside(lab, listen):
    link = lab.traced(listen, "ws", args=["--log-level=debug"])
    said = link.sidespan.wait_line("sandbox: (.*)")[1].split(", ")
    assert said[0] == "privileges"
    assert state(link.sidespan.pid) == (1, 2 if "system calls" in said else 0)
    link.call(REQUEST, REPLY)
    link.collector.wait_spans(1)
    assert link.finish() == 0


def test_exporter_thread_is_inside_too(lab):
    link = lab.traced("tcp")
    tasks = os.listdir(f"/proc/{link.sidespan.pid}/task")
    assert len(tasks) >= 2
    assert {state(task) for task in tasks} == {state(link.sidespan.pid)}
    assert link.finish() == 0


def test_socket_file_is_still_removed(lab):
    link = lab.link("ws+unix", args=["--log-level=debug"])
    path = link.url.split("://")[1]
    link.sidespan.wait_line("sandbox: privileges")
    assert os.path.exists(path)
    assert link.finish() == 0
    assert not os.path.exists(path)


@pytest.mark.parametrize("listen", ["stdio", "tcp"])
def test_command_inherits_nothing(lab, listen):
    link = lab.link(listen, "stdio", args=["--log-level=debug"])
    link.call(REQUEST, REPLY)
    with open(f"/proc/{link.sidespan.pid}/task/{link.sidespan.pid}/children") as file:
        children = file.read().split()
    assert children
    assert {state(pid) for pid in [link.sidespan.pid, *children]} == {(0, 0)}
    link.finish()
    assert "sandbox" not in link.sidespan.stderr.decode()


def test_off(lab):
    link = lab.link("unix", args=["--log-level=debug", "--no-sandbox"])
    assert state(link.sidespan.pid) == (0, 0)
    assert link.finish() == 0
    assert "sandbox" not in link.sidespan.stderr.decode()
