"""The spool: what the collector does not take is on disk, comes back, and is accounted for."""

import email.utils
import json
import os
import random
import re
import resource
import signal
import shutil
import stat
import time

import pytest

from lib import collector as answers
from lib.lab import address_of
from lib.process import is_sanitized
from lib.stream import connect
from lib.wait import until

FAST = ["--retry-initial=10ms", "--retry-max=50ms", "--batch-spans-max=5", "--batch-delay=1h"]


def talk(link, count, first=1):
    for number in range(first, first + count):
        link.call({"id": number, "method": f"m{number}"}, {"id": number, "result": {}})


def start(lab, collector, directory, *args, **options):
    return lab.link("unix", collector=collector,
                    args=[f"--spool-directory={directory}", *FAST, *args], **options)


def segments(directory, suffix=".segment"):
    return sorted(name for name in os.listdir(directory) if name.endswith(suffix))


def methods(spans):
    return [span.method for span in spans]


def numbered(first, last):
    return [f"m{number}" for number in range(first, last + 1)]


@pytest.mark.parametrize("sync", ["batch", "interval", "never"])
def test_outage(lab, sync):
    """While nobody takes them spans are on disk, and then they come in order."""
    directory = lab.path("spool")
    link = start(lab, lab.collector(start=False), directory, f"--spool-sync={sync}",
                 "--otlp-timeout=1s")
    talk(link, 52)
    until(lambda: len(segments(directory)) == 10, "all sealed batches to be on disk")
    link.sidespan.wait_line("takes no spans, they wait")
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    for name in os.listdir(directory):
        assert stat.S_IMODE(os.stat(os.path.join(directory, name)).st_mode) == 0o600
    link.collector.start()
    link.collector.wait_spans(50)
    until(lambda: not segments(directory), "the files to go")
    assert link.finish() == 0
    assert methods(link.collector.spans) == numbered(1, 52)
    assert link.sidespan.accounting() == {"created": 52, "sent": 52}
    assert link.sidespan.accounting("traffic")["spool_bytes"] == 0
    lines = link.sidespan.log("warn") + link.sidespan.log("error")
    assert len(lines) == 1 and "takes no spans, they wait" in lines[0]


@pytest.mark.parametrize("trouble", [answers.status(503), answers.status(429, Retry_After="3600"),
                                     answers.reset(), answers.hang()], ids=range(4))
def test_restart(lab, trouble):
    """What is left at a stop is there at the next start; nobody waits for a collector in vain."""
    directory = lab.path("spool")
    link = start(lab, lab.collector(trouble), directory, "--shutdown-timeout=300ms")
    talk(link, 23)
    link.collector.wait_requests(1)
    assert link.finish() == 0
    assert link.sidespan.accounting() == {"created": 23, "spooled": 23}
    assert len(segments(directory)) == 5
    again = start(lab, lab.collector(), directory)
    talk(again, 5, 24)
    again.collector.wait_spans(28)
    assert again.finish() == 0
    assert methods(again.collector.spans[:5]) == numbered(1, 5)
    assert sorted(methods(again.collector.spans)) == sorted(numbered(1, 28))
    assert again.sidespan.accounting() == {"created": 28, "sent": 28}
    assert again.sidespan.accounting("traffic")["spool_recovered"] == 23
    assert segments(directory) == []


def test_stop_does_not_wait_for_a_collector_that_is_away(lab):
    link = start(lab, lab.collector(start=False), lab.path("spool"), "--shutdown-timeout=1h")
    talk(link, 8)
    assert link.finish() == 0
    assert link.sidespan.accounting() == {"created": 8, "spooled": 8}


def test_wrapped_commands(lab):
    """Of many on one directory each has files of its own; the next finds those of all."""
    directory = lab.path("spool")
    links = [lab.link("stdio", collector=lab.collector(start=False),
                      args=[f"--spool-directory={directory}", *FAST]) for _ in range(3)]
    for number, link in enumerate(links):
        talk(link, 5, 1 + 5 * number)
    for link in links:
        assert link.finish() == 0
        assert link.sidespan.accounting() == {"created": 5, "spooled": 5}
    assert len({name.split("-")[1] for name in segments(directory)}) == 3
    last = lab.link("stdio", collector=lab.collector(), args=[f"--spool-directory={directory}"])
    last.collector.wait_spans(15)
    assert last.finish() == 0
    assert sorted(methods(last.collector.spans)) == sorted(numbered(1, 15))


def test_slow_collector_and_a_small_memory(lab):
    """With one batch on its way for ever, the others go to disk, not overboard."""
    directory = lab.path("spool")
    link = start(lab, lab.collector(answers.hang()), directory, "--batch-queue-bytes-max=512KiB",
                 "--shutdown-timeout=100ms")
    for number in range(1, 1500, 100):
        talk(link, 100, number)
        until(lambda: 5 * len(segments(directory)) >= number - 400, "the oldest to be on disk")
    assert link.finish() == 0
    assert link.sidespan.accounting() == {"created": 1500, "spooled": 1500}


def test_bounded(lab):
    directory = lab.path("spool")
    link = start(lab, lab.collector(start=False), directory, "--spool-bytes-max=64KiB",
                 "--batch-spans-max=1")
    talk(link, 50)
    assert link.finish() == 0
    assert link.sidespan.accounting() == {"created": 50, "spooled": 16, "dropped_spool": 34}
    assert link.sidespan.accounting("traffic")["spool_bytes"] == 65536
    lines = [line for line in link.sidespan.log("warn") if "spool" in line]
    assert len(lines) == 1 and "dropped from the spool, the oldest first" in lines[0]
    again = start(lab, lab.collector(), directory)
    again.collector.wait_spans(16)
    assert methods(again.collector.spans) == numbered(35, 50)
    assert again.finish() == 0


def test_harmed_files(lab):
    """They are set aside, once, and all others are delivered."""
    directory = lab.path("spool")
    link = start(lab, lab.collector(start=False), directory)
    talk(link, 30)
    assert link.finish() == 0
    names = segments(directory)
    for number, name in enumerate(names[:4]):
        with open(os.path.join(directory, name), "r+b") as file:
            data = file.read()
            file.seek(0)
            file.truncate()
            file.write([data[:30], data[:-1], data.replace(b"m12", b"m21"), b"<html>"][number])
    with open(os.path.join(directory, "notes.txt"), "w"):
        pass
    again = start(lab, lab.collector(), directory)
    again.collector.wait_spans(10)
    assert again.finish() == 0
    assert methods(again.collector.spans) == numbered(21, 30)
    assert again.sidespan.accounting() == {"created": 15, "sent": 10, "dropped_corrupt": 5}
    assert again.sidespan.accounting("traffic")["spool_files_bad"] == 5
    assert len(again.sidespan.log("warn")) == 1 and segments(directory) == []
    assert len(segments(directory, ".bad")) == 4 and "notes.txt" in os.listdir(directory)
    last = start(lab, lab.collector(), directory)
    talk(last, 1)
    assert last.finish() == 0
    assert last.sidespan.accounting() == {"created": 1, "sent": 1}


def no_large_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


@pytest.mark.parametrize("way", ["full", "gone"])
def test_disk_that_takes_nothing(lab, way):
    """The batches stay in memory, with one line, and are delivered from there."""
    directory = lab.path("spool")
    link = start(lab, lab.collector(start=False), directory,
                 preexec=no_large_files if way == "full" else None)
    if way == "gone":
        shutil.rmtree(directory)
    talk(link, 25)
    link.sidespan.wait_line("the spool takes no batches, they stay in memory: ")
    link.collector.start()
    link.collector.wait_spans(25)
    assert link.finish() == 0
    assert methods(link.collector.spans) == numbered(1, 25)
    assert link.sidespan.accounting() == {"created": 25, "sent": 25}
    assert link.sidespan.accounting("traffic")["spool_failures"] >= 1
    assert len([line for line in link.sidespan.log() if "spool" in line and "=" not in line]) == 1


@pytest.mark.parametrize("place, why", [("no/where", "No such file or directory"),
                                        ("file/below", "Not a directory")])
def test_directory_that_cannot_be_had(lab, place, why):
    lab.write("file", "")
    link = start(lab, lab.collector(), os.path.join(lab.directory, place))
    talk(link, 5)
    link.collector.wait_spans(5)
    assert link.finish() == 0
    lines = link.sidespan.log("warn")
    assert len(lines) == 1 and lines[0].endswith(f"{place}: {why}"), lines


def test_sandbox_lets_the_spool_write(lab):
    directory = lab.path("spool")
    link = start(lab, lab.collector(start=False), directory, "--log-level=debug")
    talk(link, 10)
    until(lambda: len(segments(directory)) == 2, "the batches to be on disk")
    assert any(line.startswith("sandbox: privileges, files")
               for line in link.sidespan.log("debug"))
    assert link.finish() == 0


SUM = ("sent", "rejected", "dropped_queue", "dropped_refused", "dropped_retries",
       "dropped_too_large", "dropped_memory", "dropped_shutdown", "dropped_spool",
       "dropped_corrupt")


def scrape(link, url):
    """What is counted now; the sum holds."""
    stream = link.lab.keep(connect(address_of(url)))
    stream.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    found = {name: int(value) for name, value in
             re.findall(r"(?m)^sidespan_(?:spans_)?(\w+?)(?:_total)? (\d+)$",
                        stream.read_all().decode())}
    stream.close()
    parts = sum(found[name] for name in SUM) + found["spooled"] + found["pending"]
    assert found["created"] == parts, found
    return found


def late(collector, handler, request):
    time.sleep(0.1)
    answers.ok()(collector, handler, request)


def cut(collector, handler, request):
    """Answers with half of what it announces, and resets."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    handler.wfile.flush()
    answers.reset()(collector, handler, request)


def in_a_second(collector, handler, request):
    answers.status(429, Retry_After=email.utils.formatdate(time.time() + 1, usegmt=True))(
        collector, handler, request)


PARTIAL = json.dumps({"partialSuccess": {"rejectedSpans": "2", "errorMessage": "odd"}}).encode()

FAULTS = {
    "slow": (late, {}),
    "refused": (None, {}),
    "reset": (answers.reset(), {}),
    "cut": (cut, {}),
    "429 seconds": (answers.status(429, Retry_After="1"), {}),
    "429 date": (in_a_second, {}),
    "400": (answers.status(400), {"dropped_refused": 5}),
    "413": (answers.status(413), {}),
    "500": (answers.status(500), {"dropped_refused": 5}),
    "503": (answers.status(503), {}),
    "partial": (answers.ok(PARTIAL), {"rejected": 2}),
    "endless": (answers.endless(), {"dropped_too_large": 5}),
    "hangs": (answers.hang(), {}),
    "garbage": (answers.raw(b"no HTTP\r\n\r\n"), {"dropped_refused": 5}),
}


@pytest.mark.parametrize("sync", ["batch", "interval"])
@pytest.mark.parametrize("fault", FAULTS)
def test_sum_at_every_scrape(lab, fault, sync):
    """Whatever a collector does, twice; what is lost is counted, all else delivered, once."""
    trouble, lost = FAULTS[fault]
    collector = lab.collector(*([trouble, trouble, answers.ok()] if trouble else []),
                              start=trouble is not None)
    link = start(lab, collector, lab.path("spool"), f"--spool-sync={sync}",
                 "--admin-listen=http://127.0.0.1:0", "--otlp-timeout=1s",
                 "--otlp-response-bytes-max=100000")
    url = link.sidespan.wait_line(r"health and metrics at (\S+)")[1]
    for number in range(1, 40, 10):
        talk(link, 10, number)
        scrape(link, url)
    if trouble is None:
        collector.start()

    def settled():
        now = scrape(link, url)
        return now["created"] == 40 and now["pending"] == now["spooled"] == 0 and now

    now = until(settled, "all to be delivered or lost")
    assert {name: now[name] for name in SUM if now[name] and name != "sent"} == {
        name: 2 * count for name, count in lost.items()}
    assert now["sent"] == 40 - 2 * sum(lost.values())
    assert link.finish() == 0
    got = len(collector.spans)
    assert got == now["sent"] + now["rejected"]
    if fault == "413":
        assert {2, 3} < {len(request.spans) for request in collector.requests} <= {1, 2, 3, 5}


@pytest.mark.parametrize("url, why", [("http://no.such.host.invalid:4318", "resolve"),
                                      ("https://127.0.0.1:{port}", "")])
def test_collector_that_cannot_be_reached(lab, url, why):
    """No name, no TLS: spans wait on disk."""
    collector = lab.collector()
    collector.url = url.format(port=collector.port)
    link = start(lab, collector, lab.path("spool"))
    talk(link, 20)
    line = link.sidespan.wait_line("takes no spans, they wait: (.*)")[1]
    assert why in line
    assert link.finish() == 0
    assert link.sidespan.accounting() == {"created": 20, "spooled": 20}


KILLS = 20 if is_sanitized() else 100


def converse(link, kill_at, first):
    """Round trips until the program is gone: when each answer came, by its number."""
    answered = {}
    number = first
    try:
        while True:
            link.call({"id": number, "method": f"m{number}"}, {"id": number, "result": {}})
            answered[number] = time.monotonic()
            number += 1
            if time.monotonic() >= kill_at:
                link.sidespan.process.kill()
                kill_at = float("inf")
    except (EOFError, OSError):
        return answered, number


def test_killed_at_any_moment(lab):
    """
    Killed a hundred times while the collector takes nothing: whatever was sent had been written,
    and of each run all that ended before something that is there is there, too.
    """
    directory = lab.path("spool")
    refusing = lab.collector(answers.status(503))
    chance, first, runs = random.Random(7), 1, []
    args = [f"--spool-directory={directory}", "--spool-sync=batch", "--batch-delay=5ms",
            "--retry-initial=1ms", "--retry-max=2ms", "--profile=generic"]
    for _ in range(KILLS):
        link = lab.link("unix", collector=refusing, args=args)
        link.sidespan.expect_crash = True
        answered, first = converse(link, time.monotonic() + chance.random() * 0.03, first)
        link.sidespan.process.wait()
        killed = time.monotonic()
        runs.append((answered, killed))
    refusing.errors.clear()  # bodies of which only a part came
    sent = {span.method for request in refusing.requests for span in request.spans}
    healthy = lab.collector()
    last = start(lab, healthy, directory)
    until(lambda: not segments(directory), "all to be delivered")
    assert last.finish() == 0
    found = set(methods(healthy.spans))
    assert sent <= found and len(sent) > 5
    for answered, killed in runs:
        there = [number for number in answered if f"m{number}" in found]
        gone = [number for number in answered if f"m{number}" not in found]
        assert not there or not gone or max(there) < min(gone)
        assert all(killed - answered[number] < 2 for number in gone)
    count = last.sidespan.accounting()
    assert count == {"created": len(healthy.spans), "sent": len(healthy.spans)}
    assert segments(directory, ".bad") == segments(directory, ".part") == []
