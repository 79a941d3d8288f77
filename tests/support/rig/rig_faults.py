"""The faults that are put on a rig: each a context that begins it and, when it is left, ends it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from rig_fleet import APIS, NAMES, SENSORS, WORKERS, Rig
from waiting import rows

SHORT, LONG = 3.0, 11.0
"""Seconds, shorter and longer than `lost_after`."""
Begin = Callable[[Rig], AbstractContextManager[None]]


@dataclass(frozen=True)
class RigFault:
    """A fault, how many seconds it lasts, and by which finding the doctor names it, None where there is no time to.

    *silent* are processes that cannot answer meanwhile.
    """

    name: str
    begin: Begin
    seconds: float
    named: str | None = None
    silent: tuple[str, ...] = ()
    needs_root: bool = False


def clock_library() -> str | None:
    """What sets the clock of one process alone, where it is installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return str(found[0]) if found else None


def mount_works(folder: Path) -> bool:
    try:
        with small_disk(folder / "tried", "1m"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextmanager
def killed(rig: Rig, name: str) -> Iterator[None]:
    with rig.away(name, was_killed=True):
        rig.kill(name)
        yield
        rig.start(name)


@contextmanager
def all_kinds_killed(rig: Rig) -> Iterator[None]:
    """A worker, a sensor, an API process and a session of another worker, all at once."""
    with ExitStack() as held:
        for name in ("w1", "s1", "a1"):
            held.enter_context(killed(rig, name))
        held.enter_context(backend_killed(rig, "w2"))
        yield


@contextmanager
def stopped(rig: Rig, name: str) -> Iterator[None]:
    with rig.away(name):
        os.kill(rig.pid(name), signal.SIGSTOP)
        yield
        os.kill(rig.pid(name), signal.SIGCONT)


@contextmanager
def postmaster_killed(rig: Rig) -> Iterator[None]:
    rig.server.kill()
    yield
    rig.server.start()


@contextmanager
def backend_killed(rig: Rig, name: str = "w1") -> Iterator[None]:
    """One session's process; the server ends all others, too, and recovers."""
    query = f"SELECT min(pid) FROM pg_stat_activity WHERE usename = '{rig.users[name]}' AND query !~* 'listen'"
    ((victim,),) = rows(rig.url, query)
    os.kill(victim, signal.SIGKILL)
    yield


@contextmanager
def server_stopped(rig: Rig) -> Iterator[None]:
    pids = [
        int(pid) for pid in subprocess.run(["pgrep", "-P", str(rig.server.pid)], capture_output=True).stdout.split()
    ]
    for pid in (rig.server.pid, *pids):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    yield
    for pid in (*pids, rig.server.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own at *folder*; it is let go at the end, whoever still uses it."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "rig", folder], check=True, stderr=subprocess.DEVNULL
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Leave no space on the file system of *folder*."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


def move_all(connection: psycopg.Connection[tuple[object, ...]], source: str, target: str) -> None:
    """Move tables and indexes, again while others hold them in another order."""
    for kind in ("TABLE", "INDEX"):
        for _ in range(100):
            with suppress(psycopg.errors.DeadlockDetected):
                connection.execute(f"ALTER {kind} ALL IN TABLESPACE {source} SET TABLESPACE {target}".encode())
                break


@contextmanager
def data_full(rig: Rig) -> Iterator[None]:
    folder = rig.server.folder / "tiny"
    with small_disk(folder, "16m"), psycopg.connect(rig.url, autocommit=True) as connection:
        place = folder / "space"
        place.mkdir()
        os.chown(place, rig.server.uid, -1)
        connection.execute(f"CREATE TABLESPACE tiny LOCATION '{place}'".encode())
        move_all(connection, "pg_default", "tiny")
        with filled(folder):
            yield
        move_all(connection, "tiny", "pg_default")
        connection.execute("CHECKPOINT")
        connection.execute("DROP TABLESPACE tiny")


@contextmanager
def server_full(rig: Rig) -> Iterator[None]:
    """Its write-ahead log: the server may end, and is started again."""
    with filled(rig.server.folder):
        yield
    time.sleep(0.5)
    if rig.server.ended():
        rig.server.start()


@contextmanager
def disk_full(rig: Rig, folder: str) -> Iterator[None]:
    with filled(rig.folder / folder):
        yield


@contextmanager
def few_files(rig: Rig, name: str) -> Iterator[None]:
    """No more files than are open."""
    count = len(list(Path(f"/proc/{rig.pid(name)}/fd").iterdir()))
    before = resource.prlimit(rig.pid(name), resource.RLIMIT_NOFILE)
    resource.prlimit(rig.pid(name), resource.RLIMIT_NOFILE, (count, before[1]))
    yield
    resource.prlimit(rig.pid(name), resource.RLIMIT_NOFILE, before)


def end_sessions(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename ~ 'attune_'"
    )


@contextmanager
def read_only(rig: Rig) -> Iterator[None]:
    with psycopg.connect(rig.server.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER DATABASE attune SET default_transaction_read_only = on")
        end_sessions(connection)
        yield
        connection.execute("ALTER DATABASE attune RESET default_transaction_read_only")


@contextmanager
def revoked(rig: Rig) -> Iterator[None]:
    with psycopg.connect(rig.url, autocommit=True) as connection:
        for verb, names in (("REVOKE", NAMES), ("GRANT", NAMES)):
            for name in names:
                role = "attune_admin" if name in APIS else "attune_node"
                way = "FROM" if verb == "REVOKE" else "TO"
                connection.execute(f'{verb} {role} {way} "{rig.users[name]}"'.encode())
            if verb == "REVOKE":
                yield


@contextmanager
def connections_full(rig: Rig) -> Iterator[None]:
    with psycopg.connect(rig.url, autocommit=True) as connection, ExitStack() as held:
        connection.execute("ALTER ROLE rig_filler LOGIN" if has_role(connection) else "CREATE ROLE rig_filler LOGIN")
        url = rig.url.replace("//rig@", "//rig_filler@")
        for round in range(3):
            with suppress(psycopg.OperationalError):
                while True:
                    held.enter_context(psycopg.connect(url))
            if round < 2:
                end_sessions(connection)
        yield


def has_role(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    return connection.execute("SELECT FROM pg_roles WHERE rolname = 'rig_filler'").fetchone() is not None


@contextmanager
def locked(rig: Rig) -> Iterator[None]:
    tables = "worker, execution, event, sensor_journal, sensor_lease, api_token"
    with psycopg.connect(rig.url) as connection:
        for _ in range(100):
            with suppress(psycopg.errors.DeadlockDetected):
                connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE".encode())
                break
            connection.rollback()
        yield
        connection.rollback()


@contextmanager
def stalled(rig: Rig, name: str) -> Iterator[None]:
    with rig.away(name):
        rig.proxies.stall(name)
        yield
        rig.proxies.restore(name)


@contextmanager
def all_stalled(rig: Rig) -> Iterator[None]:
    for name in NAMES:
        rig.proxies.stall(name)
    yield
    for name in NAMES:
        rig.proxies.restore(name)


@contextmanager
def refused(rig: Rig, name: str) -> Iterator[None]:
    with rig.away(name):
        rig.proxies.refuse(name)
        yield
        rig.proxies.restore(name)


@contextmanager
def half_open(rig: Rig, name: str, *, client: bool) -> Iterator[None]:
    """One side of its connections is cut, the other is not told; new connections work."""
    with rig.away(name):
        rig.proxies.cut(name, client=client, server=not client)
        yield
        rig.proxies.restore(name)


@contextmanager
def delayed(rig: Rig, name: str) -> Iterator[None]:
    rig.proxies.delay(name, 0.3)
    yield
    rig.proxies.restore(name)


@contextmanager
def failed_over(rig: Rig) -> Iterator[None]:
    rig.server.fail_over()
    for name in (*NAMES, "operator"):
        rig.proxies.cut(name)
    yield


@contextmanager
def clock(rig: Rig, name: str, offset: str) -> Iterator[None]:
    rig.clock_file(name).write_text(offset)
    yield
    rig.clock_file(name).write_text("+0")


def _of_each(
    what: str, begin: Callable[..., AbstractContextManager[None]], seconds: float, named: bool = True
) -> list[RigFault]:
    """The fault for a worker, a sensor and an API process."""
    found = []
    for name, finding in (("w1", "workers"), ("s1", "sensors"), ("a1", "api")):
        silent = (name,) if name in APIS else ()
        found.append(RigFault(f"{name} {what}", partial(begin, name=name), seconds, finding if named else None, silent))
    return found


GROUPS = {
    "killed": [
        RigFault("w1 killed", partial(killed, name="w1"), LONG, "workers"),
        RigFault("s1 killed", partial(killed, name="s1"), LONG, "sensors"),
        RigFault("a1 killed", partial(killed, name="a1"), LONG, "api", ("a1",)),
        RigFault("postmaster killed", postmaster_killed, SHORT, "database", APIS),
        RigFault("backend killed", backend_killed, 0),
    ],
    "stopped": [
        *_of_each("stopped shortly", stopped, SHORT, named=False),
        *_of_each("stopped for long", stopped, LONG),
        RigFault("server stopped shortly", server_stopped, SHORT),
        RigFault("server stopped for long", server_stopped, LONG, "database"),
    ],
    "disks": [
        RigFault("disk of data full", data_full, LONG, "storing|port|rules", needs_root=True),
        RigFault("disk of the server full", server_full, LONG, "database|storing|port|rules", APIS, needs_root=True),
        RigFault("disk of sensor output full", partial(disk_full, folder="s1/data"), LONG, "sensors", needs_root=True),
        RigFault("disk of logs full", partial(disk_full, folder="logs"), SHORT, None, needs_root=True),
    ],
    "limits": [
        RigFault("w1 has few files", partial(few_files, name="w1"), LONG, "workers"),
        RigFault("s1 has few files", partial(few_files, name="s1"), LONG),
        RigFault("a1 has few files", partial(few_files, name="a1"), LONG, None, ("a1",)),
    ],
    "database": [
        RigFault("read-only", read_only, LONG, "storing"),
        RigFault("rights revoked", revoked, LONG, "storing|workers", APIS),
        RigFault("connections full", connections_full, LONG, "database"),
        RigFault("tables locked", locked, LONG, "database|storing|nodes|work|workers"),
        RigFault("failed over", failed_over, SHORT),
    ],
    "network": [
        *_of_each("stalled shortly", stalled, SHORT, named=False),
        *_of_each("stalled for long", stalled, LONG),
        RigFault("all stalled", all_stalled, LONG, "workers", APIS),
        RigFault("w1 refused", partial(refused, name="w1"), LONG, "workers"),
        RigFault("s1 refused", partial(refused, name="s1"), LONG, "sensors"),
        RigFault("w1 half-open at the server", partial(half_open, name="w1", client=True), LONG),
        RigFault("s1 half-open at the server", partial(half_open, name="s1", client=True), LONG),
        # The node notices within a quarter of `lost_after` and connects again: sooner than it could be stale.
        RigFault("w1 half-open at the node", partial(half_open, name="w1", client=False), LONG),
        RigFault("s1 half-open at the node", partial(half_open, name="s1", client=False), LONG),
        RigFault("w1 delayed", partial(delayed, name="w1"), LONG),
    ],
    "clocks": [
        RigFault(f"clock of {name} {offset}", partial(clock, name=name, offset=offset), LONG)
        for name in (WORKERS[2], SENSORS[1], APIS[1])
        for offset in ("+1d", "-2d")
    ],
}
CHEAP = [
    RigFault("all kinds killed", all_kinds_killed, 1, None, ("a1",)),
    RigFault("read-only shortly", read_only, 1),
]
"""Faults of all of which the ordinary suite has time for one round."""
