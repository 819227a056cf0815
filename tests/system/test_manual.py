"""The short examples of the manual pages do what the pages say of them."""

import json
import os
import re
import subprocess

import pytest

from lib.operator import ADMIN, Operator
from lib.process import BINARY, ROOT
from lib.tree import Forest
from lib.wait import until


def blocks(page):
    """The literal texts of a page, and the lines that stand alone, as they are shown."""
    with open(os.path.join(ROOT, "proxy", page), encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", text, re.M)
    found += re.findall(r"^\.Dl (.*\n)", text, re.M)
    return [block.replace("\\e", "\\").replace("\\-", "-") for block in found]


def block(page, word):
    """The one with that in it."""
    found, = [text for text in blocks(page) if word in text]
    return found


def rules(text):
    """The objects that stand one behind the other, after what is no rule."""
    found, at = [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        rule, at = json.JSONDecoder().raw_decode(text, at)
        found.append(rule)
    return found


def note(method, **params):
    return "< " + json.dumps({"method": method, "params": params})


def explained(lab, profile, *lines, args=()):
    path = lab.write("p.json", json.dumps({"name": "p", **profile}))
    done = subprocess.run([BINARY, "--explain", "--profile", path, *args, "-"], capture_output=True,
                          input="\n".join(lines).encode(), env=lab.environment(), check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return Forest(done.stdout.decode())


TURN = {"turn": {"name": "turn", "key": {"thread.id": "/params/thread", "turn.id": "/params/turn"}}}
BEGIN = {"name": "begin", "on": "notification", "methods": "turn/begin", "do": "open", "span": "turn"}


def usage(total, last):
    return note("thread/usage", thread="t", turn="u", total=total, last=last)


@pytest.mark.parametrize("args,events", [((), ["log"]), (("--lifecycle-on=quiet",), [])])
def test_unless(lab, args, events):
    rule, = rules(block("sidespan-profile.5", '"unless"'))
    forest = explained(lab, {"lifecycle": {"spans": TURN, "rules": [BEGIN, rule]}},
                       note("turn/begin", thread="t", turn="u"), note("turn/log", thread="t", turn="u"), args=args)
    turn, = forest.named("turn")
    assert turn.events == events


@pytest.mark.parametrize("args,shown", [((), [None, None]), (("--lifecycle-on=uris",), ["a", "b"])])
def test_all_and_a_key_that_is_opt_in(lab, args, shown):
    """Both documents end with the goodbye, and not with the connection."""
    spans = json.loads("{" + block("sidespan-profile.5", '"uris"') + "}")["spans"]
    rule, = rules(block("sidespan-profile.5", '"all"'))
    opens = {"on": "client_notification", "methods": "open", "do": "open", "span": "document"}
    said = [("open", {"uri": "a"}), ("open", {"uri": "b"}), ("exit", {}), ("later", {})]
    forest = explained(lab, {"lifecycle": {"spans": spans, "rules": [opens, rule]}},
                       *("> " + json.dumps({"method": method, "params": params}) for method, params in said), args=args)
    documents = forest.named("document")
    assert [span.attributes.get("uri") for span in documents] == shown
    assert [span.duration for span in documents] == ["2.00 ms", "1.00 ms"]
    assert not [span for span in documents if "sidespan.end_reason" in span.attributes]


def test_a_request_that_will_not_be_answered(lab):
    forest = explained(
        lab, {"lifecycle": {"rules": rules(block("sidespan-profile.5", "notifications/cancelled"))}},
        '> {"id":5,"method":"slow"}', '> {"id":6,"method":"slow"}',
        '> {"method":"notifications/cancelled","params":{"requestId":5}}')
    ends = {span.attributes["rpc.request_id"]: span.attributes.get("error.type")
            for span in forest.named("slow")}
    assert ends["5"] == "cancelled" and ends["6"] != "cancelled"


def test_a_link_to_what_was_asked_before(lab):
    forest = explained(
        lab, {"lifecycle": {"rules": rules(block("sidespan-profile.5", '"do": "link"'))}},
        '> {"id":1,"method":"call"}', '< {"id":1,"result":{"requestState":"a state"}}',
        '> {"id":2,"method":"call","params":{"requestState":"a state"}}', '< {"id":2,"result":{}}',
        '> {"id":3,"method":"call","params":{"requestState":"another"}}', '< {"id":3,"result":{}}')
    links = {span.attributes["rpc.request_id"]: span.links for span in forest.named("call")}
    assert links == {"1": [], "2": ["call"], "3": []}


def test_a_request_that_stays(lab):
    first, rest = block("sidespan-profile.5", '"do": "stay"').split("\n\n")
    forest = explained(
        lab, {"lifecycle": {**json.loads("{" + first + "}"), "rules": rules(rest)}},
        '> {"id":1,"method":"prompt","params":{"session":"s"}}', '< {"id":1,"result":{}}',
        note("idle", session="other"), note("idle", session="s"),
        '> {"id":2,"method":"prompt","params":{"session":"s"}}', '< {"id":2,"error":{"code":1}}')
    assert [span.duration for span in forest.named("prompt")] == ["3.00 ms", "1.00 ms"]


def test_an_error_that_is_the_callers(lab):
    profile = {"lifecycle": {"rules": rules(block("sidespan-profile.5", '"unset"'))}}
    forest = explained(lab, profile, '> {"id":1,"method":"call"}', '< {"id":1,"error":{"code":-32602}}',
                       '> {"id":2,"method":"call"}', '< {"id":2,"error":{"code":-32603}}')
    first, second = forest.named("call")
    assert "error.type" not in first.attributes and second.attributes["error.type"] == "-32603"
    assert first.attributes["rpc.response.status_code"] == "-32602"


def test_a_memory(lab):
    first, rest = block("sidespan-profile.5", '"memory": "thread"').split("\n\n")
    spans = {"turn": {**TURN["turn"], "inherit": ["model"],
                      "key": {"thread.id": "/params/threadId", "turn.id": "/params/turn"}}}
    forest = explained(
        lab, {"lifecycle": {**json.loads("{" + first + "}"), "spans": spans,
                            "rules": [*rules(rest), BEGIN]}},
        '> {"id":1,"method":"thread/start"}',
        '< {"id":1,"result":{"thread":{"id":"t"},"model":"gpt"}}',
        note("turn/begin", threadId="t", turn="u"), note("turn/begin", threadId="other", turn="v"))
    assert [span.attributes.get("model") for span in forest.named("turn")] == ["gpt", None]


def test_a_level(lab):
    memory = {"thread": {"key": {"thread.id": "/params/thread"}}}
    forest = explained(
        lab, {"lifecycle": {"spans": TURN, "memories": memory, "rules": [
            BEGIN, *rules(block("sidespan-profile.5", "turn.tokens"))]}},
        note("turn/begin", thread="t", turn="u"), usage(5, 5), usage(5, 5), usage(12, 7))
    assert forest.named("turn")[0].attributes["turn.tokens"] == "12"


def test_moments(lab):
    spans = {**TURN, "call": {"name": "call", "made": True, "key": TURN["turn"]["key"]}}
    memory = {"thread": {"key": {"thread.id": "/params/thread"}}}
    forest = explained(
        lab, {"lifecycle": {"spans": spans, "memories": memory, "rules": [
            BEGIN, *rules(block("sidespan-profile.5", "former_until"))]}},
        note("turn/begin", thread="t", turn="u"), note("tool/begin", thread="t", turn="u"),
        usage(5, 5), note("tool/end", thread="t", turn="u"), usage(12, 7))
    calls = forest.named("call")
    assert [(span.attributes["tokens"], span.duration) for span in calls] == [
        ("5", "1.00 ms"), ("7", "1.00 ms")]  # up to the tool; from its end on


def test_an_extension(lab):
    text = block("sidespan-profile.5", '"extends": "codex"')
    forest = explained(
        lab, json.loads(text),
        '> {"id":1,"method":"turn/start","params":{"threadId":"t","effort":"high","tenant":"a"}}',
        '< {"id":1,"result":{"turn":{"id":"u"}}}', '> {"id":2,"method":"thread/start"}',
        '< {"id":2,"result":{"thread":{"id":"t"},"model":"gpt"}}')
    turn, thread = forest.starting("app_server.request")
    assert turn.attributes["ours.effort"] == "high" and turn.attributes["ours.tenant"] == "a"
    assert thread.attributes["ours.model"] == "gpt"


def test_a_metric(lab):
    profile = json.loads("{" + block("sidespan-profile.5", '"metrics": [') + "}")
    path = lab.write("p.json", json.dumps({"name": "p", **profile}))
    link = lab.link("ws", args=[ADMIN], profile=path)
    operator = Operator.of(lab, link.sidespan)
    for number, total in enumerate((0, 7, None)):
        link.call({"id": number, "method": "search", "params": {"index": "books"}},
                  {"id": number, "result": {"total": total}})
    until(lambda: operator.metrics().get(("search_hits_count", 'search_index="books"')) == 2, "two searches")
    found = operator.metrics()
    assert found["search_hits_sum", 'search_index="books"'] == 7
    assert [found["search_hits_bucket", f'search_index="books",le="{bound}"'] for bound in ("0", "1", "10", "+Inf")] \
        == [1, 1, 2, 2]


@pytest.mark.parametrize("last", [[], [note("turn/stopped", thread="t", turn="u")]])
def test_what_runs_at_the_end(lab, last):
    rule, = rules(block("sidespan-profile.5", '"at_end"'))
    made = {"work": {"name": "work", "made": True, "key": TURN["turn"]["key"]}}
    forest = explained(lab, {"lifecycle": {"spans": {**TURN, **made}, "rules": [BEGIN, rule]}},
                       note("turn/begin", thread="t", turn="u"), *last)
    work, *more = forest.named("work")
    turn, = forest.named("turn")
    assert work.parent is turn and "sidespan.end_reason" in turn.attributes
    assert len(more) == len(last)  # what is told of begins anew


def test_every_piece_of_the_language_is_covered():
    """A new short example wants a test above."""
    page = [text for text in blocks("sidespan-profile.5")
            if text.lstrip().startswith(("{", '"')) and "job" not in text]
    assert len(page) == 13


@pytest.fixture
def shell(lab):
    """Runs what stands in a page, with a codex that ends at once and the files it speaks of."""
    lab.write("bin/codex", "#!/bin/sh\nexec cat\n")
    os.chmod(os.path.join(lab.directory, "bin/codex"), 0o755)
    os.symlink(BINARY, os.path.join(lab.directory, "bin/sidespan"))
    lab.write("notes.json", '{"name": "notes"}')
    lab.write("site.json", '{"log.level": "warn", "otlp.endpoint": "http://127.0.0.1:1"}')

    def run(text, **more):
        environment = lab.environment(env={
            "PATH": os.path.join(lab.directory, "bin") + ":" + os.environ["PATH"], **more})
        return subprocess.run(["sh", "-e", "-c", text], cwd=lab.directory, env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60)
    return run


def test_commands(shell):
    """Those that end by themselves, one after the other as they stand."""
    ran = 0
    for text in blocks("sidespan.1"):
        if "sidespan" in text and "ws://" not in text and "npx" not in text:
            shell(text)
            ran += 1
    assert ran >= 6


@pytest.mark.parametrize("profile", ["mcp", "lsp", "acp", "ethereum"])
def test_protocols(shell, profile):
    """The spans that stand behind the messages are those that come of them, with these attributes, and no others."""
    page = blocks("sidespan.1")
    place = next(at for at, text in enumerate(page) if f"--profile {profile} {profile}.txt" in text)
    forest, names, path = Forest(shell(page[place]).stdout.decode()), [], []
    for line in page[place + 1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, attributes = re.split(r" {2,}", line.strip())
        path[depth:] = [name]
        span, = forest.named(name)
        assert span.path() == tuple(path)
        assert dict(pair.split("=") for pair in attributes.split()).items() <= span.attributes.items(), span.attributes
        names.append(name)
    assert sorted(names) == sorted(span.name for span in forest.spans)


AUTO = {
    "mcp": ["npx -y @modelcontextprotocol/server-everything", "node /x/mcp-server-filesystem /tmp", "uvx mcp-server-git",
            "mcp-server-x"],
    "lsp": ["clangd-18 --log=error", "/usr/bin/gopls serve", "pylsp", "rust-analyzer", "typescript-language-server --stdio",
            "npx typescript-language-server --stdio", "ruff server", "bash-language-server start"],
    "acp": ["gemini --experimental-acp", "npx @zed-industries/claude-code-acp", "codex-acp", "claude-agent-acp"],
    "ethereum": ["geth --ws", "npx ganache --port 8545", "anvil", "reth node"],
    "codex": ["codex app-server"],
    "generic": ["cat", "gemini", "node server.js", "ruff check", "npx prettier"],
}


@pytest.mark.parametrize("profile,command", [(profile, command) for profile, them in AUTO.items() for command in them])
def test_profiles_by_command(lab, profile, command):
    done = subprocess.run([BINARY, "--check", "--", *command.split()], capture_output=True, text=True,
                          env=lab.environment(), check=True)
    assert f"\nprofile {profile}: " in "\n" + done.stdout


def test_recordings_of_the_page_are_read(shell):
    text = block("sidespan.1", '"raw_parts"')
    shell(f"sidespan --explain - <<'END'\n{text}END\n")
    for word in "call.jsonl", "call.txt":
        out = shell(block("sidespan.1", f"cat >{word}")).stdout.decode()
        assert "messages=2 spans=1" in out, word


def test_a_file_of_the_page(lab, shell):
    lab.write("c.json", block("sidespan.1", "OTLP_TOKEN"))
    out = shell("sidespan --check --config c.json", OTLP_TOKEN="secret").stdout.decode()
    assert "https://collector.example" in out and "secret" not in out


def test_nested_names_are_the_same(lab, shell):
    """The file in two ways of writing."""
    said = []
    for line in block("sidespan.1", "http://collector:4318").splitlines():
        lab.write("c.json", line)
        said.append(shell("sidespan --check --config c.json").stdout.decode())
    assert len(said) == 2 and said[0] == said[1]
    assert re.search(r"http://collector:4318\b", said[0]), said[0]


@pytest.mark.parametrize("word", ["--upstream ws://", "--replay call.jsonl"])
def test_listeners(lab, word):
    """On ports of their own here."""
    lab.write("call.jsonl", '{"dir":"c2s","raw":"{}"}\n')
    text = re.sub(r"127\.0\.0\.1:4[67]00", "127.0.0.1:0", block("sidespan.1", word))
    os.makedirs(os.path.join(lab.directory, "bin"))
    os.symlink(BINARY, os.path.join(lab.directory, "bin/sidespan"))
    process = subprocess.Popen(
        ["sh", "-c", "exec " + text.strip()], cwd=lab.directory, stderr=subprocess.PIPE,
        env=lab.environment(env={
            "PATH": os.path.join(lab.directory, "bin") + ":" + os.environ["PATH"]}))
    try:
        line = process.stderr.readline()
        assert b"listening on ws://127.0.0.1:" in line, line
    finally:
        process.terminate()
        process.communicate()
    assert process.returncode == 0
