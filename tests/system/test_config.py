"""The command line, files, variables and what they come to."""

import json
import os
import re

import pytest

from lib.lab import Link
from lib.process import ROOT

LISTEN = ["--listen=tcp://127.0.0.1:0", "--upstream=tcp://127.0.0.1:1"]


def options():
    with open(os.path.join(ROOT, "config/options.def")) as file:
        return re.findall(r'^OPTION_\w+\(\w+, "([a-z_.]+)"', file.read(), re.M)


def run(lab, *args, **more):
    """Runs a command that prints something and ends: (status, stdout, lines of stderr)."""
    program = lab.sidespan(*args, **more)
    text = lab.keep(program.peer()).stream.read_all().decode()
    return program.wait(), text, program.lines


def check(lab, *args, **more):
    """--check: {option: (value, source)}."""
    status, text, lines = run(lab, "--check", *args, **more)
    assert status == 0, lines
    found = re.findall(r"^(\S+)\s+(.*?)\s+\(([^()]*)\)$", text, re.M)
    return {name: (value, source) for name, value, source in found}


def wrong(lab, *args, **more):
    """A configuration that is refused: the one line that says why."""
    status, text, lines = run(lab, *args, **more)
    assert status == 2 and text == "" and len(lines) == 1, (status, text, lines)
    assert lines[0].startswith("sidespan: error: ")
    return lines[0]


# what is printed

def test_help_names_every_option(lab):
    status, text, lines = run(lab, "--help")
    assert status == 0 and lines == []
    for name in options():
        flag = "--" + re.sub("[._]", "-", name)
        variable = "SIDESPAN_" + name.replace(".", "_").upper()
        assert f"{flag} " in text or f"{flag}," in text or f"{name} (not a flag)" in text, flag
        assert variable in text
    for word in ("--config", "--env", "--check", "--version", "-- COMMAND"):
        assert word in text


def test_version(lab):
    status, text, lines = run(lab, "--version")
    assert status == 0 and lines == []
    assert re.fullmatch(r"sidespan \d+\.\d+\.\d+\n", text)


def test_check_tells_every_option_and_its_source(lab):
    told = check(lab, *LISTEN, "--log-level=debug", env={"SIDESPAN_INFLIGHT_MAX": "7",
                                                        "OTEL_SERVICE_NAME": "named"})
    assert set(options()) <= set(told)
    assert told["listen"] == ("tcp://127.0.0.1:0", "flag --listen")
    assert told["inflight.max"] == ("7", "variable SIDESPAN_INFLIGHT_MAX")
    assert told["service.name"] == ("named", "variable OTEL_SERVICE_NAME")
    assert told["child.grace"][1] == "built-in"


@pytest.mark.parametrize("hidden", ["\x1b", "\x9b", "\u202e", "\u200b", "\u2028", "\ufeff",
                                    "\u034f", "\u1160", "\u17b4", "\u180f", "\u3164", "\uffa0",
                                    "\U000e0061"])
def test_nothing_said_does_something_to_a_terminal(lab, hidden):
    status, text, lines = run(lab, "--check", "--", f"a{hidden}b")
    assert status == 0 and lines == [] and hidden not in text
    assert re.search("^command a[?\ufffd]b$", text, re.M)
    if hidden > "\x9f":
        told = check(lab, f"--service-name=a{hidden}b")
        assert told["service.name"][0] == "a\ufffdb"
    line = wrong(lab, f"--log-level=a{hidden}b", *LISTEN)
    assert hidden not in line and re.search('"a[?\ufffd]b"', line), line


def test_check_does_not_start_anything(lab):
    marker = lab.path()
    assert run(lab, "--check", "--", "touch", marker)[0] == 0
    assert not os.path.exists(marker)


def test_check_without_a_server(lab):
    assert "listen" in check(lab)


@pytest.mark.parametrize("where", ["file", "variable", "otel"])
def test_secrets_are_not_printed(lab, where):
    path = lab.write("c.json", '{"otlp.headers": {"api-key": "hunter2"}}')
    args = ["--config", path] if where == "file" else []
    name = {"variable": "SIDESPAN_OTLP_HEADERS", "otel": "OTEL_EXPORTER_OTLP_HEADERS"}.get(where)
    env = {name: "api-key=hunter2"} if name else {}
    status, text, lines = run(lab, "--check", *args, env=env)
    assert status == 0 and "hunter2" not in text + "".join(lines)
    assert "otlp.headers" in text


def test_query_of_a_url_is_not_logged(lab):
    """It may be a token: of the collector that is not there, of the server that is not."""
    program = lab.sidespan("--connect-timeout=10ms", "--upstream=ws://127.0.0.1:1/x?k=hunter2",
                           "--otlp-endpoint=http://127.0.0.1:1/x?k=hunter2", "--exporter=otlp")
    assert program.wait() == 1
    text = "\n".join(program.lines)
    assert "hunter2" not in text and "spans to http://127.0.0.1:1/x/v1/traces?***" in text
    assert "cannot reach ws://127.0.0.1:1/x?***: " in text


def test_secrets_are_not_taken_as_flags(lab):
    line = wrong(lab, "--otlp-headers=api-key=hunter2", *LISTEN)
    assert "hunter2" not in line and "OTLP_HEADERS" in line


def test_headers_from_a_file(lab):
    path = lab.write("headers", "# for the collector\nauthorization: Bearer hunter2\n")
    os.chmod(path, 0o600)
    link = lab.traced(args=["--log-level=debug"], env={"SIDESPAN_OTLP_HEADERS_FILE": path + "\n"})
    link.call({"id": 1, "method": "m"}, {"id": 1, "result": 1})
    assert link.collector.wait_requests(1)[0].headers["authorization"] == "Bearer hunter2"
    link.finish()
    assert b"hunter2" not in link.sidespan.stderr and link.sidespan.log("warn") == []


def test_wrong_headers_in_a_file(lab):
    path = lab.write("headers", "a: b\nhunter2\n")
    os.chmod(path, 0o600)
    line = wrong(lab, f"--otlp-headers-file={path}", *LISTEN)
    assert "hunter2" not in line and f"{path}:2: otlp.headers_file: " in line


# what is refused

@pytest.mark.parametrize("args,words", [
    (["--no-such-option=1"], ["--no-such-option"]),
    (["--log-levle=info"], ["--log-levle", "--log-level"]),
    (["--log-level=loud"], ["--log-level", "loud", "error", "warn", "info", "debug"]),
    (["--log-level"], ["--log-level"]),
    (["--inflight-max=0"], ["--inflight-max", "0", "1", "1000000"]),
    (["--inflight-max=many"], ["--inflight-max", "many"]),
    (["--inflight-max=1x"], ["--inflight-max", "1x"]),
    (["--inflight-max=99999999999999999999"], ["--inflight-max"]),
    (["--inflight-max=-1"], ["--inflight-max", "-1"]),
    (["--child-grace=5 parsecs"], ["--child-grace", "5 parsecs"]),
    (["--sampler-arg=1.5"], ["--sampler-arg", "1.5"]),
    (["--sampler-arg=nan"], ["--sampler-arg", "nan"]),
    (["--backlog-bytes-max=1"], ["--backlog-bytes-max", "1"]),
    (["--otlp-endpoint=ftp://x"], ["--otlp-endpoint", "ftp://x"]),
    (["--propagation-inject=trace"], ["--propagation-inject", "trace"]),
    (["--propagation-inject=/a/b"], ["--propagation-inject", "/a/b"]),
    (["--profile=klingon"], ["--profile", "klingon", "codex", "generic"]),
    (["--profile=/no/such.json"], ["/no/such.json"]),
    (["--config=/no/such.json"], ["/no/such.json"]),
    (["--env=mars"], ["mars", "development", "staging", "production"]),
    (["--otlp-certificate=/no/such.pem"], ["/no/such.pem"]),
    (["stray"], ["stray"]),
])
def test_wrong_flags(lab, args, words):
    line = wrong(lab, *args, *LISTEN)
    for word in words:
        assert word in line, line


@pytest.mark.parametrize("text,line,words", [
    ('{\n  "no.such": 1\n}', 2, ["no.such"]),
    ('{\n\n  "inflight": {"max": "ten"}}', 3, ["inflight.max", "ten"]),
    ('{"inflight.max": 0}', 1, ["inflight.max", "0", "1"]),
    ('{"log.level": 5}', 1, ["log.level", "number", "debug"]),
    ('{"log.level": "loud"}', 1, ["log.level", "loud", "debug"]),
    ('{"allow_remote": "perhaps"}', 1, ["allow_remote"]),
    ('{\n"a" 1}', 2, []),
    ('{"log.level": "info"', 1, []),
    ("", 1, []),
    ("[]", 1, []),
    ('{\n  "service.name": "${NOT_SET}"}', 2, ["service.name", "NOT_SET"]),
    ('{"service.name": "${broken"}', 1, []),
    ('{"service.name": ["x"]}', 1, ["service.name"]),
    ('{"otlp.headers": {"a": {"b": 1}}}', 1, ["otlp.headers"]),
])
def test_wrong_files(lab, text, line, words):
    path = lab.write("c.json", text)
    message = wrong(lab, f"--config={path}", *LISTEN)
    place = f"{path}:{line}: "
    assert place in message, message
    message = message.replace(place, "")
    for word in words:
        assert word in message, message


def test_unreadable_files(lab):
    for path in (lab.directory, lab.path()):
        assert path in wrong(lab, f"--config={path}", *LISTEN)


@pytest.mark.parametrize("env,words", [
    ({"SIDESPAN_INFLIGHT_MAX": "ten"}, ["SIDESPAN_INFLIGHT_MAX", "ten"]),
    ({"SIDESPAN_LOG_LEVEL": "loud"}, ["SIDESPAN_LOG_LEVEL", "loud", "debug"]),
    ({"SIDESPAN_NO_SUCH": "1"}, ["SIDESPAN_NO_SUCH"]),
    ({"SIDESPAN_ENV": "mars"}, ["mars"]),
])
def test_wrong_variables_of_ours(lab, env, words):
    line = wrong(lab, *LISTEN, env=env)
    for word in words:
        assert word in line, line


@pytest.mark.parametrize("env,option,value", [
    ({"OTEL_TRACES_SAMPLER": "nonsense"}, "sampler", "parentbased_always_on"),
    ({"OTEL_LOG_LEVEL": "loud"}, "log.level", "info"),
    ({"OTEL_BSP_MAX_QUEUE_SIZE": "-5"}, "batch.queue_max", "0"),
    ({"OTEL_BSP_SCHEDULE_DELAY": "soon"}, "batch.delay", "5s"),
    ({"OTEL_SDK_DISABLED": "yes"}, "disabled", "false"),
    ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "7"}, "sampler.arg", "1"),
    ({"OTEL_TRACES_EXPORTER": "zipkin"}, "exporter", "otlp"),
    ({"OTEL_EXPORTER_OTLP_COMPRESSION": "lzma"}, "otlp.compression", "none"),
    ({"OTEL_RESOURCE_ATTRIBUTES": "a=%zz"}, "resource.attributes", "-"),
])
def test_wrong_variables_of_opentelemetry_are_warned_about(lab, env, option, value):
    env = {"OTEL_TRACES_EXPORTER": None, **env}
    status, text, lines = run(lab, "--check", env=env)
    assert status == 0
    assert len(lines) == 1 and lines[0].startswith("sidespan: warn: "), lines
    assert list(env)[-1] in lines[0], lines
    assert re.search(rf"^{re.escape(option)}\s+{re.escape(value)} ", text, re.M), text


MISTAKES = {
    "OTEL_BSP_EXPORT_TIMEOUT": "-1", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "200",
    "OTEL_BSP_MAX_QUEUE_SIZE": "100",  # too small for the batch, of which it is said "OTEL_EXPORTER_OTLP_CERTIFICATE": "/no/such.pem",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TIMEOUT": "1s",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://u:hunter2@h:port/p?q#f",
    "OTEL_LOG_LEVEL": "loud", "OTEL_PROPAGATORS": "no", "OTEL_RESOURCE_ATTRIBUTES": "a",
    "OTEL_SERVICE_NAME": "x" * 300, "OTEL_TRACES_EXPORTER": "zipkin",
    "OTEL_TRACES_SAMPLER_ARG": "all",
}


def test_no_variable_of_opentelemetry_ends_the_program(lab):
    """All mistakes at once: a warning for each, and spans where the one good variable says."""
    link = lab.link("stdio", collector=lab.collector(), args=["--batch-delay=10ms"],
                    env={**MISTAKES, "OTEL_TRACES_SAMPLER": "traceidratio"})
    link.call({"id": 1, "method": "m"}, {"id": 1, "result": {}})
    link.collector.wait_spans(1)
    link.finish()
    warnings = link.sidespan.log("warn")
    for name in MISTAKES:
        mentions = [line for line in warnings if line.startswith(name + ": ")]
        assert len(mentions) == (0 if name.endswith("_QUEUE_SIZE") else 1), (name, warnings)
    assert b"hunter2" not in link.sidespan.stderr


@pytest.mark.parametrize("exporter", ["otlp", "none"])
def test_query_of_the_endpoint_stays_behind_the_path(lab, exporter):
    collector = lab.collector()
    link = lab.link("stdio", args=["--batch-delay=10ms", f"--exporter={exporter}"],
                    env={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url + "/x?token=1"})
    link.call({"id": 1, "method": "m"}, {"id": 1, "result": {}})
    if exporter == "otlp":
        assert collector.wait_requests(1)[0].path == "/x/v1/traces?token=1"
    assert link.finish() == 0 and link.sidespan.log("warn") == []


@pytest.mark.parametrize("flag,env", [
    ("--otlp-endpoint=http://u:hunter2@h/", {}), (None, {"SIDESPAN_OTLP_ENDPOINT": "h:4317"}),
    ("--otlp-endpoint=http://h/#f", {}), (None, {"SIDESPAN_OTLP_CERTIFICATE": "/no/such.pem"}),
    ("--batch-queue-max=9 --batch-spans-max=10", {}), ("--exporter=zipkin", {}),
])
def test_the_same_from_a_flag_or_a_variable_of_ours_is_an_error(lab, flag, env):
    line = wrong(lab, *(flag or "").split(), *LISTEN, env=env)
    assert "hunter2" not in line and "must be" in line


def test_line_ends_around_values_are_none_of_them(lab):
    """Variables as they come out of files: for us, for the collector, for the spans."""
    collector = lab.collector()
    parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    link = lab.link("stdio", args=["--batch-delay=10ms"], env={
        "OTEL_EXPORTER_OTLP_ENDPOINT": f" {collector.url}/x\r\n",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer abc,bad,x-team=blue\n",
        "OTEL_TRACES_EXPORTER": "otlp\n", "SIDESPAN_SERVICE_NAME": "\tmine\n",
        "TRACEPARENT": parent + "\n", "TRACESTATE": "\na=1\n"})
    link.call({"id": 1, "method": "m"}, {"id": 1, "result": {}})
    span = collector.wait_spans(1)[0]
    request = collector.requests[0]
    assert request.path == "/x/v1/traces" and request.headers["x-team"] == "blue"
    assert request.headers["authorization"] == "Bearer abc"
    assert span.resource["service.name"] == "mine" and span.trace_id == "a" * 32
    assert span.trace_state == "a=1"
    link.finish()
    assert link.sidespan.log("warn") == ["OTEL_EXPORTER_OTLP_HEADERS: ***: a pair has no =; "
                                         "the others are taken"]


def test_empty_variables_are_unset(lab):
    env = {"SIDESPAN_LOG_LEVEL": "", "OTEL_SERVICE_NAME": "", "OTEL_SDK_DISABLED": "",
           "OTEL_TRACES_SAMPLER": "", "SIDESPAN_ENV": ""}
    told = check(lab, env=env)
    assert told["log.level"] == ("info", "built-in") and told["disabled"][0] == "false"


# what is stronger

LAYERS = ["built-in", "profile", "file", "second file", "otel", "sidespan", "flag"]


@pytest.mark.parametrize("top", range(len(LAYERS)))
def test_layers_end_to_end(lab, top):
    """service.name set by every layer up to one: that one is seen at the collector."""
    present = LAYERS[:top + 1]
    args, env, options = [], {}, {"profile": "generic"}
    if "profile" in present:
        options["profile"] = lab.write("profile.json", """{
            "name": "mine", "settings": {"service.name": "profile"}}""")
    for layer in ("file", "second file"):
        if layer in present:
            args.append("--config=" + lab.write(f"{layer}.json".replace(" ", "-"),
                                                '{"service": {"name": "%s"}}' % layer))
    if "otel" in present:
        env["OTEL_SERVICE_NAME"] = "otel"
    if "sidespan" in present:
        env["SIDESPAN_SERVICE_NAME"] = "sidespan"
    if "flag" in present:
        args.append("--service-name=flag")
    link = lab.traced(args=args, env=env, **options)
    link.call({"id": 1, "method": "m"}, {"id": 1, "result": 1})
    name = link.collector.wait_spans(1)[0].resource["service.name"]
    assert name == ("sidespan" if top == 0 else LAYERS[top])


def test_resource_attributes(lab):
    env = {"OTEL_RESOURCE_ATTRIBUTES":
           "service.name=weaker,a=b%2Cc,deployment.environment.name=test",
           "OTEL_SERVICE_NAME": "stronger"}
    link = lab.traced(env=env)
    link.call({"id": 1, "method": "m"}, {"id": 1, "result": 1})
    resource = link.collector.wait_spans(1)[0].resource
    assert resource["service.name"] == "stronger" and resource["a"] == "b,c"
    assert resource["deployment.environment.name"] == "test"


def test_file_with_everything(lab):
    backend = lab.backend("tcp")
    collector = lab.collector()
    path = lab.write("c.json", """// a comment
    {
        /* where */ "listen": "tcp://127.0.0.1:0", "upstream": "%s",
        "otlp": {"endpoint": "${COLLECTOR}", "headers": {"api-key": "${KEY:-none}"}},
        "service.name": "${NAME:-by default}",  // flat and nested keys
        "batch": {"delay": "10ms"}, "span": {"name": "costs $$5 {method}"}
    }""" % backend.url)
    program = lab.sidespan(f"--config={path}", env={"COLLECTOR": collector.url, "KEY": "k1",
                                                    "OTEL_TRACES_EXPORTER": None})
    link = Link(lab, program, "tcp", backend, collector)
    link.call({"id": 1, "method": "m"}, {"id": 1, "result": 1})
    span = collector.wait_spans(1)[0]
    assert span.resource["service.name"] == "by default" and span.name == "costs $5 m"
    assert collector.requests[0].headers["api-key"] == "k1"


@pytest.mark.parametrize("name", ["development", "staging", "production"])
@pytest.mark.parametrize("by", ["flag", "variable"])
def test_ready_environments(lab, name, by):
    told = check(lab, *([f"--env={name}"] if by == "flag" else []),
                 env={"SIDESPAN_ENV": name if by == "variable" else None,
                      "OTEL_TRACES_EXPORTER": None})
    assert name in told["resource.attributes"][0]
    assert told["exporter"][0] == ("console" if name == "development" else "otlp")


def test_flag_names_a_stronger_environment(lab):
    told = check(lab, "--env=staging", env={"SIDESPAN_ENV": "production"})
    assert "staging" in told["resource.attributes"][0]


def test_files_are_stronger_than_the_environment_they_refine(lab):
    path = lab.write("c.json", '{"batch.delay": "77ms"}')
    told = check(lab, f"--config={path}", "--env=production")
    assert told["batch.delay"][0] == "77ms" and told["otlp.compression"][0] == "gzip"


# which profile

@pytest.mark.parametrize("command,profile", [
    (["codex", "app-server"], "codex"), (["/opt/bin/codex", "app-server", "--x"], "codex"),
    (["codex", "-c", "a=b", "app-server"], "codex"), (["codex-app-server"], "codex"),
    (["node", "/lib/codex.js", "app-server"], "codex"),
    (["npx", "@openai/codex", "app-server"], "codex"),
    (["codex", "exec"], "generic"), (["cat", "codex", "app-server"], "generic"),
    (["cat"], "generic"),
    (["npx", "-y", "@modelcontextprotocol/server-everything"], "mcp"), (["uvx", "mcp-server-git"], "mcp"),
    (["node", "/lib/mcp-server-filesystem", "/tmp"], "mcp"), (["node", "server.js"], "generic"),
    (["claude-code-acp"], "acp"), (["gemini", "--experimental-acp"], "acp"), (["gemini"], "generic"),
    (["geth", "--http"], "ethereum"), (["anvil"], "ethereum"),
])
def test_profile_follows_the_command(lab, command, profile):
    status, text, _ = run(lab, "--check", "--", *command)
    assert status == 0 and f"profile {profile}:" in text


def test_profile_of_ones_own(lab):
    path = lab.write("calc.json", """{
        "name": "calc",
        "settings": {"span.name": "calc {method}", "propagation.inject": "/ctx"},
        "constants": {"calc.kind": "pocket"},
        "captures": [
            {"from": "request", "pointer": "/params/0", "attribute": "calc.first"},
            {"from": "reply", "pointer": "/result/a~1b/1", "attribute": "calc.out",
             "methods": ["add"]}
        ]}""")
    link = lab.traced(profile=path)
    received = link.call({"id": 1, "method": "add", "params": ["one", "two"]},
                         {"id": 1, "result": {"a/b": ["no", "yes"]}})
    assert b'"ctx":{"traceparent":' in received
    span = link.collector.wait_spans(1)[0]
    assert span.name == "calc add" and span.attributes["calc.kind"] == "pocket"
    assert span.attributes["calc.first"] == "one" and span.attributes["calc.out"] == "yes"


def profile_text(captures=(), rules=(), constants=None):
    """A profile with each capture and each rule in a line of its own, from the second line on."""
    def lines(items):
        return ",\n".join(map(json.dumps, items))

    spans = {"s": {"name": "s", "key": ["k"]}}
    return '{"name": "big",\n"constants": %s,\n"captures": [\n%s],\n"lifecycle": {"spans": %s, ' \
        '"rules": [\n%s]}}' % (json.dumps(constants or {"a": "b"}), lines(captures),
                              json.dumps(spans), lines(rules))


def capture(number, attribute):
    return {"from": "request", "pointer": f"/p{number}", "attribute": attribute}


def opens(names):
    return {"on": "notification", "do": "open", "span": "s", "key": ["/k"],
            "set": {name: pointer for name, pointer in names}}


CAPTURE = capture(0, "x")
MANY = [opens((f"v{i}", f"/q{i}") for i in range(j, j + 10)) for j in range(0, 130, 10)]


@pytest.mark.parametrize("text,line,message", [
    (profile_text([capture(i, f"x{i}") for i in range(33)], MANY[:1]), 36, "x32"),
    (profile_text([capture(i, "x") for i in range(20)], MANY[:10]), 33, "q81"),
    (profile_text([CAPTURE], [opens((f"v{j + i}", "/q") for i in range(10))
                              for j in range(0, 130, 10)]), 18, "v127"),
    (profile_text([CAPTURE, capture(1, "rpc.method")], MANY[:1]), 5, "rpc.method"),
    (profile_text([capture(1, "a")], MANY[:1]), 4, "constant"),
    (profile_text([CAPTURE], MANY[:1], {"error.type": "x"}), 2, "error.type"),
])
def test_check_and_start_refuse_the_same(lab, text, line, message):
    path = lab.write("big.json", text)
    for args in (("--check",), ()):
        status, _, lines = run(lab, *args, f"--profile={path}", "--", "true")
        assert status == 2
        assert len(lines) == 1 and re.match(rf"sidespan: error: .*big.json:{line}: ", lines[0])
        assert message in lines[0]


@pytest.mark.parametrize("member", ["id", "method", "params", "result", "error", "jsonrpc"])
def test_members_of_json_rpc_are_no_carriers(lab, member):
    for args in (("--check",), ()):
        status, _, lines = run(lab, *args, f"--propagation-inject=/{member}", "--", "true")
        assert status == 2 and "JSON-RPC itself" in lines[0]


# while it runs

@pytest.mark.parametrize("level,shown", [("error", set()), ("warn", {"warn"}),
                                         ("info", {"warn", "info"})])
def test_log_level(lab, level, shown):
    link = lab.link("stdio", args=[f"--log-level={level}"])
    link.call({"id": 1, "method": "m", "trace": 5}, {"id": 1, "result": 1})
    link.finish()
    found = {match[1] for match in (re.match(r"sidespan: (\w+): ", line)
                                    for line in link.sidespan.lines) if match}
    assert found == shown


def test_every_line_has_the_same_form(lab):
    link = lab.link("ws", args=["--log-level=debug"])
    link.call({"id": 1, "method": "bad \n\x1b[31m method", "trace": "x"}, {"id": 1, "result": 1})
    link.client.send_frame(3)
    link.client.recv_end()
    link.finish()
    for line in link.sidespan.lines:
        assert re.fullmatch(r"sidespan: (error|warn|info|debug): [\x20-\x7e\x80-\U0010ffff]+", line)


def test_the_profile_that_adds_to_codex(lab):
    with open(os.path.join(ROOT, "config/profiles/README.md"), encoding="utf-8") as file:
        text = re.search(r'^    \{\n      "name": "my-codex"(?:.*\n)*?    \}$', file.read(), re.M)[0]
    path = os.path.join(lab.path(), "my-codex.json")
    os.mkdir(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    status, said, _ = run(lab, "--check", "--profile", path)
    assert status == 0 and "profile my-codex: 10 captures" in said, said
