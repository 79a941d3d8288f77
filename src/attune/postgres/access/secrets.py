"""The table `secret`: named secrets, encrypted."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from attune.core.access.secrets import check_secret, encrypted, place_of, to_encrypt
from attune.core.errors import MissingKeyError, SecretError
from attune.core.ports.access import SecretRecord
from attune.postgres.rows import PostgresStore, execute, read_all, read_pairs

# What does not begin with *head*: secrets, parameters (`sealed`), and those that earlier versions left in `config`.
_OUTDATED = """
    SELECT NULL::bigint AS execution, name, value AS sealed, NULL::jsonb AS plain FROM secret
    WHERE NOT starts_with(value, %(head)s)
    UNION ALL SELECT e.id, v.key, v.value, NULL FROM execution AS e, jsonb_each_text(e.sealed) AS v
    WHERE NOT starts_with(v.value, %(head)s)
    UNION ALL SELECT e.id, p.key, NULL, e.config -> p.key FROM execution AS e JOIN action AS a ON a.id = e.action,
        jsonb_each(CASE jsonb_typeof(a.param_schema -> 'properties') WHEN 'object'
            THEN a.param_schema -> 'properties' END) AS p
    WHERE p.value -> 'secret' = 'true' AND e.config ? p.key
"""
_UPDATE = """
    UPDATE execution SET config = config - %(name)s::text, sealed = coalesce(sealed, '{}') || %(fresh)s
    WHERE id = %(execution)s AND sealed ->> %(name)s::text IS NOT DISTINCT FROM %(sealed)s::text
"""


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

    async def uses_others_than(self, head: str) -> bool:
        """Whether anything is encrypted that does not begin with *head*."""
        return any(row["sealed"] for row in await self._outdated(head))

    async def keys_in_use(self) -> Collection[str]:
        """The ids of the keys that something is encrypted with."""
        query = """
            SELECT split_part(value, '.', 2) AS id, count(*) FROM (
                SELECT value FROM secret UNION ALL SELECT v.value FROM execution AS e, jsonb_each_text(e.sealed) AS v
            ) AS sealed GROUP BY id
        """
        return (await read_pairs(self._pool, query)).keys()

    async def reencrypt(self) -> tuple[int, int]:
        """Encrypt under the newest key what is not; how many values were, and how many could not be decrypted."""
        done = left = 0
        newest = self._cipher.encrypt("", "").rpartition(".")[0]
        for row in await self._outdated(newest):
            name, number, sealed = row["name"], row["execution"], row["sealed"]
            place = place_of(name, number)
            try:
                fresh = sealed and self._cipher.encrypt(self._cipher.decrypt(sealed, place), place)
            except (MissingKeyError, SecretError):
                left += 1
                continue
            if number is None:
                query = "UPDATE secret SET value = %s WHERE name = %s AND value = %s"
                done += await execute(self._pool, query, (fresh, name, sealed))
                continue
            plain = encrypted(self._cipher, to_encrypt({name}, {name: row["plain"]}), number)
            if texts := {name: fresh} if sealed else plain:
                done += await execute(self._pool, _UPDATE, {**row, "fresh": Jsonb(texts)})
        return done, left

    async def _outdated(self, head: str) -> list[dict[str, Any]]:
        return await read_all(self._pool, dict, _OUTDATED, {"head": head})
