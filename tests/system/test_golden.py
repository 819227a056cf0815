"""Recorded and made-up conversations as --explain sees them: which spans come of them.

UPDATE_GOLDEN=1 writes what --explain says beside the recordings, instead of comparing.
"""

import functools
import glob
import os
import re
import subprocess
from collections import Counter

import pytest

from lib.process import BINARY, ROOT
from lib.recording import Recording, names, neutral
from lib.talks import TALKS
from lib.tree import Forest

GOLDEN = os.path.join(ROOT, "tests/golden")
FILES = sorted(glob.glob(os.path.join(GOLDEN, "*.jsonl")))
RECORDINGS = {recording.name: recording for recording in map(Recording, FILES)}
FILE_BYTES_MAX, ALL_BYTES_MAX = 36 * 1024, 620 * 1024


@pytest.fixture(params=sorted(RECORDINGS))
def recording(request):
    return RECORDINGS[request.param]


def scenario(name):
    """The recordings of a scenario, of one transport if that is said."""
    found = [RECORDINGS[full] for full in (name, f"stdio-{name}", f"ws-{name}")
             if full in RECORDINGS]
    assert found, name
    return found


# ---- the recordings ----


def test_every_scenario_is_there():
    with open(os.path.join(GOLDEN, "README.md"), encoding="utf-8") as file:
        rows = re.findall(r"^\| .* \| ([a-z, -]+) \|$", file.read(), re.M)
    told = {name for row in rows for name in row.split(", ")} - {"scenario", "all"}
    shown = {recording.name for name in told for recording in scenario(name)}
    # What has no fact of its own in the list is there for its spans.
    assert set(RECORDINGS) == shown, set(RECORDINGS) ^ shown


def test_small_and_neutral(recording):
    with open(recording.path, encoding="utf-8") as file:
        text = file.read()
    assert len(text) < FILE_BYTES_MAX
    assert neutral(text) is None


def test_small_together():
    assert sum(os.path.getsize(path) for path in FILES) < ALL_BYTES_MAX


def test_lines(recording):
    """In time order, from 0 on, each a message or an end; a connection's end is its last word."""
    lines = recording.lines
    assert lines[0].t == 0
    assert [line.t for line in lines] == sorted(line.t for line in lines)
    for line in lines:
        keys = set(line.entry) - {"conn", "transport"}
        assert keys in ({"t", "dir", "raw"}, {"t", "end"}), line.entry
        assert line.dir in ("c2s", "s2c", None) and line.end in ("client", "backend", None)
        assert (line.conn is None) == (recording.conns() == [None])
        assert "..." not in f"{line.method} {line.id}"
    transport = {"stdio": "stdio", "ws": "websocket"}[recording.transport]
    for conn in recording.conns():
        own = [line for line in lines if line.conn == conn]
        assert [line.entry.get("transport") for line in own] == [transport] + [None] * len(own[1:])
        assert own[-1].end, conn
        client = [line for line in own if line.dir == "c2s" or line.end == "client"]
        assert "client" not in [line.end for line in client[:-1]], conn


# Answers without a question, sent on purpose.
STRAY = {"approval-unanswered": {987654}, "protocol": {999}}


def test_answers_have_requests(recording):
    stray = {line.id for line in recording.lines if line.is_answer() and not line.request}
    assert stray == STRAY.get(recording.scenario, set())


def test_ids_are_short(recording):
    """Threads, turns and items have names, in the order in which they turn up."""
    for kind in ("thread", "turn", "item"):
        found = []
        for line in recording.lines:
            found += re.findall(rf'"{kind}-(\d+)"', line.raw or "")
        order = [int(number) for number in dict.fromkeys(found)]
        assert sorted(order) == list(range(1, len(order) + 1)), (kind, order)


# ---- what they show: the facts of the README beside them ----


def first_told(recording):
    """Of each turn that turn/start began: what told of it first on that connection."""
    found = Counter()
    for line in recording.requests("turn/start"):
        started = [note for note in recording.notes("turn/started") if note.conn == line.conn and
                   line.answer and note.turn()["id"] == line.answer.turn().get("id")]
        if started:
            found["answer" if line.answer.at < started[0].at else "turn/started"] += 1
    return found


def ends_after_answers(recording):
    for line in recording.requests("turn/start"):
        turn = line.answer.turn().get("id") if line.answer else None
        ends = [note.at for note in recording.notes("turn/completed")
                if note.conn == line.conn and note.turn()["id"] == turn]
        assert all(end > line.answer.at for end in ends)
    return True


def own_roots(recording):
    return all(note.turn()["rootTurnId"] == note.turn()["id"]
               for note in recording.notes("turn/started"))


def idle_before_end(recording):
    """Between the last item and turn/completed of each turn."""
    last = {}
    for line in recording.lines:
        if line.method == "turn/completed":
            assert last["thread/status/changed"] > last["item/completed"]
            if line.turn()["status"] == "failed":
                assert last["error"] < line.at and last["error"] > last["item/completed"]
        last[line.method] = line.at
    return True


def kinds_of_failure(recording):
    found = [note.turn()["error"]["codexErrorInfo"] for note in recording.notes("turn/completed")]
    return {type(info) for info in found} == {str, dict} and \
        all(len(info) == 1 for info in found if isinstance(info, dict))


def retried(recording):
    told = [note.params["willRetry"] for note in recording.notes("error")]
    return told == [True, True, False] and len(recording.notes("turn/completed")) == 1


def interrupted_after_answer(recording):
    answer = recording.requests("turn/interrupt")[0].answer
    end, = recording.notes("turn/completed")
    return answer.at < end.at and end.turn()["status"] == "interrupted"


def steered(recording):
    """More requests for turns than turns, and each turn is started and completed once."""
    asked = [line.answer.turn()["id"] for line in recording.requests("turn/start")]
    counts = [Counter(note.turn()["id"] for note in recording.notes(method))
              for method in ("turn/started", "turn/completed")]
    return len(asked) > len(set(asked)) and counts[0] == counts[1] == Counter(set(asked))


def steer_refused(recording):
    codes = [line.answer.error_code() for line in recording.requests("turn/steer")]
    return codes == [None, -32600, -32600]


def eight_in_four(recording):
    return (len(recording.requests("turn/start")), len(recording.turns())) == (8, 4)


def reviews(recording):
    answers = [line.answer.turn() for line in recording.requests("review/start")
               if line.answer.turn()]
    aliases = recording.aliases()
    ended = {note.turn()["id"] for note in recording.notes("turn/completed")}
    started = {note.turn()["id"] for note in recording.notes("turn/started")}
    ids = {turn["id"] for turn in answers}
    return ids == set(aliases.values()) and ids <= ended and not ids & started


def review_interrupted(recording):
    wrong, right = recording.requests("turn/interrupt")
    alias = (right.params["threadId"], right.params["turnId"])
    end = [note for note in recording.notes("turn/completed") if note.at > right.at][0]
    return wrong.answer.error_code() == -32600 and right.answer.result() == {} and \
        recording.aliases()[alias] == wrong.params["turnId"] == end.turn()["id"] and \
        end.turn()["status"] == "interrupted"


def turn_after_answer(recording):
    line = (recording.requests("thread/compact/start") +
            recording.requests("thread/shellCommand"))[0]
    after = [note for note in recording.notes("turn/started") if note.at > line.at]
    return "result" in line.answer.message and line.answer.result() == {} and \
        after[0].at > line.answer.at and not recording.requests("turn/start")[1:]


def shell_joins(recording):
    line = recording.requests("thread/shellCommand")[1]
    turn = recording.requests("turn/start")[0].answer.turn()["id"]
    end = [note for note in recording.notes("turn/completed") if note.at > line.at]
    ran = [note for note in recording.notes("item/completed", turnId=turn)
           if note.params["item"]["type"] == "commandExecution"]
    return [note.turn()["id"] for note in end] == [turn] and len(ran) == 1 and \
        not [note for note in recording.notes("turn/started") if note.at > line.at]


def preempted(recording):
    notes = [line for line in recording.lines if line.method in ("turn/started", "turn/completed")]
    told = [(line.method, line.turn()["status"]) for line in notes]
    return told == 2 * [("turn/started", "inProgress"), ("turn/completed", "interrupted"),
                        ("turn/started", "inProgress"), ("turn/completed", "completed")]


def turns_unasked(recording, count):
    asked = {line.answer.turn()["id"] for line in recording.requests("turn/start")}
    return len([turn for _, turn in recording.turns() if turn not in asked]) >= count


def outlives_parent(recording):
    parent, child = (turn for _, turn in recording.turns())
    ends = {note.turn()["id"]: note for note in recording.notes("turn/completed")}
    known = {note.params["thread"]["id"] for note in recording.notes("thread/started")}
    return ends[child].at > ends[parent].at and ends[child].thread_id() not in known and \
        ends[child].turn()["rootTurnId"] == parent


def child_is_named(recording):
    named = [note for note in recording.notes("item/completed")
             if note.params["item"]["type"] == "collabAgentToolCall"][0]
    child = [note for note in recording.notes("turn/started")
             if note.thread_id() in named.params["item"]["receiverThreadIds"]]
    return named.at < child[0].at


def decisions(recording):
    told = [line.answer.result()["decision"] for line in recording.requests(direction="s2c")]
    return told == ["accept", "acceptForSession", "decline", "cancel"] and \
        list(recording.turns().values()) == ["completed"] * 4 + ["interrupted"]


def approvals_unanswered(recording):
    refused, void = recording.requests(direction="s2c")
    resolved = recording.notes("serverRequest/resolved")
    return refused.answer.error_code() == -1 and void.answer.at > resolved[1].at and \
        [note.params["requestId"] for note in resolved] == [refused.id, void.id]


def other_demands(recording):
    kinds = {"file-change": ["item/fileChange/requestApproval"],
             "ask-user": ["item/tool/requestUserInput", "item/tool/call"]}
    asked = recording.requests(direction="s2c")
    return names(asked) == kinds[recording.scenario] and all(line.answer for line in asked)


def two_id_spaces(recording):
    ids = [line.id for line in recording.requests(direction="s2c")]
    return ids == list(range(len(ids))) and set(ids) & {line.id for line in recording.requests()}


def opted_out(recording):
    told = {conn: {line.method for line in recording.lines if line.conn == conn}
            for conn in recording.conns()}
    first, second = told.values()
    return not (first | second) & {"turn/started", "turn/completed"} and \
        "thread/status/changed" in first - second and len(recording.turns()) == 2


def closed_late(recording):
    line, = recording.requests("thread/unsubscribe")
    note, = recording.notes("thread/closed")
    return 59 < note.t - line.t < 70


def whole_life(recording):
    done = {line.method for line in recording.requests() if not line.answer.error_code()}
    fork, = recording.requests("thread/fork")
    delete, = recording.requests("thread/delete")
    return done >= {f"thread/{verb}" for verb in ("fork", "resume", "archive", "unarchive")} and \
        delete.answer.error_code() == -32600 and \
        fork.answer.result()["thread"]["forkedFromId"] == fork.params["threadId"]


def resumed_turn(recording):
    """What the last thread/resume says of the last turn that began before it."""
    line = recording.requests("thread/resume")[-1]
    begun = [asked.answer.turn()["id"] for asked in recording.requests("turn/start")
             if asked.at < line.at][-1]
    states = {turn["id"]: turn["status"] for turn in line.answer.result()["thread"]["turns"]}
    return line, begun, states[begun]


def outlives_connection(recording):
    line, begun, state = resumed_turn(recording)
    ends = [note for note in recording.notes("turn/completed") if note.turn()["id"] == begun]
    return state == "inProgress" and {note.conn for note in ends} == {line.conn}


def two_copies(recording):
    def copies(conn):
        return [line.message for line in recording.lines
                if line.conn == conn and line.method and "turn-3" in line.raw and
                line.dir == "s2c"]
    asked = recording.requests(direction="s2c")
    resolved = [note.at for note in recording.notes("serverRequest/resolved")]
    return copies("a") == copies("b") and [line.id for line in asked] == [0, 0] and \
        sorted(line.answer.at > max(resolved) for line in asked) == [False, True]


def not_subscribed(recording):
    until = recording.requests("thread/resume")[0].at
    told = {line.method for line in recording.lines
            if line.conn == "b" and line.at < until and "thread-1" in line.raw}
    return told == {"thread/started", "thread/status/changed"}


def copy_before_answer(recording):
    return any(note.conn != line.conn and line.at < note.at < line.answer.at
               for line in recording.requests("turn/start")
               for note in recording.notes("turn/started")
               if note.turn()["id"] == line.answer.turn()["id"])


def no_end(recording, conns=1):
    """The server is gone, on so many connections, and a turn has not ended."""
    gone = [line for line in recording.lines if line.end == "backend"]
    return len(gone) == conns and list(recording.turns().values())[-1] is None


def stdin_ended(recording):
    return resumed_turn(recording)[2] == "interrupted" and \
        list(recording.turns().values()) == [None]


def unanswered(recording):
    return [line for line in recording.requests() if not line.answer]


def killed_while_asking(recording):
    return no_end(recording) and unanswered(recording) == [] and \
        [line.answer for line in recording.requests(direction="s2c")] == [None]


def drained(recording):
    refused = [line for line in recording.requests() if line.answer and
               (line.answer.message.get("error") or {}).get("data")]
    return no_end(recording, 2) and len(refused) == 2 and \
        all(line.answer.message["error"]["data"]["reason"] == "serverShuttingDown"
            for line in refused)


def flooded(recording):
    fates = Counter(line.answer.error_code() if line.answer else "lost"
                    for line in recording.requests("thread/loaded/list"))
    return fates[-32001] > 5 and fates[None] > 5 and \
        (fates["lost"] > 5) == (recording.transport == "stdio")


def too_large(recording):
    return -32602 in [line.answer.error_code() for line in recording.requests("turn/start")]


def wrong_traces(recording):
    lost = [line.message["trace"] for line in unanswered(recording)]
    return len(lost) >= 6 and not any(trace in (None, {}, []) for trace in lost)


def odd_envelopes(recording):
    asked = recording.requests("thread/loaded/list") + recording.requests("model/list")
    order = [line.id for line in recording.lines
             if line.request in asked and line.id in range(60, 70)]
    twice = [line for line in asked if line.id == 50 and line.answer]
    return sorted(order) != order and len(twice) == 2 and \
        {type(line.id) for line in asked if line.answer} == {int, str}


def told_again(recording):
    """The same total twice."""
    totals = [str(note.params["tokenUsage"]["total"])
              for note in recording.notes("thread/tokenUsage/updated")]
    return len(set(totals)) < len(totals)


def resumed_in_the_middle(recording):
    line, = recording.requests("thread/resume")
    turn, = line.answer.result()["thread"]["turns"]
    return turn["status"] == "inProgress" and turn["startedAt"] > 0


FACTS = [
    ("ordering", lambda r: min(first_told(r)["answer"], first_told(r)["turn/started"]) >= 3),
    *[(name, ends_after_answers) for name in sorted(RECORDINGS)],
    *[(name, own_roots) for name in ("basic", "failing", "steer")],
    *[(name, idle_before_end) for name in ("basic", "failing")],
    ("failing", kinds_of_failure),
    ("retry", retried),
    ("interrupt", interrupted_after_answer),
    *[(name, steered) for name in ("steer", "pipelined")],
    ("steer", steer_refused),
    ("pipelined", eight_in_four),
    *[(name, reviews) for name in ("review", "preempt")],
    ("review", review_interrupted),
    *[(name, turn_after_answer) for name in ("compact", "shell-command")],
    ("shell-command", shell_joins),
    ("preempt", preempted),
    ("queue", lambda r: turns_unasked(r, 1) and r.requests("thread/queue/add")),
    ("goal", lambda r: turns_unasked(r, 2) and r.requests("thread/goal/set")),
    ("subagent", outlives_parent),
    ("subagent", child_is_named),
    ("approvals", decisions),
    ("approval-unanswered", approvals_unanswered),
    *[(name, other_demands) for name in ("file-change", "ask-user")],
    *[(name, two_id_spaces) for name in ("approvals", "ask-user")],
    ("opt-out", opted_out),
    ("closed", closed_late),
    ("lifecycle", whole_life),
    ("ws-two-connections", outlives_connection),
    ("ws-disconnect", lambda r: resumed_turn(r)[2] == "completed"),
    ("ws-two-connections", two_copies),
    ("ws-two-connections", not_subscribed),
    ("ws-two-connections", copy_before_answer),
    ("stdio-disconnect", stdin_ended),
    ("stdio-stdin-eof", lambda r: len(unanswered(r)) >= 2),
    ("resume-other-process", lambda r: len({key[0] for key in r.turns()}) == 1 and
     len(r.conns()) == len(r.turns()) == 2),
    ("stdio-server-killed", killed_while_asking),
    ("ws-server-killed", lambda r: no_end(r, 2)),
    ("ws-server-terminated", drained),
    ("flood", flooded),
    ("large", too_large),
    ("trace-field", wrong_traces),
    ("protocol", odd_envelopes),
    *[(name, told_again) for name in sorted(RECORDINGS) if name.endswith("-told-again")],
    ("stdio-compact-in-a-turn", told_again),
    ("ws-auto-approval", lambda r: r.notes("item/autoApprovalReview/started") and
     r.notes("item/autoApprovalReview/completed")),
    ("ws-queue-start", lambda r: [line.answer.turn()["id"]
                                  for line in r.requests("thread/queue/start")]),
    ("ws-queue-idle", lambda r: turns_unasked(r, 1) and r.requests("thread/queue/add")),
    ("ws-goal-set", lambda r: turns_unasked(r, 2) and r.requests("thread/goal/set")),
    ("ws-min-tokens", told_again),
    ("ws-min-opt-out", lambda r: not r.notes("turn/started") + r.notes("turn/completed")),
    ("ws-min-queue-start", lambda r: r.requests("thread/queue/start")[0].answer),
    ("ws-min-resume", resumed_in_the_middle),
    ("ws-opt-out-all", lambda r: not r.notes("turn/started") + r.notes("turn/completed")),
]
CASES = [(recording, holds) for name, holds in FACTS for recording in scenario(name)]


@pytest.mark.parametrize("shown, holds", CASES,
                         ids=[f"{shown.name}-{holds.__name__}" for shown, holds in CASES])
def test_fact(shown, holds):
    assert holds(shown)


# ---- the spans of recordings ----


# The tests' own variables are no options.
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if not name.startswith(("SIDESPAN", "OTEL_"))}


def explain(path):
    """What --explain says; of odd carriers it warns."""
    run = subprocess.run([BINARY, "--explain", "--profile", "codex", path], capture_output=True,
                         text=True, timeout=120, env=ENVIRONMENT)
    odd = [line for line in run.stderr.splitlines() if not line.startswith("sidespan: warn: ")]
    assert run.returncode == 0 and odd == [], run.stderr
    return run.stdout


def test_golden(recording):
    said = explain_once(recording.path)
    path = recording.path.removesuffix(".jsonl") + ".txt"
    if os.environ.get("UPDATE_GOLDEN"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(said)
    with open(path, encoding="utf-8") as file:
        assert said == file.read()


explain_once = functools.cache(explain)


@pytest.fixture
def forest(recording):
    return Forest(explain_once(recording.path))


def test_each_parent_is_there(forest):
    """Or was the client's, whose id is shown."""
    assert forest.spans
    assert [span.name for span in forest.spans if span.outside == "is missing"] == []
    assert [span.name for span in forest.spans if "what is missing" in span.links] == []


def test_requests_have_spans(recording, forest):
    """But for those whose id is none, and with ids that are used twice."""
    if recording.scenario in ("protocol", "trace-field"):
        assert len(forest.starting("app_server.request ")) > 20
        return
    asked = Counter(line.method for line in recording.requests())
    spans = Counter(span.name.removeprefix("app_server.request ")
                    for span in forest.starting("app_server.request "))
    assert spans == asked


def role(span):
    """What a span stands for, by what it says of itself."""
    if span.name.startswith("app_server."):
        return span.name.split(" ")[0].removeprefix("app_server.")
    if "item.type" in span.attributes:
        return "item"
    return span.name.split(" ")[0]


def test_work_hangs_together(forest):
    """Dispatch under its request; a turn under dispatch, a turn or nothing; the rest under turns."""
    above = {"request": {None}, "dispatch": {"request"}, "turn": {"dispatch", "turn", None},
             "item": {"turn"}, "chat": {"turn"}, "approval": {"item", "turn"},
             "toolCall": {"item", "turn"}, "hook": {"turn"}}
    for span in forest.spans:
        if not span.outside:
            assert (span.parent and role(span.parent)) in above[role(span)], span.path()


STATUSES = {"completed": "ok", "failed": "error", "interrupted": "unset"}


def test_each_turn_has_one_span(recording, forest):
    spans = {(span.attributes["thread.id"], span.attributes["turn.id"]): span
             for span in forest.named("app_server.turn")}
    turns = recording.turns()
    assert len(forest.named("app_server.turn")) == len(spans)
    assert set(spans) == set(turns)
    for key, state in turns.items():
        if state:
            assert (spans[key].attributes["turn.status"], spans[key].status) == (
                state, STATUSES[state]), key
        else:
            assert "sidespan.end_reason" in spans[key].attributes, key


ITEMS = {"agentMessage", "reasoning", "commandExecution", "fileChange", "dynamicToolCall",
         "collabAgentToolCall", "contextCompaction"}


def test_each_item_has_one_span(recording, forest):
    """Of those which are worth one."""
    items = {(line.params["threadId"], line.params["turnId"], line.params["item"]["id"])
             for line in recording.notes("item/started") if line.params["item"]["type"] in ITEMS}
    spans = Counter(tuple(span.attributes[f"{part}.id"] for part in ("thread", "turn", "item"))
                    for span in forest.having("item.type"))
    assert spans == Counter(items)


DEMANDS = {"item/commandExecution/requestApproval": "commandExecution",
           "item/fileChange/requestApproval": "fileChange",
           "item/tool/requestUserInput": "userInput", "item/tool/call": "toolCall"}


def test_each_demand_has_one_span(recording, forest):
    """However many subscribers are asked."""
    asked = {(line.id, line.method) for line in recording.requests(direction="s2c")}
    spans = [span.attributes["approval.kind"] for span in forest.having("approval.kind")
             if span.name != "approval auto"]
    spans += [role(span) for span in forest.starting("toolCall ")]
    assert Counter(spans) == Counter(DEMANDS[method] for _, method in asked)


UNITS = {"s": 1e3, "ms": 1, "µs": 1e-3, "ns": 1e-6}


def milliseconds(span):
    number, unit = span.duration.split(" ")
    return float(number) * UNITS[unit]


USAGE = ("input_tokens", "cache_read.input_tokens", "output_tokens")
CALL = (100, 10, 20)  # of each call of the model that all recordings have
CALLS = {  # of each turn, in their order: how many calls there were, however often told of
    "stdio-compact-in-a-turn": [1, 2], "ws-compact-told-again": [2, 1, 1],
    "ws-interrupt-told-again": [1, 0], "ws-steer-told-again": [1, 1],
    "ws-resume-told-again": [2], "ws-auto-approval": [2], "ws-queue-start": [0, 1, 1],
    "ws-queue-idle": [1, 1], "ws-opt-out-all": [1, 1, 1], "ws-goal-set": 11 * [1],
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_each_model_call_counts_once(name):
    """As in codex's own spans: on the call, and in the sums of its turn."""
    turns = Forest(explain_once(RECORDINGS[name].path)).named("app_server.turn")
    found = {}
    for turn in turns:
        made = [span for span in turn.children if role(span) == "chat"]
        calls = [span for span in made if "gen_ai.usage.input_tokens" in span.attributes]
        for call in calls:
            assert tuple(int(call.attributes["gen_ai.usage." + kind]) for kind in USAGE) == CALL
        assert [int(turn.attributes.get("turn.usage." + kind, 0)) for kind in USAGE] == [
            tokens * len(calls) for tokens in CALL], turn.attributes
        assert not any(name.startswith("gen_ai.usage.") for name in turn.attributes)
        assert int(turn.attributes.get("turn.model_calls", 0)) == len(made)
        assert len(made) - len(calls) == (turn.attributes.get("turn.status") == "interrupted")
        found[turn.attributes["turn.id"]] = len(calls)
    assert [found[key] for key in sorted(found)] == CALLS[name]


@pytest.mark.parametrize("name", [name for name in RECORDINGS if re.search("goal|queue", name)])
def test_work_that_waits_hangs_below_what_asked_for_it(name):
    forest = Forest(explain_once(RECORDINGS[name].path))
    asked = [root for root in forest.roots if re.search("queue/(add|start)|goal/set", root.name)]
    turns = [span for root in asked for span in root.children[0].children]
    assert turns and {turn.name for turn in turns} == {"app_server.turn"}


@pytest.mark.parametrize("name", ["stdio-failing", "ws-failing", "stdio-retry", "ws-retry"])
def test_calls_that_fail_are_calls(name):
    """Each attempt, with the reason; the last one is that of the turn."""
    for turn in Forest(explain_once(RECORDINGS[name].path)).named("app_server.turn"):
        calls = [span for span in turn.children if role(span) == "chat"]
        assert len(calls) == (3 if "retry" in name else 1)
        assert {call.status for call in calls} == {"error"}
        assert calls[-1].error == turn.error


@pytest.mark.parametrize("name", ["stdio-interrupt", "ws-interrupt", "stdio-preempt", "ws-preempt"])
def test_a_call_that_is_broken_off_is_one(name):
    """It was speaking, and is no error."""
    turns = Forest(explain_once(RECORDINGS[name].path)).named("app_server.turn")
    turns = [turn for turn in turns if turn.attributes["turn.status"] == "interrupted"]
    assert turns
    for turn in turns:
        call, = (span for span in turn.children if role(span) == "chat")
        assert call.status == "unset" and "gen_ai.response.time_to_first_chunk" in call.attributes
        assert milliseconds(call) == milliseconds(turn)


def test_the_time_in_a_queue_is_not_the_turns():
    """A turn that waits for another begins when it is told of."""
    for name in ("stdio-queue", "ws-queue", "stdio-preempt", "ws-preempt"):
        turns = Forest(explain_once(RECORDINGS[name].path)).named("app_server.turn")
        assert milliseconds(turns[1]) < 100, name


@pytest.mark.parametrize("name", ["stdio-approvals", "ws-approvals", "stdio-basic", "ws-basic",
                                  "stdio-file-change", "ws-auto-approval",
                                  "ws-compact-told-again"])
def test_the_time_of_a_turn_has_names(name):
    """Calls of the model and tools, within which approvals are, are at least 70 % of a turn that
    went as it should; compactions have their calls where the last message stands."""
    turns = Forest(explain_once(RECORDINGS[name].path)).named("app_server.turn")
    turns = [turn for turn in turns if turn.status == "ok"]
    for turn in turns:
        known = sum(int(turn.attributes.get(part, 0)) for part in ("turn.model_ms", "turn.tools_ms"))
        assert 0.7 <= known / milliseconds(turn) <= 1.01, turn.attributes
    assert turns


# ---- the spans of every order ----


@pytest.mark.parametrize("make", TALKS, ids=[make.__name__ for make in TALKS])
def test_order_makes_no_difference(make, tmp_path):
    talk, outline = make()
    path, seen = str(tmp_path / "recording.jsonl"), {}
    for order in talk.orders():
        talk.write(order, path)
        said = explain(path)
        forest = Forest(said)
        assert forest.outline() == outline.lstrip("\n"), said
        seen.setdefault(forest.normal(), said)
        assert len(seen) == 1, "\n\nand in another order\n\n".join(seen.values())
