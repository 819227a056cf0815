"""What is HTTP: the probes, the upgrade's headers and codex's refusals pass as codex means them."""

import pytest

from codex import TRANSPORTS
from wire import Refused, WebSocket, ask

LISTENING = [transport for transport in TRANSPORTS if transport != "stdio"]


def headers(head):
    """Names in lower case and values of an HTTP head."""
    return {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
    }


def without_date(answer):
    """What is codex's to say: each neighbour has its own connection, key and time."""
    return [
        line
        for line in answer.split("\r\n")
        if not line.lower().startswith(("date:", "sec-websocket-accept:", "connection:", "upgrade:"))
    ]


@pytest.mark.parametrize("target", ["/readyz", "/healthz", "/", "/no/such"])
def test_probes(lab, target):
    server = lab.serve("ws", tap=False)
    proxied = ask(server.url, target)
    assert without_date(proxied) == without_date(ask(server.codex_url, target))
    assert proxied.startswith("HTTP/1.1 200" if target.endswith("z") else "HTTP/1.1 400")


@pytest.mark.parametrize("transport", LISTENING)
def test_upgrade(lab, transport):
    """Target and headers arrive as sent, but for the extensions that sidespan does not speak."""
    server = lab.serve(transport)
    given = [
        "User-Agent: tests",
        "X-Other: a, b",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "x-codex-app-server-compression: zstd-stream-v1",
    ]
    client = server.connect(headers=given, target="/rpc?a=b")
    assert "result" in client.call("model/list")
    recording = server.recordings()[0]
    assert recording.head("c2s").startswith("GET /rpc?a=b HTTP/1.1\r\n")
    arrived = headers(recording.head("c2s"))
    assert (arrived["user-agent"], arrived["x-other"]) == ("tests", "a, b")
    assert arrived["host"] == ("localhost" if transport == "unix" else server.url[len("ws://") :])
    assert "sec-websocket-extensions" not in arrived
    assert "x-codex-app-server-compression" not in arrived
    assert without_date(client.wire.head) == without_date(recording.head("s2c"))
    assert server.stop() == 0


def test_origin(lab):
    """codex turns browsers away, on TCP; its answer arrives at the client."""
    server = lab.serve("ws", tap=False)
    answers = []
    for url in (server.url, server.codex_url):
        with pytest.raises(Refused) as refused:
            WebSocket(url, headers=["Origin: http://localhost"])
        answers.append(without_date(str(refused.value)))
    assert answers[0] == answers[1]
    assert answers[0][0].startswith("HTTP/1.1 403")


def test_authorization(lab):
    """The token passes through; without it codex's 401 comes back."""
    path = lab.folder + "/token"
    with open(path, "w", encoding="ascii") as file:
        file.write("secret-token-of-the-test")
    server = lab.serve(
        "ws", tap=False, arguments=["--ws-auth", "capability-token", "--ws-token-file", path]
    )
    for given in ([], ["Authorization: Bearer wrong"]):
        with pytest.raises(Refused, match="^HTTP/1.1 401"):
            server.connect(headers=given, init=False)
    client = server.connect(headers=["Authorization: Bearer secret-token-of-the-test"])
    assert "result" in client.call("model/list")
    assert server.stop() == 0
    assert server.accounts()["sent"] == len(client.requests())


def test_backend_gone(lab):
    """codex has ended: an upgrade is answered 502 at once, and sidespan itself lives on."""
    server = lab.serve("ws", tap=False)
    server.codex.end()
    for _ in range(2):
        with pytest.raises(Refused, match="^HTTP/1.1 502"):
            server.connect(init=False)
    assert server.stop() == 0
