"""`TokenStore` and `AccessStore`: one suite for memory and PostgreSQL, the first over the API as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from attune.client.tokens import HttpTokens
from attune.core.access.audit import AuditFilter
from attune.core.access.tokens import Caller, Scope
from attune.core.errors import AttuneError
from attune.postgres.access.tokens import PostgresTokens
from attune.postgres.connection import open_pool
from attune.testing import MemoryTokens
from web_client import serving

pytestmark = pytest.mark.anyio
REQUEST = {"method": "GET", "path": "/api/workers", "status": 200, "client": "127.0.0.1"}


@dataclass
class Tokens:
    """The tokens as operators and as the API see them; `later` lets seconds pass."""

    operators: Any
    api: Any
    later: Callable[[float], Awaitable[None]]

    async def create(self, name: str = "ci", scope: Scope = Scope.OPERATE, **keys: Any) -> Any:
        return await self.operators.create(name, scope, created_by="ann", **keys)


@pytest.fixture(params=["memory", "postgres", "http"])
async def tokens(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Tokens]:
    if request.param == "memory":
        store = MemoryTokens()

        async def move(seconds: float) -> None:
            store.ahead += timedelta(seconds=seconds)

        yield Tokens(store, store, move)
        return
    url = request.getfixturevalue("migrated_database")
    async with open_pool(url) as pool:

        async def age(seconds: float) -> None:
            async with pool.connection() as connection:
                for table, columns in {
                    "api_token": "expires created",
                    "login_session": "expires",
                    "login_code": "expires",
                }.items():
                    changes = ", ".join(
                        f"{name} = {name} - {seconds} * interval '1 second'" for name in columns.split()
                    )
                    await connection.execute(f"UPDATE {table} SET {changes}".encode())

        postgres = PostgresTokens(pool)
        if request.param == "postgres":
            yield Tokens(postgres, postgres, age)
            return
        async with serving(url) as api, api.wire(api.tokens[Scope.ADMIN]) as wire:
            yield Tokens(HttpTokens(wire), postgres, age)


async def test_a_token_is_listed_and_opens_what_its_scope_says(tokens: Tokens) -> None:
    record, text = await tokens.create()
    await tokens.create("second")

    listed = [one for one in await tokens.operators.list_tokens() if one.name in ("ci", "second")]
    assert [(one.name, one.scope, one.state) for one in listed] == [
        ("second", Scope.OPERATE, "active"),
        ("ci", Scope.OPERATE, "active"),
    ]
    assert await tokens.api.caller(text) == Caller(token_id=record.id, name="ci", scope=Scope.OPERATE)
    assert await tokens.api.caller(text + "x") is None


@pytest.mark.parametrize("name", ["", " ci", "x" * 101])
async def test_a_name_has_1_to_100_characters(tokens: Tokens, name: str) -> None:
    with pytest.raises(AttuneError, match="name: expected"):
        await tokens.create(name)


async def test_a_name_is_free_again_once_its_token_is_revoked(tokens: Tokens) -> None:
    record, text = await tokens.create()
    with pytest.raises(AttuneError, match="expected one that no live token has, got 'ci'"):
        await tokens.create()
    assert await tokens.operators.revoke(record.id) is True
    assert await tokens.operators.revoke(record.id) is False
    assert await tokens.operators.revoke(10**9) is False

    assert await tokens.api.caller(text) is None
    assert (await tokens.create())[0].id != record.id


async def test_a_token_ends_with_its_time(tokens: Tokens) -> None:
    record, text = await tokens.create(expires_in=3600.0)
    caller = await tokens.api.caller(text)
    assert 3500 < caller.expires_in <= 3600
    await tokens.later(3601)

    assert await tokens.api.caller(text) is None
    assert [one.state for one in await tokens.operators.list_tokens() if one.name == "ci"] == ["expired"]
    assert await tokens.operators.revoke(record.id) is True
    assert [one.state for one in await tokens.operators.list_tokens() if one.name == "ci"] == ["revoked"]


async def test_a_login_link_opens_a_session_of_its_token(tokens: Tokens) -> None:
    record, text = await tokens.create()
    code = await tokens.operators.login_link(record.id)
    session = await tokens.api.log_in(code, by_code=True)
    other = await tokens.api.log_in(text, by_code=False)

    caller = await tokens.api.session_caller(session)
    assert (caller.token_id, caller.name, caller.scope, caller.by_cookie) == (record.id, "ci", Scope.OPERATE, True)
    assert await tokens.api.log_in(code, by_code=True) is None, "used once"
    assert await tokens.api.log_in(text, by_code=True) is await tokens.api.log_in("nothing", by_code=False) is None
    await tokens.api.log_out(other)
    assert await tokens.api.session_caller(other) is None
    await tokens.operators.revoke(record.id)
    assert await tokens.api.session_caller(session) is None


async def test_a_session_ends_after_a_week_and_a_code_after_ten_minutes(tokens: Tokens) -> None:
    record, text = await tokens.create()
    code = await tokens.operators.login_link(record.id)
    session = await tokens.api.log_in(text, by_code=False)
    await tokens.later(601)
    assert await tokens.api.log_in(code, by_code=True) is None
    await tokens.later(86_400)
    assert await tokens.api.session_caller(session) is not None
    await tokens.later(6 * 86_400)

    assert await tokens.api.session_caller(session) is None


async def test_the_audit_is_read_newest_first_and_in_pages(tokens: Tokens) -> None:
    _, text = await tokens.create()
    await tokens.api.note(await tokens.api.caller(text), {**REQUEST, "detail": {"a": 1}})
    await tokens.api.note(None, {**REQUEST, "status": 401})

    last, first = await tokens.operators.list_audit(AuditFilter(limit=2))
    assert (last.actor, last.status, last.detail, last.is_refused) == ("nobody", 401, None, True)
    assert (first.actor, first.path, first.detail, first.last) == ("ci", "/api/workers", {"a": 1}, None)
    assert (await tokens.api.list_audit(AuditFilter(before=last.id, limit=1)))[0].id == first.id


async def test_the_audit_is_filtered_and_counts_what_is_refused_again(tokens: Tokens) -> None:
    _, text = await tokens.create()
    await tokens.api.note(await tokens.api.caller(text), REQUEST)
    line = await tokens.api.note(None, {**REQUEST, "status": 401, "code": "unauthorized", "waited": 900.0, "count": 2})
    await tokens.api.count_refusals(line, 298, 100.0)

    async def found(**keys: Any) -> list[str]:
        return [one.actor for one in await tokens.operators.list_audit(AuditFilter(action="api/WORKERS", **keys))]

    assert await found() == ["nobody", "ci"]
    assert await found(who="ci") == await found(refused=False) == await found(since=60) == ["ci"]
    assert await found(who="nobody") == await found(refused=True) == ["nobody"]
    assert (await found(since=500), await found(who="x"), await found(limit=1)) == (["nobody", "ci"], [], ["nobody"])
    assert await tokens.operators.list_audit(AuditFilter(action="no such path")) == []
    (counted,) = await tokens.operators.list_audit(AuditFilter(who="nobody"))
    assert (counted.count, counted.code, counted.last is not None) == (300, "unauthorized", True)
    assert await tokens.api.answers() is True
