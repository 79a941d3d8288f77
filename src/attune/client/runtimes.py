"""Definitions over the API: `RuntimeStore`. The history names the token, whoever the caller says it is."""

from collections.abc import Sequence

from attune.client.wire import OverWire, record_of, segment
from attune.core.errors import UsageError
from attune.core.ports.runtimes import RuntimeChange
from attune.core.runtimes.runtime import Runtime

_PATH = "/api/runtimes"


class HttpRuntimes(OverWire):
    """`RuntimeStore` over the API, which refuses a definition that is malformed."""

    async def list_runtimes(self) -> Sequence[Runtime]:
        runtimes = [record_of(Runtime, data) for data in await self._wire.pages(_PATH)]
        return sorted(runtimes, key=lambda runtime: runtime.ref)

    async def get_runtime(self, ref: str) -> Runtime | None:
        answer = await self._wire.ask("GET", _of(ref), accept=(404,))
        return record_of(Runtime, answer.data) if answer.status == 200 else None

    async def save_runtime(self, runtime: Runtime, *, changed_by: str) -> bool:
        names = ("name", "description", "pack_ref", "distributions", "installation")
        body = {name: getattr(runtime, name) for name in names}
        return (await self._wire.ask("PUT", _of(runtime.ref), body=body)).status == 201

    async def remove_runtime(self, ref: str, *, changed_by: str, force: bool = False) -> bool:
        query = {"force": "true"} if force else None
        return (await self._wire.ask("DELETE", _of(ref), query=query, accept=(404,))).status != 404

    async def runtime_history(self, ref: str) -> Sequence[RuntimeChange]:
        changes = await self._wire.pages(f"{_of(ref)}/history", missing_is_empty=True)
        return [record_of(RuntimeChange, data) for data in changes]


def _of(ref: str) -> str:
    if not ref:
        raise UsageError("expected the ref of a definition, got nothing", hint="attune runtime list")
    return f"{_PATH}/{segment(ref)}"
