"""Definitions for commands: from the database, and from files somebody wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from attune.bootstrap import as_runtime, opened, require_migrated, use_database
from attune.config import Settings
from attune.core.errors import DefinitionError, Problem, UsageError, shown
from attune.core.runtime import Runtime
from attune.postgres.runtimes import PostgresRuntimes

T = TypeVar("T")
_KNOWN = ("ref", "name", "description", "pack_ref", "distributions", "installation")
_MAX_BYTES = 1 << 20


def with_runtimes(settings: Settings, work: Callable[[PostgresRuntimes], Awaitable[T]]) -> T:
    """Run *work* on the definitions of the database, which must be migrated."""

    async def run(database: Any) -> T:
        async with opened(database, "attune") as pool:
            return await work(PostgresRuntimes(pool))

    with use_database(settings) as database:
        require_migrated(database.url)
        return asyncio.run(run(database))


def read_runtimes(settings: Settings) -> Sequence[Runtime]:
    """All definitions of the database."""
    return with_runtimes(settings, PostgresRuntimes.list_runtimes)


def read_file(path: Path) -> list[Runtime]:
    """The definitions in a YAML file: one object, or a list of them. Raises `UsageError`, `DefinitionError`."""
    try:
        if not path.is_file():
            raise UsageError(f"{path}: expected a file, found {'a folder' if path.is_dir() else 'nothing'}")
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{path}: expected at most {_MAX_BYTES} bytes, got {path.stat().st_size}")
        document = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: expected UTF-8 text, got a byte that is not at offset {error.start}") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: {_where(error)}") from error
    entries = document if isinstance(document, list) else [document]
    if not entries:
        raise UsageError(f"{path}: expected a runtime definition, got an empty list")
    return [_entry(path, index, entry) for index, entry in enumerate(entries)]


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "not valid YAML"
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)


def _entry(path: Path, index: int, entry: object) -> Runtime:
    place = f"{path.name}[{index}]"
    if not isinstance(entry, dict):
        raise DefinitionError(place, [Problem(place, "an object with ref, name and distributions", shown(entry))])
    problems = [
        Problem(f"{place}.{key}", "a text", shown(entry.get(key)))
        for key in ("ref", "name")
        if not isinstance(entry.get(key), str) or not entry[key].strip()
    ]
    problems += [
        Problem(f"{place}.{key}", f"one of {', '.join(_KNOWN)}", "an unknown key") for key in entry if key not in _KNOWN
    ]
    ref = entry.get("ref")
    if isinstance(ref, str) and (ref != ref.lower() or "." not in ref.strip(".") or any(c.isspace() for c in ref)):
        problems.append(Problem(f"{place}.ref", "lower-case <pack>.<name>", shown(ref)))
    if problems:
        raise DefinitionError(str(ref or place), problems)
    return as_runtime(entry)
