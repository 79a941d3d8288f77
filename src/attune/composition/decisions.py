"""What only an operator's process does, beside serving: the rules of events that nodes brought, and new classes."""

import asyncio
from collections.abc import Callable
from typing import Any

from psycopg import AsyncConnection

from attune.agent.logs import log
from attune.composition.events import reaction
from attune.core.errors import DatabaseError
from attune.core.ports.access import SecretCipher
from attune.core.sensors.event_line import NewEvent
from attune.operations.events.react import Reaction
from attune.operations.nodes.refusals import Refusals
from attune.postgres.connection import Pool
from attune.postgres.events.dead_letters import store_each
from attune.postgres.events.store import take_pending
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.rows import read_value, transaction

_LOOK_SECONDS = 1.0
_MOST_EVENTS = 20  # before what they have asked for is classified, however many more there are


async def decide(pool: Pool, cipher: SecretCipher, refusals: Refusals) -> None:
    """Do it until cancelled, whatever the database does; nothing, where the login of *pool* may not."""
    while True:
        try:
            if await read_value(pool, "SELECT may_decide()"):
                await decide_once(pool, cipher, refusals.worked)
            refusals.worked()
            await asyncio.sleep(_LOOK_SECONDS)
        except DatabaseError as error:
            await asyncio.sleep(refusals.failed(error))


async def decide_once(pool: Pool, cipher: SecretCipher, worked: Callable[[], None] = lambda: None) -> None:
    """Everything that waits, telling *worked* meanwhile. An event whose consequences are refused is set aside."""
    to, routing = reaction(cipher), PostgresRouting(pool)
    is_more = True
    while is_more:
        for _ in range(_MOST_EVENTS):
            if not (is_more := await _react(pool, to)):
                break
        while queues := await routing.classify():
            await routing.promote(queues)
        worked()


async def _react(pool: Pool, to: Reaction[AsyncConnection[Any]]) -> bool:
    """React to the oldest event that waits; whether there is one."""
    async with transaction(pool) as connection:
        pending = await take_pending(connection)
        if pending is None:
            return False
        number, waiting = pending

        async def react(event: NewEvent) -> None:
            for problem in (await to.catch_up(connection, event, number)).problems:
                log.warning(f"event {number}: {problem}")

        await store_each(connection, [waiting], react, "event", lambda event: event.trigger_ref, 0)
    return True
