"""Packs in folders of this host, checked against an installation or against what is shipped."""

import re
from collections.abc import Sequence
from pathlib import Path

from attune import catalogue
from attune.composition.databases import shipped_runtimes
from attune.composition.events import shared_expressions
from attune.config.document import read_content
from attune.core.errors import UsageError, shown
from attune.core.packs.pack import Known, Pack, PackFile
from attune.core.packs.reader import REF, RESERVED
from attune.core.ports.events import Expressions
from attune.core.runtimes.definition import capability_name
from attune.host.packs.folder import read_folder
from attune.operations.packs.check import CheckedPack, check_files


async def check_folder(folder: Path, known: Known, expressions: Expressions | None = None) -> CheckedPack:
    """The pack in *folder*. Raises `PackError` with every fault, `UsageError` where there is no such folder."""
    files, faults = read_folder(folder)
    engine = expressions or shared_expressions()
    return await check_files(str(folder), files, known=known, expressions=engine, read=read_content, earlier=faults)


async def check_pack(files: Sequence[PackFile], known: Known) -> Pack:
    """The pack that *files* make. Raises `PackError` with every fault."""
    checked = await check_files("files", files, known=known, expressions=shared_expressions(), read=read_content)
    return checked.pack


def new_pack(folder: Path) -> list[Path]:
    """Write a pack to begin with, called as *folder*, which is made; its files. Raises `UsageError`."""
    if not re.fullmatch(REF, folder.name) or folder.name in RESERVED:
        expected = "expected lower-case letters, digits, _ and -, such as my_pack, for the name of the pack"
        raise UsageError(f"{expected}, got {shown(folder.name)}")
    if folder.exists():
        raise UsageError(f"expected a folder that is not there yet, got {shown(str(folder))}")
    written = []
    for source in sorted(path for path in catalogue.skeleton_folder().rglob("*.*") if "__pycache__" not in path.parts):
        written.append(folder / source.relative_to(catalogue.skeleton_folder()))
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        written[-1].write_text(source.read_text(encoding="utf-8").replace("NAME", folder.name), encoding="utf-8")
    return written


def shipped() -> Known:
    """What an installation has from the beginning."""
    return Known({runtime.ref: capability_name(runtime) for runtime in shipped_runtimes()})


async def load_demo(url: str) -> bool:
    """Give a database that never had a pack of its own the demo pack, once; whether it did."""
    from attune.postgres.connection import open_pool
    from attune.postgres.packs.store import PostgresPacks

    async with open_pool(url, application_name="attune demo", size=1) as pool:
        store = PostgresPacks(pool)
        if not await store.is_untouched():
            return False
        checked = await check_folder(catalogue.demo_folder(), await store.known())
        return await store.offer(checked.pack, checked.files)
