"""The package as others get it: the wheel, installed beside its dependencies; the examples of the docs on it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
pytestmark = pytest.mark.timeout(300)


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the built wheel, and sees the packages that are installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    venv.create(folder / "environment")
    (packages,) = folder.glob("environment/lib/python*/site-packages")
    (wheel,) = folder.glob("*.whl")
    ZipFile(wheel).extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "environment" / "bin" / "python"


def test_the_examples_are_correctly_typed(python: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "--cache-dir", tmp_path]

    assert "Success" in run(*command, *EXAMPLES, cwd=tmp_path)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(example: Path, python: Path, migrated_database: str, tmp_path: Path) -> None:
    run(python, "-W", "error", example, cwd=tmp_path, DATABASE_URL=migrated_database)


def test_the_wheel_is_what_the_examples_import(python: Path, tmp_path: Path) -> None:
    assert str(python.parents[1]) in run(python, "-c", "import attune; print(attune.__file__)", cwd=tmp_path)
