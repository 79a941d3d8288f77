"""A rig: three workers, two sensors, two API processes, a PostgreSQL behind proxies, and work all the time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

import warm_programs
from attune.composition.databases import migrate
from attune.core.access.tokens import Scope
from attune.core.executions.execution import FINAL
from attune.postgres.access.tokens import PostgresTokens
from attune.postgres.connection import open_pool
from command_hosts import Machine, free_port
from logins import LoginRole, Logins
from pack_folders import write_pack
from rig_checker import OVERDUE, Absence, Line, Presence, RigRecord, StatusChange, missing_lines
from rig_proxy import RigProxies
from rig_server import RigServer
from waiting import rows, wait_for
from worker_processes import load_pack

WORKERS, SENSORS, APIS = ("w1", "w2", "w3"), ("s1", "s2"), ("a1", "a2")
NAMES = (*WORKERS, *SENSORS, *APIS)
ROLES: dict[str, tuple[str, LoginRole]] = {"w": ("worker", "node"), "s": ("sensor", "node"), "a": ("api", "admin")}
HEALED_WITHIN = 60.0
SETTINGS = {
    "ATTUNE__HEARTBEAT__INTERVAL": "1s",
    "ATTUNE__HEARTBEAT__STALE_AFTER": "2.5s",
    "ATTUNE__HEARTBEAT__LOST_AFTER": "6s",
    "ATTUNE__HEARTBEAT__AMNESTY": "6s",
    "ATTUNE__HEALTH__INTERVAL": "2s",
    "ATTUNE__SENSING__LEASE": "5s",
    "ATTUNE__SENSING__RESTART_FIRST": "0.5s",
    "ATTUNE__SENSING__RESTART_SLOWEST": "2s",
    "ATTUNE__WORKER__MAX_CONCURRENT_EXECUTIONS": "3",
}
SENSOR = """\
import json, os, sys, time
config = json.load(sys.stdin)
told = open(config["told"], "ab", buffering=0)
number = 0
while True:
    line = json.dumps({"name": config["name"], "pid": os.getpid(), "number": number}).encode() + b"\\n"
    while line:
        try:
            line = line[os.write(1, line):]
        except OSError:
            time.sleep(0.2)
    told.write(f"{config['name']} {os.getpid()} {number}\\n".encode())
    number += 1
    time.sleep(config["pause"])
"""
ACTION = """\
import json, os, sys, time
given = json.load(sys.stdin)
me = f"{os.environ['ATTUNE_EXECUTION']} {os.environ['ATTUNE_WORKER']} {os.getpid()}"
end = time.monotonic() + given["seconds"]
with open(given["told"], "ab", buffering=0) as told:
    while True:
        told.write(f"{me} {time.time_ns()}\\n".encode())
        if time.monotonic() >= end:
            break
        time.sleep(0.05)
print(json.dumps({"key": given["key"]}))
"""
RECORD = """
    CREATE TABLE history (id bigserial PRIMARY KEY, execution bigint, attempt integer, before text, after text,
                          worker text, reason text, at timestamptz DEFAULT clock_timestamp());
    CREATE FUNCTION record_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF OLD.status IS DISTINCT FROM NEW.status OR OLD.attempt IS DISTINCT FROM NEW.attempt THEN
            INSERT INTO public.history (execution, attempt, before, after, worker, reason)
            VALUES (NEW.id, NEW.attempt, OLD.status, NEW.status, coalesce(NEW.worker_name, OLD.worker_name),
                    NEW.reason);
        END IF;
        RETURN NULL;
    END;
    $$;
    CREATE TRIGGER record_history AFTER UPDATE ON execution FOR EACH ROW EXECUTE FUNCTION record_history();
    CREATE TABLE beat (name text, at timestamptz);
    CREATE FUNCTION record_beat() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO public.beat VALUES (NEW.name, NEW.last_heartbeat);
        RETURN NULL;
    END;
    $$;
    CREATE TRIGGER record_beat AFTER UPDATE OF last_heartbeat ON worker FOR EACH ROW EXECUTE FUNCTION record_beat();
"""


class Rig:
    """Everything of it, below *folder*. `exits` is the first thing to look at when it does not heal."""

    def __init__(self, folder: Path, *, clock_library: str | None = None, pause: float = 1.0) -> None:
        self.folder = folder
        self.clock_library = clock_library
        self.pause = pause
        self.server = RigServer(folder / "pg")
        self.proxies = RigProxies(lambda: self.server.socket)
        self.processes: dict[str, Any] = {}
        self.exits: list[str] = []
        self.absences: list[Absence] = []
        self.asked: dict[str, int | None] = {}
        self.refused = 0
        self._killed: set[str] = set()
        self._ending = threading.Event()
        self._askers: list[threading.Thread] = []
        migrate(self.url)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(RECORD.encode())
        self.logins = Logins(self.url)
        self.users: dict[str, str] = {}
        self.token = asyncio.run(self._make_token())
        self.machines = {name: self._machine(name) for name in NAMES}
        self.operator = Machine(folder / "operator")
        self.operator.variables |= {
            **SETTINGS,
            "DATABASE_URL": self._through_proxy("operator", "admin"),
            "ATTUNE__API__PORT": self.machines["a1"].variables["ATTUNE__API__PORT"],
        }
        load_pack(self.url, self._pack())

    @property
    def url(self) -> str:
        return self.server.url()

    def _machine(self, name: str) -> Machine:
        made = Machine(self.folder / name)
        (made.bin / "python3").symlink_to(Path(sys.executable).resolve())
        made.real("bash", "sh")
        made.variables |= {**SETTINGS, "DATABASE_URL": self._through_proxy(name, ROLES[name[0]][1])}
        if name in APIS:
            made.variables["ATTUNE__API__PORT"] = str(free_port())
        if self.clock_library and name in ("w3", "s2", "a2"):
            self.clock_file(name).write_text("+0")
            made.variables |= {
                "LD_PRELOAD": self.clock_library,
                "FAKETIME_TIMESTAMP_FILE": str(self.clock_file(name)),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",
                "PYTHONDONTWRITEBYTECODE": "1",  # an interpreter of its own, not a copy
            }
        return made

    def clock_file(self, name: str) -> Path:
        return self.folder / f"{name}.clock"

    def _through_proxy(self, name: str, role: LoginRole) -> str:
        self.users[name] = str(conninfo_to_dict(self.logins.url(name, role, OVERDUE))["user"])
        return f"postgresql://{self.users[name]}@127.0.0.1:{self.proxies.port(name)}/attune"

    async def _make_token(self) -> str:
        async with open_pool(self.url, size=2) as pool:
            return (await PostgresTokens(pool).create("rig", Scope.OPERATE, created_by="tests"))[1]

    def _pack(self) -> Path:
        told = "told: {type: string, required: true}"
        files: dict[str, str | bytes | None] = {
            "pack.yaml": "ref: rig\nlabel: Rig\nversion: 1.0.0\n",
            "actions/work.py": ACTION,
            "actions/work.yaml": "name: work\nlabel: Work\nentry_point: work.py\nruntime: python\nparameters:"
            f" {{{told}, key: {{type: string, required: true}}, seconds: {{type: number, required: true}}}}\n",
            "triggers/line.yaml": "name: line\nlabel: Line\n",
            "rules/each.yaml": "name: each\nlabel: Each\ntrigger: rig.line\naction: rig.work\nparameters:\n"
            f"  told: {self.folder / 'ran'}\n  seconds: 0.2\n"
            '  key: "${{ payload.name }}:${{ payload.pid }}:${{ payload.number }}"\n',
            "sensors/lines.py": SENSOR,
        }
        for name in ("one", "two", "three"):
            files[f"sensors/{name}.yaml"] = (
                f"name: {name}\nlabel: Lines\nruntime: core.python\nentry_point: lines.py\ntrigger: rig.line\n"
                f"config: {{name: {name}, told: {self.folder / 'printed'}, pause: {self.pause}}}\n"
            )
        return write_pack(self.folder / "pack", files)

    # Processes

    def start(self, *names: str) -> None:
        """Start processes; see `wait_active`."""
        for name in names:
            kind = ROLES[name[0]][0]
            words = [kind, "start"] if name in APIS else [kind, "start", "--name", name]
            self.processes[name] = self.machines[name].start(*words, log=self.log(name))
            self._killed.discard(name)

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def kill(self, name: str) -> None:
        self._killed.add(name)
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def pid(self, name: str) -> int:
        return int(self.processes[name].pid)

    def look_for_exits(self) -> list[str]:
        """Note those that ended and were not told to."""
        for name, process in self.processes.items():
            if name not in self._killed and process.poll() is not None:
                self._killed.add(name)
                self.exits.append(f"{name} ({process.returncode}): {self.log(name).read_text()[-2000:]}")
        return self.exits

    @contextmanager
    def away(self, *workers: str, was_killed: bool = False) -> Iterator[None]:
        """Note that these alone cannot work meanwhile."""
        begin = time.time()
        open_ended = [Absence(worker, begin, float("inf"), was_killed) for worker in workers]
        self.absences += open_ended
        yield
        for absence in open_ended:
            self.absences.remove(absence)
            # What was held up is only read once it goes on.
            self.absences.append(Absence(absence.worker, begin, time.time() + 3, was_killed))

    def is_active(self) -> bool:
        """Whether all nodes are, and both API processes are ready."""
        query = "SELECT name FROM worker WHERE status = 'active'"
        active = {str(name) for (name,) in self.rows(query)} if self.server.answers() else set()
        return {*WORKERS, *SENSORS} <= active and all(self.get(api, "/readyz") == 200 for api in APIS)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the server answers, once it does."""

        def answer() -> list[list[tuple[Any, ...]]]:
            try:
                return [rows(self.url, query)]
            except psycopg.OperationalError:
                return []

        return list(wait_for(answer, HEALED_WITHIN)[0])

    # Work

    def get(self, api: str, path: str, seconds: float = 10) -> int:
        """The status that *api* answers with, 0 where it does not answer."""
        try:
            return self._say(api, "GET", path, None, seconds)[0]
        except (OSError, HTTPException):
            return 0

    def _say(self, api: str, verb: str, path: str, body: Any, seconds: float) -> tuple[int, Any]:
        port = int(self.machines[api].variables["ATTUNE__API__PORT"])
        connection = HTTPConnection("127.0.0.1", port, timeout=seconds)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(verb, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def ask(self, api: str) -> int | None:
        """Ask *api* for an execution; its number, None where it was not promised."""
        key = f"{api}/{len(self.asked)}/{time.monotonic_ns()}"
        self.asked[key] = None
        given = {"parameters": {"key": key, "told": str(self.folder / "ran"), "seconds": 0.3}}
        try:
            code, answer = self._say(api, "POST", "/api/actions/rig.work/run", given, 15)
        except (OSError, HTTPException, ValueError):
            self.refused += 1
            return None
        if code == 201:
            self.asked[key] = int(answer["id"])
        else:
            self.refused += 1
        return self.asked[key]

    def begin_load(self) -> None:
        def keep(api: str) -> None:
            while not self._ending.wait(self.pause):
                self.ask(api)

        self._askers = [threading.Thread(target=keep, args=(api,), daemon=True) for api in APIS]
        for asker in self._askers:
            asker.start()

    def printed(self) -> list[Line]:
        """Lines that sensors say they have printed."""
        with suppress(FileNotFoundError):
            told = [line.split() for line in (self.folder / "printed").read_text().splitlines()]
            return [(name, int(process), int(number)) for name, process, number in told]
        return []

    def stored(self) -> list[Line]:
        """Events, in the order in which they were stored."""
        query = "SELECT payload->>'name', (payload->>'pid')::int, (payload->>'number')::int FROM event ORDER BY id"
        return self.rows(query)  # type: ignore[return-value]

    def open_executions(self, highest: int) -> list[tuple[Any, ...]]:
        """Those up to *highest* that have not ended."""
        final = ", ".join(f"'{one}'" for one in FINAL)
        query = (
            "SELECT id, status::text, attempt, losses, worker_name, reason, extract(epoch FROM now() - updated)::int"
            f" FROM execution WHERE id <= {highest} AND status NOT IN ({final}) ORDER BY id"
        )
        return self.rows(query)

    def heal_seconds(self) -> float:
        """How long it takes until all nodes are active, and all that was printed and asked by now is done."""
        began = time.monotonic()
        before = self.printed()
        wait_for(lambda: self.look_for_exits() or self.is_active(), HEALED_WITHIN)
        for api in APIS:
            wait_for(lambda of=api: self.ask(of), HEALED_WITHIN)
        wait_for(lambda: not missing_lines(before, self.stored()), HEALED_WITHIN)
        newest = self.rows("SELECT max(id)::int FROM event")[0][0]
        wait_for(lambda: not self.rows(f"SELECT FROM event WHERE pending AND id <= {newest}"), HEALED_WITHIN)
        highest = self.rows("SELECT max(id)::int FROM execution")[0][0]
        wait_for(lambda: not self.open_executions(highest), HEALED_WITHIN)
        return time.monotonic() - began

    def doctor(self, seconds: float = 60) -> tuple[int, list[dict[str, Any]]]:
        """The exit code of `attune doctor`, and what it found wrong."""
        environment = self.operator.environment()
        done = warm_programs.run(("doctor", "--json"), environment, self.operator.folder, seconds)
        findings = json.loads(done.stdout) if done.stdout.startswith("[") else [{"text": done.stdout + done.stderr}]
        return done.returncode, [one for one in findings if one.get("level") != "ok"]

    def record(self) -> RigRecord:
        """What has been seen until now."""
        query = (
            "SELECT execution, attempt, before, after, worker, reason, extract(epoch FROM at)::float8 FROM history"
            " ORDER BY id"
        )
        executed = self.rows("SELECT id, config->>'key' FROM execution ORDER BY id")
        beats = self.rows("SELECT name, extract(epoch FROM at)::float8 FROM beat")
        lives: dict[tuple[int, str, str], list[float]] = {}
        with suppress(FileNotFoundError):
            for line in (self.folder / "ran").read_text().splitlines():
                execution, worker, process, at = line.split()
                lives.setdefault((int(execution), worker, process), []).append(int(at) / 1e9)
        return RigRecord(
            printed=self.printed(),
            stored=self.stored(),
            asked=dict(self.asked),
            executed=executed,  # type: ignore[arg-type]
            changes=[StatusChange(*row) for row in self.rows(query)],
            presences=[Presence(key[0], key[1], min(at), max(at)) for key, at in lives.items()],
            absences=list(self.absences),
            exits=list(self.look_for_exits()),
            beats={name: [at for of, at in beats if of == name] for name in (*WORKERS, *SENSORS)},
            overdue=OVERDUE,
        )

    def rest(self) -> None:
        """Ask no more, end the sensors, and wait until everything that was asked has ended."""
        self._ending.set()
        for asker in self._askers:
            asker.join(30)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("UPDATE sensor SET enabled = false")
        wait_for(lambda: not self.rows("SELECT FROM sensor_lease WHERE expires_at > now()"), HEALED_WITHIN)
        wait_for(lambda: not missing_lines(self.printed(), self.stored()), HEALED_WITHIN)
        wait_for(lambda: not self.rows("SELECT FROM event WHERE pending"), HEALED_WITHIN)
        wait_for(lambda: not self.open_executions(2**31), HEALED_WITHIN)

    def close(self) -> None:
        self._ending.set()
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for asker in self._askers:
            asker.join(30)
        self.proxies.close()
        self.server.close()


@contextmanager
def running_rig(folder: Path, *, clock_library: str | None = None, pause: float = 1.0) -> Iterator[Rig]:
    """A rig whose processes are all active, with work under way."""
    (folder / "logs").mkdir(exist_ok=True)
    folder.chmod(0o711)
    os.umask(0o022)
    rig = Rig(folder, clock_library=clock_library, pause=pause)
    try:
        rig.start(*NAMES)
        wait_for(lambda: rig.look_for_exits() or rig.is_active(), 60)
        assert not rig.exits, rig.exits
        rig.begin_load()
        wait_for(lambda: {line[0] for line in rig.stored()} == {"one", "two", "three"}, 60)
        yield rig
    finally:
        rig.close()
