"""What may differ between a request as sent and as received: the carrier member, nothing else."""

import json
import re

OURS = re.compile(r'"traceparent":"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])"'
                  r'(?:,"tracestate":("(?:[^"\\]|\\.)*"))?')
NAMES = ("traceparent", "tracestate")
DECODER = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)
BLANKS = re.compile(r"[ \t\r\n]*")


class Member:
    def __init__(self, key, start, value_start, end):
        self.key = key
        self.start = start
        self.value_start = value_start
        self.end = end


class Carrier:
    """What is ours in the value of a carrier; text is how it is spelt."""

    def __init__(self, value):
        found = OURS.match(value, first_of_ours(value))
        assert found, f"not a carrier of ours: {value[:300]}"
        ours = [member for member in members(value) if member.key in NAMES]
        assert len(ours) == 1 + bool(found[4]) and ours[-1].end == found.end(), value[:300]
        self.text = found[0]
        self.trace_id, self.span_id, self.flags = found[1], found[2], found[3]
        self.tracestate = json.loads(found[4]) if found[4] else None


def first_of_ours(value):
    return next((member.start for member in members(value) if member.key in NAMES), 0)


def edited(old, ours):
    """A carrier's value with ours written into it, as text."""
    if old[0] != "{":
        return "{" + ours + "}"
    first, removed = True, []
    for member in members(old):
        if member.key in NAMES:
            removed.append((member.start if first else old.rindex(",", 0, member.start), member.end,
                            ours if first else ""))
            first = False
    if first:
        return "{" + ours + ("," if members(old) else "") + old[1:]
    for start, end, text in reversed(removed):
        old = old[:start] + text + old[end:]
    return old


def skip(text, position):
    return BLANKS.match(text, position).end()


def members(text):
    """The top-level members of a JSON object, with their places."""
    found = []
    position = skip(text, 0)
    assert text[position] == "{", text[:100]
    position = skip(text, position + 1)
    while text[position] != "}":
        start = position
        key, position = DECODER.raw_decode(text, start)
        position = skip(text, position)
        assert text[position] == ":", text[position:position + 100]
        value_start = skip(text, position + 1)
        _, end = DECODER.raw_decode(text, value_start)
        found.append(Member(key, start, value_start, end))
        position = skip(text, end)
        if text[position] == ",":
            position = skip(text, position + 1)
            assert text[position] == '"', "comma before the end"
    assert skip(text, position + 1) == len(text), "text after the object"
    return found


def text_of(message):
    return message.decode("latin-1") if isinstance(message, bytes) else \
        message.encode().decode("latin-1")


def without_blanks(text):
    """Blanks before the last brace are where a promise was filled in."""
    body, brace, tail = text.rpartition("}")
    return body.rstrip(" ") + brace + tail


def carrier_of(message, name="trace"):
    """The one carrier of a forwarded request."""
    text = text_of(message)
    found = [member for member in members(text) if member.key == name]
    assert len(found) == 1, f"{len(found)} carriers in {text[:300]}"
    return Carrier(text[found[0].value_start:found[0].end])


def check_injected(sent, received, name="trace", blanks=False):
    """Asserts that received is sent with a carrier added or replaced; returns the Carrier."""
    carrier = carrier_of(received, name)
    sent, received = text_of(sent), text_of(received)
    same = without_blanks if blanks else str
    old = [member for member in members(sent) if member.key == name]
    new, = [member for member in members(received) if member.key == name]
    value = received[new.value_start:new.end]
    if old:
        assert value == edited(sent[old[0].value_start:old[0].end], carrier.text)
    if len(old) == 1:
        expected = sent[:old[0].value_start] + value + sent[old[0].end:]
        assert same(received) == same(expected)
    elif not old:
        assert same(sent) == same(without_member(received, new))
    else:
        assert pairs(sent, name) == pairs(received, name)
    return carrier


def without_member(text, member):
    if text[member.start - 1] == ",":
        return text[:member.start - 1] + text[member.end:]
    assert text[member.end] == ",", text
    return text[:member.start] + text[member.end + 1:]


def pairs(text, name):
    return [text[member.start:member.end] for member in members(text) if member.key != name]
