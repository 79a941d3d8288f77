"""What executions are asked for with, kept as and read as: the values that cross the border of the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from attune.core.access.secrets import parameter_faults
from attune.core.errors import UsageError
from attune.core.executions.action import Action, with_defaults
from attune.core.executions.delivery import delivery_faults
from attune.core.executions.execution import FINAL, Policy
from attune.core.executions.timeline import TimelineEntry, timeline_text, waits_for
from attune.core.matching.requirement import Preference, Requirement, RequirementClass

_LAST_YEAR = 2099


@dataclass(frozen=True, slots=True)
class NewExecution:
    """What somebody asks to have run. Times are in seconds; `wait_seconds` bounds how long it waits for a node.

    `priority` is from 0 to 9, None: that of the action. It starts `not_before` a time, or `delay_seconds` from now.
    """

    action: Action
    parameters: Mapping[str, Any] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    policy: Policy = Policy.WAIT
    wait_seconds: float | None = None
    timeout_seconds: float | None = None
    retry_of: int | None = None
    priority: int | None = None
    not_before: datetime | None = None
    delay_seconds: float | None = None

    @property
    def requirement(self) -> Requirement:
        """What a node must satisfy: the action's terms and those that were added. Raises `RequirementError`."""
        return self.action.requirement_with(self.extra)

    @property
    def work_class(self) -> RequirementClass:
        """All work that needs and prefers the same. Raises `RequirementError`."""
        return RequirementClass(self.requirement, tuple(sorted(map(Preference.parse, self.action.prefers), key=str)))

    @property
    def with_defaults(self) -> dict[str, Any]:
        """The parameters, and the defaults of those that are not given."""
        return with_defaults(self.action.param_schema, self.parameters)

    def check(self) -> None:
        """Raises `UsageError` where the parameters are not what the action takes, or cannot be handed over to it.

        What starts later waits: whether a node could take it is not known before.
        """
        if self.action.is_workflow:
            raise UsageError(f"{self.action.ref}: {self.action.cannot_run}")
        later = self.not_before, self.delay_seconds
        if None not in later:
            raise UsageError(field="not_before", expected="either a time or a delay", got="both")
        if self.not_before is not None and self.not_before.year > _LAST_YEAR:
            expected = f"a time up to the year {_LAST_YEAR}"
            raise UsageError(field="not_before", expected=expected, got=self.not_before.isoformat())
        if later != (None, None) and self.policy is not Policy.WAIT:
            raise UsageError(field="policy", expected="wait, for what starts later", got=self.policy.value)
        problems = parameter_faults(self.action.param_schema, self.parameters)
        problems = problems or delivery_faults(self.action, self.with_defaults)
        if problems:
            more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
            message = "; ".join(map(str, problems[:3])) + more
            raise UsageError(message, faults=problems, hint=f"attune action show {self.action.ref}")


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """An execution as people and programs read it. Ages and durations are in seconds.

    `interpreter` says by name which file was used for each runtime, of which ref, and how that was verified.
    `pack_digest` names the pack's files that ran. `not_before` is when its next attempt is due.
    `held_back` is what keeps it from starting beside the lack of a node.
    `timeline` is empty, and `version` None, where executions are listed; that says which content of its action it runs.
    """

    id: int
    action_ref: str
    status: str
    parameters: Any
    requirement: str | None
    policy: str | None
    deadline: datetime | None
    attempt: int
    failures: int
    losses: int
    retries: int
    worker: int | None
    worker_name: str | None
    interpreter: Mapping[str, Any] | None
    pack_digest: str | None
    exit_code: int | None
    reason: str | None
    result: Any
    timeout_seconds: float | None
    dropped_bytes: int
    retry_of: int | None
    priority: int
    not_before: datetime | None
    held_back: str | None
    rule_ref: str | None
    created: datetime
    updated: datetime
    started_at: datetime | None
    finished_at: datetime | None
    waited: float
    ran: float | None
    timeline: Sequence[TimelineEntry] = ()
    version: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing follows by itself."""
        return self.status in FINAL

    @property
    def succeeded(self) -> bool:
        return self.status == "completed"

    @property
    def waits(self) -> bool:
        """Whether it waits for something else than a place on a node that can run it."""
        return self.status in ("requested", "scheduling")

    @property
    def why(self) -> str:
        """Its reason, or what it waits for, in a few words."""
        if self.held_back:
            return f"waits: {self.held_back}"
        if self.reason or not self.waits or not self.requirement:
            return self.reason or ""
        return waits_for(self.requirement)

    @property
    def attempts(self) -> str:
        """Its attempt, and how often it was lost."""
        lost = f", lost {self.losses} time{'s' * (self.losses != 1)}" if self.losses else ""
        return f"{self.attempt}{lost}"

    @property
    def history(self) -> Sequence[tuple[datetime, str]]:
        """Its timeline in words."""
        return [*timeline_text(self.timeline, self.requirement)]


@dataclass(frozen=True, slots=True)
class AskedExecution:
    """What an execution was asked for with: its action, the parameters as they were, and the terms that were added."""

    action_ref: str
    parameters: Mapping[str, Any]
    extra: Sequence[str]


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions to list, newest first; `before` is the number that the last page ended with.

    `older_than` is in seconds. With `unfinished` it is only those that have not ended.
    """

    status: str | None = None
    action_ref: str | None = None
    worker_name: str | None = None
    before: int | None = None
    limit: int = 20
    older_than: float | None = None
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class CancelledExecutions:
    """How many executions were cancelled or asked to end, or would be, and the newest of them as they were before."""

    count: int
    executions: Sequence[ExecutionRecord]


@dataclass(frozen=True, slots=True)
class StoredOutput:
    """A piece of output, as it was stored."""

    attempt: int
    number: int
    stream: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """A stop of all starts: of one action, or of the whole fleet where that is None."""

    action_ref: str | None
    since: datetime
    by: str

    def __str__(self) -> str:
        what = f"action {self.action_ref}" if self.action_ref else "the fleet"
        return f"{what} is paused since {self.since.astimezone():%Y-%m-%d %H:%M %Z} by {self.by}"

    @property
    def remedy(self) -> str:
        """The command that ends it."""
        return f"attune action resume {self.action_ref}" if self.action_ref else "attune fleet resume"


class ActionReader(Protocol):
    """Actions as they are stored."""

    async def list(self, pack_ref: str | None = None) -> Sequence[Action]:
        """All actions, or those of one pack, by ref."""

    async def get(self, ref: str) -> Action:
        """The action *ref*. Raises `UsageError` that names the nearest one."""


class ExecutionWriter(Protocol):
    """What people do to executions."""

    async def submit(self, asked: Sequence[NewExecution]) -> list[int]:
        """Record what is asked for, and offer what a live node can take; the ids, in order."""

    async def cancel(self, executions: Sequence[int], reason: str | None = None) -> Mapping[int, str]:
        """End *executions*, or ask their workers to; the new status of each that had not ended."""

    async def set_paused(self, action_ref: str | None, by: str | None) -> bool:
        """Start nothing of an action, or of any, until *by* is None; False if it was so, or there is no such action.

        Once this returns, nothing of it starts. What runs goes on.
        """

    async def refuse(self, execution: int, status: str, reason: str) -> bool:
        """End what waits and was never begun; False if it does not wait any more."""


class ExecutionLists(Protocol):
    """What both people and pages read of executions."""

    async def list(self, wanted: ExecutionFilter) -> Sequence[ExecutionRecord]:
        """Executions, newest first."""

    async def output(self, execution: int, after: tuple[int, int] = (0, 0)) -> Sequence[StoredOutput]:
        """What was printed after the piece *after* (attempt, number), in order; not all of it at once perhaps."""

    async def pauses(self) -> Sequence[Pause]:
        """What is paused: the fleet first, then actions by ref."""


class ExecutionReader(ExecutionLists, Protocol):
    """Executions as they are stored."""

    async def get(self, execution: int) -> ExecutionRecord | None: ...

    async def numbers(self, wanted: ExecutionFilter) -> Sequence[int]:
        """Those of all executions that *wanted* is for, whatever its limit."""

    async def asked(self, execution: int) -> AskedExecution | None:
        """What was asked for, with the parameters as they were."""

    async def last_placeable(self, execution: int) -> tuple[float, str] | None: ...


class ExecutionStore(ExecutionLists, Protocol):
    """Actions, and their executions, of an installation."""

    async def actions(self, pack_ref: str | None = None) -> Sequence[Action]:
        """All actions, or those of one pack, by ref."""

    async def action(self, ref: str) -> Action:
        """The action *ref*. Raises `UsageError` that names the nearest one."""

    async def run(self, asked: NewExecution) -> ExecutionRecord:
        """Record what is asked for. Raises `UsageError` for parameters that do not fit, `RequirementError`."""

    async def get(self, execution: int) -> ExecutionRecord:
        """One execution. Raises `UsageError` if there is none of that number."""

    async def explanation(self, execution: ExecutionRecord) -> Mapping[str, Any]:
        """Why it waits, as `explanation` (data) and `text`; empty where no requirement is known yet."""

    async def cancel(self, execution: int) -> ExecutionRecord:
        """End *execution*; as it is then. Raises `UsageError`."""

    async def cancel_all(self, wanted: ExecutionFilter, *, preview: bool) -> CancelledExecutions:
        """End those of *wanted* that have not ended, or only tell which. Raises `UsageError` where it says nothing."""

    async def set_paused(self, action_ref: str | None, by: str | None) -> bool:
        """Start nothing of an action, or of any, until *by* is None; False if it was so. Raises `UsageError`."""

    async def retry(self, execution: int) -> ExecutionRecord:
        """Run once more what *execution* ran: a new one. Raises `UsageError` for one that has not ended."""
