#!/usr/bin/env python3
"""Mutants: one edit at a random line of a module, and the unit tests and corpora that link it.

A mutant that no test notices shows a line that nothing watches. Works in a copy of the tree below
build/, with the sanitizers on, so that a leak or a read by one too many counts as noticed. Those
that change nothing that can be seen are listed in tests/mutants.txt, each with the reason.

    tests/mutate.py --count 200 --seed 1 [--list] [FILE...]
"""

import argparse
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
COPY = ROOT / "build/mutants/tree"
EQUIVALENT = ROOT / "tests/mutants.txt"
SECONDS = 120

# What is edited: a pattern, and what takes its place; \g<0> is the match.
EDITS = [
    ("relation", r" <= ", [" < "]), ("relation", r" >= ", [" > "]),
    ("relation", r" < ", [" <= "]), ("relation", r" > ", [" >= "]),
    ("relation", r" == ", [" != "]), ("relation", r" != ", [" == "]),
    ("connective", r" && ", [" || "]), ("connective", r" \|\| ", [" && "]),
    ("sign", r" \+ ", [" - "]), ("sign", r" - ", [" + "]),
    ("sign", r" \+= ", [" -= "]), ("sign", r" -= ", [" += "]),
    ("bit", r" \| ", [" & "]), ("bit", r" & ", [" | "]), ("bit", r" \|= ", [" &= ~"]),
    ("constant", r"\btrue\b", ["false"]), ("constant", r"\bfalse\b", ["true"]),
    ("constant", r"(?<=[ (\[])(\d+)(?=[;,)\] ])", [r"\1 + 1"]),
    ("jump", r"\breturn -1;", ["return 0;"]), ("jump", r"\breturn 0;", ["return -1;"]),
    ("jump", r"^\t+(break|continue);$", [";"]),
    ("condition", r"\bif \((.*)\)(?= \{$|$)", [r"if (!(\1))"]),
    ("call", r"^\t+(\(void\))?[a-z][a-z0-9_]*\([^;]*\);", [";"]),
    ("assignment", r"^\t+[a-z][a-z0-9_>.\[\]-]* = [^;]*;$", [";"]),
    ("increment", r"\+\+(?=;)", ["--"]),
]


def sources():
    listed = subprocess.run(["git", "ls-files", "*.c"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split() if not name.startswith("tests/")]


def code_lines(text):
    """The numbers of lines inside functions, comments and asserts left out."""
    numbers, inside, comment = [], False, False
    for number, line in enumerate(text.split("\n")):
        if line.startswith("{"):
            inside = True
        elif line.startswith("}"):
            inside = False
        starts = "/*" in line and "*/" not in line
        if inside and not comment and not starts and not re.match(r"\s*(assert\(|/\*|\*|#|case |default:)", line):
            numbers.append(number)
        comment = (comment or starts) and "*/" not in line
    return numbers


def mutants_of(name):
    """All edits of a file: (name, line number, kind, the line, the line after the edit)."""
    lines = (ROOT / name).read_text(encoding="utf-8").split("\n")
    found = []
    for number in code_lines("\n".join(lines)):
        line = lines[number]
        code = re.sub(r"/\*.*?\*/", lambda m: " " * len(m[0]), line)
        for kind, pattern, places in EDITS:
            for match in re.finditer(pattern, code):
                if line[:match.start()].count('"') % 2:
                    continue  # in a text
                for place in places:
                    after = line[:match.start()] + match.expand(place) + line[match.end():]
                    found.append((name, number + 1, kind, line.strip(), after.strip(), after))
    return found


def equivalents():
    """tests/mutants.txt: FILE | LINE | EDITED LINE | why; blank lines and # are passed over."""
    rows = set()
    for line in EQUIVALENT.read_text(encoding="utf-8").splitlines() if EQUIVALENT.exists() else []:
        if line.strip() and not line.startswith("#"):
            name, before, after, why = [part.strip() for part in line.split(" | ", 3)]
            assert why
            rows.add((name, before, after))
    return rows


def make(*targets):
    return subprocess.run(["make", "--silent", "--no-print-directory", "-C", COPY, "VARIANT=asan",
                           f"-j{os.cpu_count()}", *targets], capture_output=True, text=True, check=False)


def copy_tree():
    """The tree as it is now, beside what was built of it before."""
    COPY.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, listed):
        here, there = ROOT / name, COPY / name
        if not here.is_file():
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        if not there.exists() or there.read_bytes() != here.read_bytes():
            shutil.copyfile(here, there)
            shutil.copymode(here, there)


def symbols(path):
    listed = subprocess.run(["nm", "--defined-only", path], capture_output=True, text=True, check=True)
    return {row.split()[2] for row in listed.stdout.splitlines() if row.split()[1] in "TDBR"}


def programs():
    """The unit tests and corpora by name: (path, symbols)."""
    built = COPY / "build/asan/tests"
    paths = [p for p in [*built.glob("unit/test_*"), *built.glob("fuzz/replay_*")]
             if p.suffix == "" and os.access(p, os.X_OK)]
    return {str(p.relative_to(COPY)): symbols(p) for p in paths}


def fitting(name, tests):
    """Those that link the module, its own test first."""
    module = pathlib.Path(name).stem
    mine = {s for s in symbols(COPY / "build/asan" / (name[:-2] + ".o")) if not s.startswith("__")}
    those = [test for test, theirs in tests.items() if mine & theirs]
    return sorted(those, key=lambda test: (test.rsplit("_", 1)[-1] != module,
                                           f"test_{module}" not in test, "replay" in test, test))


def command(test):
    corpus = COPY / "tests/fuzz/corpus" / test.rsplit("replay_", 1)[-1]
    return [COPY / test, *(sorted(corpus.iterdir()) if "replay_" in test else [])]


def verdict(mutant, tests):
    """The name of what noticed the mutant, or None."""
    name, number, _, _, _, after = mutant
    path = COPY / name
    original = path.read_text(encoding="utf-8")
    lines = original.split("\n")
    lines[number - 1] = after
    path.write_text("\n".join(lines), encoding="utf-8")
    try:
        if make("build/asan/" + name[:-2] + ".o").returncode != 0:
            return "compiler"
        for test in fitting(name, tests):
            if make(test).returncode != 0:
                return "linker"
            try:
                run = subprocess.run(command(test), cwd=COPY, capture_output=True, timeout=SECONDS, check=False)
            except subprocess.TimeoutExpired:
                return test + " (time)"
            if run.returncode != 0:
                return test
        return None
    finally:
        path.write_text(original, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=float, default=0, help="fail below this share of noticed ones, in percent")
    parser.add_argument("--list", action="store_true", help="say which would be tried, and stop")
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    known = equivalents()
    every = [m for name in (args.files or sources()) for m in mutants_of(name) if (m[0], m[3], m[4]) not in known]
    chosen = random.Random(args.seed).sample(every, min(args.count, len(every)))
    if args.list:
        for name, number, kind, before, after, _ in chosen:
            print(f"{name}:{number}: {kind}: {before}  ->  {after}")
        return 0
    copy_tree()
    built = make("programs")
    if built.returncode != 0:
        sys.exit(built.stderr)
    tests = programs()
    lived, tried = [], 0
    for mutant in chosen:
        by = verdict(mutant, tests)
        if by == "compiler":
            continue
        tried += 1
        if by is None:
            lived.append(mutant)
            name, number, kind, before, after, _ = mutant
            print(f"lives: {name}:{number}: {kind}: {before}  ->  {after}", flush=True)
    share = 100 * (tried - len(lived)) / max(tried, 1)
    print(f"mutants: {tried} tried, {len(lived)} live, {share:.1f} % noticed (seed {args.seed})")
    return 0 if share >= args.least else 1


if __name__ == "__main__":
    sys.exit(main())
