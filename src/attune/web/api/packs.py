"""Packs and what they bring: what there is, what happened, and telling of something that happened."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from attune.web.access import Operator, Reader
from attune.web.api.paging import MAX_ID, Answer, Body, Cursor, Limit, Page, before_of, page_of
from attune.web.middleware.problems import ProblemError, documented, existing, usage_errors_as
from attune.web.services import Given

router = APIRouter(tags=["packs"])
_WHEN = ["2026-11-24T09:00:00Z"]
Ref = Annotated[str, Path(max_length=300, description="Its ref.", examples=["demo"])]
LetterId = Annotated[int, Path(ge=1, le=MAX_ID, description="The dead letter's number.", examples=[7])]
EventId = Annotated[int, Path(ge=1, le=MAX_ID, description="The event's number.", examples=[7])]


class PackItem(Answer):
    """A pack and the refs of what it brings."""

    ref: str = Field(examples=["demo"])
    label: str = Field(examples=["Demo"])
    version: str = Field(examples=["1.0.0"])
    description: str | None = Field(examples=[None])
    digest: str | None = Field(description="Of its files; null for one that has none.", examples=[None])
    is_standard: bool = Field(examples=[False])
    tags: list[str] = Field(examples=[[]])
    updated: datetime = Field(examples=_WHEN)
    runtimes: list[str] = Field(examples=[[]])
    actions: list[str] = Field(examples=[["demo.hello_python"]])
    triggers: list[str] = Field(examples=[["demo.tick"]])
    sensors: list[str] = Field(examples=[["demo.clock"]])
    rules: list[str] = Field(examples=[["demo.greet"]])


class RuleItem(Answer):
    """A rule: which action follows an event."""

    ref: str = Field(examples=["demo.greet"])
    label: str = Field(examples=["Each tick is greeted"])
    enabled: bool = Field(examples=[True])
    trigger_ref: str = Field(examples=["demo.tick"])
    action_ref: str = Field(examples=["demo.hello_shell"])
    conditions: list[Any] = Field(examples=[["payload.missed < 100"]])
    paused: str | None = Field(description="Why its circuit breaker has paused it; null if not.", examples=[None])
    priority: int | None = Field(description="Of what it asks for; null: that of the action, else 4.", examples=[3])
    overlap: str = Field(description="Or `skip`: it asks for none while one has not ended.", examples=["queue"])
    at_most_every_seconds: float | None = Field(examples=[30.0])
    delay_seconds: float | None = Field(description="What it asks for starts so long after.", examples=[None])


class FollowedItem(Answer):
    """What a rule made of an event: an execution, or the reason why there is none."""

    rule_ref: str = Field(examples=["demo.greet"])
    status: str = Field(examples=["processed"])
    execution: int | None = Field(examples=[7])
    execution_status: str | None = Field(examples=["completed"])
    reason: str | None = Field(examples=[None])


class EventItem(Answer):
    """An event, and what followed."""

    id: int = Field(examples=[7])
    trigger_ref: str = Field(examples=["demo.tick"])
    source_ref: str | None = Field(examples=["demo.clock"])
    created: datetime = Field(examples=_WHEN)
    payload: Any = Field(examples=[{"missed": 0}])
    enforcements: list[FollowedItem]


class DeadLetterItem(Answer):
    """An event, output or a result that was set aside, and why."""

    id: int = Field(examples=[7])
    kind: str = Field(examples=["event"])
    source: str = Field(description="The sensor or execution that it comes from.", examples=["demo.clock"])
    body: str = Field(description="JSON text.", examples=['{"trigger_ref": "demo.tick"}'])
    reason: str = Field(examples=["the database refused: value too long"])
    sqlstate: str = Field(examples=["22001"])
    times: int = Field(description="How often it was refused.", examples=[1])
    at: datetime = Field(examples=_WHEN)
    login: str = Field(description="Of the database, that set it aside.", examples=["attune_node_build-7"])


class ReplayAnswer(BaseModel):
    """What came of storing it."""

    refusal: str | None = Field(description="Why it is still refused; null: it is stored.", examples=[None])


class NewEventBody(Body):
    """Something that happened."""

    trigger: str = Field(min_length=1, max_length=300, examples=["demo.tick"])
    payload: dict[str, Any] = Field(default={}, examples=[{"at": "now", "missed": 0}])


@router.get("/packs", summary="List packs")
async def list_packs(_who: Reader, services: Given) -> Page[PackItem]:
    """By ref, with what each brings."""
    return page_of(PackItem, await services.packs.list_packs())


@router.get("/packs/{ref}", summary="Show a pack")
async def get_pack(_who: Reader, services: Given, ref: Ref) -> PackItem:
    """What it brings."""
    pack = await services.packs.get_pack(ref) if ref.isprintable() else None
    return PackItem.model_validate(existing(pack, "no pack has that ref"))


@router.get("/rules", summary="List rules")
async def list_rules(_who: Reader, services: Given) -> Page[RuleItem]:
    """By ref: what follows which event."""
    return page_of(RuleItem, await services.events.list_rules())


@router.get("/events", summary="List events")
async def list_events(
    _who: Reader,
    services: Given,
    trigger: Annotated[str | None, Query(max_length=300, description="Only events of this trigger.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
) -> Page[EventItem]:
    """The last ones, newest first, and what followed from each."""
    return page_of(EventItem, await services.events.list_events(limit, trigger))


@router.get("/dead-letters", summary="List dead letters")
async def list_dead_letters(
    _who: Reader, services: Given, limit: Limit = 100, cursor: Cursor = None
) -> Page[DeadLetterItem]:
    """What the database refused and was set aside, the oldest first."""
    letters = await services.events.list_letters(limit, before_of(cursor) or 0)
    return page_of(DeadLetterItem, letters, next=[letters[-1].id] if len(letters) == limit else None)


@router.post("/dead-letters/{letter_id}/replay", summary="Store a dead letter", responses=documented(404))
async def replay_dead_letter(_who: Operator, services: Given, letter_id: LetterId) -> ReplayAnswer:
    """As it would have been stored, with all that follows, and remove it; it stays where it is refused again."""
    with usage_errors_as(404):
        return ReplayAnswer(refusal=await services.events.replay(letter_id))


@router.delete("/dead-letters/{letter_id}", status_code=204, summary="Forget a dead letter")
async def remove_dead_letter(_who: Operator, services: Given, letter_id: LetterId) -> None:
    """For good."""
    if not await services.events.remove_letter(letter_id):
        raise ProblemError(404, f"no dead letter has the number {letter_id}")


@router.get("/events/{event_id}", summary="Show an event")
async def get_event(_who: Reader, services: Given, event_id: EventId) -> EventItem:
    """Its payload, and what each rule made of it."""
    event = existing(await services.events.get_event(event_id), f"no event has the number {event_id}")
    return EventItem.model_validate(event)


@router.post("/events", status_code=201, summary="Tell of an event")
async def create_event(_who: Operator, services: Given, body: NewEventBody) -> EventItem:
    """As a sensor would: the rules of its trigger are evaluated, and what they ask for is recorded with it."""
    with usage_errors_as(422):
        return EventItem.model_validate(await services.events.send(body.trigger, body.payload))
