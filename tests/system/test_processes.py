"""What runs below us: who gets which signal, how often, and what is left behind."""

import fcntl
import os
import pty
import signal
import subprocess
import termios

import pytest

from lib.lab import address_of
from lib.peer import Lines
from lib.process import BINARY, children_of, descendants_of, process_alive, process_name
from lib.stream import Stream, connect
from lib.wait import until

SLEEP = "sleep 300"
AWAY = "</dev/null >/dev/null 2>&1"
TREES = {  # script, number of sleeps that it comes to; it ends when they do
    "child": (f"{SLEEP}; true", 1),
    "chain": (f"sh -c '{SLEEP}; true'; true", 1),
    "background": (f"{SLEEP} & {SLEEP}; true", 2),
    "pipeline": (f"{SLEEP} | {SLEEP} | {SLEEP}", 3),
    "session": (f"setsid {SLEEP} & {SLEEP}; true", 2),
    "daemon": (f"(setsid {SLEEP} {AWAY} &); {SLEEP}; true", 2),
    "stubborn": (f"(trap '' TERM INT HUP; exec {SLEEP}) & {SLEEP}; true", 2),
}


def run(lab, script, *args, listen="stdio", **options):
    """A script as the command; with a listener, as that of one connection."""
    args = [*args, "--child-grace=300ms"]
    if listen == "stdio":
        return lab.sidespan(*args, "--", "sh", "-c", script, **options)
    program = lab.sidespan(*args, "--listen=" + lab.listen_url(listen), "--", "sh", "-c", script,
                           **options)
    program.client = Lines(lab.keep(connect(address_of(program.url()))))
    program.client.send("{}")
    return program


def below(program, sleeps):
    """All processes below, once that many sleeps are there."""
    def grown():
        found = descendants_of(program.pid)
        return found if [process_name(pid) for pid in found].count("sleep") == sleeps else None
    return until(grown, f"{sleeps} sleeps")


def alive(pids):
    return {pid: process_name(pid) for pid in pids if process_alive(pid)}


# a signal for us alone

@pytest.mark.parametrize("listen", ["stdio", "unix"])
@pytest.mark.parametrize("tree", TREES)
def test_term_ends_all(lab, listen, tree):
    script, sleeps = TREES[tree]
    program = run(lab, script, listen=listen)
    pids = below(program, sleeps)
    program.signal(signal.SIGTERM)
    assert program.wait() == (143 if listen == "stdio" else 0)
    assert alive(pids) == {}  # at once, not some time after


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_other_stop_signals_end_all(lab, number):
    """Also helpers that do not heed this one, as jobs in a shell's background."""
    program = run(lab, f"{SLEEP} & exec {SLEEP}")
    pids = below(program, 2)
    program.signal(number)
    assert program.wait() == 128 + number
    assert alive(pids) == {}


def test_helper_has_time_to_end(lab):
    """It gets TERM, once, and the grace time; the exit status stays the command's."""
    helper = f"trap 'echo termed >>{lab.directory}/said; exit' TERM; while :; do sleep 0.02; done"
    program = run(lab, f"(exec >&-; {helper}) & {SLEEP}; true", "--child-grace=30s")
    until(lambda: len(descendants_of(program.pid)) >= 4, "the helper")
    program.signal(signal.SIGTERM)
    assert program.wait() == 143
    assert open(f"{lab.directory}/said").read() == "termed\n"


def test_second_signal_does_not_wait_for_helpers(lab):
    program = run(lab, f"(trap '' TERM; {SLEEP} >&-; {SLEEP} >&-) & exec {SLEEP}", "--child-grace=1h")
    pids = below(program, 2)
    program.signal(signal.SIGTERM)
    until(lambda: len(alive(pids)) < len(pids), "the end of the command")
    until(lambda: "sleep" in alive(pids).values() and program.running(), "the helper is waited for")
    program.signal(signal.SIGTERM)
    assert program.wait() == 143
    assert alive(pids) == {}


def test_helpers_of_ended_connections_end_with_us(lab):
    program = lab.sidespan("--listen=" + lab.listen_url("tcp"), "--", "sh", "-c",
                           f"{SLEEP} >/dev/null 2>&1 & (setsid {SLEEP} {AWAY} &); exit 0")
    for count in (2, 4):
        client = Lines(lab.keep(connect(address_of(program.url()))))
        client.send("{}")
        client.expect_eof()
        pids = below(program, count)
    until(lambda: list(alive(pids).values()) == 4 * ["sleep"], "the helpers alone")
    assert program.stop() == 0
    assert alive(pids) == {}


def test_helper_outlives_a_command_that_ended_by_itself(lab):
    """As without us: it may be a daemon."""
    program = run(lab, f"{SLEEP} {AWAY} & echo $!; exit 7")
    client = lab.keep(program.peer())
    helper = int(client.recv())
    assert program.wait() == 7
    assert process_name(helper) == "sleep"
    os.kill(helper, signal.SIGKILL)


@pytest.mark.parametrize("tree", TREES)
def test_command_is_ended_with_all_when_its_client_left(lab, tree):
    """Of a connection: but for daemons, which are ended with us."""
    script, sleeps = TREES[tree]
    program = run(lab, script, listen="unix")
    pids = below(program, sleeps)
    program.client.close()
    until(lambda: len(alive(pids)) == (1 if tree == "daemon" else 0), "their end")
    assert program.running()
    assert program.stop() == 0
    assert alive(pids) == {}


def test_other_connections_live_on(lab):
    program = run(lab, f"(setsid {SLEEP} {AWAY} &); {SLEEP} & cat", listen="unix")
    first = below(program, 2)
    client = Lines(lab.keep(connect(address_of(program.url()))))
    client.send("{}")
    second = set(below(program, 4)) - set(first)
    program.client.close()
    until(lambda: list(alive(first).values()) == ["sleep"], "the end of all but the daemon")
    assert set(alive(second)) == second
    client.send("{}")
    assert [client.recv() for _ in range(2)] == [b"{}"] * 2


# a signal for the group

@pytest.mark.parametrize("tree", [tree for tree in TREES if tree != "stubborn"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_group_signal_reaches_all(lab, tree, number):
    script, sleeps = TREES[tree]
    program = run(lab, script, preexec=os.setpgrp)
    pids = below(program, sleeps)
    os.killpg(program.pid, number)
    assert program.wait() == 128 + number
    assert alive(pids) == {}


@pytest.mark.parametrize("tree", ["child", "chain", "background", "pipeline", "stubborn"])
def test_group_kill_reaches_all(lab, tree):
    script, sleeps = TREES[tree]
    program = run(lab, script, preexec=os.setpgrp)
    pids = below(program, sleeps)
    program.expect_crash = True
    os.killpg(program.pid, signal.SIGKILL)
    assert program.wait() == 137
    until(lambda: alive(pids) == {}, "the end of all")


def to_us(program):
    program.signal(signal.SIGTERM)


def to_group(program):
    os.killpg(program.pid, signal.SIGTERM)


def to_each(program):
    for pid in [program.pid, *descendants_of(program.pid)]:  # as systemd does
        os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize("send", [to_us, to_group, to_each])
def test_signal_comes_once(lab, send):
    """What is passed on comes in order: a second one would be there before the last."""
    link = lab.link("stdio", preexec=os.setpgrp)
    link.puppet.tell("catch", signals=[signal.SIGTERM, signal.SIGUSR1])
    for _ in range(3):
        send(link.sidespan)
        assert link.puppet.listen() == {"caught": signal.SIGTERM}
        link.sidespan.signal(signal.SIGUSR1)
        assert link.puppet.listen() == {"caught": signal.SIGUSR1}
    link.call('{"id":1,"method":"m"}', '{"id":1,"result":{}}')


def test_command_that_left_our_group_gets_signals_of_it(lab):
    link = lab.link("stdio", preexec=os.setpgrp)
    link.puppet.tell("catch", signals=[signal.SIGTERM])
    link.puppet.tell("group")
    os.killpg(link.sidespan.pid, signal.SIGTERM)
    assert link.puppet.listen() == {"caught": signal.SIGTERM}


@pytest.mark.parametrize("lookout", ["stopped", "killed"])
def test_signals_pass_without_the_lookout(lab, lookout):
    link = lab.link("stdio")
    link.puppet.tell("catch", signals=[signal.SIGTERM, signal.SIGUSR1])
    pid, = [pid for pid in children_of(link.sidespan.pid) if pid != link.puppet.pid]
    os.kill(pid, signal.SIGSTOP if lookout == "stopped" else signal.SIGKILL)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        link.sidespan.signal(number)
        assert link.puppet.listen() == {"caught": number}
    link.puppet.exit(3)
    assert link.sidespan.wait() == 3
    until(lambda: not process_alive(pid), "the end of the lookout")


def test_lookout_is_not_taken_for_us(lab):
    """By those that look for a process by its name or command line."""
    link = lab.link("stdio")
    pid, = [pid for pid in children_of(link.sidespan.pid) if pid != link.puppet.pid]
    until(lambda: process_name(pid) == "signal-lookout", "its name")
    assert open(f"/proc/{pid}/cmdline").read().strip("\0") == ""
    assert os.listdir(f"/proc/{pid}/fd") == ["0"]
    assert os.readlink(f"/proc/{pid}/cwd") == "/"


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
                                    signal.SIGWINCH])
def test_further_signals_are_passed_on(lab, number):
    link = lab.link("stdio")
    link.puppet.tell("catch", signals=[number])
    link.sidespan.signal(number)
    assert link.puppet.listen() == {"caught": number}
    link.call('{"id":1,"method":"m"}', '{"id":1,"result":{}}')


# what ends below us is reaped

def test_no_zombies_of_orphans(lab):
    program = run(lab, "for i in 1 2 3 4 5; do (sleep 0.01 &); done; echo started; cat")
    client = lab.keep(program.peer())
    assert client.recv() == b"started"
    until(lambda: len(descendants_of(program.pid)) == 3, "only sh, cat and the lookout")


# a terminal

class Terminal:
    """A session of its own with a terminal; what it runs has that as stderr and /dev/tty."""

    def __init__(self, lab, *command):
        self.ours, theirs = pty.openpty()

        def begin():
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        self.shell = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=theirs, preexec_fn=begin, env=lab.environment())
        os.close(theirs)
        self.output = Lines(Stream(self.shell.stdout.fileno(), None))
        lab.keep(self)

    def press(self, key):
        os.write(self.ours, key)

    def close(self):
        self.shell.kill()
        self.shell.wait()
        self.shell.stdin.close()
        self.shell.stdout.close()
        os.close(self.ours)


COUNTING = "trap 'echo int' INT; trap 'echo usr1' USR1; echo ready; while :; do sleep 0.02; done"


def test_ctrl_c_comes_once(lab):
    terminal = Terminal(lab, BINARY, "--", "sh", "-c", COUNTING)
    assert terminal.output.recv() == b"ready"
    for _ in range(3):
        terminal.press(b"\x03")
        assert terminal.output.recv() == b"int"
        os.kill(terminal.shell.pid, signal.SIGUSR1)
        assert terminal.output.recv() == b"usr1"


def test_command_reads_the_terminal(lab):
    """It is in the foreground, as one that asks for a password must be."""
    terminal = Terminal(lab, BINARY, "--", "sh", "-c", "echo ready; read line </dev/tty; echo $line")
    assert terminal.output.recv() == b"ready"
    terminal.press(b"secret\n")
    assert terminal.output.recv() == b"secret"
    assert terminal.shell.wait(10) == 0


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def test_ctrl_z_stops_all_and_fg_goes_on(lab):
    command = "echo ready; read line; echo $line; exit 4"
    terminal = Terminal(lab, "sh", "-mc", f"{BINARY} -- sh -c '{command}'; "
                        "echo stopped; read go; fg; echo $?")
    assert terminal.output.recv() == b"ready"
    sidespan, = children_of(terminal.shell.pid)
    command, = [pid for pid in children_of(sidespan) if process_name(pid) == "sh"]
    terminal.press(b"\x1a")
    assert terminal.output.recv() == b"stopped"
    until(lambda: state_of(sidespan) == state_of(command) == "T", "both stopped")
    for line in (b"go\n", b"on\n"):
        os.write(terminal.shell.stdin.fileno(), line)
        terminal.output.recv()
    assert terminal.output.recv() == b"4"


def test_hangup_ends_all(lab):
    terminal = Terminal(lab, BINARY, "--", "sh", "-c", f"echo ready; {SLEEP}; true")
    assert terminal.output.recv() == b"ready"
    pids = until(lambda: [pid for pid in descendants_of(terminal.shell.pid)
                          if process_name(pid) == "sleep"], "the sleep")
    os.close(terminal.ours)
    terminal.ours = os.open("/dev/null", os.O_RDONLY)
    assert terminal.shell.wait(10) == 129
    assert alive(pids) == {}
