#!/usr/bin/env python3
"""Mutants: one edit at a random line of a module, and the unit tests and corpora that come by there.

A mutant that no test notices shows a line that nothing watches. The sanitizers are on, so that a leak
or a read by one too many counts as noticed. Those of which the compiler makes the same do not count;
others that change nothing that can be seen are listed in tests/mutants.txt, each with the reason.
proxy/main.c, which no unit test links, is left out.

An edit costs one compilation and the link of all modules as a shared library, which takes the place of
the one that the tests were linked with; and the same once more with the sanitizers if nothing was
noticed without them, but for tests that take long with them. Which tests come by a line is known from
a run of each with coverage; they are run quick ones first, the module's own before all. What no unit
test notices is left to the system tests with the name of the module or of its folder: proxy/top/top.c
to test_top.py. build/mutants keeps what was made and what was learnt of tests that have not changed.

    tests/mutate.py --count 200 --seed 1 [--jobs 2] [--least 95] [--list] [FILE...]
"""

import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path("build/mutants")
EQUIVALENT = ROOT / "tests/mutants.txt"

# What the mutants run in, and what tells which test comes by which line.
TREES = {
    "quick": ["VARIANT=quick", "CFLAGS=-O1 -fPIC"],
    "asan": ["VARIANT=asan", "CFLAGS=-fPIC"],
    "cover": ["VARIANT=cover", "CFLAGS=-O0 -fPIC --coverage", "LDFLAGS=--coverage"],
}
# An edit may have a signal sent to processes that have nothing to do with the test.
ALONE = ["unshare", "--user", "--map-current-user", "--pid", "--mount-proc", "--kill-child", "--fork",
         "sh", "-c", '"$@"; exit $?', "sh"]

QUIET = 20  # seconds without a step, after which a test comes to no end; none sleeps half as long
SLOW = 5  # seconds with sanitizers, after which a test is run without them alone
SYSTEM = 200  # seconds that a file of system tests may take
WALL = 12  # times its processor time is what a test may take in all, on a machine that has much else to do

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
    return [name for name in listed.stdout.split() if not name.startswith("tests/") and name != "proxy/main.c"]


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


def indent(line):
    return len(line) - len(line.lstrip("\t"))


def ends_switch(lines, number):
    """Whether a break stands where its switch ends anyway."""
    if lines[number].strip() != "break;" or lines[number + 1] != "\t" * (indent(lines[number]) - 1) + "}":
        return False
    outer = indent(lines[number + 1])
    above = (line for line in reversed(lines[:number]) if line and indent(line) <= outer)
    head = next(line for line in above if not re.match(r"\t*(case |default:|})", line))
    return head.startswith("\t" * outer + "switch (")


def is_same(kind, line, match):
    """Whether the edit cannot change anything: the smaller of two that are the same, room for one more."""
    if kind == "relation":
        before, after = line[:match.start()], line[match.end():]
        one = re.search(r"[\w>.\[\]*-]+$", before)
        found = one and re.match(r"([\w>.\[\]*-]+) \? (.+?) : ([\w>.\[\]*-]+)", after)
        return bool(found) and match[0].strip() in "<>" and (
            {found[2], found[3]} == {one[0], found[1]} or
            (found[2] == f"{one[0]} - {found[1]}" and found[3] == "0"))
    if kind == "constant":
        declared = re.match(r"\t+(?!return\b)(\w+ )+\*?[^=()]*\[[^\]]*$", line[:match.start()])
        return bool(declared) or line[:match.start()].endswith("calloc(")
    return False


def is_bound(line, below):
    """Whether the smaller or the larger of two is kept: if (A > B) A = B."""
    found = re.match(r"\t+(?:else )?if \(([^&|]+) [<>] ([^&|]+)\)\n\t+([^=;]+) = ([^;]+);", f"{line}\n{below}")
    return found is not None and (found[1], found[2]) == (found[3], found[4])


def is_about_no_descriptor(line, match):
    """Whether a descriptor is compared with 0, which none that is opened has: proxy/main.c sees to that."""
    found = re.search(r"\b\w*fd (<|>=) 0(?=\D)", line)
    return found is not None and found.start() <= match.start() and match.end() <= found.end()


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
                if is_same(kind, line, match) or kind == "jump" and ends_switch(lines, number):
                    continue
                if match[0] in (" < ", " > ") and is_bound(line, lines[number + 1]):
                    continue
                if is_about_no_descriptor(line, match):
                    continue
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


def call(command, **more):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return done.stdout


class Tree:
    """Objects as the makefile makes them, but linked so that the modules are a shared library."""

    def __init__(self, name, jobs):
        self.base, self.jobs = BUILD / name, jobs
        self.make = ["make", "--silent", "--no-print-directory", f"-j{jobs}", f"B={self.base}", *TREES[name]]
        sources_of_tests = [*ROOT.glob("tests/unit/test_*.c"), *ROOT.glob("tests/fuzz/fuzz_*.c")]
        self.source = {path.stem.replace("fuzz_", "replay_"): str(path.relative_to(ROOT))
                       for path in sorted(sources_of_tests)}
        self.path = {program: str(self.base / pathlib.Path(source).parent / program)
                     for program, source in self.source.items()}
        # What makes a file, by its name, and the modules' objects.
        self.program = f"{self.base}/sidespan"
        told = call([*self.make, "--dry-run", "--always-make", *self.path.values(), self.program]).splitlines()
        self.command = {line.split(" -o ")[1].split()[0]: line for line in told if " -o " in line}
        self.archive = str(self.base / "modules.a")
        self.objects = next(line for line in told if f"qcs {self.archive} " in line).split(self.archive)[1].split()

    def build(self):
        call([*self.make, *(name for name in self.command if name.endswith(".o"))])
        for kind in ("test", "replay"):
            self.link_library(kind, self.objects, self.base)
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(self.link_program, filter(self.is_old, self.path)))

    def is_old(self, program):
        """Whether an object of its own is newer; the modules are not in it."""
        made = ROOT / self.path[program]
        parts = [ROOT / part for part in self.command[self.path[program]].split() if part.endswith(".o")]
        return not made.exists() or max(part.stat().st_mtime for part in parts) >= made.stat().st_mtime

    def link_library(self, kind, objects, folder):
        """Unit tests stand before malloc(), the corpora do not: there is a library for each."""
        before, after = self.command[next(self.path[p] for p in self.path if p.startswith(kind))].split(" -o ")
        call(f"{before.replace(' -pie ', ' -shared ')} -Wl,-soname,{kind}.so -o {folder}/{kind}.so "
             f"{' '.join(objects)} {after.split(self.archive)[1]}", shell=True)

    def link_program(self, program, folder=None):
        """Into a folder that has an object of its own, or where it was."""
        line, path = self.command[self.path[program]], self.path[program]
        library = f"-rdynamic {self.base}/{program.split('_')[0]}.so"
        if folder:
            line = line.replace(self.object(program), f"{folder}/{program}.o")
            line = line.replace(f" -o {path} ", f" -o {folder}/{program} ")
        call(line.replace(self.archive, library), shell=True)

    def build_for_system(self):
        """What system tests want; the program itself is linked as it would be with an edit."""
        peers = [f"{self.base}/{path.relative_to(ROOT).with_suffix('')}"
                 for folder in ("demo", "bench") for path in ROOT.glob(f"tests/{folder}/*.c")]
        call([*self.make, *peers, f"{self.base}/tests/oom/refuse.so"])
        call(self.command[self.program], shell=True)

    def object(self, program):
        return str(self.base / self.source[program])[:-2] + ".o"

    def compile(self, made, where, overlay, more=""):
        """The object MADE as WHERE, what lies in OVERLAY before what lies in the tree."""
        line = self.command[made].replace(" -I. ", f" -I{overlay} -I. ", 1)
        before, source = line.replace(f" -o {made} ", f" -o {where} ").rsplit(" ", 1)
        edited = overlay / source
        return subprocess.run(f"{before} {more} {edited if (ROOT / edited).exists() else source}", cwd=ROOT,
                              shell=True, capture_output=True, check=False).returncode == 0

    @functools.cache
    def made_of(self, path):
        """The files that an object was compiled from; none if it is no more."""
        rules = (ROOT / path).with_suffix(".d")
        return rules.read_text().replace("\\\n", " ").split("\n")[0].split()[1:] if rules.exists() else []

    def includes(self, program, name):
        """Whether a test has a module's text in its own."""
        return name in self.made_of(self.object(program))


def processes(session):
    """Of the processes of a session: the processor time they have used so far, and whether one could go on."""
    ticks, awake = 0, False
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            state, _, _, of, *told = pathlib.Path(f"/proc/{name}/stat").read_text().rpartition(") ")[2].split()
        except (OSError, UnicodeError):
            continue  # it has ended
        if int(of) == session:
            ticks += sum(map(int, told[7:11]))
            awake = awake or state not in "SZ"
    return ticks / os.sysconf("SC_CLK_TCK"), awake


def ends_within(process, limit):
    """The status and the processor time of what ended; None if it used more, or waits for what does not come,
    with steps or without: the time in which others had the processor hardly counts."""
    before, pause, since = -1, 0.002, time.monotonic()
    last = since + WALL * limit
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_utime + usage.ru_stime
        if pause >= 0.05:
            used, awake = processes(process.pid)
            if used > limit or time.monotonic() > last:
                return None
            if awake or used != before:
                before, since = used, time.monotonic()
            elif time.monotonic() - since > QUIET:
                return None
        time.sleep(pause)
        pause = min(pause * 1.3, 0.25)


def end(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def ends_well(program, path, libraries, limit, fork="no", **environment):
    """Whether a test passes, and the processor time it took; None for one that does not come to its end."""
    corpus = ROOT / "tests/fuzz/corpus" / program.removeprefix("replay_")
    inputs = sorted(map(str, corpus.iterdir())) if program.startswith("replay_") else []
    environment = {**os.environ, "LD_LIBRARY_PATH": str(ROOT / libraries), "CK_FORK": fork,
                   "ASAN_OPTIONS": "detect_odr_violation=0", **environment}
    process = subprocess.Popen([*alone(), path, *inputs], cwd=ROOT, env=environment, start_new_session=True,
                               stdin=subprocess.DEVNULL, stdout=drain().stdin, stderr=subprocess.STDOUT)
    try:
        ended = ends_within(process, limit)
        return (None, limit) if ended is None else (ended[0] == 0, ended[1])
    finally:
        end(process)


def system_tests_of(name):
    """Those that have the name of the module or of a folder of it, or what these begin with."""
    words = re.split(r"[/_.]", name)
    return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("tests/system/test_*.py"))
            if any(word.startswith(path.stem.removeprefix("test_")) for word in words)]


def trouble(test, program, tree, folder, *more):
    """What becomes of a file of system tests with that program: "" when they pass."""
    where = {"SIDESPAN": program, "DEMO_BIN": f"{tree.base}/tests/demo", "BENCH_BIN": f"{tree.base}/tests/bench"}
    environment = {**os.environ, **{key: str(ROOT / value) for key, value in where.items()}}
    process = subprocess.Popen([*alone(), sys.executable, "-m", "pytest", "-q", "-x", "-o",
                                f"cache_dir={folder}/pytest", *more, test], cwd=ROOT, env=environment,
                               start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        return "" if process.wait(SYSTEM) == 0 else "fails"
    except subprocess.TimeoutExpired:
        return "hangs"
    finally:
        end(process)


@functools.cache
def alone():
    return ALONE if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0 else []


@functools.cache
def drain():
    """What tests say goes into a pipe, as some look at what kind of file they write to."""
    return subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


def lines_of(data):
    """The lines that gcov knows of and those that a test has come by, by module, after its run."""
    seen = {}
    counted = list((ROOT / data).rglob("*.gcda"))
    for path in counted:
        notes = pathlib.Path("/") / path.relative_to(ROOT / data).with_suffix(".gcno")
        path.with_suffix(".gcno").symlink_to(notes)
    told = subprocess.run(["gcov", "--json-format", "--stdout", *counted], cwd=ROOT, capture_output=True, text=True,
                          check=True).stdout if counted else ""
    for line in told.splitlines():
        for file in json.loads(line)["files"]:
            lines = seen.setdefault(file["file"], {})
            for row in file["lines"]:
                lines[row["line_number"]] = lines.get(row["line_number"], False) or row["count"] > 0
    return {name: {str(number): came for number, came in rows.items()} for name, rows in seen.items()
            if not name.startswith(("tests/", "/"))}


class Tests:
    """What is known of the tests: how long they take, and where they come by."""

    def __init__(self, jobs):
        self.quick, self.tree, self.cover = (Tree(name, jobs) for name in TREES)
        for tree in (self.quick, self.tree, self.cover):
            tree.build()
        self.quick.build_for_system()
        kept = ROOT / BUILD / "learnt.json"
        before = json.loads(kept.read_text()) if kept.exists() else {}
        self.known = {program: known for program, known in before.items() if program in self.tree.path}
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for program, known in zip(self.tree.path, pool.map(self.learn, self.tree.path)):
                self.known[program] = known
                if known is not before.get(program):
                    kept.write_text(json.dumps(self.known))

    def key(self, program, lines):
        """Of all that the test was made of, as far as it comes by there."""
        objects = [part for part in self.tree.command[self.tree.path[program]].split() if part.endswith(".o")]
        objects += [str(self.tree.base / name)[:-2] + ".o" for name in lines]
        told = hashlib.sha256()
        for name in sorted({name for path in objects for name in self.tree.made_of(path)}):
            told.update((ROOT / name).read_bytes())
        return told.hexdigest()

    def learn(self, program):
        before = self.known.get(program)
        if before and before["key"] == self.key(program, before["lines"]):
            return before
        data = BUILD / "cover/data" / program
        shutil.rmtree(ROOT / data, ignore_errors=True)
        where = {"GCOV_PREFIX": str(ROOT / data)}
        # In one process where the tests do not mind: quicker, and done with the first that crashes.
        fork = "no" if ends_well(program, self.cover.path[program], self.cover.base, 8, "no", **where)[0] else "yes"
        if fork == "yes":
            ends_well(program, self.cover.path[program], self.cover.base, 600, "yes", **where)
        for fork in (["no", "yes", "yes"] if fork == "no" else ["yes", "yes"]):
            well, seconds = ends_well(program, self.tree.path[program], self.tree.base, 600, fork)
            if well:
                lines = lines_of(data)
                return {"key": self.key(program, lines), "fork": fork, "seconds": seconds, "lines": lines}
        sys.exit(f"{program} fails without an edit")

    def of(self, name, number):
        """Those that come by a line, or by that where its statement begins; the module's own in any case."""
        own = "test_" + pathlib.Path(name).stem
        found = []
        for program, known in self.known.items():
            lines = known["lines"].get(name, {})
            here = max((int(n) for n in lines if int(n) <= number), default=0)
            if program == own or lines.get(str(number), lines.get(str(here), False)):
                found.append(program)
        return sorted(found, key=lambda p: (p != own or self.known[p]["seconds"] > 5, self.known[p]["seconds"]))

    def verdict(self, mutant, folder):
        """The name of what noticed the mutant, or None."""
        name, number, _, _, _, after = mutant
        before = (ROOT / name).read_text(encoding="utf-8")
        lines = before.split("\n")
        lines[number - 1] = after
        shutil.rmtree(ROOT / folder, ignore_errors=True)
        edited = ROOT / folder / name
        edited.parent.mkdir(parents=True)
        edited.write_text("\n".join(lines), encoding="utf-8")
        for tree in (self.quick, self.tree):
            by = self.judged_by(tree, name, number, folder)
            if by is not None:
                return by
        if self.is_same_program(name, folder, before):
            return "compiler"
        return self.judged_by_system(name, folder)

    def is_same_program(self, name, folder, before):
        """Whether the compiler makes of the edit what it makes of the module without: nobody could notice."""
        edited, object_of = ROOT / folder / name, str(self.quick.base / name)[:-2] + ".o"
        made, after = [], edited.read_text(encoding="utf-8")
        for text in (before, after):
            edited.write_text(text, encoding="utf-8")
            self.quick.compile(object_of, folder / "same.o", folder, "-O2 -g0")
            made.append((ROOT / folder / "same.o").read_bytes())
        return made[0] == made[1]

    def judged_by_system(self, name, folder):
        """The same of system tests: one that fails with the edit, twice, and not without."""
        tree, own = self.quick, folder / self.quick.base.name
        tests = system_tests_of(name)
        if tests:
            before, after = tree.command[tree.program].split(f" -o {tree.program} ")
            made = str(tree.base / name)[:-2] + ".o"
            call(f"{before} -o {own}/sidespan {after.replace(made, f'{own}/edited.o')}", shell=True)
        for test in tests:
            found = trouble(test, f"{own}/sidespan", tree, own)
            if found == "fails":
                found = trouble(test, f"{own}/sidespan", tree, own, "--last-failed")
            if found and not trouble(test, tree.program, tree, own, "--last-failed"):
                return test
        return None

    def judged_by(self, tree, name, number, folder):
        """The same in one tree, for an edit that lies in the folder."""
        own = folder / tree.base.name
        (ROOT / own).mkdir()
        made = str(tree.base / name)[:-2] + ".o"
        if not tree.compile(made, own / "edited.o", folder):
            return "compiler"
        objects = [f"{own}/edited.o" if path == made else path for path in tree.objects]
        for program in self.of(name, number):
            if tree is self.tree and self.known[program]["seconds"] > SLOW:
                continue
            kind = program.split("_")[0]
            if not (ROOT / own / f"{kind}.so").exists():
                tree.link_library(kind, objects, own)
            path = tree.path[program]
            if tree.includes(program, name):
                tree.compile(tree.object(program), own / f"{program}.o", folder)
                tree.link_program(program, own)
                path = f"{own}/{program}"
            if self.notices(tree, program, path, own):
                return program
        return None

    def notices(self, tree, program, path, folder):
        """What fails or does not come to its end is only the edit's doing if it does so again, and if the same
        without the edit does not."""
        limit, fork = 10 + 2 * self.known[program]["seconds"], self.known[program]["fork"]
        for _ in range(2):
            well = ends_well(program, path, folder, limit, fork)[0]
            if well:
                return False
            if well is None:
                break
        return bool(ends_well(program, tree.path[program], tree.base, limit, fork)[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
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
    tests = Tests(args.jobs)
    folders = queue.SimpleQueue()
    for i in range(args.jobs):
        folders.put(BUILD / f"edited-{i}")

    def judge(mutant):
        folder = folders.get()
        try:
            by = tests.verdict(mutant, folder)
        finally:
            folders.put(folder)
        if by is None:
            name, number, kind, before, after, _ = mutant
            print(f"lives: {name}:{number}: {kind}: {before}  ->  {after}", flush=True)
        return by

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        noticed = [by for by in pool.map(judge, chosen) if by != "compiler"]
    tried, lived = len(noticed), noticed.count(None)
    share = 100 * (tried - lived) / max(tried, 1)
    print(f"mutants: {tried} tried, {lived} live, {share:.1f} % noticed (seed {args.seed})")
    return 0 if share >= args.least else 1


if __name__ == "__main__":
    sys.exit(main())
