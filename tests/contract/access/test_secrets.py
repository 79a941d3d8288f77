"""`SecretCipher`, `SecretEditor` and `SecretStore`: memory, PostgreSQL, and to edit over the API."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from attune.client.tokens import HttpSecrets
from attune.core.access.secrets import place_of
from attune.core.access.tokens import Scope
from attune.core.errors import SecretError, UsageError
from attune.host.access.keyring import Keyring
from attune.postgres.access.secrets import PostgresSecrets
from attune.postgres.connection import open_pool
from attune.testing import MemoryCipher, MemorySecrets
from web_client import serving

pytestmark = pytest.mark.anyio
KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(params=["memory", "host"])
def cipher(request: pytest.FixtureRequest) -> Any:
    return MemoryCipher() if request.param == "memory" else Keyring(Path("/nowhere"), lambda: KEY)


@pytest.fixture(params=["memory", "postgres", "http"])
async def secrets(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Any]:
    """The store, and what nodes read."""
    if request.param == "memory":
        store = MemorySecrets()
        yield store, store
        return
    url = request.getfixturevalue("migrated_database")
    async with open_pool(url) as pool:
        postgres = PostgresSecrets(pool, MemoryCipher())
        if request.param == "postgres":
            yield postgres, postgres
            return
        async with serving(url) as api, api.wire(api.tokens[Scope.ADMIN]) as wire:
            yield HttpSecrets(wire), postgres


def test_a_ciphertext_is_bound_to_its_place(cipher: Any) -> None:
    sealed = cipher.encrypt("hunter22", "here")

    assert cipher.decrypt(sealed, "here") == "hunter22"
    for changed, place in ((sealed, "there"), ("hunter22", "here")):
        with pytest.raises(SecretError):
            cipher.decrypt(changed, place)


async def test_a_value_goes_in_and_only_its_name_comes_out(secrets: Any) -> None:
    store, reader = secrets
    await store.set_secret("db.password", "hunter22", changed_by="ann")
    await store.set_secret("api-key", "correct horse\n", changed_by="bob")
    before = [(it.name, it.created) for it in await store.list_secrets()]
    await store.set_secret("api-key", "battery staple", changed_by="cia")
    listed = await store.list_secrets()

    assert [(it.name, it.created) for it in listed] == before
    assert [name for name, _ in before] == ["api-key", "db.password"]
    assert listed[0].updated >= listed[0].created and not hasattr(listed[0], "value")
    found = await reader.ciphertexts(["api-key", "nothing"])
    assert {name: MemoryCipher().decrypt(sealed, place_of(name)) for name, sealed in found.items()} == {
        "api-key": "battery staple"
    }


async def test_what_is_removed_is_gone(secrets: Any) -> None:
    store, reader = secrets
    await store.set_secret("a", "hunter22", changed_by="ann")

    assert (await store.remove_secret("a"), await store.remove_secret("a")) == (True, False)
    assert (list(await store.list_secrets()), dict(await reader.ciphertexts(["a"]))) == ([], {})


@pytest.mark.parametrize(("name", "value"), [("a b", "hunter22"), ("a", "abc"), ("a", "x" * 65_537), ("", "hunter22")])
async def test_what_no_secret_can_be_is_refused_without_being_shown(secrets: Any, name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        await secrets[0].set_secret(name, value, changed_by="ann")
    assert "hunter22" not in str(caught.value) and not list(await secrets[0].list_secrets())
