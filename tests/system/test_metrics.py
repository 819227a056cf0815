"""Metrics that are sent to a collector: the numbers of /metrics, as OTLP; what becomes of them when it is away."""

import re
import signal

import pytest

from lib.collector import hang, ok, status
from lib.metering import Metered
from lib.operator import ADMIN, Operator
from lib.wait import until

CALLS = "rpc.server.call.duration"
OFTEN = {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "20"}
ONCE = OFTEN | {"OTEL_METRIC_EXPORT_INTERVAL": "3600000"}


def metered(lab, *answers, **options):
    return lab.keep(Metered(*answers, **options))


def call(link, count):
    for number in range(count):
        link.call({"id": number, "method": "thread/read", "params": {}}, {"id": number, "result": {}})


@pytest.mark.parametrize("listen", ["unix", "stdio"])
def test_they_are_those_of_the_page(lab, listen):
    collector = metered(lab)
    link = lab.link(listen, args=[ADMIN], collector=collector, env=OFTEN)
    call(link, 3)
    export = collector.wait_export(lambda export: export.value(CALLS, rpc_method="thread/read") is not None and
                                   export.value(CALLS, rpc_method="thread/read")[0] == 3)
    told = Operator.of(lab, link.sidespan).metrics()
    families = {re.sub(r"_(bucket|sum|count)$", "", name) if "duration" in name else name for name, _ in told}
    assert {metric.family for metric in export.metrics.values()} == families
    assert (export.path, export.headers["Content-Type"]) == ("/v1/metrics", "application/json")
    calls = export.metrics[CALLS]
    (labels, (count, total)), = calls.points.items()
    assert dict(labels)["rpc.system.name"] == "jsonrpc" and count == 3 and 0 < total < 60
    assert calls.unit == "s" and len(calls.starts) == 1
    spans = {(span.trace_id, span.span_id) for span in collector.wait_spans(3)}
    assert {(found["traceId"], found["spanId"]) for found in calls.exemplars} <= spans and calls.exemplars
    assert export.value("sidespan.connections") == 1
    assert export.value("sidespan.open", type="request") == 0
    assert export.value("process.resident_memory") > 1e6
    assert export.resource == collector.spans[0].resource and export.scope == collector.spans[0].scope
    assert link.finish() == 0


def test_they_grow_from_one_start(lab):
    collector = metered(lab)
    link = lab.link(collector=collector, env=OFTEN)
    call(link, 1)
    first = collector.wait_export(lambda export: export.value(CALLS))
    call(link, 1)
    last = collector.wait_export(lambda export: export.value(CALLS) and export.value(CALLS)[0] == 2)
    assert first.metrics[CALLS].starts == last.metrics[CALLS].starts
    assert last.value("sidespan.metric_exports") >= 1


def test_the_last_are_sent_at_the_end(lab):
    collector = metered(lab)
    link = lab.link(collector=collector, env=ONCE)
    call(link, 2)
    assert not collector.exports
    assert link.finish() == 0
    export, = collector.exports
    assert export.value(CALLS)[0] == 2
    traffic = link.sidespan.accounting("traffic")
    assert traffic["metric_exports"] == 1 and traffic["metric_exports_failed"] == 0


def test_without_spans_and_without_being_asked(lab):
    """No exporter of traces, no admin.listen; what is not sampled counts."""
    collector = metered(lab)
    env = ONCE | {"OTEL_TRACES_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "always_off"}
    link = lab.link(collector=collector, env=env)
    call(link, 2)
    assert link.finish() == 0
    assert collector.exports[0].value(CALLS)[0] == 2 and not collector.requests


@pytest.mark.parametrize("env", [{}, ONCE | {"OTEL_SDK_DISABLED": "true"}, {"OTEL_METRICS_EXPORTER": "none"}])
def test_none_unless_they_are_wanted(lab, env):
    collector = metered(lab)
    link = lab.link(collector=collector, env=env)
    call(link, 1)
    assert link.finish() == 0
    assert not collector.exports


@pytest.mark.parametrize("env,found", [
    ({"HEADERS": "x-key=all"}, "all"),
    ({"HEADERS": "x-key=all", "METRICS_HEADERS": "x-key=ours"}, "ours"),
    ({"HEADERS": "x-key=all", "TRACES_HEADERS": "x-key=theirs"}, "all"),
    ({"TRACES_HEADERS": "x-key=theirs"}, None)])
def test_headers(lab, env, found):
    """Those for traces are none of it; a command gets none of them."""
    collector = metered(lab)
    env = {"OTEL_EXPORTER_OTLP_" + name: value for name, value in env.items()}
    link = lab.link("stdio", collector=collector, env=ONCE | env)
    call(link, 1)
    assert not {name for name in link.puppet.hello["env"] if name.endswith("HEADERS")}
    assert link.finish() == 0
    assert collector.exports[0].headers["x-key"] == found


@pytest.mark.parametrize("path,args", [("/ours", []), ("/v1/metrics", ["--otlp-endpoint={}/"])])
def test_endpoint(lab, path, args):
    """One for metrics is used as it is, unless what is stronger says another for all."""
    collector = metered(lab, path=path)
    env = ONCE | {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": collector.url + "/ours"}
    link = lab.link(args=[arg.format(collector.url) for arg in args], collector=collector, env=env)
    assert link.sidespan.wait_line(r", metrics to (\S+), server ")[1] == collector.url + path
    assert link.finish() == 0
    assert len(collector.exports) == 1


def test_compressed(lab):
    collector = metered(lab)
    link = lab.link(collector=collector, env=ONCE | {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"})
    assert link.finish() == 0
    assert collector.exports[0].headers["Content-Encoding"] == "gzip"
    assert int(collector.exports[0].headers["Content-Length"]) < len(collector.exports[0].raw) / 3


@pytest.mark.parametrize("answer,why", [
    (None, "Failed to connect"), (status(404), "status 404, no metrics are taken at this path"),
    (status(415), "status 415, no metrics are taken as JSON"), (status(503), "status 503")])
def test_collector_that_takes_none(lab, answer, why):
    """It costs a counter and one line."""
    collector = metered(lab, answer, start=answer is not None) if answer else metered(lab, start=False)
    link = lab.link(args=[ADMIN], env=OFTEN | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    operator = Operator.of(lab, link.sidespan)
    until(lambda: operator.metrics()["sidespan_metric_exports_failed_total", None] >= 3, "some that fail")
    call(link, 5)
    assert link.finish() == 0
    told, = link.sidespan.log("warn")
    assert told.startswith(f"collector {collector.url}/v1/metrics takes no metrics, ") and why in told
    traffic = link.sidespan.accounting("traffic")
    assert traffic["metric_exports_failed"] >= 4 and traffic["metric_exports"] == 0


def test_collector_that_comes_back(lab):
    collector = metered(lab, status(503), status(503), ok())
    link = lab.link(env=OFTEN | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    link.sidespan.wait_line("info: collector .*/v1/metrics takes metrics again")
    assert collector.wait_export(lambda export: export.value("sidespan.metric_exports_failed") >= 2)
    assert link.finish() == 0
    assert len(link.sidespan.log("warn")) == 1


def test_partial_success_is_told_once(lab):
    collector = metered(lab, ok(b'{"partialSuccess":{"rejectedDataPoints":"1","errorMessage":"too old"}}'))
    link = lab.link(env=OFTEN | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    until(lambda: len(collector.exports) >= 4, "some exports")
    assert link.finish() == 0
    told, = link.sidespan.log("warn")
    assert told.endswith("takes metrics, with a warning: too old")


def test_the_end_does_not_wait_for_ever(lab):
    collector = metered(lab, hang())
    link = lab.link(args=["--shutdown-timeout=50ms"], env=ONCE | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    assert link.finish() == 0
    assert link.sidespan.accounting("traffic")["metric_exports_failed"] == 1
    assert "no answer in time" in link.sidespan.log("warn")[0]


def test_one_that_hangs_is_given_up_in_time(lab):
    """Those that would have to wait for it are none: the newest is."""
    collector = metered(lab, hang(), ok())
    link = lab.link(args=["--otlp-timeout=200ms"], env=OFTEN | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    link.sidespan.wait_line("takes metrics again")
    assert collector.exports[1].value("sidespan.metric_exports_failed") >= 1
    assert link.finish() == 0
    assert link.sidespan.accounting("traffic")["metric_exports_failed"] >= 2


def test_other_settings(lab):
    """Where they go is read again; whether and how often, at the start."""
    before, after = metered(lab), metered(lab)
    settings = lab.write("s.json", f'{{"otlp.endpoint": "{before.url}"}}')
    link = lab.link(args=["--config=" + settings], env=OFTEN)
    before.wait_export(lambda export: True)
    lab.write("s.json", f'{{"otlp.endpoint": "{after.url}"}}')
    link.sidespan.signal(signal.SIGHUP)
    after.wait_export(lambda export: export.value("sidespan.reloads") == 1)
    count = len(before.exports)
    until(lambda: len(after.exports) > 3, "more of them")
    assert len(before.exports) == count
    assert link.finish() == 0
