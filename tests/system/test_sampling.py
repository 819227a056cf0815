"""Sampling when spans end: what failed or took long is sent all the same; and not too many are."""

import json
import subprocess
import time

import pytest

from lib.process import BINARY
from lib.wait import until
from test_turns import TRACE, answer, ask, item, request, say, turn

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


SHARES = {"ping": 0, "fs/*": 0.5, "fs/read": 1, "*": 1e-9}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"


def test_methods_have_shares_of_their_own(lab):
    """Where a trace begins; what has a parent goes on as that does. The server is told which."""
    file = lab.write("shares.json", json.dumps({"sampling": {"methods": SHARES}}))
    link = lab.link("ws", collector=lab.collector(), args=[f"--config={file}"])
    asked = [("ping", None, 0), ("fs/read", None, 1), ("other", None, 0), ("ping", "01", 1), ("fs/read", "00", 0)]
    for number, (method, flags, sampled) in enumerate(asked):
        message = {"id": number, "method": method}
        if flags:
            message["trace"] = {"traceparent": PARENT + flags}
        told = json.loads(link.call(message, {"id": number, "result": {}}))["trace"]["traceparent"]
        assert int(told[-2:], 16) & 1 == sampled, (method, flags)
        assert (told[3:35] == PARENT[3:35]) == bool(flags)
    taken = 0
    for number in range(200):
        told = json.loads(link.call({"id": number, "method": f"fs/{number}"}, {"id": number, "result": {}}))
        taken += int(told["trace"]["traceparent"][-2:], 16) & 1
    assert 50 < taken < 150
    assert link.finish() == 0
    methods = [span.method for span in link.collector.spans]
    states = {span.method: span.trace_state for span in link.collector.spans}
    assert states["ping"] is None and states["fs/read"] == "ot=th:0"
    assert sorted(m for m in methods if m in ("ping", "fs/read", "other")) == ["fs/read", "ping"]
    assert len(methods) == taken + 2
    told = link.sidespan.accounting("traffic")
    assert (told["requests"], told["requests_sampled_out"]) == (205, 2 + 200 - taken)


def test_what_a_sampled_out_turn_begins_is_not_sent(lab):
    """All below the request that began it goes with it, and comes with it."""
    for share, names in (("0", []), ("1", ["app_server.dispatch turn_input", "app_server.request turn/start", "app_server.turn"])):
        link = lab.link("unix", collector=lab.collector(), args=[f"--sampling-methods=turn/start={share}"])
        message = request("turn/start")
        del message["trace"]
        link.client.send(message)
        link.server.recv()
        answer(link, {"turn": {"id": "u"}})
        say(link, turn("started"), turn("completed", status="completed"))
        assert link.finish() == 0
        assert sorted(span.name for span in link.collector.spans) == names


def test_what_was_kept_for_a_share_says_so(lab):
    """All that begins a trace, and all below it; a parent's tracestate goes on as it came."""
    link = lab.traced(args=["--sampler=parentbased_traceidratio", "--profile=codex"])
    link.client.send({"id": 1, "method": "turn/start", "params": {"threadId": "T"}})
    assert json.loads(link.server.recv())["trace"]["tracestate"] == "ot=th:0"
    answer(link, {"turn": {"id": "u"}})
    say(link, turn("started"), turn("completed", status="completed"))
    say(link, turn("started", "v"))  # nobody has asked for this one
    ask(link, "turn/start", 3)
    answer(link, {"turn": {"id": "w"}}, 3)
    say(link, turn("completed", "v", status="completed"), turn("started", "w"), turn("completed", "w", status="completed"))
    assert link.finish() == 0
    spans = link.collector.spans
    assert len(spans) == 7
    for span in spans:
        assert span.trace_state == ("a=1" if span.trace_id == TRACE else "ot=th:0"), span.name
    assert len({span.trace_id for span in spans}) == 3


def test_shares_that_are_none_are_refused(lab):
    file = lab.write("shares.json", '{\n"sampling.methods": {"ping": 2}}')
    done = subprocess.run([BINARY, f"--config={file}", "--", "cat"], env=lab.environment(), capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.decode() == (f"sidespan: error: {file}:2: sampling.methods: \"ping\": a share is not a number from 0 to 1; "
                                    "must be an object {METHOD: SHARE}\n")


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
