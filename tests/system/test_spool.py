"""The spool: what the collector does not take is on disk, comes back, and is accounted for."""

import os
import random
import resource
import signal
import shutil
import stat
import time

import pytest

from lib import collector as answers
from lib.process import is_sanitized
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
                 "--otlp-timeout=50ms")
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
