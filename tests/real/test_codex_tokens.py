"""
Tokens are those that codex counts itself, in its own spans, whatever it tells again: sessions with
codex's own export, in which every turn is compared with that. Of interrupted turns codex's spans do
not tell: what all turns of a thread have together is compared with what codex has told last.
"""

import pytest

from checks import (
    TURN,
    check_accounts,
    check_order,
    check_tokens,
    named,
    notes,
    task_usage,
    turn_usage,
    wire_turns,
)
from codex import until
from turns import APPROVAL, TURNS, connect, hold

TALKS = {}


def talk(count, transport="ws"):
    """One with so many turns of which codex tells the tokens."""
    def add(run):
        TALKS[run.__name__] = run, count, transport
        return run

    return add


@talk(2)
def compacted(server):
    client = connect(server)
    thread = client.start_thread()
    client.turn(thread, "hello")
    since = len(client.messages)
    client.call("thread/compact/start", {"threadId": thread})
    client.wait_note("turn/completed", since)


@talk(6, "stdio")
def compacted_by_itself(server):
    """In a turn, when that would be too long: the turn has the tokens of the compaction, too."""
    client = connect(server)
    thread = client.start_thread(config={"model_auto_compact_token_limit": 300})
    for number in range(6):
        client.turn(thread, "<run touch %d>" % number if number % 2 else "hello")
    assert [note for note in client.received()
            if note.has("method") and note.json["method"] == "item/completed"
            and note.json["params"]["item"]["type"] == "contextCompaction"]


@talk(1)
def steered(server):
    TURNS["steered"].run(server)


@talk(1, "stdio")
def interrupted(server):
    """In the first call, in a later turn's call, and while a person is asked."""
    client = connect(server)
    thread = client.start_thread()
    client.answers[APPROVAL] = None
    for text in (None, "hello", None, "<run touch a>"):
        if text == "hello":
            client.turn(thread, text)
            continue
        since = len(client.messages)
        turn = client.start_turn(thread, text) if text else hold(client, thread)
        if text:
            client.wait_note(APPROVAL, since)
        client.call("turn/interrupt", {"threadId": thread, "turnId": turn})
        client.wait_turn(turn, "interrupted")


@talk(3)
def resumed(server):
    """By the same client, and by another, which is told the usage of the turn before again."""
    client = connect(server)
    thread = client.start_thread()
    client.turn(thread, "hello")
    client.call("thread/resume", {"threadId": thread})
    client.turn(thread, "<run touch a>")
    other = connect(server)
    other.call("thread/resume", {"threadId": thread})
    other.turn(thread, "and more")


@talk(1)
def archived(server):
    """In the middle of a turn, which is over then."""
    client = connect(server)
    thread = client.start_thread()
    client.turn(thread, "hello")
    hold(client, thread)
    client.call("thread/archive", {"threadId": thread})
    server.lab.model.release()
    client.wait_note("thread/archived")


@talk(2)
def with_a_subagent(server):
    TURNS["subagent"].run(server)


WIRE = {"input_tokens": "inputTokens", "cache_read.input_tokens": "cachedInputTokens",
        "cache_write.input_tokens": "cacheWriteInputTokens", "output_tokens": "outputTokens",
        "reasoning.output_tokens": "reasoningOutputTokens"}


def check_totals(server, turns):
    totals = {note["threadId"]: note["tokenUsage"]["total"]
              for note in notes(server, "thread/tokenUsage/updated")}
    for thread, total in totals.items():
        own = [turn_usage(turn) for turn in turns if turn.attributes["thread.id"] == thread]
        assert {WIRE[kind]: sum(usage[kind] for usage in own) for kind in WIRE} == {
            name: total[name] for name in WIRE.values()}, thread
    assert totals


@pytest.mark.parametrize("name", TALKS)
def test_tokens(lab, name):
    run, count, transport = TALKS[name]
    server = lab.serve(transport, otel=True)
    run(server)
    until(lambda: len(task_usage(lab.collector)) >= count)
    server.stop()
    turns = named(server, TURN)
    compared = check_tokens(server, turns, named(server, "chat"))
    assert len(compared) == len(task_usage(lab.collector)) == count
    assert {turn.attributes["turn.status"] for turn in turns if turn not in compared} <= {
        "interrupted"}
    assert len(turns) == len(wire_turns(server))
    check_totals(server, turns)
    assert sum(turn.attributes.get("turn.usage.cache_write.input_tokens", 0) for turn in turns) > 0
    check_accounts(server)
    check_order(server)
