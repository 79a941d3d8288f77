"""Definitions for commands: from the installation, and from files somebody wrote."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from attune.cli.session import ask
from attune.config import Settings
from attune.config.document import read_file as read_document_file
from attune.core.documents import DocumentNode, Section, plain
from attune.core.errors import DefinitionError, Fault, UsageError
from attune.core.ports.runtimes import RuntimeStore
from attune.core.runtimes.runtime import RUNTIME_KEYS, Runtime, read_runtime

T = TypeVar("T")


def with_runtimes(work: Callable[[RuntimeStore], Awaitable[T]], settings: Settings | None = None) -> T:
    """Run *work* on the definitions of the installation."""
    return ask(lambda installation: work(installation.runtimes), settings)


def read_runtimes(settings: Settings | None = None) -> Sequence[Runtime]:
    """All definitions of the installation."""
    return with_runtimes(lambda store: store.list_runtimes(), settings)


def read_file(path: Path) -> list[Runtime]:
    """The definitions in a YAML file: one object, or a list of them. Raises `ConfigError`, `DefinitionError`."""
    document = read_document_file(path)
    entries = document.value if isinstance(document.value, tuple) else (document,)
    if not entries:
        raise UsageError(field=str(path), expected="a runtime definition", got="an empty list")
    return [_entry(path, index, entry) for index, entry in enumerate(entries)]


def _entry(path: Path, index: int, entry: DocumentNode) -> Runtime:
    place = f"{path.name}[{index}]"
    faults: list[Fault] = []
    section = Section(entry, place, faults).section(place, entry, "an object with ref, name and distributions")
    if section is None:
        raise DefinitionError(place, faults)
    runtime = read_runtime(section, entry)
    section.only(RUNTIME_KEYS)
    if runtime is None or faults:
        raise DefinitionError(str(plain(section.node("ref")) or place), faults)
    return runtime
