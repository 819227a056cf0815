"""Many, large, deep, slow: whatever a peer can grow has a bound, and the bound does no harm."""

import collections
import os
import re
import resource

import pytest

from lib.carrier import check_injected
from lib.lab import KINDS
from lib.process import is_sanitized
from lib.wait import Background, Deadline, TimedOut, until

MIB = 1 << 20


def test_more_requests_in_flight_than_the_table_holds(lab):
    link = lab.traced("tcp", args=["--batch-queue-max=100000"])
    count = 5000
    sending = Background(lambda: [link.client.send('{"id":%d,"method":"m"}' % number)
                                  for number in range(count)])
    for _ in range(count):
        link.server.recv()
    sending.result()
    answering = Background(lambda: [link.server.send('{"id":%d,"result":1}' % number)
                                    for number in reversed(range(count))])
    for number in reversed(range(count)):
        assert link.client.recv() == b'{"id":%d,"result":1}' % number
    answering.result()
    spans = link.collector.wait_spans(count)
    reasons = [span.end_reason for span in spans]
    assert reasons.count("answered") == 4096 and reasons.count("evicted") == count - 4096
    assert {int(span.request_id) for span in spans} == set(range(count))


def send_requests(client, server, first, count):
    """That many requests, which reach the server."""
    data = b"".join(b'{"id":%d,"method":"m"}\n' % number for number in range(first, first + count))
    sending = Background(client.stream.write, data)
    for number in range(first, first + count):
        assert server.recv().startswith(b'{"id":%d,' % number)
    sending.result()


def test_requests_in_flight_cost_little(lab):
    link = lab.link("tcp", args=["--inflight-max=1000000"])
    send_requests(link.client, link.server, 0, 1000)
    before = int(link.sidespan.status("VmRSS")) * 1024
    count = 60_000
    send_requests(link.client, link.server, 1000, count)
    if not is_sanitized():
        assert int(link.sidespan.status("VmRSS")) * 1024 - before < 300 * count


def test_requests_in_flight_have_a_bound_in_sum(lab):
    """Who has most loses its oldest; what others wait for is not touched."""
    link = lab.traced("tcp", args=["--inflight-max=1000000", "--inflight-bytes-max=1MiB",
                                   "--batch-queue-max=100000"])
    modest = link.open()
    send_requests(*modest, 0, 500)
    count = 20_000
    send_requests(link.client, link.server, 0, count)
    answers = b"".join(b'{"id":%d,"result":1}\n' % number for number in range(500))
    modest[1].stream.write(answers)
    assert modest[0].stream.read_exactly(len(answers)) == answers
    link.call({"id": count, "method": "last"}, {"id": count, "result": 1})
    link.client.close()
    modest[0].close()
    link.sidespan.stop()
    spans = link.collector.spans
    reasons = collections.Counter(span.end_reason for span in spans)
    assert len(spans) == count + 501 and reasons["answered"] == 501
    assert reasons["evicted"] == link.sidespan.accounting("traffic")["evicted_for_room"]
    kept = count - reasons["evicted"]
    assert (1 << 20) // 400 < kept < (1 << 20) // 200
    evicted = [int(span.request_id) for span in spans if span.end_reason == "evicted"]
    assert evicted == list(range(len(evicted)))  # the oldest, and in this order


def test_pipelined_requests_keep_their_order(lab):
    link = lab.traced("ws", args=["--batch-queue-max=100000"])
    count = 3000

    def answer():
        for number in range(count):
            text = link.server.recv()
            assert text.startswith(b'{"id":%d,' % number)
            link.server.send(b'{"id":%d,"result":1}' % number)

    answering = Background(answer)
    sending = Background(lambda: [link.client.send('{"id":%d,"method":"m"}' % number)
                                  for number in range(count)])
    for number in range(count):
        assert link.client.recv() == b'{"id":%d,"result":1}' % number
    answering.result()
    sending.result()
    assert {span.end_reason for span in link.collector.wait_spans(count)} == {"answered"}


@pytest.mark.parametrize("kind", ["tcp", "ws+unix"])
def test_many_connections(lab, kind):
    link = lab.traced(kind)
    pairs = [link.open() for _ in range(150)]
    for number, (client, server) in enumerate(pairs):
        link.call({"id": 1, "method": f"m{number}"}, {"id": 1, "result": number}, client, server)
    spans = link.collector.wait_spans(150)
    assert len({span.attributes["app_server.connection_id"] for span in spans}) == 150
    before = len(os.listdir(f"/proc/{link.sidespan.pid}/fd"))
    for client, server in pairs:
        client.close()
        server.close()
    until(lambda: len(os.listdir(f"/proc/{link.sidespan.pid}/fd")) <= before - 300,
          "descriptors closed")


def test_out_of_descriptors(lab):
    """Accepting pauses, without burning the processor, and goes on when there is room."""
    link = lab.link("tcp", preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48)))
    waiting, served = [], []
    while len(waiting) + len(served) < 40:
        client = link.dial()
        client.send('{"id":1,"method":"hello"}')
        waiting.append(client)
    while True:
        try:
            server = link.backend.accept_peer(0.3)
        except TimedOut:
            break
        server.recv()
        served.append(server)
    assert 5 <= len(served) < 40
    link.sidespan.wait_line("sidespan: warn: .*(descriptor|accept)")
    link.call('{"id":1,"method":"still served"}', '{"id":1,"result":1}')
    assert idle_share(link.sidespan) < 0.3
    link.client.close()
    link.server.expect_eof()
    link.server.close()
    link.backend.accept_peer().recv()
    for server in served:
        server.close()
    for _ in range(40 - len(served) - 1):
        server = link.backend.accept_peer()
        server.recv()
        server.close()
    assert len(link.sidespan.log("warn")) < 20


def idle_share(program):
    """How much of one processor the program uses while nothing happens."""
    window = Deadline(0.4)
    before = program.cpu_seconds()
    with pytest.raises(TimedOut):
        until(lambda: False, "nothing", window.seconds)
    return (program.cpu_seconds() - before) / window.seconds


@pytest.mark.parametrize("listen", KINDS)
def test_idle_conversation_uses_no_processor(lab, listen):
    link = lab.traced(listen)
    link.call('{"id":1,"method":"m"}', '{"id":1,"result":1}')
    link.collector.wait_spans(1)
    assert idle_share(link.sidespan) < 0.1


@pytest.mark.parametrize("listen", ["tcp", "ws", "stdio"])
def test_stuck_conversation_uses_no_processor(lab, listen):
    link = lab.link(listen)
    link.server.stream.send_some(link.server.frame("x" * 10000) * 2000, 0.1)
    link.client.stream.send_some(link.client.frame("x" * 10000) * 2000, 0.1)
    assert idle_share(link.sidespan) < 0.1


def test_half_closed_conversation_uses_no_processor(lab):
    link = lab.link("tcp")
    link.client.close_write()
    link.server.expect_eof()
    assert idle_share(link.sidespan) < 0.1


def test_more_connections_than_allowed_wait(lab):
    link = lab.link("unix", args=["--connections-max=2"])
    second = link.open()
    third = link.dial()
    third.send('{"id":1,"method":"third"}')
    with pytest.raises(TimedOut):
        link.backend.accept_peer(0.2)
    second[0].close()
    second[1].expect_eof()
    second[1].close()
    assert b"third" in link.backend.accept_peer().recv()


@pytest.mark.parametrize("listen", ["stdio", "tcp"])
def test_huge_line_that_is_no_json(lab, listen):
    link = lab.link(listen)
    link.sidespan.memory_peak_reset()
    before = link.sidespan.memory_peak()
    for text in (b"x" * (30 * MIB), b'"' + b"\\u0000" * (2 * MIB), b"{" * (4 * MIB)):
        for sender, receiver in ((link.client, link.server), (link.server, link.client)):
            sending = Background(sender.send, text)
            assert receiver.recv() == text
            sending.result()
    if not is_sanitized():
        assert link.sidespan.memory_peak() - before < 4 * MIB


def test_huge_envelopes(lab):
    """Long methods, ids and keys: forwarded whatever they are."""
    link = lab.traced("unix")
    long = "y" * (3 * MIB)
    for text, injected in (('{"id":1,"method":"%s"}' % long, True),
                           ('{"id":"%s","method":"m"}' % long, False),
                           ('{"id":1,"method":"m","%s":1}' % long, True),
                           ('{"id":%s,"method":"m"}' % ("1" * MIB), False)):
        sending = Background(link.client.send, text)
        received = link.server.recv()
        sending.result()
        assert (received.decode() != text) == injected
        if injected:
            check_injected(text, received, blanks=True)
    link.call('{"id":5,"method":"after"}', '{"id":5,"result":1}')
    link.collector.span("after")


def test_many_members_and_elements(lab):
    link = lab.traced("unix")
    text = '{"id":1,"method":"m",' + ",".join('"k%d":[%d]' % (i, i) for i in range(100000)) + "}"
    sending = Background(link.client.send, text)
    check_injected(text, link.server.recv(), blanks=True)
    sending.result()
    batch = "[" + ",".join('{"id":%d,"method":"m"}' % i for i in range(5000)) + "]"
    sending = Background(link.client.send, batch)
    received = link.server.recv().decode()
    sending.result()
    assert received.count("traceparent") == 5000
    assert re.sub(r',"trace":\{[^}]*\}', "", received) == batch


@pytest.mark.parametrize("listen", ["tcp", "ws", "stdio"])
def test_slow_reader_stops_the_sender(lab, listen):
    link = lab.link(listen)
    link.sidespan.memory_peak_reset()
    before = link.sidespan.memory_peak()
    frame = link.server.frame(b'{"method":"note","params":"%s"}' % (b"x" * 10000))
    sent = link.server.stream.send_some(frame * 3000, 0.2)
    assert sent < 3000 * len(frame)
    if not is_sanitized():
        assert link.sidespan.memory_peak() - before < 4 * MIB
    rest = Background(link.server.stream.write, (frame * 3000)[sent:])
    for _ in range(3000):
        assert len(link.client.recv()) > 10000
    rest.result()


def test_no_descriptor_is_lost(lab):
    link = lab.link("unix")

    def open_descriptors():
        return len(os.listdir(f"/proc/{link.sidespan.pid}/fd"))

    before = open_descriptors()
    for _ in range(30):
        client, server = link.open()
        client.close()
        server.expect_eof()
        server.close()
    until(lambda: open_descriptors() <= before, "all descriptors closed")


def test_connections_that_come_and_go_at_once(lab):
    link = lab.link("tcp")
    for _ in range(100):
        link.dial().close()
    for _ in range(20):
        client = link.dial()
        client.send("x")
        client.stream.reset()
    link.call('{"id":1,"method":"m"}', '{"id":1,"result":1}')
    assert link.sidespan.log("error") == []
