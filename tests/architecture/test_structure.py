"""The project's own rules, checked by a machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "attune").rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "manager", "base"}
# Each exception has its reason.
LONG_MODULES: dict[str, int] = {}
LONG_FUNCTIONS: set[str] = set()


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_imports_point_inwards() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, timeout=100
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_holds_one_idea(path: Path) -> None:
    name = str(path.relative_to(ROOT / "src" / "attune"))
    text = path.read_text()
    tree = ast.parse(text)
    long = [
        node.name
        for node in functions(tree)
        if (node.end_lineno or 0) - node.lineno > 45 and f"{name}:{node.name}" not in LONG_FUNCTIONS
    ]

    assert path.stem not in FORBIDDEN_NAMES
    assert text.count("\n") <= LONG_MODULES.get(name, 300)
    assert long == []
    assert ast.get_docstring(tree), "a module says what it is"


def test_sql_is_only_in_the_postgres_package_and_what_the_engine_needs_in_queue() -> None:
    statement = re.compile(r"\b(SELECT .* FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE)\b")
    found = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if not {"postgres", "queue"} & {*path.parts}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and statement.search(node.value)
    ]

    assert [name for name in found if name != "src/attune/cli/installation/db.py"] == [], (
        "cli/installation/db.py shows a query in its help"
    )


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
