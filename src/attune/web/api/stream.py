"""Changes as they happen, as server-sent events (WHATWG HTML, 9.2); a stream goes on where it broke off."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from attune.core.access.tokens import Caller
from attune.core.ports.changes import ChangePosition
from attune.web.access import Reader
from attune.web.api.paging import bad_field
from attune.web.hub import StreamEvent, stream_event_of
from attune.web.middleware.metrics import RequestFigures
from attune.web.middleware.problems import ProblemError, text_answer
from attune.web.services import Given, Services

router = APIRouter(tags=["stream"])
_QUIET_SECONDS = 15.0
_ID = re.compile(r"([0-9]{1,18})-([0-9]{1,19})")
Kind = Literal["node", "transition", "runtime", "execution", "sensor"]

_DOCUMENTED = text_answer(
    "Events `node`, `transition`, `runtime`, `execution`, `sensor`, each with JSON as its data;"
    " `hello` at the beginning; `reset` where something was missed and the reader must look anew.",
    "text/event-stream",
    'id: 812-17\nevent: node\ndata: {"id": 1, "name": "w1", "status": "lost"}\n\n',
)


@router.get("/stream", summary="Changes as they happen", response_class=StreamingResponse, responses=_DOCUMENTED)
async def stream_changes(
    who: Reader,
    services: Given,
    request: Request,
    kinds: Annotated[list[Kind] | None, Query(description="Only events of these kinds.")] = None,
    last_event_id: Annotated[str | None, Header(description="The last id that was seen.")] = None,
) -> StreamingResponse:
    """`Last-Event-ID` resumes. Executions are told as they happen, and not again after a break."""
    position = _position(last_event_id)
    if services.hub.streams >= request.app.state.most_streams:
        raise ProblemError(503, "as many streams are open as there may be", headers={"Retry-After": "5"})
    return StreamingResponse(
        _events(services, request.app.state.figures, who, set(kinds) if kinds else None, position),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"},
    )


def _position(text: str | None) -> ChangePosition | None:
    if not text:
        return None
    match = _ID.fullmatch(text)
    if match is None or int(match[2]) > 2**63 - 1:
        raise bad_field("Last-Event-ID", "the id of an event of this stream", repr(text[:40]))
    return ChangePosition(int(match[1]), int(match[2]))


async def _events(
    services: Services, figures: RequestFigures, who: Caller, kinds: set[Kind] | None, position: ChangePosition | None
) -> AsyncIterator[str]:
    with figures.streams.track_inprogress(), services.hub.subscribed(who.token_id, kinds) as subscription:
        begin = position or services.hub.position or await services.changes.end()
        yield f"retry: 2000\n{_text(StreamEvent('hello', '{}', begin))}"
        reached = begin
        if position is not None:
            if not await services.changes.reaches_back_to(position):
                yield _text(StreamEvent("reset", "{}"))
            more = True
            while more:
                page = await services.changes.since(reached)
                more = page.more and bool(page.changes)
                for change in page.changes:
                    reached = change.position
                    if kinds is None or change.kind in kinds:
                        yield _text(stream_event_of(change))
        while not (subscription.overrun and subscription.queue.empty()):
            try:
                async with asyncio.timeout(_QUIET_SECONDS):
                    event = await subscription.queue.get()
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if event is None:
                return
            if event.position is None or event.position > reached:
                yield _text(event)
        yield _text(StreamEvent("reset", "{}"))  # the reader was too slow, and must connect again


def _text(event: StreamEvent) -> str:
    number = f"id: {event.position}\n" if event.position else ""
    return f"{number}event: {event.kind}\ndata: {event.data}\n\n"
