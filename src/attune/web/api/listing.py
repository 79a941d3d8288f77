"""Lists in pages: a cursor says where the next page begins, and means nothing to anybody else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from attune.core.errors import shown
from attune.web.problems import FieldProblem, Problem

T = TypeVar("T")
MAX_LIMIT = 1000


class Listed(BaseModel, Generic[T]):
    """One page of a list. `next` is the cursor of the following page, null on the last."""

    data: list[T]
    next: str | None = Field(examples=[None, "WzEyXQ"])


class Paging:
    """Which page is asked for. `after` is the key of the last entry of the page before, None for the first page."""

    def __init__(self, limit: int, cursor: str | None) -> None:
        self.limit = limit
        self.after: Any = None if cursor is None else _read(cursor)

    def page(self, rows: Sequence[T], key: Callable[[T], Any]) -> tuple[list[T], str | None]:
        """The rows of this page out of all *rows*, which are in the order of *key*, and the next cursor."""
        later = rows if self.after is None else [row for row in rows if self._is_later(key(row))]
        page = list(later[: self.limit])
        return page, _written(key(page[-1])) if len(later) > len(page) else None

    def _is_later(self, key: Any) -> bool:
        if type(key) is not type(self.after):
            raise _no_cursor("one of another list")
        return bool(key > self.after)


def _paging(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many entries a page has at most.")] = 100,
    cursor: Annotated[
        str | None, Query(max_length=500, description="`next` of the page before; not given: the first page.")
    ] = None,
) -> Paging:
    return Paging(limit, cursor)


Pages = Annotated[Paging, Depends(_paging)]


def _written(key: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([key]).encode()).decode().rstrip("=")


def _read(cursor: str) -> Any:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        (key,) = json.loads(base64.b64decode(padded, b"-_", validate=True))
    except (ValueError, TypeError):
        raise _no_cursor(shown(cursor)) from None
    if isinstance(key, bool) or not isinstance(key, int | str) or "\0" in str(key):
        raise _no_cursor(shown(cursor))
    return key


def _no_cursor(got: str) -> Problem:
    expected = "`next` of a page of this list"
    return Problem(
        422,
        f"cursor: expected {expected}, got {got}",
        errors=[FieldProblem(field="cursor", expected=expected, got=got)],
    )
