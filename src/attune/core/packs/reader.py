"""Reads the documents of a pack into values, with everything that is wrong in them.

What a document says by itself is checked here; what it says of others is `pack_references`. Expressions are only
collected: whether they are right is for the engine that evaluates them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from attune.core.errors import DefinitionError, shown
from attune.core.events.template import Expression, TemplateError, parts_of
from attune.core.json_schema import value_problems
from attune.core.packs.pack import KINDS, Pack, RuleDefinition, TriggerDefinition
from attune.core.packs.work_reader import ActionDraft, SensorDraft, read_action, read_sensor
from attune.core.positions import Located, Mistake, Section, origin_of, plain, schema_mistakes, section_of
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.validation import validate_definition

REF = r"[a-z][a-z0-9_-]{1,99}"
NAME = r"[a-z0-9_][a-z0-9_-]{0,99}"
_SEMVER = r"\d+\.\d+\.\d+(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
_RESERVED = ("core",)
_RUNTIME_KEYS = ("ref", "name", "description", "pack_ref", "distributions", "installation")


@dataclass(frozen=True, slots=True)
class Documents:
    """The YAML documents of a pack: `pack.yaml`, and by kind those of its folders."""

    pack: Located
    folders: Mapping[str, Sequence[Located]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WrittenExpression:
    """An expression that somebody wrote, and what to call its place."""

    text: str
    origin: str
    path: str


@dataclass(slots=True)
class Draft:
    """What the documents say, before it is held against everything else."""

    pack: Pack
    actions: list[ActionDraft] = field(default_factory=list)
    sensors: list[SensorDraft] = field(default_factory=list)
    origins: dict[tuple[str, str], Located] = field(default_factory=dict)
    expressions: list[WrittenExpression] = field(default_factory=list)
    triggers: list[TriggerDefinition] = field(default_factory=list)
    rules: list[RuleDefinition] = field(default_factory=list)
    runtimes: list[Runtime] = field(default_factory=list)


def read_pack(documents: Documents, mistakes: list[Mistake]) -> Draft:
    """The pack that *documents* describe; what is wrong is added to *mistakes*."""
    draft = Draft(_read_head(documents.pack, mistakes))
    for kind in KINDS:
        for node in documents.folders.get(kind, ()):
            _read_one(kind, node, draft, mistakes)
    return draft


def _read_head(node: Located, mistakes: list[Mistake]) -> Pack:
    section = section_of(node, "an object with ref, label and version", mistakes)
    if section is None:
        return Pack("", "", "")
    ref = section.text(
        "ref", "lower-case letters, digits, _ and -, at least two, such as my_pack", required=True, pattern=REF
    )
    if ref in _RESERVED:
        section.refuse("ref", "a ref of your own", f"{shown(ref)}, which is Attune's own pack")
    conf_schema, config = read_parameters(section, "conf_schema"), section.mapping("config")
    if conf_schema:
        for problem in value_problems(conf_schema, config, root="config"):
            where = section.node("config")
            mistakes.append(Mistake(where.origin if where else section.origin, str(problem)))
    made = Pack(
        ref or "",
        section.text("label", required=True) or "",
        section.text("version", "a version such as 1.0.0", required=True, pattern=_SEMVER) or "",
        section.text("description", longest=4000) or "",
        conf_schema,
        config,
        tuple(text for text, _ in section.texts("tags")),
        tuple(text for text, _ in section.texts("runtime_deps")),
        section.mapping("meta"),
    )
    section.finish()
    return made


def _read_one(kind: str, node: Located, draft: Draft, mistakes: list[Mistake]) -> None:
    section = section_of(node, f"an object that describes one of the pack's {kind}", mistakes)
    if section is None:
        return
    if kind == "runtimes":
        ref = _read_runtime(section, node, draft, mistakes)
    else:
        ref = _ref(section, draft.pack.ref)
        _READERS[kind](section, ref, draft, mistakes)
        section.finish()
    if not ref:
        return
    if (kind, ref) in draft.origins:
        first = draft.origins[kind, ref].origin
        section.refuse("ref", "each ref once", f"{ref} again after {first}", origin=node.origin)
    draft.origins[kind, ref] = node


def _ref(section: Section, pack: str) -> str:
    """`ref`, or `name` behind the ref of the pack."""
    wanted = f"{pack or '<pack>'}.<name>"
    if section.node("ref") is None:
        name = section.text("name", f"a name, or ref: {wanted}", required=True, pattern=NAME)
        return f"{pack}.{name}" if pack and name else ""
    if section.node("name") is not None:
        section.refuse("name", "either name or ref", "both")
    ref = section.text("ref", wanted, pattern=rf"{REF}\.{NAME}")
    if ref and pack and not ref.startswith(f"{pack}."):
        section.refuse("ref", f"a ref of this pack, {wanted}", shown(ref))
        return ""
    return ref or ""


def _read_runtime(section: Section, node: Located, draft: Draft, mistakes: list[Mistake]) -> str:
    """The same as `attune runtime load` reads, and refused for the same reasons."""
    for key in _RUNTIME_KEYS:
        section.node(key)
    section.finish()
    value = plain(node)
    ref, name = value.get("ref"), value.get("name")
    pack = draft.pack.ref
    if not isinstance(ref, str) or (pack and not ref.startswith(f"{pack}.")):
        section.refuse("ref", f"a ref of this pack, {pack or '<pack>'}.<name>", shown(ref))
        return ""
    if not isinstance(name, str) or not name.strip():
        section.refuse("name", "a text", shown(name))
        return ""
    runtime = Runtime(
        ref,
        name,
        value.get("distributions", {}),
        pack_ref=pack,
        description=section.text("description", longest=4000),
        installation=value.get("installation"),
    )
    try:
        validate_definition(runtime)
    except DefinitionError as error:
        mistakes += [Mistake(_place(node, problem.field), str(problem)) for problem in error.problems]
    draft.runtimes.append(runtime)
    return ref


def _place(node: Located, path: str) -> str:
    """Where the field *path* of a definition is written; it may leave `distributions` out."""
    steps: list[str | int] = []
    for part in path.replace("]", "").split("."):
        name, *indexes = part.split("[")
        steps += [name, *(int(index) for index in indexes if index.isdigit())]
    top = node.value if isinstance(node.value, Mapping) else {}
    return origin_of(node, steps if steps[0] in top else ["distributions", *steps])


def read_parameters(section: Section, key: str, *, closed: bool = True) -> dict[str, Any]:
    """A JSON Schema of an object: written whole, or as its properties, each of which may say `required: true`.

    Where only properties are written, *closed* says that there are no others.
    """
    node = section.node(key)
    value = section.mapping(key)
    if node is None or not value:
        return {}
    whole = isinstance(value.get("type"), str) or isinstance(value.get("properties"), dict) or "$schema" in value
    if not whole:
        value = _from_properties(value, closed)
    schema = {"type": "object", **value}
    section.mistakes.extend(schema_mistakes(node, section.at(key), schema, () if whole else ("properties",)))
    if schema["type"] != "object":
        section.refuse(f"{key}.type", "object", shown(schema["type"]))
    return schema


def _from_properties(value: dict[str, Any], closed: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    needed = []
    for name, schema in value.items():
        properties[name] = schema
        if isinstance(schema, dict) and isinstance(schema.get("required"), bool):
            properties[name] = {key: below for key, below in schema.items() if key != "required"}
            if schema["required"]:
                needed.append(name)
    made: dict[str, Any] = {"properties": properties}
    if closed:
        made["additionalProperties"] = False
    return {**made, "required": needed} if needed else made


def _read_trigger(section: Section, ref: str, draft: Draft, mistakes: list[Mistake]) -> None:
    made = TriggerDefinition(
        ref,
        section.text("label", required=True) or "",
        section.text("description", longest=4000) or "",
        section.flag("enabled", True),
        read_parameters(section, "parameters"),
        read_parameters(section, "payload", closed=False) or None,
    )
    draft.triggers.append(made)


def _read_rule(section: Section, ref: str, draft: Draft, mistakes: list[Mistake]) -> None:
    conditions = _conditions(section)
    draft.expressions += conditions
    node = section.node("parameters")
    parameters = section.mapping("parameters")
    if node is not None:
        _collect_templates(node, section.at("parameters"), draft, mistakes)
    made = RuleDefinition(
        ref,
        section.text("label", required=True) or "",
        section.text("trigger", "the ref of a trigger", required=True) or "",
        section.text("action", "the ref of an action", required=True) or "",
        section.text("description", longest=4000) or "",
        section.flag("enabled", True),
        tuple(one.text for one in conditions),
        parameters,
    )
    draft.rules.append(made)


def _conditions(section: Section) -> list[WrittenExpression]:
    """`when`, or `criteria`: an expression, or a list of expressions that must all hold."""
    key = "when" if section.node("when") is not None or section.node("criteria") is None else "criteria"
    if key == "when" and section.node("criteria") is not None:
        section.refuse("criteria", "either when or criteria", "both")
    node = section.node(key)
    if node is None:
        return []
    if isinstance(node.value, str) and node.value.strip():
        return [WrittenExpression(node.value, node.origin, section.at(key))]
    found = section.texts(key, "an expression, or a list of expressions that must all hold")
    return [
        WrittenExpression(text, origin, f"{section.at(key)}[{index}]") for index, (text, origin) in enumerate(found)
    ]


def _collect_templates(node: Located, path: str, draft: Draft, mistakes: list[Mistake]) -> None:
    if isinstance(node.value, Mapping):
        for key, below in node.value.items():
            _collect_templates(below, f"{path}.{key}", draft, mistakes)
    elif isinstance(node.value, tuple):
        for index, below in enumerate(node.value):
            _collect_templates(below, f"{path}[{index}]", draft, mistakes)
    elif isinstance(node.value, str):
        try:
            found = parts_of(node.value)
        except TemplateError as error:
            mistakes.append(Mistake(node.origin, f"{path}: {error}"))
            return
        draft.expressions += [
            WrittenExpression(part.text, node.origin, path) for part in found if isinstance(part, Expression)
        ]


def _read_action(section: Section, ref: str, draft: Draft, mistakes: list[Mistake]) -> None:
    draft.actions.append(
        read_action(section, ref, draft.pack.ref, read_parameters(section, "parameters"), _output(section))
    )


def _output(section: Section) -> dict[str, Any] | None:
    return read_parameters(section, "output", closed=False) or None


def _read_sensor(section: Section, ref: str, draft: Draft, mistakes: list[Mistake]) -> None:
    draft.sensors.append(read_sensor(section, ref, read_parameters(section, "parameters")))


_READERS = {"triggers": _read_trigger, "rules": _read_rule, "actions": _read_action, "sensors": _read_sensor}
