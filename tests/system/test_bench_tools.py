"""The benchmark's own tools: load must notice each kind of damage, otlpsink must count exactly.

Needs the programs of tests/bench in BENCH_BIN (default build/release/tests/bench).
"""

import http.client
import itertools
import json
import os
import pathlib
import subprocess

import pytest

BIN = pathlib.Path(os.environ.get("BENCH_BIN", "build/release/tests/bench"))
LOAD = ["--count", "200", "--outstanding", "8", "--carrier", "alternate", "--timeout", "1"]
KINDS = ["drop", "repeat", "swap", "shorten"]
POSITIONS = [0, 1, 30, 150, 185]  # of a changed byte, counted from the message's end


class Tool:
    """A program that listens on a free port, says so on stderr, and is stopped at the end."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen([BIN / name, *arguments], stderr=subprocess.PIPE, text=True)
        self.port = self.process.stderr.readline().strip().rsplit(":", 1)[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def load(framing, port, *options):
    command = [BIN / "load", "--" + framing, port, *LOAD, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def load_through_fault(framing, toward, kind, position=30, message=5):
    with Tool("backend", "--framing", framing) as backend:
        options = {
            "--upstream": backend.port,
            "--framing": framing,
            "--toward": toward,
            "--fault": kind,
            "--position": str(position),
            "--message": str(message),
        }
        with Tool("faulty", *itertools.chain(*options.items())) as faulty:
            return load(framing, faulty.port)


@pytest.mark.parametrize("framing", ["ws", "lines"])
def test_load_passes_where_nothing_is_wrong(framing):
    result = load_through_fault(framing, "client", "none")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["messages"] == 200
    assert json.loads(result.stdout)["requests"] == 201


@pytest.mark.parametrize("options", [[], ["--stream", "50"], ["--bytes", "300000"]])
@pytest.mark.parametrize("traced", [[], ["--traced"]])
def test_load_and_backend_speak_http(traced, options):
    """One after the other, as a client of HTTP does; a stream is one of events. Without a proxy nothing is traced."""
    with Tool("backend", "--framing", "http", *traced) as backend:
        result = load("http", backend.port, "--outstanding", "1", "--connections", "3", *options)
    if traced:
        assert result.returncode == 1 and "no trace" in result.stderr
    else:
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["messages"] == 200 * (50 if "--stream" in options else 1)


@pytest.mark.parametrize("framing", ["ws", "lines"])
@pytest.mark.parametrize("toward", ["client", "backend"])
@pytest.mark.parametrize("kind", KINDS)
def test_load_notices_damage(framing, toward, kind):
    result = load_through_fault(framing, toward, kind)
    assert result.returncode == 1, result.stdout
    assert result.stderr.startswith("load:")


@pytest.mark.parametrize("framing", ["ws", "lines"])
@pytest.mark.parametrize("toward", ["client", "backend"])
@pytest.mark.parametrize("position", POSITIONS)
def test_load_notices_one_changed_bit(framing, toward, position):
    result = load_through_fault(framing, toward, "corrupt", position)
    assert result.returncode == 1, result.stdout
    assert result.stderr


@pytest.mark.parametrize("toward", ["client", "backend"])
@pytest.mark.parametrize("kind", ["drop", "repeat"])
def test_load_notices_damage_to_the_last_message(toward, kind):
    result = load_through_fault("lines", toward, kind, message=200)
    assert result.returncode == 1, result.stdout


@pytest.mark.parametrize("framing", ["ws", "lines"])
@pytest.mark.parametrize("carrier", ["never", "alternate", "always"])
def test_backend_wants_a_context_when_traced(framing, carrier):
    with Tool("backend", "--framing", framing, "--traced") as backend:
        result = load(framing, backend.port, "--carrier", carrier)
    assert result.returncode == 1
    assert "no trace" in result.stderr


WORKLOADS = {
    "burst": ["--burst"],
    "connections": ["--connections", "16"],
    "stream": ["--count", "2", "--stream", "5000"],
    "large": ["--count", "2", "--outstanding", "1", "--bytes", "3000000", "--shape", "escapes"],
    "fragments": ["--fragment", "50"],
    "chunks": ["--chunk", "13"],
    "churn": ["--churn", "--count", "20"],
}


@pytest.mark.parametrize("framing", ["ws", "lines"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_relay_passes_every_workload(framing, workload):
    with Tool("backend", "--framing", framing) as backend:
        with Tool("relay", "--upstream", backend.port) as relay:
            result = load(framing, relay.port, *WORKLOADS[workload])
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("shape", ["text", "escapes", "numbers", "keys", "deep", "blanks"])
def test_relay_wraps_a_command(shape):
    relay = [BIN / "relay", "--", BIN / "backend", "--framing", "lines", "--stdio"]
    command = [BIN / "load", *LOAD, "--shape", shape, "--bytes", "5000", "--", *relay]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["cpu_ns"] > 0


def post(port, body, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=1)
    connection.request("POST", "/v1/traces", body, headers or {})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def sink_report(port):
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=1)
    connection.request("GET", "/")
    report = json.loads(connection.getresponse().read())
    connection.close()
    return report


def traces(count):
    """A request of so many spans, with names and attributes that try to be counted as spans."""
    trap = 'say "startTimeUnixNano": 1'
    span = {
        "traceId": "c0" * 16,
        "spanId": "b0" * 8,
        "name": trap,
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
        "attributes": [{"key": "text", "value": {"stringValue": trap}}],
        "events": [{"timeUnixNano": "1", "name": trap}],
    }
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span] * count}]}]})


def test_sink_counts_spans():
    with Tool("otlpsink") as sink:
        for count in [1, 512, 0, 3]:
            assert post(sink.port, traces(count)).status == 200
        report = sink_report(sink.port)
    assert report["spans"] == 516
    assert report["posts"] == 4


@pytest.mark.parametrize("mode, status", [("503", 503), ("429", 429)])
def test_sink_refuses(mode, status):
    with Tool("otlpsink", "--mode", mode) as sink:
        response = post(sink.port, traces(2))
        assert response.status == status
        assert (response.getheader("Retry-After") == "1") == (mode == "429")
        assert sink_report(sink.port) == {"spans": 0, "posts": 1, "bytes": 0}


@pytest.mark.parametrize("mode, error", [("hang", TimeoutError), ("reset", ConnectionError)])
def test_sink_leaves_without_an_answer(mode, error):
    with Tool("otlpsink", "--mode", mode) as sink:
        with pytest.raises(error):
            post(sink.port, traces(2))
        assert sink_report(sink.port)["spans"] == 0
