"""Holds a pack against itself and against its installation: everything that is named must be there."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from attune.core.documents import Section
from attune.core.errors import Fault, RequirementError, shown
from attune.core.events.template import OPEN
from attune.core.executions.action import Action
from attune.core.json_schema import value_problems
from attune.core.packs.pack import Known, Pack, PackFile, RuleDefinition, SensorDefinition
from attune.core.packs.reader import Draft
from attune.core.runtimes.aliases import fold, nearest
from attune.core.runtimes.definition import capability_name
from attune.core.sensors.builtin import BUILTIN_NAMES, parse_builtin
from attune.core.sensors.sensor import BUILTIN_RUNTIME

Files = Mapping[str, PackFile]


def resolve(draft: Draft, files: Files, known: Known, faults: list[Fault]) -> Pack:
    """The pack of *draft*, whose *files* are by path; what refers to nothing is added to *faults*."""
    runtimes = {**known.runtimes, **{runtime.ref: capability_name(runtime) for runtime in draft.runtimes}}
    triggers = {*known.triggers, *(trigger.ref for trigger in draft.triggers)}
    actions = [_action(*written, runtimes, files) for written in draft.actions]
    schemas = {**known.actions, **{action.ref: action.param_schema for action in actions}}
    for rule, section in draft.rules:
        _check_rule(rule, section, triggers, schemas)
    return replace(
        draft.pack,
        runtimes=tuple(draft.runtimes),
        actions=tuple(actions),
        triggers=tuple(draft.triggers),
        sensors=tuple(_sensor(*written, runtimes, triggers, files) for written in draft.sensors),
        rules=tuple(rule for rule, _ in draft.rules),
    )


def find_runtime(written: str, runtimes: Mapping[str, str], pack: str) -> str | None:
    """The ref that *written* (a ref or a capability name) means: the pack's own first, then the core pack's."""
    if written in runtimes:
        return written
    offered = sorted(ref for ref, name in runtimes.items() if name == fold(written))
    ranks = (f"{pack}.", "core.")
    return min(offered, key=lambda ref: ([not ref.startswith(rank) for rank in ranks], ref), default=None)


def _refuse_missing(section: Section, key: str, expected: str, written: str, known: Collection[str]) -> None:
    near = nearest(written, known)
    meant = f"did you mean {near}?" if near else "which neither the pack nor the installation has"
    section.refuse(key, f"{expected} that exists", f"{shown(written)}, {meant}")


def _runtime(work: Action | SensorDefinition, section: Section, runtimes: Mapping[str, str]) -> str | None:
    ref = find_runtime(work.runtime_ref, runtimes, work.ref.partition(".")[0]) if work.runtime_ref else None
    if work.runtime_ref and ref is None:
        _refuse_missing(section, "runtime", "a runtime", work.runtime_ref, sorted({*runtimes, *runtimes.values()}))
    return ref


def _action(work: Action, section: Section, runtimes: Mapping[str, str], files: Files) -> Action:
    ref = _runtime(work, section, runtimes)
    _check_file("actions", work.entrypoint, section, files, alone=work.runtime_ref is None)
    action = replace(work, runtime_ref=ref, runtime=runtimes[ref] if ref else None)
    try:
        _ = action.requirement
    except RequirementError as error:  # `runtime: python` with `!python` can never run
        where = (section.node("runtime") or section).position
        section.refuse("requires", "terms that agree with the runtime", f"this: {error}", position=where)
    return action


def _sensor(
    sensor: SensorDefinition, section: Section, runtimes: Mapping[str, str], triggers: Collection[str], files: Files
) -> SensorDefinition:
    ref = _runtime(sensor, section, runtimes)
    if sensor.trigger_ref and sensor.trigger_ref not in triggers:
        _refuse_missing(section, "trigger", "a trigger", sensor.trigger_ref, triggers)
    if ref == BUILTIN_RUNTIME:
        if sensor.entrypoint in BUILTIN_NAMES:
            section.faults += parse_builtin(sensor.entrypoint, section.object_node("config"), "config")[1]
        elif sensor.entrypoint:
            _refuse_missing(section, "entry_point", "a built-in sensor", sensor.entrypoint, BUILTIN_NAMES)
    else:
        _check_file("sensors", sensor.entrypoint, section, files, alone=False)
        if sensor.param_schema:
            config = section.object_node("config")
            section.faults += value_problems(sensor.param_schema, sensor.config, root="config", document=config)
    return replace(sensor, runtime_ref=ref or "")


def _check_file(folder: str, name: str, section: Section, files: Files, *, alone: bool) -> None:
    if not name:
        return
    path = f"{folder}/{name}"
    if (file := files.get(path)) is None:
        beside = [other for other in files if other.startswith(f"{folder}/") and not other.endswith((".yaml", ".yml"))]
        near = nearest(path, beside)
        meant = f"; did you mean {near[len(folder) + 1 :]}?" if near else ""
        section.refuse("entry_point", "a file of the pack", f"{path}, which is not there{meant}")
    elif alone and not file.executable:
        got = f"{path}, which is not (chmod +x)"
        section.refuse("entry_point", "an executable file, for there is no runtime", got)


def _check_rule(
    rule: RuleDefinition, section: Section, triggers: Collection[str], actions: Mapping[str, Mapping[str, Any]]
) -> None:
    if rule.trigger_ref and rule.trigger_ref not in triggers:
        _refuse_missing(section, "trigger", "a trigger", rule.trigger_ref, triggers)
    if rule.action_ref and rule.action_ref not in actions:
        _refuse_missing(section, "action", "an action", rule.action_ref, actions)
    elif rule.action_ref:
        _check_parameters(rule, section, actions[rule.action_ref])


def _check_parameters(rule: RuleDefinition, section: Section, schema: Mapping[str, Any]) -> None:
    """Refuse what the action will not take, as far as that does not depend on templates."""
    if not schema:
        return
    properties = schema.get("properties", {})
    templated = {key: True for key, value in rule.action_params.items() if key in properties and OPEN in str(value)}
    open_schema = {**schema, "properties": {**properties, **templated}}
    written = section.object_node("parameters")
    section.faults += value_problems(open_schema, rule.action_params, root="parameters", document=written)
