"""How packs of other installations are spelt: one table of their keys, and documents rewritten to ours by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from attune.core.documents import DocumentNode, node_of, plain
from attune.core.errors import Fault, SourcePosition, shown
from attune.core.events.template import EARLIER_OPEN, OPEN, opening_of, rendered
from attune.core.packs.placement import affinity_terms, selector_terms, toleration_terms

_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,99}")
_STEPS = re.compile(r"(?<=[\w\]])\.(\d+)(?!\w)")
_OF_EVENT, _PAYLOAD = re.compile(r"\btrigger\.(payload\.)?"), "event.payload."
_RUNNERS = {"local-shell-script": ("shell", "args")}  # the runtime, and the delivery that goes with it
_NOT_RUN = "a workflow or a class, which nothing runs here"
LEFT_OUT = (
    ("actions", "workflow_file", ""),
    ("actions", "runner_type", "orquesta mistral-v2 action-chain workflow python-script"),
    ("sensors", "class_name", ""),
)
"""What nothing here can be: in which files, by which key, with which of its values (any)."""


def _parameters(written: Any) -> Any:
    """*written*, with templates as ours: `{{ trigger.payload.tags.0 }}` is `${{ event.payload.tags[0] }}`."""
    if opening_of(written, declared=False) == OPEN:
        return written
    return rendered(
        written, lambda text: "${{ " + _STEPS.sub(r"[\1]", _OF_EVENT.sub(_PAYLOAD, text)) + " }}", EARLIER_OPEN
    )


@dataclass(frozen=True, slots=True)
class OtherSpelling:
    """`written` are keys in the files of `kinds` that mean `key`; `convert` makes ours of the value."""

    written: str
    kinds: str
    key: str
    convert: Callable[[Any], Any] | None = None


SPELLINGS = (
    OtherSpelling("keywords", "pack", "tags"),
    OtherSpelling("config_schema", "pack", "conf_schema"),
    OtherSpelling("runner_type", "actions sensors", "runtime", lambda name: _RUNNERS.get(name, (name,))[0]),
    OtherSpelling("runner_type", "actions", "delivery", lambda name: _RUNNERS.get(name, (name, None))[1]),
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
    OtherSpelling("worker_affinity", "actions sensors", "requires", lambda said: affinity_terms(said, "required")),
    OtherSpelling("worker_affinity", "actions", "prefers", lambda said: affinity_terms(said, "preferred")),
    OtherSpelling("output output_schema out_schema payload_schema", "triggers", "payload"),
    OtherSpelling("trigger_types", "sensors", "trigger", lambda refs: refs[0]),
    OtherSpelling("trigger_ref trigger_type", "sensors rules", "trigger"),
    OtherSpelling("action_ref", "rules", "action"),
    OtherSpelling("conditions criteria", "rules", "when"),
    OtherSpelling("action_params", "rules", "parameters", _parameters),
)
"""Every key of other installations' packs that means the same as one of ours."""


def other_keys(kind: str) -> list[str]:
    """The keys of other installations that files of *kind* may have."""
    return [key for row in SPELLINGS if kind in row.kinds.split() for key in row.written.split()]


def respelt(kind: str, node: DocumentNode, faults: list[Fault]) -> DocumentNode | None:
    """The document *node* of a pack with our keys, each change noted in *faults*; None where nothing here can be it."""
    if not isinstance(node.value, Mapping):
        return node
    for where, key, only in LEFT_OUT:
        written = node.value.get(key)
        if kind == where and written is not None and (not only or written.value in only.split()):
            faults.append(_note(key, f"left out: {_NOT_RUN}", written.position))
            return None
    values = _names(kind, dict(node.value), faults)
    others = {key: values.pop(key) for key in other_keys(kind) if key in values}
    for row in SPELLINGS:
        for key in row.written.split() if kind in row.kinds.split() else ():
            if key in others and others[key].value is not None:
                _put(row, key, others[key], values, faults)
    return DocumentNode(values, node.position)


def _note(key: str, sentence: str, position: SourcePosition | None) -> Fault:
    return Fault(key, "", "", position, sentence=sentence, harmless=True)


def _names(kind: str, values: dict[str, DocumentNode], faults: list[Fault]) -> dict[str, DocumentNode]:
    """*values* with one name: one that agrees with the ref goes, one that people read is the label."""
    ref, name = values.get("ref"), values.get("name")
    if name is None or kind == "runtimes" or not isinstance(name.value, str):
        return values
    is_name = _NAME.fullmatch(name.value) is not None
    if kind == "pack":
        values.setdefault("ref", name)
    elif ref is None or (is_name and not str(ref.value).endswith(f".{name.value}")):
        return values
    del values["name"]
    if not is_name and "label" not in values:
        values["label"] = name
        faults.append(_note("name", "read as label", name.position))
    return values


def _put(
    row: OtherSpelling, key: str, said: DocumentNode, values: dict[str, DocumentNode], faults: list[Fault]
) -> None:
    given, value, told = plain(said), said, ""
    if row.convert is not None:
        try:
            made = row.convert(given)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            faults.append(Fault(key, "the form that others give it", shown(given), said.position))
            return
        if made in (None, [], {}):
            return
        value, told = node_of(made, position=said.position), f": {shown(made)}" if made != given else ""
    before = values.get(row.key)
    if before is None or (row.key == "delivery" and before.value == "stdin"):
        values[row.key] = value
    elif isinstance(before.value, tuple) and isinstance(value.value, tuple):
        values[row.key] = DocumentNode(before.value + value.value, before.position)
    elif row.key != "delivery":  # of which the way says more than the form
        faults.append(Fault(key, f"either {key} or {row.key}", "both", said.position))
    faults.append(_note(key, f"read as {row.key}{told}", said.position))
