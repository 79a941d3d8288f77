"""The documentation is held to the code."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import attune
from reference_pages import commands_reference, function_of, members, pages
from settings_reference import describe_settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize(("page", "text"), pages().items(), ids=lambda value: getattr(value, "stem", ""))
def test_a_page_that_is_made_from_the_code_is_up_to_date(page: Path, text: str) -> None:
    assert page.read_text() == text, "run: make reference"


def test_every_command_has_an_example() -> None:
    sections = commands_reference().split("\n## ")[1:]

    assert [section.splitlines()[0] for section in sections if "Example:" not in section] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_column_of_a_nodes_tables_is_documented(migrated_database: str) -> None:
    import psycopg

    page = (ROOT / "docs" / "reference" / "tables.md").read_text()
    with psycopg.connect(migrated_database) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
            " AND table_name IN ('runtime', 'worker', 'worker_runtime', 'runtime_history', 'runtime_transition',"
            " 'sensor_lease', 'sensor_journal', 'sensor_position')"
        ).fetchall()

    assert columns
    assert [f"{table}.{column}" for table, column in columns if f"`{column}`" not in page] == []


def test_every_setting_is_read_by_somebody() -> None:
    sources = [path.read_text() for path in (ROOT / "src" / "attune").rglob("*.py") if "config" not in path.parts]
    keys = [setting.key.rpartition(".") for setting in describe_settings()]
    used = {(section, name): rf"\.{name}\b|asdict\(.*settings(\(\))?\.{section}\)" for section, _, name in keys}

    assert [key for key, use in used.items() if not any(re.search(use, text) for text in sources)] == []


FOLDERS = {path.name for path in (ROOT / "src" / "attune").iterdir() if path.is_dir()}
NAMED = re.compile(r"`((?:[\w.{},-]+/)+(?:[\w.-]+\.(?:py|yaml|md|sql|html|js))?)`")
PATHS = [
    (page, name)
    for page in PAGES
    if page.parent.name != "decisions" and page.name != "CHANGELOG.md"  # they tell of what was
    for name in NAMED.findall(page.read_text())
    if name.split("/")[0] in FOLDERS | {"tests", "docs", "src", "benchmarks", "contrib"}
]


def test_every_path_that_a_page_names_exists() -> None:
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page, name in PATHS
        if not re.search("NAME|STAMP", name) and not any((root / name).exists() for root in (ROOT, ROOT / "src/attune"))
    ]

    assert PATHS
    assert missing == []


def test_every_path_that_a_module_names_exists() -> None:
    sources = [path for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.py")]
    known = {f"/{path.relative_to(ROOT)}" for path in sources}
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources
        for name in re.findall(r"([\w/]+\.py)\b", ast.get_docstring(ast.parse(path.read_text())) or "")
        if not any(other.endswith(f"/{name}") for other in known)
    ]

    assert missing == []


def public_functions() -> Iterator[tuple[str, Any]]:
    """The public functions, and the methods and properties of the public classes, by name."""
    for name in attune.__all__:
        value = getattr(attune, name)
        if not inspect.isclass(value):
            yield name, value
            continue
        for attribute, member in members(value):
            yield f"{name}.{attribute}", function_of(member)


def test_what_is_public_says_what_it_is_and_what_it_raises() -> None:
    assert [name for name in attune.__all__ if not inspect.getdoc(getattr(attune, name))] == []
    silent = []
    for name, function in public_functions():
        text = inspect.getdoc(function) or ""
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        raises = any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))
        if not text or (raises and "raises" not in text.lower()):
            silent.append(name)

    assert silent == []
