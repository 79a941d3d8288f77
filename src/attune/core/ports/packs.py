"""Where packs are kept, and where their files lie on a host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Protocol

from attune.core.packs.pack import Known, Pack, PackChange, PackFile, PackRecord


class PackStore(Protocol):
    """Where packs are kept."""

    async def known(self) -> Known:
        """What the packs of this installation bring, for checking another against it."""

    async def load(self, pack: Pack, files: Sequence[PackFile], *, changed_by: str) -> Sequence[PackChange]: ...

    async def remove_pack(self, ref: str, *, changed_by: str) -> bool: ...

    async def list_packs(self) -> Sequence[PackRecord]: ...

    async def get_pack(self, ref: str) -> PackRecord | None: ...


class PackFolders(Protocol):
    """Where a pack's files lie on this host."""

    async def folder(self, digest: str) -> PurePath:
        """The files of the pack version *digest*, fetched if need be. Raises `DatabaseError`, `UsageError`."""
