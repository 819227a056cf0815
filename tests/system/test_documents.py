"""What the documents name is there: links, headings, files, commands; and what they promise of themselves."""

import glob
import json
import os
import re
import shlex
import subprocess

import pytest

from lib.process import BINARY, ROOT

DOCUMENTS = sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "**/*.md"), recursive=True)
                   if not os.path.relpath(path, ROOT).startswith("build/"))
PAGES = sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "proxy/*.[1-8]")))
FOLDERS = "config|docker|exporter|proxy|tests|w3c"


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def prose(path):
    """Without the blocks that are set off."""
    return re.sub(r"^    .*$", "", read(path), flags=re.M)


def anchors(path):
    """Those of its headings, as viewers make them."""
    titles = re.findall(r"^#+ (.*)$", prose(path), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(path):
    """The lines of its blocks that start sidespan, without what stands around that."""
    text = re.sub(r" *\\\n +", " ", read(path))
    for line in re.findall(r"^    (.*)$", text, re.M):
        found = re.match(r"(?:\$ )?(?:\(.*\) \| )?(?:\w+=\S+ )*(sidespan (?:doctor )?-.*)", line.strip())
        if found:
            yield re.sub(r" (?:\d?>+\S+|2>&1|&|\| .*|# .*)(?= |$)", "", re.sub(r"  +#.*$", "", found[1]))


def test_readme_is_short():
    assert len(read("README.md").splitlines()) <= 180


@pytest.mark.parametrize("path", DOCUMENTS)
def test_links(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        assert os.path.exists(os.path.join(ROOT, there)), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("path", DOCUMENTS)
def test_no_public_registry_is_said_to_have_us(path):
    """npx would run whatever somebody has put there under our name."""
    assert not re.search(r"(?:npx|npm (?:i|install)|pip install|apt(?:-get)? install)(?: -\S+)* sidespan\b", read(path))


def test_every_document_is_reached():
    """From README.md, by links."""
    reached, left = set(), ["README.md"]
    while left:
        path = left.pop()
        reached.add(path)
        for target in re.findall(r"\]\(([^)#\s]+\.md)", prose(path)):
            there = os.path.normpath(os.path.join(os.path.dirname(path), target))
            if there not in reached and not re.match(r"https?:", target):
                left.append(there)
    assert reached == set(DOCUMENTS)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_paths_that_are_named(path):
    """From the top, or beside the document; NAME stands for any."""
    for name in re.findall(rf"`((?:{FOLDERS})/[\w./*-]*)`", prose(path)):
        pattern = name.replace("NAME", "*").replace("FILE", "*")
        places = [os.path.join(ROOT, pattern), os.path.join(ROOT, os.path.dirname(path), pattern)]
        assert any(glob.glob(place) for place in places), name


@pytest.mark.parametrize("path", DOCUMENTS + PAGES)
def test_pages_that_are_named(path):
    text = read(path)
    for name, section in [(name, None) for name in re.findall(r"man (sidespan[\w-]*)", text)] + \
            re.findall(r"^\.Xr (sidespan\S*) (\d)", text, re.M):
        assert glob.glob(os.path.join(ROOT, f"proxy/{name}.{section or '?'}")), name


def attributes(value):
    """Names of attributes in a piece of a profile, metrics left out."""
    if isinstance(value, list):
        return set().union(*(attributes(each) for each in value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*(attributes(each) for name, each in value.items() if name != "metrics"))
    for name, each in value.items():
        if name in ("set", "set_new", "adds", "defaults", "constants", "key") and isinstance(each, dict):
            found |= set(each)
        if name in ("attribute", "count", "first", "bytes") and isinstance(each, str):
            found.add(each)
    return {name for name in found if "." in name}


def profile(path):
    text = re.sub(r'("(?:[^"\\]|\\.)*")|//.*', lambda found: found[1] or "", read(path))
    return attributes(json.loads(text))


PROFILES = [os.path.relpath(path, ROOT) for path in sorted(glob.glob(os.path.join(ROOT, "config/profiles/*.json")))]


def named():
    """What the page of spans sets as names."""
    macros = re.findall(r"^\.(?:It|Sy|Pf \( Sy) .*$", read("proxy/sidespan-spans.7"), re.M)
    return set(re.findall(r"(?<![\w.])[a-z_]+(?:\.[a-z_]+)+(?![\w.])", " ".join(macros)))


@pytest.mark.parametrize("path", PROFILES)
def test_attributes_of_a_profile_have_their_words(path):
    assert not profile(path) - named()


def test_attributes_that_have_words_are_there():
    """Those that only a profile can give."""
    ours = {name for name in named() if re.match(r"(acp|approval|codex|eth|hook|item|lsp|mcp|model|thread|turn)\.", name)}
    known = set().union(*map(profile, PROFILES))
    assert len(ours) > 60
    assert not ours - known


@pytest.mark.parametrize("section,path", [("How a span of a request ended", "proxy/trace/requests/request_span.c"),
                                          ("How a turn, an item or an approval ended",
                                           "proxy/trace/follow/open_spans.c")])
def test_reasons_of_an_end(section, path):
    """Those that the program has are those of the page."""
    text = re.search(rf"^\.Ss {section}\n(.*?)^\.S[sh] ", read("proxy/sidespan-spans.7"), re.M | re.S)[1]
    told = set(re.findall(r"[a-z_]{4,}", " ".join(re.findall(r"^\.It (.*)$", text, re.M))))
    assert told == set(re.findall(r'^\t\[(?:TRACER|END)_\w+\] = \{\s*"(\w+)"', read(path), re.M))


def checked(lab, command):
    """What --check says of it, where the files that it names are."""
    words = shlex.split(command.replace("$control", "/run").replace("sidespan doctor ", "sidespan "))
    assert words.pop(0) == "sidespan"
    done = subprocess.run([BINARY, "--check", *words], cwd=lab.directory, capture_output=True, text=True,
                          env=lab.environment(), check=False, timeout=60)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def servers():
    """The table by servers: what is started, the profile."""
    table = re.search(r"^## My server is \.\.\.\n\n((?:\|.*\n)+)", read("README.md"), re.M)[1]
    for line in table.splitlines()[2:]:
        _, command, profile = [cell.strip() for cell in line.strip("|").split(" | ")]
        if profile:
            yield re.match(r"`([^`]*)`", command)[1], profile


@pytest.mark.parametrize("command,profile", list(servers()))
def test_profile_of_my_server(lab, command, profile):
    assert f"\nprofile {profile}: " in checked(lab, command)


def test_enough_servers():
    assert len(list(servers())) >= 12
    assert {profile for _, profile in servers()} == {"codex", "mcp", "lsp", "acp", "ethereum", "generic"}


@pytest.mark.parametrize("path", DOCUMENTS)
def test_commands_are_understood(lab, path):
    """With files of their names, which some of them must have."""
    for name, text in {
            "notes.json": '{"name": "notes"}', "my-codex.json": '{"name": "my-codex", "extends": "codex"}',
            "site.json": '{}', "token": "0123456789abcdef0123", "collector.headers": "a: b"}.items():
        lab.write(name, text)
        os.chmod(os.path.join(lab.directory, name), 0o600)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "1", "-subj", "/CN=localhost", "-keyout", "tls.key", "-out", "tls.pem"],
                   cwd=lab.directory, check=True, capture_output=True)
    os.symlink("tls.pem", os.path.join(lab.directory, "alice.pem"))
    for command in commands(path):
        if not re.search(r"--(?:explain|replay|check|help)\b|\.\.\.|FILE|URL", command.split(" -- ")[0]):
            checked(lab, command)
