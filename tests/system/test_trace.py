"""What is recorded and what is handed on: one span per request, one carrier, nothing else."""

import json
import re
import time

import pytest

from lib.carrier import carrier_of, check_injected, members, pairs, text_of
from lib.lab import KINDS, Link, address_of
from lib.peer import read_head
from lib.stream import connect
from lib.wait import Background, until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
ENV_TRACE = "0af7651916cd43dd8448eb211c80319c"
ENV_PARENT = "b7ad6b7169203331"
ENV = {"TRACEPARENT": f"00-{ENV_TRACE}-{ENV_PARENT}-01", "TRACESTATE": "env=1"}
INITIALIZE = {"id": "init", "method": "initialize", "params": {
    "clientInfo": {"name": "tests", "title": "The tests", "version": "1.2"},
    "capabilities": {"experimentalApi": True}}}


def request(identity=1, method="thread/list", **more):
    return dict({"id": identity, "method": method, "params": {}}, **more)


def reply(identity=1, result=None):
    return {"id": identity, "result": {} if result is None else result}


def call(link, message, answer=None):
    """A request and its answer; returns (request as received, its span)."""
    if answer is None:
        answer = reply(message["id"])
    received = link.call(message, answer)
    return received, link.collector.span(message["method"], request_id=str(message["id"]))


def carried(link, trace, **more):
    """Sends a request with that carrier; returns (carrier as received, span)."""
    received, span = call(link, request(trace=trace, **more))
    return check_injected(json.dumps(request(trace=trace, **more), separators=(",", ":")),
                          received), span


@pytest.fixture
def link(lab):
    return lab.traced()


# what a span says

TRANSPORT = {"stdio": "stdio", "ws": "websocket", "ws+unix": "unix_socket", "tcp": "tcp",
             "unix": "unix_socket"}


@pytest.mark.parametrize("listen", KINDS)
def test_span_of_initialize_and_of_later_requests(lab, listen):
    link = lab.traced(listen)
    _, first = call(link, INITIALIZE)
    _, later = call(link, request(7))
    for span, method, identity in ((first, "initialize", "init"), (later, "thread/list", "7")):
        assert span.name == f"app_server.request {method}" and span.kind == 2
        assert span.status == 0
        expected = {
            "rpc.system": "jsonrpc", "rpc.service": "codex-app-server", "rpc.method": method,
            "rpc.transport": TRANSPORT[listen], "rpc.request_id": identity,
            "app_server.connection_id": span.attributes["app_server.connection_id"],
            "app_server.api_version": "v2", "app_server.client_name": "tests",
            "app_server.client_version": "1.2", "sidespan.end_reason": "answered"}
        assert span.attributes == expected
        assert span.parent_id is None and span.trace_state is None
    assert first.trace_id != later.trace_id
    connection = "app_server.connection_id"
    assert first.attributes[connection] == later.attributes[connection] != ""


def test_resource_and_scope(lab, link):
    _, span = call(link, request())
    version = lab.sidespan("--version", stdout=-1)
    number = re.search(rb"[0-9.]+", version.peer().stream.read_all())[0].decode()
    assert span.scope["name"] == "sidespan" and span.scope["version"] == number
    assert span.resource["service.name"] == "codex-sidespan"
    assert span.resource["telemetry.sdk.name"] != "opentelemetry"
    assert span.resource["telemetry.sdk.version"] and span.resource["telemetry.sdk.language"]


def test_client_is_not_known_before_initialize(link):
    _, span = call(link, request(1))
    assert not [name for name in span.attributes if name.startswith("app_server.client")]


def test_second_initialize_does_not_change_the_client(link):
    call(link, INITIALIZE)
    other = request("again", "initialize", params={"clientInfo": {"name": "x", "version": "y"}})
    link.call(other, {"error": {"code": -32600, "message": "Already initialized"}, "id": "again"})
    _, span = call(link, request(9))
    assert span.attributes["app_server.client_name"] == "tests"


def test_connections_are_told_apart(link):
    call(link, INITIALIZE)
    link.call(request(5, "other"), reply(5), *link.open())
    other = link.collector.span("other")
    assert "app_server.client_name" not in other.attributes
    assert other.attributes["app_server.connection_id"] != \
        link.collector.span("initialize").attributes["app_server.connection_id"]


def test_number_of_a_connection_is_that_of_the_log(lab):
    """Connections that never open have numbers, too."""
    collector, backend = lab.collector(), lab.backend("tcp")
    program = lab.sidespan("--listen=ws://127.0.0.1:0", "--upstream=" + backend.url,
                           collector=collector)
    for _ in range(3):
        stream = lab.keep(connect(address_of(program.url())))
        stream.write(b"NOT HTTP\r\n\r\n")
        assert read_head(stream).status == 400
    link = Link(lab, program, "ws", backend, collector)
    link.call(request(1, "first"), reply(1))
    opened = program.wait_line(r"connection (\d+): open")[1]
    assert opened == "3"
    assert collector.span("first").attributes["app_server.connection_id"] == opened


@pytest.mark.parametrize("spelt,shown", [
    ("7", "7"), ('"seven"', "seven"), ('"7"', "7"), ("-3", "-3"), ('""', ""),
    ("9223372036854775807", "9223372036854775807"), ("9007199254740993", "9007199254740993"),
    (r'"\u00e9\"\\"', 'é"\\'), ('"🚀"', "🚀"),
])
def test_request_ids(link, spelt, shown):
    sent = '{"id":%s,"method":"m"}' % spelt
    received = link.call(sent, '{"id":%s,"result":0}' % spelt)
    check_injected(sent, received)
    span = link.collector.span("m")
    assert span.request_id == shown and span.end_reason == "answered"


@pytest.mark.parametrize("method", ["a", "ü/ñ", 'quo"ted', "back\\slash", "tab\there", "x" * 200,
                                    "\x01", "🚀"])
def test_any_method(link, method):
    _, span = call(link, request(method=method))
    assert span.method == method and span.name == "app_server.request " + method


def test_thread_and_turn_from_the_params(link):
    params = {"input": [{"threadId": "wrong"}], "threadId": "T1", "turnId": "U1"}
    _, span = call(link, request(method="turn/interrupt", params=params))
    assert span.attributes["thread.id"] == "T1" and span.attributes["turn.id"] == "U1"


@pytest.mark.parametrize("method", ["thread/start", "thread/resume", "thread/fork"])
def test_thread_from_the_result(link, method):
    _, span = call(link, request(method=method),
                   reply(1, {"more": [1], "thread": {"turns": [{"id": "no"}], "id": "T2"}}))
    assert span.attributes["thread.id"] == "T2"


@pytest.mark.parametrize("method", ["turn/start", "review/start"])
def test_turn_from_the_result(link, method):
    _, span = call(link, request(method=method, params={"threadId": "T3"}),
                   reply(1, {"turn": {"id": "U3", "status": "inProgress"}}))
    assert span.attributes["thread.id"] == "T3" and span.attributes["turn.id"] == "U3"


def test_other_results_give_no_thread(link):
    _, span = call(link, request(method="something/else"),
                   reply(1, {"thread": {"id": "T"}, "turn": {"id": "U"}}))
    assert "thread.id" not in span.attributes and "turn.id" not in span.attributes


def test_values_of_wrong_type_are_left_out(link):
    _, span = call(link, request(method="turn/start", params={"threadId": {"a": 1}, "turnId": []}),
                   reply(1, {"turn": "text"}))
    assert "thread.id" not in span.attributes and "turn.id" not in span.attributes


@pytest.mark.parametrize("answer", [
    '{"error":{"code":-32600,"message":"not so"},"id":1}',
    '{"id":1,"error":{"message":"not so","data":{"code":5},"code":-32600}}',
    '{"jsonrpc":"2.0","result":null,"error":{"code":-32600,"message":"not so"},"id":1}',
])
def test_error_answers(link, answer):
    link.call(request(), answer)
    span = link.collector.span()
    assert span.status == 2 and span.message == "not so"
    assert span.attributes["rpc.response.status_code"] == "-32600"
    assert span.attributes["error.type"] == "-32600"
    assert span.end_reason == "error"


@pytest.mark.parametrize("error", ['{}', '"text"', '5', '[]', '{"code":"text","message":7}',
                                   '{"code":1.5}', '{"code":123456789012345678901234567890}'])
def test_odd_errors_are_errors(link, error):
    link.call(request(), '{"id":1,"error":%s}' % error)
    span = link.collector.span()
    assert span.status == 2 and span.end_reason == "error" and span.attributes["error.type"]


def test_null_error_is_none(link):
    link.call(request(), '{"id":1,"error":null,"result":{}}')
    span = link.collector.span()
    assert span.status == 0 and span.end_reason == "answered"
    assert "error.type" not in span.attributes


def test_times(lab):
    """From the request's first byte to the answer's last one."""
    link = lab.traced("tcp")
    moments = [time.time_ns()]
    data = link.client.frame(request(params="x" * 100000))
    link.client.stream.write(data[:60000])
    until(lambda: link.server.stream.fill() and len(link.server.stream.buffer) > 20000, "a part")
    moments.append(time.time_ns())
    link.client.stream.write(data[60000:])
    link.server.recv()
    answer = link.server.frame(reply(result="y" * 100000))
    link.server.stream.write(answer[:60000])
    until(lambda: link.client.stream.fill() and len(link.client.stream.buffer) > 20000, "a part")
    moments.append(time.time_ns())
    link.server.stream.write(answer[60000:])
    link.client.recv()
    moments.append(time.time_ns())
    span = link.collector.span()
    slack = 2000000
    assert moments[0] - slack <= span.start <= moments[1] + slack
    assert moments[2] - slack <= span.end <= moments[3] + slack


# names by choice

def test_span_name_template(lab):
    for template, name in (("{method}", "m"), ("rpc {method}!", "rpc m!"), ("fixed", "fixed")):
        link = lab.traced(args=[f"--span-name={template}"])
        _, span = call(link, request(method="m"))
        assert span.name == name


OLD = {"rpc.system", "rpc.request_id", "rpc.response.status_code"}
NEW = {"rpc.system.name", "jsonrpc.request.id", "rpc.status_code"}


@pytest.mark.parametrize("opt_in,present,absent", [
    (None, OLD, NEW), ("", OLD, NEW), ("rpc", NEW, OLD), ("http,rpc", NEW, OLD),
    ("rpc/dup", OLD | NEW, set()), ("rpc,rpc/dup", OLD | NEW, set()), ("http", OLD, NEW),
])
def test_semantic_conventions(lab, opt_in, present, absent):
    link = lab.traced(env={"OTEL_SEMCONV_STABILITY_OPT_IN": opt_in})
    link.call(request(7, "m"), '{"id":7,"error":{"code":5,"message":"no"}}')
    span = link.collector.wait_spans(1)[0]
    names = set(span.attributes)
    assert present <= names and not absent & names, names
    assert span.attributes["rpc.method"] == "m"
    for name in names & {"rpc.response.status_code", "rpc.status_code"}:
        assert span.attributes[name] == "5"
    if "rpc.system.name" in present:
        assert span.attributes["rpc.system.name"] == "jsonrpc"
        assert span.attributes["jsonrpc.request.id"] == "7"


def test_generic_profile(lab):
    link = lab.traced(profile="generic", env={"OTEL_SERVICE_NAME": "calculator"})
    _, span = call(link, request(method="add", params={"threadId": "T"}))
    assert span.name == "add" and span.resource["service.name"] == "calculator"
    assert "thread.id" not in span.attributes
    assert not [name for name in span.attributes if "api_version" in name]


# parents

def test_parent_from_the_message(link):
    carrier, span = carried(link, {"traceparent": TRACEPARENT, "tracestate": "a=1,b=2"})
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert span.trace_state == "a=1,b=2" and span.flags == 769
    assert (carrier.trace_id, carrier.span_id, carrier.flags) == (TRACE, span.span_id, "01")
    assert carrier.tracestate == "a=1,b=2"


def test_own_root(link):
    received, span = call(link, request())
    carrier = carrier_of(received)
    assert (carrier.trace_id, carrier.span_id) == (span.trace_id, span.span_id)
    assert carrier.flags == "01" and carrier.tracestate is None
    assert span.parent_id is None and span.flags == 256 + 3


def test_ids_differ(link):
    seen = [carrier_of(link.call(request(number), reply(number))) for number in range(50)]
    assert len({carrier.trace_id for carrier in seen}) == 50
    assert len({carrier.span_id for carrier in seen}) == 50


def test_parent_from_the_environment(lab):
    link = lab.traced(env=ENV)
    carrier, span = carried(link, None)
    assert (span.trace_id, span.parent_id, span.trace_state) == (ENV_TRACE, ENV_PARENT, "env=1")
    assert (carrier.trace_id, carrier.span_id) == (ENV_TRACE, span.span_id)
    assert carrier.tracestate == "env=1"


def test_message_is_stronger_than_the_environment(lab):
    link = lab.traced(env=ENV)
    carrier, span = carried(link, {"traceparent": TRACEPARENT})
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert span.trace_state is None and carrier.tracestate is None


LINKED = {"continue": [], "restart-with-link": [(TRACE, PARENT)], "restart": []}


@pytest.mark.parametrize("trust", LINKED)
@pytest.mark.parametrize("listen", ["stdio", "tcp", "lsp+tcp", "ws"])
def test_trust(lab, listen, trust):
    """Whoever carries it: the trace goes on, or one of ours begins, which the server is told of."""
    link = lab.traced(listen, args=["--propagation-trust", trust])
    carrier, span = carried(link, {"traceparent": TRACEPARENT, "tracestate": "a=1"})
    assert [(link["traceId"], link["spanId"]) for link in span.links] == LINKED[trust]
    assert (carrier.trace_id, carrier.span_id) == (span.trace_id, span.span_id)
    if trust == "continue":
        assert (span.trace_id, span.parent_id, carrier.tracestate) == (TRACE, PARENT, "a=1")
    else:
        assert span.trace_id != TRACE and span.parent_id is None
        assert carrier.tracestate is None and span.trace_state is None


@pytest.mark.parametrize("trust", ["restart-with-link", "restart"])
def test_a_trace_that_is_not_trusted(lab, trust):
    """Instead of it there is the environment's, and our own sampler; the server is not told of it
    even where a request needs no span."""
    link = lab.traced(env=ENV, args=["--propagation-trust", trust, "--requests-record=none/such"])
    carrier, span = carried(link, {"traceparent": TRACEPARENT[:-2] + "00"})
    assert (span.trace_id, span.parent_id, span.trace_state) == (ENV_TRACE, ENV_PARENT, "env=1")
    assert [link["traceId"] for link in span.links] == [TRACE] * (trust != "restart")
    assert (carrier.trace_id, carrier.span_id) == (ENV_TRACE, span.span_id)


@pytest.mark.parametrize("env", [
    {"TRACEPARENT": "nonsense"}, {"TRACEPARENT": ""}, {"TRACESTATE": "a=1"},
    {"traceparent": ENV["TRACEPARENT"]}, {"TRACEPARENT": ENV["TRACEPARENT"].upper()},
])
def test_unusable_environment(lab, env):
    link = lab.traced(env=env)
    _, span = call(link, request())
    assert span.parent_id is None and span.trace_id != ENV_TRACE and span.trace_state is None


@pytest.mark.parametrize("trace", [
    None, {}, {"traceparent": None}, {"traceparent": None, "tracestate": None},
    {"tracestate": "a=1"}, {"other": 1},
])
def test_absent_carriers_fall_back_to_the_environment(lab, trace):
    link = lab.traced(env=ENV)
    carrier, span = carried(link, trace)
    assert (span.trace_id, span.parent_id) == (ENV_TRACE, ENV_PARENT)
    assert carrier.tracestate == "env=1"
    assert link.sidespan.log("warn") == []


@pytest.mark.parametrize("trace", [
    {"traceparent": ""}, {"traceparent": "x"}, {"traceparent": TRACEPARENT.upper()},
    {"traceparent": f"ff-{TRACE}-{PARENT}-01"}, {"traceparent": f"00-{'0' * 32}-{PARENT}-01"},
    {"traceparent": f"00-{TRACE}-{'0' * 16}-01"}, {"traceparent": TRACEPARENT + "-x"},
    {"traceparent": TRACEPARENT[:-1]}, {"traceparent": 5}, {"traceparent": {"a": TRACEPARENT}},
    "text", TRACEPARENT, 5, True, [5],
])
def test_invalid_carriers_start_a_root(lab, trace):
    link = lab.traced(env=ENV)
    message = request("id-9", "some/method", trace=trace)
    received, span = call(link, message)
    carrier = check_injected(json.dumps(message, separators=(",", ":")), received)
    assert span.parent_id is None and span.trace_id not in (TRACE, ENV_TRACE)
    assert span.trace_state is None
    assert (carrier.trace_id, carrier.span_id) == (span.trace_id, span.span_id)
    line, = link.sidespan.log("warn")
    assert "some/method" in line and "id-9" in line


def test_warnings_about_carriers_are_limited(link):
    for number in range(300):
        link.call(request(number, trace={"traceparent": "bad"}), reply(number))
    assert link.sidespan.stop() == 0
    lines = link.sidespan.log("warn")
    told = [line for line in lines if line.startswith("ignoring the invalid trace carrier")]
    held = [int(re.search(r"(\d+) more", line)[1]) for line in lines if line not in told]
    assert 20 <= len(told) <= 60 and len(told) + sum(held) == 300, lines


def test_carrier_as_an_array(link):
    """codex reads ["00-...", "a=1"] too."""
    carrier, span = carried(link, [TRACEPARENT, "a=1"])
    assert (span.trace_id, span.parent_id, span.trace_state) == (TRACE, PARENT, "a=1")
    assert carrier.tracestate == "a=1"


@pytest.mark.parametrize("state,out", [
    ("", None), (" a=1 , b=2 ", "a=1,b=2"), ("a=1,,b=2", "a=1,b=2"), ("bad", None),
    ("a=1,A=2", None), ("a=1,b", None), (",".join(f"k{i}=v" for i in range(32)), "same"),
    (",".join(f"k{i}=v" for i in range(33)), None), ('a="quo\\ted"', "same"),
    ("a=" + "v" * 256, "same"), ("a=" + "v" * 257, None), (5, None), (None, None), (["a=1"], None),
])
def test_tracestate(link, state, out):
    """End to end when good; a bad one is dropped alone."""
    carrier, span = carried(link, {"traceparent": TRACEPARENT, "tracestate": state})
    out = state if out == "same" else out
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert carrier.tracestate == out
    # the span keeps the blanks and empty members that the list came with
    assert span.trace_state == (out and state.strip())


@pytest.mark.parametrize("traceparent,flags_out,span_flags", [
    (f"00-{TRACE}-{PARENT}-01", "01", 769), (f"00-{TRACE}-{PARENT}-03", "01", 771),
    (f"00-{TRACE}-{PARENT}-ff", "01", 771), (f"01-{TRACE}-{PARENT}-01", "01", 769),
    (f"cc-{TRACE}-{PARENT}-01-what the future will be like", "01", 769),
])
def test_flags_and_versions(link, traceparent, flags_out, span_flags):
    carrier, span = carried(link, {"traceparent": traceparent})
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert carrier.flags == flags_out
    assert span.flags == span_flags


@pytest.mark.parametrize("flags", ["00", "02"])
def test_unsampled_is_passed_on_and_not_exported(link, flags):
    sent = request(1, "quiet", trace={"traceparent": f"00-{TRACE}-{PARENT}-{flags}",
                                      "tracestate": "a=1"})
    carrier = carrier_of(link.call(sent, reply(1)))
    assert (carrier.trace_id, carrier.flags, carrier.tracestate) == (TRACE, "00", "a=1")
    assert carrier.span_id != PARENT
    call(link, request(2, "loud"))
    assert len(link.collector.spans) == 1


# samplers

SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-00"}


@pytest.mark.parametrize("sampler,argument,root,sampled,unsampled", [
    ("always_on", None, 1, 1, 1),
    ("always_off", None, 0, 0, 0),
    ("traceidratio", "0", 0, 0, 0),
    ("traceidratio", "1", 1, 1, 1),
    ("parentbased_always_on", None, 1, 1, 0),
    ("parentbased_always_off", None, 0, 1, 0),
    ("parentbased_traceidratio", "0.0", 0, 1, 0),
    ("parentbased_traceidratio", "1.0", 1, 1, 0),
    ("PARENTBASED_ALWAYS_OFF", None, 0, 1, 0),
    ("nonsense", None, 1, 1, 0),
])
def test_samplers(lab, sampler, argument, root, sampled, unsampled):
    link = lab.traced(env={"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument})
    decided = []
    for number, trace in enumerate((None, SAMPLED, UNSAMPLED)):
        carrier = carrier_of(link.call(request(number, trace=trace), reply(number)))
        decided.append(int(carrier.flags))
    assert decided == [root, sampled, unsampled]
    link.finish()
    assert sorted(int(span.request_id) for span in link.collector.spans) == \
        [number for number in range(3) if decided[number]]


def test_ratio_takes_its_share(lab):
    link = lab.traced(args=["--sampler=traceidratio", "--sampler-arg=0.5"])
    taken = sum(int(carrier_of(link.call(request(i), reply(i))).flags) for i in range(400))
    assert 120 < taken < 280
    link.finish()
    assert len(link.collector.spans) == taken


def test_ratio_decides_by_trace_id(lab):
    link = lab.traced(args=["--sampler=traceidratio", "--sampler-arg=0.5"])
    for number in range(10):
        trace = {"traceparent": f"00-{'1' * 16}0000000000000001-{PARENT}-01"}
        low = carrier_of(link.call(request(number, trace=trace), reply(number))).flags
        trace = {"traceparent": f"00-{'1' * 16}ffffffffffffffff-{PARENT}-01"}
        high = carrier_of(link.call(request(number, trace=trace), reply(number))).flags
        assert {low, high} == {"00", "01"}
        assert number == 0 or (low, high) == first
        first = (low, high)


# tracing switched off

@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"SIDESPAN_DISABLED": "true"}])
def test_disabled_records_nothing_and_passes_context(lab, off):
    link = lab.traced(env=off)
    received = link.call(request(1, trace={"traceparent": TRACEPARENT, "tracestate": "a=1"}),
                         reply(1))
    trace = json.loads(received)["trace"]
    assert trace["traceparent"].split("-")[1] == TRACE and trace["tracestate"] == "a=1"
    link.finish()
    assert link.collector.requests == []


def test_exporter_none(lab):
    link = lab.traced(env={"OTEL_TRACES_EXPORTER": "none"})
    link.call(request(1), reply(1))
    link.finish()
    assert link.collector.requests == []


# injection

REQUESTS = [
    '{"id":1,"method":"m"}',
    '{"method":"m","id":1}',
    '{"method":"m","id":1,"params":null}',
    ' { "id" : 1 , "method" : "m" } ',
    '\t{"id":1,"method":"m"\r}\r',
    '{"jsonrpc":"2.0","id":1,"method":"m","params":[1,2,{"trace":5}]}',
    '{"id":1,"method":"m","params":{"trace":{"traceparent":"x"},"id":9,"method":"n"}}',
    r'{"\u0069d":1,"\u006dethod":"m"}',
    '{"id":1,"method":"m","x":1e400,"y":-0.0,"z":[1.10,1E5],"w":"\\u00e9\\/é"}',
    '{"id":1,"method":"m","meta":{},"meta":[],"":""}',
    '{"id":1,"method":"m","trace":null}',
    '{"trace":null,"id":1,"method":"m"}',
    '{"id":1,"trace" : "text" ,"method":"m"}',
    '{"id":1,"trace":{"traceparent":null,"deep":[[{"}":"{"}]]},"method":"m"}',
    '{"id":1,"trace":[],"method":"m"}',
    '{"id":1,"trace":-1.5e3,"method":"m"}',
    '{"id":1,"trace":false,"method":"m"}',
    r'{"id":1,"\u0074race":"x","method":"m"}',
    '{"id":1,"Trace":1,"traces":2,"method":"m"}',
    '{"id":1,"method":"m","trace":{"traceparent":"%s"},"params":"after"}' % TRACEPARENT,
    '{"trace":1,"id":1,"method":"m","trace":2}',
    '{"trace":1,"trace":2,"trace":3,"id":1,"method":"m"}',
    '{"trace":{"traceparent":"%s"},"trace":{"a":[1]},"id":1,"method":"m"}' % TRACEPARENT,
    '{"trace":[],"id":1,"trace":{"traceparent":"%s"},"method":"m"}' % TRACEPARENT,
    '{"id":1,"method":"m","trace":{},"trace":[[]]}',
    '{ "trace" : { "traceparent" : "%s" } , "id" : 1 , "method" : "m" }' % TRACEPARENT,
    '{"id":2,"method":"n","id":1,"method":"m"}',
]


@pytest.mark.parametrize("listen", ["tcp", "ws"])
@pytest.mark.parametrize("sent", REQUESTS)
def test_carrier_is_added_or_replaced(lab, listen, sent):
    link = lab.traced(listen)
    carrier = check_injected(sent, link.call(sent, '{"id":1,"result":0}'))
    span = link.collector.span()
    assert (span.trace_id, span.span_id) == (carrier.trace_id, carrier.span_id)


@pytest.mark.parametrize("listen", ["tcp", "ws"])
@pytest.mark.parametrize("where", ["early", "late", "none", "late and wrong", "twice"])
@pytest.mark.parametrize("size", [15000, 16384, 17000, 200000])
def test_carrier_in_long_messages(lab, listen, where, size):
    link = lab.traced(listen)
    trace = '"trace":{"traceparent":"%s","tracestate":"a=1"}' % TRACEPARENT
    filler = '"params":{"text":"%s","trace":1}' % ("x" * size)
    parts = {"early": [trace, filler], "late": [filler, trace], "none": [filler],
             "late and wrong": [filler, '"trace":[{"a":"%s"}]' % ("b" * 20000)],
             "twice": [trace, filler, '"trace":7']}[where]
    sent = '{"id":1,"method":"m",' + ",".join(parts) + "}"
    sending = Background(link.client.send, sent)
    carrier = check_injected(sent, link.server.recv(), blanks=True)
    sending.result()
    link.server.send(reply(1))
    link.client.recv()
    span = link.collector.span("m")
    assert (span.trace_id, span.span_id) == (carrier.trace_id, carrier.span_id)
    if where in ("early", "late"):
        assert span.trace_id == TRACE


def test_late_id_and_method(link):
    """Over the hold, whether it is a request is known too late to decide early."""
    filler = '"params":"%s"' % ("x" * 100000)
    for sent in ('{%s,"id":1,"method":"m"}' % filler, '{"id":1,%s,"method":"m"}' % filler):
        check_injected(sent, link.call(sent, '{"id":1,"result":0}'), blanks=True)
    link.call(request(2, "n"), reply(2))
    assert link.collector.span("n").end_reason == "answered"


UNTOUCHED = [
    '{"method":"note"}',
    '{"method":"note","params":{"threadId":"T"},"trace":{"traceparent":"%s"}}' % TRACEPARENT,
    '{"id":null,"method":"m"}',
    '{"id":{},"method":"m"}', '{"id":[1],"method":"m"}', '{"id":true,"method":"m"}',
    '{"id":1,"method":5}', '{"id":1}', '{}', '[]', '[[]]', '"text"', "5", "null", "", " ",
    '{"id":5,"result":{"trace":1},"trace":{"traceparent":"%s"}}' % TRACEPARENT,
    '{"error":{"code":1,"message":"x"},"id":5}', '{"id":"x","result":null}',
    '{"id":1,"method":"m"', '{"id":1,"method":"m"}}', "{'id':1}", '{"id":1,"method":"m",}',
    '{"id":01,"method":"m"}', '{"id":1,"method":"m","x":nan}', '\ufeff{"id":1,"method":"m"}',
    '{"id":1,"method":"m"} {"id":2,"method":"m"}', '{"id":1,"method":"m","x":"\t"}',
]


@pytest.mark.parametrize("listen", ["unix", "ws"])
def test_everything_else_is_untouched(lab, listen):
    link = lab.traced(listen)
    for text in UNTOUCHED:
        link.client.send(text)
        assert link.server.recv() == text.encode(), text
    call(link, request(99, "last"))
    assert link.collector.spans[0].request_id == "99" and len(link.collector.spans) == 1


@pytest.mark.parametrize("listen", KINDS)
def test_what_the_server_sends_is_untouched(lab, listen):
    link = lab.traced(listen)
    for text in REQUESTS + UNTOUCHED:
        link.server.send(text)
        assert link.client.recv() == text.encode(), text
    call(link, request(99, "last"))
    assert len(link.collector.spans) == 1


@pytest.mark.parametrize("depth", [100, 1000, 1100, 20000])
def test_nesting(link, depth):
    sent = '{"id":1,"method":"m","params":' + "[" * depth + "]" * depth + "}"
    sending = Background(link.client.send, sent)
    received = link.server.recv().decode()
    sending.result()
    if depth <= 1000:
        assert received != sent
    assert re.sub(r',?"trace":\{[^}]*\}', "", received).replace(" ", "") == sent
    call(link, request(2, "after"))


@pytest.mark.parametrize("inject,member", [("/trace", "trace"), ("/context", "context")])
def test_injection_by_choice(lab, inject, member):
    link = lab.traced(profile="generic", args=[f"--propagation-inject={inject}"])
    sent = '{"id":1,"method":"m","%s":{"traceparent":"%s"}}' % (member, TRACEPARENT)
    carrier = check_injected(sent, link.call(sent, reply(1)), member)
    assert carrier.trace_id == TRACE == link.collector.span().trace_id


@pytest.mark.parametrize("args", [{"profile": "generic"},
                                  {"profile": "codex", "args": ["--propagation-inject=none"]}])
def test_no_injection(lab, args):
    link = lab.traced(**args)
    for number, trace in enumerate(("", ',"trace":{"traceparent":"%s"}' % TRACEPARENT)):
        sent = '{"id":%d,"method":"m"%s}' % (number, trace)
        assert link.call(sent, reply(number)) == sent.encode()
    assert link.collector.span(request_id="1").parent_id == PARENT
    assert link.collector.span(request_id="0").parent_id is None


@pytest.mark.parametrize("sent,received", [
    ('{"id":1,"method":"m"}', '{"id":1,"method":"m"}'),
    ('{"id":1,"trace":{"traceparent":"%s"},"method":"m"}', '{"id":1,"method":"m"}'),
    ('{"trace":{"traceparent":"%s"},"id":1,"method":"m"}', '{"id":1,"method":"m"}'),
    ('{"id":1,"method":"m","trace":{"traceparent":"%s"}}', '{"id":1,"method":"m"}'),
    ('{"method":"note","trace":{"traceparent":"%s"}}', '{"method":"note"}'),
    ('{"id":null,"method":"m","trace":{"traceparent":"%s"}}', '{"id":null,"method":"m"}'),
    ('{"id":1.5,"method":"m","trace":{"traceparent":"%s"}}', '{"id":1.5,"method":"m"}'),
    ('{"id":{},"trace":{"traceparent":"%s","b":1},"method":"m"}', '{"id":{},"method":"m"}'),
    ('[{"trace":1,"method":"n"},{"id":[],"method":"m","trace":{}}]',
     '[{"method":"n"},{"id":[],"method":"m"}]'),
    ('{"id":1,"result":{},"trace":{"traceparent":"%s"}}', None),
])
def test_strip(lab, sent, received):
    link = lab.traced(profile="generic", args=["--propagation-strip"])
    sent = sent.replace("%s", TRACEPARENT)
    received = sent if received is None else received
    assert link.call(sent, reply(1)) == received.encode()
    if TRACEPARENT in sent and '"id":1,' in sent and "method" in sent:
        assert link.collector.span().parent_id == PARENT


@pytest.mark.parametrize("listen", ["tcp", "ws"])
@pytest.mark.parametrize("size", [0, 40000])
def test_strip_leaves_the_other_members(lab, listen, size):
    link = lab.traced(listen, profile="generic", args=["--propagation-strip"])
    for sent in REQUESTS:
        sent = sent.strip("\r")
        if size:
            sent = sent.replace("}", ',"filler":"%s"}' % ("x" * size), 1) if sent.count("}") == 1 \
                else sent.replace("{", '{"filler":"%s",' % ("x" * size), 1)
        sending = Background(link.client.send, sent)
        received = link.server.recv()
        sending.result()
        assert pairs(text_of(received), "trace") == pairs(text_of(sent), "trace")
        assert "trace" not in [member.key for member in members(text_of(received))]


# answers find their requests

def test_answers_out_of_order(link):
    for number in range(5):
        link.client.send(request(number, f"m{number}"))
        link.server.recv()
    for number in (3, 0, 4, 2, 1):
        link.server.send({"error": {"code": number, "message": "no"}, "id": number})
        link.client.recv()
    for span in link.collector.wait_spans(5):
        assert span.name == f"app_server.request m{span.request_id}"
        assert span.attributes["rpc.response.status_code"] == span.request_id


def test_number_and_string_are_two_ids(link):
    for spelt, method in (("1", "number"), ('"1"', "string")):
        link.client.send('{"id":%s,"method":"%s"}' % (spelt, method))
        link.server.recv()
    link.server.send('{"id":"1","error":{"code":7,"message":"string"}}')
    link.server.send('{"id":1,"result":{}}')
    assert link.collector.span("string").end_reason == "error"
    assert link.collector.span("number").end_reason == "answered"


@pytest.mark.parametrize("asked,answered", [
    ("1.0", "1"), ("1", "1.0"), ("10e-1", "1"), ("1e2", "100"), ("100", "1E+2"), ("-0", "0"),
    (r'"\u00e9"', '"é"'), ('"é"', r'"\u00E9"'), (r'"\ud83d\ude80"', '"🚀"'), (r'"a\/b"', '"a/b"'),
    ("9007199254740993", "9007199254740993.0"), ("0.5", "5e-1"),
])
def test_ids_are_compared_by_value(link, asked, answered):
    sent = '{"id":%s,"method":"m"}' % asked
    check_injected(sent, link.call(sent))
    answer = '{"id":%s,"result":{}}' % answered
    link.server.send(answer)
    assert link.client.recv() == answer.encode()
    assert link.collector.span("m").end_reason == "answered"


def test_large_ids_stay_exact(link):
    for number in (9007199254740992, 9007199254740993):
        link.client.send(request(number, f"m{number}"))
        link.server.recv()
    link.server.send('{"id":9007199254740993,"error":{"code":1,"message":"x"}}')
    link.server.send('{"id":9007199254740992,"result":{}}')
    assert link.collector.span("m9007199254740993").end_reason == "error"
    assert link.collector.span("m9007199254740992").end_reason == "answered"


def test_id_used_again_while_in_flight(link):
    for method in ("first", "second"):
        link.client.send(request(5, method))
        link.server.recv()
    for result in (1, 2):
        link.server.send(reply(5, result))
        assert link.client.recv_json()["result"] == result
    first = link.collector.span("first")
    assert first.end_reason == "id_reused" and first.status == 2
    assert link.collector.span("second").end_reason == "answered"


def test_answers_to_nothing(link):
    for text in ('{"id":1,"result":1}', '{"id":"x","error":{"code":1,"message":"m"}}',
                 '{"id":null,"error":{"code":-32700,"message":"parse"}}', '{"result":1}'):
        link.server.send(text)
        assert link.client.recv() == text.encode()
    call(link, request(1))
    link.server.send(reply(1))
    link.client.recv()
    call(link, request(2))
    assert len(link.collector.spans) == 2


def test_answer_without_usable_id_closes_nothing(link):
    link.client.send(request(1))
    link.server.recv()
    link.server.send('{"id":null,"result":1}')
    link.client.recv()
    link.server.send(reply(1))
    assert link.collector.span().end_reason == "answered"


def test_two_directions_have_their_own_ids(link):
    link.client.send(request(0, "outer"))
    link.server.recv()
    asked = '{"id":0,"method":"item/approval","params":{}}'
    link.server.send(asked)
    assert link.client.recv() == asked.encode()
    answer = '{"id":0,"error":{"code":9,"message":"refused"}}'
    link.client.send(answer)
    assert link.server.recv() == answer.encode()
    link.server.send(reply(0))
    link.client.recv()
    span = link.collector.span("outer")
    assert span.end_reason == "answered" and span.status == 0
    asked = link.collector.span("item/approval")
    assert asked.end_reason == "error" and asked.status == 2
    assert len(link.collector.spans) == 2


def test_two_connections_have_their_own_ids(link):
    client, server = link.open()
    link.client.send(request(1, "one"))
    client.send(request(1, "two"))
    link.server.recv()
    server.recv()
    server.send('{"id":1,"error":{"code":2,"message":"two"}}')
    assert link.collector.span("two").end_reason == "error"
    link.server.send(reply(1))
    assert link.collector.span("one").end_reason == "answered"


# requests without an answer

def unanswered(span, reason):
    assert span.end_reason == reason and span.status == 2
    assert span.attributes["error.type"] == reason


def test_client_left(link):
    link.call(request(1))
    link.client.close()
    unanswered(link.collector.span(), "connection_closed")


def test_backend_left(link):
    link.call(request(1))
    link.server.close()
    link.client.expect_eof()
    unanswered(link.collector.span(), "backend_exited")


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("first", ["client", "server"])
def test_close_frames(lab, first, answered):
    """The server ends the connection in any case: who wanted that is who sent a close frame first."""
    link = lab.traced("ws")
    link.call(request(1))
    peers = {"client": link.client, "server": link.server}
    closer, other = peers.pop(first), *peers.values()
    closer.send_close(1000)
    other.recv_close()
    if answered:
        other.send_close(1000)
        closer.recv_close()
    link.server.close()
    reason = "connection_closed" if first == "client" else "backend_exited"
    unanswered(link.collector.span(), reason)


@pytest.mark.parametrize("listen", ["stdio", "tcp"])
def test_backend_exited(lab, listen):
    link = lab.traced(listen, "stdio")
    link.call(request(1))
    link.puppet.exit(3)
    link.client.expect_eof()
    unanswered(link.collector.span(), "backend_exited")


def test_client_of_a_wrapped_command_left(lab):
    link = lab.traced("stdio")
    link.call(request(1))
    link.client.close()
    link.server.expect_eof()
    link.puppet.exit(0)
    link.sidespan.wait()
    unanswered(link.collector.span(), "connection_closed")


def test_expired(lab):
    link = lab.traced(args=["--inflight-max-age=100ms"])
    link.call(request(1, "slow"))
    unanswered(link.collector.span("slow"), "expired")
    link.server.send(reply(1))
    assert link.client.recv_json() == reply(1)
    call(link, request(2, "fast"))
    assert len(link.collector.spans) == 2


def test_evicted(lab):
    link = lab.traced(args=["--inflight-max=2"])
    for number in range(4):
        link.call(request(number, f"m{number}"))
    unanswered(link.collector.span("m0"), "evicted")
    unanswered(link.collector.span("m1"), "evicted")
    for number in range(4):
        link.server.send(reply(number))
        assert link.client.recv_json() == reply(number)
    for number in (2, 3):
        assert link.collector.span(f"m{number}").end_reason == "answered"


# batches

def batch_members(text):
    """The objects of a batch, each as its own text."""
    found, position = [], text.index("[") + 1
    while True:
        position += len(text[position:]) - len(text[position:].lstrip(" \r\n,"))
        if text[position] == "]":
            return found
        _, end = json.JSONDecoder().raw_decode(text, position)
        found.append(text[position:end])
        position = end


@pytest.mark.parametrize("listen", ["tcp", "ws"])
def test_batch(lab, listen):
    link = lab.traced(listen)
    sent = [f'{{"id":1,"method":"one","trace":{{"traceparent":"{TRACEPARENT}"}}}}',
            '{"method":"note","trace":1}', ' {"id":2, "method":"two"}', "5",
            '{"id":3,"result":{}}', '{"id":"1","method":"three"}']
    received = link.call("[" + ",".join(sent) + " ]").decode()
    assert received.startswith("[") and received.endswith(" ]")
    got = batch_members(received)
    assert len(got) == len(sent)
    carriers = {}
    for before, after in zip(sent, got):
        if '"id"' in before and "method" in before:
            carriers[json.loads(before)["method"]] = check_injected(before.strip(), after)
        else:
            assert before == after
    link.server.send('[{"id":"1","result":3},{"error":{"code":4,"message":"no"},"id":2},'
                     '{"id":1,"result":1}]')
    link.client.recv()
    spans = {span.method: span for span in link.collector.wait_spans(3)}
    assert spans["one"].parent_id == PARENT
    assert spans["two"].end_reason == "error"
    assert spans["three"].end_reason == "answered"
    assert len({span.span_id for span in spans.values()}) == 3
    for method, span in spans.items():
        assert carriers[method].span_id == span.span_id


def test_answers_to_a_batch_one_by_one(link):
    link.call([request(1, "a"), request(2, "b")])
    link.server.send(reply(2))
    link.server.send(reply(1))
    assert {span.method for span in link.collector.wait_spans(2)} == {"a", "b"}


@pytest.mark.parametrize("text", ["[]", "[1,2]", '[{"method":"note"}]', "[[]]", "[null]",
                                  '[{"id":1,"method":"m"}', '[[{"id":1,"method":"m"}]]'])
def test_batches_without_requests(link, text):
    link.client.send(text)
    assert link.server.recv() == text.encode()
    call(link, request(2))
    assert len(link.collector.spans) == 1
