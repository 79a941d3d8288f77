"""Sensors for tests: rows of the table, and a program that tells of its life and prints numbered events."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from command_hosts import Machine
from waiting import rows

PROGRAM = """\
import json, os, sys, time
config = json.load(sys.stdin)
life = open(config["life"], "ab", buffering=0)
def tell(what, number=0):
    life.write(f"{what} {config['name']} {os.getpid()} {time.monotonic_ns()} {number}\\n".encode())
tell("start")
number = 0
while number < config.get("most", 10**9):
    # Noted as printed only when it has been: what is noted must be found again.
    os.write(1, json.dumps({"name": config["name"], "pid": os.getpid(), "number": number}).encode() + b"\\n")
    tell("printed", number)
    number += 1
    time.sleep(config.get("pause", 0.02))
if config.get("exit") is not None:
    sys.exit(config["exit"])
while True:
    tell("alive")
    time.sleep(0.02)
"""


def add_sensor(
    url: str, ref: str, entrypoint: str, config: Any, *, runtime: str = "core.python", **columns: Any
) -> int:
    """A sensor of the pack `acme`, with the trigger `acme.happened`; its id."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO pack (ref, label, version) VALUES ('acme', 'Acme', '1.0.0') ON CONFLICT DO NOTHING"
        )
        connection.execute("INSERT INTO trigger (ref, label) VALUES ('acme.happened', '') ON CONFLICT DO NOTHING")
        row = connection.execute(
            """
            INSERT INTO sensor (ref, pack, pack_ref, label, description, entrypoint, runtime, runtime_ref, trigger,
                                trigger_ref, enabled, config, requires)
            SELECT %(ref)s, p.id, p.ref, '', '', %(entrypoint)s, r.id, r.ref, t.id, t.ref, %(enabled)s, %(config)s,
                   %(requires)s
            FROM pack AS p, runtime AS r, trigger AS t
            WHERE p.ref = 'acme' AND r.ref = %(runtime)s AND t.ref = 'acme.happened' RETURNING id
            """,
            {
                "ref": ref,
                "entrypoint": entrypoint,
                "config": json.dumps(config),
                "runtime": runtime,
                "enabled": columns.get("enabled", True),
                "requires": json.dumps(columns.get("requires", [])),
            },
        ).fetchone()
    assert row is not None
    return int(row[0])


@dataclass
class SensorFleet:
    """Sensor nodes that are processes, each with a PATH and a data folder of its own."""

    folder: Path
    url: str
    lease: str = "2s"
    machines: dict[str, Machine] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def machine(self, name: str) -> Machine:
        if name not in self.machines:
            (self.folder / name).mkdir()
            made = self.machines[name] = Machine(self.folder / name)
            (made.bin / "python3").symlink_to(Path(sys.executable).resolve())
            made.variables |= {
                "DATABASE_URL": self.url,
                "ATTUNE__HEARTBEAT__INTERVAL": "0.5s",
                "ATTUNE__HEALTH__INTERVAL": "0.2s",
                "ATTUNE__SENSING__LEASE": self.lease,
                "ATTUNE__SENSING__RESTART_FIRST": "0.2s",
            }
        return self.machines[name]

    def start(self, *names: str) -> None:
        for name in names:
            machine = self.machine(name)
            self.processes[name] = machine.start("sensor", "start", "--name", name, log=self.log(name))

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        self.processes[name].send_signal(number)
        if number == signal.SIGKILL:
            self.processes[name].wait()

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def add(self, name: str, **config: Any) -> int:
        """A sensor `acme.NAME` that runs `PROGRAM`."""
        program = self.folder / "program.py"
        program.write_text(PROGRAM)
        return add_sensor(self.url, f"acme.{name}", str(program), {"name": name, "life": str(self.life), **config})

    @property
    def life(self) -> Path:
        return self.folder / "life"

    def lived(self) -> list[tuple[str, str, int, int, int]]:
        """What sensors told of their lives: what, which, pid, when, number."""
        if not self.life.exists():
            return []
        told = [line.split() for line in self.life.read_text().splitlines()]
        return [(one[0], one[1], int(one[2]), int(one[3]), int(one[4])) for one in told]

    def overlaps(self) -> list[str]:
        """Sensors of which two processes were alive at a time."""
        spans: dict[str, dict[int, list[int]]] = {}
        for _, name, pid, at, _ in self.lived():
            span = spans.setdefault(name, {}).setdefault(pid, [at, at])
            span[1] = max(span[1], at)
        found = []
        for name, lives in spans.items():
            ordered = sorted(lives.items(), key=lambda one: one[1])
            for (pid, (_, end)), (other, (begin, _)) in itertools.pairwise(ordered):
                if begin <= end:
                    found.append(f"{name}: {pid} lived {(end - begin) / 1e6:.1f} ms into {other}")
        return found

    def printed(self) -> list[tuple[str, int, int]]:
        """Name, pid and number of every event that a sensor says it has printed."""
        return sorted((name, pid, number) for what, name, pid, _, number in self.lived() if what == "printed")

    def stored(self) -> list[tuple[str, int, int]]:
        """The same of every event in the database."""
        query = "SELECT payload->>'name', (payload->>'pid')::int, (payload->>'number')::int FROM event"
        return sorted(rows(self.url, query))  # type: ignore[arg-type]

    def holders(self) -> dict[str, str]:
        """Sensors that run, and on which node."""
        return dict(
            rows(
                self.url,
                "SELECT s.ref, w.name FROM sensor_lease AS l JOIN sensor AS s ON s.id = l.sensor JOIN worker AS w ON"
                " w.id = l.worker WHERE l.expires_at > now() AND l.state = 'running' ORDER BY 1",
            )
        )

    def close(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
