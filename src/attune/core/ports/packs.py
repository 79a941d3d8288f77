"""Where packs are kept, and where their files lie on a host."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Protocol

from attune.core.packs.pack import Known, Pack, PackChange, PackFile, PackRecord


class PackStore(Protocol):
    """Where packs are kept."""

    async def known(self) -> Known:
        """What the packs of this installation bring, for checking another against it."""

    async def load(
        self, pack: Pack, files: Sequence[PackFile], *, changed_by: str, cancel_waiting: bool = False
    ) -> Sequence[PackChange]:
        """Write *pack*; executions that wait for what it had before are kept, or cancelled with *cancel_waiting*."""

    async def remove_pack(self, ref: str, *, changed_by: str, cancel_waiting: bool = False) -> bool:
        """Remove a pack; False if there is none. Raises `InUseError`, with *cancel_waiting* not for what waits."""

    async def list_packs(self) -> Sequence[PackRecord]: ...

    async def get_pack(self, ref: str) -> PackRecord | None: ...


class PackFolders(Protocol):
    """Where a pack's files lie on this host."""

    async def folder(self, digest: str) -> PurePath:
        """The files of the pack version *digest*, fetched if need be. Raises `DatabaseError`, `UsageError`."""

    async def helper(self) -> PurePath:
        """The folder with what every action in Python can import, and nothing else. Raises what `folder` raises."""
