"""Lines that sensors print."""

from __future__ import annotations

import json

import pytest

from attune.core.sensors.event_line import LONGEST_LINE, BadLineError, parse_line


@pytest.mark.parametrize(
    ("line", "trigger", "payload"),
    [
        ('{"a": 1}', "acme.default", {"a": 1}),
        ("{}", "acme.default", {}),
        ('{"payload": {"a": 1}}', "acme.default", {"a": 1}),
        ('{"trigger": "acme.other", "payload": {}}', "acme.other", {}),
        ('{"trigger": "red", "speed": 3}', "acme.default", {"trigger": "red", "speed": 3}),
        ('{"payload": 5, "unit": "kg"}', "acme.default", {"payload": 5, "unit": "kg"}),
        ('  {"ä": "ö"}\r', "acme.default", {"ä": "ö"}),
    ],
)
def test_a_line_is_an_event(line: str, trigger: str, payload: object) -> None:
    assert parse_line(line.encode(), "acme.default") == (trigger, payload)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"hello", "expected a JSON object, got 'hello'"),
        (b"[1]", "expected a JSON object, got [1]"),
        (b'{"a": 1', "expected a JSON object"),
        (b'{"payload": 5}', "payload: expected an object, got 5"),
        (b'{"trigger": 7, "payload": {}}', "trigger: expected the ref of a trigger, got 7"),
        (b'{"a": NaN}', "a double can hold"),
        (b'{"a": 1e999}', "a double can hold"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": "\xff"}', "expected UTF-8, got byte 0xff at offset 7"),
        (b'{"a": ' + b"9" * 5000 + b"}", "thousands of digits"),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "levels deep"),
        (b'{"a": ' + b"[" * 90_000 + b"]" * 90_000 + b"}", "levels deep"),
        (json.dumps({"a": "x" * LONGEST_LINE}).encode(), f"expected at most {LONGEST_LINE} bytes"),
        (b'{"a": 1}\0', "expected a JSON object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_event_is_said_in_one_sentence(line: bytes, says: str) -> None:
    with pytest.raises(BadLineError) as caught:
        parse_line(line, "acme.default")

    message = str(caught.value)
    assert says in message
    assert len(message) < 300 and message.isprintable()
