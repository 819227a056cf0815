"""
The built-in profiles of protocols: what --explain makes of the conversations in tests/golden/profiles. Those called
mcp, acp and ethereum were recorded with --record between peers that others wrote, lsp and mcp-stateless (2026-07-28,
with tasks) are made up. UPDATE_GOLDEN=1 writes what comes out beside them, instead of comparing.
"""

import glob
import os
import subprocess

import pytest

from lib.process import BINARY, ROOT

FILES = sorted(glob.glob(os.path.join(ROOT, "tests/golden/profiles/*.jsonl")))
PROFILES = sorted(glob.glob(os.path.join(ROOT, "config/profiles/*.json")))
PROTOCOLS = {"acp", "ethereum", "lsp", "mcp"}


def name_of(path):
    return os.path.splitext(os.path.basename(path))[0]


def explained(lab, profile, path, *args):
    ran = subprocess.run([BINARY, "--profile", profile, *args, "--explain", path], capture_output=True, text=True,
                         env=lab.environment(None, None), timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_golden(lab, path):
    text = explained(lab, name_of(path).split("-", maxsplit=1)[0], path)
    beside = path.removesuffix("l").removesuffix(".json") + ".txt"
    if os.environ.get("UPDATE_GOLDEN"):
        with open(beside, "w", encoding="utf-8") as file:
            file.write(text)
    with open(beside, encoding="utf-8") as file:
        assert text == file.read()


def test_each_protocol_has_a_recording_and_fits_a_page():
    assert {name_of(path).split("-", maxsplit=1)[0] for path in FILES} == PROTOCOLS
    assert PROTOCOLS <= {name_of(path) for path in PROFILES}
    for path in PROFILES:
        if name_of(path) in PROTOCOLS:
            with open(path, encoding="utf-8") as file:
                assert len(file.readlines()) < 60, path


def test_documents_are_opt_in(lab):
    path = os.path.join(ROOT, "tests/golden/profiles/lsp.jsonl")
    assert "file:///a.c" not in explained(lab, "lsp", path)
    text = explained(lab, "lsp", path, "--lifecycle-off=,", "--lifecycle-on=uris")
    assert "document c" in text and "lsp.document.diagnostics=1" in text and "lsp.request.uri=file:///a.c" in text
