#!/usr/bin/env python3
"""Makes recordings of codex app-server small and neutral: what is left shows how turns run.

usage: shrink.py SOURCE.jsonl... --to DIR

SOURCE holds a message a line, as a client or a tap saw it:
    {"t": seconds, "dir": "c2s" or "s2c", "raw": "the message's text",
     "conn": "name"}                                        conn: absent for the first connection
    {"t": seconds, "conn": "name", "end": "backend"}        the server's side ended here
and is named TRANSPORT-SCENARIO.jsonl. DIR gets a file of the same name with the lines
    {"t":0.012,"dir":"s2c","conn":"b","raw":"..."}          conn: only where there are several
    {"t":0.012,"dir":"c2s","transport":"stdio","raw":"..."} transport: on a connection's first line
    {"t":0.345,"conn":"b","end":"client"}

What happens to a recording, in this order:
 1. Long runs are cut: REDUCERS has a function per scenario. Whole turns go, never half of a pair.
 2. Notifications that no rule for turns could look at go, but for the first of each method, which
    shows that such things are ignored. Of an item's deltas the first and the last stay.
 3. Ends of connections are put in. A recording client closes what it has opened: a connection that
    is not said to have lost its server was closed by its client after its last message, or so many
    seconds later as STAYED says. On stdio the server ends with its client.
 4. Messages are cut down to the members named in PARAMS, RESULT and below; long texts are clipped.
    Requests written in an odd way (white space, escapes, unknown members) stay as they are.
 5. Ids get short names, equal ids equal names; what else tells of a machine becomes neutral.
"""

import argparse
import json
import os
import re

CLIP_CHARS = 32
LIST_LENGTH_MAX = 6
LISTED_MAX = 2  # of threads or turns that the client asked for
ODD_TEXT_MAX = 600
DEEP = 10

LIFECYCLE = re.compile(r"""(turn|item)/ | error$ | serverRequest/resolved$ | model/rerouted$ |
    thread/(started|closed|archived|unarchived|deleted|status/changed|tokenUsage/updated)$ |
    thread/(goal|queue)/""", re.X)

# Scenarios whose clients waited for what did not come, all to the end, in seconds.
STAYED = {"opt-out": 3}

# As rpc.transport has it.
TRANSPORTS = {"stdio": "stdio", "ws": "websocket"}

ENVELOPE = {"id", "method", "params", "result", "error", "trace", "jsonrpc"}
WHOLE = object()


def only(names, **inner):
    """A shape: the members that stay, and those of which only a part does."""
    return {**dict.fromkeys(names.split(), WHOLE), **inner}


TOKENS = only("inputTokens cachedInputTokens cacheWriteInputTokens outputTokens "
              "reasoningOutputTokens")
ITEM = only("type id status error exitCode command commandActions tool server success "
            "senderThreadId receiverThreadIds")
TURN = only("id rootTurnId status error startedAt")
THREAD = only("id forkedFromId parentThreadId ephemeral", status=only("type activeFlags"),
              turns=only("id status startedAt"))
PARAMS = only("threadId turnId itemId callId requestId expectedTurnId "
              "ephemeral target delivery command tool delta error willRetry "
              "decision objective clientUserMessageId includeTurns reviewId targetItemId",
              clientInfo=only("name version"), capabilities=only("optOutNotificationMethods"),
              status=only("type activeFlags"), input=only("type text"), thread=THREAD, turn=TURN,
              item=ITEM, tokenUsage={"total": TOKENS, "last": TOKENS}, review=only("status"),
              goal=only("objective status"), readState=only("firstUnread"),
              queuedSubmission=only("id"))
RESULT = dict(PARAMS, reviewThreadId=WHOLE, model=WHOLE, modelProvider=WHOLE, data=only("id status"), answers=WHOLE,
              contentItems=WHOLE)

# Members that say nothing while they are null, false or empty.
DULL = set("forkedFromId parentThreadId ephemeral turns items exitCode activeFlags "
           "capabilities".split())

ID = re.compile(r"(?:msg_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|"
                r"\b(?:call|msg|rs|fc|resp)_[0-9a-f]{8,}")
KINDS = {
    "thread": "threadId reviewThreadId forkedFromId parentThreadId senderThreadId "
              "receiverThreadIds thread",
    "turn": "turnId expectedTurnId rootTurnId turn turns",
    "item": "itemId callId item items",
    "submission": "queuedSubmission",
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names.split()}


class Line:
    """A line of a recording: a message, or the end of a side."""

    def __init__(self, entry):
        self.t, self.conn, self.end = entry["t"], entry.get("conn"), entry.get("end")
        self.dir, self.raw = entry.get("dir"), entry.get("raw")
        self.message = parse(self.raw) if self.raw is not None else {}

    @property
    def method(self):
        return self.message.get("method")

    @property
    def params(self):
        return self.message.get("params") or {}

    def is_request(self):
        return self.method is not None and "id" in self.message

    def is_notification(self):
        return self.dir == "s2c" and self.method is not None and "id" not in self.message

    def is_answer(self):
        return self.method is None and "id" in self.message

    def turn_id(self):
        return self.params.get("turnId") or (self.params.get("turn") or {}).get("id")


def parse(text):
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def read(path):
    with open(path, encoding="utf-8") as file:
        entries = [json.loads(line) for line in file]
    entries = [entry for entry in entries if "raw" in entry or "end" in entry]
    transport = os.path.basename(path).split("-")[0]
    lines = [Line(entry) for entry in entries]
    names = {line.conn for line in lines}
    for line in lines:
        line.conn = None if len(names) == 1 else line.conn or "first"
    return transport, sorted(lines, key=lambda line: line.t)


# 1. Long runs


def turn_segments(lines):
    """Cuts before each request which makes a thread or a turn: (method, lines) of each piece."""
    pieces = [("", [])]
    for line in lines:
        if line.dir == "c2s" and line.method in ("thread/start", "turn/start"):
            pieces.append((line.method, []))
        pieces[-1][1].append(line)
    return pieces


def came_first(piece):
    """Of a turn: what told first that it runs."""
    return next(line.method or "answer" for line in piece
                if line.is_answer() or line.method == "turn/started")


def reduce_ordering(lines, each=3):
    """Three turns where the answer came first, three where the notification did."""
    kept, thread, count = [], [], {}
    for method, piece in turn_segments(lines):
        if method == "thread/start":
            thread = piece
        elif method == "turn/start":
            first = came_first(piece)
            count[first] = count.get(first, 0) + 1
            if count[first] <= each:
                kept += thread + piece
                thread = []
        else:
            kept += piece
    return kept


def reduce_flood(lines, wanted=(("answered", 14), ("refused", 13), ("lost", 13))):
    """The first requests of each fate; those which do not belong to the flood stay."""
    fate, room = {}, dict(wanted)
    for line in lines:
        if line.is_request():
            fate[line.message["id"]] = "lost"
        elif line.is_answer():
            fate[line.message["id"]] = "refused" if "error" in line.message else "answered"
    kept = set()
    for name, what in fate.items():
        flooded = isinstance(name, int) and name >= 1000
        room[what] -= flooded
        if not flooded or room[what] >= 0:
            kept.add(name)
    return [line for line in lines if line.message.get("id") in kept or "id" not in line.message]


def reduce_goal(lines, first=2, last=1):
    """The turns which the server starts by itself: the first ones and the last."""
    ends = [at for at, line in enumerate(lines) if line.method == "turn/completed"]
    if len(ends) <= first + last:
        return lines
    gone = range(ends[first - 1] + 1, ends[-last - 1] + 1)
    return [line for at, line in enumerate(lines) if at not in gone or not line.is_notification()]


REDUCERS = {"ordering": reduce_ordering, "flood": reduce_flood, "goal": reduce_goal}


# 2. What could matter


def without_others(lines):
    """One of each method that has nothing to do with turns."""
    seen, kept = set(), []
    for line in lines:
        if line.is_notification() and not LIFECYCLE.match(line.method):
            if line.method in seen:
                continue
            seen.add(line.method)
        kept.append(line)
    return kept


def delta_key(line):
    if line.is_notification() and "delta" in line.method.lower():
        return line.conn, line.method, line.params.get("itemId")
    return None


def without_deltas(lines):
    """Of an item's deltas on a connection: the first and the last."""
    places = {}
    for at, line in enumerate(lines):
        if delta_key(line):
            places.setdefault(delta_key(line), []).append(at)
    gone = {at for found in places.values() for at in found[1:-1]}
    return [line for at, line in enumerate(lines) if at not in gone]


# 3. Ends


def end_lines(lines, transport, scenario):
    """After which line which ends belong: {position: [Line]}."""
    ends, told = {}, {line.conn for line in lines if line.end}
    for conn in dict.fromkeys(line.conn for line in lines if line.conn not in told):
        own = [at for at, line in enumerate(lines) if line.conn == conn]
        spoken = [at for at in own if lines[at].dir == "c2s"]
        last = len(lines) - 1 if scenario in STAYED else own[-1]
        place = {"client": spoken[-1] if scenario == "stdin-eof" else last}
        if transport == "stdio":
            place["backend"] = last
        for end, at in place.items():
            t = lines[at].t + STAYED.get(scenario, 0)
            ends.setdefault(at, []).append(Line({"t": t, "conn": conn, "end": end}))
    return ends


def with_ends(lines, transport, scenario):
    ends, result = end_lines(lines, transport, scenario), []
    for at, line in enumerate(lines):
        result += [line] + ends.get(at, [])
    return result


# 4. Members


def clip(text):
    """Ids stay whole: they are given names later."""
    room = max([CLIP_CHARS] + [found.end() + 1 for found in ID.finditer(text)])
    return text if len(text) <= room + 3 else text[:room] + "..."


def is_dull(name, value):
    return name in DULL and (value is None or value is False or value in ([], {}))


def shape(value, wanted):
    if isinstance(value, str):
        return clip(value)
    if isinstance(value, list):
        return [shape(member, wanted) for member in value[:LIST_LENGTH_MAX]]
    if isinstance(value, dict) and wanted is WHOLE:
        return {name: shape(member, WHOLE) for name, member in value.items()}
    if isinstance(value, dict):
        shaped = {name: shape(value[name], wanted[name]) for name in value if name in wanted}
        return {name: member for name, member in shaped.items() if not is_dull(name, member)}
    return value


def compact(message):
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def is_odd(line):
    """Whether how it is written is the point of a message."""
    return line.dir == "c2s" and len(line.raw) <= ODD_TEXT_MAX and (
        not set(line.message) <= ENVELOPE or compact(line.message) != line.raw or
        "[" * DEEP in line.raw)


def shape_message(message):
    shapes = {"params": PARAMS, "result": RESULT, "error": WHOLE}
    shaped = {name: shape(value, shapes[name]) if name in shapes else value
              for name, value in message.items() if name in ENVELOPE}
    if message.get("method", "").endswith("/outputDelta"):
        shaped["params"]["delta"] = "output"
    if "data" in (shaped.get("result") or {}):
        listed = [member for member in message["result"]["data"] if ID.search(compact(member))]
        shaped["result"]["data"] = shape(listed[:LISTED_MAX], RESULT["data"])
    return shaped


# 5. Names


class Names:
    """Short names for ids, by what they are and in the order in which they turn up."""

    def __init__(self):
        self.names, self.counts = {}, {}

    def add(self, text, kind):
        if text not in self.names:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.names[text] = f"{kind}-{self.counts[kind]}"

    def find(self, value, name="", parent=""):
        """Meets every id in a message. An `id` is of the kind of the object that it stands in."""
        if isinstance(value, dict):
            for key, member in value.items():
                self.find(member, key, name)
        elif isinstance(value, list):
            for member in value:
                self.find(member, name, parent)
        elif isinstance(value, str) and ID.fullmatch(value):
            self.add(value, KIND_OF.get(parent if name == "id" else name, "id"))

    def replace(self, text):
        def name(found):
            self.add(found[0], "id")
            return self.names[found[0]]
        return ID.sub(name, text)


def neutral(text):
    """What an error message may tell about the machine."""
    text = re.sub(r"https?://127\.0\.0\.1:\d+", "http://model", text)
    return re.sub(r"/(tmp|root|home)/[^\s\"'\\]*", "/workspace", text)


def shape_lines(lines):
    names = Names()
    for line in lines:
        if line.raw is not None and not is_odd(line) and line.message:
            line.message = shape_message(line.message)
            line.raw = compact(line.message)
            names.find(line.message)
    for line in lines:
        if line.raw is not None:
            line.raw = neutral(names.replace(line.raw))


def write(lines, transport, path):
    told = set()
    with open(path, "w", encoding="utf-8") as file:
        for line in lines:
            entry = {"t": round(line.t - lines[0].t, 3), "dir": line.dir, "conn": line.conn,
                     "transport": None if line.conn in told else TRANSPORTS[transport],
                     "raw": line.raw, "end": line.end}
            told.add(line.conn)
            file.write(compact({name: value for name, value in entry.items()
                                if value is not None}) + "\n")


def shrink(source, target):
    transport, lines = read(source)
    scenario = re.sub(r"^\w+?-|\.jsonl$", "", os.path.basename(source))
    lines = REDUCERS.get(scenario, list)(lines)
    lines = without_deltas(without_others(lines))
    lines = with_ends(lines, transport, scenario)
    shape_lines(lines)
    write(lines, transport, target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="+")
    parser.add_argument("--to", required=True)
    args = parser.parse_args()
    os.makedirs(args.to, exist_ok=True)
    for source in args.source:
        shrink(source, os.path.join(args.to, os.path.basename(source)))


if __name__ == "__main__":
    main()
