"""--replay: the server of a recording, for a client that says what was said, or something else."""

import glob
import json
import os
import subprocess
import time

import pytest

from lib.lab import address_of
from lib.peer import Dialing
from lib.process import BINARY, ROOT
from lib.recording import Recording
from lib.stream import connect

FILES = sorted(glob.glob(os.path.join(ROOT, "tests/golden/stdio-*.jsonl")))


def record(lab, *lines):
    """> and < lines, or objects, as a file."""
    return lab.write("r.jsonl", "".join(
        (line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))


class Client:
    def __init__(self, lab, *args):
        self.process = subprocess.Popen([BINARY, "--replay", *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=lab.environment())

    def say(self, *messages):
        for message in messages:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self):
        return json.loads(self.process.stdout.readline())

    def end(self, status=0):
        """What is still said when the client has ended, and the line of the log."""
        out, said = self.process.communicate(timeout=60)
        assert self.process.returncode == status, said
        return [json.loads(line) for line in out.splitlines()], said.decode()


@pytest.mark.parametrize("path", FILES, ids=os.path.basename)
def test_a_client_gets_what_was_recorded(lab, path):
    """With its own ids, in the order of the recording, and nothing else."""
    recording = Recording(path)
    first = recording.lines[0].conn
    lines = [line for line in recording.lines if line.conn == first]
    told, expected, ids = [], [], {}
    for at, line in enumerate(lines):
        message = dict(line.message)
        if line.dir == "c2s" and message:
            if line.is_request():
                ids[line] = message["id"] = f"mine {at}"
            told.append(json.dumps(message))
        elif line.dir == "s2c":
            if line.request:
                message["id"] = ids[line.request]
            expected.append(message if message else line.raw)
    done = subprocess.run([BINARY, "--replay", path], input="\n".join(told).encode() + b"\n",
                          capture_output=True, env=lab.environment(), check=True, timeout=60)
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert seen == [message for message in expected if message]
    assert done.stderr.decode().endswith(f" unexpected=0\n")


CALLS = ['> {"id":1,"method":"a"}', '< {"id":1,"result":"one"}', '< {"method":"n","params":1}',
         '> {"id":2,"method":"b"}', '< {"id":2,"error":{"code":1,"message":"two"}}',
         '> {"id":3,"method":"a"}', '< {"id":3,"result":"three"}', '< {"method":"n","params":3}']


def test_by_method_and_order(lab):
    client = Client(lab, record(lab, *CALLS))
    client.say({"id": "x", "method": "a"})
    assert [client.hear(), client.hear()] == [{"id": "x", "result": "one"},
                                              {"method": "n", "params": 1}]
    client.say({"id": 1.5, "method": "b"})
    assert client.hear() == {"id": 1.5, "error": {"code": 1, "message": "two"}}
    client.say({"id": 1, "method": "a"})
    assert [client.hear(), client.hear()] == [{"id": 1, "result": "three"},
                                              {"method": "n", "params": 3}]
    assert client.end() == ([], client_line(5, 5, 0))


def client_line(recorded, played, unexpected):
    return Said(f"replay: messages={recorded} played={played} unexpected={unexpected}\n")


class Said(str):
    """The end of what is in the log."""

    def __eq__(self, other):
        return other.endswith(str(self))

    __hash__ = str.__hash__


def test_what_is_not_recorded_is_an_error(lab):
    client = Client(lab, record(lab, *CALLS))
    client.say({"id": 9, "method": "no\n\"\u20ac"}, {"method": "also not"}, {"id": 5, "result": 1},
               [{"id": 1, "method": "a"}], 7, {"jsonrpc": "2.0", "id": "y", "method": "c"})
    assert client.hear() == {"id": 9, "error": {
        "code": -32000, "message": 'the recording has no further request no\ufffd"\u20ac'}}
    assert client.hear() == {"jsonrpc": "2.0", "id": "y", "error": {
        "code": -32000, "message": "the recording has no further request c"}}
    client.say(*({"id": number, "method": "a"} for number in range(3)))
    seen, said = client.end()
    assert [message.get("result", message.get("error", {}).get("code")) for message in seen] == [
        "one", None, "three", None, -32000]
    assert said == client_line(5, 4, 3)


def test_what_is_left_out_is_passed_over(lab):
    client = Client(lab, record(lab, *CALLS))
    client.say({"id": 1, "method": "b"})
    assert client.hear() == {"method": "n", "params": 1}
    assert client.hear() == {"id": 1, "error": {"code": 1, "message": "two"}}
    client.say({"id": 2, "method": "a"})  # the third call: it is recorded from here on
    assert client.hear()["result"] == "three"
    client.say({"id": 3, "method": "a"})  # and this is the first, after all
    assert [client.hear(), client.hear()] == [{"method": "n", "params": 3},
                                              {"id": 3, "result": "one"}]
    client.end()


def test_nothing_comes_before_its_cause(lab):
    path = record(lab, '> {"id":1,"method":"go"}', '< {"id":"q","method":"may I"}',
                  '> {"id":"q","result":true}', '< {"method":"done"}', '> {"method":"stop"}',
                  '< {"id":1,"result":"stopped"}', {"end": "client"}, {"end": "backend"})
    client = Client(lab, path)
    client.say({"id": 7, "method": "go"})
    assert client.hear() == {"id": "q", "method": "may I"}
    client.say({"id": "other", "result": False}, {"id": 8, "method": "is there anything?"})
    assert client.hear()["error"]["code"] == -32000
    client.say({"id": "q", "result": False}, {"id": 9, "method": "is there anything?"})
    assert client.hear() == {"method": "done"}
    assert client.hear()["id"] == 9
    client.say({"method": "stop"})
    assert client.hear() == {"id": 7, "result": "stopped"}
    assert client.end() == ([], client_line(3, 3, 2))


def test_a_server_that_ended_ends(lab):
    client = Client(lab, record(lab, '> {"id":1,"method":"go"}', '< {"method":"bye"}',
                                {"end": "backend"}))
    client.say({"id": 7, "method": "go"})
    assert client.hear() == {"method": "bye"}
    assert client.process.wait(60) == 0
    client.process.stdin.close()


def test_a_server_that_speaks_first(lab):
    client = Client(lab, record(lab, '< {"method":"hello"}', '> {"id":1,"method":"a"}'))
    assert client.hear() == {"method": "hello"}
    client.end()


def test_one_connection_of_several(lab):
    path = record(lab, {"conn": "a", "dir": "c2s", "raw": '{"id":1,"method":"m"}'},
                  {"conn": 2, "dir": "c2s", "raw": '{"id":1,"method":"m"}'},
                  {"conn": 2, "dir": "s2c", "raw": '{"id":1,\n"result":"two"}'},
                  {"conn": "a", "dir": "s2c", "raw_parts": ['{"id":1,"result":"', ["y", 3], '"}']})
    for args, result in ((), "yyy"), (("--conn=2",), "two"), (("--conn=a",), "yyy"):
        client = Client(lab, *args, path)
        client.say({"id": 0, "method": "m"})
        assert client.hear() == {"id": 0, "result": result}
        client.end()
    client = Client(lab, "--conn=none", path)
    assert client.end(2) == ([], Said(f"error: {path}: has no such connection\n"))


def test_in_the_time_it_took(lab):
    path = record(lab, {"t": 5, "dir": "c2s", "raw": '{"id":1,"method":"m"}'},
                  {"t": 5.3, "dir": "s2c", "raw": '{"id":1,"result":1}'},
                  {"t": 5.5, "dir": "s2c", "raw": '{"method":"n"}'})
    client = Client(lab, "--timed", path)
    start = time.monotonic()
    client.say({"id": 1, "method": "m"})
    client.hear()
    assert time.monotonic() - start >= 0.3
    client.hear()
    assert time.monotonic() - start >= 0.5
    client.end()


def test_behind_a_listener_and_recorded_again(lab):
    """For a client of any kind; what is recorded then is what was played."""
    path, again = record(lab, *CALLS), lab.path()
    sidespan = lab.sidespan("--listen=ws://127.0.0.1:0", "--record-contents", "--record", again, "--",
                            BINARY, "--replay", path)
    for _ in range(2):
        client = Dialing(lab.keep(connect(address_of(sidespan.url())))).finish()
        for number, count in ((1, 2), (2, 1), (3, 2)):
            client.send({"id": number, "method": "b" if number == 2 else "a"})
            for _ in range(count):
                client.recv()
        client.close()
    sidespan.stop()
    with open(again, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    for conn in 0, 1:
        said = [("> " if line["dir"] == "c2s" else "< ") + line["raw"].replace(" ", "")
                for line in lines if line["conn"] == conn and "dir" in line]
        assert said == [line[:2] + line[2:].replace(" ", "") for line in CALLS]


@pytest.mark.parametrize("args, why", [
    ((), "command line: \"--replay\": must be followed by the FILE of a recording"),
    (("-",), "command line: \"--replay\": must be followed by the FILE of a recording"),
    (("/nowhere",), "/nowhere: cannot be opened: No such file or directory"),
    (("/dev/null",), "/dev/null: is empty"),
    (("--explain", "x"), "command line: \"--replay\": must stand without --explain"),
])
def test_what_cannot_be_played(lab, args, why):
    client = Client(lab, *args)
    assert client.end(2) == ([], Said(f"error: {why}\n"))


def test_its_flags_stand_with_it(lab):
    for flag in "--timed", "--conn=1":
        done = subprocess.run([BINARY, flag, "--", "true"], capture_output=True, check=False,
                              env=lab.environment())
        name = flag.split("=")[0]
        assert (done.returncode, done.stderr.decode()) == (2, Said(
            f'command line: "{name}": must stand with --replay\n'))


def test_a_broken_recording_and_a_client_that_leaves(lab):
    path = record(lab, '> {"id":1,"method":"a"}', "{}")
    client = Client(lab, path)
    assert client.end(2)[1] == Said(
        f'error: {path}:2: neither a message nor an end; must have "dir" and one of "raw" and '
        '"raw_parts", or "end"\n')
    client = Client(lab, record(lab, *CALLS))
    client.process.stdout.close()
    client.say({"id": 1, "method": "a"})
    assert client.process.wait(60) == 1
    assert client.process.stderr.read().decode() == Said("error: standard output takes no more\n")
    client.process.stdin.close()
