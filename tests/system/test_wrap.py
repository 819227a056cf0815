"""sidespan -- COMMAND: wrapping is invisible."""

import fcntl
import json
import os
import pty
import signal
import socket
import subprocess
import time
import tty

import pytest

from lib.flood import FLOOD, drain, fill
from lib.lab import KINDS
from lib.peer import Lines
from lib.process import PIPE
from lib.stream import Stream
from lib.wait import Background, until

REQUEST = '{"id":1,"method":"thread/list"}'


def run(lab, *command, **options):
    """A wrapped command that needs no puppet."""
    return lab.sidespan("--", *command, **options)


# exit status

@pytest.mark.parametrize("status", [0, 1, 7, 127, 255])
def test_exit_status_is_the_commands(lab, status):
    assert run(lab, "sh", "-c", f"exit {status}").wait() == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGUSR1])
def test_death_by_signal_gives_128_more(lab, number):
    assert run(lab, "sh", "-c", f"kill -{int(number)} $$").wait() == 128 + number


@pytest.mark.parametrize("command", ["no-such-command-anywhere", "/no/such/file"])
def test_command_not_found(lab, command):
    program = run(lab, command)
    assert program.wait() == 127
    assert program.lines[1:] == [f"sidespan: error: connection 0: cannot start {command}: "
                                 "command not found"]


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_command_not_executable(lab, kind):
    path = lab.write("plain", "#!/bin/sh\n") if kind == "file" else lab.directory
    program = run(lab, path)
    assert program.wait() == 126
    assert program.lines[1:] == [f"sidespan: error: connection 0: cannot start {path}: "
                                 "Permission denied"]


def test_command_gets_its_arguments_as_given(lab):
    args = ["", "a b", "--", "--help", "$HOME", "ü"]
    program = lab.sidespan("--", *lab.puppets.command(*args))
    puppet = lab.puppets.accept()
    assert puppet.hello["argv"] == args
    puppet.exit(0)
    assert program.wait() == 0


def test_command_lives_where_we_do(lab):
    program = lab.sidespan("--", *lab.puppets.command(), env={"COLOUR": "green"},
                           cwd=lab.directory)
    hello = lab.puppets.accept().hello
    assert hello["env"]["COLOUR"] == "green"
    assert hello["cwd"] == os.path.realpath(lab.directory)
    assert hello["parent"] == program.pid
    assert hello["stderr"] == os.readlink(f"/proc/{program.pid}/fd/2")


SECRETS = {"SIDESPAN_LOG_LEVEL": "debug", "SIDESPAN_OTLP_HEADERS": "authorization=ours"}
HEADERS = {f"OTEL_EXPORTER_OTLP_{name}HEADERS": "authorization=ours"
           for name in ("", "TRACES_", "METRICS_", "LOGS_")}
OTHERS = {"TRACEPARENT": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "TRACESTATE": "a=1",
          "OTEL_SERVICE_NAME": "shop", "EMPTY": ""}


@pytest.mark.parametrize("listen", ["stdio", "unix"])
@pytest.mark.parametrize("args", [[], ["--child-inherit-otlp-headers"]])
def test_command_gets_no_secret_of_ours(lab, listen, args):
    link = lab.link(listen, "stdio", args=args, env={**SECRETS, **HEADERS, **OTHERS})
    expected = {**lab.environment(), **OTHERS, **(HEADERS if args else {}),
                "OTEL_RESOURCE_ATTRIBUTES": "host.name=" + socket.gethostname()}
    assert link.puppet.hello["env"] == expected


@pytest.mark.parametrize("listen", ["stdio", "unix"])
@pytest.mark.parametrize("args, given, expected", [
    ([], "a=1", "a=1,host.name=HOST"), ([], "host.name=h", "host.name=h"),
    (["--no-child-host-name"], "a=1", "a=1"), (["--no-child-host-name"], None, None)])
def test_command_is_told_the_host(lab, listen, args, given, expected):
    """As the spans of both say: Jaeger compares clocks by it."""
    link = lab.link(listen, "stdio", args=args, collector=lab.collector(),
                    env={"OTEL_RESOURCE_ATTRIBUTES": given})
    told = link.puppet.hello["env"].get("OTEL_RESOURCE_ATTRIBUTES")
    assert told == (expected and expected.replace("HOST", socket.gethostname()))
    link.call(REQUEST, '{"id":1,"result":{}}')
    resource = link.collector.wait_spans(1)[0].resource
    assert resource["host.name"] == ("h" if given == "host.name=h" else socket.gethostname())
    assert resource["process.pid"] == link.sidespan.pid
    assert resource["service.version"] == resource["telemetry.sdk.version"]


def test_command_inherits_no_descriptors(lab):
    link = lab.traced("stdio")
    # 0 to 2, the puppet's control socket and the directory that it reads for this
    assert link.puppet.hello["descriptors"] == [0, 1, 2, 3, 4]


def test_command_inherits_signals_as_we_did(lab):
    program = run(lab, "grep", "^Sig[BI]", "/proc/self/status")
    client = lab.keep(program.peer())
    through = client.stream.read_all()
    directly = subprocess.run(["grep", "^Sig[BI]", "/proc/self/status"], stdout=PIPE).stdout
    assert through == directly


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_passed_on(lab, number):
    link = lab.link("stdio")
    link.puppet.tell("catch", signals=[number])
    link.sidespan.signal(number)
    assert link.puppet.listen() == {"caught": number}
    link.call(REQUEST, '{"id":1,"result":{}}')
    link.puppet.exit(5)
    assert link.sidespan.wait() == 5


def test_ctrl_c_reaches_the_command_once(lab):
    """A terminal signals the whole process group; we pass on what the command did not get."""
    link = lab.link("stdio", preexec=os.setpgrp)
    link.puppet.tell("catch", signals=[signal.SIGINT])
    os.killpg(link.sidespan.pid, signal.SIGINT)
    assert link.puppet.listen() == {"caught": signal.SIGINT}
    link.call(REQUEST, '{"id":1,"result":{}}')
    assert link.puppet.tell("stderr", text="nothing else came before\n")


def test_signal_that_kills_the_command(lab):
    link = lab.link("stdio")
    link.server.close()
    link.sidespan.signal(signal.SIGINT)
    assert link.sidespan.wait() == 128 + signal.SIGINT


# the two ends of the conversation

def test_end_of_input_is_passed_on_and_the_last_answers_come(lab):
    link = lab.link("stdio")
    link.client.send(REQUEST)
    link.client.close_write()
    link.server.recv()
    link.server.expect_eof()

    def answer():
        for number in range(300):
            link.server.send({"id": number, "result": "x" * 1000})
        link.puppet.exit(4)

    answering = Background(answer)
    for number in range(300):
        assert link.client.recv_json()["id"] == number
    link.client.expect_eof()
    answering.result()
    assert link.sidespan.wait() == 4


def test_last_line_without_newline(lab):
    link = lab.link("stdio")
    link.client.stream.write(b'{"method":"one"}\n{"method":"two"}')
    link.client.close_write()
    assert link.server.stream.read_all() == b'{"method":"one"}\n{"method":"two"}'
    link.server.stream.write(b'{"id":1,"result":1}\n{"id":')
    link.puppet.exit(0)
    assert link.client.stream.read_all() == b'{"id":1,"result":1}\n{"id":'
    assert link.sidespan.wait() == 0


def test_real_command(lab):
    program = run(lab, "cat")
    client = lab.keep(program.peer())
    client.stream.write(FLOOD + b"\n" + b"not JSON\r\n\n")
    client.close_write()
    assert client.stream.read_all() == FLOOD + b"\n" + b"not JSON\r\n\n"
    assert program.wait() == 0


def test_client_that_goes_away_ends_the_command(lab):
    """Its stdin is closed, then TERM, then KILL."""
    link = lab.link("stdio", args=["--child-grace=150ms"])
    link.puppet.tell("catch", signals=[signal.SIGTERM])
    link.client.stream.close_read()
    link.server.send(REQUEST)
    link.server.expect_eof()
    closed = time.monotonic()
    assert link.puppet.listen() == {"caught": signal.SIGTERM}
    assert time.monotonic() - closed > 0.1
    link.server.close()
    assert link.sidespan.wait() == 128 + signal.SIGKILL
    assert link.puppet.gone()


def test_command_that_ends_when_its_input_ends_gets_no_signal(lab):
    link = lab.link("stdio")
    link.puppet.tell("catch", signals=[signal.SIGTERM])
    link.client.stream.close_read()
    link.server.send(REQUEST)
    link.server.expect_eof()
    link.puppet.exit(9)
    assert link.sidespan.wait() == 9


def test_command_that_closed_its_input_is_not_ended(lab):
    link = lab.link("stdio")
    link.server.stream.close_read()
    with pytest.raises(BrokenPipeError):  # as it would without us
        for _ in range(20000):
            link.client.send(REQUEST)
    link.server.send('{"method":"still here"}')
    assert link.client.recv() == b'{"method":"still here"}'
    link.puppet.exit(0)
    assert link.sidespan.wait() == 0


def test_output_of_a_command_that_ended_is_delivered(lab):
    link = lab.link("stdio", args=["--child-linger=10s"])
    link.puppet.order("exit", status=3)
    link.puppet.wait_gone()
    writing = Background(lambda: [link.server.send(FLOOD) for _ in range(2000)])
    for _ in range(2000):
        assert link.client.recv() == FLOOD
    writing.result()
    link.server.close()
    link.client.expect_eof()
    assert link.sidespan.wait() == 3


def test_grandchild_that_holds_stdout_does_not_hold_us(lab):
    link = lab.link("stdio", args=["--child-linger=100ms"])
    link.server.send('{"method":"last words"}')
    link.puppet.order("exit", status=6)  # the test is the grandchild: it keeps stdout open
    assert link.client.recv() == b'{"method":"last words"}'
    link.client.expect_eof()
    assert link.sidespan.wait() == 6


# no orphan, no zombie

def test_kill_9_leaves_no_child(lab):
    link = lab.link("stdio")
    link.sidespan.expect_crash = True
    link.sidespan.signal(signal.SIGKILL)
    link.sidespan.wait()
    link.puppet.wait_gone()


@pytest.mark.parametrize("listen", ["tcp", "ws"])
def test_kill_9_leaves_no_child_of_a_connection(lab, listen):
    link = lab.link(listen, "stdio")
    link.open()
    link.sidespan.expect_crash = True
    link.sidespan.signal(signal.SIGKILL)
    for puppet in lab.puppets.puppets:
        puppet.wait_gone()


def test_no_zombies_of_ended_connections(lab):
    link = lab.link("unix", "stdio")
    conversations = [link.open() for _ in range(4)] + [(link.client, link.server)]
    assert len(link.sidespan.children()) == 5
    for client, server in conversations:
        client.close()
    for puppet in lab.puppets.puppets:
        puppet.peer.expect_eof()
        puppet.exit(0)
    until(lambda: link.sidespan.children() == [], "all children reaped")
    assert link.sidespan.running()


# whatever stdin and stdout are

ANSWERING = "while read -r line; do printf '%s\\n' \"$line\"; done"


def test_stdin_is_a_regular_file(lab):
    text = "".join('{"id":%d,"method":"m"}\n' % i for i in range(1000))
    with open(lab.write("input", text)) as file:
        program = run(lab, "cat", stdin=file)
    client = lab.keep(program.peer())
    assert client.stream.read_all().decode() == text
    assert program.wait() == 0


def test_stdout_is_a_regular_file(lab):
    path = lab.path()
    with open(path, "w") as file:
        program = run(lab, "cat", stdout=file)
    client = lab.keep(program.peer())
    for _ in range(1000):
        client.stream.write(FLOOD + b"\n")
    client.close_write()
    assert program.wait() == 0
    with open(path, "rb") as file:
        assert file.read() == 1000 * (FLOOD + b"\n")


def test_stdin_is_dev_null(lab):
    program = run(lab, "sh", "-c", ANSWERING + "; echo done", stdin=subprocess.DEVNULL)
    client = lab.keep(program.peer())
    assert client.stream.read_all() == b"done\n"
    assert program.wait() == 0


def test_stdout_is_dev_null(lab):
    program = run(lab, "cat", stdout=subprocess.DEVNULL)
    client = lab.keep(program.peer())
    for _ in range(100):
        client.stream.write(FLOOD + b"\n")
    client.close_write()
    assert program.wait() == 0


@pytest.mark.parametrize("separate", [False, True])
def test_stdio_is_a_socket(lab, separate):
    ours, theirs = socket.socketpair()
    program = run(lab, "cat", stdin=theirs, stdout=PIPE if separate else theirs)
    theirs.close()
    client = lab.keep(Lines(Stream.of_socket(ours)))
    client.send(REQUEST)
    client.close_write()
    reader = lab.keep(program.peer()) if separate else client
    assert reader.stream.read_all() == REQUEST.encode() + b"\n"
    assert program.wait() == 0


def test_stdio_is_a_terminal(lab):
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    program = run(lab, "sh", "-c", "read line; printf '%s\\n' \"$line\"; exit 8", stdin=theirs,
                  stdout=theirs)
    flags = fcntl.fcntl(theirs, fcntl.F_GETFL)
    client = lab.keep(Lines(Stream(ours, os.dup(ours))))
    client.send(REQUEST)
    assert client.recv() == REQUEST.encode()
    assert program.wait() == 8
    assert fcntl.fcntl(theirs, fcntl.F_GETFL) == flags
    os.close(theirs)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
def test_stdio_is_closed(lab, closed):
    program = lab.sidespan("--", "sh", "-c", "cat; exit 3",
                           prefix=["sh", "-c", f'exec "$0" "$@" {closed}'],
                           stdin=subprocess.DEVNULL)
    assert program.wait() == 3


@pytest.mark.parametrize("closed", ["2>&-", "2>&- 5<&-"])
def test_log_goes_nowhere_when_stderr_is_closed(lab, closed):
    """Least of all among the messages."""
    program = lab.sidespan("--log-level=debug", "--", "cat",
                           prefix=["sh", "-c", f'exec "$0" "$@" {closed}'])
    client = lab.keep(program.peer())
    text = b'{"id":1,"method":"m"}\nnot JSON\n'
    client.stream.write(text)
    client.close_write()
    assert client.stream.read_all() == text
    assert program.wait() == 0
    assert program.lines == []


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("ending", ["exit", "kill"])
def test_inherited_descriptors_keep_their_flags(lab, ending, blocking):
    """O_NONBLOCK belongs to the open file, which others share with us, while we run and after."""
    pipes = [os.pipe(), os.pipe()]
    shared = [pipes[0][0], pipes[1][1]]
    for descriptor in shared:
        os.set_blocking(descriptor, blocking)
    program = lab.sidespan("--", *lab.puppets.command(), stdin=shared[0], stdout=shared[1])
    client = lab.keep(Lines(Stream(pipes[1][0], pipes[0][1])))
    puppet = lab.puppets.accept()

    def flags():
        return [os.get_blocking(descriptor) for descriptor in shared]

    client.send(REQUEST)
    puppet.peer.recv()
    puppet.peer.send(REQUEST)
    client.recv()
    assert flags() == [blocking, blocking]
    if ending == "exit":
        puppet.exit(0)
    else:
        program.expect_crash = True
        program.signal(signal.SIGKILL)
    program.wait()
    assert flags() == [blocking, blocking]
    for descriptor in shared:
        os.close(descriptor)


# stdout is for the protocol, stderr is shared

def test_nothing_but_protocol_on_stdout(lab):
    program = lab.sidespan("--profile=codex", "--log-level=debug", "--", "cat",
                           env={"OTEL_TRACES_EXPORTER": "console"})
    client = lab.keep(program.peer())
    text = b'{"id":1,"result":1}\nnot JSON\n[[[\n{"method":"note"}\n'
    client.stream.write(text)
    client.close_write()
    assert client.stream.read_all() == text
    assert program.wait() == 0


def test_stderr_is_passed_through(lab):
    link = lab.link("stdio")
    link.puppet.tell("stderr", text="a word of the command\n")
    link.sidespan.wait_line("^a word of the command$")


# neither direction waits for the other

@pytest.mark.parametrize("listen", KINDS)
def test_client_is_heard_while_it_does_not_read(lab, listen):
    link = lab.link(listen)
    stuck = fill(link.server)
    link.client.send(REQUEST)
    assert json.loads(link.server.recv())["method"] == "thread/list"
    drain(link.client, stuck)


@pytest.mark.parametrize("listen", KINDS)
def test_server_is_heard_while_it_does_not_read(lab, listen):
    link = lab.link(listen)
    stuck = fill(link.client)
    link.server.send('{"id":1,"result":{}}')
    assert link.client.recv() == b'{"id":1,"result":{}}'
    drain(link.server, stuck)


@pytest.mark.parametrize("listen", KINDS)
def test_both_directions_full_at_once(lab, listen):
    link = lab.link(listen)
    stuck = [(link.client, link.server, fill(link.client)),
             (link.server, link.client, fill(link.server))]
    for sender, receiver, (rest, count) in stuck:
        reading = Background(drain, receiver, (rest, count))
        sender.stream.write(rest)
        reading.result()
