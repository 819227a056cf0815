"""Spans in protobuf: the same spans as in JSON, to Google's own reader; and what a collector says."""

import re
import subprocess

import pytest

from lib import collector as answers
from lib.wait import until
from test_turns import whole_turn

pytestmark = pytest.mark.skipif(
    subprocess.run(["/usr/bin/python3", "-c", "import google.protobuf"], check=False,
                   capture_output=True).returncode != 0, reason="no python3-protobuf")

BINARY = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
CHANGING = re.compile(r"_ms$|time_to_first|instance.id|process.pid")


def converse(lab, *args, env=None):
    """Requests of all ends, odd texts, and a turn with events: the spans."""
    link = lab.link("unix", collector=lab.collector(),
                    args=["--lifecycle-announce-after=0", "--semconv=rpc/dup", *args], env=env)
    link.call({"id": 1, "method": "thread/list"}, {"id": 1, "result": {}})
    link.call({"id": 2, "method": "ä\u0001\U0001f600"},
              {"id": 2, "error": {"code": -32600, "message": "no\n" + "x" * 300}})
    link.call(b'{"id":3,"method":"\xff\xfe\\ud800\\u0000"}', {"id": 3, "result": 1})
    link.call({"id": 4, "method": "never answered"})
    whole_turn(link)
    link.client.close()
    link.server.expect_eof()  # so that it is always the client that ends it
    assert link.finish() == 0
    return link


def outline(spans):
    """Each span without what differs from run to run."""
    names = {span.span_id: span.name for span in spans}

    def outline_of(value):
        if isinstance(value, list):
            return [outline_of(part) for part in value]
        if not isinstance(value, dict):
            return value
        if CHANGING.search(str(value.get("key", ""))):
            return value["key"], list(value["value"])
        return {name: names.get(part, "one from outside") if name in ("spanId", "parentSpanId") else
                0 if name in ("traceId", "startTimeUnixNano", "endTimeUnixNano", "timeUnixNano")
                else outline_of(part) for name, part in value.items()}

    return sorted((outline_of(span.raw) for span in spans), key=str), sorted(
        {(str(span.resource.keys()), str(span.scope)) for span in spans})


def test_the_same_spans_as_in_json(lab):
    json_spans = converse(lab).collector.spans
    link = converse(lab, env=BINARY)
    assert {request.headers["Content-Type"] for request in link.collector.requests} == {
        "application/x-protobuf"}
    assert len(json_spans) > 7 and any(span.events for span in json_spans)
    assert outline(link.collector.spans) == outline(json_spans)


def test_sizes(lab):
    """It is what it is for."""
    json_size = sum(request.size for request in converse(lab).collector.requests)
    link = converse(lab, "--otlp-protocol=http/protobuf")
    assert sum(request.size for request in link.collector.requests) < 0.75 * json_size


def test_compressed(lab):
    link = converse(lab, "--otlp-compression=gzip", env=BINARY)
    assert link.collector.requests[0].headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("body, rejected, said", [
    (b"", 0, None), (b"\n\x02\x08\x02", 2, "no reason given"), (b"{}", 0, None),
    (b"\n\x07\x08\x01\x12\x03odd", 1, "odd"), (b"\n\x05\x12\x03odd", 0, "odd"),
    (b'{"partialSuccess":{"rejectedSpans":"2"}}', 2, "no reason given"),
    (b"<html>", 0, "its answer is not OTLP in protobuf: is it a collector?"),
])
def test_partial_success(lab, body, rejected, said):
    link = lab.link("unix", collector=lab.collector(answers.ok(body)), env=BINARY,
                    args=["--batch-spans-max=3", "--batch-delay=1h"])
    for number in range(3):
        link.call({"id": number, "method": "m"}, {"id": number, "result": 1})
    link.collector.wait_requests(1)
    assert link.finish() == 0
    count = link.sidespan.accounting()
    assert (count["sent"], count["rejected"]) == (3 - rejected, rejected)
    assert [line for line in link.sidespan.log("warn")] == [] if said is None else \
        link.sidespan.log("warn")[0].endswith(said)


def test_status_in_protobuf(lab):
    link = lab.link("unix", collector=lab.collector(answers.status(400, b"\x08\x03\x12\x05wrong")),
                    env=BINARY)
    link.call({"id": 1, "method": "m"}, {"id": 1, "result": 1})
    link.sidespan.wait_line("status 400: wrong$")
    assert link.finish() == 0


@pytest.mark.parametrize("first", ["http/json", "http/protobuf"])
def test_what_a_former_process_has_spooled(lab, first):
    """It is sent as it was written, whatever the settings are now; and halved, if need be."""
    directory = lab.path("spool")
    args = [f"--spool-directory={directory}", "--batch-delay=1h", "--retry-initial=10ms"]
    link = lab.link("unix", collector=lab.collector(start=False),
                    args=[*args, f"--otlp-protocol={first}"])
    for number in range(6):
        link.call({"id": number, "method": f"m{number}"}, {"id": number, "result": 1})
    assert link.finish() == 0
    other = "http/json" if first == "http/protobuf" else "http/protobuf"
    again = lab.link("unix", collector=lab.collector(answers.status(413), answers.ok()),
                     args=[*args, f"--otlp-protocol={other}"])
    again.call({"id": 6, "method": "m6"}, {"id": 6, "result": 1})
    until(lambda: len(again.collector.spans) == 6, "the old spans")
    assert again.finish() == 0
    assert [len(request.spans) for request in again.collector.requests] == [6, 3, 3, 1]
    assert len({request.headers["Content-Type"] for request in again.collector.requests}) == 2
    assert sorted(span.method for span in again.collector.spans) == [f"m{n}" for n in range(7)]
