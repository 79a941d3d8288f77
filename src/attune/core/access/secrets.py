"""Secrets: values with a name, the references `secret:NAME` to them in parameters, and parameters that are secret."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from attune.core.errors import Fault, UsageError, shown
from attune.core.json_schema import defaults_of, secret_names, storable_fault, value_problems
from attune.core.ports.access import SecretCipher

SHORTEST, LONGEST = 4, 65_536
"""Characters; what is shorter cannot be masked in what is printed."""
HIDDEN = "***"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REFERENCE, _ROOT = "secret:", "parameters"


def reference_in(value: Any) -> str | None:
    """The name of the secret that *value* stands for, None where it is an ordinary value."""
    name = value.removeprefix(_REFERENCE) if isinstance(value, str) else value
    return name if name != value and _NAME.fullmatch(name) else None


def check_secret(name: str, value: str) -> None:
    """Raises `UsageError` for a name or a value that no secret can have; never shows the value."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"name: expected letters, digits, '.', '_' and '-', at most 100, got {shown(name)}")
    if fault := _fault(value, "value"):
        raise UsageError(faults=[fault])


def _fault(value: Any, field: str) -> Fault | None:
    """What keeps *value* from being a secret: it cannot be stored, or is too short to be masked."""
    length = len(text_of(value))
    if isinstance(value, bool) or value is None or SHORTEST <= length <= LONGEST:
        return None
    expected = f"a secret of {SHORTEST} to {LONGEST} characters"
    return Fault(field, expected, "a shorter one" if length < SHORTEST else "a longer one")


def parameter_faults(schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[Fault]:
    """What keeps an action with *schema* from being run with *parameters*; no secret value is shown.

    A reference to a named secret fits wherever a value is expected: what it stands for is known when the work begins.
    """
    values = dict(parameters)
    if unstorable := storable_fault(values, _ROOT):
        return [unstorable]
    references = {name for name, value in values.items() if reference_in(value) is not None}
    if references and isinstance(schema.get("properties"), Mapping):
        known = schema["properties"]
        schema = {**schema, "properties": {**known, **{name: {} for name in references & known.keys()}}}
    if isinstance(required := schema.get("required"), list):
        schema = {**schema, "required": [name for name in required if name not in defaults_of(schema)]}
    faults = value_problems(schema, values, root=_ROOT) if schema else []
    for name in secret_names(schema) & values.keys():
        fault = _fault(values[name], f"{_ROOT}.{name}")
        faults += [fault] if fault else []
    return faults


def texts_of(value: Any) -> Iterator[str]:
    """The texts and numbers in *value* that are long enough to be masked."""
    if isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from texts_of(inner)
    elif value is not None and not isinstance(value, bool) and len(text_of(value)) >= SHORTEST:
        yield text_of(value)


def place_of(name: str, execution: int | None = None) -> str:
    """What binds a ciphertext to its place: to a named secret, or to the parameter *name* of an *execution*."""
    return f"secret/{name}" if execution is None else f"execution/{execution}/{name}"


def to_encrypt(marked: Collection[str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those of *parameters* that are *marked* secret. A reference to a named secret is none itself."""
    return {name: value for name, value in parameters.items() if name in marked and reference_in(value) is None}


def encrypted(cipher: SecretCipher, values: Mapping[str, Any], execution: int | None) -> dict[str, str]:
    """The ciphertexts of the parameters *values* of *execution*. Raises `MissingKeyError`."""
    return {name: cipher.encrypt(json.dumps(value), place_of(name, execution)) for name, value in values.items()}


def decrypted(cipher: SecretCipher, sealed: Mapping[str, str], execution: int) -> dict[str, Any]:
    """The parameters of *execution* behind their ciphertexts. Raises `MissingKeyError`, `SecretError`."""
    return {name: json.loads(cipher.decrypt(text, place_of(name, execution))) for name, text in sealed.items()}


def text_of(value: Any) -> str:
    """*value* as it is written: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
