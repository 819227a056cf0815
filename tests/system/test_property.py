"""Random conversations, cut at random: what comes out is what went in but for the carrier."""

import json
import random

import pytest

from lib.carrier import check_injected, members, pairs, text_of
from lib.lab import KINDS
from lib.peer import TEXT
from lib.wait import Background

KEYS = ["id", "method", "params", "trace", "result", "error", "jsonrpc", "x", "\\u0069d", "", "é"]
METHODS = ['"initialize"', '"thread/start"', '"m"', '"\\u006d"', '"grüße"', '""']
STRINGS = ['""', '"text"', '"\\"}{"', '"\\\\"', '"\\u00e9"', '"é🚀"', '"trace"', '" , "', '"]"']
NUMBERS = ["0", "-1", "1.0", "1e5", "-0.5E-3", "9007199254740993", "1" * 40]
WORDS = ["true", "false", "null"]
HOLD = 16384  # what the program keeps of a message before it lets the beginning go
BROKEN = ["{", "}", '"', "[", '{"id":1,"method":"m"', "{'id':1}", '{"id":1,}', "nul", "\x00",
          '{"id":1,"method":"m"}}', '{"a" 1}', "", " ", '{"id":1 ,"method":"m",,"x":1}']


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def blank(self):
        return self.random.choice(["", "", "", "", " ", "\t", "  ", "\r"])

    def value(self, depth=0):
        kind = self.random.randrange(10 if depth < 4 else 6)
        if kind < 2:
            return self.random.choice(STRINGS)
        if kind < 4:
            return self.random.choice(NUMBERS)
        if kind < 6:
            return self.random.choice(WORDS)
        if kind < 8:
            return self.wrap("[", [self.value(depth + 1) for _ in range(self.random.randrange(4))],
                             "]")
        return self.object([(json.dumps(self.random.choice(KEYS), ensure_ascii=False),
                             self.value(depth + 1)) for _ in range(self.random.randrange(4))])

    def wrap(self, opening, parts, closing):
        inside = ",".join(self.blank() + part + self.blank() for part in parts)
        return opening + (inside or self.blank()) + closing

    def object(self, pairs):
        return self.wrap("{", [key + self.blank() + ":" + self.blank() + value
                               for key, value in pairs], "}")

    def carrier(self):
        context = '"00-%032x-%016x-0%d"' % (self.random.getrandbits(127) + 1,
                                           self.random.getrandbits(63) + 1,
                                           self.random.randrange(4))
        return self.random.choice([
            '{"traceparent":%s}' % context, '{"tracestate":"a=1","traceparent" : %s }' % context,
            '{"traceparent":%s,"tracestate":"é"}' % context, "null", "{}", '[%s]' % context,
            '{"baggage":"tenant=7","traceparent":%s}' % context,
            '{ "traceparent" :%s , "tracestate":"a=1" , "baggage" : "é" }' % context,
            '{"x":{"traceparent":%s},"\\u0074racestate":null,"b":[],"traceparent":%s}' % (
                context, context),
            '{"traceparent":1,"x":"}","traceparent":%s,"tracestate":"b=2"}' % context])

    def request(self):
        pairs = [('"id"', self.random.choice(NUMBERS[:6] + STRINGS)),
                 (self.random.choice(['"method"', '"\\u006dethod"']), self.random.choice(METHODS))]
        if self.random.randrange(3):
            pairs.append(('"params"', self.value()))
        if self.random.randrange(3) == 0:
            pairs.append(('"trace"', self.random.choice([self.carrier(), self.value()])))
        if self.random.randrange(20) == 0:
            pairs.append(('"trace"', self.random.choice([self.carrier(), self.value()])))
        if self.random.randrange(20) == 0:
            pairs.append(('"filler"', '"%s"' % ("x" * self.random.randrange(40000))))
        while self.random.randrange(3) == 0:
            pairs.append(('"other%d"' % len(pairs), self.value()))
        self.random.shuffle(pairs)
        return self.blank() + self.object(pairs) + self.blank()

    def other(self):
        """Anything that is no request."""
        kind = self.random.randrange(4)
        if kind == 0:
            return self.random.choice(BROKEN)
        if kind == 1:
            return self.object([('"method"', self.random.choice(METHODS)),
                                ('"params"', self.value()), ('"trace"', self.carrier())])
        if kind == 2:
            return self.object([('"error"', '{"code":1,"message":"x"}'),
                                ('"id"', self.random.choice(NUMBERS))])
        return self.object([('"id"', self.random.choice(NUMBERS)), ('"result"', self.value())])

    def messages(self, count):
        """(text, whether it is a request) for one direction."""
        return [(self.request().encode(), True) if self.random.randrange(2) else
                (self.other().encode(), False) for _ in range(count)]

    def cuts(self, size):
        """Sizes of pieces: sometimes bytes, sometimes a lot at once."""
        while size > 0:
            piece = self.random.choice([1, 2, 7, 50, 400, 5000, 70000])
            for _ in range(self.random.randrange(1, 20)):
                yield piece
                size -= piece


def frames(maker, peer, text):
    """A message in that framing; a WebSocket message sometimes in fragments."""
    if not hasattr(peer, "is_client") or maker.random.randrange(2):
        return peer.frame(text)
    places = sorted(maker.random.randrange(len(text) + 1) for _ in range(3))
    parts = [text[a:b] for a, b in zip([0, *places], [*places, len(text)])]
    return b"".join(peer.frame(part, 0 if i else TEXT, fin=i == 3) for i, part in enumerate(parts))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("listen", KINDS)
def test_bytes_out_are_bytes_in_but_for_the_carrier(lab, listen, seed):
    link = lab.traced(listen)
    maker = Maker(f"{listen} {seed}")
    streams = []
    for peer in (link.client, link.server):
        messages = maker.messages(150)
        data = b"".join(frames(maker, peer, text) for text, _ in messages)
        streams.append((peer, messages, data, list(maker.cuts(len(data)))))
    sending = [Background(peer.stream.write_pieces, data, cuts)
               for peer, _, data, cuts in streams]
    receiving = [Background(receive, link.server, streams[0][1], True),
                 Background(receive, link.client, streams[1][1], False)]
    for work in sending + receiving:
        work.result()


def receive(peer, messages, injected):
    for text, is_request in messages:
        received = peer.recv()
        if not injected or not is_request or gives_up(text, received, {"id", "method"}):
            assert received == text
        else:
            check_injected(text, received, blanks=len(text) > HOLD)


def gives_up(text, received, deciding):
    """
    Whether a long message goes on as it is: its first carrier would have to wait for more than is
    held until it is known what the message is. Where that is a close thing, received decides.
    """
    found = members(text_of(text))
    carriers = [member for member in found if member.key == "trace"]
    if len(text) <= HOLD or not carriers:
        return False
    last = max(member.end for member in found if member.key in deciding | {"trace"}
               and (member.key != "trace" or member is carriers[0]))
    wait = last - carriers[0].start
    return received == text if abs(wait - HOLD) < 100 else wait > HOLD


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("listen", ["tcp", "ws"])
def test_strip_removes_the_carrier_and_nothing_else(lab, listen, seed):
    link = lab.link(listen, profile="generic", args=["--propagation-strip"])
    maker = Maker(f"strip {listen} {seed}")
    messages = maker.messages(150)
    data = b"".join(frames(maker, link.client, text) for text, _ in messages)
    sending = Background(link.client.stream.write_pieces, data, list(maker.cuts(len(data))))
    for text, _ in messages:
        received = link.server.recv()
        if not is_call(text) or gives_up(text, received, {"method"}):
            assert received == text
        else:
            assert pairs(text_of(received), "trace") == pairs(text_of(text), "trace")
            assert "trace" not in keys(received)
    sending.result()


def is_call(text):
    try:
        message = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and isinstance(message.get("method"), str)


def keys(text):
    return [member.key for member in members(text_of(text))]


@pytest.mark.parametrize("listen", ["tcp", "ws"])
def test_cuts_do_not_matter(lab, listen):
    """The same requests, whole and byte by byte, come out the same but for the ids."""
    maker = Maker("cuts")
    texts = [maker.request().encode() for _ in range(30)]
    texts = [text for text in texts if len(text) < 3000]
    outcomes = []
    for piece in (1 << 20, 1, 3):
        link = lab.link(listen)
        data = b"".join(link.client.frame(text) for text in texts)
        sending = Background(link.client.stream.write_pieces, data, [piece] * len(data))
        outcomes.append([len(link.server.recv()) for _ in texts])
        sending.result()
    assert outcomes[0] == outcomes[1] == outcomes[2]
