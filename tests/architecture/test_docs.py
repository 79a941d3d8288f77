"""The documentation is held to the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from attune.cli.reference import commands_reference
from attune.config import describe_settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    page = ROOT / "docs" / "reference" / "commands.md"

    assert page.read_text() == commands_reference(), "write commands_reference() to docs/reference/commands.md"


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
    names = {setting.key.rpartition(".")[2] for setting in describe_settings()}

    assert [name for name in sorted(names) if not any(re.search(rf"\.{name}\b", text) for text in sources)] == []
