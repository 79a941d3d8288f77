"""Who may use the API, what was asked of it, and named secrets."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from attune.core.access.audit import AuditFilter, AuditRecord
from attune.core.access.tokens import Caller, Scope, TokenRecord


class TokenStore(Protocol):
    """Who may use the API, and what they asked of it."""

    async def create(
        self, name: str, scope: Scope, *, created_by: str, expires_in: float | None = None
    ) -> tuple[TokenRecord, str]:
        """A new token and its text. Raises `UsageError` for a name that a live token has."""

    async def list_tokens(self) -> Sequence[TokenRecord]:
        """Every token, newest first."""

    async def revoke(self, token_id: int) -> bool:
        """End a token and its sessions; False if there is no live one."""

    async def login_link(self, token_id: int) -> str:
        """A code that opens the page in the name of a token, once within ten minutes."""

    async def list_audit(self, wanted: AuditFilter) -> Sequence[AuditRecord]:
        """What was asked for and changed, and by whom, newest first."""


class AccessStore(TokenStore, Protocol):
    """Tokens, sessions and the audit, as the API itself needs them."""

    async def caller(self, text: str) -> Caller | None:
        """Who *text* is the token of; None if it is unknown, expired or revoked."""

    async def session_caller(self, session: str) -> Caller | None:
        """Who logged in as *session*; None if it is unknown or over, or its token is."""

    async def log_in(self, secret: str, *, by_code: bool) -> str | None:
        """A new session for a login code (once) or a token; None if it opens nothing."""

    async def log_out(self, session: str) -> None:
        """End a session, and with it what any API process still keeps open or remembers of its token."""

    async def note(self, caller: Caller | None, request: Mapping[str, Any]) -> int:
        """Write one line of the audit: `method`, `path`, `status`, `client`, `code` and `detail` of a request; its id.

        `waited` is how many seconds ago that was, `count` how often it came until `last_waited` seconds ago.
        """

    async def count_refusals(self, line: int, times: int, waited: float) -> None:
        """Have a line count what was refused as often again, last *waited* seconds ago."""

    async def answers(self) -> bool:
        """Whether the database answers, within two seconds."""


class SecretCipher(Protocol):
    """Encrypts text for one *place*: elsewhere it cannot be decrypted."""

    def encrypt(self, text: str, place: str) -> str:
        """The ciphertext, under the newest key. Raises `MissingKeyError` where there is no key."""

    def decrypt(self, sealed: str, place: str) -> str:
        """The text. Raises `MissingKeyError` without its key, `SecretError` if it was changed or moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRecord:
    """A named secret, without its value. Times are the database's."""

    name: str
    created: datetime
    updated: datetime
    changed_by: str


class SecretEditor(Protocol):
    """Named secrets, listed by name. A value goes in, and never comes out."""

    async def list_secrets(self) -> Sequence[SecretRecord]: ...

    async def set_secret(self, name: str, value: str, *, changed_by: str) -> None:
        """Keep *value* under *name*, in the place of what was there. Raises `UsageError`, `MissingKeyError`."""

    async def remove_secret(self, name: str) -> bool:
        """Forget it; False if there is none of that name."""


class SecretStore(SecretEditor, Protocol):
    """Named secrets, with their values encrypted."""

    async def ciphertexts(self, names: Collection[str]) -> Mapping[str, str]:
        """The encrypted values of those of *names* that exist, which nodes read when work begins."""
