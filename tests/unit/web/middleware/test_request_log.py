"""The line that each request leaves in the log."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from attune.core.access.tokens import Caller, Scope
from attune.web.middleware.metrics import RequestFigures


@pytest.mark.parametrize(
    ("path", "route", "level", "shown"),
    [
        ("/api/workers/7", "/workers/{worker_id}", "info", "/api/workers/{worker_id}"),
        ("/healthz", "/healthz", "debug", "/healthz"),
        ("/api/secret-token", None, "debug", "none"),
    ],
)
def test_a_request_leaves_one_line_with_its_route_and_who_it_was(
    path: str, route: str | None, level: str, shown: str
) -> None:
    caller = Caller(token_id=1, name="ada", scope=Scope.READ)
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "state": {"caller": caller}}
    if route:
        scope["route"] = SimpleNamespace(path=route)
    with capture_logs() as lines:
        asyncio.run(RequestFigures().count(scope, 200, 0.01234))

    facts = {"method": "GET", "route": shown, "status": 200, "ms": 12.3, "who": "ada"}
    assert lines == [{"event": "request", "log_level": level, **facts}]
