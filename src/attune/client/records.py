"""The JSON of the API as the records of the ports; what they do not know is left aside."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from attune.core.errors import ApiError, shown

T = TypeVar("T")


def record_of(cls: type[T], data: Any, **more: Any) -> T:
    """*data* as a *cls*; *more* is what it does not hold. Raises `ApiError` where it does not fit."""
    if not isinstance(data, dict):
        raise ApiError(f"expected an object from the API, got {shown(data)}")
    is_moment = {each.name: "datetime" in str(each.type) for each in fields(cls)}  # type: ignore[arg-type]
    values = {name: _moment(data[name]) if moment else data[name] for name, moment in is_moment.items() if name in data}
    try:
        return cls(**{**values, **more})
    except TypeError as error:
        raise ApiError(
            f"expected an answer of this version of Attune, got another: {error}",
            hint="attune --version, on both sides",
        ) from None


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise ApiError(f"expected a time from the API, got {shown(value)}") from None
