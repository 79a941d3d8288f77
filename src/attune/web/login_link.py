"""The login link that `attune up` prints: a token of this machine, kept in a file that only its owner reads."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from attune.core.access.tokens import Scope
from attune.core.ports.access import AccessStore


async def login_link(tokens: AccessStore, file: Path, address: str) -> str:
    """A link that opens the page as an administrator for a day. The token in *file* is used, or made and kept there."""
    kept = _read(file)
    caller = await tokens.caller(kept) if kept else None
    if caller is None:
        number = max((token.id for token in await tokens.list_tokens()), default=0) + 1
        name = f"attune up on {socket.gethostname()} #{number}"
        token, text = await tokens.create(name, Scope.ADMIN, created_by="attune up")
        _write(file, text)
        token_id = token.id
    else:
        token_id = caller.token_id
    return f"{address}/login?code={await tokens.login_link(token_id)}"


def _read(file: Path) -> str | None:
    try:
        return file.read_text("ascii").strip()
    except (OSError, ValueError):
        return None


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"{text}\n")
    fresh.replace(file)
