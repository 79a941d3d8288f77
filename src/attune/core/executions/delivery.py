"""How parameters reach the program of an action: what they are called there, how large they may be, what collides."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from attune.core.access.secrets import reference_in, text_of
from attune.core.errors import Fault, shown
from attune.core.executions.action import SEEN, Action, Delivery

LONGEST_VALUE = 128 * 1024 - 1
"""Bytes of one argument or variable with its name: the kernel's limit, less the end mark."""
LONGEST_TOTAL = 1024 * 1024
"""Bytes of all of them together; the kernel has room for twice as much, the node's own variables included."""
_LINES = (Delivery.DOTENV, Delivery.DOTENV_FILE)
_NOT_IN_VARIABLES = re.compile(r"[^A-Z0-9_]")
_NOT_IN_ARGUMENTS = re.compile(r"[=\s\x00-\x1f\x7f'\"\\]")


def variables_of(delivery: Delivery, parameters: Mapping[str, Any], positional: Sequence[str] = ()) -> dict[str, str]:
    """The variables that tell a program how it is given *parameters*, unless by stdin; with `env`, what they are.

    Those that begin with `ATTUNE_ACTION_` are for programs of earlier installations.
    """
    if delivery is Delivery.STDIN:
        return {}
    way = {"dotenv": "stdin", "dotenv-file": "file"}.get(delivery, str(delivery))
    told = {"ATTUNE_PARAMETER_DELIVERY": way, "ATTUNE_PARAMETER_FORMAT": "dotenv" if delivery in _LINES else "json"}
    if delivery in SEEN or delivery in _LINES:  # which is text, whatever it was, and under a name that may be another
        places = {name: f":{index}" for index, name in enumerate(positional, 1) if delivery is Delivery.ARGS}
        types = {name: "text" if isinstance(value, str) else "json" for name, value in parameters.items()}
        told["ATTUNE_PARAMETER_TYPES"] = json.dumps({name: types[name] + places.get(name, "") for name in types})
    return told | (_in_variables(parameters) if delivery is Delivery.ENV else {})


def arguments_of(parameters: Mapping[str, Any], positional: Sequence[str] = ()) -> list[str]:
    """The arguments of `delivery: args`: those with names, then the *positional* ones up to the last that is given."""
    named = [f"--{name}={text_of(value)}" for name, value in parameters.items() if name not in positional]
    given = [index for index, name in enumerate(positional, 1) if name in parameters]
    return named + [text_of(parameters.get(name, "")) for name in positional[: given[-1] if given else 0]]


def document_of(parameters: Mapping[str, Any], delivery: Delivery = Delivery.STDIN) -> bytes:
    """What a program reads that is given all *parameters* at once: a line of JSON, or lines `NAME='value'`."""
    texts = {name: text_of(value).replace("'", "'\\''") for name, value in parameters.items()}
    lines = [f"{name}='{text}'" for name, text in texts.items()]
    text = "\n".join([*lines, ""]) if delivery in _LINES else json.dumps(parameters, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "surrogatepass")


def name_faults(delivery: Delivery, names: Collection[str], root: str = "parameters") -> Iterator[Fault]:
    """Which of *names* have no name of their own where *delivery* brings them."""
    taken: dict[str, str] = {}
    for name in names if delivery is Delivery.ENV else ():
        variable = _variable(name)
        if other := taken.get(variable):
            yield Fault(f"{root}.{name}", "a variable of its own", f"{variable}, which is that of {other} too")
        taken.setdefault(variable, name)
    for name in names if delivery is Delivery.ARGS or delivery in _LINES else ():
        if not name or _NOT_IN_ARGUMENTS.search(name):
            expected = f"a name without '=', quotes and blanks, as delivery: {delivery} needs it"
            yield Fault(f"{root}.{name}", expected, shown(name))


def value_faults(delivery: Delivery, parameters: Mapping[str, Any], root: str = "parameters") -> Iterator[Fault]:
    """Which of *parameters*, without those that come by another way, cannot be handed over by *delivery*."""
    yield from name_faults(delivery, parameters, root)
    total = 0
    for name, value in parameters.items() if delivery in SEEN or delivery in _LINES else ():
        variables = _in_variables({name: value}) if delivery is Delivery.ENV else {f"--{name}": text_of(value)}
        sizes = [len(f"{key}={text}".encode("utf-8", "surrogatepass")) for key, text in variables.items()]
        total += sum(sizes) + len(sizes)
        if "\0" in text_of(value):
            yield Fault(f"{root}.{name}", "text without NUL", shown(value))
        elif delivery in SEEN and (size := max(sizes)) > LONGEST_VALUE:
            yield Fault(f"{root}.{name}", f"at most 128 KiB with its name, for delivery: {delivery}", f"{size} bytes")
    if delivery in SEEN and total > LONGEST_TOTAL:
        yield Fault(root, f"at most 1 MiB in all, for delivery: {delivery}", f"{total} bytes")


def delivery_faults(action: Action, parameters: Mapping[str, Any]) -> list[Fault]:
    """What keeps *parameters* from being handed over to *action*. Secret ones come by stdin, whatever the delivery."""
    open_ones = {
        name: value
        for name, value in parameters.items()
        if action.delivery not in SEEN or (name not in action.secrets and reference_in(value) is None)
    }
    return [*value_faults(action.delivery, open_ones)]


def _in_variables(parameters: Mapping[str, Any]) -> dict[str, str]:
    own = {_variable(name): text_of(value) for name, value in parameters.items()}
    return own | {variable.replace("PARAM", "ACTION", 1): text for variable, text in own.items()}


def _variable(name: str) -> str:
    return f"ATTUNE_PARAM_{_NOT_IN_VARIABLES.sub('_', name.upper())}"
