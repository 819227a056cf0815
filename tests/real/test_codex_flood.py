"""More requests at once than codex wants: what gets lost or refused must be codex's doing alone."""

import pytest

from checks import check_bytes, check_spans
from codex import TRANSPORTS

COUNT = 3000


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_flood(lab, transport):
    """On stdio codex refuses some and forgets others, on sockets it refuses most."""
    server = lab.serve(transport, options=["--batch-queue-max", "100000"])
    client = server.connect()
    client.send_all(
        '{"id":%d,"method":"thread/loaded/list","params":{}}' % (1000 + number)
        for number in range(COUNT)
    )
    client.wait_count(COUNT if transport != "stdio" else COUNT / 4)
    assert server.stop() == 0
    check_bytes(server)
    check_spans(server)
    assert len(lab.collector.ours()) == COUNT + 1
    assert sum(request.reply is not None for request in client.requests()) > COUNT / 5
