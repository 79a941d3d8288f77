"""What is secret is encrypted in the database, bound to its place, and encrypted anew when the key is rotated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attune.composition.secrets import ensure_key, key_problem, keyring_for, rotate_keys
from attune.config import Settings
from attune.config.settings import SecretSettings
from attune.core.access.secrets import place_of
from attune.core.errors import SecretError
from attune.core.events.rule import Firing
from attune.core.executions.action import Action
from attune.core.ports.executions import NewExecution
from attune.host.access.keyring import Keyring
from attune.postgres.access import secrets as store_module
from attune.postgres.access.secrets import PostgresSecrets
from attune.postgres.connection import Pool, open_pool
from attune.postgres.events.store import request_execution
from attune.postgres.executions.actions import PostgresActions
from attune.postgres.executions.pages import PostgresExecutionPages
from attune.postgres.executions.store import PostgresExecutions
from waiting import rows

pytestmark = pytest.mark.anyio
SCHEMA = {"properties": {"key": {"type": "string", "secret": True}, "name": {"type": "string"}}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Vault:
    """A database, keys in a folder, and an action with a secret parameter."""

    def __init__(self, pool: Pool, url: str, keys: Keyring, action: Action, settings: Settings) -> None:
        self.pool, self.url, self.keys, self.action, self.settings = pool, url, keys, action, settings
        self.secrets = PostgresSecrets(pool, keys)
        self.executions, self.pages = PostgresExecutions(pool, keys), PostgresExecutionPages(pool, keys)

    async def ask(self, *given: dict[str, Any]) -> list[int]:
        return await self.executions.submit([NewExecution(self.action, one) for one in given])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return rows(self.url, query)

    def everything(self) -> str:
        """All that the database holds of executions and secrets, as text."""
        found = [self.rows(f"SELECT to_jsonb(t) FROM {table} AS t") for table in ("execution", "secret", "enforcement")]
        return json.dumps(found, default=str)

    async def asked(self, number: int) -> Any:
        found = await PostgresExecutionPages(self.pool, Keyring(self.keys.file)).asked(number)
        return found and found.parameters


@pytest.fixture
async def vault(migrated_database: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Vault]:
    settings = replace(Settings(), data_dir=tmp_path / "data")
    async with open_pool(migrated_database) as pool:
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO pack (ref, label, version) VALUES ('acme', '', '1.0.0')")
            await connection.execute(
                "INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint, param_schema)"
                " SELECT 'acme.act', id, 'acme', '', '', 'act.py', %s::jsonb FROM pack WHERE ref = 'acme'",
                (json.dumps(SCHEMA),),
            )
        await ensure_key(settings, migrated_database)
        action = await PostgresActions(pool).get("acme.act")
        yield Vault(pool, migrated_database, keyring_for(settings), action, settings)


async def test_parameters_are_encrypted_shown_as_stars_and_asked_for_once_more_as_they_were(vault: Vault) -> None:
    numbers = await vault.ask(
        {"name": "a"}, {"key": "hunter22", "name": "b"}, {"key": "secret:other"}, {"key": "hunter22"}
    )
    shown = [(await vault.pages.get(number)).parameters for number in numbers]  # type: ignore[union-attr]

    assert shown == [{"name": "a"}, {"key": "***", "name": "b"}, {"key": "***"}, {"key": "***"}]
    assert "hunter22" not in vault.everything()
    assert await vault.asked(numbers[1]) == {"key": "hunter22", "name": "b"}
    first, last = (vault.rows(f"SELECT sealed ->> 'key' FROM execution WHERE id = {n}") for n in numbers[1::2])
    assert first != last


async def test_what_a_rule_asks_for_is_encrypted_too(vault: Vault) -> None:
    ((enforcement,),) = vault.rows(
        "INSERT INTO enforcement (rule_ref, trigger_ref, payload) VALUES ('acme.r', 'acme.t', '{}') RETURNING id"
    )
    firing = Firing("acme.act", {"key": "hunter22", "name": "b"}, enforcement, frozenset({"key"}))
    async with vault.pool.connection() as connection:
        number = await request_execution(connection, firing, vault.keys)

    assert "hunter22" not in vault.everything()
    assert await vault.asked(number) == {"key": "hunter22", "name": "b"}


async def test_a_ciphertext_of_another_execution_is_refused(vault: Vault) -> None:
    mine, theirs = await vault.ask({"key": "hunter22"}, {"key": "battery staple"})
    vault.rows(
        f"UPDATE execution AS e SET sealed = o.sealed FROM execution AS o WHERE o.id = {theirs} AND e.id = {mine}"
        " RETURNING 1"
    )
    with pytest.raises(SecretError, match=f"execution/{mine}/key cannot be decrypted"):
        await vault.asked(mine)


async def test_a_rotated_key_encrypts_everything_anew_and_what_earlier_versions_left_in_plain_text(
    vault: Vault,
) -> None:
    await vault.secrets.set_secret("a", "correct horse", changed_by="ann")
    (number,) = await vault.ask({"key": "hunter22", "name": "b"})
    vault.rows(
        "INSERT INTO execution (action, action_ref, config) SELECT id, ref,"
        """ '{"key": "battery", "name": "c"}' FROM action WHERE ref = 'acme.act' RETURNING id"""
    )
    before, sealed = vault.keys.ids, vault.everything()
    name, done, left = await rotate_keys(vault.settings, vault.url)

    assert (done, left) == (3, 0)
    assert before[0] not in name and before[0] not in vault.everything() and before[0] in sealed
    assert "battery" not in vault.everything()
    assert await vault.asked(number + 1) == {"key": "battery", "name": "c"}
    vault.keys.file.write_text(vault.keys.file.read_text().splitlines()[0])
    assert await vault.asked(number) == {"key": "hunter22", "name": "b"}
    fresh = Keyring(vault.keys.file)
    ((stored,),) = vault.rows("SELECT value FROM secret")
    assert fresh.decrypt(stored, place_of("a")) == "correct horse"


async def test_a_rotation_that_was_interrupted_goes_on_with_its_key(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = await vault.ask(*[{"key": f"hunter{n}2"} for n in range(5)])
    real, calls = store_module.execute, 0

    async def breaking(*given: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return await real(*given)

    monkeypatch.setattr(store_module, "execute", breaking)
    with pytest.raises(KeyboardInterrupt):
        await rotate_keys(vault.settings, vault.url)
    half = Keyring(vault.keys.file).ids
    monkeypatch.setattr(store_module, "execute", real)
    name, done, left = await rotate_keys(vault.settings, vault.url)

    assert (name.split()[0], done, left) == (half[0], 3, 0)
    assert Keyring(vault.keys.file).ids == half
    assert [await vault.asked(number) for number in numbers] == [{"key": f"hunter{n}2"} for n in range(5)]


async def test_what_cannot_be_decrypted_is_left_and_counted(vault: Vault) -> None:
    await vault.secrets.set_secret("a", "correct horse", changed_by="ann")
    vault.rows("UPDATE secret SET name = 'b' RETURNING 1")
    assert (await rotate_keys(vault.settings, vault.url))[1:] == (0, 1)


async def test_a_key_is_made_once_and_not_where_the_installation_has_another(vault: Vault, tmp_path: Path) -> None:
    await vault.secrets.set_secret("a", "correct horse", changed_by="ann")
    elsewhere = replace(vault.settings, data_dir=tmp_path / "elsewhere")
    named = replace(vault.settings, secrets=SecretSettings(tmp_path / "none.key"))

    assert await ensure_key(vault.settings, vault.url) is None
    for settings in (elsewhere, named):
        said = await ensure_key(settings, vault.url)
        assert said is not None and "there is no key for secrets in secrets.key_file" in said
        assert not keyring_for(settings).file.exists()


async def test_doctor_names_a_key_that_is_missing_and_a_file_that_others_may_read(vault: Vault) -> None:
    await vault.secrets.set_secret("a", "correct horse", changed_by="ann")
    await vault.ask({"key": "hunter22"})
    settings = replace(vault.settings, database=replace(vault.settings.database, url=vault.url))

    async def problem() -> tuple[str, str | None] | None:
        return await asyncio.to_thread(key_problem, settings)

    assert await problem() is None
    vault.keys.file.chmod(0o644)
    assert "only its owner may read" in str(await problem())
    (wanted,) = vault.keys.ids
    vault.keys.file.unlink()
    vault.keys.add_key()
    text, remedy = await problem() or ("", "")
    assert f"encrypted with the key {wanted}, which is not in" in text
    assert remedy == "copy the key file of the host that has it"
