"""Records events and does what their rules say, in the transaction of whoever brings them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from attune.core.access.secrets import HIDDEN
from attune.core.errors import AttuneError, DatabaseError, shown
from attune.core.events.circuit_breaker import EVENT_SECONDS, LEAST_SECONDS, RULE_SECONDS, CircuitBreaker
from attune.core.events.event import Trigger
from attune.core.events.expression import Evaluated
from attune.core.events.rule import (
    Decision,
    Firing,
    NewEnforcement,
    Rule,
    condition_texts,
    fill_parameters,
    judge_conditions,
    parameter_texts,
)
from attune.core.json_schema import secret_names, value_problems
from attune.core.ports.events import EventTables, Expressions
from attune.core.runtimes.aliases import did_you_mean
from attune.core.sensors.event_line import NewEvent

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event's id and executions, or why it was refused; `problems` of rules begin with the ref of their rule."""

    event: int | None
    refusal: str | None = None
    executions: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reaction(Generic[C]):
    """Events in, executions out, in the transaction of a connection: `create` makes one, its `UsageError`s are told."""

    tables: Callable[[C], EventTables]
    expressions: Expressions
    create: Callable[[C, Firing], Awaitable[int]]

    async def record(self, connection: C, events: Sequence[NewEvent]) -> list[Recorded]:
        """Store *events* and all that follows, as far as accepted, whatever single rules do. Raises `DatabaseError`."""
        tables = self.tables(connection)
        refs = sorted({event.trigger_ref for event in events})
        triggers = await tables.triggers(refs)
        refusals = [_refusal(event, triggers) for event in events]
        awake = [ref for ref in refs if ref in triggers and triggers[ref].enabled]
        rules = await tables.rules(awake) if awake else []
        breaker = CircuitBreaker()
        plans = [
            []
            if refusal
            else await self._decide(event, [rule for rule in rules if rule.trigger_ref == event.trigger_ref], breaker)
            for event, refusal in zip(events, refusals, strict=True)
        ]
        accepted = [event for event, refusal in zip(events, refusals, strict=True) if not refusal]
        numbers = iter(await tables.insert_events(accepted) if accepted else [])
        recorded = []
        for event, refusal, plan in zip(events, refusals, plans, strict=True):
            if refusal:
                recorded.append(Recorded(None, refusal))
            else:
                recorded.append(await self._enforce(connection, tables, event, next(numbers), plan))
        await _store(breaker, tables)
        return recorded

    async def catch_up(self, connection: C, event: NewEvent, number: int) -> Recorded:
        """Do what rules say of *event*, which is stored already as *number*."""
        tables = self.tables(connection)
        triggers = await tables.triggers([event.trigger_ref])
        awake = [ref for ref, trigger in triggers.items() if trigger.enabled]
        rules = await tables.rules(awake) if awake else []
        breaker = CircuitBreaker()
        recorded = await self._enforce(connection, tables, event, number, await self._decide(event, rules, breaker))
        await _store(breaker, tables)
        return recorded

    async def _decide(
        self, event: NewEvent, rules: Sequence[Rule], breaker: CircuitBreaker
    ) -> list[tuple[Rule, Decision]]:
        """What each of *rules* says of *event*, those left out that do not fire."""
        decided = []
        left = EVENT_SECONDS
        for rule in sorted(rules, key=lambda rule: breaker.state(rule).overruns):  # a suspect waits for the others
            if paused := breaker.state(rule).paused:
                decided.append((rule, Decision(False, problem=f"the rule is paused: {paused}")))
                continue
            seconds = max(LEAST_SECONDS, min(RULE_SECONDS, left))
            decision, evaluated = await self._judge(event, rule, seconds)
            over = next((one.problem for one in evaluated if one.overran), None)
            left -= seconds if over else sum(one.seconds for one in evaluated)
            if not over or seconds == RULE_SECONDS or breaker.state(rule).overruns:
                breaker.note(rule, over)
            if decision.fires or decision.problem:
                decided.append((rule, decision))
        return decided

    async def _judge(self, event: NewEvent, rule: Rule, seconds: float) -> tuple[Decision, list[Evaluated]]:
        """Whether *rule* fires, and what its expressions came to: conditions and parameters have *seconds* each."""
        variables = _variables(event, rule)
        conditions = await self._evaluate(condition_texts(rule), variables, seconds)
        decision = judge_conditions(rule, event.payload, conditions)
        if not decision.fires:
            return decision, [*conditions.values()]
        values = await self._evaluate(parameter_texts(rule), variables, seconds)
        return fill_parameters(rule, values, variables), [*conditions.values(), *values.values()]

    async def _evaluate(
        self, texts: Sequence[str], variables: Mapping[str, Any], seconds: float
    ) -> Mapping[str, Evaluated]:
        distinct = list(dict.fromkeys(texts))
        if not distinct:
            return {}
        return dict(zip(distinct, await self.expressions.evaluate(distinct, variables, seconds), strict=True))

    async def _enforce(
        self, connection: C, tables: EventTables, event: NewEvent, number: int, plan: Sequence[tuple[Rule, Decision]]
    ) -> Recorded:
        if not plan:
            return Recorded(number)
        wanted = [_enforcement(event, number, rule, decision) for rule, decision in plan]
        enforcements = await tables.insert_enforcements(wanted)
        executions = []
        problems = []
        for (rule, decision), enforcement in zip(plan, enforcements, strict=True):
            problem = decision.problem
            problems += [f"{rule.ref}: {warning}" for warning in decision.warnings]
            if problem is None:
                try:
                    secrets = secret_names(rule.param_schema)
                    firing = Firing(rule.action_ref, decision.parameters, enforcement, secrets, rule.priority)
                    executions.append(await self.create(connection, firing))
                except DatabaseError:
                    raise
                except AttuneError as error:
                    problem = str(error)
                    await tables.fail_enforcement(enforcement, problem)
            if problem is not None:
                problems.append(f"{rule.ref}: {problem}")
        return Recorded(number, None, tuple(executions), tuple(problems))


async def _store(breaker: CircuitBreaker, tables: EventTables) -> None:
    if breaker.changed:
        await tables.store_breakers(breaker.changed.values())


def _refusal(event: NewEvent, triggers: Mapping[str, Trigger]) -> str | None:
    trigger = triggers.get(event.trigger_ref)
    if trigger is None:
        hint = did_you_mean(event.trigger_ref, triggers)
        return f"trigger: expected one that exists, got {shown(event.trigger_ref)}{hint}"
    problems = value_problems(trigger.out_schema, event.payload, root="payload") if trigger.out_schema else []
    return "; ".join(map(str, problems)) or None


def _variables(event: NewEvent, rule: Rule) -> dict[str, Any]:
    itself = {"payload": event.payload, "trigger": event.trigger_ref, "source": event.sensor_ref}
    return {
        "payload": event.payload,
        "event": itself,
        "trigger": itself,  # as rules of earlier versions call it, and what they know of the system
        "system": {"timestamp": datetime.now(UTC).isoformat(), "rule": {"id": rule.id, "ref": rule.ref}},
        "pack": {"ref": rule.pack_ref, "config": rule.pack_config},
    }


def _enforcement(event: NewEvent, number: int, rule: Rule, decision: Decision) -> NewEnforcement:
    secrets = secret_names(rule.param_schema)
    parameters = {key: HIDDEN if key in secrets else value for key, value in decision.parameters.items()}
    enforcement = NewEnforcement(rule, number, event.trigger_ref, event.payload, parameters)
    return enforcement if decision.problem is None else replace(enforcement, parameters={}, reason=decision.problem)
