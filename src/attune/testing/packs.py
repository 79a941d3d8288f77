"""Packs, and the folders of their files, in memory."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath

from attune.core.errors import InUseError, UsageError
from attune.core.packs.pack import KINDS, Known, Pack, PackChange, PackFile, PackRecord, digest_of
from attune.core.runtimes.definition import capability_name


@dataclass(frozen=True)
class _Loaded:
    pack: Pack
    files: Sequence[PackFile]
    at: datetime

    def items(self) -> dict[tuple[str, str], object]:
        return {(kind[:-1], item.ref): item for kind in KINDS for item in getattr(self.pack, kind)}


class MemoryPacks:
    """`PackStore` in memory; *shipped* is what an installation has before any pack is loaded."""

    def __init__(self, shipped: Known | None = None) -> None:
        self.waiting: dict[int, str] = {}  # executions that have not begun, and the refs of their actions
        self._shipped = shipped or Known()
        self._loaded: dict[str, _Loaded] = {}

    async def known(self) -> Known:
        packs = [loaded.pack for loaded in self._loaded.values()]
        runtimes = {runtime.ref: capability_name(runtime) for pack in packs for runtime in pack.runtimes}
        actions = {action.ref: action.param_schema for pack in packs for action in pack.actions}
        triggers = {trigger.ref for pack in packs for trigger in pack.triggers}
        return Known(
            {**self._shipped.runtimes, **runtimes},
            self._shipped.triggers | triggers,
            {**self._shipped.actions, **actions},
        )

    async def load(
        self, pack: Pack, files: Sequence[PackFile], *, changed_by: str, cancel_waiting: bool = False
    ) -> Sequence[PackChange]:
        old, new = self._loaded.get(pack.ref), _Loaded(pack, tuple(files), datetime.now(UTC))
        if old is not None and (old.pack, digest_of(old.files)) == (pack, digest_of(files)):
            return []
        before, after = old.items() if old else {}, new.items()
        cancelled = self._cancel(pack.ref) if old and cancel_waiting else []
        self._refuse_where_used(pack.ref, {ref for _, ref in before.keys() - after.keys()})
        self._loaded[pack.ref] = new
        return [
            *cancelled,
            PackChange("pack", pack.ref, "changed" if old else "added"),
            *(
                PackChange(*key, "changed" if key in before else "added")
                for key in after
                if before.get(key) != after[key]
            ),
            *(PackChange(*key, "removed") for key in before if key not in after),
        ]

    async def remove_pack(self, ref: str, *, changed_by: str, cancel_waiting: bool = False) -> bool:
        loaded = self._loaded.get(ref)
        if loaded is not None:
            if cancel_waiting:
                self._cancel(ref)
            self._refuse_where_used(ref, {item for _, item in loaded.items()})
            del self._loaded[ref]
        return loaded is not None

    def _cancel(self, ref: str) -> list[PackChange]:
        gone = [number for number, action in self.waiting.items() if action.startswith(f"{ref}.")]
        return [PackChange("execution", str(number), "cancelled") for number in gone if self.waiting.pop(number)]

    async def list_packs(self) -> Sequence[PackRecord]:
        return [_record(self._loaded[ref]) for ref in sorted(self._loaded)]

    async def get_pack(self, ref: str) -> PackRecord | None:
        return _record(self._loaded[ref]) if ref in self._loaded else None

    def _refuse_where_used(self, ref: str, gone: Collection[str]) -> None:
        others = [loaded.pack for loaded in self._loaded.values() if loaded.pack.ref != ref]
        users = sorted(user for other in others for user in _users(other, gone))
        users += [f"execution {number}, which is requested" for number, one in self.waiting.items() if one in gone]
        if users:
            raise InUseError(f"{ref}: expected that nothing uses what is removed, got {', '.join(users)}")


def _users(pack: Pack, refs: Collection[str]) -> Iterator[str]:
    """What of *pack* refers to one of *refs*."""
    for kind in ("actions", "sensors", "rules"):
        for item in getattr(pack, kind):
            if any(getattr(item, name, None) in refs for name in ("runtime_ref", "trigger_ref", "action_ref")):
                yield f"{kind[:-1]} {item.ref}"


def _record(loaded: _Loaded) -> PackRecord:
    pack = loaded.pack
    return PackRecord(
        ref=pack.ref,
        label=pack.label,
        version=pack.version,
        description=pack.description,
        digest=digest_of(loaded.files),
        is_standard=False,
        tags=list(pack.tags),
        config=pack.config,
        updated=loaded.at,
        **{kind: sorted(pack.refs(kind)) for kind in KINDS},
        files=sorted(file.path for file in loaded.files),
    )


class MemoryPackFolders:
    """`PackFolders` of a host that has the versions *digests* below `/packs`."""

    def __init__(self, *digests: str) -> None:
        self._digests = digests

    async def folder(self, digest: str) -> PurePath:
        if digest not in self._digests:
            raise UsageError(f"pack version {digest[:12]}: expected one that the database has, got none")
        return PurePath("/packs", digest)

    async def helper(self) -> PurePath:
        return PurePath("/packs/helper")
