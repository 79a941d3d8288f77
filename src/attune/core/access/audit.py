"""The audit: its lines, which of them are wanted, and what it keeps of the body of a request."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from attune.core.access.tokens import PREFIX
from attune.core.access.variables import may_be_secret

_HIDDEN = "***"
LONGEST = 4096
"""Characters of a detail; what is longer is cut."""
_KEPT = 3800
_MOST_READ = 64 * 1024  # bytes of a body
_HIDDEN_KEYS = frozenset({"parameters", "payload", "value"})
_SECRET_TEXT = re.compile(rf"({PREFIX})[\w-]{{20,}}|(://[^/\s:@]*:)[^/\s@]+(?=@)")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """A request, a refusal or, with no `status`, a change of a table. Times are the database's.

    `login` and `program` are those of the database's session; `count` is how often a refusal came until `last`.
    """

    id: int
    at: datetime
    actor: str
    method: str
    path: str
    token: int | None = None
    session: str | None = None
    login: str | None = None
    program: str | None = None
    client: str | None = None
    status: int | None = None
    code: str | None = None
    detail: Any = None
    count: int = 1
    last: datetime | None = None

    @property
    def is_refused(self) -> bool:
        """Whether it was not done."""
        return (self.status or 0) >= 400

    @property
    def action(self) -> str:
        """What was asked for, or changed."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which lines, newest first: `who` is an actor or a login, `action` a part of method and path.

    `since` is how many seconds ago they came at most; `before` is the id of a line that all wanted ones are older than.
    """

    who: str | None = None
    action: str | None = None
    refused: bool | None = None
    since: float | None = None
    before: int | None = None
    limit: int = 100


def body_detail(body: bytes) -> Any:
    """What is kept of the JSON *body* of a request: at most `LONGEST` characters, and nothing that may be secret."""
    digest = hashlib.sha256(body).hexdigest()
    if len(body) > _MOST_READ:
        return {"bytes": len(body), "sha256": digest}
    try:
        told = _without_secrets(json.loads(body))
    except ValueError:
        return None
    text = json.dumps(told, ensure_ascii=False)
    return told if len(text) <= LONGEST else {"cut": text[:_KEPT], "sha256": digest}


def _without_secrets(value: Any, hidden: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            _masked(name): _without_secrets(inner, hidden or name in _HIDDEN_KEYS or may_be_secret(name))
            for name, inner in value.items()
        }
    if hidden and value is not None:
        return _HIDDEN
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    return _masked(value) if isinstance(value, str) else value


def _masked(text: str) -> str:
    return _SECRET_TEXT.sub(lambda found: (found[1] or found[2]) + _HIDDEN, text)
