"""How a page is made: a template, what every page knows of the request, and how states and times are shown."""

import json
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from attune.core.access.tokens import Caller, Scope, csrf_of
from attune.core.durations import coarse, precise
from attune.core.executions.execution import ExecutionStatus
from attune.web.access import caller_of, session_of
from attune.web.middleware.problems import ProblemError
from attune.web.services import services_of
from attune.web.ui.assets import asset

_STATES = {
    name: look
    for look, names in {
        ("✓", "good"): ("available", "completed", "enabled", "processed"),
        ("•", "told"): ("assumed",),
        ("◇", "told"): ("declared",),
        ("–", "none"): ("unavailable", "cancelled", "disabled"),
        ("?", "doubt"): ("unknown",),
        ("!", "bad"): ("invalid", "error"),
        ("●", "good"): ("active",),
        ("●", "told"): ("busy", "running"),
        ("○", "told"): ("starting", "scheduled"),
        ("○", "none"): ("inactive",),
        ("◐", "doubt"): ("draining", "canceling", "paused", "backing off"),
        ("◍", "bad"): ("degraded",),
        ("◔", "doubt"): ("stale",),
        ("◌", "doubt"): ("requested", "scheduling", "waiting"),
        ("✕", "bad"): ("lost", "failed", "timeout", "abandoned"),
    }.items()
    for name in names
}
NODE_STATES = ("active", "busy", "starting", "draining", "degraded", "stale", "lost", "inactive", "error")


def state(name: str) -> tuple[str, str]:
    """How the state *name* is shown beside its word: a symbol, and a class for the colour, which never stands alone."""
    return _STATES.get(name, ("·", "none"))


def ago(seconds: float | None) -> str:
    """`38s ago`."""
    return "never" if seconds is None else f"{coarse(seconds)} ago"


def since(moment: datetime | None) -> str:
    """How long ago *moment* was."""
    return "never" if moment is None else ago((datetime.now(UTC) - moment).total_seconds())


def lasted(seconds: float | None) -> str:
    """`8 ms`, `1.5 s`, `3m12s`; empty for None."""
    if seconds is None:
        return ""
    if seconds >= 60:
        return precise(seconds)
    return f"{seconds * 1000:.0f}\N{NO-BREAK SPACE}ms" if seconds < 1 else f"{seconds:.3g}\N{NO-BREAK SPACE}s"


def pretty(value: object) -> str:
    """*value* as JSON for people; empty for nothing."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) if value not in (None, {}, []) else ""


def compact(value: object) -> str:
    """*value* as JSON on one line."""
    return json.dumps(value, ensure_ascii=False, default=str)


def clock(moment: datetime) -> Markup:
    """*moment* in UTC, which the script of the page turns into the viewer's zone."""
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y-%m-%d %H:%M:%S} UTC")


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


NAV = (
    ("/", "Fleet", "f"),
    ("/runtimes", "Runtimes", "r"),
    ("/match", "Where can this run?", "w"),
    ("/executions", "Executions", "e"),
    ("/actions", "Actions", "a"),
    ("/packs", "Packs", "p"),
    ("/rules", "Rules", "u"),
    ("/triggers", "Triggers", "t"),
    ("/events", "Events", "v"),
    ("/sensor-definitions", "Sensors", "s"),
    ("/activity", "Activity", "y"),
)
_TEMPLATES.globals |= {"asset": asset, "state": state, "ago": ago, "since": since, "clock": clock, "nav": NAV}
_TEMPLATES.globals |= {"lasted": lasted, "pretty": pretty, "compact": compact, "statuses": [*ExecutionStatus]}
_THEMES = ("light", "dark")


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """The page that *template* makes of *values* and of what the caller may do."""
    caller: Caller | None = request.scope.get("state", {}).get("caller")
    session = session_of(request)
    text = _TEMPLATES.get_template(template).render(
        path=request.url.path,
        theme=theme if (theme := request.cookies.get("attune_theme")) in _THEMES else None,
        caller=caller,
        may_operate=caller is not None and caller.scope.holds(Scope.OPERATE),
        may_change=caller is not None and caller.scope.holds(Scope.ADMIN),
        csrf=csrf_of(session) if session else "",
        position=request.scope.get("state", {}).get("position"),
        **values,
    )
    return HTMLResponse(text, status)


def problem_page(request: Request, problem: ProblemError) -> HTMLResponse:
    """*problem* for a person."""
    title = HTTPStatus(problem.status).phrase
    detail = f"{problem.detail}; try: {problem.hint}" if problem.hint else problem.detail
    answer = page(request, "problem.html", status=problem.status, title=title, detail=detail)
    answer.headers.update(problem.headers)
    return answer


def lines_of(text: str) -> list[str]:
    """The terms of a field: on lines of their own, or between semicolons."""
    return [term for line in text.replace(";", "\n").splitlines() if (term := line.strip())]


async def visitor(request: Request) -> Caller:
    """A dependency of pages: who looks. Whoever is nobody is led to the login and, after it, back to the page."""
    try:
        caller = await caller_of(request)
    except ProblemError:
        caller = None
    if caller is None:
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        login = request.url_for("login_page").include_query_params(next=target)
        raise HTTPException(303, "log in first", {"Location": f"{login.path}?{login.query}"})
    request.state.position = (await services_of(request)).hub.position  # before the page is read
    return caller


Visitor = Annotated[Caller, Depends(visitor)]
