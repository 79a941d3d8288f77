"""Tokens, sessions, the audit and secrets in memory."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from attune.core.access.audit import AuditFilter, AuditRecord
from attune.core.access.secrets import check_secret, place_of
from attune.core.access.tokens import LINK_SECONDS, PREFIX, Caller, Scope, TokenRecord, session_name
from attune.core.errors import MissingKeyError, SecretError, UsageError
from attune.core.ports.access import SecretRecord


class MemoryTokens:
    """`TokenStore` and `AccessStore` in memory. Move `ahead` to let time pass; set `away` to take it offline."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self.away = False
        self._records: dict[int, TokenRecord] = {}
        self._secrets: dict[str, int] = {}
        self._codes: dict[str, tuple[int, datetime]] = {}
        self._sessions: dict[str, tuple[int, datetime]] = {}
        self._audit: list[AuditRecord] = []

    async def create(
        self, name: str, scope: Scope, *, created_by: str, expires_in: float | None = None
    ) -> tuple[TokenRecord, str]:
        if name != name.strip() or not 1 <= len(name) <= 100:
            raise UsageError(f"name: expected 1 to 100 characters without spaces around them, got {name!r}")
        if any(record.name == name and record.revoked is None for record in self._records.values()):
            raise UsageError(f"name: expected one that no live token has, got {name!r}")
        now, number, text = self._now(), len(self._records) + 1, PREFIX + secrets.token_urlsafe(32)
        expires = None if expires_in is None else now + timedelta(seconds=expires_in)
        record = TokenRecord(id=number, name=name, scope=scope, created=now, created_by=created_by, expires=expires)
        self._records[number], self._secrets[text] = record, number
        return record, text

    async def list_tokens(self) -> Sequence[TokenRecord]:
        return [
            replace(record, state="expired") if self._is_over(record) and not record.revoked else record
            for record in reversed(self._records.values())
        ]

    async def revoke(self, token_id: int) -> bool:
        record = self._records.get(token_id)
        if record is None or record.revoked is not None:
            return False
        self._records[token_id] = replace(record, revoked=self._now(), state="revoked")
        return True

    async def login_link(self, token_id: int) -> str:
        code = secrets.token_urlsafe(24)
        self._codes[code] = token_id, self._now() + timedelta(seconds=LINK_SECONDS)
        return code

    async def caller(self, text: str) -> Caller | None:
        record = self._live(self._secrets.get(text))
        if record is None:
            return None
        left = None if record.expires is None else (record.expires - self._now()).total_seconds()
        return Caller(token_id=record.id, name=record.name, scope=record.scope, expires_in=left)

    async def session_caller(self, session: str) -> Caller | None:
        record = self._live(self._unexpired(self._sessions, session))
        if record is None:
            return None
        return Caller(token_id=record.id, name=record.name, scope=record.scope, session=session_name(session))

    async def log_in(self, secret: str, *, by_code: bool) -> str | None:
        record = self._live(self._unexpired(self._codes, secret) if by_code else self._secrets.get(secret))
        self._codes.pop(secret, None)
        if record is None:
            return None
        session = secrets.token_urlsafe(32)
        self._sessions[session] = record.id, self._now() + timedelta(days=7)
        return session

    async def log_out(self, session: str) -> None:
        self._sessions.pop(session, None)

    async def note(self, caller: Caller | None, request: Mapping[str, Any]) -> int:
        who = {"token": caller.token_id, "session": caller.session or None} if caller else {}
        asked: dict[str, Any] = {name: value for name, value in request.items() if not name.endswith("waited")} | who
        now = self._now()
        last = now if request.get("count", 1) > 1 else None
        actor = caller.name if caller else "nobody"
        self._audit.append(AuditRecord(id=len(self._audit) + 1, at=now, actor=actor, last=last, **asked))
        return len(self._audit)

    async def count_refusals(self, line: int, times: int, waited: float) -> None:
        last = self._now() - timedelta(seconds=waited)
        self._audit[line - 1] = replace(self._audit[line - 1], count=self._audit[line - 1].count + times, last=last)

    async def list_audit(self, wanted: AuditFilter) -> Sequence[AuditRecord]:
        def fits(line: AuditRecord) -> bool:
            age = (self._now() - (line.last or line.at)).total_seconds()
            return (
                (wanted.before is None or line.id < wanted.before)
                and wanted.who in (None, line.actor, line.login)
                and (wanted.action or "").lower() in line.action.lower()
                and wanted.refused in (None, line.is_refused)
                and (wanted.since is None or age < wanted.since)
            )

        return [line for line in reversed(self._audit) if fits(line)][: wanted.limit]

    async def answers(self) -> bool:
        return not self.away

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def _is_over(self, record: TokenRecord) -> bool:
        return record.expires is not None and record.expires <= self._now()

    def _unexpired(self, known: Mapping[str, tuple[int, datetime]], secret: str) -> int | None:
        number, until = known.get(secret, (None, self._now()))
        return number if until > self._now() else None

    def _live(self, number: int | None) -> TokenRecord | None:
        record = self._records.get(number or 0)
        return None if record is None or record.revoked or self._is_over(record) else record


class MemoryCipher:
    """`SecretCipher` that only keeps every text to its place; `lost` takes its key away."""

    lost = False

    def encrypt(self, text: str, place: str) -> str:
        if self.lost:
            raise MissingKeyError("there is no key for secrets in memory")
        return f"v1.memory.{place}:{text[::-1]}"

    def decrypt(self, sealed: str, place: str) -> str:
        if not sealed.startswith(head := self.encrypt("", place)):
            raise SecretError(f"{place} cannot be decrypted: it was changed, or moved from elsewhere")
        return sealed.removeprefix(head)[::-1]


class MemorySecrets:
    """`SecretEditor` and `SecretStore` in memory."""

    def __init__(self) -> None:
        self.cipher = MemoryCipher()
        self._kept: dict[str, tuple[SecretRecord, str]] = {}

    async def list_secrets(self) -> Sequence[SecretRecord]:
        return [self._kept[name][0] for name in sorted(self._kept)]

    async def set_secret(self, name: str, value: str, *, changed_by: str) -> None:
        check_secret(name, value)
        now = datetime.now(UTC)
        fresh = SecretRecord(name=name, created=now, updated=now, changed_by=changed_by)
        record = replace(fresh, created=self._kept.get(name, (fresh,))[0].created)
        self._kept[name] = record, self.cipher.encrypt(value, place_of(name))

    async def remove_secret(self, name: str) -> bool:
        return self._kept.pop(name, None) is not None

    async def ciphertexts(self, names: Collection[str]) -> Mapping[str, str]:
        return {name: self._kept[name][1] for name in names if name in self._kept}
