"""The table `secret`: named secrets, encrypted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from attune.core.access.secrets import check_secret, place_of
from attune.core.ports.access import SecretRecord
from attune.postgres.rows import PostgresStore, execute, read_all, read_pairs, read_value


class PostgresSecrets(PostgresStore):
    """`SecretStore` on PostgreSQL."""

    async def list_secrets(self) -> Sequence[SecretRecord]:
        query = "SELECT name, created, updated, changed_by FROM secret ORDER BY name"
        return await read_all(self._pool, SecretRecord, query)

    async def set_secret(self, name: str, value: str, *, changed_by: str) -> None:
        check_secret(name, value)
        query = """
            INSERT INTO secret (name, value, changed_by) VALUES (%s, %s, %s)
            ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated = now(), changed_by = excluded.changed_by
        """
        await execute(self._pool, query, (name, self._cipher.encrypt(value, place_of(name)), changed_by))

    async def remove_secret(self, name: str) -> bool:
        return bool(await execute(self._pool, "DELETE FROM secret WHERE name = %s", (name,)))

    async def ciphertexts(self, names: Collection[str]) -> Mapping[str, str]:
        return await read_pairs(self._pool, "SELECT name, value FROM secret WHERE name = ANY(%s)", (list(names),))

    async def are_used(self) -> bool:
        """Whether anything is encrypted."""
        query = "SELECT EXISTS (SELECT FROM secret) OR EXISTS (SELECT FROM execution WHERE sealed IS NOT NULL)"
        return bool(await read_value(self._pool, query))
