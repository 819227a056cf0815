"""Content-Length heads and JSON texts without anything between them, in all modes."""

import json
import os

import pytest

from lib.peer import Lines, Sized, Texts

INJECT = "--propagation-inject=/trace"
CLASSES = {"content-length": Sized, "concatenated": Texts}
SCHEMES = {"content-length": "lsp+", "concatenated": "json+"}
MODES = [(framing, mode) for framing in CLASSES for mode in ("stdio", "unix", "tcp")]
TEXT = '{"jsonrpc":"2.0","id":%d,"method":"textDocument/hover","params":{"at":"caf\u00e9 \\\\u00e9 }{\\\""}}'


def opened(lab, framing, mode, args=(INJECT,)):
    """A link whose two peers speak so."""
    if mode != "stdio":
        return lab.traced(SCHEMES[framing] + mode, profile="generic", args=args)
    link = lab.traced("stdio", profile="generic", args=[f"--framing={framing}", *args])
    link.client, link.server = (CLASSES[framing](peer.stream) for peer in (link.client, link.server))
    return link


def check_carried(received, sent):
    """The same but for a context at its end."""
    assert received.startswith(sent.encode()[:-1] + b',"trace":{"traceparent":"00-')
    carrier = json.loads(received).pop("trace")
    assert {name: value for name, value in json.loads(received).items() if name != "trace"} == json.loads(sent)
    return carrier["traceparent"]


@pytest.mark.parametrize("framing, mode", MODES)
def test_every_request_is_a_span(lab, framing, mode):
    link = opened(lab, framing, mode)
    for number in range(5):
        text, answer = TEXT % number, '{"jsonrpc":"2.0","id":%d,"result":{"\u00e4":1}}' % number
        link.client.stream.write_pieces(link.client.frame(text), [1] if number == 0 else [1 << 20])
        check_carried(link.server.recv(), text)
        link.server.send(answer)
        assert link.client.recv() == answer.encode()
    notice = '{"jsonrpc":"2.0","method":"window/logMessage","params":{}}'
    link.server.send(notice)
    assert link.client.recv() == notice.encode()
    link.finish()
    spans = link.collector.spans
    assert [span.method for span in spans] == 5 * ["textDocument/hover"]
    assert {span.end_reason for span in spans} == {"answered"}
    assert link.sidespan.accounting("traffic")["requests"] == 5


@pytest.mark.parametrize("framing, mode", MODES)
def test_nothing_else_changes(lab, framing, mode):
    link = opened(lab, framing, mode, args=())
    texts = [TEXT % 1, "[]", '{"a":"%s"}' % ("x" * 100000), "[{},[{}]]", '{"id":2,"method":"\u00e4"}']
    data = b"".join(map(link.client.frame, texts))
    link.client.stream.write_pieces(data, [7, 1, 4099])
    assert link.server.stream.read_exactly(len(data)) == data
    link.server.stream.write(data)
    assert link.client.stream.read_exactly(len(data)) == data
    link.client.close_write()
    link.server.expect_eof()
    link.finish()


@pytest.mark.parametrize("mode", ["stdio", "unix", "tcp"])
def test_heads_of_any_kind(lab, mode):
    link = opened(lab, "content-length", mode)
    for head in ("content-length:%d\r\n\r\n", "X-Y: z\r\nCONTENT-LENGTH:  %d \r\n\r\n",
                 "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n",
                 "Content-Length: %d\n\n"):
        link.client.stream.write(link.client.frame(TEXT % 1, head))
        check_carried(link.server.recv(), TEXT % 1)
        link.client.stream.write(link.client.frame("{}", head))
        assert link.server.recv() == b"{}"
    link.finish()


BROKEN = {"content-length": (b"Content-Length: x\r\n\r\n", "Content-Length is not a number"),
          "concatenated": (b"true", "neither an object nor an array")}


@pytest.mark.parametrize("framing, mode", MODES)
def test_broken_framing_closes_with_a_reason(lab, framing, mode):
    link = opened(lab, framing, mode)
    link.client.stream.write(link.client.frame("{}") + BROKEN[framing][0])
    assert link.server.recv() == b"{}"
    link.server.expect_eof()
    link.client.expect_eof()
    link.finish()
    line, = (line for line in link.sidespan.log("warn") if "broken" in line)
    assert BROKEN[framing][1] in line and "from the client" in line
    assert link.sidespan.accounting("traffic")["framing_errors"] == 1


def test_content_length_is_found_out(lab):
    """Without an option: the first bytes decide."""
    link = lab.traced("stdio", profile="generic", args=[INJECT])
    client, server = Sized(link.client.stream), Sized(link.server.stream)
    client.send(TEXT % 1)
    check_carried(server.recv(), TEXT % 1)
    server.send('{"id":1,"result":1}')
    assert client.recv() == b'{"id":1,"result":1}'
    link.finish()
    span, = link.collector.spans
    assert span.method == "textDocument/hover"
    assert any("client sends Content-Length heads" in line for line in link.sidespan.log("info"))
    assert link.sidespan.log("warn") == []


WORDS = {"lines": Lines, **CLASSES}
URLS = ["unix", "ws+unix", "lsp+unix", "lsp+tcp", "json+unix", "json+tcp"]
PAIRS = ([(word, "stdio", "stdio") for word in WORDS] +
         [(word, "stdio", url) for word in WORDS for url in URLS] +
         [(word, url, "stdio") for word in WORDS for url in URLS] +
         [(None, one, other) for one in URLS for other in URLS if not one.endswith("tcp") and one != other])


@pytest.mark.parametrize("word, listen, upstream", PAIRS)
def test_each_side_has_its_own_framing(lab, word, listen, upstream):
    """All of those with a URL, and what --framing says of a command and of standard input."""
    link = lab.traced(listen, upstream, profile="generic", args=[INJECT, *([f"--framing={word}"] if word else [])])
    client = WORDS[word](link.client.stream) if listen == "stdio" else link.client
    server = WORDS[word](link.server.stream) if upstream == "stdio" else link.server
    for number in (1, 2):
        text, gap = TEXT % number, "" if isinstance(server, Lines) else "\n"
        client.send(text)
        check_carried(server.recv().strip(), text)
        server.send('{"id":%d,%s"result":"\u00e9"}' % (number, gap))
        assert json.loads(client.recv()) == {"id": number, "result": "\u00e9"}
    server.send('{"method":"done"}')
    assert client.recv().strip() == b'{"method":"done"}'
    link.finish()
    assert [span.method for span in link.collector.spans] == 2 * ["textDocument/hover"]
    assert {span.end_reason for span in link.collector.spans} == {"answered"}
    assert link.sidespan.log("warn") == []


def test_a_command_speaks_as_its_clients(lab):
    link = lab.traced("lsp+unix", "stdio", profile="generic", args=[INJECT])
    server = Sized(link.server.stream)
    link.client.send(TEXT % 1)
    check_carried(server.recv(), TEXT % 1)
    server.send('{"id":1,"result":1}')
    assert link.client.recv() == b'{"id":1,"result":1}'
    link.finish()


def test_what_is_too_long_to_be_kept_is_lost_alone(lab):
    link = lab.link("unix", "stdio", profile="generic",
                    args=["--framing=content-length", "--reframe-bytes-max=64KiB"])
    server = Sized(link.server.stream)
    link.client.send('{"a":"%s"}' % ("x" * 70000))
    link.client.send('{"b":"%s"}' % ("x" * 60000))
    assert server.recv() == b'{"b":"%s"}' % (b"x" * 60000)
    link.finish()
    assert link.sidespan.accounting("traffic")["messages_undeliverable"] == 1


ROWS = [('{"id":0,"method":"list_dbs","params":[]}', '{"id":0,"result":["a"],"error":null}', "answered"),
        ('{"id":"echo","method":"echo","params":[]}', '{"id":"echo","result":[],"error":null}', "answered"),
        ('{"id":1,"method":"monitor","params":["a",null,{}]}', '{"id":1,"result":null,"error":"no"}', "error")]


@pytest.mark.parametrize("mode", ["stdio", "unix", "tcp"])
def test_json_rpc_1(lab, mode):
    """An answer has both members, of which one is null; a notification has an id, which is null."""
    link = opened(lab, "concatenated", mode, args=())
    for request, answer, _ in ROWS:
        link.client.send(request)
        assert link.server.recv() == request.encode()
        link.server.send(answer)
        assert link.client.recv() == answer.encode()
    notice = '{"id":null,"method":"update","params":[null,{}]}'
    link.server.send(notice)
    assert link.client.recv() == notice.encode()
    link.client.send('{"id":null,"method":"cancel","params":[1]}')
    link.server.recv()
    link.finish()
    spans = link.collector.spans
    assert [span.method for span in spans] == ["list_dbs", "echo", "monitor"]
    assert ["error" if span.status == 2 else "answered" for span in spans] == [row[2] for row in ROWS]


@pytest.mark.parametrize("listen", ["stdio", "tcp", "unix"])
def test_http2_passes(lab, listen):
    link = lab.traced(listen)
    data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(5000) + b'\n{"id":1,"method":"m"}\n'
    for sender, receiver in ((link.client, link.server), (link.server, link.client)):
        sender.stream.write_pieces(data, [1, 3, 2000])
        assert receiver.stream.read_exactly(len(data)) == data
    link.finish()
    assert link.collector.spans == []
    assert len([line for line in link.sidespan.log("warn") if "HTTP/2" in line]) == 1
    assert link.sidespan.accounting("traffic")["connections_foreign"] == 1
