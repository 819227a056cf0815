import os
import signal

import pytest

pytest.register_assert_rewrite("lib")

from lib.lab import Lab
from lib.process import BINARY


def pytest_sessionstart(session):
    # A shell has what it runs in the background ignore these, nohup the last; and what they start does.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is not there: run make first, or set SIDESPAN", 2)


def pytest_collection_modifyitems(items):
    """One part of the tests, if that is asked for: see run."""
    part = os.environ.get("SYSTEM_PART")
    if part:
        number, parts = map(int, part.split("/"))
        items[:] = items[number::parts]


@pytest.fixture
def lab():
    made = Lab()
    try:
        yield made
    finally:
        made.close()
