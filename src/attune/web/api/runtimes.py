"""Definitions of runtimes. Whoever may change them decides what every host executes: that needs scope admin."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, Field, ValidationError

from attune.core.access.tokens import Caller
from attune.core.ports.read_models import RuntimeCounts
from attune.core.ports.runtimes import RuntimeChange
from attune.core.runtimes.examples import validate_definition
from attune.core.runtimes.runtime import Runtime
from attune.web.access import Admin, Reader
from attune.web.api.paging import Answer, Body, Cursor, Limit, Page, before_of, cursor_of, example_of, position_of
from attune.web.middleware.problems import ProblemError, documented, existing, invalid, usage_errors_as
from attune.web.services import Given

router = APIRouter(prefix="/runtimes", tags=["runtimes"])
Ref = Annotated[str, Path(min_length=1, max_length=300, description="The definition's ref.", examples=["core.python"])]
IfMatch = Annotated[
    str | None,
    Header(description="The `ETag` of what is to be replaced: 412 if it has changed. `*`: whatever is there."),
]
_NOW = datetime(2026, 11, 24, tzinfo=UTC)
_CHANGE = RuntimeChange(
    ref="core.ruby", operation="update", old=None, new=None, changed_by="ada@build-7", changed_at=_NOW
)
_EXAMPLE = {
    "verification": {"commands": [{"binary": "ruby", "args": ["--version"], "pattern": "ruby \\d+", "priority": 1}]}
}


class RuntimeBody(Body):
    """A definition without its ref."""

    name: str = Field(min_length=1, max_length=200, examples=["Ruby"])
    description: str | None = Field(default=None, max_length=10_000, examples=["The Ruby language"])
    pack_ref: str | None = Field(
        default=None, max_length=200, description="Not given: from the ref.", examples=["core"]
    )
    distributions: dict[str, Any] = Field(description="What proves that it is there.", examples=[_EXAMPLE])
    installation: Any = Field(default=None, examples=[None])

    def runtime(self, ref: str) -> Runtime:
        """The row that this is under *ref*."""
        return Runtime(**{**dict(self), "ref": ref, "pack_ref": self.pack_ref or ref.partition(".")[0]})


class NewRuntime(RuntimeBody):
    """A definition with its ref."""

    ref: str = Field(min_length=1, max_length=200, examples=["core.ruby"])


class RuntimePatch(Body):
    """Parts of a definition."""

    name: str | None = Field(default=None, min_length=1, max_length=200, examples=["Ruby"])
    description: str | None = Field(default=None, max_length=10_000, examples=["The Ruby language"])
    pack_ref: str | None = Field(default=None, max_length=200, examples=["core"])
    distributions: dict[str, Any] | None = Field(default=None, examples=[{"min_version": "3.0"}])
    installation: Any = Field(default=None, examples=[None])


class RuntimeDefinition(Answer):
    """A definition as it is stored. `distributions` is what stands there, even if it is malformed."""

    ref: str = Field(examples=["core.ruby"])
    name: str = Field(examples=["Ruby"])
    description: str | None = Field(examples=["The Ruby language"])
    pack_ref: str | None = Field(examples=["core"])
    distributions: Any = Field(examples=[_EXAMPLE])
    installation: Any = Field(examples=[None])


class Validated(BaseModel):
    """A definition is well-formed, and what about it is doubtful."""

    warnings: list[str] = Field(examples=[["distributions.verification.commands[0].exitcode: unknown key"]])


class SavedRuntime(Validated, RuntimeDefinition):
    """A definition that was just stored, and what about it is doubtful."""


class CoverageItem(Answer):
    """How many nodes know a runtime, by status, and by version where it is offered."""

    nodes: int = Field(examples=[12])
    statuses: dict[str, int] = Field(examples=[{"available": 9, "unavailable": 3}])
    versions: dict[str, int] = Field(examples=[{"3.11.7": 8, "3.9.2": 1}])


def etag_of(runtime: Runtime) -> str:
    """A strong validator: the same content has the same one."""
    content = [runtime.name, runtime.description, runtime.pack_ref, runtime.distributions, runtime.installation]
    text = json.dumps(content, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


@router.get("", summary="List definitions")
async def list_runtimes(
    _who: Reader, services: Given, limit: Limit = 1000, cursor: Cursor = None
) -> Page[RuntimeDefinition]:
    """By ref."""
    after = position_of(cursor, str)
    runtimes = [it for it in await services.runtimes.list_runtimes() if after is None or it.ref > after[0]]
    runtimes.sort(key=lambda runtime: runtime.ref)
    page = [RuntimeDefinition.model_validate(runtime) for runtime in runtimes[:limit]]
    return Page(data=page, next=cursor_of([page[-1].ref] if len(runtimes) > limit else None))


@router.get("/{ref}", summary="Show a definition")
async def get_runtime(_who: Reader, services: Given, ref: Ref, response: Response) -> RuntimeDefinition:
    """With the `ETag` that a change of it names in `If-Match`."""
    runtime = await _known(services, ref)
    response.headers["ETag"] = etag_of(runtime)
    return RuntimeDefinition.model_validate(runtime)


@router.post("", status_code=201, summary="Add a definition", responses=documented(409))
async def create_runtime(who: Admin, services: Given, body: NewRuntime, response: Response) -> SavedRuntime:
    """Nodes verify it when they start or are told to reload."""
    runtime = body.runtime(body.ref)

    def added(old: Runtime | None) -> Runtime:
        if old is not None:
            raise ProblemError(409, f"{body.ref} exists already; PUT /api/runtimes/{body.ref} replaces it")
        return runtime

    return await _save(services, who, runtime, added, response)


@router.post("/validate", summary="Look a definition over")
async def validate_runtime(_who: Reader, body: NewRuntime) -> Validated:
    """Nothing is stored and nothing is run: 422 with every fault, or the warnings."""
    return Validated(warnings=list(validate_definition(body.runtime(body.ref))))


@router.put(
    "/{ref}",
    summary="Add or replace a definition",
    responses={201: {"description": "Added", "model": SavedRuntime}, **documented(412)},
)
async def replace_runtime(
    who: Admin, services: Given, ref: Ref, body: RuntimeBody, response: Response, if_match: IfMatch = None
) -> SavedRuntime:
    """201 where there was none. With `If-Match`, only what the caller has seen is replaced."""
    runtime = body.runtime(ref)

    def put(old: Runtime | None) -> Runtime:
        _require_match(if_match, old)
        return runtime

    return await _save(services, who, runtime, put, response)


@router.patch("/{ref}", summary="Change parts of a definition", responses=documented(412))
async def update_runtime(
    who: Admin, services: Given, ref: Ref, body: RuntimePatch, response: Response, if_match: IfMatch = None
) -> SavedRuntime:
    """A JSON merge patch (RFC 7396): null removes a key, lists are replaced whole."""
    changes = body.model_dump(exclude_unset=True)
    merged: list[Runtime] = []

    def patched(old: Runtime | None) -> Runtime:
        _require_match(if_match, old)
        stored = existing(old, _unknown(ref))
        whole = _merge({name: getattr(stored, name) for name in RuntimeBody.model_fields}, changes)
        try:
            merged.append(RuntimeBody.model_validate(whole).runtime(ref))
        except ValidationError as error:
            raise invalid([{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]) from None
        validate_definition(merged[0])
        return merged[0]

    await services.runtimes.change_runtime(ref, patched, changed_by=who.name)
    return _saved(merged[0], response)


@router.delete("/{ref}", status_code=204, summary="Remove a definition", responses=documented(409, 412))
async def delete_runtime(
    who: Admin,
    services: Given,
    ref: Ref,
    force: Annotated[bool, Query(description="Also one that live nodes offer.")] = False,
    if_match: IfMatch = None,
) -> None:
    """One that actions, sensors or workers use is refused, and the answer lists them."""
    with usage_errors_as(409):
        removed = await services.runtimes.remove_runtime(
            ref, changed_by=who.name, expecting=lambda old: _require_match(if_match, old), force=force
        )
    if not removed:
        raise ProblemError(404, _unknown(ref))


@router.get("/{ref}/history", summary="Every change of a definition", responses=example_of(_CHANGE, listed=True))
async def get_runtime_history(
    _who: Reader, services: Given, ref: Ref, limit: Limit = 100, cursor: Cursor = None
) -> Page[RuntimeChange]:
    """Newest first, also of a definition that was removed."""
    changes = list(await services.runtimes.runtime_history(ref))
    if not changes:
        await _known(services, ref)
    skipped = before_of(cursor) or 0
    reached = skipped + limit
    return Page(data=changes[skipped:reached], next=cursor_of([reached] if len(changes) > reached else None))


@router.get("/{ref}/coverage", summary="Where a runtime is")
async def get_runtime_coverage(_who: Reader, services: Given, ref: Ref) -> CoverageItem:
    """How many nodes that are not gone have it, in which state and version."""
    await _known(services, ref)
    counts = await services.fleet_pages.runtime_counts(ref)
    return CoverageItem.model_validate(counts.get(ref, RuntimeCounts()))


async def _known(services: Given, ref: str) -> Runtime:
    return existing(await services.runtimes.get_runtime(ref), _unknown(ref))


def _unknown(ref: str) -> str:
    return f"no definition has the ref {ref!r}"


def _require_match(if_match: str | None, old: Runtime | None) -> None:
    """Raises `ProblemError` 412 where *if_match* names something else than *old*."""
    if if_match is None:
        return
    there = "nothing" if old is None else etag_of(old)
    wanted = [etag.strip() for etag in if_match.split(",")]
    if old is None or ("*" not in wanted and there not in wanted):
        raise ProblemError(
            412, f"If-Match: expected the definition to be {if_match[:80]}, got {there}: somebody changed it"
        )


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


async def _save(services: Given, who: Caller, runtime: Runtime, change: Any, response: Response) -> SavedRuntime:
    validate_definition(runtime)
    new = await services.runtimes.change_runtime(runtime.ref, change, changed_by=who.name)
    response.status_code = 201 if new else 200
    if new:
        response.headers["Location"] = f"/api/runtimes/{quote(runtime.ref)}"
    return _saved(runtime, response)


def _saved(runtime: Runtime, response: Response) -> SavedRuntime:
    response.headers["ETag"] = etag_of(runtime)
    shown = RuntimeDefinition.model_validate(runtime).model_dump()
    return SavedRuntime(**shown, warnings=list(validate_definition(runtime)))
