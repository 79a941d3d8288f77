"""One line that a sensor printed: an event, or what is wrong with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from attune.core.errors import legible, shown
from attune.core.json_schema import DEEPEST, storable_fault

LONGEST_LINE = 1024 * 1024
"""Bytes; a longer line is no event."""
_ENVELOPE = frozenset({"trigger", "payload"})


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that has not been stored yet. `sensor` and `sensor_ref` say where it comes from."""

    trigger_ref: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    sensor: int | None = None
    sensor_ref: str | None = None


class BadLineError(ValueError):
    """A line that is no event; the message says what was expected and what was found."""


def parse_line(line: bytes, default_trigger: str) -> tuple[str, Mapping[str, Any]]:
    """The trigger and payload of a JSON object: the payload alone, or within an envelope. Raises `BadLineError`."""
    value = _value(line)
    if not isinstance(value, dict):
        raise BadLineError(f"expected a JSON object, got {shown(value)}")
    if "payload" not in value or not set(value) <= _ENVELOPE:
        return default_trigger, value
    trigger, payload = value.get("trigger", default_trigger), value["payload"]
    if not isinstance(trigger, str) or not trigger.strip():
        raise BadLineError(f"trigger: expected the ref of a trigger, got {shown(trigger)}")
    if not isinstance(payload, dict):
        raise BadLineError(f"payload: expected an object, got {shown(payload)}")
    return trigger, payload


def _value(line: bytes) -> Any:
    if len(line) > LONGEST_LINE:
        raise BadLineError(f"expected at most {LONGEST_LINE} bytes, got {len(line)}")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadLineError(f"expected UTF-8, got byte 0x{line[error.start]:02x} at offset {error.start}") from error
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise BadLineError(f"expected JSON at most {DEEPEST} levels deep, got more") from error
    except ValueError as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else "a number of thousands of digits"
        raise BadLineError(f"expected a JSON object, got {legible(text, 80)!r}: {what}") from error
    if fault := storable_fault(value):
        raise BadLineError(f"expected {fault.expected}, got {fault.got}")
    return value
