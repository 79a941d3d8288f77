"""How parameters reach the program of an action: what they are called there, how large they may be, what collides."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from attune.core.access.secrets import reference_in, text_of
from attune.core.errors import Fault, shown
from attune.core.executions.action import Action, Delivery

LONGEST_VALUE = 128 * 1024 - 1
"""Bytes of one argument or variable with its name: the kernel's limit, less the end mark."""
LONGEST_TOTAL = 1024 * 1024
"""Bytes of all of them together; the kernel has room for twice as much, the node's own variables included."""
_NOT_IN_VARIABLES = re.compile(r"[^A-Z0-9_]")
_NOT_IN_ARGUMENTS = re.compile(r"[=\s\x00-\x1f\x7f]")


def variables_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """The variables of `delivery: env`."""
    return {_variable(name): text_of(value) for name, value in parameters.items()}


def arguments_of(parameters: Mapping[str, Any]) -> list[str]:
    """The arguments of `delivery: args`."""
    return [f"--{name}={text_of(value)}" for name, value in parameters.items()]


def document_of(parameters: Mapping[str, Any]) -> bytes:
    """The line of JSON of `delivery: stdin`."""
    return json.dumps(parameters, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def name_faults(delivery: Delivery, names: Collection[str], root: str = "parameters") -> Iterator[Fault]:
    """Which of *names* have no name of their own where *delivery* brings them."""
    taken: dict[str, str] = {}
    for name in names if delivery is Delivery.ENV else ():
        variable = _variable(name)
        if other := taken.get(variable):
            yield Fault(f"{root}.{name}", "a variable of its own", f"{variable}, which is that of {other} too")
        taken.setdefault(variable, name)
    for name in names if delivery is Delivery.ARGS else ():
        if not name or _NOT_IN_ARGUMENTS.search(name):
            yield Fault(f"{root}.{name}", "a name without '=' and blanks, as delivery: args needs it", shown(name))


def value_faults(delivery: Delivery, parameters: Mapping[str, Any], root: str = "parameters") -> Iterator[Fault]:
    """Which of *parameters*, secret ones left out, cannot be handed over by *delivery*."""
    if delivery is Delivery.STDIN:
        return
    yield from name_faults(delivery, parameters, root)
    total = 0
    for name, value in parameters.items():
        written = variables_of({name: value}).popitem() if delivery is Delivery.ENV else arguments_of({name: value})
        size = len("=".join(written).encode("utf-8", "surrogatepass"))
        total += size + 1
        if any("\0" in text for text in written):
            yield Fault(f"{root}.{name}", "text without NUL", shown(value))
        elif size > LONGEST_VALUE:
            yield Fault(f"{root}.{name}", f"at most 128 KiB with its name, for delivery: {delivery}", f"{size} bytes")
    if total > LONGEST_TOTAL:
        yield Fault(root, f"at most 1 MiB in all, for delivery: {delivery}", f"{total} bytes")


def delivery_faults(action: Action, parameters: Mapping[str, Any]) -> list[Fault]:
    """What keeps *parameters* from being handed over to *action*. Secret ones come by stdin, whatever the delivery."""
    open_ones = {
        name: value for name, value in parameters.items() if name not in action.secrets and reference_in(value) is None
    }
    return [*value_faults(action.delivery, open_ones)]


def _variable(name: str) -> str:
    return f"ATTUNE_PARAM_{_NOT_IN_VARIABLES.sub('_', name.upper())}"
