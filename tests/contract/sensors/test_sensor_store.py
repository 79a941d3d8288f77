"""`LeaseStore`, `ChangeListener`, `SensorReader` and `SensorEvents`: one suite for memory and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg import AsyncConnection

from attune.core.errors import DatabaseError, UsageError
from attune.core.matching.fleet import Capability, CapabilityInstance, Node, by_name
from attune.core.nodes.role import SENSOR
from attune.core.ports.nodes import Registration
from attune.core.ports.sensors import SensorReport
from attune.core.sensors.assignment import SensorState
from attune.core.sensors.event_line import NewEvent
from attune.core.sensors.sensor import Sensor
from attune.postgres.connection import open_pool
from attune.postgres.events.store import PostgresEventTables
from attune.postgres.nodes.registry import PostgresNodes
from attune.postgres.sensors.events import PostgresSensorEvents
from attune.postgres.sensors.store import PostgresSensors
from attune.testing import MemorySensors
from logins import Logins
from sensor_programs import add_sensor

pytestmark = pytest.mark.anyio


@dataclass
class Stores:
    """The stores, the ids of two nodes and of three sensors, and what a test must be able to do to them."""

    leases: Any
    events: Any
    nodes: tuple[int, int]
    sensors: tuple[int, int, int]
    later: Callable[[float], Awaitable[None]]
    stored: Callable[[], Awaitable[list[Any]]]
    can_run: Callable[[], Awaitable[None]]


def in_memory() -> Stores:
    store = MemorySensors()
    for number, name in enumerate(("a", "b", "c"), 1):
        config = {"every": "1s"} if name == "a" else {}
        store.definitions[number] = Sensor(
            number, f"acme.{name}", "acme.happened", f"{name}.py", "python", "core.python", config=config
        )

    async def later(seconds: float) -> None:
        store.ahead += timedelta(seconds=seconds)

    async def stored() -> list[Any]:
        return [(one.trigger_ref, one.payload, one.sensor_ref) for one in store.events]

    async def can_run() -> None:
        python = by_name([Capability("python", instances=(CapabilityInstance("3.11", "/python"),), ref="core.python")])
        store.nodes = [Node(one, f"s{one - 1}", python, role="sensor") for one in (1, 2)]

    return Stores(store, store, (1, 2), (1, 2, 3), later, stored, can_run)


@pytest.fixture(params=["memory", "postgres"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield in_memory()
        return
    url = request.getfixturevalue("migrated_database")
    ids = [add_sensor(url, f"acme.{name}", f"{name}.py", {"every": "1s"} if name == "a" else None) for name in "abc"]
    async with open_pool(url) as pool:
        registries = [PostgresNodes(pool), PostgresNodes(pool)]
        nodes = []
        for number, registry in enumerate(registries):
            await registry.claim(f"s{number}", SENSOR, host="host", pid=number)
            nodes.append(await registry.register(Registration(f"s{number}", SENSOR, "host", number, {})))

        async def later(seconds: float) -> None:
            async with pool.connection() as connection:
                await connection.execute(
                    "UPDATE sensor_lease SET expires_at = expires_at - %(s)s * interval '1 second',"
                    " taken_at = taken_at - %(s)s * interval '1 second'",
                    {"s": seconds},
                )

        async def stored() -> list[Any]:
            async with pool.connection() as connection:
                query = "SELECT trigger_ref, payload, source_ref FROM event ORDER BY id"
                return await (await connection.execute(query)).fetchall()

        async def can_run() -> None:
            async with pool.connection() as connection:
                await connection.execute(
                    "INSERT INTO worker_runtime (worker, runtime_ref, name, status, reason, instances)"
                    " SELECT id, 'core.python', 'python', 'available', '', '[{\"version\": \"3\", \"path\": \"/p\"}]'"
                    " FROM worker"
                )

        events = PostgresSensorEvents(pool, insert)
        yield Stores(
            PostgresSensors(pool), events, (nodes[0], nodes[1]), (ids[0], ids[1], ids[2]), later, stored, can_run
        )
        for registry in registries:
            await registry.leave()


async def insert(connection: AsyncConnection[Any], events: Sequence[NewEvent]) -> None:
    await PostgresEventTables(connection).insert_events(events)


def held(taken: Sequence[Any]) -> dict[int, int]:
    return {one.sensor: one.epoch for one in taken}


def event(number: int) -> NewEvent:
    return NewEvent("acme.happened", {"number": number}, None, "acme.a")


async def test_definitions_are_read(stores: Stores) -> None:
    first, second, _ = (await stores.leases.world()).sensors
    assert (first.ref, first.entrypoint, first.config) == ("acme.a", "a.py", {"every": "1s"})
    assert (second.config, str(second.requirement)) == ({}, "core.python")
    assert not first.is_builtin


async def test_of_two_nodes_one_takes_a_lease(stores: Stores) -> None:
    first, second = stores.nodes
    taken = await stores.leases.take(first, stores.sensors, 10)
    assert held(taken) == dict.fromkeys(stores.sensors, 1)
    assert await stores.leases.take(second, stores.sensors, 10) == []
    assert await stores.leases.take(first, stores.sensors, 10) == []

    assert {lease.worker for lease in (await stores.leases.world()).leases.values()} == {first}


async def test_a_lease_that_is_not_renewed_goes_to_another_with_a_higher_epoch(stores: Stores) -> None:
    first, second = stores.nodes
    a, b, _ = stores.sensors
    old = await stores.leases.take(first, [a, b], 10)
    await stores.later(8)
    renewal = await stores.leases.renew(first, {a: 1}, 10)
    assert renewal.kept == {a}
    await stores.later(3)
    taken = await stores.leases.take(second, [a, b], 10)
    assert [(one.sensor, one.epoch) for one in taken] == [(b, 2)]
    assert taken[0].output_log not in {one.output_log for one in old}

    renewal = await stores.leases.renew(first, {a: 1, b: 1}, 10)
    assert renewal.kept == {a}


async def test_what_has_expired_is_never_renewed(stores: Stores) -> None:
    node, sensor = stores.nodes[0], stores.sensors[0]
    await stores.leases.take(node, [sensor], 10)
    await stores.later(11)
    renewal = await stores.leases.renew(node, {sensor: 1}, 10)

    assert renewal.kept == frozenset()
    assert renewal.free == set(stores.sensors)


async def test_a_lease_that_is_given_back_is_free_at_once(stores: Stores) -> None:
    first, second = stores.nodes
    sensor = stores.sensors[0]
    await stores.leases.take(first, [sensor], 10)
    await stores.leases.release(second, {sensor: 1})
    assert await stores.leases.take(second, [sensor], 10) == []
    await stores.leases.release(first, {sensor: 1}, {sensor: "s0 is draining"})

    assert held(await stores.leases.take(second, [sensor], 10)) == {sensor: 2}


async def test_a_node_takes_back_what_its_earlier_process_left(stores: Stores) -> None:
    first, second = stores.nodes
    sensor = stores.sensors[0]
    await stores.leases.take(first, [sensor], 10)
    assert await stores.leases.take(first, [sensor], 10, dead={sensor: 7}) == []
    assert await stores.leases.take(second, [sensor], 10, dead={sensor: 1}) == []

    assert held(await stores.leases.take(first, [sensor], 10, dead={sensor: 1})) == {sensor: 2}


async def test_a_disabled_sensor_is_not_taken(stores: Stores) -> None:
    sensor = stores.sensors[0]
    assert await stores.leases.set_enabled("acme.a", False) is True
    assert await stores.leases.set_enabled("acme.nothing", False) is False
    assert await stores.leases.take(stores.nodes[0], [sensor], 10) == []
    assert sensor not in (await stores.leases.renew(stores.nodes[0], {}, 10)).free
    assert [one.state for one in await stores.leases.status()] == ["disabled", "waiting", "waiting"]


async def test_those_who_listen_are_told_of_changes(stores: Stores) -> None:
    async with stores.leases.listening() as changes:
        assert await changes.news(0.01) is False
        await stores.leases.set_enabled("acme.a", False)
        assert await changes.news(10) is True


async def test_reports_are_those_of_the_holder(stores: Stores) -> None:
    first, second = stores.nodes
    sensor = stores.sensors[0]
    await stores.leases.take(first, [sensor], 10)
    running = SensorReport(sensor, 1, SensorState.RUNNING, "", restarts=2, bad_lines=3, pid=7)
    await stores.leases.report(second, [replace(running, pid=8)])
    await stores.leases.report(first, [replace(running, epoch=0, pid=9)])
    await stores.leases.report(first, [running])
    status = (await stores.leases.status())[0]
    assert (status.state, status.restarts, status.bad_lines, status.pid, status.epoch) == ("running", 2, 3, 7, 1)
    await stores.later(11)

    waiting = (await stores.leases.status())[0]
    assert (waiting.state, waiting.node, waiting.pid) == ("waiting", None, None)
    assert waiting.reason.startswith("no sensor node ")


async def test_what_was_printed_last_is_kept_until_another_takes_the_lease(stores: Stores) -> None:
    sensor = stores.sensors[0]
    await stores.leases.take(stores.nodes[0], [sensor], 10)
    await stores.leases.report(stores.nodes[0], [SensorReport(sensor, 1, SensorState.RUNNING, last_lines="a\nb")])
    await stores.leases.release(stores.nodes[0], {sensor: 1})
    kept = (await stores.leases.status())[0].last_lines
    await stores.leases.take(stores.nodes[1], [sensor], 10)

    assert (kept, (await stores.leases.status())[0].last_lines) == ("a\nb", "")


async def test_a_move_is_wanted_until_somebody_takes_the_lease(stores: Stores) -> None:
    first, second = stores.nodes
    sensor = stores.sensors[0]
    await stores.can_run()
    await stores.leases.take(first, [sensor], 10)
    for to in (None, "s1"):
        assert await stores.leases.move("acme.a", to) == "s1"
        status = (await stores.leases.status())[0]
        assert (status.node, status.wanted) == ("s0", "s1")
    assert await stores.leases.move("acme.nothing") is None
    with pytest.raises(UsageError, match="no sensor node is called 's9'"):
        await stores.leases.move("acme.a", "s9")
    assert (await stores.leases.world()).leases[sensor].wanted == second
    await stores.leases.release(first, {sensor: 1})
    await stores.leases.take(second, [sensor], 10)

    assert (await stores.leases.world()).leases[sensor].wanted is None
    assert (await stores.leases.status())[0].wanted is None


async def test_a_move_is_heard_of(stores: Stores) -> None:
    await stores.can_run()
    await stores.leases.take(stores.nodes[0], stores.sensors, 10)
    async with stores.leases.listening() as changes:
        await stores.leases.move("acme.a")
        assert await changes.news(10) is True


async def test_lines_are_stored_once_and_in_their_order(stores: Stores) -> None:
    (taken,) = await stores.leases.take(stores.nodes[0], stores.sensors[:1], 10)
    key = taken.output_log
    assert await stores.events.ship(key, 0, 20, [event(2), event(1)]) is True
    assert await stores.events.ship(key, 0, 20, [event(2), event(1)]) is False
    assert await stores.events.ship(key, 30, 40, [event(4)]) is False
    assert await stores.events.ship(key, 20, 30, []) is True
    assert await stores.events.ship(uuid4(), 0, 10, [event(5)]) is False

    record = await stores.events.output_log(key)
    assert (record.sensor_ref, record.trigger_ref, record.epoch, record.shipped) == ("acme.a", "acme.happened", 1, 30)
    assert await stores.stored() == [("acme.happened", {"number": one}, "acme.a") for one in (2, 1)]


async def test_what_was_printed_under_an_earlier_epoch_is_stored_later(stores: Stores) -> None:
    first, second = stores.nodes
    (old,) = await stores.leases.take(first, stores.sensors[:1], 10)
    await stores.later(11)
    await stores.leases.take(second, stores.sensors[:1], 10)

    assert (await stores.events.output_log(old.output_log)).over
    assert await stores.events.ship(old.output_log, 0, 10, [event(1)]) is True
    assert len(await stores.stored()) == 1


async def test_a_journal_is_forgotten_once_its_epoch_is_over_and_all_of_it_is_stored(stores: Stores) -> None:
    (taken,) = await stores.leases.take(stores.nodes[0], stores.sensors[:1], 10)
    await stores.events.ship(taken.output_log, 0, 10, [])
    assert not (await stores.events.output_log(taken.output_log)).over
    assert await stores.events.finish(taken.output_log, 10) is False
    await stores.leases.release(stores.nodes[0], held([taken]))
    assert await stores.events.finish(taken.output_log, 11) is False
    assert await stores.events.finish(taken.output_log, 10) is True

    assert await stores.events.output_log(taken.output_log) is None
    assert await stores.events.ship(taken.output_log, 10, 20, [event(1)]) is False


async def test_a_timer_fires_and_remembers_only_under_a_valid_lease(stores: Stores) -> None:
    first, second = stores.nodes
    sensor = stores.sensors[0]
    await stores.leases.take(first, [sensor], 10)
    assert await stores.events.position(sensor) is None
    assert await stores.events.fire(first, sensor, 1, {"last": 1}, [event(1)]) is True
    assert await stores.events.fire(second, sensor, 1, {"last": 2}, [event(2)]) is False
    await stores.later(11)
    assert await stores.events.fire(first, sensor, 1, {"last": 3}, [event(3)]) is False
    await stores.leases.take(second, [sensor], 10)
    assert await stores.events.fire(first, sensor, 1, {"last": 4}, [event(4)]) is False
    assert await stores.events.position(sensor) == {"last": 1}
    assert await stores.events.fire(second, sensor, 2, {"last": 5}, [event(5)]) is True

    assert [payload["number"] for _, payload, _ in await stores.stored()] == [1, 5]


async def test_the_role_of_nodes_may_do_what_sensing_needs(migrated_database: str, logins: Logins) -> None:
    number = add_sensor(migrated_database, "acme.a", "a.py", {})
    async with open_pool(logins.url("s1")) as pool:
        registry = PostgresNodes(pool)
        await registry.claim("s1", SENSOR, host="host", pid=1)
        node = await registry.register(Registration("s1", SENSOR, "host", 1, {}))
        leases, events = PostgresSensors(pool), PostgresSensorEvents(pool, insert)
        (taken,) = await leases.take(node, [number], 10)
        await leases.renew(node, {number: 1}, 10)
        await leases.report(node, [SensorReport(number, 1, SensorState.RUNNING)])
        mine = replace(event(1), sensor=number)
        assert await events.ship(taken.output_log, 0, 10, [mine])
        with pytest.raises(DatabaseError, match="row-level security"):
            await events.ship(taken.output_log, 10, 20, [replace(mine, trigger_ref="acme.other")])
        assert await events.fire(node, number, 1, {"last": 1}, [mine])
        await leases.release(node, {number: 1})
        assert await events.finish(taken.output_log, 10)
        assert [one.id for one in (await leases.world()).nodes] == [node]
        with pytest.raises(DatabaseError, match="refused"):
            await leases.set_enabled("acme.a", False)
        await registry.leave()
