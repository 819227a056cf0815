"""telemetry.contents: what was said leaves us only if that is asked for, and then no more than that."""

import json
import subprocess

import pytest

from lib.process import BINARY

ASKED = "please keep sk-12345 and \u00e9\u00e9\u00e9 to yourself"
SAID = "the answer is forty-two, and more of it"


def talk(link):
    """A turn with two calls of the model; the first one has no words."""
    def say(method, **params):
        link.server.send({"method": method, "params": {"threadId": "T", "turnId": "u", **params}})
        link.client.recv()

    def tokens(total, last):
        say("thread/tokenUsage/updated", tokenUsage={"total": {"inputTokens": total},
                                                     "last": {"inputTokens": last}})

    def item(verb, **more):
        say(f"item/{verb}", item={"id": more["type"], **more})

    link.call({"id": 1, "method": "turn/start", "params": {
        "threadId": "T", "input": [{"type": "text", "text": ASKED}]}},
        {"id": 1, "result": {"turn": {"id": "u", "status": "inProgress"}}})
    item("started", type="commandExecution", command="make " + SAID)
    item("completed", type="commandExecution", aggregatedOutput=SAID)
    tokens(5, 5)
    item("started", type="agentMessage", text="")
    item("completed", type="agentMessage", text=SAID)
    tokens(9, 4)
    say("turn/completed", turn={"id": "u", "status": "completed"})


def spans(lab, *args):
    link = lab.traced("unix", args=args)
    talk(link)
    link.finish()
    return {
        name: [span for span in link.collector.spans if span.name.startswith(name)]
        for name in ("app_server.turn", "chat", "agentMessage", "commandExecution")}


def test_nothing_of_it_without_being_asked(lab):
    link = lab.traced("unix", args=["--telemetry-redact=none", "--telemetry-contents-bytes-max=16KiB"])
    bodies, take = [], link.collector.take
    link.collector.take = lambda handler, raw: (bodies.append(raw), take(handler, raw))
    talk(link)
    link.finish()
    text = b"".join(bodies)
    assert b"app_server.turn" in text and b"chat" in text
    for word in b"keep", b"sk-12345", b"forty-two", b"input.value", b"output.value":
        assert word not in text
    assert "keep" not in "\n".join(link.sidespan.lines)


def test_texts_of_turns_and_calls(lab):
    found = spans(lab, "--telemetry-contents")
    turn, = found["app_server.turn"]
    assert (turn.attributes["input.value"], turn.attributes["output.value"]) == (ASKED, SAID)
    first, second = found["chat"]
    assert "output.value" not in first.attributes and "input.value" not in first.attributes
    assert second.attributes["output.value"] == SAID
    for span in found["agentMessage"] + found["commandExecution"]:
        assert not {"input.value", "output.value"} & set(span.attributes)


def test_bounded_and_redacted(lab):
    found = spans(lab, "--telemetry-contents", "--telemetry-contents-bytes-max=32",
                     "--telemetry-redact=sk-[0-9]+,forty-two")
    turn, = found["app_server.turn"]
    assert turn.attributes["input.value"] == "please keep [redacted] and \u00e9\u2026"
    assert len(turn.attributes["input.value"].encode()) == 32
    assert turn.attributes["output.value"] == "the answer is [redacted], and\u2026"


def test_a_recording_has_none_of_it(lab):
    path = lab.path()
    link = lab.traced("unix", args=["--telemetry-contents", "--record", path])
    talk(link)
    link.finish()
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert "keep" not in text and "forty" not in text and "turn/start" in text


def profile(source, where="set"):
    rule = {"name": "r", "on": "notification", "methods": "m", "do": "open", "span": "s", "set": {}}
    if where == "set":
        rule["set"] = {"a": source}
    else:
        rule.update({"do": "close", "status": {"error": True, "message": source}})
        del rule["set"]
    return {"name": "p", "lifecycle": {
        "spans": {"s": {"name": "s", "key": {"id": "/params/id"}}}, "rules": [rule]}}


@pytest.mark.parametrize("made, why", [
    (profile({"contents": True}), "must have a pointer or a text, or a mark"),
    (profile({"text": "t", "contents": True}), "must stand with a pointer, and without text and take"),
    (profile({"pointer": "/a", "take": "first word", "contents": True}),
     "must stand with a pointer, and without text and take"),
    (profile({"pointer": "/a", "contents": "yes"}), "is a string; must be true or false"),
    (profile({"pointer": "/a", "contents": True}, "status"), "must not be contents; must be in a set"),
    (profile([{"pointer": f"/{n}", "contents": True} for n in range(9)]),
     "9 values are contents; must be 8 at most"),
])
def test_what_is_malformed(lab, made, why):
    path = lab.write("p.json", json.dumps(made))
    done = subprocess.run([BINARY, "--check", "--profile", path], capture_output=True, check=False,
                          env=lab.environment())
    assert done.returncode == 2 and done.stderr.decode().endswith(f": {why}\n"), done.stderr
