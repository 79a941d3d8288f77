"""Definitions: whoever may change them runs commands on every host, so that this needs scope admin."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from attune.core.definition import parse_definition
from attune.core.errors import UsageError
from attune.core.examples import failed_examples
from attune.core.runtime import Runtime
from attune.web.access import Admin, Reader
from attune.web.api.listing import Listed, Pages
from attune.web.problems import FieldProblem, Problem, documented
from attune.web.services import Given, Services

router = APIRouter(prefix="/runtimes", tags=["runtimes"])
_REF = r"^[a-z0-9_-]+(\.[a-z0-9_-]+)+$"
Ref = Annotated[str, Path(max_length=255, description="Its ref, `<pack>.<name>`.")]
IfMatch = Annotated[str | None, Header(description="The ETag that was read; another one there now is 412, `*` is any.")]
_DISTRIBUTIONS = {
    "verification": {"commands": [{"binary": "ruby", "args": ["--version"], "pattern": "ruby \\d", "priority": 1}]}
}


class RuntimeBody(BaseModel):
    """A definition without its ref."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=255, examples=["Ruby"])
    description: str | None = Field(default=None, max_length=10_000, examples=["MRI"])
    pack_ref: str | None = Field(default=None, max_length=255, examples=["acme"])
    distributions: dict[str, Any] = Field(examples=[_DISTRIBUTIONS])
    installation: Any = Field(default=None, examples=[None])


class RuntimeView(BaseModel):
    """A definition. `distributions` is as stored, whatever it is."""

    id: int | None
    ref: str = Field(examples=["acme.ruby"])
    name: str = Field(examples=["Ruby"])
    pack: int | None
    pack_ref: str | None = Field(examples=["acme"])
    description: str | None = Field(examples=["MRI"])
    distributions: Any = Field(examples=[_DISTRIBUTIONS])
    installation: Any = Field(examples=[None])


class ChangeView(BaseModel):
    """One change of a definition: the row before and after."""

    ref: str = Field(examples=["acme.ruby"])
    operation: str = Field(examples=["update"])
    old: Any = Field(examples=[{"ref": "acme.ruby", "name": "Ruby"}])
    new: Any = Field(examples=[{"ref": "acme.ruby", "name": "MRI"}])
    changed_by: str = Field(examples=["ann"])
    changed_at: datetime
    note: str | None = Field(examples=[None])


@router.get("", summary="List the definitions", operation_id="list_runtimes", responses=documented(422))
async def list_runtimes(_caller: Reader, services: Given, pages: Pages) -> Listed[RuntimeView]:
    """By ref."""
    rows = sorted(await services.runtimes.list_runtimes(), key=lambda one: one.ref)
    page, following = pages.page(rows, lambda one: one.ref)
    return Listed(data=[_view(one) for one in page], next=following)


@router.get("/{ref}", summary="Show a definition", operation_id="show_runtime", responses=documented(404, 422))
async def show(_caller: Reader, services: Given, response: Response, ref: Ref) -> RuntimeView:
    """With an ETag, for `If-Match` when it is replaced."""
    found = await _find(services, ref)
    response.headers["ETag"] = _etag(found)
    return _view(found)


@router.put(
    "/{ref}",
    summary="Add or replace a definition",
    operation_id="save_runtime",
    responses={201: {"description": "Added", "model": RuntimeView}, **documented(412, 422)},
)
async def save(
    caller: Admin, services: Given, response: Response, ref: Ref, body: RuntimeBody, if_match: IfMatch = None
) -> RuntimeView:
    """Refused unless it is well formed and passes its own examples. Nodes read it when they start or reload."""
    runtime = Runtime(
        ref, body.name, body.distributions, None, None, body.pack_ref or ref.partition(".")[0], body.description,
        body.installation,
    )  # fmt: skip
    _refuse_faulty(runtime)
    await _refuse_stale(services, ref, if_match)
    response.status_code = 201 if await services.runtimes.save_runtime(runtime, changed_by=caller.name) else 200
    saved = await _find(services, ref)
    response.headers["ETag"] = _etag(saved)
    return _view(saved)


@router.delete(
    "/{ref}",
    status_code=204,
    summary="Remove a definition",
    operation_id="remove_runtime",
    responses=documented(404, 409, 412, 422),
)
async def remove(caller: Admin, services: Given, ref: Ref, if_match: IfMatch = None) -> None:
    """One that actions, sensors or workers use is refused, and they are named."""
    await _refuse_stale(services, ref, if_match)
    try:
        removed = await services.runtimes.remove_runtime(ref, changed_by=caller.name)
    except UsageError as error:
        raise Problem(409, f"{error}; try: {error.hint}" if error.hint else str(error)) from None
    if not removed:
        raise Problem(404, f"no definition is called {ref!r}")


@router.get(
    "/{ref}/history",
    summary="How a definition changed",
    operation_id="runtime_history",
    responses=documented(404, 422),
)
async def history(_caller: Reader, services: Given, ref: Ref) -> Listed[ChangeView]:
    """Every change, newest first, also of a definition that is gone."""
    found = await services.runtimes.runtime_history(ref)
    if not found:
        raise Problem(404, f"no definition was ever called {ref!r}")
    return Listed(data=[ChangeView.model_validate(asdict(one)) for one in found], next=None)


def _refuse_faulty(runtime: Runtime) -> None:
    import re

    if not re.fullmatch(_REF, runtime.ref):
        expected = "lower-case <pack>.<name>"
        found = FieldProblem(field="ref", expected=expected, got=repr(runtime.ref))
        raise Problem(422, f"ref: expected {expected}, got {runtime.ref!r}", errors=[found])
    faults = failed_examples(parse_definition(runtime))
    if faults:
        raise Problem(422, "; ".join(faults))


async def _refuse_stale(services: Services, ref: str, if_match: str | None) -> None:
    if if_match is None:
        return
    there = await services.runtimes.get_runtime(ref)
    if there is None or if_match.strip() not in ("*", _etag(there)):
        raise Problem(412, f"expected {ref} as it was when it was read, got a newer one; read it again")


async def _find(services: Services, ref: str) -> Runtime:
    found = await services.runtimes.get_runtime(ref)
    if found is None:
        raise Problem(404, f"no definition is called {ref!r}")
    return found


def _view(one: Runtime) -> RuntimeView:
    return RuntimeView.model_validate(asdict(one))


def _etag(one: Runtime) -> str:
    text = json.dumps(asdict(one), sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'
