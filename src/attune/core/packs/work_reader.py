"""Actions and sensors as a pack's documents describe them: what is run, with what, on which nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from attune.core.errors import RequirementError, VersionError, shown
from attune.core.executions.action import Action, Delivery, OnLost, requirement_of_action
from attune.core.matching.requirement import Preference
from attune.core.packs.pack import SensorDefinition
from attune.core.positions import Mistake, Section
from attune.core.runtimes.constraint import Constraint

_LONGEST_RUN = 366 * 86_400.0
_MOST_RETRIES = 1000


@dataclass(frozen=True, slots=True)
class ActionDraft:
    """An action whose runtime is not resolved: `runtime` is what was written, a ref or a capability name."""

    action: Action
    runtime: str | None
    origins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SensorDraft:
    """A sensor whose runtime and trigger are not resolved."""

    sensor: SensorDefinition
    runtime: str | None
    origins: Mapping[str, str] = field(default_factory=dict)


def read_action(
    section: Section, ref: str, pack: str, param_schema: dict[str, Any], out_schema: dict[str, Any] | None
) -> ActionDraft:
    """The action that *section* describes."""
    runtime, version = _runtime(section)
    timeout = section.seconds("timeout", lowest=0.01, highest=_LONGEST_RUN)
    delay = section.seconds("retry_delay", lowest=0, highest=_LONGEST_RUN)
    action = Action(
        ref,
        pack,
        section.text("label", required=True) or "",
        _entry_point(section),
        section.text("description", longest=4000) or "",
        version_constraint=version,
        requires=_requires(section, runtime),
        prefers=_prefers(section),
        interpreter_args=tuple(text for text, _ in section.texts("interpreter_args")),
        param_schema=param_schema,
        out_schema=out_schema,
        delivery=section.choice("delivery", Delivery, Delivery.STDIN),
        timeout_seconds=timeout,
        retries=section.whole("retries", 0, _MOST_RETRIES),
        retry_delay_seconds=1.0 if delay is None else delay,
        on_lost=section.choice("on_lost", OnLost, OnLost.RETRY),
        result_file=_inside(section, "result_file", "a file in the working directory"),
    )
    return ActionDraft(action, runtime, _origins(section))


def read_sensor(section: Section, ref: str, param_schema: dict[str, Any]) -> SensorDraft:
    """The sensor that *section* describes."""
    runtime, version = _runtime(section, required=True)
    sensor = SensorDefinition(
        ref,
        section.text("label", required=True) or "",
        _entry_point(section),
        "",
        section.text("trigger", "the ref of a trigger", required=True) or "",
        section.text("description", longest=4000) or "",
        section.flag("enabled", True),
        param_schema,
        section.mapping("config"),
        version,
        _requires(section, runtime),
        tuple(text for text, _ in section.texts("interpreter_args")),
    )
    return SensorDraft(sensor, runtime, _origins(section))


def _origins(section: Section) -> dict[str, str]:
    found = {key: node.origin for key in ("runtime", "trigger", "entry_point", "config") if (node := section.node(key))}
    return {"": section.origin, **found}


def _runtime(section: Section, *, required: bool = False) -> tuple[str | None, str | None]:
    runtime = section.text("runtime", "a runtime such as python, or its ref", required=required)
    version = section.text("runtime_version", "a version constraint such as '>=3.9,<4'")
    if version is None:
        return runtime, None
    if runtime is None and section.node("runtime") is None:
        section.refuse("runtime_version", "a runtime that it is about", "none")
        return runtime, None
    try:
        Constraint.parse(version)
    except VersionError as error:
        section.refuse("runtime_version", "a version constraint such as '>=3.9,<4'", f"{shown(version)}: {error}")
        return runtime, None
    return runtime, version


def _requires(section: Section, runtime: str | None) -> tuple[str, ...]:
    """Terms, each readable, and together not contradicting."""
    kept = []
    for index, (text, origin) in enumerate(section.texts("requires", "a list of terms such as 'python >=3.9'")):
        try:
            requirement_of_action([text])
            kept.append(text)
        except RequirementError as error:
            section.mistakes.append(Mistake(origin, _said(f"{section.at('requires')}[{index}]", error)))
    try:
        requirement_of_action(kept)
    except RequirementError as error:
        node = section.node("requires")
        section.mistakes.append(Mistake(node.origin if node else section.origin, _said(section.at("requires"), error)))
    return tuple(kept)


def _prefers(section: Section) -> tuple[str, ...]:
    kept = []
    for index, (text, origin) in enumerate(section.texts("prefers", "a list of terms such as 'zone=eu *5'")):
        try:
            Preference.parse(text)
            kept.append(text)
        except RequirementError as error:
            section.mistakes.append(Mistake(origin, _said(f"{section.at('prefers')}[{index}]", error)))
    return tuple(kept)


def _said(path: str, error: RequirementError) -> str:
    """The sentence, and under the term a caret where it cannot be read."""
    caret = "".join(f"\n      {line}" for line in error.caret.splitlines())
    return f"{path}: expected {error.expected} at offset {error.position}, got {error.got}{caret}"


def _entry_point(section: Section) -> str:
    return _inside(section, "entry_point", "a file beside this one", required=True) or ""


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
