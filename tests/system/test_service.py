"""Under a service manager: what it hears, and sockets that it has opened."""

import itertools
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from lib.lab import address_of
from lib.peer import Lines
from lib.process import BINARY
from lib.stream import Stream, connect
from lib.wait import PATIENCE


class Manager:
    """What systemd has of each service: a socket where it hears of it."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.socket.settimeout(PATIENCE)

    def hear(self):
        return self.socket.recv(1000).decode()

    def fill(self):
        """It is told so much by others that there is no room; returns how often."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            other.connect(self.socket.getsockname())
            for count in itertools.count():
                try:
                    other.send(b"")
                except BlockingIOError:
                    return count

    def close(self):
        self.socket.close()


@pytest.fixture(name="manager", params=["path", "abstract"])
def one_manager(lab, request):
    path = lab.path("n")
    return lab.keep(Manager(path if request.param == "path" else "@" + path))


def test_it_hears_that_we_are_ready_and_that_we_stop(lab, manager):
    sidespan = lab.sidespan("--listen=" + lab.listen_url("unix"), "--upstream=unix:///nowhere",
                            env={"NOTIFY_SOCKET": manager.path})
    assert manager.hear() == "READY=1"
    assert sidespan.url()
    assert sidespan.stop() == 0
    assert manager.hear() == "STOPPING=1"


def test_watchdog_hears_that_we_live(lab, manager):
    lab.sidespan("--listen=" + lab.listen_url("unix"), "--upstream=unix:///nowhere",
                 env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "20000"})
    assert [manager.hear() for _ in range(4)] == ["READY=1"] + 3 * ["WATCHDOG=1"]


def test_busy_one_hears_that_we_are_ready_nevertheless(lab, manager):
    count = manager.fill()
    sidespan = lab.sidespan("--listen=" + lab.listen_url("unix"), "--upstream=unix:///nowhere",
                            env={"NOTIFY_SOCKET": manager.path})
    assert sidespan.url()
    assert [manager.hear() for _ in range(count + 1)] == count * [""] + ["READY=1"]


def test_no_conversation_waits_for_a_busy_one(lab, manager):
    backend = lab.backend("unix")
    sidespan = lab.sidespan("--listen=" + lab.listen_url("unix"), "--upstream=" + backend.url,
                            env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "2000"})
    assert manager.hear() == "READY=1"
    client = Lines(lab.keep(connect(address_of(sidespan.url()))))
    server = backend.accept_peer()
    manager.fill()
    for number in range(200):
        client.send({"id": number, "method": "a"})
        assert json.loads(server.recv())["id"] == number
    client.stream.close()
    server.stream.close()
    assert sidespan.stop() == 0


def test_watchdog_of_another_process_is_left_alone(lab, manager):
    sidespan = lab.sidespan("--listen=" + lab.listen_url("unix"), "--upstream=unix:///nowhere",
                            env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "2000", "WATCHDOG_PID": "1"})
    assert manager.hear() == "READY=1"
    sidespan.stop()
    assert manager.hear() == "STOPPING=1"


def test_none_is_ready_who_cannot_listen(lab, manager):
    path = lab.write("file", "")
    sidespan = lab.sidespan("--listen=unix://" + path, "--upstream=unix:///nowhere",
                            env={"NOTIFY_SOCKET": manager.path})
    assert sidespan.wait() == 1
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.hear()


def activated(lab, opened, *args, script='export LISTEN_PID=$$; exec "$@"'):
    """Started as systemd does, with the socket as descriptor 3; and the process id in LISTEN_PID."""
    made = dict(lab.environment(), LISTEN_FDS="1", LISTEN_FDNAMES="sidespan.socket")
    return subprocess.Popen(["sh", "-c", script, "sh", BINARY, *args], stderr=subprocess.PIPE, env=made,
                            preexec_fn=lambda: os.dup2(opened.fileno(), 3), close_fds=False)


def opened_socket(lab, kind):
    opened = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
    opened.bind(lab.path("l") if kind == "unix" else ("0.0.0.0" if kind == "all" else "127.0.0.1", 0))
    opened.listen()
    return opened


@pytest.mark.parametrize("script", ['exec "$@"', 'LISTEN_PID= exec "$@"', 'LISTEN_PID=1 exec "$@"'])
def test_sockets_of_somebody_else_are_left_alone(lab, script):
    """The variables are inherited, or do not say whose the sockets are."""
    with opened_socket(lab, "tcp") as opened:
        process = activated(lab, opened, "--listen=tcp://127.0.0.1:0", "--upstream=unix:///nowhere", script=script)
        listening = re.search(rb"listening on tcp://127\.0\.0\.1:(\d+)", process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=3 * PATIENCE)
        assert listening and int(listening[1]) != opened.getsockname()[1]
    assert process.returncode == 0


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_opened_socket_is_listened_on(lab, kind):
    """Not the address of the URL; the socket's file stays, and no command gets the descriptor."""
    opened = opened_socket(lab, kind)
    url = f"unix://{lab.path('other')}" if kind == "unix" else "tcp://127.0.0.1:1"
    process = activated(lab, opened, "--listen=" + url, "--log-level=error", "--", *lab.puppets.command())
    client = socket.socket(opened.family)
    client.connect(opened.getsockname())
    peer = Lines(Stream.of_socket(client))
    peer.send({"id": 1, "method": "a"})
    puppet = lab.puppets.accept()
    assert puppet.peer.recv()
    puppet.peer.send({"id": 1, "result": 0})
    assert peer.recv()
    assert not {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET"} & set(puppet.hello["env"])
    held = [os.stat(f"/proc/{puppet.pid}/fd/{name}").st_ino for name in os.listdir(f"/proc/{puppet.pid}/fd")]
    assert os.fstat(opened.fileno()).st_ino not in held
    peer.stream.close()
    puppet.exit(0)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=3 * PATIENCE)
    assert process.returncode == 0
    if kind == "unix":
        assert os.path.exists(opened.getsockname())


@pytest.mark.parametrize("kind,url,why", [
    ("unix", "tcp://127.0.0.1:0", b"not of the kind"), ("tcp", "unix:///tmp/none", b"not of the kind"),
    ("all", "tcp://127.0.0.1:0", b"is not a loopback address")])
def test_opened_socket_that_will_not_do(lab, kind, url, why):
    with opened_socket(lab, kind) as opened:
        process = activated(lab, opened, "--listen=" + url, "--upstream=unix:///nowhere")
        _, said = process.communicate(timeout=3 * PATIENCE)
    assert process.returncode == 1 and why in said


def test_wrapped_command_has_the_manager_for_itself(lab):
    process = subprocess.run([BINARY, "--log-level=error", "--", "sh", "-c", "echo $NOTIFY_SOCKET $LISTEN_FDS"],
                             env=lab.environment(env={"NOTIFY_SOCKET": "/nowhere", "LISTEN_FDS": "2"}),
                             stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert process.stdout == b"/nowhere 2\n"
