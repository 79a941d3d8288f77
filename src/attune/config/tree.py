"""Settings as somebody wrote them: values that know their place, and the faults found in them.

The YAML file and the environment both become a tree of `Node`; what a value may be is the business of `kinds`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from attune.core.errors import ConfigError, Problem, shown

_REPORTED = 20
_CREDENTIALS = re.compile(r"(://)[^/\s'\"]*@|(password\s*=\s*)[^\s&'\"]*", re.IGNORECASE)

Value: TypeAlias = "str | int | float | bool | tuple[Node, ...] | dict[str, Node] | None"


@dataclass(frozen=True, slots=True)
class Node:
    """One value and where it comes from.

    `origin` is `attune.yaml:12` or the name of a variable; `written` is a scalar as it stands there, without
    its quotes; `size` counts the nodes from here down, an alias counting as all that it stands for.
    """

    value: Value
    origin: str
    written: str = ""
    size: int = 1

    @property
    def from_variable(self) -> bool:
        return ":" not in self.origin


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, where it is, and what to write instead."""

    text: str
    origin: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.text} ({self.origin})"


def misfit(key: str, node: Node, expected: str, *, got: str | None = None, hint: str | None = None) -> Fault:
    """The fault of *node*, at *key*, being something else than *expected*."""
    return Fault(str(Problem(key, expected, found(node) if got is None else got)), node.origin, hint)


def found(node: Node) -> str:
    """The value of *node* for an error: shortened, never with the password of a URL."""
    value = node.value
    if isinstance(value, bool) and node.written.lower() not in ("true", "false"):
        return f"{node.written}, which YAML reads as {shown(value)}"
    if isinstance(value, bool | int | float) or value is None:
        return node.written or shown(value)
    if isinstance(value, str):
        return without_credentials(shown(value))
    return ("a list" if value else "an empty list") if isinstance(value, tuple) else "a section of keys"


def without_credentials(text: str) -> str:
    """*text* with `***` for the user and password of every URL, and for what follows `password=`."""
    return _CREDENTIALS.sub(lambda match: f"{match[1]}***@" if match[1] else f"{match[2]}***", text)


def merged(base: Node, over: Node) -> Node:
    """*base* with the keys of *over* laid over it.

    A value that is no section stays when keys below it are overridden: it is a fault, and is reported as one.
    """
    if not isinstance(over.value, dict) or base.value is None:
        return over
    if not isinstance(base.value, dict):
        return base
    values = dict(base.value)
    for key, node in over.value.items():
        values[key] = merged(values[key], node) if key in values else node
    return replace(base, value=values)


def refuse(faults: Sequence[Fault]) -> ConfigError:
    """The error that reports *faults*: the first one, then the others, a line each."""
    lines = [str(fault) for fault in faults[:_REPORTED]]
    if len(faults) > _REPORTED:
        lines.append(f"and {len(faults) - _REPORTED} more")
    return ConfigError("\n".join(lines), hint=faults[0].hint)
