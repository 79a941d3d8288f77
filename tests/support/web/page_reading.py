"""Pages as tests read them without a browser: logged in, and looked at for what could run."""

from __future__ import annotations

from html.parser import HTMLParser

from attune.core.access.tokens import Scope
from attune.web.access import SESSION_COOKIE
from web_client import Api

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def active_parts(text: str) -> list[str]:
    """Whatever in a page could run or load something that is not a file of ours."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            ours = tag == "script" and (given.get("src") or "").startswith("/static/")
            if tag in ("img", "iframe", "style", "script") and not ours:
                found.append(tag)
            found.extend(name for name in given if name.startswith("on") or name == "style")

    Reader().feed(text)
    return found


async def session_of(api: Api, scope: Scope = Scope.ADMIN) -> str:
    answer = await api.http.post("/login", data={"token": api.tokens[scope]})
    api.http.cookies.clear()
    return answer.cookies[SESSION_COOKIE]


async def get(api: Api, session: str, path: str) -> str:
    answer = await api.http.get(path, headers={"Cookie": f"{SESSION_COOKIE}={session}", "Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text
