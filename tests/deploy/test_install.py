"""make install and uninstall, completion in three shells, and builds that are the same anywhere."""

import os
import re
import shutil
import subprocess

import pytest

from lib.process import BINARY, ROOT

SCRIPTS = {"bash": "share/bash-completion/completions/sidespan",
           "zsh": "share/zsh/site-functions/_sidespan",
           "fish": "share/fish/vendor_completions.d/sidespan.fish"}


def run(*args, **options):
    return subprocess.run(args, check=True, capture_output=True, text=True, **options).stdout


def files(top):
    return {os.path.relpath(os.path.join(folder, name), top): os.stat(os.path.join(folder, name)).st_mode & 0o7777
            for folder, _, names in os.walk(top) for name in names}


@pytest.fixture(name="installed", scope="module")
def install(tmp_path_factory):
    top = tmp_path_factory.mktemp("installed")
    run("make", "-s", "-C", ROOT, "install", f"DESTDIR={top}")
    return top


def test_what_is_installed(installed):
    found = files(installed / "usr/local")
    assert found.pop("bin/sidespan") == 0o755
    assert set(found.values()) == {0o644}
    for kind in ("profiles", "environments"):
        assert {f"share/sidespan/{kind}/{name}" for name in os.listdir(f"{ROOT}/config/{kind}")
                if name.endswith(".json")} == {name for name in found if f"/sidespan/{kind}/" in name}
    assert {name for name in found if "/man/" in name} == {
        f"share/man/man{name[-1]}/{name}" for name in os.listdir(f"{ROOT}/proxy") if re.fullmatch(r".*\.[157]", name)}
    assert set(SCRIPTS.values()) < set(found)
    assert run(installed / "usr/local/bin/sidespan", "--version").startswith("sidespan ")


def test_uninstall_takes_all_of_it_and_nothing_else(installed, tmp_path):
    top = tmp_path / "copy"
    shutil.copytree(installed, top)
    for other in ("bin/other", "share/man/man1/other.1", "share/zsh/site-functions/_other"):
        (top / "usr/local" / other).touch()
    run("make", "-s", "-C", ROOT, "uninstall", f"DESTDIR={top}")
    assert set(files(top)) == {
        "usr/local/bin/other", "usr/local/share/man/man1/other.1", "usr/local/share/zsh/site-functions/_other"}


# completion

def flags():
    """All that --help lists, and --no-... of what is true or false."""
    text = run(BINARY, "--help")
    return set(re.findall(r"(?m)^  (--[a-z-]+)", text)) | set(re.findall(r"(?m)^  --[a-z-]+, (--no-[a-z-]+)", text))


@pytest.fixture(name="script", params=["bash", "zsh", "fish"])
def one_script(request, tmp_path):
    path = tmp_path / "sidespan"
    path.write_text(run(BINARY, "--completion", request.param))
    run(request.param, "-n", path)
    return request.param, path


def complete(script, tmp_path, *words):
    """What is offered for the last word."""
    shell, path = script
    if shell == "bash":
        words = " ".join(f"'{word}'" for word in ("sidespan", *words))
        return run("bash", "--norc", "-c", f". {path}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
                   'COMPREPLY=(); _sidespan; printf "%s\\n" "${COMPREPLY[@]}"').split()
    if shell == "fish":
        line = " ".join(("sidespan", *words))
        done = run("fish", "--private", "-c", f"source {path}; complete -C '{line}'",
                   env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
        return [row.split("\t")[0] for row in done.splitlines()]
    return complete_zsh(path, words)


def complete_zsh(path, words):
    """The words that its helpers are given: they need a terminal."""
    words = " ".join(f"'{word}'" for word in ("sidespan", *words))
    told = run("zsh", "-f", "-c", 'compdef() { :; }; compadd() { print -rl -- "${@[2,-1]}"; }; '
               '_normal() { print -rl -- "command $CURRENT" $words; }; _arguments() { print -rl -- "$@"; }; '
               f". {path}; words=({words}); CURRENT=${{#words}}; _sidespan").splitlines()
    last = words.split("'")[-2]
    found = []
    for row in told:
        name = re.match(r"\*?(--[a-z-]+|[a-z]+)(=?)\[?", row)
        choice = re.search(r":value:\((.*)\)$", row)
        if choice and name[1] == words.split("'")[-4]:
            return choice[1].split()
        found += [name[1]] if name and name[1].startswith(last) else [row] if row.startswith("command ") else []
    return found


def test_every_flag_is_offered(script, tmp_path):
    offered = {flag for flag in complete(script, tmp_path, "--") if flag.startswith("--")} - {"--"}
    switches = {"--no-propagation-extract"}
    assert offered - switches == flags()


def test_values_are_offered(script, tmp_path):
    assert set(complete(script, tmp_path, "--framing", "")) >= {"auto", "lines", "content-length", "concatenated"}
    assert {"codex", "mcp"} <= set(complete(script, tmp_path, "--profile", ""))
    assert {"production"} <= set(complete(script, tmp_path, "--env", ""))


def test_first_words_are_offered(script, tmp_path):
    assert complete(script, tmp_path, "doc") == ["doctor"]


def test_behind_two_dashes_a_command_is_completed(script, tmp_path):
    found = complete(script, tmp_path, "--check", "--", "gunzi")
    assert set(found) == ({"gunzip"} if script[0] != "zsh" else {"command 1", "gunzi"})


def test_bash_with_an_equals_sign(tmp_path):
    path = tmp_path / "sidespan"
    path.write_text(run(BINARY, "--completion", "bash"))
    assert complete(("bash", path), tmp_path, "--framing", "=", "li") == ["lines"]
    assert complete(("bash", path), tmp_path, "--framing", "=") == ["auto", "lines", "content-length", "concatenated"]


def test_no_completion_for_other_shells():
    done = subprocess.run([BINARY, "--completion", "csh"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"must be followed by bash, zsh or fish" in done.stderr


# builds

def test_two_builds_in_two_folders_are_the_same(tmp_path):
    """Without optimisation, which takes a while: where they were built is nowhere in them."""
    made = []
    for name in ("a", "another/place"):
        top = tmp_path / name
        shutil.copytree(ROOT, top, ignore=shutil.ignore_patterns("build", ".git", "tests", "__pycache__"))
        run("make", "-s", f"-j{os.cpu_count()}", "-C", top, "VARIANT=plain", "build/plain/sidespan",
            env={**os.environ, "CCACHE_DISABLE": "1"})
        made.append((top / "build/plain/sidespan").read_bytes())
    assert made[0] == made[1]
    assert str(tmp_path).encode() not in made[0]
