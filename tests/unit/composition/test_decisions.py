"""What an operator's process says of itself while it decides."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from attune.composition import decisions
from attune.core.backoff import Backoff
from attune.core.errors import DatabaseError
from attune.operations.nodes.refusals import Refusals
from attune.testing import MemoryCipher

pytestmark = pytest.mark.anyio


async def test_a_process_that_decides_again_is_ready_although_events_still_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals = Refusals("rules wait", "rules wait no longer", Backoff(0.0, 0.0))
    seen: list[str] = []
    enough = asyncio.Event()

    async def may(*_: Any) -> bool:
        return True

    async def react(*_: Any) -> bool:
        seen.append(refusals.reason)
        if len(seen) == 1:
            raise DatabaseError("the database does not answer")
        if len(seen) == 100:
            enough.set()
        await asyncio.sleep(0)
        return True  # there is always more

    class Routing:
        def __init__(self, _pool: Any) -> None: ...

        async def classify(self) -> list[str]:
            return []

    monkeypatch.setattr(decisions, "read_value", may)
    monkeypatch.setattr(decisions, "_react", react)
    monkeypatch.setattr(decisions, "PostgresRouting", Routing)
    pool: Any = None
    task = asyncio.create_task(decisions.decide(pool, MemoryCipher(), refusals))
    async with asyncio.timeout(60):
        await enough.wait()
    task.cancel()

    assert seen[1] == "rules wait: the database does not answer"
    assert seen[-1] == ""
