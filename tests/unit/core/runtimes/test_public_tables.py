"""The test tables of other projects: where their answer is not ours, the row names the rule by which it differs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from attune.core.errors import VersionError
from attune.core.runtimes.constraint import Constraint
from attune.core.runtimes.version import Version

TABLES = yaml.load(Path(__file__).with_name("public_tables.yaml").read_bytes(), Loader=yaml.CSafeLoader)
PAGE = Path(__file__).parents[4] / "docs/reference/versions.md"
# rule: what it answers of a row
RULES = {
    "refused": "refused",
    "short": "UNKNOWN",
    "below its release": "NO",
    "own upper bound": "NO",
    "series": None,
    "asked": "YES",
}


def answer(constraint: str, version: str) -> str:
    try:
        return Constraint.parse(constraint).check(Version.parse(version)).name
    except VersionError:
        return "refused"


@pytest.mark.parametrize("project", TABLES)
def test_answers_are_theirs_but_where_a_rule_says_otherwise(project: str) -> None:
    wrong = []
    for constraint, version, theirs, *rule in TABLES[project]:
        ours, same = answer(constraint, version), "YES" if theirs else "NO"
        expected = (RULES[rule[0]] or {"YES": "NO", "NO": "YES"}[same]) if rule else same
        if ours != expected or (rule and ours == same):
            wrong.append((constraint, version, theirs, rule, ours))

    assert wrong == []


def test_every_rule_by_which_answers_differ_is_on_the_page_and_in_use() -> None:
    used = {rule for rows in TABLES.values() for _, _, _, *rules in rows for rule in rules}
    page = PAGE.read_text(encoding="utf-8")

    assert used == set(RULES)
    assert all(f"| {rule} |" in page for rule in RULES)
    assert sum(map(len, TABLES.values())) > 500
