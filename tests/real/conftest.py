import os
import sys

import pytest

pytest.register_assert_rewrite("checks", "client", "scenarios")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from codex import Lab  # pylint: disable=wrong-import-position


@pytest.fixture
def lab():
    """Folder, home, model and collector of one test; shown on failure: what its programs said."""
    lab = Lab()
    yield lab
    lab.close()
    for program in lab.programs:
        print(*program.process.args)
        print(*program.log[-30:], sep="\n")
