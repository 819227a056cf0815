"""What must hold after any session: spans against the wire, bytes against bytes."""

import json
from collections import Counter

from client import is_request
from tap import CLIENT_TO_SERVER, SERVER_TO_CLIENT

TRANSPORT_NAMES = {"stdio": "stdio", "ws": "websocket", "unix": "unix_socket"}
INTERNAL, SERVER, CLIENT = 1, 2, 3
OK, ERROR = 1, 2
SAMPLED, REMOTE_KNOWN, REMOTE = 1, 0x100, 0x200
CLOCKS_DIFFER_S = 0.002
"""sidespan dates spans by a monotonic clock and one look at the other, we by the other."""

SHORTEST_NS = 1
"""A span is at least that long, even one that ends where its parent does."""

MESSAGE_CHARACTERS = 256
NAMES_THREAD = ("thread/start", "thread/resume", "thread/fork")
NAMES_TURN = ("turn/start", "review/start")
REQUEST, TURN = "app_server.request ", "app_server.turn"
DEMANDED = ("approval ", "toolCall ")

OPERATIONS = {
    "turn/start": "turn_input",
    "turn/steer": "turn_input",
    "turn/interrupt": "interrupt",
    "review/start": "review",
    "thread/queue/add": "turn_input",
    "thread/compact/start": "compact",
    "thread/shellCommand": "run_user_shell_command",
}
"""Of the requests that submit work those that the tests make, and what codex calls it."""

TURN_STATUS = {"completed": OK, "interrupted": 0, "failed": ERROR}
ITEMS = (
    "agentMessage",
    "reasoning",
    "commandExecution",
    "contextCompaction",
    "collabAgentToolCall",
    "dynamicToolCall",
)
DELTAS = ("item/agentMessage/delta", "item/reasoning/summaryTextDelta")


# --- bytes


def members(text):
    """The members of the object in text: (key, offsets of key, of value, behind the value)."""
    decoder, found = json.JSONDecoder(), []

    def skip(at, characters):
        while text[at] in characters:
            at += 1
        return at

    at = skip(0, " \t\r\n")
    assert text[at] == "{", text[:80]
    at = skip(at + 1, " \t\r\n")
    while text[at] != "}":
        key, behind = decoder.raw_decode(text, at)
        value_at = skip(behind, " \t\r\n:")
        _, end = decoder.raw_decode(text, value_at)
        found.append((key, at, value_at, end))
        at = skip(end, " \t\r\n,")
    return found


def carrier_only(before, after):
    """Is `after` the same as `before` but for one `trace` added, or its value replaced?"""
    traces = [each for each in members(after) if each[0] == "trace"]
    if len(traces) != 1:
        return False
    _, key_at, value_at, end = traces[0]
    given = [each for each in members(before) if each[0] == "trace"]
    if given:
        return before[: given[0][2]] + after[value_at:end] + before[given[0][3] :] == after
    head, tail = after[:key_at], after[end:]
    return before in (
        head[:-1] + tail if head.endswith(",") else None,
        head + tail[1:] if tail[:1] == "," else None,
    )


def check_bytes(server):
    """codex got what was sent but for the carriers; the client got exactly what codex sent."""
    recordings = server.recordings()
    assert len(recordings) == len(server.clients)
    for client, recording in zip(server.clients, recordings):
        arrived = [text for _, text in recording.messages(CLIENT_TO_SERVER, not client.lines)]
        sent = [message for message in client.messages if message.sent]
        assert len(arrived) == len(sent)
        for message, text in zip(sent, arrived):
            if server.bare or not is_request(message):
                assert text == message.text
            else:
                assert carrier_only(message.text, text), (message.text, text)
        left = [text for _, text in recording.messages(SERVER_TO_CLIENT, not client.lines)]
        assert [message.text for message in client.received()] == left


# --- the same as without us


def shape(value):
    """Keys and types of a JSON value, without what differs from run to run."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return sorted({json.dumps(shape(each)) for each in value})
    return type(value).__name__


def shapes(client):
    """
    The shapes of what was received, sorted: between a turn's notifications and answers to others
    there is no order of codex's own. That we keep the order is for check_bytes to see.
    """
    return sorted(
        "%s %s" % (message.json.get("method", ""), json.dumps(shape(message.json)))
        for message in client.received()
    )


# --- spans


def span_id_of(carrier):
    return carrier["traceparent"].split("-")[2]


def end_reason(span):
    return span.attributes["sidespan.end_reason"]


def request_spans(collector):
    return [span for span in collector.ours() if span.name.startswith(REQUEST)]


def expected_ids(request):
    """thread.id and turn.id of a request's span: what it has made, else what it asks about."""
    thread, turn = request.params.get("threadId"), request.params.get("turnId")
    if request.method == "turn/steer":
        turn = request.params["expectedTurnId"]
    if request.result and request.method in NAMES_THREAD:
        thread = request.result["thread"]["id"]
    if request.result and request.method in NAMES_TURN:
        turn = request.result["turn"]["id"]
    return thread, turn


def check_attributes(server, info, request, span):
    given = span.attributes
    assert len(span.keys) == len(set(span.keys)), span
    assert (span.name, span.kind) == ("app_server.request " + request.method, SERVER), span
    assert span.resource["service.name"] == "codex-sidespan"
    assert given["rpc.system"] == "jsonrpc"
    assert given["rpc.service"] == "codex-app-server"
    assert given["rpc.method"] == request.method
    assert given["rpc.transport"] == TRANSPORT_NAMES[server.transport]
    assert given["rpc.request_id"] == str(request.id), span
    assert given["app_server.api_version"] == "v2"
    assert given.get("app_server.client_name") == info.get("name"), span
    assert given.get("app_server.client_version") == info.get("version"), span
    thread, turn = expected_ids(request)
    if thread is None or isinstance(thread, str):
        assert given.get("thread.id") == thread, span
    assert given.get("turn.id") == turn, span


def check_clipped(text, whole):
    """A long message may be cut, not a short one."""
    assert whole.startswith(text) and len(text) >= min(len(whole), MESSAGE_CHARACTERS), text


def check_status(request, span):
    if request.error:
        assert span.status == ERROR, span
        check_clipped(span.status_message, request.error["message"])
        assert span.attributes["rpc.response.status_code"] == str(request.error["code"])
        assert span.attributes["error.type"] == str(request.error["code"])
        assert end_reason(span) == "error"
    elif request.reply:
        assert span.status != ERROR and "error.type" not in span.attributes, span
        assert end_reason(span) == "answered"
    else:
        assert end_reason(span) in ("connection_closed", "backend_exited"), span
        assert span.status == ERROR and span.attributes["error.type"] == end_reason(span), span


def check_parent(request, span):
    if request.trace and request.trace.get("traceparent"):
        _, trace_id, parent_id, _ = request.trace["traceparent"].split("-")
        assert (span.trace_id, span.parent_id) == (trace_id, parent_id), span
        assert span.tracestate == (request.trace.get("tracestate") or ""), span
        assert span.flags & (REMOTE_KNOWN | REMOTE) == REMOTE_KNOWN | REMOTE, span.flags
    else:
        assert span.parent_id is None, span
        assert not span.flags & REMOTE, span.flags
    assert span.flags & SAMPLED


def above(span, spans, title):
    """The span itself or the nearest one above it whose name begins with title."""
    while not span.name.startswith(title):
        span = spans[span.parent_id]
    return span


def check_carrier(request, span, told, arrived):
    """codex was handed the span under which its own belong, in a form that it accepts."""
    carrier = json.loads(arrived)["trace"]
    assert carrier["traceparent"] == "00-%s-%s-01" % (told.trace_id, told.span_id)
    assert carrier.get("tracestate") == (request.trace or {}).get("tracestate")
    if request.result is None or request.method not in OPERATIONS:
        assert told is span, told
    else:
        assert told is not span, request.text
    assert told.tracestate == span.tracestate


def check_dispatch(request, span, below):
    """A request that has submitted work has one span for that, any other request has none."""
    if request.result is None or request.method not in OPERATIONS:
        assert below == [], below
        return
    (dispatch,) = below
    assert dispatch.name == "app_server.dispatch " + OPERATIONS[request.method]
    assert dispatch.kind == INTERNAL and dispatch.status == 0
    assert dispatch.attributes["app_server.operation"] == OPERATIONS[request.method]
    assert dispatch.attributes["rpc.method"] == request.method
    assert dispatch.attributes["thread.id"] == request.params["threadId"]
    if request.method in NAMES_TURN:
        assert dispatch.attributes["turn.id"] == request.result["turn"]["id"]
    if request.method in NAMES_TURN or dispatch.links:
        assert dispatch.end_ns <= span.end_ns


def check_time(request, span, arrived_at, left_at):
    """The client's times lie around the span, those of the tap inside it."""
    assert request.time - CLOCKS_DIFFER_S <= span.start <= span.end
    assert span.start <= arrived_at + CLOCKS_DIFFER_S
    if request.reply:
        assert span.end <= request.reply.time + CLOCKS_DIFFER_S
        assert left_at - CLOCKS_DIFFER_S <= span.end


def check_client(server, client, recording, spans):
    """
    Checks one connection; returns the ids of its requests' spans and of their dispatches. `spans`
    has all by id. The client's name is that of the first initialize that codex accepted; an
    initialize itself shows its own.
    """
    arrived = recording.messages(CLIENT_TO_SERVER, not client.lines)
    left = {text: when for when, text in recording.messages(SERVER_TO_CLIENT, not client.lines)}
    sent = [message for message in client.messages if message.sent]
    requests, seen, dispatches, known = iter(client.requests()), [], [], {}
    for message, (when, text) in zip(sent, arrived):
        if not is_request(message):
            continue
        request, named = next(requests), spans[span_id_of(json.loads(text)["trace"])]
        span = above(named, spans, REQUEST)
        below = [each for each in spans.values() if each.parent_id == span.span_id]
        told = request.params.get("clientInfo", {}) if request.method == "initialize" else known
        known = told if request.result and not known else known
        check_attributes(server, told, request, span)
        check_status(request, span)
        check_parent(request, span)
        check_carrier(request, span, named, text)
        check_dispatch(request, span, below)
        check_time(request, span, when, left[request.reply.text] if request.reply else None)
        seen.append(span)
        dispatches += [each.span_id for each in below]
    assert len({span.attributes["app_server.connection_id"] for span in seen}) <= 1
    return [span.span_id for span in seen] + dispatches


def check_accounts(server):
    """Every span that sidespan made came here, and it says so itself."""
    count = len(server.lab.collector.ours())
    assert server.accounts() == {
        "created": count,
        "sent": count,
        "rejected": 0,
        "dropped": 0,
        "pending": 0,
    }
    assert server.lab.collector.complaints == []


def check_spans(server):
    """A right span for each request and for each piece of work on the wire, and no other."""
    check_accounts(server)
    check_order(server)
    ours = server.lab.collector.ours()
    spans = {span.span_id: span for span in ours}
    seen = []
    for client, recording in zip(server.clients, server.recordings()):
        seen += check_client(server, client, recording, spans)
    seen += [span.span_id for span in check_work(server)]
    assert len(seen) == len(set(seen))
    assert [span for span in ours if span.span_id not in set(seen)] == []


# --- work that goes on: turns, items, approvals


def check_order(server):
    """
    No id twice, no span that ends before it starts, none whose parent is missing or younger; calls
    of a turn one after the other, and not while its tools run: of these the first of several
    connections tells, a moment before the one that is listened to.
    """
    ours = server.lab.collector.ours()
    spans = {span.span_id: span for span in ours}
    assert len(spans) == len(ours), Counter(span.span_id for span in ours).most_common(3)
    for span in ours:
        assert span.start_ns <= span.end_ns, span
        if span.parent_id is None or span.name.startswith(REQUEST):
            continue
        parent = spans[span.parent_id]
        assert (span.trace_id, span.tracestate) == (parent.trace_id, parent.tracestate), span
        assert parent.start_ns <= span.start_ns, (parent, span)
        assert set(span.links) <= set(spans), span
        if "item.type" in span.attributes or span.name.startswith((*DEMANDED, "chat")):
            assert span.end_ns <= parent.end_ns + SHORTEST_NS, (parent, span)
    calls = [span for span in ours if span.name.startswith("chat")]
    tools = [span for span in ours if len(server.clients) == 1
             and span.attributes.get("gen_ai.operation.name") == "execute_tool"]
    for call in calls:
        for span in calls + tools:
            if span is not call and span.parent_id == call.parent_id:
                assert span.end_ns <= call.start_ns + SHORTEST_NS or \
                    call.end_ns <= span.start_ns + SHORTEST_NS, (call, span)


def notes(server, *methods):
    """The parameters of each client's notifications, and of codex's requests with their ids."""
    for client in server.clients:
        for message in client.received():
            if message.has("method") and message.json["method"] in methods:
                yield {**message.json["params"], "id": message.json.get("id")}


def wire_turns(server):
    """(thread, turn) of each turn of which a client was told, and how it ended, if it was told."""
    turns = {}
    for client in server.clients:
        for request in client.requests():
            if request.result and request.method in NAMES_TURN:
                turns[request.params["threadId"], request.result["turn"]["id"]] = None
    for note in notes(server, "turn/started"):
        thread, turn, root = note["threadId"], note["turn"]["id"], note["turn"]["rootTurnId"]
        if (thread, root) not in turns:  # else it is another name for that one
            turns[thread, turn] = None
    for note in notes(server, "turn/completed"):
        turns[note["threadId"], note["turn"]["id"]] = note["turn"]
    return turns


def wire_items(server):
    """(thread, turn, item): type of each item that has a span."""
    return {
        (note["threadId"], note["turnId"], note["item"]["id"]): note["item"]["type"]
        for note in notes(server, "item/started")
        if note["item"]["type"] in ITEMS
    }


def wire_calls(server):
    """(id, thread, turn, item) of each request of codex; it has one id for all clients."""
    return {
        (str(note["id"]), note["threadId"], note["turnId"], note.get("itemId") or note["callId"])
        for note in notes(server, "item/commandExecution/requestApproval", "item/tool/call")
    }


def turn_key(span):
    return span.attributes["thread.id"], span.attributes["turn.id"]


def item_key(span):
    return (*turn_key(span), span.attributes["item.id"])


def named(server, title):
    return [span for span in server.lab.collector.ours() if span.name.startswith(title)]


def check_turn(server, span, ended):
    """How a turn ended, as codex said; how many deltas it had, where only one client heard them."""
    if ended:
        assert span.attributes["turn.status"] == ended["status"], span
        assert span.status == TURN_STATUS[ended["status"]], span
        assert end_reason(span) == "closed", span
        assert span.status_message == ((ended["error"] or {}).get("message") or ""), span
        assert ("error.type" in span.attributes) == (ended["status"] == "failed"), span
    else:
        assert end_reason(span) != "closed", span
        # without an end that was heard, only the listing of thread/resume can have told of one
        assert "turn.status" not in span.attributes or end_reason(span) == "idle", span
    deltas = [
        note["delta"]
        for note in notes(server, *DELTAS)
        if (note["threadId"], note["turnId"]) == turn_key(span)
    ]
    if len(server.clients) == 1:
        assert span.attributes.get("turn.delta.count", 0) == len(deltas), span
        size = sum(len(delta.encode()) for delta in deltas)
        assert span.attributes.get("turn.delta.bytes", 0) == size, span


def check_succession(turns):
    """A thread has one turn at a time; one may be promised, or answered, before the last is over."""
    turns = sorted(turns, key=lambda span: (span.attributes["thread.id"], span.start_ns))
    for span, later in zip(turns, turns[1:]):
        if span.attributes["thread.id"] == later.attributes["thread.id"]:
            assert span.end_ns <= later.end_ns, (span, later)


USAGE = {"input_tokens": "input_tokens", "cache_read.input_tokens": "cached_input_tokens",
         "cache_write.input_tokens": "cache_write_input_tokens", "output_tokens": "output_tokens",
         "reasoning.output_tokens": "reasoning_output_tokens"}
TASK_USAGE = "codex.turn.token_usage."


def task_usage(collector):
    """{turn: {kind: tokens}} of codex's own spans of turns; interrupted ones tell of none."""
    found = {}
    for span in collector.codex():
        if span.name.startswith("session_task.") and TASK_USAGE + "input_tokens" in span.attributes:
            own = {ours: int(span.attributes[TASK_USAGE + name]) for ours, name in USAGE.items()}
            assert found.setdefault(span.attributes["turn.id"], own) == own, span
    return found


def turn_usage(turn):
    return {kind: turn.attributes.get("turn.usage." + kind, 0) for kind in USAGE}


def check_tokens(server, turns, calls):
    """A turn has the tokens of its calls, and those of codex's own span, where there is one."""
    tasks, compared = task_usage(server.lab.collector), []
    for turn in turns:
        own = [span.attributes for span in calls if span.parent_id == turn.span_id]
        for kind, count in turn_usage(turn).items():
            assert count == sum(call.get("gen_ai.usage." + kind, 0) for call in own), turn
        if turn.attributes["turn.id"] in tasks:
            assert turn_usage(turn) == tasks[turn.attributes["turn.id"]], turn
            compared.append(turn)
    return compared


def check_work(server):
    """One span for each turn, item and request of codex that a client saw; returns them all."""
    ours = server.lab.collector.ours()
    turns = named(server, TURN)
    items = [span for span in ours if "item.type" in span.attributes]
    approvals = [span for span in ours if span.name.startswith(DEMANDED)]
    ended = wire_turns(server)
    assert sorted(map(turn_key, turns)) == sorted(ended)
    for span in turns:
        assert (span.name, span.kind) == (TURN, INTERNAL)
        check_turn(server, span, ended[turn_key(span)])
    check_succession(turns)
    kinds = wire_items(server)
    assert sorted(map(item_key, items)) == sorted(kinds)
    for span in items:
        assert span.name.split(" ")[0] == kinds[item_key(span)] and span.kind == INTERNAL
    calls = [(span.attributes["rpc.request_id"], *item_key(span)) for span in approvals]
    assert sorted(calls) == sorted(wire_calls(server))
    places = {item_key(span): span.span_id for span in items}
    for span in approvals:
        assert span.kind == CLIENT
        assert span.parent_id == places[item_key(span)], span
    calls = [span for span in ours if span.name.startswith("chat")]
    check_tokens(server, turns, calls)
    return turns + items + approvals + calls


# --- codex's own spans


ALIKE = (
    "rpc.system",
    "rpc.method",
    "rpc.transport",
    "rpc.request_id",
    "app_server.api_version",
    "app_server.client_name",
    "app_server.client_version",
)


def codex_requests(collector):
    return [span for span in collector.codex() if span.attributes.get("rpc.system") == "jsonrpc"]


def check_codex_spans(server):
    """Each of codex's own request spans hangs below ours for that request, and says the same."""
    ours = {span.span_id: span for span in server.lab.collector.ours()}
    parents = []
    for span in codex_requests(server.lab.collector):
        parent = ours[span.parent_id]
        request = above(parent, ours, REQUEST)
        assert span.trace_id == parent.trace_id
        assert span.tracestate == parent.tracestate
        assert request.start - CLOCKS_DIFFER_S <= span.start
        for name in ALIKE:
            assert span.attributes.get(name) == request.attributes.get(name), name
        parents.append(parent.span_id)
    assert len(parents) == len(set(parents))
