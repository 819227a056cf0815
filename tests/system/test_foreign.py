"""What is not JSON in lines: passed on at once, byte for byte, and told once a connection."""

import json

import pytest

from lib.peer import BINARY, TEXT, frame_bytes

WARNING = "does not send JSON in lines"
SIZED = "Content-Length"
ZERO = bytes(4)  # a mask that leaves the payload readable


def pass_on(sender, receiver, data, pieces=(1 << 20,)):
    """All of it arrives, although nothing follows."""
    sender.stream.write_pieces(data, pieces)
    assert receiver.stream.read_exactly(len(data)) == data


def exchange(link, *messages):
    """(who, bytes) after each other, in one write and cut in two at every place of the first 30."""
    for sender, receiver, data in messages:
        pass_on(sender, receiver, data)
        for place in range(1, min(len(data), 30)):
            sender.stream.write(data[:place])
            assert receiver.stream.read_exactly(place) == data[:place]
            pass_on(sender, receiver, data[place:])


def warnings(link):
    return [line for line in link.sidespan.log("warn") if "connection 0" in line]


def spans_after(link):
    """The spans, when all is over."""
    link.finish()
    return link.collector.spans


def test_websocket_over_standard_streams(lab):
    """sidespan -- codex app-server proxy --sock X: an upgrade, then frames without line ends."""
    link = lab.traced("stdio", args=["--propagation-inject-server-requests"])
    client, server = link.client, link.server
    pass_on(client, server, b"GET /rpc HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n")
    pass_on(server, client, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
    request = b'{"id":%d,"method":"m","params":{}}'
    for number in range(300):
        exchange(link, (client, server, frame_bytes(TEXT, request % number, key=b"\n{[ ")),
                 (client, server, frame_bytes(TEXT, request % number)))
    for payload in (b'\n{"id":1,"method":"m"', b"\n[", b"\n \n\t", b'\n{"id":1,"x":"' + b"y" * 20000,
                    b'\n{"id":7', bytes(range(256)) * 3):
        exchange(link, (client, server, frame_bytes(BINARY, payload, key=ZERO)),
                 (server, client, frame_bytes(BINARY, payload)))
    assert spans_after(link) == []
    assert len(warnings(link)) == 1 and f"client {WARNING}" in warnings(link)[0]


def test_http2_over_standard_streams(lab):
    link = lab.traced("stdio")
    settings = bytes.fromhex("000000040000000000")
    exchange(link, (link.client, link.server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings),
             (link.server, link.client, settings),
             (link.client, link.server, b"\x00\x00\x0a\x01{\n{ [\n"))
    assert spans_after(link) == []
    assert len(warnings(link)) == 1 and "HTTP/2" in warnings(link)[0]
    assert link.sidespan.accounting("traffic")["connections_foreign"] == 1


def test_text_before_messages(lab):
    """Something else before the first message: that one is not changed, the others are."""
    link = lab.traced("stdio")
    pass_on(link.client, link.server, b"\n\nhello\nworld\n")
    pass_on(link.client, link.server, b'{"id":1,"method":"first"}\n')
    link.server.send('{"id":1,"result":1}')
    link.client.recv()
    assert "trace" in json.loads(link.call('{"id":2,"method":"second"}', '{"id":2,"result":1}'))
    pass_on(link.client, link.server, b"more text\n")  # is known to be an exception by now
    link.client.stream.write_pieces(b'{"id":3,"method":"third"}\n', [1, 7])
    assert "trace" in link.server.recv_json()
    assert {span.method for span in spans_after(link)} == {"first", "second", "third"}
    assert len(warnings(link)) == 1 and f"client {WARNING}" in warnings(link)[0]


def test_banner_of_a_server(lab):
    """It is told, and the server's messages count from the first one on."""
    link = lab.traced("stdio")
    pass_on(link.server, link.client, b"Server 1.0, ready\n{broken\n")
    link.call('{"id":1,"method":"m"}', '{"id":1,"result":1}')
    span, = spans_after(link)
    assert span.end_reason == "answered"
    assert len(warnings(link)) == 1 and f"server {WARNING}" in warnings(link)[0]
    assert link.sidespan.accounting("traffic")["messages_not_json"] == 2


def sized(text, field="Content-Length"):
    return f"{field}: {len(text.encode())}\r\n\r\n{text}".encode()


BODIES = ['{"id":1,"method":"initialize","params":{}}', '{"id":2,"method":"m","params":{}}\n',
          '{"id":3,\n"method":"m"}\n', '{"id":4,"method":"m","x":"%s"}' % ("y" * 40000),
          '{"id":5,"method":"m","x":"%s"}\n' % ("y" * 40000), '[{"id":6,"method":"m"}]\n']


@pytest.mark.parametrize("listen", ["stdio", "unix"])
def test_sizes_behind_lines(lab, listen):
    """They come too late to be understood: nothing is changed any more, in either direction."""
    link = lab.traced(listen, args=["--propagation-inject-server-requests"])
    link.client.send('{"id":1,"method":"in a line"}')
    assert "trace" in link.server.recv_json()
    for body in BODIES:
        exchange(link, (link.server, link.client, sized(body)),
                 (link.client, link.server, sized(body, "content-length")))
    exchange(link, (link.client, link.server, b'{"id":9,"method":"in a line"}\n'))
    link.finish()
    assert len(warnings(link)) == 1 and "server announces" in warnings(link)[0] \
        and SIZED in warnings(link)[0]


def test_answer_announces_a_size_while_a_request_is_held(lab):
    """The request began when all was well; it is left alone, too."""
    link = lab.traced("stdio")
    link.client.stream.write(b'{"id":1,"met')
    pass_on(link.server, link.client, sized('{"id":1,"result":1}'))
    link.client.stream.write(b'hod":"m"}\n')
    assert link.server.recv() == b'{"id":1,"method":"m"}'
    exchange(link, (link.client, link.server, b'{"id":2,"method":"m"}\n'))
    link.finish()
