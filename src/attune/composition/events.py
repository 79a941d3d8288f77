"""Puts together what turns events into executions: rules, the engine of their expressions, and the tables."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from psycopg import AsyncConnection

from attune.core.ports.access import SecretCipher
from attune.core.ports.events import Expressions
from attune.core.sensors.event_line import NewEvent
from attune.expressions import IsolatedExpressions
from attune.operations.events.react import Reaction
from attune.postgres.events.log import Recorder
from attune.postgres.events.store import PostgresEventTables, request_execution
from attune.postgres.sensors.events import Record


@cache
def shared_expressions() -> IsolatedExpressions:
    """The engine of this process; its own process starts with the first expression and ends with this one."""
    return IsolatedExpressions()


def reaction(cipher: SecretCipher, expressions: Expressions | None = None) -> Reaction[AsyncConnection[Any]]:
    """What turns events into executions, in the transaction of a connection; *cipher* encrypts secret parameters."""
    create = partial(request_execution, cipher=cipher)
    return Reaction(PostgresEventTables, expressions or shared_expressions(), create)


def record_for_sensors(tell: Callable[[NewEvent, str], None], cipher: SecretCipher) -> Record:
    """`Record` for the events of sensors. *tell* hears of each event that was refused, and of rules that failed."""
    to = reaction(cipher)

    async def record(connection: AsyncConnection[Any], events: Sequence[NewEvent]) -> None:
        for event, recorded in zip(events, await to.record(connection, events), strict=True):
            for sentence in (recorded.refusal, *recorded.problems):
                if sentence is not None:
                    tell(event, sentence)

    return record


def recorder(cipher: SecretCipher) -> Recorder:
    """What `attune event send` does with an event."""

    async def record(connection: AsyncConnection[Any], event: NewEvent) -> tuple[int | None, str | None]:
        (recorded,) = await reaction(cipher).record(connection, [event])
        return recorded.event, recorded.refusal

    return record
