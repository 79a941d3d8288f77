"""Who may use the API, and named secrets, over the API itself: `TokenStore` and `SecretEditor`."""

from collections.abc import Sequence
from typing import Any

from attune.client.wire import OverWire, record_of, segment
from attune.core.access.audit import AuditFilter, AuditRecord
from attune.core.access.tokens import Scope, TokenRecord
from attune.core.ports.access import SecretRecord

_PATH, _SECRETS = "/api/tokens", "/api/secrets"


class HttpTokens(OverWire):
    """`TokenStore` over the API, for callers with scope admin."""

    async def create(
        self, name: str, scope: Scope, *, created_by: str, expires_in: float | None = None
    ) -> tuple[TokenRecord, str]:
        body = {"name": name, "scope": scope.value, "expires_in": expires_in}
        data = (await self._wire.ask("POST", _PATH, body=body)).data
        return _token(data), data["token"]

    async def list_tokens(self) -> Sequence[TokenRecord]:
        return [_token(data) for data in await self._wire.pages(_PATH)]

    async def revoke(self, token_id: int) -> bool:
        return (await self._wire.ask("DELETE", f"{_PATH}/{token_id}", accept=(404,))).status != 404

    async def login_link(self, token_id: int) -> str:
        data = (await self._wire.ask("POST", f"{_PATH}/{token_id}/link")).data
        return str(data["code"])

    async def list_audit(self, wanted: AuditFilter) -> Sequence[AuditRecord]:
        result = None if wanted.refused is None else "refused" if wanted.refused else "ok"
        filters = {"who": wanted.who, "action": wanted.action, "result": result, "since": wanted.since}
        query: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
        page = await self._wire.get("/api/audit", **query, limit=wanted.limit)
        return [record_of(AuditRecord, data) for data in page["data"]]


class HttpSecrets(OverWire):
    """`SecretEditor` over the API, for callers with scope admin."""

    async def list_secrets(self) -> Sequence[SecretRecord]:
        return [record_of(SecretRecord, data) for data in await self._wire.pages(_SECRETS)]

    async def set_secret(self, name: str, value: str, *, changed_by: str) -> None:
        await self._wire.ask("PUT", f"{_SECRETS}/{segment(name)}", body={"value": value})

    async def remove_secret(self, name: str) -> bool:
        return (await self._wire.ask("DELETE", f"{_SECRETS}/{segment(name)}", accept=(404,))).status != 404


def _token(data: Any) -> TokenRecord:
    scope = Scope(data["scope"]) if isinstance(data, dict) and data.get("scope") in set(Scope) else Scope.READ
    return record_of(TokenRecord, {**data, "scope": scope} if isinstance(data, dict) else data)
