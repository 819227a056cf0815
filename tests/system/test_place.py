"""
Carriers at the places that MCP and ACP reserve, against Python's json: what the server's parser sees is
what the client sent with our context in its place, and the bytes are the client's but for that.
"""

import json
import random

import pytest

from lib.wait import Background

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
META = ["--propagation-inject=/params/_meta/*"]


def shape(text):
    """A message as lists of pairs, so that order and repeated members count."""
    return json.loads(text, object_pairs_hook=lambda pairs: ("object", pairs))


def of(pairs, name):
    return [value for key, value in pairs[1] if key == name]


def without_context(value, names=("traceparent", "tracestate")):
    """_meta without what is ours; an empty one, and empty params, count as none."""
    kept = [(key, without_context(member, names) if key in ("params", "_meta") and isinstance(member, tuple) else member)
            for key, member in value[1] if key not in names]
    return "object", [(key, member) for key, member in kept
                      if not (key in ("params", "_meta") and member == ("object", []))]


def call(link, sent, number=1):
    received = link.call(sent, {"id": number, "result": {}})
    return received.decode()


@pytest.mark.parametrize("listen", ["stdio", "tcp", "ws", "unix", "ws+unix"])
def test_context_goes_into_meta(lab, listen):
    link = lab.traced(listen, profile="generic", args=META)
    sent = ('{"method":"tools/call","params":{"name":"x","_meta":{"progressToken" : 1.0,"traceparent":"%s",'
            '"baggage":"k=v"}},"jsonrpc":"2.0","id":5}' % TRACEPARENT)
    received = call(link, sent, 5)
    span = link.collector.span()
    told = f"00-{span.trace_id}-{span.span_id}-01"
    assert received == sent.replace(TRACEPARENT, told)
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)


@pytest.mark.parametrize("sent,received", [
    ('{"id":1,"method":"ping"}', '{"id":1,"method":"ping","params":{"_meta":{%s}}}'),
    ('{"id":1,"method":"m","params":{}}', '{"id":1,"method":"m","params":{"_meta":{%s}}}'),
    ('{"id":1,"method":"m","params":{"a":[1]}}', '{"id":1,"method":"m","params":{"a":[1],"_meta":{%s}}}'),
    ('{"id":1,"params":{"_meta":{}},"method":"m"}', '{"id":1,"params":{"_meta":{%s}},"method":"m"}'),
])
def test_what_is_missing_is_made(lab, sent, received):
    link = lab.traced(profile="generic", args=META)
    got = call(link, sent)
    span = link.collector.span()
    assert got == received % f'"traceparent":"00-{span.trace_id}-{span.span_id}-03"'


@pytest.mark.parametrize("args,sent", [
    ([], '{"id":1,"method":"m","params":[1]}'),
    ([], '{"id":1,"method":"m","params":null}'),
    ([], '{"id":1,"method":"m","params":{"_meta":"x"}}'),
    (["--no-propagation-create-params"], '{"id":1,"method":"m"}'),
])
def test_without_a_place_it_is_left_and_counted(lab, args, sent):
    link = lab.traced(profile="generic", args=META + args)
    assert call(link, sent) == sent and call(link, sent) == sent
    assert len(link.collector.wait_spans(2)) == 2
    link.finish()
    said = link.sidespan.stderr.decode()
    assert said.count("has no place for a trace context") == 1
    assert "requests_unplaced=2" in said


def test_baggage(lab):
    sent = '{"id":1,"method":"m","params":{"_meta":{"baggage":"k=v","a":1}}}'
    assert '"baggage":"k=v","a":1' in call(lab.traced(profile="generic", args=META), sent)
    got = call(lab.traced(profile="generic", args=[*META, "--propagation-baggage=strip"]), sent)
    assert [key for key, _ in of(of(shape(got), "params")[0], "_meta")[0][1]] == ["traceparent", "a"]
    link = lab.traced(profile="generic", args=["--propagation-baggage=strip"])
    assert call(link, '{"id":1,"method":"m","trace":{"baggage":"k=v","a":1}}') == \
        '{"id":1,"method":"m","trace":{"a":1}}'
    assert call(link, sent) == sent


@pytest.mark.parametrize("args,expected", [
    (["--propagation-extract=/params/_meta/*,/trace"], PARENT),
    (["--propagation-extract=/trace,/params/_meta/*"], "00f067aa0ba902b7"),
    (["--propagation-extract=/params/_meta/*"], PARENT),
    (["--propagation-extract", "/params/_meta/*"], PARENT),
    (["--propagation-extract"], "00f067aa0ba902b7"),
    (["--no-propagation-extract"], None),
])
def test_the_first_place_with_a_context_counts(lab, args, expected):
    link = lab.traced(profile="generic", args=args)
    sent = ('{"id":1,"method":"m","trace":{"traceparent":"00-%s-00f067aa0ba902b7-01"},'
            '"params":{"_meta":{"traceparent":"%s"}}}' % (TRACE, TRACEPARENT))
    assert call(link, sent) == sent
    assert link.collector.span().parent_id == expected


BOTH = ["--propagation-strip", "--propagation-extract=/trace,/params/_meta/*"]
INTO_META = [*BOTH, "--propagation-inject=/params/_meta/*"]


@pytest.mark.parametrize("listen", ["tcp", "ws"])
@pytest.mark.parametrize("args,sent,received", [
    (BOTH, '{"id":1,"trace":{"traceparent":"%s"},"params":{"_meta":{"traceparent":"x","a":1}},"method":"m"}',
     '{"id":1,"params":{"_meta":{"a":1}},"method":"m"}'),
    (BOTH, '{"method":"n","params":{"_meta":{"tracestate":"x"}},"trace":7}', '{"method":"n","params":{"_meta":{}}}'),
    (BOTH, '[{"trace":1,"id":{},"method":"m"},{"method":"n","params":{"_meta":{"traceparent":5}}},{"id":9,"result":1}]',
     '[{"id":{},"method":"m"},{"method":"n","params":{"_meta":{}}},{"id":9,"result":1}]'),
    (BOTH, '{"id":1,"result":{},"trace":1,"params":{"_meta":{"traceparent":5}}}', None),
    (INTO_META, '{"trace":{"traceparent":"%s"},"id":1,"params":{"_meta":{"progressToken":1}},"method":"m"}',
     '{"id":1,"params":{"_meta":{"traceparent":"TOLD","progressToken":1}},"method":"m"}'),
    (INTO_META, '{"trace":{"traceparent":"%s"},"id":1,"method":"m"}',
     '{"id":1,"method":"m","params":{"_meta":{"traceparent":"TOLD"}}}'),
    (INTO_META, '{"trace":1,"method":"n","params":{"_meta":{"traceparent":1,"a":2}}}',
     '{"method":"n","params":{"_meta":{"a":2}}}'),
])
def test_all_places_are_stripped(lab, listen, args, sent, received):
    link = lab.traced(listen, profile="generic", args=args)
    sent = sent.replace("%s", TRACEPARENT)
    got = call(link, sent)
    if TRACEPARENT in sent:
        span = link.collector.span()
        assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
        received = received.replace("TOLD", f"00-{TRACE}-{span.span_id}-01")
    assert got == (received or sent)


class Maker:
    """Requests with params and _meta in all shapes, as Python spells them or with blanks and escapes."""

    def __init__(self, seed, one_line):
        self.random = random.Random(seed)
        self.one_line = one_line

    def value(self, depth=2):
        pick = self.random.choice
        kind = pick("nsbaotx")
        if kind in "ao" and depth:
            count = self.random.randrange(3)
            return [self.value(depth - 1) for _ in range(count)] if kind == "a" else \
                {pick(("_meta", "id", "é", "k")): self.value(depth - 1) for _ in range(count)}
        return {"n": self.random.randrange(99), "s": pick(('"}', "é\U0001f600", "")), "b": pick((True, None)),
                "t": "y" * self.random.choice((1, 100, 9000, 30000)), "x": -1.5}.get(kind, [])

    def meta(self):
        names = ("progressToken", "traceparent", "tracestate", "baggage", "x/y")
        return {name: self.value(1) for name in self.random.sample(names, self.random.randrange(5))}

    def message(self, number):
        params = [(self.random.choice("abc") + str(i), self.value()) for i in range(self.random.randrange(4))]
        if self.random.random() < 0.6:
            params.insert(self.random.randrange(len(params) + 1), ("_meta", self.meta()))
        members = [("jsonrpc", "2.0"), ("id", number), ("method", "m")]
        if self.random.random() < 0.8:
            members.append(("params", dict(params)))
        self.random.shuffle(members)
        return json.dumps(dict(members), ensure_ascii=self.random.random() < 0.5,
                          indent=None if self.one_line else self.random.choice((None, None, 1)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("listen", ["tcp", "ws"])
def test_any_request_against_pythons_json(lab, listen, seed):
    link = lab.traced(listen, profile="generic", args=META)
    maker = Maker(f"{listen} {seed}", listen == "tcp")
    for number in range(60):
        sent = maker.message(number)
        sending = Background(link.client.send, sent)
        received = link.server.recv().decode()
        sending.result()
        before, after = shape(sent), shape(received)
        assert without_context(after) == without_context(before), sent[:300]
        if received == sent:
            assert len(sent) > 16384, sent[:300]  # too long before it is clear what it is
            continue
        for params in of(after, "params"):
            for meta in of(params, "_meta"):
                assert [key for key, _ in meta[1]].count("traceparent") == 1
                assert isinstance(of(meta, "traceparent")[0], str) and len(of(meta, "traceparent")[0]) == 55
        link.server.send({"id": number, "result": 1})
        link.client.recv()
