"""sidespan --explain: from the command line, a file or standard input, to text and exit status."""

import json
import subprocess
import unicodedata

import pytest

from lib.process import BINARY, is_sanitized

PING = '{"id":1,"method":"ping","params":{"text":"\u00e9\\n"}}'
PONG = '{"id":1,"result":{}}'


def line(way, raw, **more):
    return json.dumps({"dir": way, "raw": raw, **more}) + "\n"


CALL = line("c2s", PING) + line("s2c", PONG)


def explain(lab, *args, text=b"", env=None):
    """(status, stdout, stderr); text is what stands on standard input."""
    text = text.encode() if isinstance(text, str) else text
    done = subprocess.run([BINARY, "--explain", *args], input=text, capture_output=True,
                          env=lab.environment(None, env), check=False, timeout=60)
    assert b"Sanitizer" not in done.stderr and b"runtime error" not in done.stderr, done.stderr
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def explained(lab, *args, **more):
    status, text, said = explain(lab, *args, **more)
    assert (status, said) == (0, ""), said
    return text


def wrong(lab, *args, **more):
    """What is refused: the one line that says why."""
    status, text, said = explain(lab, *args, **more)
    assert status == 2 and said.count("\n") == 1, (status, said)
    assert said.startswith("sidespan: error: ")
    return said[len("sidespan: error: "):-1]


@pytest.fixture
def recording(lab):
    path = lab.path()
    with open(path, "w", encoding="utf-8") as file:
        file.write(CALL)
    return path


# Letters and marks that look like nothing: joiners, Hangul's fillers, Khmer's inherent vowels, Mongolian selectors.
SHAPELESS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"


def test_what_is_not_seen_is_shown(lab):
    """All of Unicode, in methods: what a terminal would obey or hide stands as a replacement."""
    everything = [chr(code) for code in range(0x110000) if not 0xd800 <= code < 0xe000]
    pieces = ["".join(everything[at:at + 64]) for at in range(0, len(everything), 64)]
    text = explained(lab, "-", text="".join(
        line("c2s", json.dumps({"method": piece})) for piece in pieces))
    assert text.startswith("profile generic (built-in profiles/generic.json)\n\n")
    lines = text.split("\n")[2:len(pieces) + 2]
    assert len(lines) == len(pieces)
    for piece, shown in zip(pieces, lines):
        shown = shown.split("c2s  ", 1)[1]
        assert len(shown) == len(piece), (piece, shown)
        for character, seen in zip(piece, shown):
            category = unicodedata.category(character)
            if category in ("Cc", "Cf", "Zl", "Zp") or character in SHAPELESS:
                assert seen == "\ufffd", hex(ord(character))
            elif category == "Cn" or 0xe0000 <= ord(character) < 0xe1000:
                # newer than this Python, perhaps; or in the block that never has anything to see
                assert seen in (character, "\ufffd"), hex(ord(character))
            else:
                assert seen == character, hex(ord(character))


def test_file_and_standard_input_are_the_same(lab, recording):
    text = explained(lab, recording)
    assert text == explained(lab, "-", text=CALL)
    assert text == (
        "profile generic (built-in profiles/generic.json)\n\n"
        "   1  0.001  c2s  ping  id=1\n"
        "   2  0.002  s2c  answer to ping  id=1\n"
        "\n"
        "trace 1\n"
        "└─ ping  1.00 ms  server  rpc.request_id=1\n"
        "\n"
        "messages=2 spans=1 not_json=0 without_rule=2\n")


def test_how_a_text_is_written_is_nothing(lab):
    expected = explained(lab, "-", text=CALL)
    spellings = [
        CALL.replace("\n", "\r\n"),
        CALL.rstrip("\n"),
        "\n" + CALL.replace('"dir"', ' "dir"\t'),
        "".join(json.dumps(dict(reversed(json.loads(row).items()))) + "\n"
                for row in CALL.splitlines()),
    ]
    for at in range(len(PING) + 1):
        parts = [PING[:at], *([[PING[at], 1]] if at < len(PING) else []), PING[at + 1:]]
        spellings.append(json.dumps({"dir": "c2s", "raw_parts": parts}) + "\n" + line("s2c", PONG))
    for text in spellings:
        shift = text.startswith("\n")
        said = explained(lab, "-", text=text)
        assert (said if not shift else said.replace("   2  0.001", "   1  0.001")
                .replace("   3  0.002", "   2  0.002")) == expected


def test_runs_give_the_same_again(lab):
    calls = [line("c2s", json.dumps({"id": i, "method": "m"})) for i in range(300)]
    ends = [line("s2c", json.dumps({"id": i, "result": {}}), t=1) for i in reversed(range(300))]
    text = "".join(calls + ends)
    assert explained(lab, "-", text=text) == explained(lab, "-", text=text)


def test_settings_apply(lab, recording):
    config = lab.path(".json")
    with open(config, "w", encoding="utf-8") as file:
        file.write('{"span.name": "file {method}"}')
    assert "─ app_server.request ping  " in explained(lab, "--profile", "codex", recording)
    assert "─ app_server.request ping  " in explained(lab, recording, "--profile=codex")
    assert "─ app_server.request ping  " in explained(lab, recording, "--", "codex", "app-server")
    assert "─ file ping  " in explained(lab, "--config", config, recording)
    assert "─ variable ping  " in explained(lab, recording, "--config", config,
                                            env={"SIDESPAN_SPAN_NAME": "variable {method}"})
    assert "messages=2 spans=0 " in explained(lab, "--sampler=always_off", recording)


def test_all_is_looked_at_and_nothing_sent(lab):
    flags = '{"id":1,"method":"m","trace":{"traceparent":"00-%032x-%016x-00"}}' % (5, 6)
    text = line("c2s", flags)
    collector = lab.collector()
    for env in ({}, {"OTEL_SDK_DISABLED": "true"}, {"TRACEPARENT": f"00-{7:032x}-{8:016x}-01"},
                {"SIDESPAN_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}):
        assert f"(parent {6:016x})\n" in explained(lab, "-", text=text, env=env)
    assert "spans=0 " in explained(lab, "--sampler=parentbased_always_on", "-", text=text)
    assert collector.requests == []


def test_what_is_wrong_with_the_command_line(lab, recording):
    assert wrong(lab) == ('command line: "--explain": must be followed by a FILE of messages, '
                          "or - for standard input")
    assert wrong(lab, recording, recording) == (
        f'command line: "{recording}": a second FILE; must be one')
    assert wrong(lab, recording, "--explan").endswith("did you mean --explain?")
    assert wrong(lab, "/nowhere") == "/nowhere: cannot be opened: No such file or directory"
    assert wrong(lab, "/") == "/:1: cannot be read: Is a directory"
    assert "no such profile" in wrong(lab, "--profile", "none", recording)


def test_what_is_wrong_with_a_recording(lab):
    path = lab.path(".jsonl")
    with open(path, "w", encoding="utf-8") as file:
        file.write(CALL + "\n" + '{"dir":"c2s","text":"{}"}\n')
    assert wrong(lab, path) == (
        f'{path}:4: "text": no such member; must be dir, raw, raw_parts, end, t, conn, '
        "transport or server")
    assert wrong(lab, "-", text=b'{"dir":"c2s","raw":"\xff"}') == (
        "standard input:1: not JSON: invalid bytes in UTF8 string.; must be one object on one "
        "line")
    status, text, _ = explain(lab, path)
    assert status == 2 and text.count("\n") == 4, "what came before is there"


def test_messages_as_they_are(lab):
    """What a log has: messages behind > and <, or of one side alone."""
    text = explained(lab, "--profile", "codex", "-", text=f"> {PING}\n< {PONG}\n")
    assert text == explained(lab, "--profile", "codex", "-", text=CALL)
    assert "  s2c  answer to nothing known  id=1\n" in explained(
        lab, "--dir", "s2c", "-", text=PONG + "\n")
    assert wrong(lab, "--dir", "both", "-") == (
        "command line: --dir: must be c2s, messages of the client, or s2c, of the server")


def test_why_a_rule_does_not_act(lab):
    text = explained(lab, "--profile", "codex", "--why", "item/started", "-", text=(
        '< {"method":"item/started","params":{"threadId":"t","turnId":"u",'
        '"item":{"id":"i","type":"userMessage"}}}'))
    assert ('      item started: does not act: /params/item/type is "userMessage", must be one of '
            "those that it names\n") in text


def test_a_large_message(lab):
    """Memory and time grow with the line, not with its square."""
    parts = ['{"id":1,"method":"big","params":"', ["y", 60000000], '"}']
    text = json.dumps({"dir": "c2s", "raw_parts": parts}) + "\n" + line("s2c", PONG)
    assert "  c2s  big  id=1\n" in explained(lab, "-", text=text)
    if not is_sanitized():
        escaped = json.dumps({"dir": "s2c", "raw": json.dumps("\n" * 8000000)})
        assert "  s2c  not JSON-RPC\n" in explained(lab, "-", text=escaped)


def test_a_story_told_again_moves_nothing(lab):
    """What a server says once more, as for thread/resume: items that are over, tokens counted."""
    def note(t, method, **params):
        return line("s2c", json.dumps({"method": method, "params": {
            "threadId": "T", "turnId": "u", **params}}), t=t)

    def item(t, verb, kind, name="i", **more):
        return note(t, f"item/{verb}", item={"id": name, "type": kind, **more})

    def tokens(t, total):
        return note(t, "thread/tokenUsage/updated", tokenUsage={
            "total": {"inputTokens": total}, "last": {"inputTokens": 10}})

    def says(t, name, text):
        return item(t, "started", "agentMessage", name) + \
            item(t, "completed", "agentMessage", name, text=text)

    def told(again):
        text = explained(lab, "--profile=codex", "--telemetry-contents", "-", text=(
            line("c2s", '{"id":1,"method":"turn/start","params":{"threadId":"T"}}', t=0) +
            line("s2c", '{"id":1,"result":{"turn":{"id":"u"}}}', t=0) +
            item(1, "started", "commandExecution") + item(2, "completed", "commandExecution") +
            tokens(3, 10) + says(3, "m", "first") + says(3.5, "n", "second") + again +
            tokens(6, 20) + note(7, "turn/completed", turn={"id": "u", "status": "completed"})))
        return text[text.index("\ntrace 1"):text.index("\nmessages=")]

    once = told("")
    assert "output.value=second" in once and once.count("─ chat ") == 2, once
    assert told(item(4, "started", "commandExecution") + item(4, "completed", "commandExecution") +
                says(4, "m", "first") + tokens(4, 10)) == once
