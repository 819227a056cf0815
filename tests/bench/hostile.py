#!/usr/bin/env python3
"""A soak with a hostile mix: good conversations go on while others do everything wrong.

Four programs run at once, one for each way of standing in between (ws to ws, tcp to tcp, ws to tcp,
tcp to a command). Of their clients one half behaves and checks every byte of every answer; the other
half sends garbage, half heads, foreign origins, requests that are never answered, floods, carriers of
all kinds, and leaves in the middle. The collector is away, slow or refusing for a part of the time.
Once warm, memory and descriptors must stay where they are; when all have left the descriptors are those
of the beginning, and at the end every span is accounted for.

    tests/bench/hostile.py [--seconds 300] [--seed 1] [--sidespan PATH]
"""

import argparse
import contextlib
import http.server
import json
import os
import pathlib
import random
import re
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/system"))

WAYS = [("ws", "ws"), ("tcp", "tcp"), ("ws", "tcp"), ("tcp", "stdio")]
GROWTH_MAX = 3 << 20  # bytes of resident memory after the warm-up
COLLECTOR_FILES = 4   # descriptors that a kept connection to the collector may take
SLOW_S = 30           # for an answer, on a machine that does other things too


class Collector(http.server.ThreadingHTTPServer):
    """Counts spans, and is well, refusing, slow or cutting off, some seconds each."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.mood, self.spans, self.lock = "well", 0, threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def change(self, until, chance):
        while time.monotonic() < until:
            self.mood = chance.choice(["well", "well", "refusing", "slow", "cutting off"])
            time.sleep(min(2, max(0, until - time.monotonic())))
        self.mood = "well"

    def handle_error(self, request, client_address):
        pass  # whoever was cut off

    def close(self):
        self.shutdown()
        self.server_close()


class CollectorHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mood = self.server.mood
        if mood == "cutting off":
            self.close_connection = True
            return
        if mood == "slow":
            time.sleep(0.5)
        if mood != "refusing":
            with self.server.lock:
                self.server.spans += body.count(b'"startTimeUnixNano"')
        self.send_response(503 if mood == "refusing" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        pass


class Server(threading.Thread):
    """Answers each request with its own text; never one whose method is "never"."""

    def __init__(self, backend):
        super().__init__(daemon=True)
        self.backend = backend

    def run(self):
        from lib.wait import TimedOut
        while True:
            try:
                stream = self.backend.accept(1)
            except TimedOut:
                continue
            except OSError:
                return
            threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

    def serve(self, stream):
        from lib.peer import Lines, serve_upgrade
        with contextlib.suppress(Exception):
            peer = serve_upgrade(stream)[0] if self.backend.kind.startswith("ws") else Lines(stream)
            while True:
                text = peer.recv(3600)
                with contextlib.suppress(ValueError):
                    message = json.loads(text)
                    if isinstance(message, dict) and message.get("method") == "echo":
                        peer.send({"id": message["id"], "result": message["params"]})
        with contextlib.suppress(OSError):
            stream.close()
        if stream in self.backend.accepted:
            self.backend.accepted.remove(stream)


class Way:
    """One sidespan, its server, and who talks to it."""

    def __init__(self, lab, kinds, collector, seed):
        self.name = " to ".join(kinds)
        self.client_kind, server_kind = kinds
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.answers, self.attacks, self.faults = 0, 0, []
        args = [f"--listen={lab.listen_url(self.client_kind)}", "--profile=codex", "--inflight-max-age=5s",
                "--handshake-timeout=2s", "--batch-delay=200ms", "--batch-queue-bytes-max=1MiB"]
        if server_kind == "stdio":
            args += ["--", sys.executable, "-c", COMMAND]
        else:
            backend = lab.backend(server_kind)
            Server(backend).start()
            args.append(f"--upstream={backend.url}")
        self.program = lab.sidespan(*args, collector=collector)
        self.url = self.program.url()

    def dial(self):
        from lib.lab import address_of
        from lib.stream import connect
        return connect(address_of(self.url))

    def open(self):
        from lib.peer import Dialing, Lines
        stream = self.dial()
        return Dialing(stream).finish() if self.client_kind == "ws" else Lines(stream)

    def behave(self, until):
        """Conversations of some messages each; every answer must be what was asked for."""
        while time.monotonic() < until:
            try:
                peer = self.open()
                for number in range(self.random.randrange(1, 40)):
                    params = {"text": "\u00e9\u4e2d\"\\x" * self.random.choice([1, 30, 4000])}
                    peer.send({"id": number, "method": "echo", "params": params})
                    answer = json.loads(peer.recv(SLOW_S))
                    if answer != {"id": number, "result": params}:
                        raise AssertionError(f"{answer!r:.200}")
                    with self.lock:
                        self.answers += 1
                peer.close()
            except Exception as error:
                if time.monotonic() < until:
                    with self.lock:
                        self.faults.append(f"{self.name}: {error!r:.300}")

    def attack(self, until):
        while time.monotonic() < until:
            with contextlib.suppress(Exception):
                self.random.choice(ATTACKS)(self)
            with self.lock:
                self.attacks += 1

    def resident(self):
        return int(self.program.status("VmRSS")) * 1024

    def files(self):
        return len(os.listdir(f"/proc/{self.program.pid}/fd"))


COMMAND = """
import json, sys
for line in sys.stdin:
    try:
        message = json.loads(line)
    except ValueError:
        continue
    if isinstance(message, dict) and message.get("method") == "echo":
        sys.stdout.write(json.dumps({"id": message["id"], "result": message["params"]}) + "\\n")
        sys.stdout.flush()
"""


# What clients do wrong. Each takes a Way; what is raised does not matter.

def connect_and_leave(way):
    way.dial().close()


def reset(way):
    stream = way.dial()
    stream.send_some(b"GET / HTTP/1.1\r\nHost: h", 0.01)
    stream.reset()


def garbage(way):
    stream = way.dial()
    stream.send_some(os.urandom(way.random.randrange(1, 20000)), 0.05)
    stream.read_quiet(0.01)
    stream.close()


def foreign_page(way):
    """What a page in a browser can send."""
    from lib.peer import new_key, upgrade_request
    for data in (upgrade_request(new_key(), fields=[("Origin", "https://attacker.example")]),
                 b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\r\n"
                 b'{"id":1,"method":"echo","params":{}}\n'):
        stream = way.dial()
        stream.send_some(data, 0.01)
        stream.read_quiet(0.01)
        stream.close()


def many_heads(way):
    stream = way.dial()
    stream.send_some(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 3000, 0.05)
    stream.read_quiet(0.02)
    stream.close()


def never_answered(way):
    peer = way.open()
    for number in range(300):
        peer.send({"id": number, "method": "never", "params": {"threadId": "t" * 100}})
    peer.close()


def carriers(way):
    peer = way.open()
    texts = ["", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "ff" * 300]
    for number in range(50):
        peer.send({"id": number, "method": "echo", "params": {},
                   "trace": way.random.choice([None, 5, [], {"traceparent": way.random.choice(texts)}])})
        peer.recv(1)
    peer.close()


def turns_without_end(way):
    """Names of a turn's life, in any order, from the wrong side and the right one."""
    peer = way.open()
    for number in range(100):
        peer.send({"id": f"{number}", "method": "turn/start", "params": {"threadId": f"{number % 7}", "input": []}})
        peer.send({"method": "turn/started", "params": {"threadId": "x", "turn": {"id": f"{number}"}}})
    peer.close()


def no_json(way):
    peer = way.open()
    for text in (b"{", b"]" * 100, b"[" * 5000, b'{"id":1,"method":"echo"}tail', b'{"id":1,"id":2}', b"\xff\xfe"):
        peer.send(text)
    peer.close()


def flood_without_reading(way):
    peer = way.open()
    message = json.dumps({"id": 1, "method": "echo", "params": {"text": "x" * 20000}}).encode()
    for _ in range(40):
        peer.stream.send_some(peer.frame(message) if hasattr(peer, "frame") else message, 0.001)
    peer.close()


def cut_in_the_middle(way):
    peer = way.open()
    peer.stream.send_some(b'{"id":1,"method":"echo","params":{"te', 0.01)
    way.random.choice([peer.close, peer.stream.reset])()


ATTACKS = [connect_and_leave, reset, garbage, foreign_page, many_heads, never_answered, carriers, turns_without_end,
           no_json, flood_without_reading, cut_in_the_middle]


def account(program):
    """The counters of the exit lines, by name."""
    line = next(line for line in program.log("info") if line.startswith("spans: "))
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}


def run(options):
    from lib.lab import Lab
    lab = Lab()
    try:
        chance = random.Random(options.seed)
        collector = lab.keep(Collector())
        ways = [Way(lab, kinds, collector, chance.random()) for kinds in WAYS]
        until = time.monotonic() + options.seconds
        before = {way: way.files() for way in ways}
        threads = [threading.Thread(target=collector.change, args=(until, chance), daemon=True)]
        for way in ways:
            threads += [threading.Thread(target=way.behave, args=(until,), daemon=True) for _ in range(2)]
            threads += [threading.Thread(target=way.attack, args=(until,), daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        warm = time.monotonic() + options.seconds / 3
        rows = {way: [] for way in ways}
        while time.monotonic() < until:
            time.sleep(0.5)
            if time.monotonic() > warm:
                for way in ways:
                    rows[way].append((way.resident(), way.files()))
        for thread in threads:
            thread.join(SLOW_S)
        verdicts = [verdict(way, rows[way], before[way]) for way in ways]
        print(f"the collector took {collector.spans} spans")
        return verdicts
    finally:
        lab.close()


def files_left(way, before):
    """How many more descriptors than before stay when everybody has left; the collector's do."""
    until = time.monotonic() + SLOW_S
    while way.files() > before + COLLECTOR_FILES and time.monotonic() < until:
        time.sleep(0.1)
    return way.files() - before


def verdict(way, rows, before):
    """Prints a row; whether all is well."""
    part = max(1, len(rows) // 4)
    first, last = (max(row[0] for row in some) for some in (rows[:part], rows[-part:]))
    files = [max(row[1] for row in some) for some in (rows[:part], rows[-part:])]
    left = files_left(way, before)
    lived = way.program.running()
    way.program.stop()
    counted = account(way.program)
    gone = sum(value for name, value in counted.items() if name not in ("created", "posts"))
    balanced = counted.get("created", 0) == gone
    fine = lived and balanced and not way.faults and last - first <= GROWTH_MAX and left <= COLLECTOR_FILES
    print(f"{way.name}: {way.answers} answers, {way.attacks} attacks, {len(way.faults)} faults; resident "
          f"{first / 1e6:.1f} -> {last / 1e6:.1f} MB, descriptors {files[0]} -> {files[1]}, {left} left; "
          f"{counted.get('created', 0)} spans, {'all' if balanced else 'NOT ALL'} accounted for: "
          f"{'ok' if fine else 'FAULT'}", flush=True)
    for fault in way.faults[:5]:
        print("   ", fault)
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sidespan", default=str(ROOT / "build/release/sidespan"))
    options = parser.parse_args()
    os.environ["SIDESPAN"] = options.sidespan
    return 0 if all(run(options)) else 1


if __name__ == "__main__":
    sys.exit(main())
