"""Triggers, rules and events as commands show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Trigger:
    """One row of table `trigger`, read. `out_schema` describes the payload, None for any."""

    id: int
    ref: str
    enabled: bool = True
    out_schema: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.out_schema, Mapping):
            object.__setattr__(self, "out_schema", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRecord:
    """A trigger for people. `rules` and `sensors` are the refs of what it leads to and comes from."""

    ref: str
    label: str
    enabled: bool
    rules: Sequence[str]
    sensors: Sequence[str]
    last_event: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRecord:
    """A rule for people."""

    ref: str
    label: str
    enabled: bool
    trigger_ref: str
    action_ref: str
    conditions: Sequence[Any]
    action_params: Mapping[str, Any]
    paused: str | None = None  # by its circuit breaker, and why
    priority: int | None = None
    overlap: str = "queue"
    at_most_every_seconds: float | None = None
    delay_seconds: float | None = None


_JUDGED_WITHIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PendingEvents:
    """How many events wait for their rules, and how many seconds the oldest has waited."""

    number: int = 0
    waited: float = 0.0

    @property
    def is_overdue(self) -> bool:
        """Whether no process of the operator looks at them, as it seems."""
        return self.waited > _JUDGED_WITHIN_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcementRecord:
    """What a rule made of an event: an execution, or the reason why there is none."""

    id: int
    event: int
    rule_ref: str
    status: str
    execution: int | None = None
    execution_status: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An `event`, `output` or `result` (`kind`) that was refused and set aside; `body` is JSON, `source` where from."""

    id: int
    kind: str
    source: str
    body: str
    reason: str
    sqlstate: str
    times: int
    at: datetime
    login: str = ""  # who set it aside


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An event, and what followed from it."""

    id: int
    trigger_ref: str
    source_ref: str | None
    created: datetime
    payload: Any = None
    enforcements: Sequence[EnforcementRecord] = field(default_factory=tuple)
