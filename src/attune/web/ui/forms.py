"""The form of an action: a field for each property of its schema, and the values that a person has typed into them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from attune.core.access.secrets import text_of
from attune.core.documents import dotted
from attune.core.errors import Fault, shown
from attune.core.json_schema import typed
from attune.web.ui.pages import compact, pretty

ROOT = "parameters"
_REST = ""
"""The name of the field that takes as one JSON object what the schema does not name."""
_LONG = 200  # characters; what may be longer gets a field of several lines


@dataclass(frozen=True, slots=True)
class FormField:
    """One field: a property of a schema, what stands in it, and what does not fit."""

    name: str
    schema: Mapping[str, Any]
    required: bool
    secret: bool
    value: str = ""
    errors: Sequence[str] = ()

    @property
    def types(self) -> list[str]:
        """The types that it takes, none for any."""
        types = self.schema.get("type", [])
        return [types] if isinstance(types, str) else sorted(map(str, types)) if isinstance(types, list) else []

    @property
    def options(self) -> Sequence[Any]:
        """The values to choose from, none for any."""
        options = self.schema.get("enum", [True, False] if self.types == ["boolean"] else [])
        return [self.schema["const"]] if "const" in self.schema else options if isinstance(options, list) else []

    @property
    def kind(self) -> str:
        """Which field: password, select, json, lines or text."""
        longest = self.schema.get("maxLength", 0)
        is_long = "\n" in text_of(self.schema.get("default")) or (isinstance(longest, int) and longest > _LONG)
        json_only = self.types and {*self.types} <= {"array", "object"}
        plain = "select" if self.options else "json" if json_only else "lines" if is_long else "text"
        return "password" if self.secret else plain

    @property
    def default(self) -> str:
        """What stands in it at first; never a secret."""
        value = self.schema.get("default")
        if self.secret or value is None:
            return ""
        return compact(value) if self.kind == "select" else pretty(value) if self.kind == "json" else text_of(value)

    def has(self, fault: Fault) -> bool:
        """Whether *fault* is one of its value."""
        path = dotted(ROOT, [self.name])
        return fault.field == path or fault.field.startswith((f"{path}.", f"{path}["))


def fields_of(
    schema: Mapping[str, Any], texts: Mapping[str, str] | None = None, faults: Sequence[Fault] = ()
) -> list[FormField]:
    """A field for each property of *schema*, required ones first: with its default, or with *texts* and their *faults*.

    What was typed as a secret has to be typed again.
    """
    known, required = schema.get("properties"), schema.get("required") or ()
    properties = dict(known) if isinstance(known, Mapping) else {}
    if not properties or schema.get("additionalProperties"):
        properties[_REST] = {"type": "object", "description": "What else it takes, as a JSON object."}
    fields = []
    for name, described in sorted(properties.items(), key=lambda item: item[0] not in required):
        below = described if isinstance(described, Mapping) else {}
        field = FormField(name, below, name in required, below.get("secret") is True)
        value = field.default if texts is None else "" if field.secret else texts.get(name, "")
        errors = [str(fault).removeprefix(f"{ROOT}.") for fault in faults if field.has(fault)]
        fields.append(replace(field, value=value, errors=errors))
    return fields


def values_of(schema: Mapping[str, Any], texts: Mapping[str, str]) -> tuple[dict[str, Any], list[Fault]]:
    """The parameters that *texts* are, by name, and what cannot be read of them. An empty field gives none."""
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for field in fields_of(schema):
        text = texts.get(field.name, "").replace("\r\n", "\n")
        if field.kind not in ("select", "json"):
            if text or (field.default and field.name in texts):
                values[field.name] = typed(schema, field.name, text)
        elif text.strip():
            try:
                value = json.loads(text)
                values |= value if field.name == _REST else {field.name: value}
            except (ValueError, TypeError, RecursionError):
                expected = 'JSON such as ["a", 1]' if field.types == ["array"] else 'JSON such as {"a": 1}'
                faults.append(Fault(dotted(ROOT, [field.name]), expected, shown(text)))
    return values, faults
