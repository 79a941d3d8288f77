"""What follows an event: which rules fire, with which parameters. Expressions are evaluated elsewhere, beforehand."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from attune.core.access.secrets import parameter_faults, reference_in
from attune.core.errors import shown
from attune.core.events.expression import Evaluated
from attune.core.events.template import EARLIER_OPEN, OPEN, TemplateError, expressions_in, rendered
from attune.core.pattern import PatternError, compile_pattern


class Overlap(StrEnum):
    """What a rule does with an event while one of its executions has not ended."""

    QUEUE = "queue"
    SKIP = "skip"


VARIABLES = frozenset({"payload", "event", "pack"})
"""The names that expressions know: the event's payload; the event (`payload`, `trigger`, `source`); the rule's pack
(`ref`, `config`).
"""

_MISSING = object()
_PATH = re.compile(r"[A-Za-z_]\w*(\.[\w-]+)*")
_OF_EVENT = re.compile(r"\b(payload|event|trigger)\b")


@dataclass(frozen=True, slots=True)
class BreakerState:
    """How often in a row a rule went over its limit; `paused` says why it is not evaluated any more."""

    overruns: int = 0
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of table `rule`, read; conditions are expressions, or objects as earlier versions wrote them."""

    id: int
    ref: str
    action_ref: str
    trigger_ref: str
    conditions: tuple[Any, ...] = ()
    action_params: Mapping[str, Any] = field(default_factory=dict)
    param_schema: Mapping[str, Any] = field(default_factory=dict)
    pack_ref: str = ""
    pack_config: Mapping[str, Any] = field(default_factory=dict)
    opening: str = OPEN
    breaker: BreakerState = BreakerState()
    updated: datetime | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a rule fires. `problem` says why it could not be evaluated, `warnings` what its templates lacked."""

    fires: bool
    parameters: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
    warnings: tuple[str, ...] = ()


def condition_texts(rule: Rule) -> list[str]:
    """The expressions that decide whether *rule* fires."""
    return [condition for condition in rule.conditions if isinstance(condition, str)]


def parameter_texts(rule: Rule) -> list[str]:
    """The expressions in the parameters of *rule*; none where a template does not end."""
    try:
        return [text for text in expressions_in(rule.action_params, rule.opening) if not _is_path(rule, text)]
    except TemplateError:
        return []


def judge_conditions(rule: Rule, payload: Any, evaluated: Mapping[str, Evaluated]) -> Decision:
    """Whether all conditions hold: in their order, and the first that does not decides."""
    for index, condition in enumerate(rule.conditions):
        try:
            if not (_truth(condition, evaluated) if isinstance(condition, str) else _legacy(condition, payload)):
                return Decision(False)
        except _NoValueError as error:
            return Decision(False, problem=f"conditions[{index}]: {error}")
    return Decision(True)


def _is_path(rule: Rule, text: str) -> bool:
    """Whether *text* is a path as rules of earlier versions write it: `trigger.payload.tags.0`."""
    return rule.opening == EARLIER_OPEN and _PATH.fullmatch(text) is not None


def fill_parameters(rule: Rule, evaluated: Mapping[str, Evaluated], variables: Mapping[str, Any]) -> Decision:
    """The parameters of the execution that *rule* asks for. A path that leads nowhere is null, with a warning."""
    missing: dict[str, None] = {}

    def value_of(text: str) -> Any:
        if not _is_path(rule, text):
            return _value(text, evaluated)
        if (value := _at(variables, text.split("."))) is _MISSING:
            missing[text] = value = None
        return value

    try:
        parameters = rendered(rule.action_params, value_of, rule.opening)
    except (TemplateError, _NoValueError) as error:
        return Decision(False, problem=f"parameters: {error}")
    problems = [*_foreign_references(rule, parameters), *parameter_faults(rule.param_schema, parameters)]
    if problems:
        return Decision(False, problem="; ".join(map(str, problems)))
    return Decision(
        True, parameters, warnings=tuple(f"{{{{ {text} }}}} is not there, so it is null" for text in missing)
    )


def _foreign_references(rule: Rule, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Parameters in which an event names a secret: only the rule and its pack decide who is given which."""
    for name, value in parameters.items():
        written = rule.action_params[name]
        if reference_in(value) is not None and value != written and _OF_EVENT.search(str(written)):
            yield f"parameters.{name}: expected a value from the event, got a reference to a secret"


class _NoValueError(ValueError):
    pass


def _value(text: str, evaluated: Mapping[str, Evaluated]) -> Any:
    result = evaluated[text]
    if result.problem is not None:
        raise _NoValueError(f"{shown(text)}: {result.problem}")
    return result.value


def _truth(text: str, evaluated: Mapping[str, Evaluated]) -> bool:
    value = _value(text, evaluated)
    if not isinstance(value, bool):
        raise _NoValueError(f"{shown(text)}: expected true or false, got {shown(value)}")
    return value


def _legacy(condition: Any, payload: Any) -> bool:
    """A condition as an object: what is said of a field that the payload lacks does not hold."""
    if not isinstance(condition, Mapping) or not isinstance(condition.get("field"), str):
        raise _NoValueError(
            f"expected an expression or an object with field, operator and value, got {shown(condition)}"
        )
    operator = str(condition.get("operator", "equals")).lower()
    compare = _OPERATORS.get(_SYNONYMS.get(operator, operator))
    if compare is None:
        raise _NoValueError(f"operator: expected one of {', '.join(sorted(_OPERATORS))}, got {shown(operator)}")
    field = re.sub(r"^(\$\.)?((event|trigger)\.)?payload\.", "", condition["field"])  # it may say where to look
    value = _at(payload, field.removeprefix("$.").split("."))
    try:
        return compare(value, condition.get("value"))
    except TypeError:
        return False  # a number is neither more nor less than a text


def _at(value: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value


def _same(value: Any, wanted: Any) -> bool:
    """Equal, and true is not 1."""
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _matches(value: Any, wanted: Any) -> bool:
    try:
        return isinstance(value, str) and bool(compile_pattern(str(wanted)).search(value))
    except PatternError:
        return False


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: value is not _MISSING and not isinstance(value, bool) and compare(value, wanted)


def _contains(value: Any, wanted: Any) -> bool:
    if isinstance(value, str):
        return isinstance(wanted, str) and wanted in value
    return isinstance(value, list | Mapping) and wanted in value


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": _same,
    "not_equals": lambda value, wanted: not _same(value, wanted),
    "contains": _contains,
    "not_contains": lambda value, wanted: not _contains(value, wanted),
    "starts_with": lambda value, wanted: isinstance(value, str) and value.startswith(wanted),
    "ends_with": lambda value, wanted: isinstance(value, str) and value.endswith(wanted),
    "greater_than": _ordered(lambda value, wanted: value > wanted),
    "greater_than_or_equal": _ordered(lambda value, wanted: value >= wanted),
    "less_than": _ordered(lambda value, wanted: value < wanted),
    "less_than_or_equal": _ordered(lambda value, wanted: value <= wanted),
    "in": lambda value, wanted: isinstance(wanted, list) and any(_same(value, option) for option in wanted),
    "not_in": lambda value, wanted: isinstance(wanted, list) and not any(_same(value, option) for option in wanted),
    "matches": _matches,
    "exists": lambda value, wanted: (value is not _MISSING) == (wanted is not False),
}
_SYNONYMS = {
    **{"==": "equals", "=": "equals", "eq": "equals", "!=": "not_equals", "ne": "not_equals"},
    **{">": "greater_than", "gt": "greater_than", ">=": "greater_than_or_equal", "gte": "greater_than_or_equal"},
    **{"<": "less_than", "lt": "less_than", "<=": "less_than_or_equal", "lte": "less_than_or_equal"},
    **{"regex": "matches", "startswith": "starts_with", "endswith": "ends_with"},
}


@dataclass(frozen=True, slots=True)
class Firing:
    """An execution that a rule asks for; `enforcement` is the id of its row, `secrets` are names of parameters."""

    action_ref: str
    parameters: Mapping[str, Any]
    enforcement: int
    secrets: frozenset[str] = frozenset()
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class NewEnforcement:
    """What a rule makes of an event: parameters for its action, or the `reason` why it cannot."""

    rule: Rule
    event: int
    trigger_ref: str
    payload: Mapping[str, Any]
    parameters: Mapping[str, Any]
    reason: str | None = None
