"""The examples of the documents, run as they stand there, print what stands below them.

A block of the text is a file, if the words before it end with its name and a colon, commands, or what the
commands before it print, with "..." for what is left out. Those that want another program (codex, npm,
docker, an HTTP server, a sidespan that runs) are not run here.
"""

import fnmatch
import glob
import os
import re
import socket
import subprocess

import pytest

from lib.process import BINARY, ROOT

OTHERS = re.compile(r"^(?:\(cat|codex|docker|kill|make|control=)\b|\Acurl\b|-- (?:npx|clangd)\b|http://127\.0\.0\.1:8000\b"
                    r"|/run/openvswitch/|^(?!.*--(?:check|explain)\b).*-- codex\b", re.M)
COMMAND = re.compile(r"(?:sidespan (?:-|doctor|top|probe)|printf |echo |cat >|curl |openssl |install |codex |docker |make "
                     r"|\w+=\S+ (?:sidespan|codex) )")


class Block:
    """Lines that are set off, the words before them."""

    def __init__(self, words, text):
        self.text = text
        self.goes_on = not words  # with what the block before it began
        self.new_section = re.search("^#", words, re.M)
        named = re.search(r"`(?:\./)?([\w-]+\.\w+)`:$", words)
        self.file = named[1] if named else None
        lines, self.shown, self.commands, going_on = text.splitlines(), [], [], False
        if any(line.startswith("$ ") for line in lines):
            for line in lines:
                if line.startswith("$ ") or going_on:
                    self.commands.append(line.removeprefix("$ "))
                else:
                    self.shown.append(line)
                going_on = (line.startswith("$ ") or going_on) and line.endswith("\\")
        elif not self.file and COMMAND.match(text):
            self.commands = lines
        else:
            self.shown = lines

    def wants_others(self):
        """Whether it needs what is not ours, or does not end by itself."""
        text = re.sub(r"\\\n +", "", "\n".join(self.commands))
        stays = re.search(r"^(?!.*&$).*(?:--listen|--replay)\b", text, re.M)
        return bool(stays or OTHERS.search(text))


def blocks(path):
    """Those of a document, one for each paragraph that is set off."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        words = ""
        for part in re.split(r"\n(?:[ \t]*\n)+", file.read()):
            if part.startswith("    "):
                yield Block(words, re.sub("^    ", "", part, flags=re.M))
                words = ""
            else:
                words += "\n" + part


def examples(path):
    """(files before it, commands, what they print) of each."""
    files, found, open_to_more = {}, [], False
    for block in blocks(path):
        open_to_more = open_to_more and not block.new_section
        if block.file:
            files[block.file] = block.text + "\n"
        elif block.commands:
            found.append((dict(files), block, list(block.shown)))
            open_to_more = not block.shown
        elif open_to_more and (block.goes_on or not found[-1][2]):
            found[-1][2].extend(block.shown)
    return [(files, block.commands, shown) for files, block, shown in found if not block.wants_others()]


DOCUMENTS = {"README.md": 2, "config/README.md": 11, "config/profiles/README.md": 4, "docker/README.md": 1}
EXAMPLES = [(path, number) for path in DOCUMENTS for number in range(len(examples(path)))]


def normal(line):
    """Without what is new each time."""
    line = re.sub(r"\b[0-9a-f]{16}(?:[0-9a-f]{16})?\b", "ID", line)
    line = re.sub(r"\b\d+(?:\.\d+)? (?:µs|ms|s)\b", "TIME", line)
    line = re.sub(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z ", "", line)
    return " ".join(line.split())


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def script(commands, ports):
    """Each listener is there before the next command; all end with the last one."""
    lines = ["trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT"]
    for line in commands:
        line = re.sub(r"(127\.0\.0\.1|localhost):(\d+)",
                      lambda found: f"{found[1]}:{ports.setdefault(found[2], free_port())}", line)
        lines.append(line)
        listen = re.search(r"--listen \S+://127\.0\.0\.1:(\d+)", " ".join(lines[-2:]))
        if line.endswith("&") and listen:
            lines.append(f"until (exec 3<>/dev/tcp/127.0.0.1/{listen[1]}) 2>/dev/null; do sleep 0.01; done")
    return "\n".join(lines)


@pytest.mark.parametrize("path,number", EXAMPLES)
def test_example(lab, path, number):
    files, commands, shown = examples(path)[number]
    lab.write("bin/codex", "#!/bin/sh\nexec cat\n")
    os.chmod(os.path.join(lab.directory, "bin/codex"), 0o755)
    os.symlink(BINARY, os.path.join(lab.directory, "bin/sidespan"))
    for name, text in files.items():
        lab.write(name, text)
    ports = {}
    done = subprocess.run(
        ["bash", "-c", script(commands, ports)], cwd=lab.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False, timeout=60, text=True,
        env=lab.environment(env={"PATH": os.path.join(lab.directory, "bin") + ":" + os.environ["PATH"],
                                 "OTEL_TRACES_EXPORTER": None}))
    assert shown or done.returncode == 0, done.stdout
    printed = [normal(line) for line in done.stdout.splitlines()]
    for line in shown:
        for old, new in ports.items():
            line = line.replace(f":{old}", f":{new}")
        if line.strip() in ("", "..."):
            continue
        pattern = glob.escape(normal(line)).replace("...", "*")
        same = [at for at, other in enumerate(printed) if fnmatch.fnmatchcase(other, pattern)]
        assert same, (line, done.stdout)
        del printed[:same[0] + 1]


@pytest.mark.parametrize("path,count", DOCUMENTS.items())
def test_enough_examples(path, count):
    assert len(examples(path)) >= count
