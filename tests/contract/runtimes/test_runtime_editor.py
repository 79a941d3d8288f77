"""`RuntimeEditor`: what a `RuntimeStore` does not have; one suite for memory and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from attune.core.errors import UsageError
from attune.core.runtimes.runtime import Runtime
from attune.postgres.connection import open_pool
from attune.postgres.runtimes.store import PostgresRuntimes
from attune.testing import MemoryRuntimes
from factories import make_runtime

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "postgres"])
async def editor(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryRuntimes()
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:
        yield PostgresRuntimes(pool)


async def test_a_row_is_what_the_change_makes_of_the_one_before(editor: Any) -> None:
    seen: list[str | None] = []

    def change(row: Runtime | None) -> Runtime:
        seen.append(row and row.name)
        return replace(row, name="B") if row else make_runtime("acme.a", "A")

    assert await editor.change_runtime("acme.a", change, changed_by="ann") is True
    assert await editor.change_runtime("acme.a", change, changed_by="bob") is False
    assert seen == [None, "A"]
    assert (await editor.get_runtime("acme.a")).name == "B"
    assert [(one.operation, one.changed_by) for one in await editor.runtime_history("acme.a")] == [
        ("update", "bob"),
        ("insert", "ann"),
    ]


async def test_what_a_change_raises_ends_it(editor: Any) -> None:
    await editor.save_runtime(make_runtime("acme.a", "A"), changed_by="ann")

    def refuse(row: Runtime | None) -> Runtime:
        raise UsageError(f"expected another row, got {row and row.name}")

    with pytest.raises(UsageError, match="got A"):
        await editor.change_runtime("acme.a", refuse, changed_by="bob")
    with pytest.raises(UsageError, match="got A"):
        await editor.remove_runtime("acme.a", changed_by="bob", expecting=refuse)
    assert (await editor.get_runtime("acme.a")).name == "A"
    assert await editor.remove_runtime("acme.a", changed_by="bob", expecting=lambda row: None) is True
    assert await editor.remove_runtime("acme.a", changed_by="bob", expecting=refuse) is False
