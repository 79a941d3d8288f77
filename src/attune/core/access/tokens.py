"""Who may do what through the API: scopes, and tokens as digests. Making random text is left to others."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

PREFIX = "attune_"
LINK_SECONDS = 600.0  # in which a login link can be used, once


class Scope(StrEnum):
    """What a token opens. Each scope holds those before it."""

    READ = "read"
    OPERATE = "operate"  # drain, reload, run work
    ADMIN = "admin"  # change definitions, which are commands that every host runs, and tokens

    def holds(self, other: "Scope") -> bool:
        """Whether whoever has this scope may do what needs *other*."""
        return _ORDER.index(self) >= _ORDER.index(other)


_ORDER = tuple(Scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls: its token, what names the session if a cookie brought it, and in how many seconds it ends, if ever."""

    token_id: int
    name: str
    scope: Scope
    session: str = ""
    expires_in: float | None = None

    @property
    def by_cookie(self) -> bool:
        """Whether a browser may have sent what opens the API unasked."""
        return bool(self.session)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A token as it is listed; its `state` is `active`, `expired` or `revoked`. Times are the database's."""

    id: int
    name: str
    scope: Scope
    created: datetime
    created_by: str
    expires: datetime | None = None
    last_used: datetime | None = None
    revoked: datetime | None = None
    state: str = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeToken(TokenRecord):
    """A new token with its text, which is given this once."""

    token: str


def digest_of(secret: str) -> bytes:
    """What is stored of a token, a login code or a session: SHA-256, enough for 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def session_name(session: str) -> str:
    """What names *session* where it must not be known."""
    return digest_of(session).hex()[:12]


def csrf_of(session: str) -> str:
    """The token that forms of the session *session* carry. Whoever knows it has seen a page of that session."""
    return hashlib.sha256(b"csrf:" + session.encode("utf-8", "surrogatepass")).hexdigest()
