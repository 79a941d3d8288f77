"""Tokens: who may use the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from attune.core.access import Scope, TokenRecord
from attune.core.errors import UsageError
from attune.web.access import Admin
from attune.web.api.listing import Listed, Pages
from attune.web.problems import Problem, documented
from attune.web.services import Given

router = APIRouter(prefix="/tokens", tags=["tokens"])
TokenId = Annotated[int, Path(ge=1, le=2**63 - 1, description="Its id.")]


class TokenBody(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=100, examples=["ci"])
    scope: Scope = Field(default=Scope.READ, strict=False, examples=["operate"])
    expires_in: float | None = Field(
        default=None, gt=0, le=10 * 365 * 86_400, description="Seconds; null: never.", examples=[86_400]
    )


class TokenView(BaseModel):
    """A token as it is listed."""

    id: int
    name: str = Field(examples=["ci"])
    scope: Scope
    state: str = Field(examples=["active"])
    created: datetime
    created_by: str = Field(examples=["ann@build-7"])
    expires: datetime | None
    last_used: datetime | None
    revoked: datetime | None

    @classmethod
    def of(cls, one: TokenRecord) -> TokenView:
        """The view of *one*."""
        return cls(**{name: getattr(one, name) for name in cls.model_fields})


class MadeToken(TokenView):
    """A new token with its text, which is shown this once."""

    token: str = Field(examples=["attune_…"])


class LoginCode(BaseModel):
    """What opens the page in the name of a token, for a day: `/login?code=…`."""

    code: str = Field(examples=["kq3…"])


@router.get("", summary="List the tokens", operation_id="list_tokens", responses=documented(422))
async def list_tokens(_caller: Admin, services: Given, pages: Pages) -> Listed[TokenView]:
    """Newest first, with when each was last used."""
    found = await services.tokens.list_tokens()
    page, following = pages.page(found, lambda one: -one.id)
    return Listed(data=[TokenView.of(one) for one in page], next=following)


@router.post("", status_code=201, summary="Make a token", operation_id="create_token", responses=documented(409, 422))
async def create(caller: Admin, services: Given, body: TokenBody) -> MadeToken:
    """Its text is in the answer and nowhere else."""
    if any(one.name == body.name and one.revoked is None for one in await services.tokens.list_tokens()):
        raise Problem(409, f"name: expected one that no live token has, got {body.name!r}; try: attune token list")
    try:
        made, text = await services.tokens.create(
            body.name, body.scope, created_by=caller.name, expires_in=body.expires_in
        )
    except UsageError as error:
        raise Problem(422, f"{error}; try: {error.hint}" if error.hint else str(error)) from None
    return MadeToken(**TokenView.of(made).model_dump(), token=text)


@router.delete(
    "/{token_id}",
    status_code=204,
    summary="End a token",
    operation_id="revoke_token",
    responses=documented(404, 422),
)
async def revoke(_caller: Admin, services: Given, token_id: TokenId) -> None:
    """At once, with every session that was opened with it."""
    if not await services.tokens.revoke(token_id):
        raise Problem(404, f"no live token has the id {token_id}")


@router.post(
    "/{token_id}/link",
    summary="Make a login link",
    operation_id="link_of_token",
    responses=documented(404, 422),
)
async def link(_caller: Admin, services: Given, token_id: TokenId) -> LoginCode:
    """A code for the page that is good for a day."""
    live = [one.id for one in await services.tokens.list_tokens() if one.state == "active"]
    if token_id not in live:
        raise Problem(404, f"no live token has the id {token_id}")
    return LoginCode(code=await services.tokens.login_link(token_id))
