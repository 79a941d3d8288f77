"""Waiting for the first of several things."""

from __future__ import annotations

import asyncio

import pytest

from attune.agent.control import first_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_the_first_to_end_is_told_and_the_others_are_cancelled() -> None:
    cancelled = asyncio.Event()

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    happened = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, happened.set)

    assert await first_of(long(), happened) == 1
    assert cancelled.is_set()


async def test_nothing_that_ends_in_time_is_none() -> None:
    assert await first_of(asyncio.Event(), seconds=0.01) is None


async def test_what_the_first_raises_is_raised() -> None:
    async def failing() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await first_of(asyncio.Event(), failing())
