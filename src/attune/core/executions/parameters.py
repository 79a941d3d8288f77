"""What an action can be given: values that can be stored, that fit its schema, and secrets that can be masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attune.core.access.secrets import reference_in, secret_fault
from attune.core.errors import Fault
from attune.core.json_schema import secret_names, value_problems
from attune.core.json_values import storable_fault

ROOT = "parameters"


def parameter_faults(schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[Fault]:
    """What keeps an action with *schema* from being run with *parameters*; no secret value is shown.

    A reference to a named secret fits wherever a value is expected: what it stands for is known when the work begins.
    """
    values = dict(parameters)
    if unstorable := storable_fault(values, ROOT):
        return [unstorable]
    references = {name for name, value in values.items() if reference_in(value) is not None}
    if references and isinstance(schema.get("properties"), Mapping):
        known = schema["properties"]
        schema = {**schema, "properties": {**known, **{name: {} for name in references & known.keys()}}}
    faults = value_problems(schema, values, root=ROOT) if schema else []
    for name in secret_names(schema) & values.keys():
        fault = secret_fault(values[name], f"{ROOT}.{name}")
        faults += [fault] if fault else []
    return faults
