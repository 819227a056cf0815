#!/usr/bin/env python3
"""Measures what sidespan costs against a plain relay, and prints the table of tests/README.md.

Every round starts fresh processes, all pinned to one CPU: waking a process on another one costs
more than everything measured here, and differently each time. Rounds of the contenders are
interleaved; figures are medians, and only ratios of one run say something. The CPU time of the
proxy is read by the load generator exactly when the counted part begins and ends.

Needs the programs of tests/bench beside each other in --bin, and the sidespan binary. With --peers
HAProxy and nginx, or socat between pipes, which trace nothing, take turns with them. The relay, which
knows no TLS, passes the same without.
Exit status 1 when a message or a span was lost or altered; with --strict also when over a limit.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

READY = re.compile(r"listening on \S+?:(\d+)\S*$")
COUNTER = re.compile(r"(\w+)=(\d+)")

Contender = collections.namedtuple("Contender", "name traced")
Workload = collections.namedtuple("Workload", "title framing wrap count options server", defaults=[""])

DIRECT = Contender("direct", False)
RELAY = Contender("relay", False)
SIDESPAN = Contender("sidespan", True)
DISABLED = Contender("disabled", False)
WATCHED = Contender("watched", True)  # with all that is measured and kept for operators
HAPROXY = Contender("haproxy", False)
NGINX = Contender("nginx", False)
CONTENDERS = [DIRECT, RELAY, SIDESPAN, DISABLED]
SOCAT = Contender("socat", False)
PEERS = {"ws": [HAPROXY, NGINX], "lines": [HAPROXY], "http": [HAPROXY, NGINX], "https": [HAPROXY, NGINX]}

BURSTS = "--outstanding 64 --burst --warmup 6400"
DEEP = "--outstanding 64 --warmup 20000"
LARGE = "--warmup 2 --bytes 10000000 --shape code --timeout 60"
STREAM = "--warmup 2 --stream 40000"
MANY = "--connections 64 --outstanding 8 --warmup 200"
WORKLOADS = {
    "w1": Workload("ping-pong of 200 B", "ws", False, 20000, "--warmup 1000"),
    "w2": Workload("1 connection, 64 outstanding", "ws", False, 200000, DEEP),
    "w2b": Workload("bursts of 64", "ws", False, 100000, BURSTS),
    "w3": Workload("64 connections, 8 outstanding", "ws", False, 100000, MANY),
    "w4": Workload("stream of notifications", "ws", False, 10, STREAM),
    "w4r": Workload(
        "the same, 2,000 a second", "ws", False, 4, "--warmup 1 --stream 2000", "--rate 2000"),
    "w5": Workload("requests of 10 MB", "ws", False, 20, LARGE),
    "w6": Workload("2,000 idle connections", "ws", False, 0, "--connections 2000"),
    "w7": Workload("connect, request, close", "ws", False, 2000, "--churn --warmup 100"),
    "j1": Workload("lines: ping-pong of 200 B", "lines", False, 20000, "--warmup 1000"),
    "j2": Workload("lines: 64 outstanding", "lines", False, 200000, DEEP),
    "s1": Workload("pipes: ping-pong of 200 B", "lines", True, 20000, "--warmup 1000"),
    "s2": Workload("pipes: 64 outstanding", "lines", True, 200000, DEEP),
    "s3": Workload("pipes: stream of notifications", "lines", True, 10, STREAM),
    "h1": Workload("HTTP: POST ping-pong of 200 B", "http", False, 20000, "--warmup 1000"),
    "h2": Workload("HTTP: 64 keep-alive connections", "http", False, 100000, "--connections 64 --warmup 200"),
    "h3": Workload("HTTP: stream of events", "http", False, 10, STREAM),
    "h4": Workload("HTTP: requests of 10 MB", "http", False, 20, LARGE),
    "h5": Workload("HTTP: 2,000 idle connections", "http", False, 0, "--connections 2000"),
    "t1": Workload("TLS: POST ping-pong of 200 B", "https", False, 20000, "--warmup 1000"),
    "t2": Workload("TLS: stream of events", "https", False, 10, STREAM),
    "t3": Workload("TLS: 500 idle connections", "https", False, 0, "--connections 500"),
}
# CPU of sidespan, over that of the relay and over that of the first peer.
LIMITS = {
    "w1": (1.10, 0.87),
    "w2": (2.6, 2.0),
    "w3": (1.5, 1.1),
    "w4": (1.7, 1.7),
    "w4r": (1.05, 0.72),
    "w5": (1.5, 1.6),
    "w7": (1.10, 0.85),
    "s1": (None, 0.75),
    "s2": (None, 2.0),
    "s3": (None, 2.0),
    "h1": (None, 1.0),
    "h2": (None, 1.0),
    "h3": (None, 1.0),
    "t1": (None, 1.1),
}
P99_LIMITS = {"w1": 1.1}  # of the relay's
WATCHED_LIMITS = {"w1": 1.03, "w2": 1.1}  # of sidespan's CPU without it
IDLE_LIMITS_KB = {"w6": 2.5, "h5": 5, "t3": 30}

SHAPES = ["text", "escapes", "numbers", "keys", "deep", "blanks"]
CHUNKS = [1, 7, 64, 1024, 4096, 16384]
CHUNK_MANY = 4096  # from here on a piece is more work than its read()

MISBEHAVIOUR = ["hang", "503", "429", "reset", "slow"]


class Failure(Exception):
    """A message or a span was lost or altered, or a program did not do its part."""


class Server:
    """A program that logs on stderr where it listens."""

    def __init__(self, command, env=None):
        self.started = time.monotonic()
        self.lines = []
        self.port = None
        self.ready = threading.Event()
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            found = READY.search(line.strip())
            if found and not self.ready.is_set():
                self.ready_s = time.monotonic() - self.started
                self.port = int(found.group(1))
                self.ready.set()
            self.lines.append(line.rstrip())
        self.ready.set()

    def wait_ready(self, timeout=60):
        self.ready.wait(timeout)
        if not self.port:
            raise Failure(f"{self.process.args[0]} does not listen: {self.lines[-3:]}")
        return self

    def stop(self, timeout=60):
        """Ends the program and gives what it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(5)
        return self.lines

    def rss_kb(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Rss:\s+(\d+)", text, re.M).group(1))


class Peer(Server):
    """A program that says nothing when it listens: on the port that it was told."""

    def __init__(self, command, port, env=None):
        super().__init__(command, env)
        self.port = port

    def wait_ready(self, timeout=60):
        until = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.02)
        raise Failure(f"{self.process.args[0]} does not listen: {self.lines[-3:]}")


def peers_of(workload):
    return [SOCAT] if workload.wrap else PEERS[workload.framing]


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


HAPROXY_CONFIG = """global
    maxconn 4000
defaults
    mode {mode}
    timeout client 1m
    timeout server 1m
    timeout connect 1m
listen bench
    bind 127.0.0.1:{port}{tls}
    server backend 127.0.0.1:{upstream}
"""
NGINX_CONFIG = """daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 10000; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    keepalive_requests 1000000000;
    client_max_body_size 0;
    upstream backend {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port}{tls};
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection {connection};
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}
}}
"""


def span_counters(lines):
    """The counters of sidespan's last line about spans: created=N sent=N ..."""
    for line in reversed(lines):
        counters = {name: int(value) for name, value in COUNTER.findall(line)}
        if "created" in counters:
            return counters
    raise Failure(f"sidespan said nothing about its spans: {lines[-3:]}")


class Bench:
    def __init__(self, options):
        self.options = options
        self.problems = []
        self.spans = collections.Counter()
        self.folder = tempfile.TemporaryDirectory(prefix="bench")
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "SIDESPAN", "TRACE"))
        }

    def tool(self, name):
        return os.path.join(self.options.bin, name)

    def say(self, text):
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    # Commands

    def sidespan(self, contender, sink_port):
        command = [self.options.sidespan, "--profile", "codex"]
        command += ["--otlp-endpoint", f"http://127.0.0.1:{sink_port}"]
        command += ["--disabled"] if not contender.traced else []
        command += ["--admin-listen", "http://127.0.0.1:0"] if contender is WATCHED else []
        return command + self.options.sidespan_option

    def certificate(self):
        """A file with a certificate and its key."""
        path, key = (pathlib.Path(self.folder.name, name) for name in ("both.pem", "key.pem"))
        if not path.exists():
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
            command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(path)]
            subprocess.run(command, check=True, capture_output=True)
            path.write_text(path.read_text() + key.read_text())
        return path

    def peer(self, workload, contender, upstream):
        """HAProxy or nginx, of one thread, with few words in its configuration."""
        port, pem = free_port(), self.certificate()
        tls = {HAPROXY: f" ssl crt {pem}", NGINX: f" ssl; ssl_certificate {pem}; ssl_certificate_key {pem}"}[contender]
        text = HAPROXY_CONFIG if contender is HAPROXY else NGINX_CONFIG
        path = pathlib.Path(self.folder.name, contender.name)
        path.write_text(text.format(port=port, upstream=upstream, folder=self.folder.name,
                                    mode="tcp" if workload.framing == "lines" else "http",
                                    connection="upgrade" if workload.framing == "ws" else '""',
                                    tls=tls if workload.framing == "https" else ""))
        command = ["haproxy", "-db", "-f"] if contender is HAPROXY else ["nginx", "-p", self.folder.name, "-c"]
        return Peer([*command, path], port, self.env)

    def backend(self, workload, contender):
        command = [self.tool("backend"), "--framing", workload.framing.replace("https", "http")]
        command += workload.server.split()
        return command + (["--traced"] if contender.traced else [])

    def proxy(self, workload, contender, upstream, sink_port):
        if contender is RELAY:
            return [self.tool("relay"), "--upstream", upstream]
        scheme = "tcp" if workload.framing == "lines" else workload.framing
        urls = ["--listen", f"{scheme}://127.0.0.1:0"]
        urls += ["--upstream", f"{scheme.replace('https', 'http')}://127.0.0.1:{upstream}"]
        if scheme == "https":
            urls += ["--tls-certificate", self.certificate(), "--tls-key", self.certificate()]
        return self.sidespan(contender, sink_port) + urls

    # One measurement

    @contextlib.contextmanager
    def server(self, command):
        server = command if isinstance(command, Peer) else Server(command, self.env)
        try:
            yield server.wait_ready()
        finally:
            server.stop()

    def load(self, arguments):
        command = [self.tool("load"), *arguments]
        command = [str(word) for word in command]
        run = subprocess.run(
            command, capture_output=True, text=True, env=self.env, check=False
        )
        if run.returncode:
            raise Failure(f"{' '.join(command)}:\n{run.stderr[-600:]}")
        return json.loads(run.stdout), run.stderr.splitlines()

    def load_options(self, workload, count, extra=()):
        count = self.count(workload.count) if count is None else count
        return ["--count", count, *workload.options.split(), *extra]

    def count(self, count):
        return max(count // 5, 2) if self.options.quick and count else count

    def run_wrapped(self, workload, contender, options, sink_port):
        server = self.backend(workload, contender) + ["--stdio"]
        if contender is RELAY:
            server = [self.tool("relay"), "--", *server]
        elif contender is SOCAT:
            server = ["socat", "-", "EXEC:" + " ".join(server) + ",pipes"]
        elif contender is not DIRECT:
            server = [*self.sidespan(contender, sink_port), "--", *server]
        return self.load([*options, "--", *server])

    def run_listening(self, workload, contender, options, sink_port, prefix=(), during=None):
        url = "--" + workload.framing.replace("https", "http")
        if workload.framing == "https" and contender not in (DIRECT, RELAY):
            options = [*options, "--tls"]
        with self.server(self.backend(workload, contender)) as backend:
            if contender is DIRECT:
                return self.load([url, backend.port, *options])
            if contender in (HAPROXY, NGINX):
                command = self.peer(workload, contender, backend.port)
            else:
                command = [*prefix, *self.proxy(workload, contender, backend.port, sink_port)]
            with self.server(command) as proxy:
                pid = proxy.process.pid
                with during(pid) if during else contextlib.nullcontext():
                    result, _ = self.load([url, proxy.port, "--pid", pid, *options])
                result["rss_after_kb"] = proxy.rss_kb()
            return result, proxy.lines

    def sink_spans(self, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return json.load(answer)["spans"]

    def check_spans(self, result, lines, received, what):
        """Each request and each turn must have become one span, which must have arrived."""
        created = span_counters(lines)["created"]
        due = result["requests"] + result["turns"]
        self.spans.update(due=due, created=created, received=received)
        if not due == created == received:
            self.problems.append(
                f"{what}: {due} requests and turns, {created} spans created, "
                f"{received} received ({lines[-1]})"
            )

    def run(self, workload, contender, count=None, extra=(), mode="ok", **how):
        """One fresh set of processes; the load generator's figures."""
        options = self.load_options(workload, count, extra)
        with self.server([self.tool("otlpsink"), "--mode", mode]) as sink:
            runner = self.run_wrapped if workload.wrap else self.run_listening
            result, lines = runner(workload, contender, options, sink.port, **how)
            if contender.traced and mode == "ok":
                received = self.sink_spans(sink.port)
                what = " ".join(map(str, [workload.title, *extra]))
                self.check_spans(result, lines, received, what)
        if result["messages"]:
            result["cpu_us"] = result["cpu_ns"] / result["messages"] / 1e3
            result["rate"] = result["messages"] / result["seconds"]
        return result

    def rounds(self, measure, cases):
        """Interleaved: each round runs every case. Lists of results by case."""
        results = {case: [] for case in cases}
        for number in range(self.options.rounds):
            for case in cases:
                self.say(f"round {number + 1} of {self.options.rounds}: {case}")
                results[case].append(measure(case))
        self.say("")
        return results

    # What is measured

    def workload(self, name):
        """Results of all rounds by contender."""
        peers = peers_of(WORKLOADS[name]) if self.options.peers else []
        watched = [WATCHED] if name in WATCHED_LIMITS else []
        cases = {contender.name: contender for contender in [*CONTENDERS, *watched, *peers]}
        return self.rounds(lambda case: self.run(WORKLOADS[name], cases[case]), list(cases))

    def syscalls(self):
        """System calls per round trip of ping-pong, of sidespan and of the relay."""
        count = 5000 if self.options.quick else 20000
        results = {}
        for contender in (RELAY, SIDESPAN):
            with tempfile.TemporaryDirectory() as folder:
                counter = SyscallCounter(pathlib.Path(folder, "calls"))
                self.run(WORKLOADS["w1"], contender, count=count, during=counter.watch)
                results[contender.name] = counter.total() / (count + 1000)
        return results

    def instructions(self):
        """User instructions per traced round trip: of two run lengths, so that starting cancels."""
        if not shutil.which("valgrind"):
            raise Failure("valgrind is not installed")
        results = {}
        for name, framing in (("WebSocket", "ws"), ("lines", "lines")):
            workload = Workload(f"callgrind {name}", framing, False, 0, "--outstanding 64 --burst")
            totals = [self.callgrind(workload, count) for count in (6400, 25600)]
            results[name] = (totals[1] - totals[0]) / (25600 - 6400)
        return results

    def callgrind(self, workload, count):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "out")
            prefix = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={path}"]
            extra = ["--timeout", "120"]
            self.run(workload, SIDESPAN, count=count, extra=extra, prefix=prefix)
            totals = re.findall(r"^(?:totals|summary): (\d+)", path.read_text(), re.M)
        if not totals:
            raise Failure("callgrind counted nothing")
        return int(totals[-1])

    def collectors(self):
        return self.rounds(
            lambda mode: self.run(WORKLOADS["w2"], SIDESPAN, mode=mode), ["ok", *MISBEHAVIOUR]
        )

    def chunk_run(self, shape, chunk, contender):
        """One message size per chunk size, so that the number of writes stays bounded."""
        size = min(1000000, chunk * 20000) if chunk else 1000000
        count = max(2, 3000000 // size) if chunk != 1 else 2
        workload = Workload(f"{shape} in chunks of {chunk}", "lines", True, count, "")
        extra = ["--shape", shape, "--bytes", size, "--chunk", chunk, "--timeout", "60"]
        return self.run(workload, contender, count=count, extra=extra)["cpu_ns"] / count / size

    def chunks(self):
        """ns per byte by shape, chunk and contender; chunk 0 is the message whole."""
        cases = {f"text {chunk} relay": ("text", chunk, RELAY) for chunk in CHUNKS}
        for shape in SHAPES:
            for chunk in [0, *CHUNKS]:
                cases[f"{shape} {chunk} sidespan"] = (shape, chunk, SIDESPAN)
        results = self.rounds(lambda case: self.chunk_run(*cases[case]), list(cases))
        return {case: statistics.median(values) for case, values in results.items()}

    def start(self):
        """Seconds from the start of the process to its listening line."""
        times = []
        with self.server(self.backend(WORKLOADS["w1"], SIDESPAN)) as backend:
            for _ in range(11):
                command = self.proxy(WORKLOADS["w1"], SIDESPAN, backend.port, 9)
                with self.server(command) as proxy:
                    times.append(proxy.ready_s)
        return statistics.median(times)

    def idle(self):
        """Resident memory of a process that has exported and waits."""
        return self.run(WORKLOADS["w1"], SIDESPAN, count=1024)["rss_after_kb"]

    def soak(self):
        """500,000 pipelined requests of each framing; load and the counters check all of them."""
        count = 500000
        for name in ("w2", "j2", "s2"):
            extra = ["--carrier", "alternate"]
            self.say(f"soak: {WORKLOADS[name].title}")
            result = self.run(WORKLOADS[name], SIDESPAN, count=count, extra=extra)
            self.say("")
            print(
                f"soak: {count} requests, {WORKLOADS[name].title}: "
                f"{result['rate']:,.0f}/s, {result['cpu_us']:.2f} us CPU each"
            )


class SyscallCounter:
    """Counts the system calls of a running process with perf, or else strace."""

    def __init__(self, path):
        self.path = path
        self.perf = shutil.which("perf") and not subprocess.run(
            ["perf", "stat", "-e", "raw_syscalls:sys_enter", "true"],
            capture_output=True,
            check=False,
        ).returncode

    @contextlib.contextmanager
    def watch(self, pid):
        if self.perf:
            command = ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter"]
        else:
            command = ["strace", "-c", "-f"]
        command += ["-o", str(self.path), "-p", str(pid)]
        watcher = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(0.5)  # neither says when it has attached
        yield
        watcher.send_signal(signal.SIGINT)
        watcher.wait()

    def total(self):
        text = self.path.read_text()
        pattern = r"^(\d+),.*raw_syscalls" if self.perf else r"^\s*100\.00\s+\S+\s+\S+\s+(\d+)"
        found = re.search(pattern, text, re.M)
        if not found:
            raise Failure(f"no system calls counted: {text}")
        return int(found.group(1))


# The report


class Report:
    def __init__(self):
        self.rows = []

    def add(self, what, limit, value, unit="", form="{:.2f}"):
        """A figure; limit None when there is none."""
        verdict = "" if limit is None else "ok" if value <= limit else "OVER"
        limit_text = "" if limit is None else f"{limit:,g}{unit}"
        self.rows.append((what, limit_text, form.format(value) + unit, verdict))

    def add_fact(self, what, holds):
        self.rows.append((what, "yes", "yes" if holds else "no", "ok" if holds else "OVER"))

    def over(self):
        return any(row[3] == "OVER" for row in self.rows)

    def show(self):
        table([("what", "at most", "measured", "")] + self.rows)


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("| " + " | ".join(cells) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def median(results, key):
    return statistics.median(result[key] for result in results)


def report_ratio(results, key, base, of="sidespan"):
    """The median over the rounds of the ratio within a round."""
    pairs = zip(results[of], results[base])
    return statistics.median(one[key] / other[key] for one, other in pairs)


def report_workload(report, name, results):
    title = f"{name} {WORKLOADS[name].title}"
    runs = results["sidespan"]
    if name in IDLE_LIMITS_KB:
        connections = int(WORKLOADS[name].options.split()[-1])
        for contender, theirs in results.items():
            if contender in ("direct", "relay", "disabled"):
                continue
            growth = statistics.median(run["rss_idle_kb"] - run["rss_start_kb"] for run in theirs)
            ours = contender == "sidespan"
            report.add(f"{title}: memory each" + ("" if ours else ", " + contender), IDLE_LIMITS_KB[name] if ours else None,
                       growth / connections, " KB")
        return
    of_relay, of_peer = LIMITS.get(name, (None, None))
    report.add(f"{title}: CPU / relay", of_relay, report_ratio(results, "cpu_us", "relay"))
    report.add(f"{title}: CPU / not tracing", None, report_ratio(results, "cpu_us", "disabled"))
    if "watched" in results:
        cost = report_ratio(results, "cpu_us", "sidespan", of="watched")
        report.add(f"{title}: CPU with admin.listen / without", WATCHED_LIMITS[name], cost)
    for number, peer in enumerate(peers_of(WORKLOADS[name])):
        if peer.name in results:
            ratio = report_ratio(results, "cpu_us", peer.name)
            report.add(f"{title}: CPU / {peer.name}", None if number else of_peer, ratio)
    if name in P99_LIMITS:
        report.add(f"{title}: p99 / relay", P99_LIMITS[name], report_ratio(results, "p99_ns", "relay"))
    if name in ("w5", "h4"):
        peak = statistics.median(run["rss_peak_kb"] - run["rss_idle_kb"] for run in runs)
        report.add(f"{name} peak memory above idle", 4, peak / 1024, " MB")
        early = all(run["early"] * 2 > run["messages"] for run in runs)  # of the rest the sender was quicker
        report.add_fact(f"{name} first byte at the backend before the last was sent", early)


def report_syscalls(report, results):
    report.add("w1 system calls per round trip", 6.2, results["sidespan"])
    report.add("w1 system calls per round trip, relay", None, results["relay"])


def report_instructions(report, results):
    for name, limit in (("WebSocket", 5000), ("lines", 4600)):
        what = f"user instructions per traced round trip, {name}"
        report.add(what, limit, results[name], "", "{:,.0f}")


def report_idle(report, rss_kb):
    report.add("resident when idle", 9, rss_kb / 1024, " MB")


def report_start(report, seconds):
    report.add("start to ready", 6, seconds * 1e3, " ms")


def report_collectors(report, results):
    for mode in MISBEHAVIOUR:
        for key, limit, name in (("cpu_us", 1.15, "CPU"), ("p99_ns", 1.5, "p99")):
            ratio = median(results[mode], key) / median(results["ok"], key)
            report.add(f"collector {mode}: {name} / healthy", limit, ratio)
        peak = median(results[mode], "rss_peak_kb") / 1024
        report.add(f"collector {mode}: peak memory", None, peak, " MB", "{:.1f}")


def report_chunks(report, results):
    """
    Small pieces are all system calls, which no proxy can save, so they are held against the relay
    that gets the same pieces; larger ones against the same bytes whole.
    """
    for chunk in CHUNKS:
        if chunk < CHUNK_MANY:
            base = results[f"text {chunk} relay"]
            ratio = max(results[f"{shape} {chunk} sidespan"] / base for shape in SHAPES)
            report.add(f"pieces of {chunk} B: ns per byte / relay, worst shape", 4, ratio)
        else:
            ratio = max(
                results[f"{shape} {chunk} sidespan"] / results[f"{shape} 0 sidespan"]
                for shape in SHAPES
            )
            report.add(f"pieces of {chunk} B: ns per byte / whole, worst shape", 4, ratio)


def show_absolute(results):
    rows = [("workload", "contender", "CPU us", "messages/s", "p50 us", "p99 us")]
    for name in [name for name in results if name in WORKLOADS and WORKLOADS[name].count]:
        for contender, runs in results[name].items():
            cpu = "" if contender == "direct" else f"{median(runs, 'cpu_us'):,.2f}"
            times = [f"{median(runs, key) / 1e3:,.0f}" for key in ("p50_ns", "p99_ns")]
            title = f"{name} {WORKLOADS[name].title}"
            rows.append((title, contender, cpu, f"{median(runs, 'rate'):,.0f}", *times))
    if len(rows) > 1:
        print()
        table(rows)


# What --only can name besides workloads: how it is measured and reported.
EXTRAS = {
    "syscalls": (Bench.syscalls, report_syscalls),
    "instructions": (Bench.instructions, report_instructions),
    "idle": (Bench.idle, report_idle),
    "start": (Bench.start, report_start),
    "collectors": (Bench.collectors, report_collectors),
    "chunks": (Bench.chunks, report_chunks),
}


def measure_all(bench, report):
    """Fills the report; gives everything measured. What fails is left out and told."""
    found = {}
    for name in [*WORKLOADS, *EXTRAS]:
        if name not in bench.options.only:
            continue
        try:
            if name in WORKLOADS:
                found[name] = bench.workload(name)
                report_workload(report, name, found[name])
            else:
                measure, report_it = EXTRAS[name]
                found[name] = measure(bench)
                report_it(report, found[name])
        except Failure as failure:
            bench.problems.append(str(failure))
    return found


def parse_options(arguments):
    here = pathlib.Path(__file__).resolve().parents[2]
    known = [*WORKLOADS, *EXTRAS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    build = here / "build/release"
    sidespan = os.environ.get("SIDESPAN", build / "sidespan")
    tools = os.environ.get("BENCH_BIN", build / "tests/bench")
    add = parser.add_argument
    add("--sidespan", default=sidespan, help="the binary, default %(default)s")
    add("--bin", default=tools, help="folder of the tools, default %(default)s")
    add("--rounds", type=int, default=5)
    add("--quick", action="store_true", help="three short rounds: a rough look")
    add("--peers", action="store_true", help="also HAProxy, nginx and socat, where they can take part")
    add("--only", default=",".join(known), help="a list of: " + ", ".join(known))
    add("--soak", action="store_true", help="500,000 requests of each framing, nothing else")
    add("--json", metavar="FILE", help="write all figures of all rounds")
    add("--strict", action="store_true", help="exit status 1 when over a limit")
    add("--sidespan-option", action="append", default=[], help="one more option for sidespan")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    if set(options.only) - set(known):
        parser.error(f"--only knows {', '.join(known)}")
    if options.quick:
        options.rounds = min(options.rounds, 3)
    for program in (options.sidespan, os.path.join(options.bin, "load")):
        if not os.access(program, os.X_OK):
            parser.error(f"{program} is not there: run make first")
    for peer in (HAPROXY, NGINX, SOCAT) if options.peers else ():
        if not shutil.which(peer.name):
            parser.error(f"{peer.name} is not there: see tests/deps")
    options.sidespan = str(options.sidespan)
    return options


def main(arguments):
    options = parse_options(arguments)
    bench = Bench(options)
    report = Report()
    found = {}
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        if options.soak:
            bench.soak()
        else:
            found = measure_all(bench, report)
    except Failure as failure:
        bench.problems.append(str(failure))
    if report.rows:
        report.show()
        show_absolute(found)
    if bench.spans:
        print(
            f"\nspans: {bench.spans['due']} requests and turns, {bench.spans['created']} created, "
            f"{bench.spans['received']} received by the collector"
        )
    if options.json:
        found["problems"] = bench.problems
        pathlib.Path(options.json).write_text(json.dumps(found, indent=1))
    for problem in bench.problems:
        print(f"bench: {problem}", file=sys.stderr)
    return 1 if bench.problems or (options.strict and report.over()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
