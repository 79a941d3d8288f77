"""10,000 random operations on files: the fold of what a `file_watch` tells is the tree after each quiet second."""

from __future__ import annotations

from pathlib import Path

import pytest

from file_histories import watched_round

pytestmark = pytest.mark.anyio
OPERATIONS, PAUSES = 10_000, 100


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("links", [False, True])
async def test_ten_thousand_operations(tmp_path: Path, links: bool) -> None:
    done = await watched_round(tmp_path, operations=OPERATIONS, pauses=PAUSES, seed=15, links=links)
    waited = sorted(done.waited)
    print(
        f"\n{OPERATIONS} operations, {'with' if links else 'without'} links: {done.events} events, none for a state"
        f" that never was; after the last operation they were the tree within {waited[PAUSES // 2]:.2f} s (median),"
        f" {waited[-1]:.2f} s (most)"
    )
    assert done.events > OPERATIONS / 20
