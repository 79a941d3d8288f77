"""What bodies and answers have in common, and lists: how many, and where the next page begins.

A cursor is opaque; one that we did not make is refused.
"""

import base64
import json
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_jsonable_python

from attune.core.errors import Fault
from attune.core.ports.read_models import JsonPage
from attune.web.middleware.problems import ProblemError

MAX_ID = 2**63 - 1
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(max_length=1000, description="`next` of the page before; not given: the first page.")
]
Item = TypeVar("Item")


class Body(BaseModel):
    """What a route takes: nothing is converted, and no other field is allowed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    """What a route gives; made of a record with the same attributes too."""

    model_config = ConfigDict(from_attributes=True)


class SwitchBody(Body):
    """Whether something is to be on."""

    enabled: bool = Field(examples=[False])


class Page(BaseModel, Generic[Item]):
    """One page of a list. `next` is the cursor of the following page, null on the last."""

    data: list[Item]
    next: str | None = Field(default=None, examples=[None])


def example_of(record: object, *, listed: bool = False, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The answer *record*, a dataclass, or a page of it, for the OpenAPI description of its route."""
    shown = to_jsonable_python(record)
    example = {"data": [shown], "next": None} if listed else shown
    return {status: {"content": {"application/json": {"example": example}}}}


def cursor_of(position: Sequence[Any] | None) -> str | None:
    """The cursor that stands for *position*."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(list(position)).encode()).decode().rstrip("=")


def position_of(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The position that *cursor* stands for: one value of each of *kinds*. Raises `ProblemError` 422."""
    if cursor is None:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        position = None
    fits = isinstance(position, list) and [type(value) for value in position] == list(kinds)
    if not fits or any(isinstance(value, int) and not 0 <= value <= MAX_ID for value in position):
        raise bad_field("cursor", "`next` of an earlier page", repr(cursor[:40]))
    if any(isinstance(value, str) and not _is_storable(value) for value in position):
        raise bad_field("cursor", "`next` of an earlier page", "another text")
    return tuple(position)


def _is_storable(text: str) -> bool:
    """Whether PostgreSQL can compare with *text*: names may well hold invisible characters, but not these two."""
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


def before_of(cursor: str | None) -> int | None:
    """The id that the page begins below. Raises `ProblemError` 422."""
    position = position_of(cursor, int)
    return None if position is None else int(position[0])


def bad_field(field: str, expected: str, got: str) -> ProblemError:
    """The problem that parameter *field* is wrong."""
    fault = Fault(field, expected, got)
    return ProblemError(422, str(fault), faults=[fault])


def page_text(page: JsonPage) -> str:
    """*page*, whose items are JSON text already, as JSON text."""
    return f'{{"data":{page.items},"next":{json.dumps(cursor_of(page.next))}}}'


def json_response(text: str | bytes) -> Response:
    """An answer whose body is JSON text already."""
    return Response(text, media_type="application/json")
