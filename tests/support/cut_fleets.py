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
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from waiting import rows, status, wait_for
from worker_processes import WorkerFleet, load_pack, write_pack

STALE_AFTER, LOST_AFTER = 2.0, 4.0
NAMES = ("w1", "w2")
_TIMES = {"INTERVAL": "0.3s", "STALE_AFTER": f"{STALE_AFTER:g}s", "LOST_AFTER": f"{LOST_AFTER:g}s", "AMNESTY": "0s"}


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
    """Each worker has a proxy; `alone` is for how long at most each alone was not heard of, as others were."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.proxies: dict[str, NodeProxy] = {}
        self.alone: dict[str, float] = Counter()
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._note_silence, daemon=True)

    def begin(self) -> None:
        for name in NAMES:
            machine = self.machine(name)
            proxy = self.proxies[name] = NodeProxy(machine.variables["DATABASE_URL"])
            machine.variables["DATABASE_URL"] = proxy.url
        self.start(*NAMES)
        wait_for(lambda: status(self.url) == dict.fromkeys(NAMES, "active"))
        self._watch.start()

    def _note_silence(self) -> None:
        query = "SELECT name, extract(epoch FROM last_heartbeat)::float8 FROM worker"
        heard: dict[str, float] = dict(rows(self.url, query))
        now = dict.fromkeys(NAMES, 0.0)
        while not self._over.wait(0.1):
            for name, at in rows(self.url, query):
                if (pause := at - heard[name]) > 0:
                    now[name] = 0
                    for other in set(NAMES) - {name}:
                        now[other] += pause if pause < STALE_AFTER else LOST_AFTER / 10
                        self.alone[other] = max(self.alone[other], now[other])
                heard[name] = at

    def check_law(self, done: int) -> None:
        """All *done* executions are complete, and none ran twice that needed not."""
        wait_for(lambda: self.counts() == {"completed": done})
        ran: dict[int, list[str]] = {}
        for execution, worker, _ in self.runs():
            ran.setdefault(execution, []).append(worker)
        assert len(ran) == done
        assert {n: who for n, who in ran.items() if len(who) > 1 and self.alone[who[0]] < 0.8 * LOST_AFTER} == {}

    def shown(self, column: str) -> list[Any]:
        return [value for (value,) in rows(self.url, f"SELECT {column} FROM execution ORDER BY id")]

    def end(self) -> None:
        self._over.set()
        if self._watch.is_alive():
            self._watch.join()
        self.close()
        for proxy in self.proxies.values():
            proxy.close()


@contextmanager
def cut_fleet(folder: Path, url: str) -> Iterator[CutFleet]:
    settings = {f"ATTUNE__HEARTBEAT__{name}": value for name, value in _TIMES.items()}
    made = CutFleet(folder, url, dict.fromkeys(NAMES, ("shell", "python")), 1, settings)
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
