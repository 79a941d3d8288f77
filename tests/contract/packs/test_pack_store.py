"""`PackStore`: one suite for memory, PostgreSQL and the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from attune.client.packs import HttpPacks
from attune.composition.packs import check_folder
from attune.core.access.tokens import Scope
from attune.core.errors import UsageError
from attune.core.packs.pack import PackChange, digest_of
from attune.postgres.connection import open_pool
from attune.postgres.packs.store import PostgresPacks
from attune.testing import MemoryPacks
from pack_folders import EXPRESSIONS, KNOWN, write_pack
from web_client import serving

pytestmark = pytest.mark.anyio
USER = {
    "pack.yaml": "ref: user\nlabel: User\nversion: 1.0.0\n",
    "rules/grow.yaml": "name: grow\nlabel: Grow\ntrigger: img.made\naction: img.resize\nparameters: {width: 3}\n",
}


@pytest.fixture(params=["memory", "postgres", "http"])
async def packs(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryPacks(KNOWN)
        return
    if request.param == "http":
        url = request.getfixturevalue("migrated_database")
        async with serving(url) as api, api.wire(api.tokens[Scope.ADMIN]) as wire:
            yield HttpPacks(wire)
        return
    async with open_pool(request.getfixturevalue("migrated_database")) as pool:
        yield PostgresPacks(pool)


@pytest.fixture
def ask(packs: Any, request: pytest.FixtureRequest) -> Callable[[], None]:
    """Have execution 1 of `img.resize` wait."""

    def wait() -> None:
        if isinstance(packs, MemoryPacks):
            packs.waiting[1] = "img.resize"
            return
        with psycopg.connect(request.getfixturevalue("migrated_database")) as connection:
            connection.execute(
                "INSERT INTO execution (id, action, action_ref, pack_digest) SELECT 1, a.id, a.ref, p.digest"
                " FROM action AS a JOIN pack AS p ON p.id = a.pack WHERE a.ref = 'img.resize'"
            )

    return wait


async def load(packs: Any, folder: Path, *, cancel_waiting: bool = False) -> Sequence[PackChange]:
    checked = await check_folder(folder, await packs.known(), EXPRESSIONS)
    changes: Sequence[PackChange] = await packs.load(
        checked.pack, checked.files, changed_by="ann", cancel_waiting=cancel_waiting
    )
    return changes


def shown(changes: Sequence[PackChange]) -> set[str]:
    return {f"{change.what} {change.kind} {change.ref}" for change in changes}


async def test_what_a_pack_brings_is_known_and_listed(packs: Any, tmp_path: Path) -> None:
    assert shown(await load(packs, write_pack(tmp_path))) == {
        "added pack img",
        "added action img.resize",
        "added trigger img.made",
        "added sensor img.ticks",
        "added rule img.shrink",
    }

    known = await packs.known()
    assert known.runtimes["core.python"] == "python"
    assert "img.made" in known.triggers
    assert "width" in known.actions["img.resize"]["properties"]
    record = await packs.get_pack("img")
    assert (record.label, record.version, record.is_standard) == ("Images", "1.0.0", False)
    assert (record.actions, record.triggers, record.sensors, record.rules) == (
        ["img.resize"],
        ["img.made"],
        ["img.ticks"],
        ["img.shrink"],
    )
    assert "actions/resize.py" in record.files
    assert record.digest == digest_of((await check_folder(tmp_path, known, EXPRESSIONS)).files)
    assert [one for one in await packs.list_packs() if one.ref == "img"] == [record]


async def test_loading_again_says_only_what_has_changed(packs: Any, tmp_path: Path) -> None:
    await load(packs, write_pack(tmp_path))
    assert list(await load(packs, tmp_path)) == []
    write_pack(tmp_path, {"actions/resize.py": "print(2)\n", "sensors/ticks.yaml": None})

    assert shown(await load(packs, tmp_path)) == {"changed pack img", "removed sensor img.ticks"}


async def test_a_pack_that_another_uses_stays(packs: Any, tmp_path: Path) -> None:
    await load(packs, write_pack(tmp_path / "images"))
    await load(packs, write_pack(tmp_path / "user", USER))
    with pytest.raises(UsageError, match=r"rule user\.grow"):
        await packs.remove_pack("img", changed_by="ann")

    assert await packs.remove_pack("user", changed_by="ann") is True
    assert await packs.remove_pack("img", changed_by="ann") is True
    assert await packs.remove_pack("img", changed_by="ann") is False
    assert await packs.get_pack("img") is None
    assert "img.made" not in (await packs.known()).triggers


async def test_what_waits_for_other_contents_is_cancelled_where_that_is_wanted(
    packs: Any, ask: Callable[[], None], tmp_path: Path
) -> None:
    await load(packs, write_pack(tmp_path))
    ask()
    assert list(await load(packs, tmp_path, cancel_waiting=True)) == []
    write_pack(tmp_path, {"actions/resize.py": "print(2)\n"})
    assert "cancelled execution 1" not in shown(await load(packs, tmp_path))
    write_pack(tmp_path, {"actions/resize.py": "print(3)\n"})
    assert "cancelled execution 1" in shown(await load(packs, tmp_path, cancel_waiting=True))


async def test_a_pack_goes_with_what_waits_for_it_where_that_is_wanted(
    packs: Any, ask: Callable[[], None], tmp_path: Path
) -> None:
    await load(packs, write_pack(tmp_path))
    ask()
    with pytest.raises(UsageError, match="execution 1, which is requested"):
        await packs.remove_pack("img", changed_by="ann")
    assert await packs.remove_pack("img", changed_by="ann", cancel_waiting=True) is True
