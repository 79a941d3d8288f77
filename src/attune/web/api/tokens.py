"""Tokens, named secrets and the audit, for administrators; and who one is."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from attune.core.access.audit import AuditFilter, AuditRecord
from attune.core.access.tokens import MadeToken, Scope, TokenRecord
from attune.core.ports.access import SecretRecord
from attune.web.access import Admin, Reader
from attune.web.api.paging import MAX_ID, Body, Cursor, Limit, Page, before_of, cursor_of, example_of
from attune.web.middleware.problems import ProblemError, documented, usage_errors_as
from attune.web.services import Given

router = APIRouter(tags=["access"])
SecretName = Annotated[str, Path(max_length=300, description="The secret's name.", examples=["db-password"])]
TokenId = Annotated[int, Path(ge=1, le=MAX_ID, description="The token's id.", examples=[1])]
_NOW = datetime(2026, 11, 24, tzinfo=UTC)
_SECRET = SecretRecord(name="db-password", created=_NOW, updated=_NOW, changed_by="ada@build-7")
_TOKEN = TokenRecord(id=1, name="ci", scope=Scope.OPERATE, created=_NOW, created_by="ada@build-7", last_used=_NOW)
_MADE = MadeToken(**asdict(_TOKEN), token="attune_Xk…")
_AUDIT = AuditRecord(
    id=1, at=_NOW, actor="ci", method="POST", path="/api/workers/1/drain", token=1, client="127.0.0.1", status=202
)


class NewToken(Body):
    """What a token is called and what it opens."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$", examples=["ci"])
    scope: Scope = Field(default=Scope.READ, strict=False, examples=["operate"])
    expires_in: float | None = Field(
        default=None, gt=0, le=1e9, description="Seconds; not given: for good.", examples=[86400.0]
    )


class SecretValue(Body):
    """What to keep: 4 to 65,536 characters."""

    value: str = Field(examples=["correct horse battery staple"])


class LoginCode(BaseModel):
    """What opens the page: `/login?code=…`, once within ten minutes."""

    code: str = Field(examples=["hW0…"])


class Me(BaseModel):
    """Who calls."""

    name: str = Field(examples=["ci"])
    scope: Scope = Field(examples=["operate"])


@router.get("/me", summary="Who one is")
async def get_me(who: Reader) -> Me:
    """The name and the scope of the caller's token."""
    return Me(name=who.name, scope=who.scope)


@router.get("/tokens", summary="List tokens", responses=example_of(_TOKEN, listed=True))
async def list_tokens(_who: Admin, services: Given) -> Page[TokenRecord]:
    """Every token, newest first; when each was last used is known to half a minute."""
    return Page(data=list(await services.tokens.list_tokens()))


@router.post(
    "/tokens", status_code=201, summary="Make a token", responses=documented(409) | example_of(_MADE, status=201)
)
async def create_token(who: Admin, services: Given, body: NewToken) -> MadeToken:
    """Its text is in the answer, and nowhere else."""
    with usage_errors_as(409):
        token, text = await services.tokens.create(
            body.name, body.scope, created_by=who.name, expires_in=body.expires_in
        )
    return MadeToken(**asdict(token), token=text)


@router.delete("/tokens/{token_id}", status_code=204, summary="Revoke a token")
async def revoke_token(_who: Admin, services: Given, token_id: TokenId) -> None:
    """It is refused from now on, and the sessions made from it end."""
    if not await services.tokens.revoke(token_id):
        raise _not_live(token_id)
    services.callers.forget()
    services.hub.end_streams_of(token_id)


@router.post("/tokens/{token_id}/link", status_code=201, summary="Make a login link")
async def create_login_link(_who: Admin, services: Given, token_id: TokenId) -> LoginCode:
    """A code that opens the page in the name of the token, once within ten minutes."""
    if not any(token.id == token_id and token.state == "active" for token in await services.tokens.list_tokens()):
        raise _not_live(token_id)
    return LoginCode(code=await services.tokens.login_link(token_id))


@router.get("/secrets", summary="List secrets", responses=example_of(_SECRET, listed=True))
async def list_secrets(_who: Admin, services: Given) -> Page[SecretRecord]:
    """By name, and when each was set; never a value."""
    return Page(data=list(await services.secrets.list_secrets()))


@router.put("/secrets/{name}", status_code=204, summary="Set a secret")
async def set_secret(who: Admin, services: Given, name: SecretName, body: SecretValue) -> None:
    """Kept encrypted. Work that begins from now on gets it where a parameter is `secret:NAME`."""
    await services.secrets.set_secret(name, body.value, changed_by=who.name)


@router.delete("/secrets/{name}", status_code=204, summary="Remove a secret")
async def remove_secret(_who: Admin, services: Given, name: SecretName) -> None:
    """Work that needs it fails from now on, and says so."""
    if "\0" in name or not await services.secrets.remove_secret(name):
        raise ProblemError(404, "no secret has such a name")


@router.get("/audit", summary="Who did what", responses=example_of(_AUDIT, listed=True))
async def list_audit(
    _who: Admin,
    services: Given,
    who: Annotated[str | None, Query(max_length=300, description="An actor, or a login of the database.")] = None,
    action: Annotated[str | None, Query(max_length=500, description="A part of method and path.")] = None,
    result: Annotated[Literal["ok", "refused"] | None, Query(description="How it ended.")] = None,
    since: Annotated[float | None, Query(gt=0, le=1e9, description="Seconds ago, at most.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AuditRecord]:
    """Every change asked for through the API, every refusal and every change of a row by operators, newest first."""
    refused = None if result is None else result == "refused"
    lines = await services.tokens.list_audit(
        AuditFilter(who=who, action=action, refused=refused, since=since, before=before_of(cursor), limit=limit)
    )
    return Page(data=list(lines), next=cursor_of([lines[-1].id] if len(lines) == limit else None))


def _not_live(token_id: int) -> ProblemError:
    return ProblemError(404, f"no live token has the id {token_id}")
