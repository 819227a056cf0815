import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/../real"]
pytest.register_assert_rewrite("checks", "client", "scenarios")

from jaeger import Jaeger, Tee  # pylint: disable=wrong-import-position


@pytest.fixture(scope="module")
def jaeger():
    made = Jaeger()
    yield made
    made.close()


@pytest.fixture
def tee(jaeger):
    made = Tee(jaeger.otlp)
    yield made
    made.close()
