"""Tokens of the API, the login links and sessions made from them, and the audit of what was done with them."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from attune.core.access.audit import AuditFilter, AuditRecord
from attune.core.access.tokens import LINK_SECONDS, PREFIX, Caller, Scope, TokenRecord, digest_of, session_name
from attune.core.errors import UsageError
from attune.postgres.rows import PostgresStore, execute, read_all, read_one, read_value

CHANNEL = "attune_token"
_COLUMNS = """
    id, name, scope, created, created_by, expires, last_used, revoked,
    CASE WHEN revoked IS NOT NULL THEN 'revoked' WHEN expires <= now() THEN 'expired' ELSE 'active' END AS state
"""
_LIVE = "t.revoked IS NULL AND (t.expires IS NULL OR t.expires > now())"


class PostgresTokens(PostgresStore):
    """`AccessStore` on PostgreSQL. What is secret leaves this class once: when it is made."""

    async def create(
        self, name: str, scope: Scope, *, created_by: str, expires_in: float | None = None
    ) -> tuple[TokenRecord, str]:
        text = PREFIX + secrets.token_urlsafe(32)
        query = f"""
            INSERT INTO api_token (name, digest, scope, created_by, expires)
            VALUES (%s, %s, %s, %s, now() + %s * interval '1 second') RETURNING {_COLUMNS}
        """
        try:
            async with self._pool.connection() as connection:
                parameters = (name, digest_of(text), scope, created_by, expires_in)
                (record,) = await read_all(connection, _record, query, parameters)
        except psycopg.errors.UniqueViolation:
            raise UsageError(
                f"name: expected one that no live token has, got {name!r}", hint="attune token list"
            ) from None
        except psycopg.errors.CheckViolation:
            raise UsageError(f"name: expected 1 to 100 characters without spaces around them, got {name!r}") from None
        return record, text

    async def list_tokens(self) -> Sequence[TokenRecord]:
        return await read_all(self._pool, _record, f"SELECT {_COLUMNS} FROM api_token ORDER BY id DESC")

    async def revoke(self, token_id: int) -> bool:
        query = "UPDATE api_token SET revoked = now() WHERE id = %s AND revoked IS NULL"
        return bool(await execute(self._pool, query, (token_id,)))

    async def caller(self, text: str) -> Caller | None:
        return await self._caller(text, "api_token AS t", "t.digest = %(digest)s", expires="t.expires")

    async def session_caller(self, session: str) -> Caller | None:
        sessions = "login_session AS s JOIN api_token AS t ON t.id = s.token"
        condition = "s.digest = %(digest)s AND s.expires > now()"
        caller = await self._caller(session, sessions, condition, expires="s.expires")
        return caller and replace(caller, session=session_name(session))

    async def login_link(self, token_id: int, *, lasts: float = LINK_SECONDS) -> str:
        code = secrets.token_urlsafe(24)
        query = """
            WITH old AS (DELETE FROM login_code WHERE expires < now())
            INSERT INTO login_code (digest, token, expires) VALUES (%s, %s, now() + %s * interval '1 second')
        """
        await execute(self._pool, query, (digest_of(code), token_id, lasts))
        return code

    async def log_in(self, secret: str, *, by_code: bool, lasts: float = 7 * 86_400.0) -> str | None:
        session = secrets.token_urlsafe(32)
        source = "used AS c JOIN api_token AS t ON t.id = c.token" if by_code else "api_token AS t"
        where = "c.expires > now()" if by_code else "t.digest = %(digest)s"
        query = f"""
            WITH old AS (DELETE FROM login_session WHERE expires < now()),
            used AS (DELETE FROM login_code WHERE %(by_code)s AND digest = %(digest)s RETURNING token, expires)
            INSERT INTO login_session (digest, token, expires)
            SELECT %(session)s, t.id, least(now() + %(lasts)s * interval '1 second', t.expires)
            FROM {source} WHERE {where} AND {_LIVE}
        """
        parameters = {"session": digest_of(session), "digest": digest_of(secret), "lasts": lasts, "by_code": by_code}
        return session if await execute(self._pool, query, parameters) else None

    async def log_out(self, session: str) -> None:
        query = """
            WITH ended AS (DELETE FROM login_session WHERE digest = %s RETURNING token)
            SELECT pg_notify(%s, token::text) FROM ended
        """
        await execute(self._pool, query, (digest_of(session), CHANNEL))

    async def note(self, caller: Caller | None, request: Mapping[str, Any]) -> int:
        query = """
            INSERT INTO audit (at, token, session, actor, client, method, path, status, code, detail, count, last)
            VALUES (now() - %(waited)s * interval '1 second', %(token)s, %(session)s, %(actor)s, %(client)s, %(method)s,
                    %(path)s, %(status)s, %(code)s, %(detail)s, %(count)s,
                    CASE WHEN %(count)s > 1 THEN now() - %(last_waited)s * interval '1 second' END)
            RETURNING id
        """
        parameters = {
            "waited": 0.0,
            "code": None,
            "count": 1,
            "last_waited": 0.0,
            **request,
            "token": caller.token_id if caller else None,
            "session": (caller.session if caller else "") or None,
            "actor": caller.name if caller else "nobody",
            "detail": Jsonb(request["detail"]) if request.get("detail") is not None else None,
        }
        return int(await read_value(self._pool, query, parameters))

    async def count_refusals(self, line: int, times: int, waited: float) -> None:
        await execute(self._pool, "SELECT count_refusals(%s, %s, %s)", (line, times, waited))

    async def list_audit(self, wanted: AuditFilter) -> Sequence[AuditRecord]:
        query = """
            SELECT id, at, actor, method, path, token, session, login, program, client, status, code, detail, count,
                   last
            FROM audit
            WHERE (%(before)s::bigint IS NULL OR id < %(before)s)
              AND (%(who)s::text IS NULL OR %(who)s IN (actor, login))
              AND (%(action)s::text IS NULL OR position(lower(%(action)s) IN lower(method || ' ' || path)) > 0)
              AND (%(refused)s::boolean IS NULL OR (coalesce(status, 0) >= 400) = %(refused)s)
              AND (%(since)s::float8 IS NULL OR coalesce(last, at) > now() - %(since)s * interval '1 second')
            ORDER BY id DESC LIMIT %(limit)s
        """
        return await read_all(self._pool, AuditRecord, query, asdict(wanted))

    async def answers(self) -> bool:
        try:
            async with asyncio.timeout(2), self._pool.connection(timeout=2) as connection:
                await connection.execute("SELECT 1")
        except (TimeoutError, psycopg.Error, PoolTimeout):
            return False
        return True

    async def _caller(self, secret: str, source: str, where: str, *, expires: str) -> Caller | None:
        query = f"""
            WITH caller AS (
                SELECT t.id AS token_id, t.name, t.scope, extract(epoch FROM {expires} - now())::float8 AS expires_in
                FROM {source} WHERE {where} AND {_LIVE}
            ), used AS (
                UPDATE api_token SET last_used = now() FROM caller WHERE id = caller.token_id
                AND (last_used IS NULL OR last_used < now() - interval '30 seconds'))
            SELECT * FROM caller
        """
        caller = await read_one(self._pool, Caller, query, {"digest": digest_of(secret)})
        return caller and replace(caller, scope=Scope(caller.scope))


def _record(*, scope: str, **columns: Any) -> TokenRecord:
    return TokenRecord(**columns, scope=Scope(scope))
