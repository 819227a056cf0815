"""Recordings of messages, as they are in tests/golden/ and as --explain reads them."""

import json
import os
import re


class Line:
    """A message, or the end of a side of a connection."""

    def __init__(self, at, text):
        self.at, self.entry = at, json.loads(text)
        self.t, self.conn = self.entry.get("t"), self.entry.get("conn")
        self.dir, self.raw, self.end = (self.entry.get(name) for name in ("dir", "raw", "end"))
        self.message = parse(self.raw)
        self.id = self.message.get("id")
        self.method = self.message.get("method")
        self.params = self.message.get("params") or {}
        self.answer = None  # of a request: its line
        self.request = None  # of an answer: its line

    def result(self):
        return self.message.get("result") or {}

    def error_code(self):
        return (self.message.get("error") or {}).get("code")

    def turn(self):
        return (self.params if self.method else self.result()).get("turn") or {}

    def thread_id(self):
        about = self.request if self.request else self
        return about.params.get("threadId")

    def is_request(self):
        return self.method is not None and isinstance(self.id, (int, str))

    def is_answer(self):
        return self.method is None and ("result" in self.message or "error" in self.message)

    def is_notification(self):
        return self.method is not None and "id" not in self.message


def parse(text):
    """The members of a message; of what is none, nothing."""
    try:
        message = json.loads(text or "")
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


class Recording:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path).removesuffix(".jsonl")
        self.transport, self.scenario = self.name.split("-", 1)
        with open(path, encoding="utf-8") as file:
            self.lines = [Line(at, text) for at, text in enumerate(file)]
        self.pair()

    def pair(self):
        """Finds each answer's request: the oldest of its id that has none."""
        waiting = {}
        for line in self.lines:
            side = "s2c" if line.dir == "c2s" else "c2s"
            if line.is_request():
                waiting.setdefault((line.conn, line.dir, line.id), []).append(line)
            elif line.is_answer() and waiting.get((line.conn, side, line.id)):
                line.request = waiting[line.conn, side, line.id].pop(0)
                line.request.answer = line

    def requests(self, method="", direction="c2s"):
        return [line for line in self.lines
                if line.is_request() and line.dir == direction and method in ("", line.method)]

    def notes(self, method, **params):
        """Notifications of the server; params: what must be in theirs."""
        return [line for line in self.lines
                if line.is_notification() and line.method == method and
                all(line.params.get(name) == value for name, value in params.items())]

    def conns(self):
        return list(dict.fromkeys(line.conn for line in self.lines))

    def aliases(self):
        """{(thread, id of turn/started): id of the turn} where they differ on one thread."""
        known, found = set(), {}
        for line in self.lines:
            turn, thread = line.turn(), line.thread_id()
            root = turn.get("rootTurnId")
            if line.method == "turn/started" and root != turn["id"] and (thread, root) in known:
                found[thread, turn["id"]] = root
            elif turn:
                known.add((thread, turn["id"]))
        return found

    def turns(self):
        """{(thread, turn): status at its end, None without one} of all that ran before our eyes."""
        aliases, found = self.aliases(), {}
        for line in self.lines:
            starts = line.method == "turn/started" or line.request and line.request.method in (
                "turn/start", "review/start", "thread/queue/start")
            key = line.thread_id(), line.turn().get("id")
            if line.turn() and starts and key not in aliases:
                found.setdefault(key, None)
            elif line.request and line.request.method == "thread/resume":
                for turn in line.result().get("thread", {}).get("turns", [])[-1:]:
                    if turn["status"] == "inProgress":
                        found.setdefault((line.request.params["threadId"], turn["id"]), None)
            elif line.method == "turn/completed" and key in found:
                found[key] = found[key] or line.turn()["status"]
        return found


def names(lines):
    return [line.method or ("error" if line.error_code() else "answer") for line in lines]


def neutral(text):
    """What must not be in a recording: the first such text, or None."""
    found = re.search(r"/(tmp|home|root|Users|work)/|127\.0\.0\.1|localhost|installationId|"
                      r"serverName|[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}|codexHome|userAgent", text)
    return found and found[0]
