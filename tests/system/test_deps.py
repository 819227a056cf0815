"""tests/deps: what is installed, and what somebody at a terminal is asked before."""

import os
import pty
import subprocess

import pytest

from lib.process import ROOT

QUESTION = b"deps: install these with sudo apt-get? "

FAKES = {
    # libraries are there once something has been installed
    "pkg-config": 'test -e "$STATE/installed"',
    "id": "echo 1000",
    "sudo": 'echo "sudo $*" >>"$STATE/said"; exec "$@"',
    "apt-get": 'case "$*" in *" install "*) touch "$STATE/installed" ;; esac',
}


@pytest.fixture
def deps(lab):
    """Runs it with a person's answer, or without a terminal; what it said, its status, what sudo was to do."""
    for name, text in FAKES.items():
        lab.write(f"bin/{name}", f"#!/bin/sh\n{text}\n")
        os.chmod(os.path.join(lab.directory, "bin", name), 0o755)
    environment = {**os.environ, "STATE": lab.directory,
                   "PATH": os.path.join(lab.directory, "bin") + ":" + os.environ["PATH"]}

    def run(answer=None, **more):
        ours, theirs = pty.openpty()
        if answer:
            os.write(ours, answer)
        done = subprocess.run(["tests/deps", "build"], cwd=ROOT, stdin=theirs if answer else subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
                              env={**environment, **more})
        os.close(ours)
        os.close(theirs)
        try:
            with open(os.path.join(lab.directory, "said"), encoding="utf-8") as file:
                sudo = file.read()
        except FileNotFoundError:
            sudo = ""
        return done.stdout, done.returncode, sudo
    return run


def test_nobody_is_asked_without_a_terminal(deps):
    said, status, sudo = deps()
    assert (status, QUESTION in said) == (0, False)
    assert "apt-get" in sudo and "libyajl-dev" in sudo


def test_who_agrees(deps):
    said, status, sudo = deps(b"y\n")
    assert status == 0 and said.count(QUESTION) == 1
    assert "libyajl-dev" in sudo


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"\x04"])
def test_who_does_not_agree(deps, answer):
    said, status, sudo = deps(answer)
    assert (status, sudo) == (1, "")
    assert QUESTION in said and b"libyajl-dev" in said and b"deps: not installed" in said


@pytest.mark.parametrize("answer", [None, b"y\n"])
def test_nothing_is_installed_where_that_is_said(deps, answer):
    said, status, sudo = deps(answer, DEPS="no")
    assert (status, sudo) == (0, "")
    assert QUESTION not in said and said.startswith(b"deps: missing, and not installed: ") and b"libyajl-dev" in said


def test_make_says_what_is_missing(lab, deps):
    """It alone installs nothing, and compiles nothing without the libraries."""
    done = subprocess.run(["make", f"B={lab.directory}/build"], cwd=ROOT, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "STATE": lab.directory, "MAKEFLAGS": "",
                               "PATH": os.path.join(lab.directory, "bin") + ":" + os.environ["PATH"]}, check=False)
    assert done.returncode == 2
    assert "libevent_core yajl" in done.stderr and "'make deps' installs them" in done.stderr
    assert "-std=c11" not in done.stdout
