import os
import sys

import pytest

pytest.register_assert_rewrite("checks", "client", "scenarios")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from codex import Lab  # pylint: disable=wrong-import-position


@pytest.fixture
def lab():
    """Folder, home, model and collector of one test; whatever was started in it ends with it."""
    lab = Lab()
    yield lab
    lab.close()
