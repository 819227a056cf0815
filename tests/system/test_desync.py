"""
What two readers could read in two ways goes no further, in either direction: the known ways to hide
a message in another, and messages that are broken at random. What passes is to h11, another reader
of HTTP, what it was before us.
"""

import contextlib
import random
import re

import pytest

from lib.front import Front
from lib.reading import Refused, read
from lib.wait import Background

HIDDEN_REQUEST = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
HIDDEN_ANSWER = b"HTTP/1.1 200 Hidden\r\nContent-Length: 6\r\n\r\nhidden"
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"Transfer-Encoding: chunked"


class Ends(Front):
    """The program between a client and a server that answers every request that h11 finds."""

    def __init__(self, lab):
        super().__init__(lab)
        self.answer = OK
        self.received = []  # by the server, of each connection
        self.serving = Background(self.serve)

    def serve(self):
        while True:
            try:
                stream = self.backend.accept(60)
            except OSError:
                return
            self.received.append(bytearray())
            with contextlib.suppress(OSError, Refused):  # the test will see it
                self.talk(stream, self.received[-1])
            stream.close()

    def talk(self, stream, received):
        answered = 0
        while stream.fill(60):
            received += stream.take(len(stream.buffer))
            if len(read(received)) > answered:
                answered += 1
                stream.write(self.answer)
                if self.answer != OK:
                    stream.close_write()

    def tell(self, request):
        """All that a client is told who says that, and no more."""
        client = self.connect()
        client.write(request)
        client.close_write()
        told = client.read_all()
        client.close()
        return told


@pytest.fixture
def ends(lab):
    return Ends(lab)


def statuses(told):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d\d\d) ", told)]


LENGTHS = [
    b"+5", b"-5", b"-0", b"5 5", b"5,5", b"5, 5", b"5, 6", b",5", b"5,", b"0x5", b"5.0", b"5e0", b"5_0", b"5;",
    b"5\x00", b"5\x0b", b"\x0b5", b"5\x0c", b"5\x85", b"\xa05", b"", b"'5'", b'"5"', b"five",
    "\u0665".encode(), b"99999999999999999999", b"18446744073709551621", b"5\r\nContent-Length: 5",
    b"5\r\nContent-Length: 6", b"5\r\ncontent-length: 0", b"0\r\nCONTENT-LENGTH: 5",
]
CODINGS = [
    b"xchunked", b"chunkedx", b"x chunked", b"chunked x", b"chunked, x", b"chunked, chunked", b"chunked;q=1",
    b"'chunked'", b'"chunked"', b"chunked\x00", b"\x00chunked", b"\x0bchunked", b"chunked\x0b", b"\x0cchunked",
    b"\xa0chunked", b"chunked\x85", b"chun\x00ked", b"chunk", b"identity", b"", b",", b"gzip", b"chunked, identity",
    b",chunked", b"chunked,", b"x y, chunked", b"\x80, chunked", b"gzip,,chunked", b"\r\nTransfer-Encoding: chunked",
    b"chunked\r\nTransfer-Encoding: x", b"chunked\r\nTransfer-Encoding: chunked",
    b"chunked\r\nTransfer-encoding: identity", b"chun\xe2\x84\xaaed", b"c\r\n hunked", b"\r\n chunked",
]
# beside a length that is good, and hides what is chunked
BOTH = [
    b"Transfer-Encoding: chunked", b"transfer-encoding:chunked", b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding: identity", b"Transfer-Encoding: x", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b"Transfer-Encoding\r\n : chunked",
    b" Transfer-Encoding: chunked", b"\tTransfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked", b"X: y\r\n Transfer-Encoding: chunked", b"\x00Transfer-Encoding: chunked",
    b"Transfer-Encoding\x00: chunked", b"\xa0Transfer-Encoding: chunked", b"Transfer-Encoding", b": chunked",
    b"Transfer Encoding: chunked", b"Transfer-Encoding; chunked", b"X: y\n\nTransfer-Encoding: chunked",
    b"Connection: Content-Length", b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
]
FIELDS = ([b"Content-Length: " + value for value in LENGTHS] +
          [b"Transfer-Encoding: " + value for value in CODINGS] +
          [b"Content-Length: 5\r\n" + more for more in BOTH])

CHUNKS = [  # in front of more chunks
    b"5\nhello\r\n", b"+5\r\nhello\r\n", b"-5\r\nhello\r\n", b"0x5\r\nhello\r\n", b" 5\r\nhello\r\n",
    b"5 5\r\nhello\r\n", b"5\x0b\r\nhello\r\n", b"5\x00\r\nhello\r\n", b"5,\r\nhello\r\n", b"5_\r\nhello\r\n",
    b"5.0\r\nhello\r\n", b"g\r\nhello\r\n", b"\r\nhello\r\n", b";x\r\nhello\r\n", b"5;\nhello\r\n",
    b"5;a\nhello\r\n", b"5;a\rhello\r\n", b"5;a\x00\r\nhello\r\n", b"5;a\r\r\nhello\r\n", b"5\r\r\nhello\r\n",
    b"10000000000000005\r\nhello\r\n", b"FFFFFFFFFFFFFFFF\r\nhello\r\n", b"8000000000000005\r\nhello\r\n",
    b"5\r\nhelloX", b"5\r\nhello\n", b"5\r\nhello\r0", b"5\r\nhello\r\r\n", b"5\r\nhello0\r\n", b"5\r\nhello\r\n\r\n",
    "\u0665\r\nhello\r\n".encode(), b"5\xa0\r\nhello\r\n",
]
TRAILERS = [  # behind the last chunk's size line
    b"\n", b"\r\r\n", b"A: b\n\r\n", b"A: b\r\r\n\r\n", b"A: b\x00\r\n\r\n", b"A: b\rX\r\n\r\n", b" \r\n\r\n",
    b"A\r\n\r\n", b"A : b\r\n\r\n", b": b\r\n\r\n", b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n",
    b"A: b\r\n B: c\r\n\r\n", b"A\x00: b\r\n\r\n", b"\xa0A: b\r\n\r\n", b"(: b\r\n\r\n",
]
BODIES = ([chunk + b"5\r\nworld\r\n0\r\n\r\n" for chunk in CHUNKS] +
          [b"5\r\nhello\r\n0\r\n" + trailer for trailer in TRAILERS])

REQUEST_LINES = [
    b"GET  / HTTP/1.1", b"GET\t/ HTTP/1.1", b"GET / HTTP/1.1 ", b"GET /  HTTP/1.1", b"GET / x HTTP/1.1",
    b"GET /\tHTTP/1.1", b"GET / HTTP/1.10", b"GET / HTTP/01.1", b"GET / http/1.1", b"GET / HTTP/1",
    b"GET / HTTP /1.1", b"GET / HTTP/1,1", b"GET /", b"GET", b" GET / HTTP/1.1", b"\x00GET / HTTP/1.1",
    b"GE\x00T / HTTP/1.1", b"GET /\x00 HTTP/1.1", b"GET /\x7f HTTP/1.1", b"GET / HTTP/1.1\x00", b"GET / HTTP/1.1\r",
    b"GET / HTTP/0.9", b"GET / HTTP/3.0", b"G(T / HTTP/1.1", b"GET / HTTP/1.1\nX: y", b"GET / HTTP/1.1\rX: y",
    b"GET / HTTP/1.1\r\n X: y", b"\nGET / HTTP/1.1",
]
STATUS_LINES = [
    b"HTTP/1.1 2000 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 200\tOK",
    b"HTTP/1.1 +20 OK", b"HTTP/1.1 0200 OK", b"HTTP/1.1 099 OK", b"HTTP/1.1 200 O\x00K", b"HTTP/1.1 200 OK\r",
    b"HTTP/1.1 200 OK\nX: y", b"HTTP/1.1 200 OK\rX: y", b"HTTP/1.1 200 OK\r\n X: y", b"HTTP/1.10 200 OK",
    b"HTTP/2.0 200 OK", b"http/1.1 200 OK", b"HTTP/1 200 OK", b"ICY 200 OK", b"200 OK", b" HTTP/1.1 200 OK",
    b"\r\nHTTP/1.1 200 OK", b"\nHTTP/1.1 200 OK", b"HTTP/1.1", b"HTTP/1.1 200OK", b"<html>",
]


def odd(told, expected, ends):
    """What is wrong, if anything is."""
    if statuses(told) != [expected] or b"Connection: close\r\n" not in told:
        return told
    if b"hidden" in told or any(b"hidden" in text or read(text, strict=False) for text in ends.received):
        return ends.received
    return None


def test_requests_that_could_be_two(ends):
    """In their heads: nothing of them reaches the server."""
    heads = [line + b"\r\nHost: h\r\n\r\n" for line in REQUEST_LINES]
    heads += [b"POST / HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" for fields in FIELDS]
    heads += [b"POST / HTTP/1.0\r\n" + CHUNKED + b"\r\n\r\n0\r\n\r\n"]
    failures = {head: why for head in heads if (why := odd(ends.tell(head + HIDDEN_REQUEST), 400, ends))}
    assert not failures
    assert ends.received == []


def test_chunks_of_requests_that_could_be_two(ends):
    """The server gets the beginning of a request that never ends."""
    head = b"POST / HTTP/1.1\r\nHost: h\r\n" + CHUNKED + b"\r\n\r\n"
    failures = {body: why for body in BODIES
                if (why := odd(ends.tell(head + body + HIDDEN_REQUEST), 400, ends))}
    assert not failures
    assert ends.counters()["framing_errors"] == len(BODIES)


def test_answers_that_could_be_two(ends):
    """In their heads: nothing of them reaches the client."""
    heads = [line + b"\r\nContent-Length: 0\r\n\r\n" for line in STATUS_LINES]
    heads += [b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" for fields in FIELDS]
    heads += [b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n\r\n0\r\n\r\n", b"HTTP/1.1 101 X\r\n\r\n"]
    failures = {}
    for head in heads:
        ends.answer = head + HIDDEN_ANSWER
        told = ends.tell(GET + GET)
        if statuses(told) != [502] or b"Connection: close\r\n" not in told or b"idden" in told:
            failures[head] = told
    assert not failures


def test_chunks_of_answers_that_could_be_two(ends):
    """The client sees that there is no end."""
    failures = {}
    for body in BODIES:
        ends.answer = b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n" + body + HIDDEN_ANSWER
        told = ends.tell(GET + GET)
        if statuses(told) != [200] or b"idden" in told or read(told, b"GET", True, False):
            failures[body] = told
    assert not failures


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 204 None\r\nContent-Length: 60\r\n\r\n", b"HTTP/1.1 304 Same\r\nContent-Length: 60\r\n\r\n",
    b"HTTP/1.1 304 Same\r\nTransfer-Encoding: chunked\r\n\r\n", OK])
def test_an_answer_behind_another_is_hidden(ends, answer):
    ends.answer = answer + HIDDEN_ANSWER
    assert ends.tell(GET) == answer


# broken at random

DIRT = [b"\x00", b"\x0b", b"\r", b"\n", b"\t", b" ", b":", b";", b",", b"+", b"0", b"x", b"\r\n", b"\r\n "]


def composed(rng, start):
    """A message, mostly good but for a byte here and there."""
    body = bytes(rng.choices(b"hello \r\n0", k=rng.randrange(30)))
    length = b"%d" % (len(body) + rng.choice([0, 0, 0, 0, 3, -1]) if body else 0)
    times = rng.choice([1, 1, 1, 1, 2])
    framing = times * [b"Content-Length" + rng.choice([b":", b": ", b":\t ", b" :"]) + length + rng.choice([b"", b" ", b"\t"])]
    if rng.random() < 0.6:
        coding = rng.choice([b"chunked"] * 5 + [b"Chunked", b"chunked, x", b"chunked "])
        framing = [b"Transfer-Encoding:" + rng.choice([b" ", b""]) + coding] + framing[:rng.random() < 0.1]
        at = rng.randrange(len(body) + 1)
        body = b"".join(
            b"%x%s\r\n%s\r\n" % (len(part), rng.choice([b"", b"", b";a", b';a="b"', b";"]), part)
            for part in (body[:at], body[at:]) if part) + b"0\r\n" + rng.choice([b"", b"", b"T: r\r\n"]) + b"\r\n"
    fields = [b"Host: h", b"X: y"] + framing
    rng.shuffle(fields)
    head = start + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n"
    text = head + body
    if rng.random() < 0.5:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(DIRT) + text[at + rng.randrange(2):]
    return re.sub(rb"[ \t]+;", b";", text)  # RFC 9112, 7.1.1 has them, h11 has not


def test_requests_are_to_another_reader_what_they_were(ends):
    rng, passed = random.Random(1), 0
    for _ in range(500):
        sent = composed(rng, b"POST /a HTTP/1.1") + HIDDEN_REQUEST
        ends.received.clear()
        told = ends.tell(sent)
        found = [message for text in ends.received for message in read(text)]
        assert found == read(sent, strict=False)[:len(found)], sent
        assert len(statuses(told)) in (len(found), len(found) + 1), sent
        passed += len(found) > 0
    assert 150 < passed < 450


def test_answers_are_to_another_reader_what_they_were(ends):
    rng, passed = random.Random(2), 0
    for _ in range(500):
        ends.answer = composed(rng, b"HTTP/1.1 200 OK")
        told = ends.tell(GET)
        if statuses(told) == [502]:
            continue
        found = read(told, b"GET", True)
        assert found == read(ends.answer, b"GET", True, False)[:len(found)], ends.answer
        passed += len(found)
    assert 150 < passed < 450
