"""The words of docs/explanation/glossary.md: a word that was coined here, and given up, does not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def words(identifier: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)}


RETIRED = words(
    "asking bell companion companions complaint complaints conduct desk doubt doubts ear gate hear heart inhabited"
    " journal journals keeper ledger pace patience placer reach relaxation remedies rememberable rescue rhythm"
    " sighting sight shipping sweep trail vetting vigil witness workplace"
)


def identifiers(path: Path) -> Iterator[str]:
    """The module's own name, and those of its classes, functions, parameters, attributes and variables."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Attribute():
                yield node.attr
            case ast.Name(ctx=ast.Store()):
                yield node.id


def test_no_retired_word_names_anything() -> None:
    retired = {
        f"{path.relative_to(ROOT)}: {identifier}"
        for folder in ("src", "tests/support")
        for path in (ROOT / folder).rglob("*.py")
        for identifier in identifiers(path)
        if words(identifier) & RETIRED
    }

    assert sorted(retired) == []
