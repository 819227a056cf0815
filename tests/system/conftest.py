import os

import pytest

pytest.register_assert_rewrite("lib")

from lib.lab import Lab
from lib.process import BINARY


def pytest_sessionstart(session):
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is not there: run make first, or set SIDESPAN", 2)


@pytest.fixture
def lab():
    made = Lab()
    try:
        yield made
    finally:
        made.close()
