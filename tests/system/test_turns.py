"""Turns through the whole program: what it sends to the server, the client and the collector."""

import json
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT = "00f067aa0ba902b7"
INJECT = "--propagation-inject-server-requests=true"


def request(method, identity=1, **params):
    return {"id": identity, "method": method, "params": dict({"threadId": "T"}, **params),
            "trace": {"traceparent": f"00-{TRACE}-{CLIENT}-01", "tracestate": "a=1"}}


def turn(what, identity="u", status="inProgress"):
    return {"method": f"turn/{what}", "params": {"threadId": "T", "turn": {
        "id": identity, "rootTurnId": identity, "status": status}}}


def item(what, **more):
    return {"method": f"item/{what}", "params": {"threadId": "T", "turnId": "u", "item": dict(
        {"id": "i", "type": "commandExecution"}, **more)}}


def say(link, *messages):
    """The server says this, and the client has it."""
    heard = []
    for message in messages:
        link.server.send(message)
        heard.append(json.loads(link.client.recv()))
    return heard


def ask(link, method, identity=1, **params):
    """The client asks; what the server was told of the trace."""
    link.client.send(request(method, identity, **params))
    carrier = json.loads(link.server.recv())["trace"]
    version, trace, span, flags = carrier["traceparent"].split("-")
    assert (version, trace, flags, carrier["tracestate"]) == ("00", TRACE, "01", "a=1")
    return span


def answer(link, result, identity=1):
    say(link, {"id": identity, "result": result})


def whole_turn(link):
    told = ask(link, "turn/start")
    answer(link, {"turn": {"id": "u"}})
    say(link, turn("started"), item("started", command="/bin/make all"),
        {"method": "item/agentMessage/delta",
         "params": {"threadId": "T", "turnId": "u", "itemId": "m", "delta": "words"}},
        {"method": "error", "params": {"threadId": "T", "turnId": "u", "willRetry": True,
                                       "error": {"message": "again"}}},
        item("completed", status="completed", exitCode=0), turn("completed", status="completed"))
    return told


def finish(link):
    assert link.finish() == 0
    count = link.sidespan.accounting()
    assert count["created"] == count["sent"] == len(link.collector.spans), count
    return {span.name: span for span in link.collector.spans}


@pytest.mark.parametrize("listen", ["stdio", "unix", "ws", "tcp"])
def test_a_turn(lab, listen):
    link = lab.traced(listen)
    told = whole_turn(link)
    spans = finish(link)
    asked, dispatch = spans["app_server.request turn/start"], spans["app_server.dispatch turn_input"]
    work, command = spans["app_server.turn"], spans["commandExecution make"]
    call = spans["chat"]  # it failed, while the command ran: that had been asked for before
    assert len(spans) == 5 and told == work.span_id
    assert (call.parent_id, call.status) == (work.span_id, 2) and call.end <= command.start
    assert [span.parent_id for span in (asked, dispatch, work, command)] == [
        CLIENT, asked.span_id, dispatch.span_id, work.span_id]
    assert {span.trace_id for span in spans.values()} == {TRACE}
    assert {span.trace_state for span in spans.values()} == {"a=1"}
    assert work.status == 1 and work.attributes["turn.status"] == "completed"
    assert work.attributes["turn.delta.bytes"] == 5
    assert command.attributes["process.executable.name"] == "make"
    assert command.attributes["process.exit.code"] == 0
    event, = work.events
    assert event["name"] == "retry"


@pytest.mark.parametrize("args, names", [
    (["--lifecycle=off"], {"app_server.request turn/start"}),
    (["--lifecycle-dispatch=none", "--lifecycle-off=items,calls"],
     {"app_server.request turn/start", "app_server.turn"}),
    (["--lifecycle-dispatch=turns", "--lifecycle-off=items"],
     {"app_server.request turn/start", "app_server.dispatch turn_input", "app_server.turn", "chat"}),
])
def test_what_is_switched_off(lab, args, names):
    link = lab.traced(args=args)
    told = whole_turn(link)
    spans = finish(link)
    assert set(spans) == names
    assert told == spans["app_server.turn" if "app_server.turn" in names
                         else "app_server.request turn/start"].span_id


def test_events_and_deltas_switched_off(lab):
    link = lab.traced(args=["--lifecycle-off=events, deltas"])
    whole_turn(link)
    work = finish(link)["app_server.turn"]
    assert not work.events
    assert not [name for name in work.attributes if "delta" in name]


@pytest.mark.parametrize("identity, kind", [
    ("temporary-structured-turn-0199", "helper"), ("temporary-structured-turn", "turn"), (7, "turn")])
def test_turns_that_a_client_asks_for_itself(lab, identity, kind):
    """By the id of their request: titles and the like are written in turns as well."""
    link = lab.traced()
    ask(link, "turn/start", identity)
    answer(link, {"turn": {"id": "u"}}, identity)
    say(link, turn("started"), turn("completed", status="completed"))
    assert finish(link)["app_server.turn"].attributes["turn.kind"] == kind


DETAILS = {"codex.effort": "high", "codex.service_tier": "fast", "codex.cwd": "/project"}


@pytest.mark.parametrize("args, told", [([], {}), (["--lifecycle-on=details"], DETAILS)])
def test_details_are_there_if_wanted(lab, args, told):
    """Of the thread, with what the request for the turn says anew; also on the next turn."""
    link = lab.traced(args=args)
    ask(link, "thread/start")
    answer(link, {"thread": {"id": "T"}, "reasoningEffort": "low", "serviceTier": "fast",
                  "cwd": "/project"})
    ask(link, "turn/start", 2, effort="high")
    answer(link, {"turn": {"id": "u"}}, 2)
    say(link, turn("completed", status="completed"), turn("started", "v"),
        {"method": "thread/settings/updated",
         "params": {"threadId": "T", "threadSettings": {"effort": "medium"}}},
        turn("completed", "v", status="completed"), turn("started", "w"),
        turn("completed", "w", status="completed"))
    assert link.finish() == 0
    spans = {span.attributes["turn.id"]: span.attributes for span in link.collector.spans
             if span.name == "app_server.turn"}
    found = [{key: value for key, value in spans[turn].items() if key.startswith("codex.")}
             for turn in "uvw"]
    assert found == [told, told, {**told, "codex.effort": "medium"} if told else {}]
    assert not [span for span in link.collector.spans
                if span.name != "app_server.turn" and "codex.cwd" in span.attributes]


def test_refused_and_steered(lab):
    """What the server was told always becomes a span."""
    link = lab.traced()
    refused = ask(link, "turn/start", 1)
    say(link, {"error": {"code": -32600, "message": "no"}, "id": 1})
    begun = ask(link, "turn/start", 2)
    answer(link, {"turn": {"id": "u"}}, 2)
    steered = ask(link, "turn/start", 3)
    answer(link, {"turn": {"id": "u"}}, 3)
    listed = ask(link, "thread/list", 4)
    answer(link, {}, 4)
    say(link, turn("completed", status="interrupted"))
    assert link.finish() == 0
    spans = {span.span_id: span for span in link.collector.spans}
    assert spans[refused].name == "app_server.request turn/start" and spans[refused].status == 2
    assert spans[begun].name == "app_server.turn" and spans[begun].status == 0
    assert spans[steered].name == "app_server.dispatch turn_input"
    assert spans[steered].links[0]["spanId"] == begun
    assert spans[listed].name == "app_server.request thread/list"
    assert len(spans) == 7


def test_a_turn_is_announced(lab):
    link = lab.traced(args=["--lifecycle-announce-after=1ms"])
    ask(link, "turn/start")
    answer(link, {"turn": {"id": "u"}})
    early = link.collector.span(name="app_server.turn started")
    assert "app_server.turn" not in {span.name for span in link.collector.spans}
    say(link, turn("completed", status="completed"))
    work = finish(link)["app_server.turn"]
    assert early.parent_id == work.parent_id and early.start == work.start
    assert early.start < early.end <= work.end
    assert early.attributes["turn.id"] == "u"
    assert early.attributes["turn.status"] == "inProgress"


@pytest.mark.parametrize("listen", ["unix", "ws"])
@pytest.mark.parametrize("inject", [True, False])
def test_requests_of_the_server(lab, listen, inject):
    link = lab.traced(listen, args=[INJECT] if inject else [])
    ask(link, "turn/start")
    answer(link, {"turn": {"id": "u"}})
    asked = {"method": "item/x/requestApproval", "id": 1,
             "params": {"threadId": "T", "turnId": "u", "itemId": "i"}}
    heard = say(link, item("started"), asked)[1]
    link.client.send({"id": 1, "result": {"decision": "accept"}})
    link.server.recv()
    say(link, item("completed"), turn("completed", status="completed"))
    spans = finish(link)
    approval = spans["approval item/x/requestApproval"]
    assert approval.parent_id == spans["commandExecution"].span_id
    assert approval.attributes["approval.decision"] == "accept"
    told = heard.pop("trace", None)
    assert heard == asked
    assert told == ({"traceparent": f"00-{TRACE}-{approval.span_id}-01", "tracestate": "a=1"}
                    if inject else None)


def test_a_profile_of_another_protocol(lab):
    link = lab.traced(profile=str(ROOT / "tests/profiles/lsp.json"),
                      args=["--propagation-inject=/trace"])
    told = ask(link, "workspace/executeCommand", workDoneToken="t")
    say(link, {"method": "$/progress", "params": {"token": "t", "value": {
        "kind": "begin", "title": "Build"}}})
    say(link, {"method": "$/progress", "params": {"token": "t", "value": {"kind": "end"}}})
    answer(link, None)
    spans = finish(link)
    assert spans["lsp.progress"].span_id == told
    assert spans["lsp.progress"].attributes["lsp.title"] == "Build"
    assert spans["lsp.progress"].parent_id == spans["lsp.dispatch command"].span_id


def test_console_shows_a_turn_as_one_tree(lab):
    """However long it takes: nothing of it is shown before its end, then all in one piece."""
    link = lab.link("unix", args=["--console-width=1000"],
                    env={"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "10"})
    ask(link, "turn/start")
    answer(link, {"turn": {"id": "u"}})
    say(link, turn("started"), item("started"), item("completed", status="completed"))
    link.client.send({"id": 2, "method": "model/list"})
    link.server.recv()
    answer(link, {}, identity=2)
    link.sidespan.wait_line("app_server.request model/list")  # a trace of its own, shown after that
    assert not any("turn/start" in line or "item" in line for line in link.sidespan.lines)
    say(link, turn("completed", status="completed"))
    link.sidespan.wait_line("commandExecution")
    link.finish()
    lines = link.sidespan.lines
    first = lines.index(f"trace {TRACE}")
    names = [line.split("─ ")[1].split("  ")[0] for line in lines[first + 1:first + 5]]
    assert names == ["app_server.request turn/start", "app_server.dispatch turn_input",
                     "app_server.turn", "commandExecution"]
    assert lines.count(f"trace {TRACE}") == 1
    assert sum("(parent " in line for line in lines) == 1
    assert not any("(below " in line for line in lines)


def test_console_waits_no_longer_than_it_should(lab):
    """A turn that goes on is shown as far as it has come; the rest says where it belongs."""
    link = lab.link("unix", args=["--console-wait=1ms", "--console-width=1000"],
                    env={"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "10"})
    ask(link, "turn/start")
    answer(link, {"turn": {"id": "u"}})
    say(link, turn("started"))
    link.sidespan.wait_line("dispatch turn_input")
    say(link, turn("completed", status="completed"))
    link.sidespan.wait_line(r"app_server\.turn .*\(below [0-9a-f]{16}\)")
    link.finish()
    assert link.sidespan.accounting("traffic")["trees_unfinished"] == 1


def test_only_work_is_recorded(lab):
    """Other requests are looked at and passed on in the name of their parent, or as they are."""
    link = lab.traced("unix", args=["--requests-record=work"])
    plain = b'{"id":7, "method":"model/list"}'
    link.client.send(plain)
    assert link.server.recv() == plain
    answer(link, {}, identity=7)
    assert ask(link, "thread/read") == CLIENT
    answer(link, {})
    told = whole_turn(link)
    spans = link.collector.wait_spans(5)
    link.finish()
    assert {span.name.split()[0] for span in spans} == {
        "app_server.request", "app_server.dispatch", "app_server.turn", "commandExecution", "chat"}
    request, = [span for span in spans if span.method == "turn/start" and span.kind == 2]
    assert request.parent_id == CLIENT and len(link.collector.spans) == 5
    known = {span.span_id for span in spans}
    assert told in known and all(span.parent_id in known | {CLIENT} for span in spans)
    counted = link.sidespan.accounting("traffic")
    assert (counted["requests"], counted["requests_passed_on"]) == (3, 2)


def test_console_shows_a_turn_that_is_the_root(lab):
    """Its request is answered long before it, hangs below it, and is shown with it."""
    link = lab.link("unix", args=["--console-width=1000", "--lifecycle-turn-below=client"],
                    env={"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "10"})
    link.client.send({"id": 1, "method": "turn/start", "params": {"threadId": "T"}})
    link.server.recv()
    answer(link, {"turn": {"id": "u"}})
    say(link, turn("started"))
    link.client.send({"id": 2, "method": "model/list"})
    link.server.recv()
    answer(link, {}, identity=2)
    link.sidespan.wait_line("app_server.request model/list")
    assert not any("turn/start" in line for line in link.sidespan.lines)
    say(link, turn("completed", status="completed"))
    link.sidespan.wait_line("─ app_server.request turn/start")
    link.finish()
    lines = link.sidespan.lines
    root, = [at for at, line in enumerate(lines) if line.startswith("└─ app_server.turn ")]
    assert lines[root - 1].startswith("trace ")
    assert lines[root + 1].startswith("   └─ app_server.request turn/start ")
    assert not any("(below " in line or "(parent " in line for line in lines)
