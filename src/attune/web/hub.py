"""One connection of this process listens to the database, for every stream and every wait of the process."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from attune.core.errors import AttuneError
from attune.core.ports.changes import ANSWERED, CHANGED, EXECUTIONS, TOKENS, ChangeLog, ChangePosition, ChangeRecord

log = structlog.get_logger("attune.web")
_QUEUE = 1000
_SETTLING_SECONDS = 0.05
_SLOWEST_RETRY_SECONDS = 5.0
_ANSWERED = 10_000  # answers that are remembered for whoever is about to wait for them


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event of a stream: *kind* and *data*, with the position that it can be resumed from, where it has one."""

    kind: str
    data: str
    position: ChangePosition | None = None


@dataclass(eq=False, slots=True)
class Subscription:
    """One listener. `overrun` is set when it was too slow, `ended` when the process stops."""

    kinds: Collection[str] | None
    token_id: int
    queue: asyncio.Queue[StreamEvent | None] = field(default_factory=lambda: asyncio.Queue(_QUEUE))
    overrun: bool = False

    def send(self, event: StreamEvent | None) -> None:
        """Put *event* in the queue; None ends the stream."""
        if event is not None and self.kinds is not None and event.kind not in self.kinds:
            return
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            self.overrun = True


class Hub:
    """Reads changes once, for all subscriptions. `live` says whether a notification would arrive now."""

    def __init__(self, changes: ChangeLog) -> None:
        self._changes = changes
        self._subscriptions: set[Subscription] = set()
        self._answered: OrderedDict[int, None] = OrderedDict()
        self._waiting: dict[asyncio.Event, Collection[int]] = {}
        self._callbacks: list[Callable[[str, str], None]] = []
        self._wake = asyncio.Event()
        self._closed = False
        self.position: ChangePosition | None = None
        self.live = False

    def on_notice(self, callback: Callable[[str, str], None]) -> None:
        """Have *callback* called with the channel and the payload of each notification, and of `lost` with none."""
        self._callbacks.append(callback)

    @contextmanager
    def subscribed(self, token_id: int, kinds: Collection[str] | None) -> Iterator[Subscription]:
        """A listener for as long as the block lasts."""
        subscription = Subscription(kinds, token_id)
        if self._closed:
            subscription.send(None)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    @property
    def streams(self) -> int:
        """How many listeners there are."""
        return len(self._subscriptions)

    async def news(self, requests: Collection[int], seconds: float) -> None:
        """Wait until a node may have answered one of *requests*, at most *seconds*."""
        if any(request in self._answered for request in requests):
            return
        answered = asyncio.Event()
        self._waiting[answered] = requests
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await answered.wait()
        finally:
            del self._waiting[answered]

    def end_streams_of(self, token_id: int) -> None:
        """End the streams of a token that was revoked."""
        for subscription in self._subscriptions:
            if subscription.token_id == token_id:
                subscription.send(None)

    def close(self) -> None:
        """End every stream; the process is about to stop."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.overrun = subscription.overrun or subscription.queue.full()
            subscription.send(None)

    async def run(self) -> None:
        """Listen until cancelled, also through outages of the database."""
        reading = asyncio.create_task(self._read())
        try:
            pause = 0.1
            while True:
                try:
                    async with self._changes.notices() as notices:
                        pause = 0.1
                        self.live = True
                        self._wake.set()
                        async for notice in notices:
                            self._noticed(notice.channel, notice.payload)
                except AttuneError as error:
                    log.warning(f"the API does not hear of changes, trying again until it does: {error}")
                finally:
                    self.live = False
                    self._call("lost", "")
                await asyncio.sleep(pause)
                pause = min(pause * 2, _SLOWEST_RETRY_SECONDS)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def _noticed(self, channel: str, payload: str) -> None:
        if channel == CHANGED:
            self._wake.set()
        elif channel == ANSWERED and payload.isdigit():
            self._answer_came(int(payload))
        elif channel == EXECUTIONS:
            self._send(StreamEvent("execution", " ".join(payload.splitlines())))
        elif channel == TOKENS and payload.isdigit():
            self.end_streams_of(int(payload))
        self._call(channel, payload)

    def _answer_came(self, request: int) -> None:
        self._answered[request] = None
        if len(self._answered) > _ANSWERED:
            self._answered.popitem(last=False)
        for event, requests in self._waiting.items():
            if request in requests:
                event.set()

    def _call(self, channel: str, payload: str) -> None:
        for callback in self._callbacks:
            callback(channel, payload)

    async def _read(self) -> None:
        """Pass on what stands in the table; a notification only says that it is worth looking."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            with suppress(AttuneError):
                while await self._pass_on():  # noqa: ASYNC110 - no event tells that a transaction ended
                    await asyncio.sleep(_SETTLING_SECONDS)

    async def _pass_on(self) -> bool:
        """Whether there is more that must wait for a transaction to end."""
        if self.position is None:
            self.position = await self._changes.end()
        page = await self._changes.since(self.position)
        for change in page.changes:
            self.position = change.position
            self._send(stream_event_of(change))
        return page.more

    def _send(self, event: StreamEvent) -> None:
        for subscription in self._subscriptions:
            subscription.send(event)


def stream_event_of(change: ChangeRecord) -> StreamEvent:
    """*change* as an event of a stream."""
    data: dict[str, Any] = {**change.data, "at": change.at.isoformat()}
    return StreamEvent(change.kind, json.dumps(data, ensure_ascii=False), change.position)
