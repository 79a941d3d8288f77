"""Actions and sensors as a pack's documents describe them: what is run, with what, on which nodes."""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from attune.core.documents import Section
from attune.core.errors import RequirementError, VersionError, shown
from attune.core.executions.action import Action, Delivery, OnLost, requirement_of_action
from attune.core.executions.delivery import name_faults
from attune.core.executions.execution import LEAST_PRIORITY, MOST_PRIORITY
from attune.core.json_schema import schema_problems
from attune.core.matching.requirement import Preference
from attune.core.packs.pack import SensorDefinition
from attune.core.runtimes.constraint import Constraint

PRIORITIES = (LEAST_PRIORITY, MOST_PRIORITY)
LONGEST_SECONDS = 366 * 86_400.0
LONGEST_GRACE = 3600.0
_MOST_RETRIES = 1000
_MOST_AT_ONCE = 1_000_000


def read_action(section: Section, ref: str, pack: str) -> Action:
    """The action that *section* describes; its runtime, a ref or a capability name as written, is not resolved."""
    runtime, version = _runtime(section)
    timeout = section.seconds("timeout", 0.01, LONGEST_SECONDS)
    delay = section.seconds("retry_delay", 0, LONGEST_SECONDS)
    delay = 1.0 if delay is None else delay
    longest = section.seconds("retry_max_delay", 0, LONGEST_SECONDS)
    action = Action(
        ref=ref,
        pack_ref=pack,
        label=read_label(section, ref),
        entrypoint=_inside(section, "entry_point", "a file beside this one", required=True) or "",
        description=section.text("description", longest=4000) or "",
        runtime_ref=runtime,
        version_constraint=version,
        requires=_requires(section),
        prefers=_terms(section, "prefers", "a list of terms such as 'zone=eu *5'", Preference.parse),
        interpreter_args=section.texts("interpreter_args"),
        param_schema=read_parameters(section, "parameters"),
        out_schema=read_parameters(section, "output", closed=False) or None,
        delivery=section.choice("delivery", Delivery, Delivery.STDIN),
        timeout_seconds=timeout,
        retries=section.integer("retries", 0, (0, _MOST_RETRIES), what="a whole number"),
        retry_delay_seconds=delay,
        retry_max_delay_seconds=max(delay, 300.0 if longest is None else longest),
        grace_seconds=section.seconds("grace", 0, LONGEST_GRACE),
        on_lost=section.choice("on_lost", OnLost, OnLost.RETRY),
        result_file=_inside(section, "result_file", "a file in the working directory"),
        priority=read_number(section, "priority", PRIORITIES),
        concurrency=read_number(section, "concurrency", (1, _MOST_AT_ONCE)),
    )
    names = action.param_schema.get("properties", {}).keys() - action.secrets
    for fault in name_faults(action.delivery, sorted(names), "parameters"):
        section.refuse("parameters", fault.expected, f"{fault.got} ({fault.field})")
    return action


def read_sensor(section: Section, ref: str) -> SensorDefinition:
    """The sensor that *section* describes; its runtime is as written."""
    runtime, version = _runtime(section, required=True)
    return SensorDefinition(
        ref=ref,
        label=read_label(section, ref),
        entrypoint=_inside(section, "entry_point", "a file beside this one", required=True) or "",
        runtime_ref=runtime or "",
        trigger_ref=section.text("trigger", "the ref of a trigger", required=True) or "",
        description=section.text("description", longest=4000) or "",
        enabled=section.flag("enabled", True),
        param_schema=read_parameters(section, "parameters"),
        config=section.mapping("config"),
        version_constraint=version,
        requires=_requires(section),
        interpreter_args=section.texts("interpreter_args"),
    )


def read_label(section: Section, ref: str) -> str:
    """What people call it: `label`, or the end of *ref* as words."""
    return section.text("label") or ref.rpartition(".")[2].replace("_", " ").replace("-", " ").capitalize()


def read_number(section: Section, key: str, bounds: tuple[int, int]) -> int | None:
    """A whole number within *bounds*, None where it is not given."""
    return None if section.node(key) is None else section.integer(key, bounds[0], bounds, what="a whole number")


def read_parameters(section: Section, key: str, *, closed: bool = True) -> dict[str, Any]:
    """A JSON Schema of an object, written whole or as its properties (`required: true`), *closed* or not."""
    node = section.node(key)
    value = section.mapping(key)
    if node is None or not value:
        return {}
    whole = isinstance(value.get("type"), str) or isinstance(value.get("properties"), dict) or "$schema" in value
    if not whole:
        value = {"properties": value, **({"additionalProperties": False} if closed else {})}
    value = _with_required(value)
    schema = {"type": "object", **value}
    section.faults.extend(schema_problems(schema, section.at(key), node, skip=0 if whole else 1))
    if schema["type"] != "object":
        section.refuse(f"{key}.type", "object", shown(schema["type"]))
    return schema


def _with_required(schema: dict[str, Any]) -> dict[str, Any]:
    """*schema*, whose properties may say `required: true` themselves, and `immutable: true` of their default."""
    needed = list(listed) if isinstance(listed := schema.get("required", []), list) else []
    properties = schema.get("properties", {})
    for name, below in list(properties.items()) if isinstance(properties, dict) else []:
        if isinstance(below, dict) and isinstance(below.get("required"), bool):
            properties[name] = {key: value for key, value in below.items() if key != "required"}
            needed += [name] if below["required"] and name not in needed else []
        if isinstance(below, dict) and below.get("immutable") is True and "default" in below:
            properties[name] = {**properties[name], "const": below["default"]}
    return {**schema, "required": needed} if needed else schema


def _runtime(section: Section, *, required: bool = False) -> tuple[str | None, str | None]:
    runtime = section.text("runtime", "a runtime such as python, or its ref", required=required)
    version = section.text("runtime_version", "a version constraint such as '>=3.9,<4'")
    if version is not None and section.node("runtime") is None:
        section.refuse("runtime_version", "a runtime that it is about", "none")
    try:
        Constraint.parse(version or "*")
    except VersionError as error:
        section.refuse("runtime_version", "a version constraint such as '>=3.9,<4'", f"{shown(version)}: {error}")
        version = None
    return runtime, version


def _requires(section: Section) -> tuple[str, ...]:
    """Terms, each readable, and together not contradicting."""
    example = "a list of terms such as 'python >=3.9'"
    terms = _terms(section, "requires", example, lambda text: requirement_of_action([text]))
    try:
        requirement_of_action(terms)
    except RequirementError as error:
        section.refuse("requires", *_expected_and_got(error))
    return terms


def _terms(section: Section, key: str, expected: str, parse: Callable[[str], object]) -> tuple[str, ...]:
    """The texts of a list that *parse* can read."""
    terms = []
    for path, node in section.text_nodes(key, expected):
        try:
            parse(node.value)
            terms.append(node.value)
        except RequirementError as error:
            section.refuse_node(path, node, *_expected_and_got(error))
    return tuple(terms)


def _expected_and_got(error: RequirementError) -> tuple[str, str]:
    """What a sentence needs, with a caret below it where the term cannot be read."""
    caret = "".join(f"\n      {line}" for line in error.caret.splitlines())
    return f"{error.expected} at offset {error.position}", f"{error.got}{caret}"


def _inside(section: Section, key: str, expected: str, *, required: bool = False) -> str | None:
    """A relative path that does not lead out of its folder."""
    text = section.text(key, expected, required=required, longest=255)
    if text is None:
        return None
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or text.endswith("/") or "\\" in text or not path.parts:
        section.refuse(key, f"{expected}, without .. and not absolute", shown(text))
        return None
    return str(path)
