"""Attributes that are no profile's: of the settings, of the client's handshake, of its baggage."""

import json
import re
import subprocess

import pytest

from lib.lab import address_of
from lib.peer import Dialing
from lib.process import BINARY
from lib.stream import connect

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def turn(link, baggage):
    """A turn with an item, asked for by a request with that baggage."""
    carrier = {"traceparent": TRACE}
    if baggage is not None:
        carrier["baggage"] = baggage
    link.call({"id": 1, "method": "turn/start", "params": {"threadId": "T"}, "trace": carrier},
              {"id": 1, "result": {"turn": {"id": "u", "status": "inProgress"}}})
    for method, params in (
            ("item/started", {"item": {"id": "i", "type": "agentMessage"}}),
            ("item/completed", {"item": {"id": "i", "type": "agentMessage"}}),
            ("turn/completed", {"turn": {"id": "u", "status": "completed"}})):
        link.server.send({"method": method, "params": {"threadId": "T", "turnId": "u", **params}})
        link.client.recv()


def seen(link, *names):
    """{name of the span: what it has of these}, and the counters."""
    link.finish()
    said = [line for line in link.sidespan.log("info") if line.startswith("traffic:")]
    return {span.name.split()[0]: {name: span.attributes[name] for name in names
                                   if name in span.attributes} for span in link.collector.spans}, \
        dict(re.findall(r"(\w+)=(\d+)", said[-1]))


SPANS = {"app_server.request", "app_server.turn", "agentMessage"}


def test_of_the_settings(lab):
    config = lab.write("c.json", '{"span.attributes": {"user.id": "${WHO}", "team": "a=b"}}')
    link = lab.traced("ws", args=["--config", config], env={"WHO": "ann"})
    turn(link, None)
    found, _ = seen(link, "user.id", "team")
    for name in SPANS | {"app_server.dispatch"}:
        assert found[name] == {"user.id": "ann", "team": "a=b"}, name


@pytest.mark.parametrize("baggage, expected, invalid", [
    ("user.id=ann%20b;p=1, tenant=7 ,secret=x", {"user.id": "ann b", "tenant": "7"}, None),
    ("user.id=a,user.id=b", {"user.id": "a"}, None),
    ("user.id=a,=,tenant=b", {"user.id": "a", "tenant": "b"}, "1"),
    ("secret=1", {}, None),
    ("", {}, None),
    (None, {}, None),
    (["user.id=a"], {}, "1"),
    ("user.id=" + 300 * "y", {"user.id": 253 * "y" + "\u2026"}, None),
    ("user.id=a," + 8192 * "x" + "=1,tenant=b", {"user.id": "a"}, "1"),
    (",".join(f"k{n}=1" for n in range(64)) + ",user.id=late", {}, "1"),
])
def test_of_baggage(lab, baggage, expected, invalid):
    link = lab.traced("unix", args=["--baggage-attributes=user.id,tenant"])
    turn(link, baggage)
    found, counters = seen(link, "user.id", "tenant", "secret")
    for name in SPANS | {"app_server.dispatch"}:
        assert found[name] == expected, name
    assert counters.get("baggages_invalid") == invalid


@pytest.mark.parametrize("extract, request_, expected", [
    # it is that of the carrier that counts, wherever it stands
    ("/trace,/params/_meta/*", {"params": {"_meta": {"traceparent": TRACE,
                                                     "baggage": "user.id=ann"}}}, "ann"),
    ("/trace,/params/_meta/*", {"trace": {"traceparent": TRACE, "baggage": "user.id=bob"},
                                "params": {"_meta": {"traceparent": TRACE,
                                                     "baggage": "user.id=ann"}}}, "bob"),
    ("/trace,/params/_meta/*", {"trace": {"traceparent": TRACE},
                                "params": {"_meta": {"baggage": "user.id=ann"}}}, None),
    ("/trace,/params/_meta/*", {"trace": {"baggage": "user.id=bob"},
                                "params": {"_meta": {"traceparent": TRACE}}}, None),
    # without one, the first that there is
    ("/trace,/params/_meta/*", {"params": {"_meta": {"baggage": "user.id=ann"}}}, "ann"),
    ("/trace,/params/_meta/*", {"trace": {"baggage": "user.id=bob"},
                                "params": {"_meta": {"baggage": "user.id=ann"}}}, "bob"),
    # no parent is wanted, but baggage is, where our carrier goes
    ("none", {"trace": {"traceparent": TRACE, "baggage": "user.id=bob"}}, "bob"),
    ("/params/_meta/*", {"trace": {"baggage": "user.id=bob"}}, None),
])
def test_baggage_of_a_place(lab, extract, request_, expected):
    link = lab.traced("unix", args=["--baggage-attributes=user.id", "--propagation-inject=/trace",
                                    "--propagation-extract=" + extract])
    link.call({"id": 1, "method": "m", **request_}, {"id": 1, "result": {}})
    found, _ = seen(link, "user.id")
    assert found == {"app_server.request": {"user.id": expected} if expected else {}}


def test_no_baggage_unless_asked(lab):
    link = lab.traced("unix")
    turn(link, "user.id=ann,=")
    found, counters = seen(link, "user.id")
    assert not any(found.values()) and "baggages_invalid" not in counters


@pytest.mark.parametrize("upstream, args, expected", [
    ("ws", (), {"user.id": "ann", "agent": "Bearer " + "abcdefgh" * 4}),
    ("stdio", (), {"user.id": "ann", "agent": "Bearer " + "abcdefgh" * 4}),
    ("ws", ("--listen-token-file", "TOKEN"), {"user.id": "ann"}),
])
def test_of_the_handshake(lab, upstream, args, expected):
    profile = lab.write("p.json", json.dumps({"name": "p", "captures": [
        {"from": "request", "pointer": "header:X-User", "attribute": "user.id", "keep": "connection"},
        {"from": "request", "pointer": "header:authorization", "attribute": "agent",
         "keep": "connection"}]}))
    args = [lab.write("t", "abcdefgh" * 4 + "\n") if word == "TOKEN" else word for word in args]
    if upstream == "stdio":
        link_args = ["--profile", profile, *args, "--listen=ws://127.0.0.1:0", "--",
                     *lab.puppets.command()]
    else:
        backend = lab.backend("ws")
        link_args = ["--profile", profile, *args, "--listen=ws://127.0.0.1:0",
                     "--upstream=" + backend.url]
    collector = lab.collector()
    sidespan = lab.sidespan(*link_args, collector=collector)
    client = Dialing(lab.keep(connect(address_of(sidespan.url()))), fields=(
        ("X-User", "ann"), ("x-user", "bob"), ("Authorization", "Bearer " + "abcdefgh" * 4)))
    server = lab.puppets.accept().peer if upstream == "stdio" else backend.accept_peer()
    client = client.finish()
    client.send({"id": 1, "method": "m"})
    server.recv()
    server.send({"id": 1, "result": {}})
    client.recv()
    client.close()
    sidespan.stop()
    span, = collector.spans
    assert {name: span.attributes[name] for name in ("user.id", "agent")
            if name in span.attributes} == expected


@pytest.mark.parametrize("args, parent", [
    ((), TRACE), (("--propagation-extract=/trace",), None), (("--propagation-trust=restart",), None)])
def test_a_context_of_the_handshake(lab, args, parent):
    """The parent of requests that have none of their own, on this connection alone."""
    link = lab.traced("ws", args=args)
    link.client.close()
    client = link.dial(fields=(("traceparent", TRACE), ("tracestate", "a=1")))
    server = link.backend.accept_peer()
    client, other = client.finish(), TRACE.replace("4", "5")
    received = [json.loads(link.call(request, {"id": request["id"], "result": {}}, client, server))["trace"]
                for request in ({"id": 1, "method": "a"}, {"id": 2, "method": "b"},
                                {"id": 3, "method": "c", "trace": {"traceparent": other}})]
    spans = [link.collector.span(method) for method in "abc"]
    for span, carrier in zip(spans, received):
        assert carrier["traceparent"][:-3] == f"00-{span.trace_id}-{span.span_id}"
    if parent is None:
        assert [span.parent_id for span in spans[:2]] == [None, None] and not spans[2].links
        return
    assert {(span.trace_id, span.parent_id, span.trace_state) for span in spans[:2]} == {
        (TRACE[3:35], TRACE[36:52], "a=1")}
    assert (spans[2].trace_id, spans[2].parent_id) == (other[3:35], other[36:52])
    assert [(link["traceId"], link["spanId"]) for link in spans[2].links] == [(TRACE[3:35], TRACE[36:52])]


def test_what_the_handshake_says_stands_on_all(lab):
    profile = lab.write("p.json", json.dumps({"name": "p", "extends": "codex", "captures": [
        {"from": "request", "pointer": "header:X-User", "attribute": "user.id",
         "keep": "connection"}]}))
    link = lab.traced("ws", profile=profile)
    link.client.close()
    client = link.dial(fields=(("X-User", "ann"),))
    link.server = link.backend.accept_peer()
    link.client = client.finish()
    turn(link, None)
    found, _ = seen(link, "user.id")
    assert found == {name: {"user.id": "ann"} for name in SPANS | {"app_server.dispatch"}}


@pytest.mark.parametrize("flag, why", [
    ("--baggage-attributes=a b", "one is not a token, or longer than 128 bytes"),
    ("--baggage-attributes=" + 129 * "k", "one is not a token, or longer than 128 bytes"),
    ("--baggage-attributes=" + ",".join("abcdefghi"), "too many"),
    ("--span-attributes=" + ",".join(f"k{n}=1" for n in range(9)), "too many pairs"),
])
def test_what_is_refused(lab, flag, why):
    done = subprocess.run([BINARY, flag, "--check"], capture_output=True, check=False,
                          env=lab.environment())
    assert done.returncode == 2 and why in done.stderr.decode()
