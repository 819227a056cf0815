"""--record: what goes by is written down, and nothing that goes by notices."""

import json
import os
import re
import resource
import signal
import stat
import subprocess

import pytest

from lib.lab import KINDS
from lib.process import BINARY

SECRET = "the-launch-code-\u00e9"
CALL = {"id": "seven", "method": "turn/start",
        "params": {"threadId": "th1", "input": [{"type": "text", "text": SECRET}], SECRET + "/": 1}}
REPLY = {"id": "seven", "result": {"turn": {"id": "tu1", "status": "inProgress"}, "note": SECRET}}


def lines(path):
    """What the file has; it is whole at any time."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def raw(line):
    parts = line.get("raw_parts", [line.get("raw")])
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in parts)


def counters(link):
    """Of the last line; those that are 0 are not in it."""
    said = [line for line in link.sidespan.log("info") if line.startswith("traffic:")]
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", said[-1])}


@pytest.mark.parametrize("listen, upstream", [("stdio", "stdio"), ("ws", "ws"), ("unix", "tcp"),
                                              ("ws+unix", "stdio"), ("stdio", "ws")])
def test_messages_without_their_contents(lab, listen, upstream):
    path = lab.path()
    link = lab.link(listen, upstream, args=["--record", path])
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    link.call(CALL, REPLY)
    link.finish()
    asked, answered = lines(path)[:2]
    assert (asked["dir"], answered["dir"]) == ("c2s", "s2c")
    assert asked["conn"] == answered["conn"] == 0
    assert (asked["transport"], asked["server"]) == (
        {"ws": "websocket"}.get(listen, listen if listen in ("stdio", "tcp") else "unix_socket"),
        "own" if upstream == "stdio" else "shared")
    hidden = "x" * len(json.dumps(SECRET)[1:-1]), "x" * len(SECRET.encode())
    message = json.loads(raw(asked))
    assert message["id"] == "seven" and message["method"] == "turn/start"
    assert message["params"]["threadId"] == "th1"
    assert message["params"]["input"][0]["text"] in hidden
    assert json.loads(raw(answered))["result"] == {
        "turn": {"id": "tu1", "status": "x" * len("inProgress")}, "note": json.loads(
            raw(answered))["result"]["note"]}
    with open(path, encoding="utf-8") as file:
        assert "launch" not in file.read()
    assert counters(link)["messages_recorded"] == 2 and "messages_not_recorded" not in counters(link)


def test_contents_if_asked_for(lab):
    path = lab.path()
    link = lab.link("ws", args=["--record", path, "--record-contents"])
    said = json.dumps(CALL, ensure_ascii=False)
    link.client.send(said)
    link.server.recv()
    big = json.dumps({"method": "m", "params": {"text": SECRET * 100_000}})
    link.server.send(big)
    link.client.recv()
    link.finish()
    assert [raw(line) for line in lines(path)[:2]] == [said, big]


def test_connections_are_told_apart(lab):
    path = lab.path()
    link = lab.link("ws", args=["--record", path])
    link.call({"id": 1, "method": "a"}, {"id": 1, "result": {}})
    client, server = link.open()
    link.call({"id": 1, "method": "b"}, {"id": 1, "result": {}}, client, server)
    client.close()
    server.expect_eof()
    link.sidespan.wait_line("connection 1: closed")
    link.call({"id": 2, "method": "c"}, {"id": 2, "result": {}})
    link.finish()
    seen = [(line["conn"], line.get("dir") or line["end"]) for line in lines(path)]
    assert seen[:7] == [(0, "c2s"), (0, "s2c"), (1, "c2s"), (1, "s2c"), (1, "client"), (0, "c2s"),
                        (0, "s2c")]
    times = [line["t"] for line in lines(path)]
    assert times == sorted(times) and abs(times[0] - os.stat(path).st_mtime) < 3600


def test_times_of_the_server_are_believed_again(lab):
    """A span that began before we saw it begins then, also when it is explained."""
    path, profile = lab.path(), lab.write("p.json", json.dumps({"name": "p", "lifecycle": {
        "spans": {"job": {"name": "job", "key": {"job.id": "/params/id"}}},
        "rules": [{"name": "found", "on": "notification", "methods": "job", "do": "open", "span": "job",
                   "at": {"pointer": "/params/since", "unit": "s"}}]}}))
    link = lab.link("unix", args=["--record", path], profile=profile)
    since = int(os.stat(profile).st_mtime) - 1000
    link.server.send({"method": "job", "params": {"id": "j", "since": since}})
    link.client.recv()
    link.finish()
    text = subprocess.run([BINARY, "--explain", "--profile", profile, path], capture_output=True,
                          env=lab.environment(), check=True).stdout.decode()
    assert 1000 <= float(re.search(r"job  (\d+(?:\.\d+)?) s ", text)[1]) < 2000


def test_a_file_that_is_full_ends_the_recording_only(lab):
    path = lab.path()
    link = lab.link("unix", args=["--record", path, "--record-bytes-max=4096"])
    for number in range(50):
        link.call({"id": number, "method": "m", "params": list(range(30))},
                  {"id": number, "result": {}})
    link.finish()
    assert 3800 < os.stat(path).st_size <= 4096
    written = len(lines(path))
    assert counters(link)["messages_recorded"] == written
    assert counters(link)["messages_not_recorded"] == 100 - written
    assert [line for line in link.sidespan.log("warn") if "record" in line] == [
        f"record.file: record.bytes_max is reached; the recording ends here, after {written} messages"]


def test_a_disk_that_is_full_ends_the_recording_only(lab):
    path = lab.path()
    link = lab.link("ws", args=["--record", path], preexec=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (1000, 1000)))
    for number in range(20):
        link.call({"id": number, "method": "m"}, {"id": number, "result": {}})
    link.finish()
    written = len(lines(path))  # no half line
    assert 0 < written < 20 and os.stat(path).st_size <= 1000
    assert [line for line in link.sidespan.log("warn") if "record" in line] == [
        f"record.file: File too large; the recording ends here, after {written} messages"]


def test_whole_lines_when_we_are_killed(lab):
    path = lab.path()
    link = lab.link("unix", args=["--record", path])
    link.call(CALL, REPLY)
    link.sidespan.expect_crash = True
    link.sidespan.signal(signal.SIGKILL)
    link.sidespan.wait()
    assert len(lines(path)) == 2


@pytest.mark.parametrize("kind", ["fifo", "folder", "link", "nowhere"])
def test_what_is_no_file_is_refused(lab, kind):
    path = lab.path()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "link":
        os.symlink(lab.write("target", "kept"), path)
    else:
        path += "/file"
    sidespan = lab.sidespan("--listen=unix://" + lab.path(), "--upstream=unix:///nowhere",
                            "--record", path)
    assert sidespan.wait() == 1
    why = "cannot be opened: No such file or directory" if kind == "nowhere" else \
        "must be a regular file, or none yet"
    assert sidespan.log("error") == [f"record.file: {path}: {why}"]


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_the_same_with_a_recording(lab, kind):
    upstream = None if kind == "stdio" else kind
    told = []
    for args in ([], ["--record", lab.path()]):
        link = lab.link(kind, upstream, args=args, profile="generic")
        text = '{ "id":1,"method" : "m","params":{"big":"' + "y" * 200_000 + '"}}'
        link.client.send(text)
        told.append(link.server.recv())
        link.finish()
    assert told[0] == told[1]
