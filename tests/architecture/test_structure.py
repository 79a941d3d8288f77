"""The project's own rules, checked by a machine: size, names, imports, weight."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "attune"
SOURCES = sorted(SOURCE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "manager", "base"}
MOST_MODULES, MOST_LINES, MOST_FUNCTION_LINES = 20, 300, 40
MOST_PYTHON = 40_000  # the limit of the house, with everything that is planned


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def lines(*paths: Path) -> int:
    return sum(path.read_text().count("\n") for path in paths)


def test_imports_point_inwards() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, timeout=100
    )

    assert done.returncode == 0, done.stdout


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports inside functions and for type checking count too: a cycle that is hidden is still one."""
    graph = grimp.build_graph("attune", cache_dir=None)
    cycles = {
        frozenset({importer, imported})
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if graph.chain_exists(importer=imported, imported=importer)
    }

    assert sorted(map(sorted, cycles)) == []


def test_of_two_subjects_of_the_core_only_one_knows_the_other() -> None:
    graph = grimp.build_graph("attune", cache_dir=None)
    subjects = [name for name in graph.find_children("attune.core") if graph.find_children(name)]
    imports = {
        tuple(module.split(".")[2] for module in (importer, imported))
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if importer.startswith("attune.core.") and imported.startswith("attune.core.")
    }
    mutual = [pair for pair in combinations(sorted(name.split(".")[2] for name in subjects), 2) if pair in imports]

    assert [pair for pair in mutual if pair[::-1] in imports and "ports" not in pair] == []


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    folders = Counter(path.parent for path in (*SOURCES, *TESTS) if path.name != "__init__.py")

    assert {name_of(folder): count for folder, count in folders.items() if count > MOST_MODULES} == {}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_holds_one_idea(path: Path) -> None:
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name for node in functions if (node.end_lineno or 0) - node.lineno >= MOST_FUNCTION_LINES}

    assert path.stem not in FORBIDDEN_NAMES and path.parent.name not in FORBIDDEN_NAMES
    assert lines(path) <= MOST_LINES
    assert long == set()
    assert ast.get_docstring(tree_of(path)), "a module says what it is"


def test_the_name_of_a_public_class_stands_for_one_thing() -> None:
    names = Counter(
        node.name
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )

    assert {name for name, count in names.items() if count > 1} == set()


def test_the_weight_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    weight = {
        kind: lines(*SOURCE.rglob(f"*.{ending}"))
        for kind, ending in {"Python": "py", "SQL": "sql", "JavaScript": "js", "HTML": "html"}.items()
    }
    with capsys.disabled():
        sys.stdout.write("\n" + ", ".join(f"{count:,} lines of {kind}" for kind, count in weight.items()))

    assert weight["Python"] <= MOST_PYTHON, "what comes in pays for itself: what went out?"


def test_sql_is_only_in_the_postgres_package_and_what_the_engine_needs_in_queue() -> None:
    statement = re.compile(r"\b(SELECT .* FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE)\b")
    found = [
        name_of(path)
        for path in SOURCES
        if not {"postgres", "queue"} & {*path.parts}
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and statement.search(node.value)
    ]

    assert [name for name in found if name != "src/attune/cli/installation/db.py"] == [], (
        "cli/installation/db.py shows a query in its help"
    )


def test_nothing_waits_in_a_way_that_loses_cancellations() -> None:
    """`asyncio.wait_for` does, before Python 3.12, where its work ends just then. `asyncio.timeout` never does."""
    found = [
        name_of(path)
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr == "wait_for"
    ]

    assert found == []


def test_no_path_of_a_machine_and_no_registry_is_in_the_project() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    forbidden = re.compile("/work" + "/|py" + r"pi\.org|registry\.npmjs" + r"\.org|/root" + "/")
    found = []
    for name in listed:
        path = ROOT / name
        if path.is_file() and path.suffix not in (".png", ".ico"):
            found += [name for line in path.read_text(errors="replace").splitlines() if forbidden.search(line)]

    assert found == []
