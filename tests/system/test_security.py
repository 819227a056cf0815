"""docker/SECURITY.md promises nothing without a test: every test that it names exists where it says."""

import os
import re

import pytest

from lib.process import ROOT


def rows():
    with open(os.path.join(ROOT, "docker/SECURITY.md"), encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            if line.startswith("| ") and "`test_" in cells[-1]:
                yield cells[0], cells[-1]


def test_every_row_has_a_test():
    assert len(list(rows())) >= 25


@pytest.mark.parametrize("promise, tests", list(rows()))
def test_promise_has_its_test(promise, tests):
    unit, name, named = re.fullmatch(r"(unit )?(\w+): (.*)", tests).groups()
    path = f"tests/unit/test_{name}.c" if unit else f"tests/system/test_{name}.py"
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        text = file.read()
    for test in re.findall(r"`(test_\w+)`", named):
        assert re.search(rf"(def |START_TEST\(){test}\b", text), f"{promise}: no {test} in {path}"
