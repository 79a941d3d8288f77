"""Runs attempts at executions on this node, from the taken job to the stored result."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from structlog.contextvars import bind_contextvars

from attune.agent.interpreters import interpreter_of
from attune.agent.logs import log
from attune.agent.secrets import SecretResolver
from attune.agent.worker.result_writer import ResultWriter
from attune.core.backoff import Backoff
from attune.core.errors import AttuneError, ConfigError, DatabaseError, MissingKeyError, SecretError
from attune.core.executions.action import output_problem, with_defaults
from attune.core.executions.execution import after_loss, after_outcome
from attune.core.executions.work import Work, WorkEnding, WorkOutcome
from attune.core.matching.fleet import Node
from attune.core.nodes.place import place_error
from attune.core.ports.packs import PackFolders
from attune.core.ports.worker import AttemptResult, AttemptStart, AttemptStore, QueuedJob, StartedAttempt, WorkRunner
from attune.core.runtimes.definition import StartOptions

_UNREMARKABLE = ("completed", "cancelled")
_NAMED = 3  # executions, of those that keep a node from stopping
_NO_WORD = re.compile(r"\W")


@dataclass(eq=False)
class Attempts:
    """The attempts that run here. *suspect* is told the ref of a runtime that could not be executed.

    *unfit* is told why nothing can be run here, before the work that found it out is given back. *broken* says why
    the interpreter of a runtime, whose work has just ended badly after some seconds and was given back so often before,
    does not start; None if it does.
    """

    store: AttemptStore
    runner: WorkRunner
    packs: PackFolders
    secrets: SecretResolver
    suspect: Callable[[str], None]
    unfit: Callable[[str], None]
    broken: Callable[[str, str, float, int], Awaitable[str | None]]
    default_timeout: float | None
    start: Callable[[str], StartOptions] = lambda _: StartOptions()
    running: dict[int, asyncio.Task[WorkOutcome]] = field(default_factory=dict)
    begun: dict[int, int] = field(default_factory=dict)  # the number of each attempt that runs
    _cancelled: set[int] = field(default_factory=set)
    _stopping: bool = False

    def __post_init__(self) -> None:
        self.results = ResultWriter(self.store, lambda: len(self.running), self.disown)

    @property
    def known(self) -> set[int]:
        """Executions that are about to be started, run here, or have ended without their result being stored yet."""
        return {*self.running, *self.results.pending}

    async def run(self, job: QueuedJob, interpreters: Mapping[str, Any], node: Node) -> None:
        """Own the execution of *job*, run it, and return once its result is stored."""
        started = await self.results.start(AttemptStart(job, interpreters), node)
        if started is None:
            return self._cancelled.discard(job.execution)
        bind_contextvars(execution=job.execution, action=started.action.ref)
        task = self.running[job.execution] = asyncio.create_task(
            self._work(started, interpreters, node), name=f"{started.action.ref} #{job.execution}"
        )
        self.begun[job.execution] = started.attempt
        if self._stopping or job.execution in self._cancelled:
            task.cancel()
        try:
            outcome = await task
        except asyncio.CancelledError:
            outcome = WorkOutcome(WorkEnding.CANCELLED, reason="cancelled while it ran")
        except Exception as error:
            outcome = _unrun(error, job.execution, node)
        finally:
            del self.running[job.execution], self.begun[job.execution]
        if outcome.ending is WorkEnding.NO_PLACE:
            self.unfit(outcome.reason)
        result = self._result(started, outcome, node)
        await self.results.store(result)
        write = log.info if result.status in _UNREMARKABLE else log.warning
        why = f": {result.reason}" if result.reason else ""
        took = f"{outcome.duration_seconds:.2f} s"
        write(f"execution {job.execution} of {started.action.ref}: {result.status} after {took}{why}")

    async def resume(self, attempts: Mapping[int, int]) -> None:
        """Own *attempts*, which run here, again, or end them where another node has got them."""
        with suppress(DatabaseError):
            for execution in attempts.keys() - {*await self.store.resume(attempts)}:
                if self.begun.get(execution) == attempts[execution]:
                    self.disown(execution)

    def cancel(self, execution: int) -> None:
        """End *execution*, if it runs here or is about to."""
        if execution in self.running or execution in self.results.starting:
            self._cancelled.add(execution)
        if execution in self.running:
            self.running[execution].cancel()

    def disown(self, execution: int) -> None:
        """End *execution*: it was given to another while this node was not heard of."""
        if execution in self.running:
            log.warning(f"execution {execution} was given to another node; it is ended here", execution=execution)
            self.cancel(execution)

    def tell_what_runs(self) -> None:
        """Say what this node waits for before it stops."""
        names = [task.get_name() for task in self.running.values()]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        runs, them = ("execution still runs", "it") if len(names) == 1 else ("executions still run", "them")
        if names:
            text = f"stopping: {len(names)} {runs} ({', '.join(names[:_NAMED])}{more}); Ctrl-C again ends {them}"
            log.info(text, executions=sorted(self.running))

    async def close(self, seconds: float) -> None:
        """End all that runs, because this node ends, and store within *seconds* what came of it."""
        self._stopping = True
        tasks = list(self.running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.results.close(seconds)

    async def _work(self, started: StartedAttempt, interpreters: Mapping[str, Any], node: Node) -> WorkOutcome:
        action = started.action
        given = with_defaults(action.param_schema, started.parameters)
        values, secrets, masked = await self.secrets.resolve(given, action.secrets, started.sealed, started.execution)
        folder = await self.packs.folder(action.pack_digest) if action.pack_digest else None
        entrypoint = PurePath(action.entrypoint) if folder is None else folder / "actions" / action.entrypoint
        if action.cannot_run:
            return WorkOutcome(WorkEnding.REFUSED, reason=action.cannot_run)
        start = self.start(ref := action.runtime_ref or "")
        interpreter = interpreter_of(ref, interpreters, node) if ref else None
        environment = {**start.environment, **_environment(started, node, interpreters, folder)}
        if PurePath(interpreter or "").name.startswith(("python", "pypy")):
            places = str(await self.packs.helper()), start.environment.get("PYTHONPATH")
            environment["PYTHONPATH"] = ":".join(filter(None, places))
        work = Work(
            entrypoint=entrypoint,
            interpreter=interpreter,
            interpreter_args=(*start.args, *action.interpreter_args),
            parameters=values,
            secrets=secrets,
            masked=masked,
            delivery=action.delivery,
            positional=action.positional,
            environment=environment,
            timeout_seconds=started.timeout_seconds or self.default_timeout,
            result_file=action.result_file,
            grace_seconds=action.grace_seconds,
        )
        outcome = await self.runner.run(work, self.results.printer(started))
        if outcome.succeeded:
            return await _held_against(action.out_schema, outcome)
        if work.interpreter and outcome.ending in (WorkEnding.EXITED, WorkEnding.SIGNALED):
            with suppress(asyncio.CancelledError):  # it has ended, whoever wants to end it now
                given_back = started.attempt - 1 - started.failures - started.losses - started.not_started
                if why := await self.broken(ref, work.interpreter, outcome.duration_seconds, given_back):
                    return WorkOutcome(WorkEnding.BROKEN, reason=f"given back by worker {node.name}: {why}")
        return outcome

    def _result(self, started: StartedAttempt, outcome: WorkOutcome, node: Node) -> AttemptResult:
        action, cancelled = started.action, started.execution in self._cancelled
        self._cancelled.discard(started.execution)
        if outcome.ending is WorkEnding.CANCELLED and not cancelled:  # this node ends
            then = after_loss(action.on_lost, worker=node.name, losses=started.losses, stopped=True)
            return AttemptResult(started.execution, started.attempt, then.status.value, then.reason, lost=True)
        if outcome.ending is WorkEnding.NOT_STARTED and action.runtime_ref:
            self.suspect(action.runtime_ref)
        then = after_outcome(
            outcome,
            failures=started.failures,
            retries=action.retries,
            backoff=Backoff(action.retry_delay_seconds, action.retry_max_delay_seconds),
            chance=random.random(),
            not_started=started.not_started,
            cancel_asked=cancelled,
        )
        return AttemptResult(
            started.execution,
            started.attempt,
            status=then.status.value,
            reason="; ".join(filter(None, (then.reason, outcome.result_problem))),
            result=outcome.result,
            exit_code=outcome.exit_code,
            dropped_bytes=outcome.dropped_bytes,
            delay_seconds=then.delay_seconds,
            failed=then.counts,
            not_started=outcome.ending is WorkEnding.NOT_STARTED,
        )


def _environment(
    started: StartedAttempt, node: Node, interpreters: Mapping[str, Any], folder: PurePath | None
) -> dict[str, str]:
    return {
        **{f"ATTUNE_RUNTIME_{_NO_WORD.sub('_', n.upper())}": used["path"] for n, used in interpreters.items()},
        "ATTUNE_ACTION": started.action.ref,
        "ATTUNE_EXECUTION": str(started.execution),
        "ATTUNE_ATTEMPT": str(started.attempt),
        "ATTUNE_WORKER": node.name,
        # Python would write beside what it imports from the folder, which has to stay as it is.
        "PYTHONDONTWRITEBYTECODE": "1",
        **({"ATTUNE_PACK_FOLDER": str(folder)} if folder is not None else {}),
    }


async def _held_against(schema: Mapping[str, Any] | None, outcome: WorkOutcome) -> WorkOutcome:
    """*outcome*, which says how its result differs from *schema*."""
    if not schema or outcome.result_problem:
        return outcome
    with suppress(asyncio.CancelledError):  # it has ended, whoever wants to end it now
        outcome = replace(outcome, result_problem=await asyncio.to_thread(output_problem, schema, outcome.result))
    return outcome


def _unrun(error: Exception, execution: int, node: Node) -> WorkOutcome:
    """What *error*, which kept work from being run, means for it."""
    if place := place_error(error):
        return WorkOutcome(WorkEnding.NO_PLACE, reason=f"nothing can be run: {place}")
    reason = str(error)
    if isinstance(error, SecretError):
        return WorkOutcome(WorkEnding.REFUSED, reason=reason)
    if isinstance(error, MissingKeyError | ConfigError | DatabaseError):
        return WorkOutcome(WorkEnding.GIVEN_BACK, reason=f"given back by worker {node.name}: {reason}")
    if not isinstance(error, AttuneError):  # without a trace, whose values could be secrets
        log.error(f"execution {execution} could not be run: {type(error).__name__}: {error}")
        reason = f"worker {node.name} failed to run it, and its log says why"
    return WorkOutcome(WorkEnding.NOT_STARTED, reason=reason)
