"""Who may use the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attune.core.access.tokens import Caller, Scope, TokenRecord


class TokenStore(Protocol):
    """Who may use the API."""

    async def create(
        self, name: str, scope: Scope, *, created_by: str, expires_in: float | None = None
    ) -> tuple[TokenRecord, str]:
        """A new token and its text. Raises `UsageError` for a name that a live token has."""

    async def list_tokens(self) -> Sequence[TokenRecord]:
        """Every token, newest first."""

    async def revoke(self, token_id: int) -> bool:
        """End a token and its sessions; False if there is no live one."""

    async def login_link(self, token_id: int) -> str:
        """A code that opens the page in the name of a token, for a day."""


class AccessStore(TokenStore, Protocol):
    """Tokens, sessions and the audit, as the API itself needs them."""

    async def caller(self, text: str) -> Caller | None:
        """Who *text* is the token of; None if it is unknown, expired or revoked."""

    async def session_caller(self, session: str) -> Caller | None:
        """Who logged in as *session*; None if it is unknown or over, or its token is."""

    async def log_in(self, secret: str, *, by_code: bool) -> str | None:
        """A new session for a login code (once) or a token; None if it opens nothing."""

    async def log_out(self, session: str) -> None:
        """End a session."""

    async def note(self, caller: Caller | None, request: Mapping[str, Any]) -> None:
        """Write one line of the audit: `method`, `path`, `status`, `client` and perhaps `detail` of a request.

        `waited` is how many seconds ago that was.
        """

    async def audit(self, *, before: int | None = None, limit: int = 100) -> Sequence[Mapping[str, Any]]:
        """The last lines of the audit, newest first."""

    async def answers(self) -> bool:
        """Whether the database answers, within two seconds."""
