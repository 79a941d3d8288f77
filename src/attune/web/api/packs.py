"""Packs: what each brings, loading one and removing it; and how the sensors are that they bring."""

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Base64Bytes, Field, field_validator

from attune.core.packs.pack import PackChange, PackFile, PackRecord
from attune.core.ports.sensors import SensorStatus
from attune.web.access import Admin, Operator, Reader
from attune.web.api.paging import Body, Page, SwitchBody, example_of
from attune.web.middleware.problems import ProblemError, documented, existing, usage_errors_as
from attune.web.services import Given

router = APIRouter(tags=["packs"])
_SEGMENT = r"[^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*"
Ref = Annotated[str, Path(max_length=300, description="Its ref.", examples=["demo"])]
CancelWaiting = Annotated[bool, Query(description="Cancel executions that wait for what is removed.")]

_CHANGE = PackChange("action", "acme.deploy", "added")
_PACK = PackRecord(
    ref="demo", label="Demo", version="1.0.0", description="", digest="0f2b…", is_standard=False, tags=[], config={},
    updated=datetime(2026, 11, 24, tzinfo=UTC), runtimes=[], actions=["demo.hello"], triggers=["demo.tick"],
    sensors=["demo.clock"], rules=["demo.greet"], files=["actions/hello.py", "pack.yaml"],
)  # fmt: skip
_SENSOR = SensorStatus(
    id=7, ref="demo.clock", trigger_ref="demo.tick", enabled=True, runtime_ref="core.sensor.builtin", state="running",
    reason="", node="sensor-1", pid=None, epoch=1, restarts=0, bad_lines=0, since=datetime(2026, 11, 24, tzinfo=UTC),
    wanted=None, last_lines="",
)  # fmt: skip


class PackFileBody(Body):
    """A file of a pack."""

    path: str = Field(
        max_length=1000, pattern=rf"^{_SEGMENT}(/{_SEGMENT}){{0,20}}$", description="`/` between folders."
    )
    content: Base64Bytes = Field(strict=False, description="In base64.")
    executable: bool = False


class PackBody(Body):
    """The files of a pack's folder, as `attune pack load` reads it."""

    files: list[PackFileBody] = Field(
        min_length=1,
        max_length=1000,
        examples=[[{"path": "pack.yaml", "content": "cmVmOiBhY21lCmxhYmVsOiBBY21lCnZlcnNpb246IDEuMC4wCg=="}]],
    )
    cancel_waiting: bool = Field(default=False, description="Cancel executions that wait to run what is changed.")

    @field_validator("files")
    @classmethod
    def _can_lie_in_a_folder(cls, files: list[PackFileBody]) -> list[PackFileBody]:
        paths = [file.path for file in files]
        folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents}
        if len(set(paths)) < len(paths) or folders & set(paths) or not all(map(str.isprintable, paths)):
            raise ValueError("each printable path once, and none that is a folder too")
        return files


class SensorMove(Body):
    """Where a sensor is to run."""

    to: str | None = Field(default=None, max_length=255, description="Null for any other node.", examples=["s2"])


@router.get("/packs", summary="List packs", responses=example_of(_PACK, listed=True))
async def list_packs(_who: Reader, services: Given) -> Page[PackRecord]:
    """By ref, with what each brings."""
    return Page(data=list(await services.packs.list_packs()))


@router.get("/packs/{ref}", summary="Show a pack", responses=example_of(_PACK))
async def get_pack(_who: Reader, services: Given, ref: Ref) -> PackRecord:
    """What it brings."""
    pack = await services.packs.get_pack(ref) if ref.isprintable() else None
    return existing(pack, "no pack has that ref")


@router.post("/packs", summary="Load a pack", responses=example_of(_CHANGE, listed=True))
async def load_pack(who: Admin, services: Given, body: PackBody) -> Page[PackChange]:
    """Check it and write it, all or nothing. What it no longer has is removed. Answers with what has changed."""
    files = [PackFile(file.path, file.content, file.executable) for file in body.files]
    pack = await services.check_pack(files, await services.packs.known())
    by, cancel = who.name, body.cancel_waiting
    changes = await services.packs.load(pack, files, changed_by=by, cancel_waiting=cancel)
    return Page(data=list(changes))


@router.delete("/packs/{ref}", status_code=204, summary="Remove a pack")
async def remove_pack(who: Admin, services: Given, ref: Ref, cancel_waiting: CancelWaiting = False) -> None:
    """With all that it brought. One that others use is refused, and the users are named."""
    removed = ref.isprintable() and await services.packs.remove_pack(
        ref, changed_by=who.name, cancel_waiting=cancel_waiting
    )
    if not removed:
        raise ProblemError(404, f"no pack is called {ref!r}")


@router.get("/sensor-definitions", summary="List the sensors of packs", responses=example_of(_SENSOR, listed=True))
async def list_sensor_definitions(_who: Reader, services: Given) -> Page[SensorStatus]:
    """By ref: where each runs, and why one waits."""
    return Page(data=list(await services.sensors.status()))


@router.patch("/sensor-definitions/{ref}", status_code=204, summary="Switch a sensor on or off")
async def switch_sensor(_who: Operator, services: Given, ref: Ref, body: SwitchBody) -> None:
    """On: one node that can runs it. Off: it ends wherever it runs."""
    if not (ref.isprintable() and await services.sensors.set_enabled(ref, body.enabled)):
        raise ProblemError(404, f"no sensor has the ref {ref!r}")


@router.post("/sensor-definitions/{ref}/move", summary="Move a sensor to another node", responses=documented(409))
async def move_sensor(_who: Operator, services: Given, ref: Ref, body: SensorMove) -> SensorMove:
    """It ends where it runs, and begins there; answers with the node. One that cannot run it is refused."""
    with usage_errors_as(409):
        node = await services.sensors.move(ref, body.to) if ref.isprintable() else None
    return SensorMove(to=existing(node, f"no enabled sensor has the ref {ref!r}"))
