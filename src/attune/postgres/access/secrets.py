"""Named secrets, and encrypting everything anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg.types.json import Jsonb

from attune.core.access.secrets import check_secret, encrypted, place_of, to_encrypt
from attune.core.errors import MissingKeyError, SecretError
from attune.core.ports.access import SecretCipher, SecretRecord
from attune.postgres.connection import open_pool
from attune.postgres.rows import PostgresStore, execute, read_all, read_pairs, read_value, read_values, transaction

_AT_ONCE = 200
# Executions with secrets that are not under the newest key; those of earlier versions have them in `config`.
_OUTDATED = """
    SELECT e.id, found.sealed, found.plain FROM execution AS e LEFT JOIN action AS a ON a.id = e.action, LATERAL (
        SELECT coalesce(e.sealed, '{}') AS sealed, coalesce(jsonb_object_agg(p.key, e.config -> p.key), '{}') AS plain
        FROM jsonb_each(CASE jsonb_typeof(a.param_schema -> 'properties') WHEN 'object'
            THEN a.param_schema -> 'properties' ELSE '{}' END) AS p
        WHERE p.value -> 'secret' = 'true' AND e.config ? p.key) AS found (sealed, plain)
    WHERE e.id > %(after)s AND (found.plain <> '{}' OR EXISTS (
        SELECT FROM jsonb_each_text(found.sealed) AS v WHERE NOT starts_with(v.value, %(newest)s)))
    ORDER BY e.id LIMIT %(limit)s FOR UPDATE OF e
"""


class PostgresSecrets(PostgresStore):
    """`SecretStore` and `SecretReader` on PostgreSQL."""

    _cipher: SecretCipher

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

    async def uses_others_than(self, head: str) -> bool:
        """Whether anything is encrypted that does not begin with *head*."""
        query = """
            SELECT EXISTS (SELECT FROM secret WHERE NOT starts_with(value, %(head)s)) OR EXISTS (
                SELECT FROM execution AS e, jsonb_each_text(e.sealed) AS v WHERE NOT starts_with(v.value, %(head)s))
        """
        return bool(await read_value(self._pool, query, {"head": head}))

    async def reencrypt(self) -> tuple[int, int]:
        """Encrypt under the newest key what is not; how many values were, and how many could not be decrypted."""
        newest, values = self._cipher.newest, []
        for name in await read_values(
            self._pool, "SELECT name FROM secret WHERE NOT starts_with(value, %s)", (newest,)
        ):
            async with transaction(self._pool) as connection:
                query = "SELECT value FROM secret WHERE name = %s FOR UPDATE"
                values.append(fresh := self._anew(await read_value(connection, query, (name,)), place_of(name)))
                query = "UPDATE secret SET value = coalesce(%s, value) WHERE name = %s"
                await execute(connection, query, (fresh, name))
        after: int | None = 0
        while after is not None:
            async with transaction(self._pool) as connection:
                given = {"after": after, "newest": newest, "limit": _AT_ONCE}
                rows: list[dict[str, Any]] = await read_all(connection, dict, _OUTDATED, given)
                for row in rows:
                    number, sealed = row["id"], row["sealed"]
                    fresh_ones = {name: self._anew(text, place_of(name, number)) for name, text in sealed.items()}
                    plain = encrypted(self._cipher, to_encrypt(row["plain"], row["plain"]), number)
                    values += [*fresh_ones.values(), *plain.values()]
                    sealed |= {name: text for name, text in fresh_ones.items() if text} | plain
                    query = "UPDATE execution SET sealed = %s, config = config - %s::text[] WHERE id = %s"
                    await execute(connection, query, (Jsonb(sealed) if sealed else None, list(sealed), number))
            after = rows[-1]["id"] if len(rows) == _AT_ONCE else None
        return len(values) - values.count(None), values.count(None)

    def _anew(self, sealed: str, place: str) -> str | None:
        try:
            return self._cipher.encrypt(self._cipher.decrypt(sealed, place), place)
        except (MissingKeyError, SecretError):
            return None


@asynccontextmanager
async def secrets_at(url: str, cipher: SecretCipher) -> AsyncIterator[PostgresSecrets]:
    """What is secret in the database at *url*."""
    async with open_pool(url, application_name="attune key", size=1) as pool:
        yield PostgresSecrets(pool, cipher)
