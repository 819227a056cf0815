"""What the profile of codex makes of messages that no recording has: known from codex's schema."""

import json
import subprocess

import pytest

from lib.process import BINARY
from lib.tree import Forest

TURN = {"threadId": "T", "turnId": "u"}


def ask(method, **params):
    return "> " + json.dumps({"id": 1, "method": method, "params": params})


def answer(result):
    return "< " + json.dumps({"id": 1, "result": result})


def note(method, **params):
    return "< " + json.dumps({"method": method, "params": params})


def demand(method, result, **params):
    return ["< " + json.dumps({"id": 0, "method": method, "params": {**TURN, **params}}),
            "> " + json.dumps({"id": 0, "result": result})]


BEGIN = [ask("turn/start", threadId="T"), answer({"turn": {"id": "u"}})]
END = note("turn/completed", threadId="T", turn={"id": "u", "status": "completed"})


def forest(lab, *lines):
    run = subprocess.run([BINARY, "--explain", "--profile", "codex", "-"], text=True,
                         input="\n".join(lines) + "\n", capture_output=True, timeout=60,
                         env=lab.environment(None, None), check=True)
    return Forest(run.stdout)


def only(found):
    span, = found
    return span


@pytest.mark.parametrize("result, decision, scope", [
    ({"permissions": {"network": {"enabled": True}}, "scope": "session"}, "accept", "session"),
    ({"permissions": {"fileSystem": {"read": ["/x"]}}, "scope": "turn"}, "accept", "turn"),
    ({"permissions": {}, "scope": "turn"}, "decline", "turn"),
])
def test_permissions(lab, result, decision, scope):
    lines = demand("item/permissions/requestApproval", result, itemId="i")
    span = only(forest(lab, *BEGIN, *lines, END).named("approval permissions"))
    assert span.attributes["approval.decision"] == decision
    assert span.attributes["approval.scope"] == scope


def test_a_form(lab):
    lines = demand("mcpServer/elicitation/request", {"action": "decline"}, serverName="files")
    span = only(forest(lab, *BEGIN, *lines, END).starting("approval "))
    assert span.name == "approval elicitation"
    assert span.attributes["approval.decision"] == "decline"
    assert span.attributes["mcp.server.name"] == "files"


def test_a_turn_that_was_not_seen_to_begin(lab):
    found = only(forest(lab, END).named("app_server.turn"))
    assert found.attributes["sidespan.joined"] == "true" and found.status == "ok"
    listing = {"thread": {"id": "T", "status": {"type": "active"},
                          "turns": [{"id": "t", "status": "completed"},
                                    {"id": "u", "status": "inProgress"}]}}
    found = forest(lab, ask("thread/resume", threadId="T"), answer(listing), END)
    assert only(found.named("app_server.turn")).attributes["sidespan.joined"] == "true"


@pytest.mark.parametrize("thread, kind", [
    ({"ephemeral": True, "threadSource": "thread_title"}, "helper"),
    ({"ephemeral": True, "threadSource": "user"}, "turn"),
    ({"ephemeral": False, "threadSource": "thread_title"}, "turn"),
])
def test_helpers_are_marked(lab, thread, kind):
    lines = [ask("thread/start", **thread), answer({"thread": {"id": "T", **thread}})]
    assert only(forest(lab, *lines, *BEGIN, END).named("app_server.turn")).attributes[
        "turn.kind"] == kind


@pytest.mark.parametrize("status, state", [("completed", "unset"), ("failed", "error")])
def test_hooks(lab, status, state):
    run = {"id": "h", "eventName": "preToolUse"}
    lines = [note("hook/started", **TURN, run={**run, "status": "running"}),
             note("hook/completed", **TURN, run={**run, "status": status})]
    span = only(forest(lab, *BEGIN, *lines, END).named("hook preToolUse"))
    assert span.status == state and span.attributes["hook.status"] == status


@pytest.mark.parametrize("item, name", [
    ({"type": "plan"}, "plan"), ({"type": "imageView"}, "imageView"),
    ({"type": "mcpToolCall", "server": "files", "tool": "read"}, "mcpToolCall files/read"),
    ({"type": "commandExecution", "command": "/bin/make all"}, "commandExecution make"),
])
def test_items(lab, item, name):
    lines = [note(f"item/{verb}", **TURN, item={"id": "i", **item})
             for verb in ("started", "completed")]
    assert len(forest(lab, *BEGIN, *lines, END).named(name)) == 1


def test_a_sample_is_a_call(lab):
    tokens = {"inputTokens": 9, "cachedInputTokens": 4, "outputTokens": 2}
    span = only(forest(lab, ask("thread/sample", threadId="T"), answer(tokens)).spans)
    assert [span.attributes["gen_ai.usage." + kind] for kind in (
        "input_tokens", "cache_read.input_tokens", "output_tokens")] == ["9", "4", "2"]
    assert span.attributes["gen_ai.operation.name"] == "chat"


def test_delete_is_a_shutdown(lab):
    found = forest(lab, ask("thread/delete", threadId="T"), answer({}))
    assert only(found.starting("app_server.dispatch ")).name == "app_server.dispatch shutdown"
