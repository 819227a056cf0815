"""The tests' own tools, where a mistake could make a test pass that should not."""

import pytest

from checks import carrier_only
from wire import CLOSE, TEXT, Frames, Lines, frame

CARRIER = '"trace":{"traceparent":"00-a-b-01"}'


@pytest.mark.parametrize(
    "before, after, same",
    [
        ('{"id":1}', '{"id":1,%s}' % CARRIER, True),
        ('{"id":1}', '{%s,"id":1}' % CARRIER, True),
        ('{ "id" : 1 }', '{ "id" : 1 ,%s}' % CARRIER, True),
        ('{"trace":null,"id":1}', '{%s,"id":1}' % CARRIER, True),
        ('{"id":1,"trace" : 5 }', '{"id":1,"trace" : {} }', True),
        ('{"id":1}', '{"id":1}', False),
        ('{"id":1}', '{"id":2,%s}' % CARRIER, False),
        ('{"id": 1}', '{"id":1,%s}' % CARRIER, False),
        ('{"id":1,"a":2}', '{"a":2,"id":1,%s}' % CARRIER, False),
        ('{"id":1}', '{"id":1,%s,%s}' % (CARRIER, CARRIER), False),
        ('{"trace":null,"id":1}', '{"trace":null,"id":1,%s}' % CARRIER, False),
        ('{"id":1,"p":{"trace":1}}', '{"id":1,"p":{%s}}' % CARRIER, False),
    ],
)
def test_carrier_only(before, after, same):
    assert carrier_only(before, after) == same


@pytest.mark.parametrize(
    "size, step", [(0, 1), (1, 1), (125, 1), (126, 1), (300, 7), (65535, 4096), (70000, 1 << 20)]
)
def test_frames(size, step):
    payload = bytes(number % 251 for number in range(size))
    data = (
        frame(TEXT, payload[: size // 2], final=False)
        + frame(CLOSE, b"\x03\xe8")
        + frame(0, payload[size // 2 :])
    )
    frames, messages = Frames(), []
    for at in range(0, len(data), step):
        messages += frames.feed(data[at : at + step])
    assert messages == [(CLOSE, b"\x03\xe8"), (TEXT, payload)]


def test_lines():
    lines = Lines()
    assert [lines.feed(part) for part in (b"a", b"b\nc\n\nd", b"", b"\n")] == [
        [],
        [(TEXT, b"ab"), (TEXT, b"c"), (TEXT, b"")],
        [],
        [(TEXT, b"d")],
    ]
