"""Where spans hang: carriers good and bad, the environment, and codex's own spans below ours."""

import json

import pytest

from checks import (
    REQUEST,
    TURN,
    above,
    check_bytes,
    check_codex_spans,
    check_spans,
    codex_requests,
)
from codex import TRANSPORTS
from scenarios import SCENARIOS

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = "00-%s-%s-01" % (TRACE_ID, SPAN_ID)
ENV_TRACE_ID, ENV_SPAN_ID = "1af7651916cd43dd8448eb211c80319d", "c7ad6b7169203331"
ENVIRONMENT = {"TRACEPARENT": "00-%s-%s-01" % (ENV_TRACE_ID, ENV_SPAN_ID), "TRACESTATE": "env=1"}

ABSENT = {
    "null": "null",
    "empty": "{}",
    "nulls": '{"traceparent":null,"tracestate":null}',
    "state only": '{"tracestate":"a=1"}',
}
INVALID = {
    name: json.dumps({"traceparent": text})
    for name, text in {
        "garbage": "garbage",
        "no text": "",
        "no trace": "00-%s-%s-01" % ("0" * 32, SPAN_ID),
        "no span": "00-%s-%s-01" % (TRACE_ID, "0" * 16),
        "version ff": "ff" + PARENT[2:],
        "tail": PARENT + "-x",
        "upper case": PARENT.upper(),
    }.items()
} | {"number": '{"traceparent":5}', "string": '"%s"' % PARENT, "bare number": "7", "true": "true"}
VALID = {
    "plain": ('{"traceparent":"%s"}' % PARENT, ""),
    "state": ('{"tracestate":"a=1,b=2","traceparent":"%s"}' % PARENT, "a=1,b=2"),
    "next version": ('{"traceparent":"01-%s-more"}' % PARENT[3:], ""),
    "random flag": ('{"traceparent":"%s3"}' % PARENT[:-1], ""),
    "bad state": ('{"traceparent":"%s","tracestate":"===,,"}' % PARENT, ""),
    "extra member": ('{"traceparent":"%s","baggage":"k=v"}' % PARENT, ""),
}


def send_carriers(client, carriers):
    """One request per carrier, its name being the id; codex must answer every one of them."""
    for name, carrier in carriers.items():
        client.send(
            '{"id":"%s","trace":%s,"method":"thread/loaded/list","params":{}}' % (name, carrier)
        )
        assert "result" in client.wait_reply(name), name


def codex_turns(collector):
    return [span for span in collector.codex() if span.name == "session_task.turn"]


def wait_codex_spans(server, quiet=0):
    """codex exports a little later; its end would drop what it still has. `quiet`: not sampled."""
    collector = server.lab.collector
    requests = server.clients[0].requests()
    started = [request for request in requests if request.method == "turn/start" and request.result]
    expected = (len(requests) - quiet, len(started))
    assert collector.wait(
        lambda: (len(codex_requests(collector)), len(codex_turns(collector))) == expected, 10
    )


@pytest.mark.parametrize("environment", [{}, ENVIRONMENT], ids=["alone", "in a trace"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_carriers(lab, transport, environment):
    """
    A good carrier is the parent; a missing one leaves it to the environment; a bad one makes a new
    root. With the wrong types codex would not answer at all, so an answer shows the repair.
    """
    server = lab.serve(transport, otel=True, environment=environment)
    client = server.connect()
    send_carriers(client, ABSENT)
    send_carriers(client, INVALID)
    send_carriers(client, {name: carrier for name, (carrier, _) in VALID.items()})
    wait_codex_spans(server)
    assert server.stop() == 0
    check_bytes(server)
    check_codex_spans(server)
    spans = {span.attributes["rpc.request_id"]: span for span in lab.collector.ours()}
    for name in ABSENT:
        assert spans[name].parent_id == (ENV_SPAN_ID if environment else None), name
        assert spans[name].tracestate == ("env=1" if environment else ""), name
    for name in INVALID:
        assert (spans[name].parent_id, spans[name].tracestate) == (None, ""), name
        assert spans[name].trace_id not in (TRACE_ID, ENV_TRACE_ID), name
    for name, (_, state) in VALID.items():
        assert (spans[name].trace_id, spans[name].parent_id) == (TRACE_ID, SPAN_ID), name
        assert spans[name].tracestate == state, name
    assert server.sidespan.wait_log(r"sidespan: warn: .*thread/loaded/list")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_unsampled(lab, transport):
    """A trace that is not sampled: codex is told so, and nobody exports anything of it."""
    server = lab.serve(transport, otel=True)
    client = server.connect()
    send_carriers(client, {"quiet": '{"traceparent":"%s0","tracestate":"a=1"}' % PARENT[:-1]})
    send_carriers(client, {"loud": '{"traceparent":"%s"}' % ENVIRONMENT["TRACEPARENT"]})
    wait_codex_spans(server, quiet=1)
    assert server.stop() == 0
    check_bytes(server)
    check_codex_spans(server)
    assert [span for span in lab.collector.spans if span.trace_id == TRACE_ID] == []
    quiet = [json.loads(text)["trace"] for text in server.arrived() if '"quiet"' in text][0]
    version, trace_id, span_id, flags = quiet["traceparent"].split("-")
    assert (version, trace_id, flags, quiet["tracestate"]) == ("00", TRACE_ID, "00", "a=1")
    assert span_id != "0" * 16


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", ["turns", "errors", "traced", "approvals"])
def test_codex_spans(lab, transport, name):
    """codex's own turns are below ours: those that their requests have started."""
    server = lab.serve(transport, otel=True)
    SCENARIOS[name](server)
    wait_codex_spans(server)
    assert server.stop() == 0
    check_bytes(server)
    check_spans(server)
    check_codex_spans(server)
    by_id = {span.span_id: span for span in lab.collector.spans}
    for span in codex_turns(lab.collector):
        turn, request = above(span, by_id, TURN), above(span, by_id, REQUEST)
        assert above(turn, by_id, REQUEST) is request
        assert turn.attributes["turn.id"] == span.attributes["turn.id"]
        assert request.attributes["rpc.method"] == "turn/start"
