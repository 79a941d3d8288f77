"""Logging in to the page: by the link that a terminal printed, or with a token; and logging out."""

from math import ceil
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from attune.web.access import Reader, client_of, is_same_origin, session_cookie, session_of
from attune.web.middleware.problems import ProblemError
from attune.web.services import Given
from attune.web.ui.pages import page

router = APIRouter(include_in_schema=False)
_WEEK = 7 * 86_400


@router.get("/login", name="login_page")
async def login_page(request: Request, services: Given, code: str | None = None, next: str = "/") -> Response:
    """The form or, with the code of a login link, the login itself."""
    if code is None:
        return page(request, "login.html", failed=None, target=_local(next))
    failed = "This link has ended, or was used. A new one: attune token link, or log in with a token."
    return await _enter(request, services, code, next, by_code=True, failed=failed)


@router.post("/login")
async def log_in(
    request: Request, services: Given, token: Annotated[str, Form(max_length=200)], next: Annotated[str, Form()] = "/"
) -> Response:
    """Log in with a token."""
    if not is_same_origin(request):
        raise ProblemError(403, "expected a login from Attune's own page, got one from elsewhere")
    failed = "No live token reads like that. attune token list shows which there are."
    return await _enter(request, services, token.strip(), next, by_code=False, failed=failed)


@router.post("/logout")
async def log_out(request: Request, _who: Reader, services: Given) -> Response:
    """End the session."""
    await services.tokens.log_out(session_of(request))
    services.callers.forget()
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(name := session_cookie(request), path="/", secure=name.startswith("__Host-"))
    return answer


async def _enter(
    request: Request, services: Given, secret: str, target: str, *, by_code: bool, failed: str
) -> Response:
    client = client_of(request)
    pause = services.logins.wait(f"{client} {secret[:12]}") or services.addresses.wait(client)
    if pause:
        raise ProblemError(
            429,
            f"too many logins from here; the next may come in {ceil(pause)} s",
            headers={"Retry-After": str(ceil(pause))},
        )
    session = await services.tokens.log_in(secret, by_code=by_code)
    if session is None:
        return page(request, "login.html", status=401, failed=failed, target=_local(target))
    request.state.caller = await services.tokens.session_caller(session)
    answer = RedirectResponse(_local(target), 303)
    name, secure = session_cookie(request), request.url.scheme == "https"
    answer.set_cookie(name, session, max_age=_WEEK, path="/", httponly=True, samesite="lax", secure=secure)
    return answer


def _local(target: str) -> str:
    """*target* if it is a path of this server, else the first page: a login must not lead elsewhere."""
    local = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if local else "/"
