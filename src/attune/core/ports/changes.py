"""What changes in an installation, as the API passes it on."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

CHANGED = "attune_change"
ANSWERED = "attune_answer"
TOKENS = "attune_token"
EXECUTIONS = "execution_change"


class ChangePosition(NamedTuple):
    """Where a change stands: nothing that becomes visible later stands before it."""

    transaction: int
    id: int

    def __str__(self) -> str:
        return f"{self.transaction}-{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """One change. `data` says what, in the words of `kind`; before one that is `settled` no other can appear."""

    transaction: int
    id: int
    kind: str
    data: dict[str, Any]
    at: datetime
    settled: bool = True

    @property
    def position(self) -> ChangePosition:
        return ChangePosition(self.transaction, self.id)


@dataclass(frozen=True, slots=True)
class ChangePage:
    """The next changes, and whether there is `more`, perhaps only after a transaction has ended."""

    changes: Sequence[ChangeRecord]
    more: bool


class Notice(NamedTuple):
    """One notification: something that *channel* stands for has changed."""

    channel: str
    payload: str


class ChangeLog(Protocol):
    """The changes in the order in which they became visible."""

    async def end(self) -> ChangePosition:
        """Where a reader begins that wants only what comes."""

    async def since(self, position: ChangePosition, limit: int = 1000) -> ChangePage:
        """The changes after *position*, at most *limit*."""

    async def reaches_back_to(self, position: ChangePosition) -> bool:
        """Whether nothing after *position* has been pruned."""

    def notices(self) -> AbstractAsyncContextManager[AsyncIterator[Notice]]:
        """The notifications of all channels as they come. Raises `DatabaseError`."""
