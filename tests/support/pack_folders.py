"""Folders of packs for tests, and packs loaded from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml

from attune.composition.events import reaction
from attune.composition.packs import check_folder
from attune.core.packs.pack import Known, PackChange, PackError
from attune.core.sensors.event_line import NewEvent
from attune.expressions import IsolatedExpressions
from attune.operations.events.react import Recorded
from attune.postgres.connection import Pool
from attune.postgres.packs.store import PostgresPacks
from attune.testing import MemoryCipher

HERE = Path(__file__).parent
EXPRESSIONS = IsolatedExpressions()
KNOWN = Known({"core.python": "python", "core.shell": "shell", "core.sensor.builtin": "builtin"})

IMAGES: Mapping[str, str] = {
    "pack.yaml": """
        ref: img
        label: Images
        version: 1.0.0
        """,
    "actions/resize.yaml": """
        name: resize
        label: Resize
        entry_point: resize.py
        runtime: python
        runtime_version: ">=3.9"
        requires: [ffmpeg, zone=eu]
        prefers: ["gpu *5"]
        parameters:
          width: {type: integer, required: true}
          path: {type: string}
          token: {type: string, secret: true}
        timeout: 30s
        retries: 2
        """,
    "actions/resize.py": "print(1)\n",
    "triggers/made.yaml": """
        name: made
        label: Made
        payload:
          path: {type: string, required: true}
          width: {type: integer}
        """,
    "sensors/ticks.yaml": """
        name: ticks
        label: Ticks
        runtime: core.sensor.builtin
        entry_point: interval
        config: {every: 5s}
        trigger: img.made
        """,
    "rules/shrink.yaml": """
        name: shrink
        label: Shrink what is wide
        trigger: img.made
        when: payload.width > 100
        action: img.resize
        parameters: {width: "${{ payload.width / 2 }}", path: "of ${{ payload.path }}"}
        """,
}
"""A pack with one of each kind."""

EVERY_FIELD: Mapping[str, str] = {
    **IMAGES,
    "actions/resize.yaml": """
        name: resize
        label: Resize
        entry_point: resize.py
        runtime: python
        parameters:
          width: {type: integer, minimum: 1, required: true, description: In pixels.}
          mode: {type: string, enum: [fit, fill], default: fit}
          times: {enum: [1, 2, x]}
          sharp: {type: boolean}
          note: {type: string, default: of old}
          tags: {type: array, items: {type: string}}
          token: {type: string, secret: true}
          path: {type: string}
        """,
}
"""The same, with an action whose form has every kind of field."""


def write_pack(folder: Path, files: Mapping[str, str | bytes | None] = IMAGES) -> Path:
    """*files* below *folder*, dedented; None removes one."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(dedent(content).lstrip("\n"))
    return folder


def other_packs() -> dict[str, dict[str, Any]]:
    """The packs in `other_packs.yaml` by ref: files, what their actions give, what is told of them."""
    packs: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "other_packs.yaml").read_text())
    return packs


def write_other_pack(folder: Path, ref: str) -> Path:
    """The pack *ref* of `other_packs` as a folder in *folder*."""
    files = other_packs()[ref]["files"]
    return write_pack(
        folder / ref,
        {
            name: text if isinstance(text, str) else yaml.safe_dump(text, sort_keys=False)
            for name, text in files.items()
        },
    )


async def mistakes_of(folder: Path, known: Known = KNOWN) -> list[str]:
    """What is wrong with the pack in *folder*, as it is shown."""
    try:
        await check_folder(folder, known, EXPRESSIONS)
    except PackError as error:
        return [f"{fault.position}: {fault}" for fault in error.faults]
    return []


async def load(pool: Pool, folder: Path) -> Sequence[PackChange]:
    """Load the pack in *folder* as `attune pack load` does."""
    store = PostgresPacks(pool)
    found = await check_folder(folder, await store.known(), EXPRESSIONS)
    return await store.load(found.pack, found.files, changed_by="ann")


async def happen(pool: Pool, trigger: str, *payloads: Mapping[str, Any]) -> list[Recorded]:
    """Record events of *trigger* in one transaction."""
    async with pool.connection() as connection, connection.transaction():
        return await reaction(MemoryCipher(), EXPRESSIONS).record(
            connection, [NewEvent(trigger, payload) for payload in payloads]
        )
