"""Definitions for commands: from the installation, and from files somebody wrote."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from attune.cli.session import ask
from attune.composition.databases import as_runtime
from attune.config import Settings
from attune.config.data import read_data
from attune.core.errors import DefinitionError, Problem, UsageError, shown
from attune.core.ports.runtimes import RuntimeStore
from attune.core.runtimes.runtime import Runtime

T = TypeVar("T")
_KNOWN = ("ref", "name", "description", "pack_ref", "distributions", "installation")


def with_runtimes(work: Callable[[RuntimeStore], Awaitable[T]], settings: Settings | None = None) -> T:
    """Run *work* on the definitions of the installation."""
    return ask(lambda installation: work(installation.runtimes), settings)


def read_runtimes(settings: Settings | None = None) -> Sequence[Runtime]:
    """All definitions of the installation."""
    return with_runtimes(lambda store: store.list_runtimes(), settings)


def read_file(path: Path) -> list[Runtime]:
    """The definitions in a YAML file: one object, or a list of them. Raises `ConfigError`, `DefinitionError`."""
    document = read_data(path)
    entries = document if isinstance(document, list) else [document]
    if not entries:
        raise UsageError(f"{path}: expected a runtime definition, got an empty list")
    return [_entry(path, index, entry) for index, entry in enumerate(entries)]


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
