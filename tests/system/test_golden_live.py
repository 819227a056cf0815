"""The recordings once more, said by real peers through the running program: the same spans come of
them as --explain tells, and --explain tells the same of what the program has recorded meanwhile.
"""

import glob
import os
import re

import pytest

from lib.process import ROOT
from lib.recording import Recording
from lib.tree import Forest

FILES = sorted(glob.glob(os.path.join(ROOT, "tests/golden/*.jsonl")))
OPTIONS = ["--profile=codex", "--lifecycle-announce-after=0", "--lifecycle-grace=1h"]


class Replay:
    """Says what was said, one message after the other, each when the one before has arrived."""

    def __init__(self, lab, recording):
        self.lab, self.recording = lab, recording
        command = recording.transport == "stdio"
        self.recorded = lab.path()
        self.link = lab.link("unix" if command else "ws", "stdio" if command else "ws",
                             args=[*OPTIONS[1:], "--batch-delay=1h", "--shutdown-drain=0",
                                   "--console-width=10000", "--console-wait=0",
                                   "--record=" + self.recorded],
                             env={"OTEL_TRACES_EXPORTER": "console"})
        self.first = True
        self.pairs = {}
        self.closed = 0

    def pair(self, conn):
        if conn not in self.pairs:
            self.pairs[conn] = (self.link.client, self.link.server) if self.first else \
                self.link.open()
            self.first = False
        return self.pairs[conn]

    def say(self, line):
        client, server = self.pair(line.conn)
        teller, hearer = (client, server) if line.dir == "c2s" else (server, client)
        teller.send(line.raw)
        hearer.recv()

    def end(self, line):
        """One side ends; the other then has the last word, or none."""
        client, server = self.pair(line.conn)
        later = [other for other in self.recording.lines[line.at + 1:] if other.conn == line.conn]
        if line.end == "client":
            client.close_write() if later else client.close()
            server.expect_eof()
        if later:
            return
        for puppet in self.lab.puppets.puppets if self.recording.transport == "stdio" else []:
            if puppet.peer is server:
                puppet.order("exit", status=0)
        server.close()
        self.closed += 1
        self.link.sidespan.wait_line(": closed: ", count=self.closed)

    def run(self):
        for line in self.recording.lines:
            if line.end:
                self.end(line)
            else:
                self.say(line)
        assert self.link.sidespan.stop() == 0
        text = "\n".join(self.link.sidespan.lines)
        return Forest(re.sub(r"^trace [0-9a-f]{32}", "trace 1", text, flags=re.M))


def explained(lab, path):
    program = lab.sidespan("--explain", *OPTIONS, path)
    text = program.process.stdout.read().decode()
    assert program.wait() == 0, program.stderr
    return Forest(text)


@pytest.mark.parametrize("path", FILES, ids=os.path.basename)
def test_the_program_makes_the_spans_that_explain_tells(lab, path):
    recording = Recording(path)
    replay = Replay(lab, recording)
    seen = replay.run()
    told, again = explained(lab, path), explained(lab, replay.recorded)
    for span in seen.spans + told.spans + again.spans:
        span.links = len(span.links) * ["another span"]  # by number here, by name there
        span.outside = span.outside or ""
        if span.kind != "server":  # said once of the connection here
            span.attributes.pop("app_server.client_name", None)
            span.attributes.pop("app_server.client_version", None)
    assert seen.outline() == told.outline()
    assert seen.normal() == told.normal()
    assert seen.outline() == again.outline()
    assert seen.normal() == again.normal()
