"""A model server: as much of the Responses API (HTTP, server-sent events) as codex needs.

What one answer looks like is said by a marker in the user's text:

    (none)         a message in 8 deltas
    <deltas N>     a message in N deltas
    <reason>       reasoning first
    <hold>         the first delta, then nothing until release()
    <http CODE>    an HTTP error
    <fail>         the stream begins, then reports failure
    <cut>          the stream begins, then the connection ends
    <run COMMAND>  asks to run COMMAND outside the sandbox, so that codex asks its client
    <call NAME>    asks for a call of the client's tool of that name
    <spawn TEXT>   starts a sub-agent, which is told <TEXT>; goes on once something is on hold

After the output of a tool the answer is a plain message. `requests` has the headers of every call.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOLD_S = 30


def usage(number):
    """What the answer with that number has used: no two of them have used the same."""
    return {
        "input_tokens": 100 * number,
        "input_tokens_details": {"cached_tokens": 10 * number, "cache_write_tokens": 7 * number},
        "output_tokens": 20 + number,
        "output_tokens_details": {"reasoning_tokens": 5 + number},
        "total_tokens": 101 * number + 20,
    }


def user_text(body):
    """The text the user wrote last; empty when a tool's output came after it."""
    for item in reversed(body["input"]):
        if item["type"].endswith("_output"):
            return ""
        if item["type"] == "message" and item["role"] == "user":
            return " ".join(part.get("text", "") for part in item["content"])
    return ""


class Stream:
    """One streamed answer: events out, output items collected for the last one."""

    def __init__(self, number, write):
        self.number, self.write, self.items = number, write, []
        self.response = {"id": "resp_%d" % number, "object": "response"}

    def event(self, kind, **fields):
        data = "event: %s\ndata: %s\n\n" % (kind, json.dumps({"type": kind, **fields}))
        self.write(b"%x\r\n%s\r\n" % (len(data), data.encode()))

    def begin(self):
        self.event("response.created", response={**self.response, "status": "in_progress"})

    def open_item(self, item):
        self.event("response.output_item.added", output_index=len(self.items), item=item)

    def close_item(self, item):
        self.event("response.output_item.done", output_index=len(self.items), item=item)
        self.items.append(item)

    def delta(self, kind, item, text, **fields):
        self.event(kind, item_id=item["id"], output_index=len(self.items), delta=text, **fields)

    def complete(self):
        self.event(
            "response.completed",
            response={**self.response, "status": "completed", "output": self.items,
                      "usage": usage(self.number)},
        )
        self.write(b"0\r\n\r\n")

    def fail(self):
        self.event(
            "response.failed",
            response={
                **self.response,
                "status": "failed",
                "error": {"code": "server_error", "message": "the model gave up"},
            },
        )
        self.write(b"0\r\n\r\n")

    def reasoning(self):
        item = {"type": "reasoning", "id": "rs_%d" % self.number, "summary": []}
        self.open_item(item)
        self.event(
            "response.reasoning_summary_part.added",
            item_id=item["id"],
            output_index=0,
            summary_index=0,
        )
        for word in ("thinking", " hard"):
            self.delta("response.reasoning_summary_text.delta", item, word, summary_index=0)
        self.close_item({**item, "summary": [{"type": "summary_text", "text": "thinking hard"}]})

    def message(self, deltas, pause):
        item = {"type": "message", "role": "assistant", "id": "msg_%d" % self.number, "content": []}
        self.open_item(item)
        words = ["word%d " % n for n in range(deltas)]
        for word in words:
            self.delta("response.output_text.delta", item, word, content_index=0)
            pause()
        self.close_item(
            {
                **item,
                "content": [{"type": "output_text", "text": "".join(words), "annotations": []}],
            }
        )

    def call(self, name, arguments, **members):
        self.close_item(
            {
                "type": "function_call",
                "id": "fc_%d" % self.number,
                "call_id": "call_%d" % self.number,
                "name": name,
                "arguments": json.dumps(arguments),
                **members,
            }
        )

    def run_command(self, command):
        arguments = {
            "cmd": command,
            "sandbox_permissions": "require_escalated",
            "justification": "the test wants it",
        }
        self.call("exec_command", arguments)

    def spawn(self, text):
        arguments = {"message": "<%s>" % text, "task_name": "child"}
        self.call("spawn_agent", arguments, namespace="multi_agent_v1")


class Model(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/v1" % self.server_port
        self.requests, self.spawned = [], False
        self.held, self.released = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def release(self):
        """Lets every held answer go on."""
        self.released.set()

    def close(self):
        self.release()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """An interrupted or killed codex hangs up in the middle of an answer: nothing to say."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def write(self, data):
        self.wfile.write(data)
        self.wfile.flush()

    def answer_json(self, code, value):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.write(body)

    def do_GET(self):
        self.answer_json(200, {"models": [], "data": []})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(dict(self.headers))
        marker, argument = (re.findall(r"<(\w+) ?([^>]*)>", user_text(body)) or [("", "")])[-1]
        if marker == "http":
            self.answer_json(
                int(argument), {"error": {"message": "no model today", "type": "server_error"}}
            )
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.answer_stream(Stream(len(self.server.requests), self.write), marker, argument)

    def answer_stream(self, stream, marker, argument):
        stream.begin()
        if marker == "cut":
            self.close_connection = True
            return None
        if marker == "fail":
            return stream.fail()
        if marker == "run":
            stream.run_command(argument)
            return stream.complete()
        if marker == "call":
            stream.call(argument, {})
            return stream.complete()
        if marker == "spawn":
            self.server.spawned = True
            stream.spawn(argument)
            return stream.complete()
        if marker == "" and self.server.spawned:
            self.server.held.wait(HOLD_S)
        if marker == "reason":
            stream.reasoning()
        stream.message(
            int(argument) if marker == "deltas" else 8,
            self.hold if marker == "hold" else lambda: None,
        )
        return stream.complete()

    def hold(self):
        self.server.held.set()
        self.server.released.wait(HOLD_S)
