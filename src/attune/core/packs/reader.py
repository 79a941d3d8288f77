"""Reads the documents of a pack into values, with everything that is wrong in them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from attune.core.documents import DocumentNode, Section, dotted, plain
from attune.core.errors import DefinitionError, Fault, SourcePosition, shown
from attune.core.events.rule import Overlap, Rule, judge_conditions
from attune.core.events.template import Expression, TemplateError, parts_of
from attune.core.executions.action import Action
from attune.core.json_schema import value_problems
from attune.core.packs.pack import KINDS, Pack, RuleDefinition, SensorDefinition, TriggerDefinition
from attune.core.packs.spellings import other_keys, respelt
from attune.core.packs.work_reader import (
    LONGEST_SECONDS,
    PRIORITIES,
    read_action,
    read_label,
    read_number,
    read_parameters,
    read_sensor,
)
from attune.core.runtimes.examples import validate_definition
from attune.core.runtimes.runtime import Runtime, read_runtime

REF = r"[a-z][a-z0-9_-]{1,99}"
NAME = r"[a-z0-9_][a-z0-9_-]{0,99}"
_SEMVER = r"\d+\.\d+\.\d+(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
RESERVED = ("core",)


@dataclass(frozen=True, slots=True)
class WrittenExpression:
    """An expression that somebody wrote, and what to call its place."""

    text: str
    position: SourcePosition | None
    path: str


@dataclass(slots=True)
class Draft:
    """What the documents say, before it is held against everything else."""

    pack: Pack
    actions: list[tuple[Action, Section]] = field(default_factory=list)
    sensors: list[tuple[SensorDefinition, Section]] = field(default_factory=list)
    nodes: dict[tuple[str, str], DocumentNode] = field(default_factory=dict)
    expressions: list[WrittenExpression] = field(default_factory=list)
    triggers: list[TriggerDefinition] = field(default_factory=list)
    rules: list[tuple[RuleDefinition, Section]] = field(default_factory=list)
    runtimes: list[Runtime] = field(default_factory=list)


def read_pack(head: DocumentNode, folders: Mapping[str, Sequence[DocumentNode]], faults: list[Fault]) -> Draft:
    """The pack of `pack.yaml`, *head*, and the documents of its *folders*; what is wrong goes to *faults*."""
    draft = Draft(_read_head(head, faults))
    for kind in KINDS:
        for node in folders[kind]:
            _read_one(kind, node, draft, faults)
    return draft


def _read_head(node: DocumentNode, faults: list[Fault]) -> Pack:
    section = _section(respelt("pack", node, faults), "an object with ref and version", faults)
    if section is None:
        return Pack("", "", "")
    ref = section.text(
        "ref", "lower-case letters, digits, _ and -, at least two, such as my_pack", required=True, pattern=REF
    )
    if ref in RESERVED:
        section.refuse("ref", "a ref of your own", f"{shown(ref)}, which is Attune's own pack")
    conf_schema, config = read_parameters(section, "conf_schema"), section.mapping("config")
    if conf_schema:
        faults += value_problems(conf_schema, config, root="config", document=section.object_node("config"))
    pack = Pack(
        ref=ref or "",
        label=read_label(section, ref or ""),
        version=section.text("version", "a version such as 1.0.0", required=True, pattern=_SEMVER) or "",
        description=section.text("description", longest=4000) or "",
        conf_schema=conf_schema,
        config=config,
        tags=section.texts("tags"),
        runtime_deps=section.texts("runtime_deps"),
        meta=section.mapping("meta"),
    )
    section.finish(other_keys("pack"))
    return pack


def _section(node: DocumentNode, expected: str, faults: list[Fault]) -> Section | None:
    return Section(DocumentNode({}), "", faults).section("", node, expected)


def _read_one(kind: str, written: DocumentNode, draft: Draft, faults: list[Fault]) -> None:
    node = respelt(kind, written, faults)
    section = _section(node, f"an object that describes one of the pack's {kind}", faults)
    if section is None:
        return
    if kind == "runtimes":
        ref = _read_runtime(section, node, draft)
    else:
        ref = _ref(section, draft.pack.ref)
        _READERS[kind](section, ref, draft)
    section.finish(other_keys(kind))
    if not ref:
        return
    first = draft.nodes.setdefault((kind, ref), node)
    if first is not node:
        section.refuse("ref", "each ref once", f"{ref} again after {first.position}", position=node.position)


def _ref(section: Section, pack: str) -> str:
    """`ref`, or `name` behind the ref of the pack."""
    wanted = f"{pack or '<pack>'}.<name>"
    if section.node("ref") is None:
        name = section.text("name", f"a name, or ref: {wanted}", required=True, pattern=NAME)
        return f"{pack}.{name}" if pack and name else ""
    ref = section.text("ref", wanted, pattern=rf"{REF}\.{NAME}")
    name = section.text("name") or ""
    if ref and name and not ref.endswith(f".{name}"):
        section.refuse("name", "a name that ends the ref, or none")
    if ref and pack and not ref.startswith(f"{pack}."):
        section.refuse("ref", f"a ref of this pack, {wanted}", shown(ref))
        return ""
    return ref or ""


def _read_runtime(section: Section, node: DocumentNode, draft: Draft) -> str:
    """The same as `attune runtime load` reads, and refused for the same reasons."""
    pack = draft.pack.ref
    runtime = read_runtime(section, node, pack)
    if runtime is None or (pack and not runtime.ref.startswith(f"{pack}.")):
        section.refuse("ref", f"a ref of this pack, {pack or '<pack>'}.<name>")
        return ""
    try:
        validate_definition(runtime)
    except DefinitionError as error:
        section.faults.extend(error.faults)
    draft.runtimes.append(runtime)
    return runtime.ref


def _read_trigger(section: Section, ref: str, draft: Draft) -> None:
    trigger = TriggerDefinition(
        ref=ref,
        label=read_label(section, ref),
        description=section.text("description", longest=4000) or "",
        enabled=section.flag("enabled", True),
        param_schema=read_parameters(section, "parameters"),
        out_schema=read_parameters(section, "payload", closed=False) or None,
    )
    draft.triggers.append(trigger)


def _read_rule(section: Section, ref: str, draft: Draft) -> None:
    node = section.node("parameters")
    parameters = section.mapping("parameters")
    if node is not None:
        _collect_templates(node, section.at("parameters"), draft, section.faults)
    rule = RuleDefinition(
        ref=ref,
        label=read_label(section, ref),
        trigger_ref=section.text("trigger", "the ref of a trigger", required=True) or "",
        action_ref=section.text("action", "the ref of an action", required=True) or "",
        description=section.text("description", longest=4000) or "",
        enabled=section.flag("enabled", True),
        conditions=tuple(_conditions(section, draft)),
        action_params=parameters,
        priority=read_number(section, "priority", PRIORITIES),
        overlap=section.choice("overlap", Overlap, Overlap.QUEUE),
        at_most_every_seconds=section.seconds("at_most_every", 0.01, LONGEST_SECONDS),
        delay_seconds=section.seconds("delay", 0.01, LONGEST_SECONDS),
    )
    draft.rules.append((rule, section))


def _conditions(section: Section, draft: Draft) -> Iterator[Any]:
    """`when`: an expression, or a list of expressions, or of objects as rules once had, that must all hold."""
    node, path = section.node("when"), section.at("when")
    one = node is not None and isinstance(node.value, str)
    several = section.items("when", "an expression, or a list of expressions that must all hold")
    for at, item in [(path, node)] if node is not None and one else several:
        condition = plain(item)
        if isinstance(condition, str):
            draft.expressions.append(WrittenExpression(condition, item.position, at))
        elif problem := judge_conditions(Rule(0, "", "", "", (condition,)), {}, {}).problem:
            section.faults.append(Fault(at, "an expression", shown(condition), item.position, sentence=problem))
        yield condition


def _collect_templates(node: DocumentNode, path: str, draft: Draft, faults: list[Fault]) -> None:
    if isinstance(node.value, Mapping | tuple):
        for step, below in node.value.items() if isinstance(node.value, Mapping) else enumerate(node.value):
            _collect_templates(below, dotted(path, [step]), draft, faults)
    elif isinstance(node.value, str):
        try:
            parts = parts_of(node.value)
        except TemplateError as error:
            faults.append(Fault(path, "templates that end", shown(node.value), node.position, sentence=str(error)))
            return
        draft.expressions += [
            WrittenExpression(part.text, node.position, path) for part in parts if isinstance(part, Expression)
        ]


_READERS: dict[str, Callable[[Section, str, Draft], None]] = {
    "triggers": _read_trigger,
    "rules": _read_rule,
    "actions": lambda section, ref, draft: draft.actions.append((read_action(section, ref, draft.pack.ref), section)),
    "sensors": lambda section, ref, draft: draft.sensors.append((read_sensor(section, ref), section)),
}
