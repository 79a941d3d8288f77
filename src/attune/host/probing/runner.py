"""Runs checks on this host: the `CommandRunner` for real processes.

What belongs to one call lives in `run`; this module holds what the calls share, and can stop them.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping

from attune.core.ports.runtimes import Next, RunObserver
from attune.core.runtimes.command import Command
from attune.host.contract.execution_contract import ExecutionContract
from attune.host.probing.limiter import Concurrency, machine_concurrency
from attune.host.probing.path_index import PathIndex
from attune.host.probing.run import Run, RunnerContext


class HostRunner:
    """A `CommandRunner` for this machine. Safe to use from several threads at once.

    *contract* is how they are run; *clock* gives seconds since the epoch and is only shown to people.
    """

    def __init__(
        self,
        contract: ExecutionContract,
        paths: PathIndex,
        *,
        concurrency: Concurrency | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._context = RunnerContext(contract, paths, concurrency or machine_concurrency(), clock)
        self._lock = threading.Lock()
        self._stopped = False
        self._wakers: set[int] = set()

    def run(
        self,
        start: Mapping[str, Command],
        then: Next,
        *,
        deadline_seconds: float | None = None,
        observer: RunObserver | None = None,
    ) -> None:
        """Run every line of *start* to its end (see `CommandRunner`). Errors of *then* and *observer* propagate.

        Whatever ends the call, no process that it started is left.
        """
        waker = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            with self._lock:
                self._wakers.add(waker)
                if self._stopped:
                    os.eventfd_write(waker, 1)
            with Run(self._context, then, observer, waker) as run:
                run.execute(start, deadline_seconds)
        finally:
            with self._lock:
                self._wakers.discard(waker)
            os.close(waker)

    def stop(self) -> None:
        """End every run of this runner, now and later, from any thread: what is not done is "interrupted"."""
        with self._lock:
            self._stopped = True
            for waker in self._wakers:
                os.eventfd_write(waker, 1)
