"""The small faults of `make mutants` can be applied to the source as it is."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_text_of_each_mutant_is_once_in_its_file_and_its_tests_exist() -> None:
    mutants = runpy.run_path(str(ROOT / "tests" / "mutants" / "table.py"))["MUTANTS"]

    assert len(mutants) >= 28
    for mutant in mutants:
        assert (ROOT / mutant.file).read_text().count(mutant.old) == 1, mutant.name
        assert mutant.old != mutant.new
        assert all((ROOT / test).exists() for test in mutant.tests), mutant.name
