"""The OpenAPI document of the app, taken apart for tests that hold for every route."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from attune.web.app import create_app

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


@dataclass(frozen=True)
class Operation:
    """One method of one path, with what the document says of it."""

    method: str
    path: str
    said: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_write(self) -> bool:
        return self.method not in ("GET", "HEAD", "OPTIONS")

    @property
    def answers(self) -> dict[str, Any]:
        answers: dict[str, Any] = self.said.get("responses", {})
        return answers

    def filled(self, value: str = "1") -> str:
        """The path with *value* for each of its parameters."""
        return re.sub(r"\{[^}]+\}", value, self.path)


@cache
def document() -> dict[str, Any]:
    """The document; the app needs no services for it."""
    return create_app(None).openapi()  # type: ignore[arg-type]


def operations() -> list[Operation]:
    """Every operation, in the order of the document."""
    return [
        Operation(method.upper(), path, said)
        for path, methods in document()["paths"].items()
        for method, said in methods.items()
        if method in _METHODS
    ]


def resolved(schema: Any) -> Any:
    """*schema*, or what it refers to."""
    while isinstance(schema, dict) and "$ref" in schema:
        found: Any = document()
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        schema = found
    return schema


def is_endless(operation: Operation) -> bool:
    """Whether it answers with a stream that does not end by itself."""
    return any("text/event-stream" in answer.get("content", {}) for answer in operation.answers.values())


def text_fields(schema: Any, path: tuple[str, ...] = (), depth: int = 0) -> Iterator[tuple[str, ...]]:
    """Where *schema*, an object's, has fields that take text."""
    schema = resolved(schema)
    if depth > 5 or not isinstance(schema, dict):
        return
    options = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    if path and any(resolved(one).get("type") == "string" for one in options):
        yield path
    for one in map(resolved, options):
        for name, below in one.get("properties", {}).items():
            yield from text_fields(below, (*path, name), depth + 1)
