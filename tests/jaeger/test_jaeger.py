"""What Jaeger has of us is what we sent, and its page can make sense of it."""

import json
import os
import pathlib
import re
import subprocess
import urllib.parse

import pytest

from codex import Lab, codex_path
from jaeger import ROOT, UI, Tee, until
from path import critical_path

SIDESPAN = os.path.abspath(os.environ.get("SIDESPAN", ROOT + "/build/release/sidespan"))
DEMO_BIN = pathlib.Path(os.environ.get("DEMO_BIN", ROOT + "/build/release/tests/demo")).resolve()
KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
STATUS = ["UNSET", "OK", "ERROR"]
OPERATIONS_MAX = 40
"""A list that a person can look through."""


def number(value, names, prefix):
    """Of an enum, by number or by name."""
    return value if isinstance(value, int) else names.index(value.removeprefix(prefix))


def attributes(pairs):
    return {pair["key"]: pair["value"] for pair in pairs}


def told_once(pairs, sent):
    """Without the keys that were sent twice, as some of codex's are: Jaeger keeps one of them."""
    keys = [pair["key"] for pair in sent]
    return {pair["key"]: pair["value"] for pair in pairs if keys.count(pair["key"]) == 1}


def normal(span, resource, scope):
    """All that was said of a span, in one way where OTLP JSON has several."""
    status = span.get("status", {})
    return {
        "ids": (span["traceId"], span["spanId"], span.get("parentSpanId", "")),
        "tracestate": span.get("traceState", ""), "flags": span.get("flags", 0),
        "name": span["name"], "kind": number(span["kind"], KINDS, "SPAN_KIND_"),
        "times": (int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])),
        "status": (number(status.get("code", 0), STATUS, "STATUS_CODE_"),
                   status.get("message", "")),
        "attributes": span.get("attributes", []),
        # Jaeger puts neither in order
        "events": sorted(((int(event["timeUnixNano"]), event["name"],
                           attributes(event.get("attributes", [])))
                          for event in span.get("events", [])), key=lambda event: event[:2]),
        "links": sorted((link["traceId"], link["spanId"]) for link in span.get("links", [])),
        "dropped": (span.get("droppedAttributesCount", 0), span.get("droppedEventsCount", 0)),
        "scope": (scope.get("name", ""), scope.get("version", "")),
        "resource": attributes(resource["attributes"]),
    }


def by_trace(sent):
    traces = {}
    for each in sent:
        traces.setdefault(each[0]["traceId"], []).append(each)
    return traces


def check(jaeger, sent):
    """Everything that holds for whatever was sent, all of it having arrived: field by field the
    same, so that no clock was moved and nothing warned of. The names of spans by service."""
    services = {}
    for trace_id, spans in by_trace(sent).items():
        expected = sorted((normal(*each) for each in spans), key=lambda span: span["ids"])
        until(lambda: len(jaeger.trace(trace_id)) >= len(spans), "spans of %s" % trace_id)
        found = sorted((normal(*each) for each in jaeger.trace(trace_id)),
                       key=lambda span: span["ids"])
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            ours = [span.pop("attributes") for span in (one, other)]
            assert told_once(ours[0], ours[1]) == told_once(ours[1], ours[1])
            assert one == other
        check_tree(expected)
        for span in expected:
            service = span["resource"]["service.name"]["stringValue"]
            services.setdefault(service, set()).add(span["name"])
    for service, names in services.items():
        assert service in jaeger.services()
        assert names <= set(jaeger.operations(service))
    return services


def check_tree(spans):
    """One root, no parent missing."""
    ids = {span["ids"][1] for span in spans}
    above = [span["ids"][2] for span in spans]
    assert above.count("") == 1 and set(above) <= ids | {""}


def test_a_moved_clock_would_be_seen(jaeger):
    """What check() relies on: without host.name Jaeger moves a child that starts before its parent,
    and says so."""
    times = [(1795996002000000000, 1795996002900000000), (1795996001900000000, 1795996002100000000)]
    spans = [{"traceId": "5" * 32, "spanId": str(number) * 16, "name": "n", "kind": 1,
              "startTimeUnixNano": str(start), "endTimeUnixNano": str(end),
              **({"parentSpanId": "1" * 16} if number > 1 else {})}
             for number, (start, end) in enumerate(times, 1)]
    jaeger.post({"resourceSpans": [{"resource": {"attributes": [
        {"key": "service.name", "value": {"stringValue": "skewed"}}]},
        "scopeSpans": [{"scope": {}, "spans": spans}]}]})
    until(lambda: len(jaeger.trace("5" * 32)) == 2, "the spans")
    child, = [span for span, _, _ in jaeger.trace("5" * 32) if span["spanId"] == "2" * 16]
    assert int(child["startTimeUnixNano"]) != times[1][0]
    assert "@jaeger@warnings" in attributes(child["attributes"])


# --- the demo

def run_demo(tee, *options):
    """What the demo's client and sidespan sent."""
    environment = {"PATH": os.environ["PATH"], "DEMO_REPORT": tee.url,
                   "OTEL_EXPORTER_OTLP_ENDPOINT": tee.url}
    command = [DEMO_BIN / "agent_client", "--", SIDESPAN, "--profile", "codex", "--service-name",
               "sidespan-demo", *options, "--", DEMO_BIN / "agent_server"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return tee.sent()


def test_demo(jaeger, tee):
    sent = run_demo(tee)
    services = check(jaeger, sent)
    assert set(services) == {"demo-client", "sidespan-demo"}
    assert len(services["sidespan-demo"]) <= OPERATIONS_MAX
    assert len(by_trace(sent)) == 6


def of_trace(jaeger, sent, name):
    """Jaeger's spans of the trace that has a span of that name."""
    trace_id, = {span["traceId"] for span, _, _ in sent if span["name"] == name}
    until(lambda: len(jaeger.trace(trace_id)) == len(by_trace(sent)[trace_id]), name)
    return [span for span, _, _ in jaeger.trace(trace_id)]


def section_names(path):
    return list(dict.fromkeys(name for name, _, _ in path))


@pytest.mark.parametrize("below", ["dispatch", "client"])
def test_critical_path(jaeger, tee, below):
    """It covers the client's span without a gap. A turn is cut to what it hangs below: what it did
    after its dispatch is on the path only if it hangs below the client's span: the tool, as the last text
    takes no time where its messages come at once."""
    spans = of_trace(jaeger, run_demo(tee, f"--lifecycle-turn-below={below}"), "ask for a build")
    path = critical_path(spans)
    root, = [span for span in spans if not span.get("parentSpanId")]
    assert path[0][1] == int(root["startTimeUnixNano"]) // 1000
    assert abs(path[-1][2] - int(root["endTimeUnixNano"]) // 1000) <= 1
    assert all(before[2] == after[1] for before, after in zip(path, path[1:]))
    assert ("commandExecution make" in section_names(path)) == (below == "client"), section_names(path)
    if below == "client":
        check_order(path)


def check_order(path):
    """What the turn did, one after the other; the person who was waited for, too. A model's call ends
    when the command begins: whether it or the reasoning in it comes before depends on how both round
    to microseconds."""
    order = [("chat", "reasoning"), ("approval",), ("commandExecution",)]
    starts = [min((start for name, start, _ in path if any(word in name for word in words)), default=None)
              for words in order]
    assert None not in starts, section_names(path)
    assert starts[0] < starts[1] and starts[0] < starts[2]
    assert all(start > max(starts) for name, start, _ in path if "agentMessage" in name)


# --- docker/jaeger/ui.json

def test_links(jaeger, tee):
    """Jaeger takes them into its page; each leads to the trace of the span that has it, at least."""
    if not jaeger.process:
        pytest.skip("the Jaeger at JAEGER_URL has settings of its own")
    with open(UI, encoding="utf8") as file:
        links = json.load(file)["linkPatterns"]
    told, = re.findall("JAEGER_CONFIG = (.*);", jaeger.page())
    assert json.loads(told) == {"linkPatterns": links}
    sent = run_demo(tee, "--service-name", "codex-sidespan")
    check(jaeger, sent)
    seen = set()
    for span, _, _ in sent:
        given = attributes(span.get("attributes", []))
        for link in links:
            if link["type"] == "tags" and link["key"] in given:
                found = follow(jaeger, link["url"], given)
                assert span["traceId"] in found, (link["url"], given)
                seen.add(link["key"])
    assert {"thread.id", "turn.id", "app_server.client_name"} <= seen


def follow(jaeger, url, given):
    """The ids of the traces that a link leads to."""
    def value(match):
        return urllib.parse.quote(given[match[1]]["stringValue"])

    split = urllib.parse.urlsplit(re.sub(r"#\{([^}]*)\}", value, url))
    assert split.path == "/search"
    return jaeger.search(**dict(urllib.parse.parse_qsl(split.query)))


# --- the real codex

@pytest.fixture
def lab(jaeger):
    """As in tests/real, with the tee for its collector."""
    try:
        codex_path()
    except AssertionError as missing:
        pytest.skip(str(missing))
    made = Lab()
    made.collector.close()
    made.collector = Tee(jaeger.otlp)
    yield made
    made.close()


def tasks(sent):
    return [span for span, _, _ in sent if span["name"] == "session_task.turn"]


@pytest.mark.parametrize("otel", [False, True], ids=["alone", "with codex's own"])
def test_codex(jaeger, lab, otel):
    server = lab.serve("stdio", otel=otel)
    client = server.connect()
    thread = client.start_thread()
    client.turn(thread, "<reason>")
    client.turn(thread, "<run touch file>")
    client.turn(thread, "<fail>", "failed")
    if otel:  # it exports a little later, and its end would drop what it still has
        until(lambda: len(tasks(lab.collector.sent())) == 3, "codex's own spans")
    server.stop()
    services = check_session(jaeger, lab.collector.sent(), otel)
    assert len(services["codex-sidespan"]) <= OPERATIONS_MAX
    assert len(services) == 1 + otel


def check_session(jaeger, sent, otel):
    """As check(), for all traces that sidespan has spans of; codex has others of its own."""
    ours = {span["traceId"] for span, resource, _ in sent
            if attributes(resource["attributes"])["service.name"]["stringValue"] == "codex-sidespan"}
    if otel:
        hosts = {attributes(resource["attributes"]).get("host.name", {}).get("stringValue")
                 for span, resource, _ in sent if span["traceId"] in ours}
        assert len(hosts) == 1 and None not in hosts, hosts
    return check(jaeger, [each for each in sent if each[0]["traceId"] in ours])
