"""Every setting is documented, and the package stays cheap to import."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

from attune.config import Settings
from settings_reference import describe_settings, settings_reference

ROOT = Path(__file__).parents[3]


def leaves(value: Any, prefix: str = "") -> list[str]:
    keys = []
    for field in dataclasses.fields(value):
        below = getattr(value, field.name)
        name = prefix + field.name
        keys += leaves(below, f"{name}.") if dataclasses.is_dataclass(below) else [name]
    return keys


def test_every_setting_has_type_default_and_meaning() -> None:
    described = describe_settings()

    assert [one.key for one in described] == [key for key in leaves(Settings()) if key != "path"]
    assert all(one.type and one.default and one.meaning.endswith(".") for one in described)


def test_the_reference_page_is_the_generated_one() -> None:
    page = ROOT / "docs" / "reference" / "settings.md"

    assert page.read_text() == settings_reference(), "run: make reference"


def test_only_config_reads_the_environment() -> None:
    source = ROOT / "src" / "attune"
    readers = [
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    ]

    # The module that actions import reads what they were given, and knows nothing of Attune.
    assert sorted(readers) == ["catalogue/helper/attune_action.py", "config/environment.py", "config/hiding.py"]


def test_importing_it_brings_in_nothing_slow(tmp_path: Path) -> None:
    code = (
        "import sys; from attune.config import load_settings; load_settings({}); "
        "print(*{'yaml', 'pydantic', 'pydantic_settings', 'psycopg', 'rich', 'asyncio', 'alembic', 'click', 'logging'}"
        " & set(sys.modules))"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)

    assert (run.stdout.strip(), run.stderr) == ("", "")
