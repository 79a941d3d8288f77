"""Settings as somebody wrote them: two trees laid over each other, and what an error says of their values."""

from __future__ import annotations

import re
from dataclasses import replace

from attune.core.documents import DocumentNode
from attune.core.errors import Fault, shown

_CREDENTIALS = re.compile(r"(://)[^/\s'\"]*@|(password\s*=\s*)[^\s&'\"]*", re.IGNORECASE)


def variable_with(node: DocumentNode) -> str | None:
    """The variable that *node* comes from, None where it comes from the file."""
    return node.position.source if node.position and not node.position.line else None


def misfit(key: str, node: DocumentNode, expected: str, *, got: str | None = None, hint: str | None = None) -> Fault:
    """The fault of *node*, at *key*, being something else than *expected*."""
    return Fault(key, expected, found(node) if got is None else got, node.position, hint)


def found(node: DocumentNode) -> str:
    """The value of *node* for an error: shortened, never with the password of a URL."""
    value = node.value
    if isinstance(value, bool) and node.written.lower() not in ("true", "false"):
        return f"{node.written}, which YAML reads as {shown(value)}"
    if isinstance(value, bool | int | float) or value is None:
        return node.written or shown(value)
    if isinstance(value, str):
        return _CREDENTIALS.sub(lambda match: f"{match[1]}***@" if match[1] else f"{match[2]}***", shown(value))
    return ("a list" if value else "an empty list") if isinstance(value, tuple) else "a section of keys"


def merged(base: DocumentNode, over: DocumentNode) -> DocumentNode:
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
