"""Triggers, rules and events: what there is, what happened, and telling of something that happened."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from attune.core.events.event import (
    DeadLetter,
    EnforcementRecord,
    EventRecord,
    PendingEvents,
    RuleRecord,
    TriggerRecord,
)
from attune.web.access import Operator, Reader
from attune.web.api.paging import MAX_ID, Body, Cursor, Limit, Page, SwitchBody, before_of, cursor_of, example_of
from attune.web.middleware.problems import ProblemError, documented, existing, usage_errors_as
from attune.web.services import Given

router = APIRouter(tags=["events"])
RuleRef = Annotated[str, Path(max_length=300, description="The rule's ref.", examples=["demo.greet"])]
LetterId = Annotated[int, Path(ge=1, le=MAX_ID, description="The dead letter's number.", examples=[7])]
EventId = Annotated[int, Path(ge=1, le=MAX_ID, description="The event's number.", examples=[7])]
_TRIGGER = TriggerRecord(ref="demo.tick", label="Tick", enabled=True, rules=["demo.greet"], sensors=["demo.clock"])
_RULE = RuleRecord(
    ref="demo.greet", label="Each tick is greeted", enabled=True, trigger_ref="demo.tick", action_ref="demo.hello",
    conditions=["payload.missed < 100"], action_params={"name": "${{ payload.at }}"}, at_most_every_seconds=30.0,
)  # fmt: skip
_NOW = datetime(2026, 11, 24, tzinfo=UTC)
_FOLLOWED = EnforcementRecord(
    id=7, event=7, rule_ref="demo.greet", status="processed", execution=7, execution_status="completed"
)
_EVENT = EventRecord(
    id=7,
    trigger_ref="demo.tick",
    source_ref="demo.clock",
    created=_NOW,
    payload={"missed": 0},
    enforcements=[_FOLLOWED],
)
_LETTER = DeadLetter(
    id=7, kind="event", source="demo.clock", body='{"trigger_ref": "demo.tick"}', reason="the database refused",
    sqlstate="22001", times=1, at=_NOW, login="attune_node_build-7",
)  # fmt: skip


class ReplayAnswer(BaseModel):
    """What came of storing it."""

    refusal: str | None = Field(description="Why it is still refused; null: it is stored.", examples=[None])


class NewEventBody(Body):
    """Something that happened."""

    trigger: str = Field(min_length=1, max_length=300, examples=["demo.tick"])
    payload: dict[str, Any] = Field(default={}, examples=[{"at": "now", "missed": 0}])


class EventHealth(BaseModel):
    """Whether events are stored and judged."""

    refusals: dict[str, str] = Field(description="What is not stored and why, by live node.", examples=[{}])
    pending: PendingEvents


@router.get("/triggers", summary="List triggers", responses=example_of(_TRIGGER, listed=True))
async def list_triggers(_who: Reader, services: Given) -> Page[TriggerRecord]:
    """By ref, with the rules and sensors of each."""
    return Page(data=list(await services.events.list_triggers()))


@router.get("/rules", summary="List rules", responses=example_of(_RULE, listed=True))
async def list_rules(_who: Reader, services: Given) -> Page[RuleRecord]:
    """By ref: what follows which event."""
    return Page(data=list(await services.events.list_rules()))


@router.patch("/rules/{ref}", status_code=204, summary="Switch a rule on or off")
async def switch_rule(_who: Operator, services: Given, ref: RuleRef, body: SwitchBody) -> None:
    """Also one that its circuit breaker has paused."""
    if not (ref.isprintable() and await services.events.set_rule_enabled(ref, body.enabled)):
        raise ProblemError(404, f"no rule has the ref {ref!r}")


@router.get("/event-health", summary="Show whether events are stored and judged")
async def get_event_health(_who: Reader, services: Given) -> EventHealth:
    """What is refused at present, and how many events wait for their rules."""
    events = services.events
    return EventHealth(refusals=dict(await events.refusals()), pending=await events.pending())


@router.get("/events", summary="List events", responses=example_of(_EVENT, listed=True))
async def list_events(
    _who: Reader,
    services: Given,
    trigger: Annotated[str | None, Query(max_length=300, description="Only events of this trigger.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
) -> Page[EventRecord]:
    """The last ones, newest first, and what followed from each."""
    return Page(data=list(await services.events.list_events(limit, trigger)))


@router.get("/dead-letters", summary="List dead letters", responses=example_of(_LETTER, listed=True))
async def list_dead_letters(
    _who: Reader, services: Given, limit: Limit = 100, cursor: Cursor = None
) -> Page[DeadLetter]:
    """What the database refused and was set aside, the oldest first."""
    letters = await services.events.list_letters(limit, before_of(cursor) or 0)
    return Page(data=list(letters), next=cursor_of([letters[-1].id] if len(letters) == limit else None))


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


@router.get("/events/{event_id}", summary="Show an event", responses=example_of(_EVENT))
async def get_event(_who: Reader, services: Given, event_id: EventId) -> EventRecord:
    """Its payload, and what each rule made of it."""
    return existing(await services.events.get_event(event_id), f"no event has the number {event_id}")


@router.post("/events", status_code=201, summary="Tell of an event", responses=example_of(_EVENT, status=201))
async def create_event(_who: Operator, services: Given, body: NewEventBody) -> EventRecord:
    """As a sensor would: the rules of its trigger are evaluated, and what they ask for is recorded with it."""
    with usage_errors_as(422):
        return await services.events.send(body.trigger, body.payload)
