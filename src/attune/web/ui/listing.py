"""Lists and what stands in them: the one way in which runtimes, packs, what they bring and executions are shown."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from attune.core.access.tokens import Caller
from attune.web.access import Operator
from attune.web.middleware.problems import existing, usage_errors_as
from attune.web.services import Given, Services
from attune.web.ui.pages import Visitor, page

SHOWN = 100
"""How many of what grows without end are listed."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A kind of thing, such as `packs`: its list at that path, and a page for each of them below it.

    *rows* reads the list, with the query of its address; *get* one of them, by its ref where that is not given; *more*
    what its page shows beside it. *verbs* are what an operator may ask of one; they may answer where to go then.
    `kinds` is what the stream tells of that may change them. The template of an entry is called by the singular.
    """

    name: str
    title: str
    rows: Callable[[Services, Mapping[str, str]], Awaitable[Sequence[Any]]]
    get: Callable[[Services, str], Awaitable[Any]] | None = None
    more: Callable[[Services, Any], Awaitable[Mapping[str, Any]]] | None = None
    verbs: Mapping[str, Callable[[Services, str, Caller], Awaitable[object]]] = field(default_factory=dict)
    kinds: str = "sensor"
    template: str = "list.html"

    @property
    def router(self) -> APIRouter:
        """Its pages."""
        router = APIRouter(include_in_schema=False)

        @router.get(f"/{self.name}")
        async def list_page(request: Request, _who: Visitor, services: Given, q: str = "") -> Response:
            query, wanted = request.query_params, q.lower().strip()
            known = await self.rows(services, query)
            rows = [row for row in known if wanted in str(row).lower()]
            values: dict[str, Any] = {"query": query, "q": q, "any": bool(known), "rows": rows}
            return page(request, self.template, listing=self, pauses=await services.runs.pauses(), **values)

        @router.get(f"/{self.name}/{{key}}/{{_verb}}")  # where a form was refused: whoever loads that again
        @router.get(f"/{self.name}/{{key}}")
        async def entry_page(request: Request, _who: Visitor, services: Given, key: str) -> Response:
            return await self.show(request, services, key)

        @router.post(f"/{self.name}/{{key}}/{{verb}}")
        async def request_verb(who: Operator, services: Given, key: str, verb: str) -> Response:
            await self.read(services, key)
            asked = existing(self.verbs.get(verb), f"nothing is called {verb!r}")
            with usage_errors_as(409):
                target = await asked(services, key, who)
            return RedirectResponse(target if isinstance(target, str) else f"/{self.name}/{quote(key, safe='')}", 303)

        return router

    async def show(self, request: Request, services: Services, key: str, status: int = 200, **values: Any) -> Response:
        """The page of *key*, with *values* beside what it shows. Raises `ProblemError` 404 where there is none."""
        one = await self.read(services, key)
        values = {**(await self.more(services, one) if self.more else {}), **values}
        return page(request, f"{self.name[:-1]}.html", status=status, listing=self, one=one, key=key, **values)

    async def read(self, services: Services, key: str) -> Any:
        """The one called *key*. Raises `ProblemError` 404 where there is none."""
        found = None
        with usage_errors_as(404):
            if key.isprintable() and self.get is not None:
                found = await self.get(services, key)
            elif key.isprintable():
                found = next((one for one in await self.rows(services, {}) if one.ref == key), None)
        return existing(found, f"{self.title}: nothing is called {key!r}")


def number_of(key: str) -> int:
    """The number that *key* is, 0 for none that there can be."""
    return int(key) if key.isdecimal() and len(key) < 19 else 0
