"""Packages of npm and Debian, a program alone: made, looked at, installed, run, removed."""

import json
import os
import re
import shutil
import socket
import stat
import subprocess

import pytest

from lib.process import ROOT

HERE = os.path.dirname(os.path.abspath(__file__))
ASK = ["--exporter=none", "--log-level=error", "--", "sh", "-c",
       'read -r request; echo "{\\"id\\":1,\\"result\\":0}"']
ANSWER = '{"id":1,"result":0}\n'


def run(*args, **options):
    done = subprocess.run(args, check=False, capture_output=True, text=True, **options)
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done.stdout


def version():
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
        return re.search(r"(?m)^VERSION +:= (\S+)$", file.read())[1]


def package(pattern):
    folder = os.path.join(ROOT, "build/packages")
    name, = [name for name in os.listdir(folder) if re.fullmatch(pattern, name)]
    return os.path.join(folder, name)


# npm

@pytest.mark.skipif(not shutil.which("npm"), reason="no npm")
def test_npm_package_is_installed_and_run_from_its_tarball(tmp_path):
    run("make", "-s", "-C", ROOT, "npm")
    (tmp_path / "package.json").write_text("{}")
    run("npm", "install", "--offline", "--no-audit", "--no-fund", package(r"sidespan-.*\.tgz"), cwd=tmp_path)
    assert run("npx", "--offline", "sidespan", "--version", cwd=tmp_path) == f"sidespan {version()}\n"
    request = '{"id":1,"method":"a"}\n'
    assert run("npx", "--offline", "sidespan", *ASK, cwd=tmp_path, input=request) == ANSWER
    with open(tmp_path / "node_modules/sidespan/package.json", encoding="utf-8") as file:
        about = json.load(file)
    assert about["version"] == version() and about["os"] == ["linux"]
    for page in about["man"]:
        assert (tmp_path / "node_modules/sidespan" / page).is_file()


# a program alone

@pytest.mark.skipif(not shutil.which("dpkg-source") or os.geteuid() != 0, reason="no dpkg-dev, or not root")
def test_static_program_is_alone(tmp_path):
    """In a folder without any library it runs, and knows names."""
    run("make", "-s", "-C", ROOT, "static")
    program = package(rf"sidespan-{version()}-static")
    assert run(program, *ASK, input='{"id":1,"method":"a"}\n') == ANSWER
    shutil.copy(program, tmp_path / "sidespan")
    for folder in ("dev", "etc"):
        (tmp_path / folder).mkdir()
    (tmp_path / "etc/hosts").write_text("127.0.0.1 somewhere\n")
    os.mknod(tmp_path / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    assert run("chroot", tmp_path, "/sidespan", "--version") == f"sidespan {version()}\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = subprocess.run(["chroot", tmp_path, "/sidespan", "doctor", "--exporter=none", f"--upstream=ws://somewhere:{port}"],
                          check=False, capture_output=True, text=True)
    assert f"cannot reach ws://somewhere:{port}: Connection refused" in done.stdout + done.stderr


# Debian

@pytest.fixture(name="deb", scope="module")
def make_deb():
    if not shutil.which("dpkg-shlibdeps"):
        pytest.skip("no dpkg-dev")
    run("make", "-s", "-C", ROOT, "deb", "VARIANT=plain")
    return package(rf"sidespan_{version()}_.*\.deb")


def test_what_is_in_it(deb):
    listed = {line.split()[-1] for line in run("dpkg-deb", "--contents", deb).splitlines()}
    for path in ("bin/sidespan", "share/man/man1/sidespan.1.gz", "share/zsh/vendor-completions/_sidespan",
                 "share/doc/sidespan/copyright", "lib/systemd/system/sidespan.service",
                 "lib/systemd/system/sidespan.socket", "share/sidespan/profiles/codex.json"):
        assert "./usr/" + path in listed
    depends = run("dpkg-deb", "--field", deb, "Depends")
    for library in ("libevent-core", "libyajl", "libcurl", "zlib1g", "libssl", "libc6"):
        assert library in depends
    with open(os.path.join(ROOT, "docker/debian/changelog"), encoding="utf-8") as file:
        assert file.readline().startswith(f"sidespan ({version()}) ")
    assert run("dpkg-deb", "--field", deb, "Version") == version() + "\n"


@pytest.mark.skipif(not shutil.which("lintian"), reason="no lintian")
def test_lintian_finds_no_errors(deb):
    done = subprocess.run(["lintian", "--fail-on", "error", "--allow-root", deb], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and "E: " not in done.stdout, done.stdout + done.stderr


def files(top):
    found = set()
    for folder, _, names in os.walk(top):
        if not re.search(r"/(var|proc|dev|sys)(/|$)", folder[len(str(top)):]):
            found.update(os.path.join(folder, name)[len(str(top)):] for name in names)
    return found


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("debootstrap"), reason="no root, or no debootstrap")
def test_installed_run_and_removed_in_a_system_of_its_own(deb, tmp_path):
    base = os.path.join(ROOT, "build/deploy/base")
    run(os.path.join(HERE, "base"), base)
    root = tmp_path / "root"
    run("cp", "-a", base, root)
    before = files(root)
    shutil.copy(deb, root / "sidespan.deb")
    run("chroot", root, "dpkg", "--install", "/sidespan.deb")
    (root / "sidespan.deb").unlink()
    assert run("chroot", root, "sidespan", "--version") == f"sidespan {version()}\n"
    assert run("chroot", root, "sidespan", *ASK, input='{"id":1,"method":"a"}\n') == ANSWER
    assert "/usr/bin/sidespan" in files(root) - before
    assert not [name for name in files(root) - before if "/site-functions/" in name or name.startswith("/usr/local/")]
    run("chroot", root, "dpkg", "--purge", "sidespan")
    assert files(root) == before
