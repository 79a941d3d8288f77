"""Answers what is asked of this node: dry-runs of definitions, within its limits, of which nothing is registered."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from attune.agent.control import in_thread
from attune.agent.logs import log
from attune.agent.registration import NodeRegistration
from attune.core.backoff import Backoff
from attune.core.errors import AttuneError, DatabaseError
from attune.core.nodes.requests import CHECK, NodeRequest, checked_runtime
from attune.core.ports.nodes import NodeRequests
from attune.core.runtimes.definition import Definition
from attune.core.runtimes.verdict import verdict_data
from attune.operations.nodes.refusals import Refusals
from attune.operations.runtimes.examine import Examiner, read_definitions

_AT_ONCE = 2
_TO_TELL = 0.3  # seconds that remain for sending the answer
_RETRY = Backoff(0.5, 5.0)


@dataclass(eq=False)
class RequestHandler:
    """A `NodeService`: answers the requests made of the node of *registration*."""

    writers: ClassVar[Sequence[Refusals]] = ()
    registration: NodeRegistration
    requests: NodeRequests
    examiner: Callable[[], Examiner]
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _at_work: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    async def keep(self, stop: asyncio.Event) -> None:
        """Answer until cancelled or until *stop* is set."""
        refusals = Refusals("requests of this node cannot be read", "requests are read again", _RETRY)
        try:
            while not stop.is_set():
                self.registration.told.clear()
                try:
                    await self._look()
                except DatabaseError as error:
                    await asyncio.sleep(refusals.failed(error))
                    continue
                refusals.worked()
                await self.registration.told.wait()
        finally:
            await self.close()

    async def finish(self) -> None:
        """Nothing is left to finish."""

    async def close(self) -> None:
        """End what runs; whoever asked waits in vain."""
        for task in self._at_work.values():
            task.cancel()
        await asyncio.gather(*self._at_work.values(), return_exceptions=True)

    async def _look(self) -> None:
        """Begin with what is asked. Raises `DatabaseError`."""
        if self.registration.node_id is None:
            return
        requests = await self.requests.open(self.registration.node_id, tuple(self._at_work))
        loop = asyncio.get_running_loop()
        for request in requests:
            task = asyncio.create_task(self._serve(request, loop.time() + request.seconds_left - _TO_TELL))
            self._at_work[request.id] = task

    async def _serve(self, request: NodeRequest, until: float) -> None:
        try:
            async with self._free:
                left = until - asyncio.get_running_loop().time()
                if left > 0:
                    await self._tell(request, left)
        finally:
            del self._at_work[request.id]

    async def _tell(self, request: NodeRequest, seconds: float) -> None:
        try:
            answer = await self._answer(request, seconds)
        except AttuneError as error:
            answer = {"error": str(error)}
        except Exception as error:
            log.error(f"cannot answer a request: {error}", exc_info=error, request=request.id)
            answer = {"error": f"the node failed to do so: {type(error).__name__}"}
        with suppress(DatabaseError):
            await self.requests.answer(request.id, answer)

    async def _answer(self, request: NodeRequest, seconds: float) -> Mapping[str, Any]:
        if request.kind != CHECK:
            return {"error": f"expected a request to check, got {request.kind!r}"}
        runtime = checked_runtime(request.body)
        log.info(f"checking {runtime.ref}, as asked", request=request.id)
        (examined,) = read_definitions([runtime])
        if isinstance(examined, Definition):
            examiner = self.examiner()
            examine = partial(examiner.examine, [examined], deadline_seconds=seconds)
            (examined,) = await in_thread(examine, examiner.stop)
        return {"verdict": verdict_data(examined)}
