"""Workers behind proxies, and the law of what may run twice: only what a node ran that alone was not heard of."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from attune.core.ports.nodes import Overdue
from rig_losses import LostAttempt, lost_wrongly
from waiting import rows, status, wait_for
from worker_processes import WorkerFleet, load_pack, write_pack

NAMES = ("w1", "w2")


class NodeProxy:
    """Forwards connections to the server of *url*; `url` leads here.

    `silence` has all that are open say nothing any more, on both sides, without an end; `cut` ends them and refuses
    new ones until `mend`.
    """

    def __init__(self, url: str) -> None:
        self._target = conninfo_to_dict(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._kept: list[socket.socket] = []
        self._is_cut = False
        self._lock = threading.Lock()
        place = f"127.0.0.1:{self._listener.getsockname()[1]}/{self._target['dbname']}"
        self.url = f"postgresql://{self._target['user']}@{place}?connect_timeout=2"
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def silence(self) -> None:
        with self._lock:
            self._kept += [end for pair in self._pairs for end in pair]
            self._pairs.clear()
        self._wake.send(b".")

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            self._end_all()
        self._wake.send(b".")

    def mend(self) -> None:
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        self._wake.send(b"x")
        self._thread.join()
        self._end_all()
        for one in (self._listener, self._wake, self._woken):
            one.close()

    def _end_all(self) -> None:
        for end in [*self._kept, *(end for pair in self._pairs for end in pair)]:
            end.close()
        self._pairs.clear()
        self._kept.clear()

    def _forward(self) -> None:
        while True:
            with self._lock:
                ways = {one: other for pair in self._pairs for one, other in (pair, pair[::-1])}
            try:
                ready, _, _ = select.select([self._listener, self._woken, *ways], [], [])
            except (OSError, ValueError):  # one was closed meanwhile
                continue
            if self._woken in ready and b"x" in self._woken.recv(100):
                return
            if self._listener in ready:
                self._accept()
            for end in ready:
                if end in ways:
                    self._pass(end, ways[end])

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        with self._lock:
            if self._is_cut:
                client.close()
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{self._target['host']}/.s.PGSQL.{self._target.get('port') or 5432}")
            self._pairs.append((client, server))

    def _pass(self, end: socket.socket, other: socket.socket) -> None:
        data = b""
        with suppress(OSError):
            data = end.recv(65536)
        with suppress(OSError):
            if data:
                other.sendall(data)
                return
        with self._lock:
            for pair in [pair for pair in self._pairs if end in pair]:
                self._pairs.remove(pair)
                for one in pair:
                    one.close()


class CutFleet(WorkerFleet):
    """Each worker has a proxy; `beats` are the times of the heartbeats that were accepted of each."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.proxies: dict[str, NodeProxy] = {}
        self.beats: dict[str, list[float]] = {name: [] for name in NAMES}
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._note_beats, daemon=True)

    def begin(self) -> None:
        for name in NAMES:
            machine = self.machine(name)
            proxy = self.proxies[name] = NodeProxy(machine.variables["DATABASE_URL"])
            machine.variables["DATABASE_URL"] = proxy.url
        self.start(*NAMES)
        wait_for(lambda: status(self.url) == dict.fromkeys(NAMES, "active"))
        self._watch.start()

    def _note_beats(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self._over.wait(self.beat_every / 4):
                for name, at in connection.execute(
                    "SELECT name, extract(epoch FROM last_heartbeat)::float8 FROM worker"
                ):
                    if self.beats[name][-1:] != [at]:
                        self.beats[name].append(at)

    def losses(self) -> list[LostAttempt]:
        """What the histories of executions say of workers that were lost."""
        found = rows(
            self.url,
            "SELECT e.id, substring(t ->> 'reason' FROM '^worker (\\S+) was lost while it ran'),"
            " extract(epoch FROM (t ->> 'at')::timestamptz)::float8"
            " FROM execution AS e, jsonb_array_elements(e.timeline) AS t"
            " WHERE t ->> 'reason' ~ 'was lost while it ran'",
        )
        return [LostAttempt(*row) for row in found]

    def check_law(self, done: int) -> None:
        """All *done* executions are complete, none was lost that must not, and each that ran twice says why."""
        wait_for(lambda: self.counts() == {"completed": done}, 100 + 4 * self.overdue.lost_after)
        ran: dict[int, list[str]] = {}
        for execution, worker, _ in self.runs():
            ran.setdefault(execution, []).append(worker)
        assert len(ran) == done
        losses = self.losses()
        assert [why for loss in losses if (why := lost_wrongly(loss, self.beats, self.overdue))] == []
        told = Counter((loss.execution, loss.worker) for loss in losses)
        again = Counter((execution, worker) for execution, workers in ran.items() for worker in workers[:-1])
        assert again - told == Counter(), "these ran again, and their history does not say that they were lost"

    def end(self) -> None:
        self._over.set()
        if self._watch.is_alive():
            self._watch.join()
        self.close()
        for proxy in self.proxies.values():
            proxy.close()


@contextmanager
def cut_fleet(folder: Path, url: str, overdue: Overdue, beat_every: float) -> Iterator[CutFleet]:
    offers = dict.fromkeys(NAMES, ("shell", "python"))
    made = CutFleet(folder, url, offers, concurrency=1, overdue=overdue, beat_every=beat_every)
    load_pack(made.url, write_pack(folder / "pack"))
    try:
        made.begin()
        yield made
    finally:
        made.end()


def cut_for(proxies: list[NodeProxy], seconds: float) -> None:
    """Cut all of *proxies* for so long."""
    for proxy in proxies:
        proxy.cut()
    time.sleep(seconds)
    for proxy in proxies:
        proxy.mend()
