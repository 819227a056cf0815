"""A JSON-RPC client that keeps the exact text and the time of every message, both ways."""

import json
import threading
import time

from wire import Pipe

WAIT_S = 30
ANSWERS = {
    "item/commandExecution/requestApproval": {"result": {"decision": "accept"}},
    "item/fileChange/requestApproval": {"result": {"decision": "accept"}},
    "item/tool/call": {
        "result": {"success": True, "contentItems": [{"type": "inputText", "text": "42"}]}
    },
}
NO_HANDLER = {"error": {"code": -32601, "message": "not handled by this client"}}


class Message:
    """One message: sent by us or received, when, and its text."""

    def __init__(self, sent, when, text):
        self.sent, self.time, self.text = sent, when, text
        try:
            self.json = json.loads(text)
        except ValueError:
            self.json = None

    def has(self, *keys):
        return isinstance(self.json, dict) and all(key in self.json for key in keys)

    def __repr__(self):
        return "%s %s" % (">" if self.sent else "<", self.text[:300])


class Request:
    """A request that was sent, and the first reply with its id that came afterwards."""

    def __init__(self, message, reply):
        self.text, self.time, self.reply = message.text, message.time, reply
        self.id, self.method = message.json["id"], message.json["method"]
        self.params = message.json.get("params") or {}
        self.trace = message.json.get("trace")
        self.result = reply.json.get("result") if reply else None
        self.error = reply.json.get("error") if reply else None


def is_request(message):
    """Does codex take it for a request, and answer? (A bool is an int in Python, not in JSON.)"""
    return (
        message.has("id", "method")
        and isinstance(message.json["id"], (int, str))
        and not isinstance(message.json["id"], bool)
    )


def is_reply(message):
    return message.has("id") and not message.has("method")


class Client:
    """
    .messages has them all in order; .answers says by method what codex's requests get, None being
    nothing; .carrier() if set makes the `trace` of each request.
    """

    def __init__(self, wire):
        self.wire, self.messages, self.answers = wire, [], dict(ANSWERS)
        self.ended, self.next_id, self.carrier = False, 0, None
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while texts := self.wire.receive():
            now = time.time()
            messages = [Message(False, now, text) for text in texts]
            with self.changed:
                self.messages += messages
                self.changed.notify_all()
            for message in messages:
                if message.has("id", "method"):
                    self.answer(message.json)
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def answer(self, request):
        answer = self.answers.get(request["method"], NO_HANDLER)
        if answer is not None:
            self.send({"id": request["id"], **answer})

    def send(self, message):
        """A text goes out as it is, anything else as compact JSON."""
        text = (
            message
            if isinstance(message, str)
            else json.dumps(message, separators=(",", ":"), ensure_ascii=False)
        )
        with self.changed:
            self.messages.append(Message(True, time.time(), text))
        self.wire.send_bytes(self.wire.pack(text))

    def send_all(self, texts):
        """Many messages in one write."""
        messages = [Message(True, time.time(), text) for text in texts]
        with self.changed:
            self.messages += messages
        self.wire.send_bytes(b"".join(self.wire.pack(message.text) for message in messages))

    def received(self, since=0):
        return [message for message in self.messages[since:] if not message.sent]

    def wait(self, wanted, since=0, timeout=WAIT_S):
        """The first received message from `since` on for which wanted(message) is true."""
        found = []

        def look():
            found[:] = [message for message in self.received(since) if wanted(message)][:1]
            return found or self.ended

        with self.changed:
            self.changed.wait_for(look, timeout)
        assert found, "no such message; the connection has %s; last were %s" % (
            "ended" if self.ended else "not ended",
            self.messages[-6:],
        )
        return found[0]

    def wait_end(self, timeout=WAIT_S):
        with self.changed:
            assert self.changed.wait_for(
                lambda: self.ended, timeout
            ), "the connection has not ended"

    def wait_reply(self, request_id, since=0, timeout=WAIT_S):
        return self.wait(
            lambda message: is_reply(message) and message.json["id"] == request_id, since, timeout
        ).json

    def wait_count(self, count, timeout=WAIT_S):
        """Waits until that many messages have been received."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: len(self.received()) >= count or self.ended, timeout
            )
        assert len(self.received()) >= count, "the connection has ended"

    def wait_note(self, method, since=0):
        return self.wait(
            lambda message: message.has("method") and message.json["method"] == method, since
        ).json

    def start(self, method, params=None, **members):
        """Sends a request, without waiting; returns its id."""
        self.next_id += 1
        message = {"id": self.next_id, "method": method, "params": params or {}, **members}
        if self.carrier and "trace" not in message:
            message["trace"] = self.carrier()
        self.send(message)
        return message["id"]

    def call(self, method, params=None, **members):
        """Sends a request and waits for its reply."""
        since = len(self.messages)
        return self.wait_reply(self.start(method, params, **members), since)

    def initialize(self, name="real_test", version="1.2.3", **capabilities):
        reply = self.call(
            "initialize",
            {
                "clientInfo": {"name": name, "title": "Real", "version": version},
                "capabilities": {"experimentalApi": True, **capabilities},
            },
        )
        assert "result" in reply, reply
        self.send({"method": "initialized"})
        return self

    def start_thread(self, **params):
        return self.call("thread/start", params)["result"]["thread"]["id"]

    def start_turn(self, thread, text):
        reply = self.call(
            "turn/start", {"threadId": thread, "input": [{"type": "text", "text": text}]}
        )
        return reply["result"]["turn"]["id"]

    def wait_turn(self, turn, status):
        """Waits for the end of a turn, which must have that status."""
        ended = self.wait(
            lambda message: message.has("method")
            and message.json["method"] == "turn/completed"
            and message.json["params"]["turn"]["id"] == turn
        )
        assert ended.json["params"]["turn"]["status"] == status, ended.text
        return ended.json

    def wait_other_turn(self, turn, since=0):
        """Waits for the end of a turn that is not this one."""
        return self.wait(
            lambda message: message.has("method")
            and message.json["method"] == "turn/completed"
            and message.json["params"]["turn"]["id"] != turn,
            since,
        ).json

    def wait_status(self, status, since=0):
        """Waits until a thread is idle, or what it is to be."""
        return self.wait(
            lambda message: message.has("method")
            and message.json["method"] == "thread/status/changed"
            and message.json["params"]["status"]["type"] == status,
            since,
        ).json

    def turn(self, thread, text, status="completed"):
        return self.wait_turn(self.start_turn(thread, text), status)

    def requests(self):
        """Every request sent, with the first reply to its id (type and value) after it."""
        replies, requests = {}, []
        for message in reversed(self.messages):
            if not message.sent and is_reply(message):
                replies[repr(message.json["id"])] = message
            elif message.sent and is_request(message):
                requests.append(Request(message, replies.get(repr(message.json["id"]))))
        return requests[::-1]

    @property
    def lines(self):
        return isinstance(self.wire, Pipe)

    def abort(self):
        """Goes away without a word."""
        self.wire.deafen()
        self.wait_end()
        self.wire.reset()

    def say_goodbye(self):
        """Sends a close frame; it is the server who ends the connection then."""
        self.wire.say_goodbye()
        self.wait_end()

    def close(self):
        """Ends our side; codex's last messages still come in until its end of file."""
        self.wire.close()
        self.wait_end()
