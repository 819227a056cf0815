"""Every block of docker/snippets.md is what it says: it parses, and the command lines in it are understood."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib

import pytest

from lib.process import BINARY, ROOT

with open(os.path.join(ROOT, "docker/snippets.md"), encoding="utf-8") as page:
    BLOCKS = [(kind, text) for kind, text in re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", page.read())]
NPX = shutil.which("npx")


def of_kind(kind):
    return [text for found, text in BLOCKS if found == kind]


def lines_of(value):
    """All command lines in an object: a program and its arguments."""
    if isinstance(value, list):
        return [line for item in value for line in lines_of(item)]
    if not isinstance(value, dict):
        return []
    program = value.get("command", value.get("path"))
    own = [[program, *value.get("args", value.get("arguments", []))]] if program else []
    return own + [line for item in value.values() for line in lines_of(item)]


def is_understood(line):
    at = next(index for index, word in enumerate(line) if os.path.basename(word) == "sidespan")
    done = subprocess.run([BINARY, "--check", *line[at + 1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (line, done.stderr)
    return done.stdout


def test_there_is_one_of_each_kind():
    assert {kind for kind, _ in BLOCKS} == {"sh", "toml", "json", "lua"}


@pytest.mark.parametrize("text", of_kind("json"))
def test_json(text):
    lines = lines_of(json.loads(text))
    assert lines or "codex-traced" in text
    for line in lines:
        assert "--" in line and "profile" in is_understood(line)
        assert re.search(r"(?m)^profile (mcp|acp|lsp): ", is_understood(line))


@pytest.mark.parametrize("text", of_kind("toml"))
def test_toml(text):
    lines = lines_of(tomllib.loads(text))
    assert lines and all(is_understood(line) for line in lines)


@pytest.mark.parametrize("text", of_kind("sh"))
def test_sh(text):
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    lines = [shlex.split(line.rstrip(" &")) for line in text.splitlines() if " sidespan " in f" {line}"]
    assert lines or "codex app-server" in text or "everything-traced" in text
    for line in lines:
        if "case" not in text:
            is_understood(line)


@pytest.mark.skipif(not shutil.which("nvim"), reason="no neovim")
@pytest.mark.parametrize("text", of_kind("lua"))
def test_lua(text, tmp_path):
    path = tmp_path / "init.lua"
    path.write_text(text)
    done = subprocess.run(["nvim", "--clean", "--headless", f"+lua assert(loadfile('{path}'))", "+qall!"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "E5" not in done.stderr, done.stderr


@pytest.mark.parametrize("text", of_kind("lua"))
def test_lua_starts_sidespan(text):
    line = re.findall(r"'([^']*)'", re.search(r"cmd = \{(.*?)\}", text)[1])
    assert "profile lsp" in is_understood(line)


def test_wrapper_of_vs_code_traces_the_server_alone(tmp_path):
    script, = [text for text in of_kind("sh") if "case" in text]
    for name in ("codex", "sidespan"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
        (tmp_path / name).chmod(0o755)
    for words, said in ((["-c", "a=b", "app-server"], "sidespan --profile codex -- codex -c a=b app-server\n"),
                        (["--version"], "codex --version\n")):
        done = subprocess.run(["sh", "-c", script, "sh", *words], capture_output=True, text=True, check=True,
                              env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        assert done.stdout == said
