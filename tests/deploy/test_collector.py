"""The collectors of docker/collector, run with Jaeger's binary, which is one: what is kept, and where."""

import gzip
import json
import os
import re
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from balancing import without_balancing
from lib.collector import DECODER, Collector
from lib.operator import ADMIN, Operator
from lib.process import BINARY, ROOT
from lib.wait import until

JAEGER = os.environ.get("JAEGER", os.path.join(ROOT, "build/jaeger/jaeger"))
pytestmark = pytest.mark.skipif(not os.access(JAEGER, os.X_OK), reason="no Jaeger: make jaeger")
PATIENCE_S = 60


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Running:
    """The binary with one of the files, and what its variables name."""

    def __init__(self, name, folder, path=None, **env):
        self.ports = {variable: free_port() for variable in env if env[variable] is None}
        made = {variable: value or f"127.0.0.1:{self.ports[variable]}" for variable, value in env.items()}
        self.log = open(os.path.join(folder, f"{name}.log"), "ab")
        # its own metrics have a port of their own, which we do not look at
        path = path or os.path.join(ROOT, f"docker/collector/{name}.yaml")
        self.process = subprocess.Popen([JAEGER, "--config", path,
                                         "--set=service.telemetry.metrics.level=none"],
                                        stdout=self.log, stderr=subprocess.STDOUT, env={**os.environ, **made})
        for port in self.ports.values():
            until(lambda port=port: self.answers(port), f"{name} at {port}", PATIENCE_S)

    def answers(self, port):
        assert self.process.poll() is None, open(self.log.name, encoding="utf-8").read()[-2000:]
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", port)) == 0

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self.log.close()


def trace(port, method, answer):
    """One request through sidespan, its span sent there."""
    done = subprocess.run([BINARY, "--log-level=info", "--service-name=traced", "--", "sh", "-c",
                           f"read -r request; echo '{json.dumps(answer)}'"], text=True, check=True, timeout=PATIENCE_S,
                          input=json.dumps({"id": 1, "method": method}) + "\n", capture_output=True,
                          env={"PATH": os.environ["PATH"], "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"})
    assert "spans: created=1 sent=1" in done.stderr


class Store(Collector):
    """Takes what a collector passes on, in protobuf."""

    spans = ()  # of what is passed on, names will do

    def take(self, handler, raw):
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        body = json.loads(DECODER.decode(raw))
        self.requests += [span["name"] for resource in body["resourceSpans"] for scope in resource["scopeSpans"]
                          for span in scope["spans"]]
        handler.answer(200, b"")


def test_sampler_keeps_errors_and_a_part_of_the_rest(lab):
    store = lab.keep(Store())
    sampler = lab.keep(Running("sampler", lab.directory, SAMPLER_LISTEN=None, SAMPLER_LISTEN_HTTP=None,
                               DECISION_WAIT="1s", JAEGER_ENDPOINT=store.url))
    port = sampler.ports["SAMPLER_LISTEN_HTTP"]
    for number in range(6):
        trace(port, f"fine/{number}", {"id": 1, "result": 0})
        trace(port, f"failed/{number}", {"id": 1, "error": {"code": 1, "message": "no"}})
    failed = {f"failed/{number}" for number in range(6)}
    until(lambda: failed <= set(store.requests), "the failed ones", PATIENCE_S)
    assert len(set(store.requests) - failed) < 6  # each with a chance of 1 in 10


def test_jaeger_has_its_traces_after_a_restart(lab):
    def names(running):
        url = f"http://127.0.0.1:{running.ports['JAEGER_QUERY']}/api/operations?service=traced"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
                return [found["name"] for found in json.load(answer)["data"] or []]
        except urllib.error.HTTPError:
            return []

    places = {"JAEGER_DATA": lab.directory, "JAEGER_QUERY": None, "JAEGER_QUERY_GRPC": None, "JAEGER_LISTEN": None}
    first = Running("jaeger", lab.directory, **places)
    try:
        trace(first.ports["JAEGER_LISTEN"], "kept/here", {"id": 1, "result": 0})
        until(lambda: names(first) == ["kept/here"], "its span", PATIENCE_S)
    finally:
        first.close()
    second = lab.keep(Running("jaeger", lab.directory, **places))
    until(lambda: names(second) == ["kept/here"], "its span after a restart", PATIENCE_S)


def test_metrics_come_out_as_they_would_be_scraped(lab):
    """By the same names, of the same kinds."""
    def families(text):
        return set(re.findall(r"(?m)^# TYPE (\S+ \S+)", text)) - {"target_info gauge"}

    gateway = lab.keep(Running("gateway", lab.directory, without_balancing(lab.directory), GATEWAY_LISTEN=None,
                               METRICS_LISTEN=None))
    link = lab.link(args=[ADMIN], profile="generic", env={
        "OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "100",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{gateway.ports['GATEWAY_LISTEN']}"})
    link.call({"id": 1, "method": "thread/read"}, {"id": 1, "result": {}})

    def scraped():
        with urllib.request.urlopen(f"http://127.0.0.1:{gateway.ports['METRICS_LISTEN']}/metrics",
                                    timeout=PATIENCE_S) as answer:
            return answer.read().decode()

    until(lambda: re.search(r'rpc_server_call_duration_seconds_count{.*rpc_method="thread/read".*} 1\n', scraped()),
          "the request", PATIENCE_S)
    assert families(scraped()) == families(Operator.of(lab, link.sidespan).get("/metrics").body)
    assert link.finish() == 0
    assert link.sidespan.accounting("traffic")["metric_exports_failed"] == 0
