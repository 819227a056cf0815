import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from lib.lab import Lab  # the path comes first


@pytest.fixture(name="lab")
def make_lab():
    made = Lab()
    try:
        yield made
    finally:
        made.close()
