"""Packs in a real database: loaded whole, loaded again, removed; never at the cost of what others use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from attune.composition.packs import load_demo
from attune.core.errors import AttuneError, InUseError, UsageError
from attune.core.packs.pack import PackError, digest_of
from attune.core.ports.executions import NewExecution
from attune.postgres.connection import Pool, connect, open_pool
from attune.postgres.executions.actions import PostgresActions
from attune.postgres.executions.routing import PostgresRouting
from attune.postgres.executions.store import PostgresExecutions
from attune.postgres.packs.store import CHANNEL, PostgresPacks
from pack_folders import IMAGES, happen, load, write_pack
from waiting import rows

pytestmark = pytest.mark.anyio

RUBY = """
    ref: img.ruby
    name: Ruby
    distributions:
      verification:
        commands: [{binary: ruby, args: [--version]}]
    """
OTHER = {
    "pack.yaml": "ref: other\nlabel: Other\nversion: 0.1.0\n",
    "rules/r.yaml": "name: r\nlabel: R\ntrigger: img.made\naction: img.resize\nparameters: {width: 1}\n",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool(migrated_database: str, anyio_backend: str) -> AsyncIterator[Pool]:
    async with open_pool(migrated_database) as opened:
        yield opened


async def row(pool: Pool, query: str) -> tuple[Any, ...]:
    async with pool.connection() as connection:
        found = await (await connection.execute(query.encode())).fetchone()
        assert found is not None
        return found


async def run(pool: Pool, query: str) -> None:
    async with pool.connection() as connection:
        await connection.execute(query.encode())


async def test_a_pack_is_written_whole_and_loading_it_again_changes_nothing(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    changes = await load(pool, folder)
    again = await load(pool, folder)

    assert [(one.what, one.kind, one.ref) for one in changes] == [
        ("added", "pack", "img"),
        ("added", "action", "img.resize"),
        ("added", "trigger", "img.made"),
        ("added", "sensor", "img.ticks"),
        ("added", "rule", "img.shrink"),
    ]
    assert again == []
    action = await row(
        pool,
        """SELECT a.pack_ref, a.entrypoint, r.ref, a.runtime_version_constraint, a.requires, a.prefers,
                  a.timeout_seconds, a.retries, a.param_schema -> 'required'
           FROM action AS a JOIN runtime AS r ON r.id = a.runtime""",
    )
    assert action == (
        *("img", "resize.py", "core.python", ">=3.9", ["ffmpeg", "zone=eu"], ["gpu *5"]),
        *(30.0, 2, ["width"]),
    )
    sensor = await row(pool, "SELECT ref, runtime_ref, trigger_ref, enabled, config FROM sensor")
    assert sensor == ("img.ticks", "core.sensor.builtin", "img.made", True, {"every": "5s"})
    rule = await row(pool, "SELECT action_ref, trigger_ref, conditions, action_params ->> 'path' FROM rule")
    assert rule == ("img.resize", "img.made", ["payload.width > 100"], "of ${{ payload.path }}")


async def test_the_files_of_a_pack_are_found_by_their_digest(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path, {**IMAGES, "actions/tool": b"\x00\xff"})
    (folder / "actions" / "tool").chmod(0o755)
    await load(pool, folder)
    store = PostgresPacks(pool)
    found = await store.get_pack("img")
    assert found is not None
    assert found.digest is not None
    files = await store.files(found.digest)

    assert digest_of(files) == found.digest
    assert {file.path: (file.content, file.executable) for file in files}["actions/tool"] == (b"\x00\xff", True)
    assert "pack.yaml" in found.files
    assert await store.files("0" * 64) is None


async def test_a_changed_file_is_a_new_version_and_the_old_one_goes_with_the_next_load(
    pool: Pool, tmp_path: Path
) -> None:
    folder = write_pack(tmp_path)
    await load(pool, folder)
    changes = await load(pool, write_pack(folder, {"actions/resize.py": "print(2)\n"}))

    assert [(one.what, one.kind) for one in changes] == [("changed", "pack")]
    assert await row(pool, "SELECT count(*) FROM pack_version") == (2,)
    assert await load(pool, folder) == []
    assert await row(pool, "SELECT count(*) FROM pack_version") == (1,)


async def test_what_is_asked_for_while_its_pack_is_loaded_has_its_files(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    await load(pool, folder)
    action = await PostgresActions(pool).get("img.resize")
    await load(pool, write_pack(folder, {"actions/resize.py": "print(2)\n"}))
    await PostgresExecutions(pool).submit([NewExecution(action, {"width": 1})])
    await load(pool, folder)

    assert await PostgresPacks(pool).files(action.pack_digest or "")


async def test_what_the_folder_has_no_more_is_removed(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    await load(pool, folder)
    changes = await load(pool, write_pack(folder, {"rules/shrink.yaml": None, "sensors/ticks.yaml": None}))

    assert {(one.what, one.ref) for one in changes} >= {("removed", "img.shrink"), ("removed", "img.ticks")}
    assert await row(pool, "SELECT (SELECT count(*) FROM rule), (SELECT count(*) FROM sensor)") == (0, 0)


async def test_what_was_made_by_hand_in_a_pack_stays(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    await load(pool, folder)
    await run(
        pool,
        """INSERT INTO trigger (ref, pack, pack_ref, label)
           SELECT 'img.own', id, 'img', 'Own' FROM pack WHERE ref = 'img'""",
    )

    assert await load(pool, folder) == []
    assert await row(pool, "SELECT count(*) FROM trigger WHERE ref = 'img.own'") == (1,)


@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        (
            {"actions/resize.yaml": None},
            "action img.resize: expected that nothing uses what is removed, got rule other.r",
        ),
        ({"triggers/made.yaml": None, "sensors/ticks.yaml": None}, "trigger img.made: .* got rule other.r"),
    ],
)
async def test_what_another_pack_uses_is_not_removed_and_nothing_is_written(
    pool: Pool, tmp_path: Path, gone: dict[str, None], sentence: str
) -> None:
    folder = write_pack(tmp_path / "img")
    await load(pool, folder)
    await load(pool, write_pack(tmp_path / "other", OTHER))
    write_pack(folder, {**gone, "rules/shrink.yaml": None, "actions/resize.py": "print(3)\n"})
    before = await row(pool, "SELECT digest FROM pack WHERE ref = 'img'")

    with pytest.raises(InUseError, match=sentence):
        await load(pool, folder)
    assert await row(pool, "SELECT digest FROM pack WHERE ref = 'img'") == before
    assert await row(pool, "SELECT count(*) FROM rule") == (2,)


async def test_a_runtime_that_another_packs_sensor_uses_is_never_removed_with_it(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "img", {**IMAGES, "runtimes/ruby.yaml": RUBY})
    await load(pool, folder)
    sensor = "name: s\nlabel: S\nruntime: ruby\ntrigger: img.made\nentry_point: s.rb\n"
    other = {"pack.yaml": OTHER["pack.yaml"], "sensors/s.yaml": sensor, "sensors/s.rb": "loop {}\n"}
    await load(pool, write_pack(tmp_path / "other", other))

    with pytest.raises(InUseError, match=r"runtime img\.ruby: .*, got sensor other\.s$"):
        await load(pool, write_pack(folder, {"runtimes/ruby.yaml": None}))
    with pytest.raises(InUseError, match=r"trigger img\.made: .*, got sensor other\.s$"):
        await PostgresPacks(pool).remove_pack("img", changed_by="ann")
    assert await row(pool, "SELECT count(*) FROM sensor WHERE ref = 'other.s'") == (1,)


async def test_a_runtimes_history_says_who_loaded_it(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path, {**IMAGES, "runtimes/ruby.yaml": RUBY})
    await load(pool, folder)
    await load(pool, write_pack(folder, {"runtimes/ruby.yaml": RUBY.replace("--version", "-v")}))
    await load(pool, folder)

    history = await rows_in(pool, "SELECT operation, changed_by FROM runtime_history WHERE runtime_ref = 'img.ruby'")
    assert history == [("insert", "ann"), ("update", "ann")]


async def rows_in(pool: Pool, query: str) -> list[tuple[Any, ...]]:
    async with pool.connection() as connection:
        return await (await connection.execute(query.encode())).fetchall()


async def test_an_action_with_work_waiting_stays_and_finished_work_keeps_its_ref(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    await load(pool, folder)
    await happen(pool, "img.made", {"path": "a", "width": 300})
    write_pack(folder, {"rules/shrink.yaml": None, "actions/resize.yaml": None})

    with pytest.raises(InUseError, match="got execution 1, which is requested"):
        await load(pool, folder)
    await run(pool, "UPDATE execution SET status = 'completed'")
    await load(pool, folder)
    assert await row(pool, "SELECT action, action_ref FROM execution") == (None, "img.resize")


async def test_a_removed_pack_is_gone_with_all_that_it_brought(pool: Pool, tmp_path: Path) -> None:
    await load(pool, write_pack(tmp_path))
    store = PostgresPacks(pool)

    assert await store.remove_pack("img", changed_by="ann") is True
    assert await store.remove_pack("img", changed_by="ann") is False
    for table in ("action", "trigger", "sensor", "rule", "pack_version", "pack_file"):
        assert await row(pool, f"SELECT count(*) FROM {table}") == (0,), table
    with pytest.raises(InUseError, match="part of Attune"):
        await store.remove_pack("core", changed_by="ann")


async def test_what_was_switched_off_stays_off_until_the_folder_says_otherwise(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    await load(pool, folder)
    await run(pool, "UPDATE rule SET enabled = false")
    assert await load(pool, folder) == []
    rule = IMAGES["rules/shrink.yaml"]
    await load(pool, write_pack(folder, {"rules/shrink.yaml": f"{rule}enabled: false\n".replace("        ", "")}))
    assert await row(pool, "SELECT enabled FROM rule") == (False,)
    await run(pool, "UPDATE rule SET enabled = false")
    await load(pool, write_pack(folder, {"rules/shrink.yaml": rule}))

    assert await row(pool, "SELECT enabled FROM rule") == (True,)


async def test_a_pack_of_an_earlier_installation_is_taken_over_without_loss(pool: Pool, tmp_path: Path) -> None:
    await run(pool, "INSERT INTO pack (ref, label, version) VALUES ('img', 'Old', '0.1.0')")
    await run(
        pool,
        """
        INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint)
        SELECT ref, id, 'img', 'Old', '', 'old.py' FROM pack, unnest(ARRAY['img.resize', 'img.old']) AS names (ref_)
        CROSS JOIN LATERAL (SELECT ref_ AS ref) AS n(ref) WHERE pack.ref = 'img'
        """.replace("SELECT ref, id", "SELECT n.ref, pack.id"),
    )
    changes = await load(pool, write_pack(tmp_path))

    assert ("changed", "img.resize") in [(one.what, one.ref) for one in changes]
    assert await rows_in(pool, "SELECT ref, entrypoint FROM action ORDER BY ref") == [
        ("img.old", "old.py"),
        ("img.resize", "resize.py"),
    ]


async def test_a_faulty_pack_writes_nothing(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path, {**IMAGES, "rules/shrink.yaml": "name: s\n"})

    with pytest.raises(PackError):
        await load(pool, folder)
    assert await row(pool, "SELECT count(*) FROM pack WHERE ref = 'img'") == (0,)


async def test_attunes_own_pack_cannot_be_taken(pool: Pool, tmp_path: Path) -> None:
    await run(pool, "INSERT INTO pack (ref, label, version, is_standard) VALUES ('img', 'Own', '1.0.0', true)")

    with pytest.raises(UsageError, match="expected a ref of your own"):
        await load(pool, write_pack(tmp_path))


async def test_whoever_listens_hears_of_a_load_and_not_of_one_that_changes_nothing(pool: Pool, tmp_path: Path) -> None:
    listener = await connect(pool.conninfo if isinstance(pool.conninfo, str) else "")
    try:
        await listener.execute(f"LISTEN {CHANNEL}".encode())
        await load(pool, write_pack(tmp_path))
        await load(pool, tmp_path)
        await PostgresPacks(pool).remove_pack("img", changed_by="ann")
        heard = [note.payload async for note in listener.notifies(timeout=100, stop_after=2)]
        more = [note.payload async for note in listener.notifies(timeout=0.05)]
    finally:
        await listener.close()

    assert (heard, more) == (["img", "img"], [])


async def test_the_demo_pack_is_offered_once_in_the_life_of_a_database(pool: Pool, migrated_database: str) -> None:
    assert await load_demo(migrated_database) is True
    assert await load_demo(migrated_database) is False
    await PostgresPacks(pool).remove_pack("demo", changed_by="ann")

    assert await load_demo(migrated_database) is False


async def test_a_database_with_a_pack_gets_no_demo(pool: Pool, migrated_database: str, tmp_path: Path) -> None:
    await load(pool, write_pack(tmp_path))

    assert await load_demo(migrated_database) is False
    assert [row[0] for row in rows(migrated_database, "SELECT ref FROM pack ORDER BY ref")] == ["core", "img"]


async def test_the_role_of_operators_may_load_and_that_of_nodes_may_not(migrated_database: str, tmp_path: Path) -> None:
    async def as_role(role: str) -> None:
        async with open_pool(f"{migrated_database}&options=-c%20role%3D{role}") as other:
            await load(other, write_pack(tmp_path))

    with pytest.raises(AttuneError, match="permission denied"):
        await as_role("attune_node")
    await as_role("attune_admin")
    write_pack(tmp_path, {"rules/shrink.yaml": None, "actions/resize.yaml": None})
    await as_role("attune_admin")


async def test_packs_come_and_go_while_events_arrive(pool: Pool, migrated_database: str, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    await load(pool, folder)
    over = asyncio.Event()

    async def events() -> int:
        kept = 0
        async with open_pool(migrated_database) as other:
            while not over.is_set():
                (recorded,) = await happen(other, "img.made", {"path": "a", "width": 1})
                kept += recorded.event is not None
        return kept

    arriving = [asyncio.create_task(events()) for _ in range(3)]
    for _ in range(8):
        await load(pool, write_pack(folder, {"rules/shrink.yaml": None, "sensors/ticks.yaml": None}))
        await load(pool, write_pack(folder))
    over.set()

    assert sum(await asyncio.gather(*arriving)) == (await row(pool, "SELECT count(*) FROM event"))[0]


async def test_the_files_of_work_that_waits_are_kept(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    await load(pool, folder)
    old = await row(pool, "SELECT digest FROM pack WHERE ref = 'img'")
    await happen(pool, "img.made", {"path": "a", "width": 300})
    await run(pool, "ALTER TABLE execution ADD COLUMN IF NOT EXISTS pack_digest text")
    await run(pool, f"UPDATE execution SET pack_digest = '{old[0]}'")
    await load(pool, write_pack(folder, {"actions/resize.py": "print(2)\n"}))
    assert await PostgresPacks(pool).files(old[0])
    await run(pool, "UPDATE execution SET status = 'completed'")
    await load(pool, folder)

    assert await PostgresPacks(pool).files(old[0]) is None
    assert await row(pool, "SELECT count(*) FROM pack_version") == (1,)


async def test_what_a_rule_has_asked_for_keeps_the_action_of_that_moment(pool: Pool, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    await load(pool, folder)
    await happen(pool, "img.made", {"path": "a", "width": 300})
    asked = await row(pool, "SELECT digest FROM pack WHERE ref = 'img'")
    action = IMAGES["actions/resize.yaml"].replace("retries: 2", "retries: 5").replace("resize.py", "other.py")
    files = {"actions/resize.yaml": action, "actions/resize.py": None, "actions/other.py": "print(2)\n"}
    await load(pool, write_pack(folder, files))
    await PostgresRouting(pool).classify()

    assert await row(pool, "SELECT entrypoint, retries FROM action") == ("other.py", 5)
    assert await row(
        pool,
        "SELECT v.content ->> 'entrypoint', e.retries, e.pack_digest FROM execution AS e"
        " JOIN action_version AS v ON v.digest = e.action_version",
    ) == ("resize.py", 2, *asked)
    assert await PostgresPacks(pool).files(asked[0]) is not None
