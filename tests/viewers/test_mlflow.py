"""What MLflow makes of us: run by hand, `make test-viewers`, as its server is large.

It takes our OTLP JSON as it is; the experiment is named by the header x-mlflow-experiment-id. What
depends on GenAI names is compared with the spans that have them, and left out where none has. The
spans are read back from MLflow, so that nothing is said twice here of what a profile should send.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.request

import mlflow
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIDESPAN = os.path.abspath(os.environ.get("SIDESPAN", ROOT / "build/release/sidespan"))
DEMO_BIN = pathlib.Path(os.environ.get("DEMO_BIN", ROOT / "build/release/tests/demo")).resolve()
MLFLOW = pathlib.Path(os.environ.get("MLFLOW", ROOT / "build/viewers/venv/bin/mlflow"))
WAIT_S = 120
TYPES = {"invoke_agent": ("AGENT",), "chat": ("CHAT_MODEL", "LLM"), "execute_tool": ("TOOL",)}


def until(fact, what):
    deadline = time.monotonic() + WAIT_S
    while not (found := fact()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


def fetch(url, body=None):
    request = urllib.request.Request(url, body and json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The URL of an MLflow of our own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("mlflow")
    log = open(folder / "log", "wb")
    process = subprocess.Popen(
        [MLFLOW, "server", "--backend-store-uri", f"sqlite:///{folder}/db", "--host", "127.0.0.1",
         "--port", str(port)], cwd=folder, stdout=log, stderr=log, start_new_session=True)

    def healthy():
        assert process.poll() is None, (folder / "log").read_text()
        with contextlib.suppress(OSError):
            return fetch(f"http://127.0.0.1:{port}/health") == b"OK"

    until(healthy, "MLflow does not start")
    yield f"http://127.0.0.1:{port}"
    os.killpg(process.pid, 9)
    process.wait()


@pytest.fixture(scope="module")
def traces(server):
    """The demo's, as MLflow has them."""
    made = fetch(server + "/api/2.0/mlflow/experiments/create", {"name": "demo"})
    experiment = json.loads(made)["experiment_id"]
    environment = {"PATH": os.environ["PATH"], "DEMO_REPORT": server,
                   "OTEL_EXPORTER_OTLP_ENDPOINT": server,
                   "OTEL_EXPORTER_OTLP_HEADERS": f"x-mlflow-experiment-id={experiment}"}
    ran = subprocess.run([DEMO_BIN / "agent_client", "--", SIDESPAN, "--profile", "codex",
                          "--lifecycle-turn-below=client", "--", DEMO_BIN / "agent_server"],
                         env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "did not get" not in ran.stderr, ran.stdout + ran.stderr
    created = int(ran.stderr.split("created=")[1].split()[0])
    mlflow.set_tracking_uri(server)

    def all_there():
        found = mlflow.search_traces(locations=[experiment], return_type="list")
        return sum(len(trace.data.spans) for trace in found) == created + 3 and found

    return until(all_there, "spans in MLflow")


def spans_of(traces, **given):
    """(trace, span) of those that have these attributes, with _ for dots."""
    wanted = {key.replace("__", "."): value for key, value in given.items()}
    return [(trace, span) for trace in traces for span in trace.data.spans
            if all(span.attributes.get(key) == value for key, value in wanted.items())]


def spans_with(traces, key):
    found = [(trace, span) for trace in traces for span in trace.data.spans
             if span.attributes.get(key) is not None]
    if not found:
        pytest.skip(f"no span has {key}")
    return found


def test_traces(traces):
    """Each is over, and failed if its turn, or its request, has: the client says so of its own."""
    assert len(traces) == 6
    states = [str(trace.info.state).rsplit(".", maxsplit=1)[-1] for trace in traces]
    assert sorted(states) == ["ERROR", "ERROR", "OK", "OK", "OK", "OK"]
    failed, = [trace for trace, _ in spans_of(traces, turn__status="failed")]
    assert str(failed.info.state).endswith("ERROR")


def test_types(traces):
    for _, span in spans_with(traces, "gen_ai.operation.name"):
        assert span.span_type in TYPES[span.attributes["gen_ai.operation.name"]], span.name


def test_tokens(traces):
    """The sum over the calls of the model, no more and no less."""
    spans_with(traces, "gen_ai.operation.name")
    calls = spans_of(traces, gen_ai__operation__name="chat")
    for trace in traces:
        ours = [span.attributes for other, span in calls if other is trace]
        usage = trace.info.token_usage or {}
        for ending in ("input_tokens", "output_tokens"):
            total = sum(given.get(f"gen_ai.usage.{ending}", 0) for given in ours)
            assert usage.get(ending, 0) == total, (ending, usage)


def test_cost(traces):
    """Of what was called with a model that has a price."""
    priced = [trace for trace, span in spans_with(traces, "gen_ai.request.model")
              if span.attributes["gen_ai.request.model"].startswith("gpt-")]
    if not priced:
        pytest.skip("no model with a price")
    for trace in priced:
        assert trace.info.cost["total_cost"] > 0


def test_sessions(traces):
    """A thread is one."""
    for trace, span in spans_with(traces, "gen_ai.conversation.id"):
        assert trace.info.trace_metadata["mlflow.trace.session"] == \
            span.attributes["gen_ai.conversation.id"]
