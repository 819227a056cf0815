"""Work that outlives its request: the trees that real sessions leave at the collector."""

import pytest

from checks import check_codex_spans, check_spans, codex_requests
from trees import TASKS, draw, expected, tasks
from turns import TURNS

WAIT_S = 10
CASES = [
    pytest.param(name, transport, otel, id="-".join([name, transport] + ["otel"] * otel))
    for name, session in TURNS.items()
    for transport in session.transports
    for otel in (False, True)[: 1 + session.exports]
]


def wait_codex(server, tree):
    """codex exports a little later; its end would drop what it still has."""
    collector = server.lab.collector
    requests = sum(len(client.requests()) for client in server.clients)

    def complete():
        names = sorted(span.name for span in collector.codex() if span.name in TASKS)
        return names == tasks(tree) and len(codex_requests(collector)) == requests

    assert collector.wait(complete, WAIT_S)


@pytest.mark.parametrize("name, transport, otel", CASES)
def test_tree(lab, name, transport, otel):
    server = lab.serve(transport, otel=otel)
    TURNS[name].run(server)
    tree = expected(TURNS[name].tree, codex=otel)
    if otel:
        wait_codex(server, tree)
    server.stop()
    assert draw(lab.collector.spans) == tree
    check_spans(server)
    check_codex_spans(server)
