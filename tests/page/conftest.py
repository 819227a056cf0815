import os
import shutil
import signal
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/../system"]
pytest.register_assert_rewrite("lib")

from browser import Browser  # pylint: disable=wrong-import-position
from lib.lab import Lab  # pylint: disable=wrong-import-position


def pytest_sessionstart(session):
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def lab():
    made = Lab()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def started():
    """One browser for all; make test-page has looked for what it needs."""
    made = Browser(shutil.which("chromium"), os.environ["PLAYWRIGHT"])
    yield made
    made.close()


@pytest.fixture
def browser(started, lab):  # pylint: disable=unused-argument
    """What no test leaves behind: an error, a dialog, a question to somebody else. While what it looks at is there."""
    yield started
    seen = started.seen()
    assert seen["errors"] == [] and seen["dialogs"] == []
    assert [url for url in seen["asked"] if not url.startswith((started.url, "data:"))] == []
