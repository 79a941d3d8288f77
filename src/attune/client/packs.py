"""Packs and their sensors, over the API: `PackStore` and `SensorReader`."""

from base64 import b64encode
from collections.abc import Sequence

from attune.client.events import HttpEvents
from attune.client.executions import HttpExecutions
from attune.client.runtimes import HttpRuntimes
from attune.client.wire import OverWire, record_of, segment
from attune.core.packs.pack import Known, Pack, PackChange, PackFile, PackRecord
from attune.core.ports.sensors import SensorStatus
from attune.core.runtimes.definition import capability_name

_PATH, _SENSORS = "/api/packs", "/api/sensor-definitions"


class HttpPacks(OverWire):
    """`PackStore` over the API, which checks a pack again."""

    async def known(self) -> Known:
        runtimes = await HttpRuntimes(self._wire).list_runtimes()
        triggers = await HttpEvents(self._wire).list_triggers()
        actions = await HttpExecutions(self._wire).actions()
        return Known(
            {runtime.ref: capability_name(runtime) for runtime in runtimes},
            frozenset(trigger.ref for trigger in triggers),
            {action.ref: action.param_schema for action in actions},
        )

    async def load(
        self, pack: Pack, files: Sequence[PackFile], *, changed_by: str, cancel_waiting: bool = False
    ) -> Sequence[PackChange]:
        sent = [
            {"path": file.path, "content": b64encode(file.content).decode(), "executable": file.executable}
            for file in files
        ]
        body = {"files": sent, "cancel_waiting": cancel_waiting}
        answer = await self._wire.ask("POST", _PATH, body=body)
        return [record_of(PackChange, data) for data in answer.data["data"]]

    async def remove_pack(self, ref: str, *, changed_by: str, cancel_waiting: bool = False) -> bool:
        query = {"cancel_waiting": "true"} if cancel_waiting else None
        return (await self._wire.ask("DELETE", f"{_PATH}/{segment(ref)}", query=query, accept=(404,))).status != 404

    async def list_packs(self) -> Sequence[PackRecord]:
        return [record_of(PackRecord, data) for data in await self._wire.pages(_PATH)]

    async def get_pack(self, ref: str) -> PackRecord | None:
        answer = await self._wire.ask("GET", f"{_PATH}/{segment(ref)}", accept=(404,))
        return record_of(PackRecord, answer.data) if answer.status == 200 else None


class HttpSensors(OverWire):
    """`SensorReader` over the API."""

    async def status(self) -> Sequence[SensorStatus]:
        return [record_of(SensorStatus, data) for data in await self._wire.pages(_SENSORS)]

    async def set_enabled(self, ref: str, enabled: bool) -> bool:
        return await self._wire.switch(f"{_SENSORS}/{segment(ref)}", enabled)

    async def move(self, ref: str, to: str | None = None) -> str | None:
        answer = await self._wire.ask("POST", f"{_SENSORS}/{segment(ref)}/move", body={"to": to}, accept=(404,))
        return str(answer.data["to"]) if answer.status == 200 else None
