"""Keeps true what a node has registered: round after round of health checks, and the registry told of each change."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from attune.agent.control import first_of, in_thread
from attune.agent.logs import log
from attune.agent.registration import NodeRegistration
from attune.core.backoff import Backoff
from attune.core.errors import DatabaseError
from attune.core.nodes.health import CheckedVerdict, Transition
from attune.core.runtimes.definition import Definition
from attune.operations.nodes.refusals import Refusals
from attune.operations.runtimes.reverify import MonitoredRuntime, Reverifier, Round

_RETRY = Backoff(0.5, 10.0)


@dataclass
class _Unsent:
    """What the registry has not been told yet."""

    checked: dict[str, CheckedVerdict] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    offer_changed: bool = False
    wait: float = _RETRY.first

    def add(self, done: Round, at: float) -> None:
        for ref in done.checked:
            health = done.kept[ref].health
            self.checked[ref] = CheckedVerdict(health.shown, at, health.failures)
        self.transitions += done.transitions
        self.offer_changed = self.offer_changed or done.offer_changed

    def __bool__(self) -> bool:
        return bool(self.checked or self.transitions)


class HealthMonitor:
    """The health checks of one node. Use it from the event loop that runs `keep`."""

    def __init__(self, registration: NodeRegistration, reverifier: Reverifier) -> None:
        self._registration = registration
        self._reverifier = reverifier
        self._definitions: Sequence[Definition] = ()
        self._kept: Mapping[str, MonitoredRuntime] = {}
        self._offered: set[str] = set()  # at some time
        self._suspects: set[str] = set()
        self._suspects_all = False
        self._broken: dict[str, Definition] = {}
        self._wake = asyncio.Event()
        self._looked = asyncio.Event()  # another one after each round
        self._unsent = _Unsent()
        self._refusals = Refusals(
            "the registry cannot be told of health checks, trying again until it works",
            "the registry is told of health checks again",
            _RETRY,
        )

    def suspect(self, runtime_ref: str) -> None:
        """Have *runtime_ref* verified in full at once: work has found it broken."""
        self._suspects.add(runtime_ref)
        self._wake.set()

    def suspect_all(self) -> None:
        """Have whatever is not offered verified at once: until now nothing could be run."""
        self._suspects_all = True
        self._wake.set()

    def send_again(self) -> None:
        """Have the registry told at once of what it could not be told."""
        if self._unsent:
            self._wake.set()

    def found_broken(self, definition: Definition) -> None:
        """Have its runtime verified by *definition*, whose smoke check has just failed, at once and from now on."""
        self._broken[definition.ref] = definition
        self.suspect(definition.ref)

    async def recheck(self, refs: Collection[str]) -> Collection[str] | None:
        """Verify those of *refs* whose files have changed since their verdict: the ones that fail. None: no change."""
        before = {ref: self._kept[ref] for ref in refs if ref in self._kept}
        changed = await asyncio.to_thread(self._reverifier.changed, before) if before else ()
        if not changed:
            return None
        for ref in changed:
            self.suspect(ref)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._reverifier.deadline_seconds):
                while any(self._kept.get(ref) is before[ref] for ref in changed):
                    await self._looked.wait()
        now = {ref: self._kept.get(ref) for ref in changed}
        return [ref for ref, kept in now.items() if kept is before[ref] or kept is None or not kept.health.is_good]

    async def keep(self, stop: asyncio.Event) -> None:
        """Run rounds until *stop* is set. Begins anew when the registration has detected again."""
        while not stop.is_set():
            await self._begin_if_detected_anew()
            await first_of(stop, self._wake, seconds=self._pause())
            self._wake.clear()
            definitions = self._definitions
            if stop.is_set() or self._known() is not definitions:
                continue
            done = await self._round(stop)
            # A round that was interrupted, or is about what has been replaced meanwhile, says nothing.
            if done is not None and not stop.is_set() and self._known() is definitions:
                _log_round(self._kept, done, self._offered, self._registration.name)
                self._kept = done.kept
                self._offered |= {ref for ref, kept in done.kept.items() if kept.health.offered}
                self._unsent.add(done, self._reverifier.clock())
                await self._send()
            self._looked.set()
            self._looked = asyncio.Event()

    def _known(self) -> Sequence[Definition]:
        detection = self._registration.detection
        return detection.definitions if detection is not None else ()

    async def _begin_if_detected_anew(self) -> None:
        detection = self._registration.detection
        if detection is not None and detection.definitions is not self._definitions:
            self._definitions = detection.definitions
            begin = self._reverifier.begin
            self._kept = await asyncio.to_thread(begin, detection.definitions, detection.verdicts)
            self._offered |= {ref for ref, kept in self._kept.items() if kept.health.offered}
            self._unsent = _Unsent(transitions=self._unsent.transitions)

    def _pause(self) -> float:
        """How long to sleep until a round is due, unless something is suspected."""
        schedule = self._reverifier.schedule
        due = self._reverifier.next_round(self._kept)
        pause = schedule.interval if due is None else max(0.0, due - self._reverifier.clock())
        if self._unsent:
            pause = min(pause, self._unsent.wait)
        return pause

    async def _round(self, stop: asyncio.Event) -> Round | None:
        """One round, in a thread; None, and its commands are ended, when *stop* is set."""
        if self._suspects_all:
            self._suspects |= {ref for ref, kept in self._kept.items() if not kept.health.is_good}
        self._suspects_all = False
        suspects, self._suspects, broken, self._broken = frozenset(self._suspects), set(), self._broken, {}
        doubted = {ref: self._reverifier.doubted(self._kept[ref], broken[ref]) for ref in broken if ref in self._kept}
        work = partial(self._reverifier.round, {**self._kept, **doubted}, suspects)
        task = asyncio.ensure_future(in_thread(work, self._reverifier.examiner.stop))
        await first_of(task, stop)
        return None if task.cancelled() else task.result()

    async def _send(self) -> None:
        """Tell the registry; what cannot be told now is told with the next round."""
        unsent = self._unsent
        if not unsent:
            return
        now = self._reverifier.clock()
        checked, transitions = list(unsent.checked.values()), list(unsent.transitions)
        try:
            stored = await self._registration.record_health(now, checked, transitions, unsent.offer_changed)
        except DatabaseError as error:
            unsent.wait = self._refusals.failed(error)
            return
        self._refusals.worked()
        if stored:
            self._unsent = _Unsent()
        else:
            unsent.wait = min(_RETRY.slowest, 2 * unsent.wait)


def _log_round(before: Mapping[str, MonitoredRuntime], done: Round, offered: Collection[str], node: str) -> None:
    """Say what has changed; *offered* are refs of what was offered at some time."""
    for change in done.transitions:
        about = f"{done.kept[change.runtime_ref].definition.name} ({change.runtime_ref}): {change.reason}"
        if change.to_status.offered:
            log.info(f"✓ Runtime available{' again' if change.runtime_ref in offered else ''}: {about}")
        else:
            log.warning(f"✗ Runtime withdrawn: {about}")
    for ref in before.keys() & done.checked:
        old, new = before[ref].health.shown, done.kept[ref].health.shown
        if old.status.offered and new.status.offered and old.version != new.version:
            log.info(
                f"{new.capability} {old.version or 'unknown'} -> {new.version or 'unknown'} on {node}", runtime=ref
            )
        if (proof := new.evidence) is not None:
            log.debug(f"checked {ref}: {new.status.value} in {new.duration_ms} ms", command=proof.command)
