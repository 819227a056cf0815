"""Sampling when spans end: what failed or took long is sent all the same; and not too many are."""

import time

import pytest

from lib.wait import until
from test_turns import answer, ask, item, request, say, turn

OFF = ["--sampler=always_off"]


def call(link, number, reply):
    """A round trip; the server is told that the trace is not sampled."""
    told = link.call({"id": number, "method": f"m{number}"}, {"id": number, **reply})
    assert b"-00\"" in told or b"-02\"" in told or b"traceparent" not in told


def kept(link):
    return {span.method or span.name: span.attributes.get("sidespan.sampled_by")
            for span in link.collector.spans}


def test_errors_are_kept(lab):
    link = lab.link("unix", collector=lab.collector(), args=[*OFF, "--sampling-keep-errors"])
    call(link, 1, {"result": {}})
    call(link, 2, {"error": {"code": 1, "message": "no"}})
    link.call({"id": 3, "method": "m3"})
    assert link.finish() == 0
    assert kept(link) == {"m2": "error", "m3": "error"}
    assert all(not span.flags & 1 for span in link.collector.spans)
    assert link.sidespan.accounting() == {"created": 2, "sent": 2}
    assert link.sidespan.accounting("traffic")["spans_kept"] == 2


def test_nothing_is_kept_by_itself(lab):
    link = lab.link("unix", collector=lab.collector(), args=OFF)
    call(link, 1, {"error": {"code": 1, "message": "no"}})
    assert link.finish() == 0
    assert link.collector.spans == []


def test_slow_ones_are_kept(lab):
    link = lab.link("unix", collector=lab.collector(),
                    args=[*OFF, "--sampling-keep-slower-than=20ms"])
    link.client.send({"id": 1, "method": "m1"})
    link.server.recv()
    begun = time.monotonic()
    until(lambda: time.monotonic() > begun + 0.03, "the time to pass")
    link.server.send({"id": 1, "result": {}})
    link.client.recv()
    assert link.finish() == 0
    assert kept(link) == {"m1": "slow"}


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_turns_that_fail_are_kept(lab, status):
    """A turn of a trace that its client does not sample, and none of what lies in it."""
    link = lab.link("unix", collector=lab.collector(), args=["--sampling-keep-errors"])
    message = request("turn/start")
    message["trace"]["traceparent"] = message["trace"]["traceparent"][:-2] + "00"
    link.client.send(message)
    link.server.recv()
    answer(link, {"turn": {"id": "u"}})
    say(link, turn("started"), item("started"), item("completed", status="failed", exitCode=1),
        turn("completed", status=status))
    assert link.finish() == 0
    names = [span.name for span in link.collector.spans]
    assert names == (["app_server.turn"] if status == "failed" else [])


def test_requests_without_spans_are_not_kept(lab):
    link = lab.link("unix", collector=lab.collector(),
                    args=[*OFF, "--sampling-keep-errors", "--requests-record=m2"])
    call(link, 1, {"error": {"code": 1, "message": "no"}})
    call(link, 2, {"error": {"code": 1, "message": "no"}})
    assert link.finish() == 0
    assert kept(link) == {"m2": "error"}


def test_sampled_ones_are_not_marked(lab):
    link = lab.link("unix", collector=lab.collector(), args=["--sampling-keep-errors"])
    link.call({"id": 1, "method": "m1"}, {"id": 1, "error": {"code": 1, "message": "no"}})
    told = ask(link, "turn/start", 2)
    answer(link, {"turn": {"id": "u"}}, 2)
    assert told
    assert link.finish() == 0
    assert len(link.collector.spans) >= 2 and set(kept(link).values()) == {None}


def test_no_more_than_so_many_in_a_second(lab):
    begun = time.time()
    link = lab.link("unix", collector=lab.collector(), args=["--sampling-spans-per-second=5"])
    for number in range(100):
        link.call({"id": number, "method": "m"}, {"id": number, "result": {}})
    seconds = int(time.time()) - int(begun) + 1
    assert link.finish() == 0
    sent = link.sidespan.accounting()["sent"]
    assert 5 <= sent <= 5 * seconds
    assert link.sidespan.accounting("traffic")["spans_capped"] == 100 - sent
