"""Whether an interpreter still starts, looked at when what it ran has failed."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from attune.agent.logs import log
from attune.core.runtimes.definition import Definition
from attune.operations.runtimes.examine import Examiner

_PART, _LONGEST = 10, 2.0  # checks take at most that part of the time, and no pause is longer
_MOST_GIVEN_BACK = 2
_Seen = tuple[float, float, str | None]  # when it began and ended, and the problem


@dataclass
class StartChecks:
    """Smoke checks of interpreters: one at a time of each, shared by all work whose failure waits for it.

    *definition* gives the definition of a ref, and whether its smoke check is its own and not that of the shipped one;
    *broken* is told of one whose interpreter does not start.
    """

    examiner: Examiner
    definition: Callable[[str], tuple[Definition, bool] | None]
    broken: Callable[[Definition], None]
    _checks: dict[tuple[str, str], asyncio.Task[_Seen]] = field(default_factory=dict)

    async def problem(self, ref: str, interpreter: str, ran_seconds: float, given_back: int = 0) -> str | None:
        """Why *interpreter* of *ref* does not start, whose work has just failed after *ran_seconds*; None if it may.

        A check that is not the definition's own may fail for another reason: work that was *given_back* before is not
        given back for it without end.
        """
        (definition, own), failed = self.definition(ref) or (None, True), time.monotonic()
        if definition is None or definition.verification.smoke is None or (not own and given_back >= _MOST_GIVEN_BACK):
            return None
        pause = 0.0
        while True:
            check = self._checks.get((ref, interpreter))
            if check is not None and check.done():
                began, ended, problem = check.result()
                # What passed has run all work that began before; what fails may have been whole then.
                if began > (failed if problem else failed - ran_seconds):
                    return problem
                pause = 0.0 if problem else ended - time.monotonic() + min(_LONGEST, (_PART - 1) * (ended - began))
            if check is None or check.done():
                check = self._checks[ref, interpreter] = asyncio.create_task(self._run(definition, interpreter, pause))
            await asyncio.shield(check)

    async def _run(self, definition: Definition, interpreter: str, pause: float) -> _Seen:
        await asyncio.sleep(pause)
        began, problem = time.monotonic(), None
        try:
            if problem := await asyncio.to_thread(self.examiner.start, definition, interpreter):
                self.broken(definition)
        except Exception as error:  # the work ran, whatever keeps its interpreter from being looked at
            log.warning(f"whether {interpreter} starts could not be checked: {error}")
        return began, time.monotonic(), problem
