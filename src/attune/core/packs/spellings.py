"""How packs of other installations are spelt: one table of their keys, and documents rewritten to ours by it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attune.core.documents import DocumentNode, node_of, plain
from attune.core.errors import Fault, shown
from attune.core.events.template import EARLIER_OPEN, OPEN, opening_of, rendered
from attune.core.packs.foreign_runtimes import Partly, proof_of, start_of, version_commands
from attune.core.packs.placement import affinity_terms, selector_terms, toleration_terms

_STEPS = re.compile(r"(?<=[\w\]])\.(\d+)(?!\w)")
_OF_EVENT, _PAYLOAD = re.compile(r"\btrigger\.(payload\.)?"), "event.payload."


def _parameters(written: Any) -> Any:
    """*written*, with templates as ours: `{{ trigger.payload.tags.0 }}` is `${{ event.payload.tags[0] }}`."""
    if opening_of(written, declared=False) == OPEN:
        return written
    return rendered(
        written, lambda text: "${{ " + _STEPS.sub(r"[\1]", _OF_EVENT.sub(_PAYLOAD, text)) + " }}", EARLIER_OPEN
    )


@dataclass(frozen=True, slots=True)
class OtherSpelling:
    """`written` are keys in the files of `kinds` that mean `key`, or a path; `convert` makes ours of the value."""

    written: str
    kinds: str
    key: str
    convert: Callable[[Any], Any] | None = None
    default: bool = False  # only where ours does not stand


SPELLINGS = (
    OtherSpelling("name", "pack", "ref", lambda name: name.lower().replace(" ", "_"), default=True),
    OtherSpelling("runner_type", "actions sensors", "runtime"),
    OtherSpelling("runtime_ref", "actions sensors", "runtime"),
    OtherSpelling("runtime_version_constraint", "actions sensors", "runtime_version"),
    OtherSpelling("entry entrypoint", "actions sensors", "entry_point"),
    OtherSpelling("param_schema parameters_schema", "actions sensors triggers", "parameters"),
    OtherSpelling("output_schema out_schema", "actions", "output"),
    OtherSpelling("parameter_delivery", "actions", "delivery"),
    OtherSpelling("parameter_format", "actions", "delivery", lambda form: None if form in ("json", "yaml") else form),
    OtherSpelling("timeout_seconds", "actions", "timeout"),
    OtherSpelling("max_retries", "actions", "retries"),
    OtherSpelling("worker_selector", "actions sensors", "requires", selector_terms),
    OtherSpelling("worker_tolerations", "actions sensors", "requires", toleration_terms),
    OtherSpelling("worker_affinity", "actions sensors", "requires", lambda said: affinity_terms("required", **said)),
    OtherSpelling("worker_affinity", "actions", "prefers", lambda said: affinity_terms("preferred", **said)),
    OtherSpelling("output output_schema out_schema payload_schema", "triggers", "payload"),
    OtherSpelling("trigger_types", "sensors", "trigger", lambda refs: refs[0]),
    OtherSpelling("trigger_ref trigger_type", "sensors rules", "trigger"),
    OtherSpelling("action_ref", "rules", "action"),
    OtherSpelling("conditions criteria", "rules", "when"),
    OtherSpelling("action_params", "rules", "parameters", _parameters),
    OtherSpelling("aliases", "runtimes", "distributions.aliases"),
    OtherSpelling("execution_config", "runtimes", "distributions.start", start_of),
    OtherSpelling("execution_config", "runtimes", "distributions.verification", proof_of, default=True),
    OtherSpelling("versions", "runtimes", "distributions.verification.commands", version_commands),
    OtherSpelling("versions", "runtimes", "distributions.verification.discover", lambda told: "all" if told else None),
)
"""Every key of other installations' packs that means the same as one of ours."""


def other_keys(kind: str) -> list[str]:
    """The keys of other installations that files of *kind* may have."""
    return [key for row in SPELLINGS if kind in row.kinds.split() for key in row.written.split()]


def respelt(kind: str, node: DocumentNode, faults: list[Fault]) -> DocumentNode:
    """The document *node* of a pack with our keys, each change noted in *faults*."""
    if not isinstance(node.value, Mapping):
        return node
    values = dict(node.value)
    others = {key: values.pop(key) for key in other_keys(kind) if key in values}
    for row in SPELLINGS:
        for key in row.written.split() if kind in row.kinds.split() else ():
            if key in others and others[key].value is not None:
                _put(row, key, others[key], values, faults)
    return DocumentNode(values, node.position)


def _put(row: OtherSpelling, key: str, old: DocumentNode, values: dict[str, DocumentNode], faults: list[Fault]) -> None:
    given, value, told = plain(old), old, ""
    if row.convert is not None:
        try:
            made = row.convert(given)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            faults.append(Fault(key, "the form that others give it", shown(given), old.position))
            return
        made, left = made if isinstance(made, Partly) else (made, "")
        if left:
            faults.append(Fault(key, "", "", old.position, sentence=f"left out: {left}", harmless=True))
        if made in (None, [], {}):
            return
        value, told = node_of(made, position=old.position), f": {shown(made)}" if made != given else ""
    first, *path = row.key.split(".")
    before = values.get(first)
    try:
        values[first] = _joined(before, value, path, row)
    except ValueError:
        faults.append(Fault(key, f"either {key} or {row.key}", "both", old.position))
    if not row.default or plain(before) != plain(values[first]):
        faults.append(Fault(key, row.key, "", old.position, sentence=f"read as {row.key}{told}", harmless=True))


def _joined(before: DocumentNode | None, value: DocumentNode, path: Sequence[str], row: OtherSpelling) -> DocumentNode:
    """*before* with *value* at *path* below it. Raises `ValueError` where another value stands there."""
    if path:
        outer = before if before is not None and before.value is not None else DocumentNode({}, value.position)
        if not isinstance(outer.value, Mapping):
            return outer  # and refused when it is read
        below = _joined(outer.value.get(path[0]), value, path[1:], row)
        return DocumentNode({**outer.value, path[0]: below}, outer.position)
    if before is None or before.value is None:
        return value
    if row.default:
        return before
    if isinstance(before.value, tuple) and isinstance(value.value, tuple):
        return DocumentNode(before.value + value.value, before.position)
    if row.key != "delivery":
        raise ValueError(row.key)
    if (before.value, value.value) == ("file", "dotenv"):
        return DocumentNode("dotenv-file", value.position)
    return value if before.value == "stdin" else before  # the way says more than the form
