"""Holds a pack against itself and against its installation: everything that is named must be there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from attune.core.errors import RequirementError, shown
from attune.core.events.template import TemplateError, expressions_in
from attune.core.executions.action import Action
from attune.core.json_schema import value_problems
from attune.core.packs.files import PackFile
from attune.core.packs.pack import Known, Pack, RuleDefinition, SensorDefinition
from attune.core.packs.reader import Draft
from attune.core.packs.work_reader import ActionDraft, SensorDraft
from attune.core.positions import Located, Mistake, origin_of
from attune.core.runtimes.aliases import fold, nearest
from attune.core.runtimes.definition import capability_name
from attune.core.sensors.builtin import BUILTIN_NAMES, parse_builtin
from attune.core.sensors.sensor import BUILTIN_RUNTIME

Files = Mapping[str, PackFile]


def resolve(draft: Draft, files: Files, known: Known, mistakes: list[Mistake]) -> Pack:
    """The pack of *draft*, whose *files* are by path; what refers to nothing is added to *mistakes*."""
    runtimes = {**known.runtimes, **{one.ref: capability_name(one) for one in draft.runtimes}}
    triggers = {*known.triggers, *(one.ref for one in draft.triggers)}
    actions = [_action(one, runtimes, files, draft.pack.ref, mistakes) for one in draft.actions]
    schemas = {**known.actions, **{one.ref: one.param_schema for one in actions}}
    for rule in draft.rules:
        _check_rule(rule, draft.origins.get(("rules", rule.ref)), triggers, schemas, mistakes)
    return replace(
        draft.pack,
        runtimes=tuple(draft.runtimes),
        actions=tuple(actions),
        triggers=tuple(draft.triggers),
        sensors=tuple(_sensor(one, runtimes, triggers, files, draft.pack.ref, mistakes) for one in draft.sensors),
        rules=tuple(draft.rules),
    )


def find_runtime(written: str, runtimes: Mapping[str, str], pack: str) -> str | None:
    """The ref that *written* (a ref or a capability name) means: the pack's own first, then the core pack's."""
    if written in runtimes:
        return written
    offered = sorted(ref for ref, name in runtimes.items() if name == fold(written))
    ranks = (f"{pack}.", "core.")
    return min(offered, key=lambda ref: ([not ref.startswith(rank) for rank in ranks], ref), default=None)


def _runtime(
    written: str | None, origins: Mapping[str, str], runtimes: Mapping[str, str], pack: str, mistakes: list[Mistake]
) -> str | None:
    if written is None:
        return None
    found = find_runtime(written, runtimes, pack)
    if found is None:
        names = sorted({*runtimes, *runtimes.values()})
        mistakes.append(Mistake(origins["runtime"], _missing("runtime", "a runtime", written, names)))
    return found


def _missing(field: str, expected: str, written: str, known: Collection[str]) -> str:
    near = nearest(written, known)
    meant = f"did you mean {near}?" if near else "which neither the pack nor the installation has"
    return f"{field}: expected {expected} that exists, got {shown(written)}, {meant}"


def _action(
    draft: ActionDraft, runtimes: Mapping[str, str], files: Files, pack: str, mistakes: list[Mistake]
) -> Action:
    action = draft.action
    ref = _runtime(draft.runtime, draft.origins, runtimes, pack, mistakes)
    _check_file("actions", action.entrypoint, draft.origins, files, mistakes, alone=draft.runtime is None)
    made = replace(action, runtime_ref=ref, runtime=runtimes[ref] if ref else None)
    _check_requirement(made, draft.origins, mistakes)
    return made


def _check_requirement(action: Action, origins: Mapping[str, str], mistakes: list[Mistake]) -> None:
    """The runtime and the terms together: `runtime: python` with `!python` can never run."""
    try:
        _ = action.requirement
    except RequirementError as error:
        text = f"requires: expected terms that agree with the runtime, got this: {error}"
        mistakes.append(Mistake(origins.get("runtime", origins[""]), text))


def _sensor(
    draft: SensorDraft,
    runtimes: Mapping[str, str],
    triggers: Collection[str],
    files: Files,
    pack: str,
    mistakes: list[Mistake],
) -> SensorDefinition:
    sensor = draft.sensor
    ref = _runtime(draft.runtime, draft.origins, runtimes, pack, mistakes)
    if sensor.trigger_ref and sensor.trigger_ref not in triggers:
        mistakes.append(
            Mistake(draft.origins["trigger"], _missing("trigger", "a trigger", sensor.trigger_ref, triggers))
        )
    if ref == BUILTIN_RUNTIME:
        _check_builtin(sensor, draft.origins, mistakes)
    else:
        _check_file("sensors", sensor.entrypoint, draft.origins, files, mistakes, alone=False)
        if sensor.param_schema:
            found = value_problems(sensor.param_schema, sensor.config, root="config")
            mistakes += [Mistake(draft.origins.get("config", draft.origins[""]), str(one)) for one in found]
    return replace(sensor, runtime_ref=ref or "")


def _check_builtin(sensor: SensorDefinition, origins: Mapping[str, str], mistakes: list[Mistake]) -> None:
    if sensor.entrypoint not in BUILTIN_NAMES:
        if sensor.entrypoint:
            text = _missing("entry_point", "a built-in sensor", sensor.entrypoint, BUILTIN_NAMES)
            mistakes.append(Mistake(origins["entry_point"], text))
        return
    _, problems = parse_builtin(sensor.entrypoint, sensor.config)
    mistakes += [Mistake(origins.get("config", origins[""]), f"config.{problem}") for problem in problems]


def _check_file(
    folder: str, name: str, origins: Mapping[str, str], files: Files, mistakes: list[Mistake], *, alone: bool
) -> None:
    if not name:
        return
    path = f"{folder}/{name}"
    file = files.get(path)
    origin = origins["entry_point"]
    if file is None:
        near = nearest(
            path, [one for one in files if one.startswith(f"{folder}/") and not one.endswith((".yaml", ".yml"))]
        )
        meant = f"; did you mean {near[len(folder) + 1 :]}?" if near else ""
        text = f"entry_point: expected a file of the pack, got {path}, which is not there{meant}"
        mistakes.append(Mistake(origin, text))
    elif alone and not file.executable:
        text = f"entry_point: expected an executable file, for there is no runtime, got {path}, which is not (chmod +x)"
        mistakes.append(Mistake(origin, text))


def _check_rule(
    rule: RuleDefinition,
    node: Located | None,
    triggers: Collection[str],
    actions: Mapping[str, Mapping[str, Any]],
    mistakes: list[Mistake],
) -> None:
    if node is None:
        return
    if rule.trigger_ref and rule.trigger_ref not in triggers:
        text = _missing("trigger", "a trigger", rule.trigger_ref, triggers)
        mistakes.append(Mistake(origin_of(node, ["trigger"]), text))
    if rule.action_ref and rule.action_ref not in actions:
        text = _missing("action", "an action", rule.action_ref, actions)
        mistakes.append(Mistake(origin_of(node, ["action"]), text))
    elif rule.action_ref:
        mistakes += _parameter_mistakes(rule, node, actions[rule.action_ref])


def _parameter_mistakes(rule: RuleDefinition, node: Located, schema: Mapping[str, Any]) -> list[Mistake]:
    """What the action will not take, as far as that does not depend on templates."""
    if not schema:
        return []
    properties = schema.get("properties", {})
    templated = {key: True for key, value in rule.action_params.items() if key in properties and _has_template(value)}
    found = value_problems({**schema, "properties": {**properties, **templated}}, rule.action_params, root="parameters")
    return [Mistake(origin_of(node, one.field.split("[")[0].split(".")), str(one)) for one in found]


def _has_template(value: Any) -> bool:
    try:
        return next(expressions_in(value), None) is not None
    except TemplateError:
        return True
