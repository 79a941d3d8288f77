"""Which runtimes a node offers is decided in three tiers: environment variable, config file, database detection."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from attune.core.errors import ConfigError, shown
from attune.core.runtimes.aliases import did_you_mean, fold

MAX_VARIABLE = 10_000
_WRONG_SEPARATOR = re.compile(r"[;:|]")


class Source(StrEnum):
    """The tier that decided."""

    ENVIRONMENT = "environment"
    CONFIG = "config"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Selection:
    """The tier that won and the names it gives, folded, in order, each once; None: whatever is verified.

    `extras` are the other keys of the configured capabilities, which are registered in every tier.
    """

    source: Source
    names: tuple[str, ...] | None = None
    warnings: tuple[str, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)


def select(
    variable: str, variable_text: str | None, section: str, capabilities: Mapping[str, Any] | None = None
) -> Selection:
    """Decide the tier; *section* is "worker" or "sensor". Raises `ConfigError` that names the variable or the key."""
    capabilities = capabilities or {}
    extras = {name: value for name, value in capabilities.items() if name != "runtimes"}
    names, warnings = _names_of_variable(variable, variable_text)
    if names is not None:
        return Selection(Source.ENVIRONMENT, names, warnings, extras)
    names = _names_of_list(f"{section}.capabilities.runtimes", capabilities.get("runtimes"))
    return Selection(Source.DATABASE if names is None else Source.CONFIG, names, warnings, extras)


def _names_of_variable(variable: str, text: str | None) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The names in a comma-separated *text*, or None where it counts as not set; and warnings."""
    if text is None:
        return None, ()
    example = f"{variable}=python,shell"
    if len(text) > MAX_VARIABLE:
        raise ConfigError(f"{variable}: expected at most {MAX_VARIABLE} characters, got {len(text)}", hint=example)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ConfigError(f"{variable}: expected text in UTF-8, got {shown(text)}", hint=example)
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        return None, (f"{variable} is set but names nothing, so it counts as not set (to offer nothing: none)",)
    for item in items:
        if _WRONG_SEPARATOR.search(item):
            raise ConfigError(
                f"{variable}: expected names separated by commas, got {shown(item)}",
                hint=f"{variable}={','.join(part.strip() for part in _WRONG_SEPARATOR.split(item) if part.strip())}",
            )
    return _folded(items), ()


def _names_of_list(key: str, value: object) -> tuple[str, ...] | None:
    """The names in a configured list, or None where it is absent or empty. Raises `ConfigError` for other types."""
    if value is None or value == []:
        return None
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{key}: expected a list of names, got {shown(value)}", hint=f"{key}: [python, shell]")
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise ConfigError(f"{key}[{index}]: expected a name, got {shown(item)}")
    names = [item for item in value if item.strip()]
    return _folded(names) if names else None


def _folded(items: Iterable[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(fold(item) for item in items))
    return () if names == ("none",) else names


def unknown_name_warnings(names: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """A warning for each of *names* that no definition has, with the nearest known one. The name is kept."""
    known = list(known)
    unknown = [name for name in names if name not in known]
    return tuple(f"no definition is called {shown(name)}{did_you_mean(name, known, ';')}" for name in unknown)
