"""Whatever the database refuses, and for whatever reason: what was printed is stored in the end, in order, once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from attune.agent.control import Control
from attune.agent.health.monitor import HealthMonitor
from attune.agent.node import HeartbeatLoop, NodeOptions
from attune.agent.registration import NodeRegistration
from attune.agent.sensors import builtin, event_forwarder
from attune.agent.sensors.builtin import BuiltinSensors
from attune.agent.sensors.event_forwarder import EventForwarder
from attune.agent.sensors.instance import BuiltinInstance
from attune.agent.worker import result_writer
from attune.agent.worker.result_writer import ResultWriter
from attune.composition.events import record_for_sensors, recorder
from attune.config import Settings
from attune.core.access.tokens import Scope
from attune.core.backoff import Backoff
from attune.core.errors import DatabaseError
from attune.core.executions.action import Action
from attune.core.nodes.health import Transition
from attune.core.nodes.health_schedule import CheckSchedule
from attune.core.nodes.role import SENSOR
from attune.core.ports.nodes import Registration
from attune.core.ports.worker import AttemptResult, StartedAttempt
from attune.core.runtimes.selection import Selection, Source
from attune.core.runtimes.verdict import Status
from attune.core.sensors.file_watch import FileView
from attune.core.sensors.sensor import Sensor
from attune.host.sensors.output_log import SensorFolder
from attune.operations.runtimes.detect import Detection
from attune.operations.runtimes.reverify import Round
from attune.postgres.access.tokens import PostgresTokens
from attune.postgres.connection import Pool, open_pool
from attune.postgres.events.log import PostgresEventLog
from attune.postgres.executions.store import PostgresExecutions
from attune.postgres.nodes.node_control import PostgresNodeControl
from attune.postgres.nodes.registry import PostgresNodes
from attune.postgres.sensors.events import PostgresSensorEvents
from attune.postgres.sensors.store import PostgresSensors
from attune.testing import MemoryCipher
from attune.web.audit_writer import AuditWriter
from command_hosts import Machine
from sensor_programs import add_sensor
from web_client import Api, serving

pytestmark = pytest.mark.anyio
TABLES = ("event", "execution", "execution_output", "worker", "runtime_transition", "audit")
DEFINITION: Any = SimpleNamespace(name="A")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Server:
    """The database, as its administrator, and a plain login that everything under test uses."""

    admin: str
    role: str

    @property
    def url(self) -> str:
        return psycopg.conninfo.make_conninfo(self.admin, user=self.role)

    def do(self, *statements: str) -> list[Any]:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.format(role=self.role).encode())
            return cursor.fetchall() if cursor.description else []

    def disconnect(self) -> None:
        self.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")

    @contextmanager
    def refusing(self, sqlstate: str, when: str = "true", tables: Sequence[str] = TABLES) -> Iterator[None]:
        """Every write *when* (of NEW) fails with *sqlstate*."""
        self.do(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF ({when}) THEN RAISE EXCEPTION 'refused on purpose' USING ERRCODE = '{sqlstate}'; END IF;"
            " RETURN NEW; END; $$",
            *(
                f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
                for table in tables
            ),
        )
        yield
        self.do(*(f"DROP TRIGGER refuse ON {table}" for table in tables))

    @contextmanager
    def read_only(self) -> Iterator[None]:
        self.do("ALTER ROLE {role} SET default_transaction_read_only = on")
        self.disconnect()
        yield
        self.do("ALTER ROLE {role} RESET default_transaction_read_only")  # sessions stay as they began

    @contextmanager
    def revoked(self) -> Iterator[None]:
        self.do(*(f"REVOKE INSERT, UPDATE ON {table} FROM {{role}}" for table in TABLES))
        yield
        self.do(*(f"GRANT INSERT, UPDATE ON {table} TO {{role}}" for table in TABLES))

    @contextmanager
    def full(self) -> Iterator[None]:
        self.do("ALTER ROLE {role} CONNECTION LIMIT 0")
        self.disconnect()
        yield
        self.do("ALTER ROLE {role} CONNECTION LIMIT -1")

    @contextmanager
    def locked(self) -> Iterator[None]:
        with psycopg.connect(self.admin) as connection:
            connection.execute(f"LOCK TABLE {', '.join(TABLES)} IN EXCLUSIVE MODE".encode())
            yield


@pytest.fixture
def server(migrated_database: str) -> Iterator[Server]:
    name = migrated_database.partition("?")[0].rpartition("/")[2]
    made = Server(migrated_database, f"node_{name}")
    made.do(
        "CREATE ROLE {role} LOGIN",
        "ALTER ROLE {role} SET statement_timeout = '150ms'",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
        "GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO {role}",
    )
    yield made
    made.disconnect()
    made.do("DROP OWNED BY {role}", "DROP ROLE {role}")


@dataclass
class Writer:
    """One kind of what is written: writes number after number; `stored` are those that the database has."""

    write: Callable[[int], Any]
    query: str
    refusals: Callable[[], int] = lambda: 0


@dataclass
class Writers:
    """Everything that writes, at work on *pool*."""

    server: Server
    pool: Pool
    folder: Path
    stack: AsyncExitStack
    files: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def background(self, work: Any) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    async def begin(self) -> dict[str, Writer]:
        return {
            **await self.node(),
            "sensor lines": await self.lines(),
            "events": await self.events(),
            **await self.executions(),
            "audit": self.audit(),
        }

    async def node(self) -> dict[str, Writer]:
        """Its heartbeats, and what its health checks find: *checks* has what each round is to find."""
        registry = PostgresNodes(self.pool)
        registration = NodeRegistration(
            SENSOR, Settings(), registry=registry, detector=SimpleNamespace(), labels=lambda section: {}, name="s1"
        )  # type: ignore[arg-type]
        chosen = Selection(Source.DATABASE)
        registration.detection = Detection(SENSOR, chosen, "database", (), (), 0.0, definitions=(DEFINITION,))
        await registration.claim()
        self.node_id = await registration.register()
        checks: list[Transition] = []
        monitor = HealthMonitor(registration, rounds_of(checks))
        control = Control()
        parts = SimpleNamespace(
            registration=registration,
            lifecycle=PostgresNodeControl(self.pool),
            monitor=monitor,
            services=[],
            options=NodeOptions(interval=0.05),
        )
        loop = HeartbeatLoop(parts, control)  # type: ignore[arg-type]
        self.background(loop.beat())
        self.background(monitor.keep(control.stop))
        self.stack.push_async_callback(registry.leave)

        def find(number: int) -> None:
            gone = (Status.AVAILABLE, Status.UNAVAILABLE)
            checks.append(Transition("acme.a", "A", *gone, f"{number}", at=time.monotonic()))
            monitor.suspect("acme.a")

        query = "SELECT reason::int FROM runtime_transition ORDER BY id"
        return {
            "heartbeats": Writer(lambda number: None, "", lambda: loop.refusals.count),
            "health": Writer(find, query, lambda: monitor._refusals.count),
        }

    async def sensor(self, ref: str, config: Any) -> tuple[Sensor, Any]:
        number = add_sensor(self.server.admin, ref, "file_watch" if config else "a.py", config)
        (taken,) = await PostgresSensors(self.pool).take(self.node_id, [number], 600)
        entry = "file_watch" if config else "a.py"
        return Sensor(number, ref, "acme.happened", entry, "python", "core.python", config=config), taken

    async def lines(self) -> Writer:
        _, taken = await self.sensor("acme.lines", {})
        folder = SensorFolder(self.folder)
        output_log = folder.output_log(taken.output_log)
        output_log.create()
        events = PostgresSensorEvents(self.pool, record_for_sensors(lambda event, sentence: None, MemoryCipher()))
        forwarder = EventForwarder(folder, events, lambda key, count: None, lambda key, on: None)
        forwarder.expect(taken.output_log)
        self.background(forwarder.run())

        def write(number: int) -> None:
            with output_log.path.open("a") as file:
                file.write(json.dumps({"number": number}) + "\n")

        query = "SELECT (payload->>'number')::int FROM event WHERE source_ref = 'acme.lines' ORDER BY id"
        return Writer(write, query, lambda: forwarder.refusals.count)

    async def events(self) -> Writer:
        sensor, taken = await self.sensor("acme.files", {"path": "/somewhere", "every": "0.1s"})
        events = PostgresSensorEvents(self.pool, record_for_sensors(lambda event, sentence: None, MemoryCipher()))
        look: Any = lambda path: lambda: FileView(path, dict(self.files))  # noqa: E731
        watching = BuiltinSensors(lambda: self.node_id, events, lambda: datetime.now(UTC), look)
        instance = BuiltinInstance(sensor, taken, lambda: None, watching.watch)
        instance.begin(0)
        self.stack.callback(instance.kill)
        await until(lambda: self.server.do("SELECT 1 FROM sensor_position"))  # what is there by then is not told
        query = "SELECT (payload->>'path')::int FROM event WHERE source_ref = 'acme.files' ORDER BY id"
        return Writer(lambda number: self.files.__setitem__(f"{number:03}", (number, 1, 1)), query)

    async def executions(self) -> dict[str, Writer]:
        self.server.do(
            "INSERT INTO execution (id, action_ref, status, attempt)"
            " SELECT n, 'acme.act', 'running', 1 FROM generate_series(0, 100) AS n"
        )
        store = ResultWriter(PostgresExecutions(self.pool), lambda: 1, lambda execution: None)
        store.begin()
        self.stack.push_async_callback(store.close, 1.0)
        action = Action("acme.act", "acme", "", "act.sh", runtime_ref="core.python")
        printed = store.printer(StartedAttempt(
            execution=100, attempt=1, action=action, parameters={}, failures=0, losses=0, timeout_seconds=None,
        ))  # fmt: skip

        def settle(number: int) -> None:
            self.background(store.store(AttemptResult(number, 1, "completed", result={"number": number})))

        output = "SELECT text::int FROM execution_output ORDER BY number"
        results = "SELECT (result->>'number')::int FROM execution WHERE status = 'completed' ORDER BY id"
        refused = lambda: store.refusals.count  # noqa: E731
        return {
            "output": Writer(lambda number: self.background(printed("stdout", str(number))), output, refused),
            "results": Writer(settle, results, refused),
        }

    def audit(self) -> Writer:
        audit = AuditWriter(PostgresTokens(self.pool))
        self.stack.push_async_callback(audit.close)

        def write(number: int) -> None:
            entry = {"method": "POST", "path": "/", "status": number, "client": "here"}
            self.background(audit.write(None, entry))

        return Writer(
            write, "SELECT status FROM audit WHERE status IS NOT NULL ORDER BY id", lambda: audit.refusals.count
        )


def rounds_of(checks: list[Transition]) -> Any:
    """A `Reverifier` each round of which finds what is in *checks*."""
    runtime: Any = SimpleNamespace(definition=DEFINITION, health=SimpleNamespace(offered=True))

    def found(kept: Any, suspects: Any) -> Round:
        transitions = tuple(checks)
        checks.clear()
        return Round(kept, transitions=transitions)

    return SimpleNamespace(
        begin=lambda definitions, verdicts: {"acme.a": runtime},
        round=found,
        next_round=lambda kept: None,
        clock=time.monotonic,
        schedule=CheckSchedule(),
        examiner=SimpleNamespace(stop=lambda: None),
    )


async def until(condition: Callable[[], Any], seconds: float = 100) -> None:
    """Wait until *condition*, which may look into the database, holds."""
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


FAULTS: dict[str, Callable[[Server], contextlib.AbstractContextManager[None]]] = {
    "read-only": Server.read_only,
    "revoked": Server.revoked,
    "no connection left": Server.full,
    "statement time-out": Server.locked,
    "disk full": lambda server: server.refusing("53100"),
    "serialization": lambda server: server.refusing("40001"),
    "deadlock": lambda server: server.refusing("40P01"),
    "internal error": lambda server: server.refusing("XX000"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_is_written_while_the_database_refuses_is_stored_in_order_and_once(
    fault: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtin, "_LONGEST_SLEEP", 0.1)
    async with open_pool(server.url) as pool, AsyncExitStack() as stack:
        writers = Writers(server, pool, tmp_path, stack)
        made = await writers.begin()
        try:
            await all_stored(server, made, range(10))
            broken = FAULTS[fault](server)
            await asyncio.to_thread(broken.__enter__)
            write(made, range(10, 20))
            if fault != "no connection left":  # whoever waits for a connection is not refused
                await until(lambda: all(writer.refusals() for name, writer in made.items() if name != "events"))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(broken.__exit__, None, None, None)
            beat = server.do("SELECT now()")[0][0]
            await all_stored(server, made, range(20, 30), already=20)
            await until(lambda: server.do("SELECT last_heartbeat FROM worker")[0][0] > beat)
        finally:
            for task in writers.tasks:
                task.cancel()
            await asyncio.gather(*writers.tasks, return_exceptions=True)

    assert server.do("SELECT * FROM dead_letter") == []


def write(made: dict[str, Writer], numbers: range) -> None:
    for writer in made.values():
        for number in numbers:
            writer.write(number)


async def all_stored(server: Server, made: dict[str, Writer], numbers: range, already: int = 0) -> None:
    """Write *numbers*, and wait until they are stored with all before them, each once and in order."""
    write(made, numbers)
    wanted = [(number,) for number in (*range(already), *numbers)]
    for writer in made.values():
        if writer.query:
            await until(lambda query=writer.query: len(server.do(query)) >= len(wanted))
            assert server.do(writer.query) == wanted


@pytest.mark.parametrize("sqlstate", ["22001", "23514", "54000", "P0001", "XX000"])
async def test_a_row_that_is_itself_at_fault_is_set_aside_and_can_be_replayed(
    sqlstate: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_forwarder, "_RETRY", Backoff(0.02, 0.1))
    monkeypatch.setattr(result_writer, "_RETRY", Backoff(0.02, 0.1))
    thirteen = server.refusing(
        sqlstate,
        "CASE TG_TABLE_NAME WHEN 'event' THEN to_jsonb(NEW)->'payload'->>'number' WHEN 'execution_output'"
        " THEN to_jsonb(NEW)->>'text' ELSE to_jsonb(NEW)->'result'->>'number' END = '13'",
        ("event", "execution_output", "execution"),
    )
    async with open_pool(server.url) as pool, AsyncExitStack() as stack:
        writers = Writers(server, pool, tmp_path, stack)
        await writers.node()
        made = {"lines": await writers.lines(), **await writers.executions()}
        letters = PostgresEventLog(pool, recorder(MemoryCipher()))
        try:
            await asyncio.to_thread(thirteen.__enter__)
            write(made, range(20))
            others = [(number,) for number in range(20) if number != 13]
            for writer in made.values():
                await until(lambda query=writer.query: len([1 for row in server.do(query) if row[0] is not None]) == 19)
                assert [row for row in server.do(writer.query) if row[0] is not None] == others
            aside = await letters.list_letters()
            tries = 6 if sqlstate == "XX000" else 1
            assert sorted((one.kind, one.sqlstate, one.times >= tries) for one in aside) == [
                (kind, sqlstate, True) for kind in ("event", "output", "result")
            ]
            ended = "SELECT status::text, reason FROM execution WHERE id = 13"
            ((status, reason),) = server.do(ended)
            assert status == "completed"
            assert reason.startswith("its result was set aside, see `attune dead-letter list`: the database refused")
            assert await letters.replay(aside[0].id) is not None
            assert (await letters.list_letters())[0].times == aside[0].times + 1

            await asyncio.to_thread(thirteen.__exit__, None, None, None)
            assert [await letters.replay(one.id) for one in aside] == [None] * 3
        finally:
            for task in writers.tasks:
                task.cancel()
            await asyncio.gather(*writers.tasks, return_exceptions=True)

    for writer in made.values():
        assert sorted(server.do(writer.query)) == [(number,) for number in range(20)]
    assert server.do("SELECT * FROM dead_letter") == []
    assert server.do(ended) == [("completed", None)]


async def test_readiness_metrics_api_page_and_doctor_tell_of_what_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = (
        "INSERT INTO dead_letter (kind, source, body, reason, sqlstate) VALUES ('event', 'acme.a', '{{\"trigger_ref\":"
        " \"acme.none\", \"payload\": {{}}}}', 'the database refused: no', '23514')"
    )
    async with serving(server.url) as api:
        assert (await api.http.get("/readyz")).status_code == 200
        server.do(letter)
        server.do("INSERT INTO event (trigger_ref, created, pending) VALUES ('a.b', '2026-01-01', true)")
        headers = api.as_(Scope.READ)
        (listed,) = (await api.http.get("/api/dead-letters", headers=headers)).json()["data"]
        assert (listed["source"], listed["sqlstate"]) == ("acme.a", "23514")
        metrics = (await api.http.get("/metrics", headers=headers)).text
        assert 'attune_dead_letters{kind="event"} 1.0' in metrics and "attune_pending_events 1.0" in metrics
        page = (await api.http.get("/activity", headers=headers)).text
        assert "the database refused: no" in page and "1 events wait for their rules" in page
        registry = PostgresNodes(api.pool)
        await registry.claim("s1", SENSOR, host="host", pid=1)
        node = await registry.register(Registration("s1", SENSOR, "host", 1, {}))
        await registry.heartbeat(node, "events cannot be stored")
        assert (await api.http.get("/readyz")).status_code == 503
        assert await api.services.events.refusals() == {"sensor s1": "events cannot be stored"}
        await registry.heartbeat(node)
        assert (await api.http.get("/readyz")).status_code == 200
        await registry.leave()
        api.services.decisions.failed(DatabaseError("no space"))
        assert (await api.http.get("/readyz")).status_code == 503
        api.services.decisions.worked()
        with server.read_only():
            await until_ready(api, 503)
        await until_ready(api, 200)


async def until_ready(api: Api, status: int) -> None:
    for _ in range(200):
        if (await api.http.get("/readyz")).status_code == status:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(status)


def test_commands_show_replay_and_remove_dead_letters(server: Server, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.variables |= {"DATABASE_URL": server.admin}
    body = '{{"trigger_ref": "acme.none", "payload": {{}}}}'
    for source in ("acme.a", "acme.b"):
        server.do(
            "INSERT INTO dead_letter (kind, source, body, reason, sqlstate)"
            f" VALUES ('event', '{source}', '{body}', 'the database refused: no', '23514')"
        )
    found = [one for one in json.loads(machine.attune("doctor", "--json").stdout) if one["subject"] == "storing"]
    assert [(one["level"], one["text"], one["remedy"]) for one in found] == [
        (
            "warning",
            "2 rows were set aside, the first because the database refused: no",
            "attune dead-letter list",
        )
    ]
    assert "the database refused: no" in machine.attune("dead-letter", "list").stdout
    replayed = machine.attune("dead-letter", "replay")
    assert (replayed.returncode, replayed.stdout.count("is still refused: trigger: expected one")) == (1, 2)
    assert machine.attune("dead-letter", "remove").returncode == 2
    assert machine.attune("dead-letter", "remove", "1").stdout == "dead letter 1 is removed\n"
    assert machine.attune("dead-letter", "remove", "1").returncode == 2
    server.do("INSERT INTO trigger (ref, label) VALUES ('acme.none', '')")
    assert machine.attune("dead-letter", "replay", "2").stdout == "dead letter 2 is stored\n"
    assert server.do("SELECT trigger_ref FROM event") == [("acme.none",)]
    assert "Nothing was set aside" in machine.attune("dead-letter", "list").stdout
