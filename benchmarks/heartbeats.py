"""Heartbeats of many nodes: beside pgbench with the same bare UPDATE, how many are HOT, what a fleet costs.

`python -m benchmarks.heartbeats` prints the figures beside their targets. It starts a server of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from attune.composition.databases import migrate
from attune.core.nodes.role import WORKER
from attune.core.ports.nodes import NodeInstance, Overdue, Registration
from attune.postgres.connection import open_pool
from attune.postgres.embedded.server import EmbeddedServer
from attune.postgres.nodes.node_control import PostgresNodeControl
from attune.postgres.nodes.registry import PostgresNodes
from benchmarks.probing import Figure

_CONNECTIONS = 100
_PROCESSES = 2
_SECONDS = 3.0
_ROUNDS = 3
_FLEET = 1000
_INTERVAL = 10.0


async def beat(url: str, first: int, count: int, seconds: float, pause: float) -> int:
    """Let *count* nodes beat for *seconds*, each as fast as it can or every *pause* seconds; how often they did."""
    async with open_pool(url, size=4) as pool:
        life = PostgresNodeControl(pool)
        nodes = [PostgresNodes(pool) for _ in range(count)]
        ids = []
        for number, node in enumerate(nodes, first):
            again = NodeInstance(f"w{number}")  # each round is a later start of the same nodes
            await node.claim(f"w{number}", WORKER, host="bench", pid=number, instance=again)
            ids.append(await node.register(Registration(f"w{number}", WORKER, "bench", number, {})))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        end = time.monotonic() + seconds

        async def one(node: PostgresNodes, node_id: int) -> int:
            beats = 0
            while time.monotonic() < end:
                await node.heartbeat(node_id)
                beats += 1
                if pause:
                    await life.mark_overdue(Overdue(), node_id)
                    await asyncio.sleep(pause)
            return beats

        return sum(await asyncio.gather(*(one(node, node_id) for node, node_id in zip(nodes, ids, strict=True))))


def fleet_rate(url: str, connections: int, seconds: float, pause: float = 0.0) -> float:
    """Heartbeats per second of *connections* nodes in a few processes."""
    share = connections // _PROCESSES
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.heartbeats", url, json.dumps([n * share, share, seconds, pause])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(_PROCESSES)
    ]
    for client in clients:
        assert client.stdout is not None
        client.stdout.readline()
    outputs = [client.communicate("go\n")[0] for client in clients] if not pause else _together(clients)
    return sum(map(int, outputs)) / seconds


def _together(clients: list[subprocess.Popen[str]]) -> list[str]:
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("go\n")
        client.stdin.flush()
    return [client.communicate()[0] for client in clients]


def pgbench_rate(server: EmbeddedServer, url: str, folder: str) -> float:
    """What pgbench reaches with the bare UPDATE on as many connections."""
    script = Path(folder, "beat.sql")
    script.write_text(f"\\set id random(1, {_CONNECTIONS})\nUPDATE worker SET last_heartbeat = now() WHERE id = :id;\n")
    done = subprocess.run(
        [server.bin("pgbench"), "-n", "-c", str(_CONNECTIONS), "-j", str(_PROCESSES), "-T", str(int(_SECONDS)),
         "-f", script, url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout.partition("tps = ")[2].split()[0])


def server_cpu_seconds(data: Path) -> float:
    """CPU that the server's processes have used since they started."""
    ticks = 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cwd").resolve() == data.resolve():
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def hot_share(url: str) -> float:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row = connection.execute(
            "SELECT n_tup_hot_upd::float8 / nullif(n_tup_upd, 0) FROM pg_stat_user_tables WHERE relname = 'worker'"
        ).fetchone()
    assert row is not None
    return float(row[0])


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedServer(Path(folder, "data"))
        with server:
            url = server.acquire()
            migrate(url)
            fleet_rate(url, _CONNECTIONS, 0.5)
            ratios = []
            for _ in range(_ROUNDS):
                reference = pgbench_rate(server, url, folder)
                ours = fleet_rate(url, _CONNECTIONS, _SECONDS)
                ratios.append(ours / reference)
            note = f"{ours:.0f}/s beside {reference:.0f}/s in the last round"
            print(Figure("heartbeats of 100 connections, beside pgbench", statistics.median(ratios), 0.8, note=note))
            print(Figure("heartbeats that are HOT updates", hot_share(url) * 100, 95, "%"), flush=True)
            before, began = server_cpu_seconds(Path(folder, "data", "postgres")), time.monotonic()
            rate = fleet_rate(url, 200, 10.0, pause=200 / (_FLEET / _INTERVAL))
            used = server_cpu_seconds(Path(folder, "data", "postgres")) - before
            share = used / (time.monotonic() - began) * 100
            note = f"{rate:.0f} heartbeats/s on 200 connections, joining included"
            print(Figure("1,000 nodes at the default interval, of one core", share, 5, "%", at_most=True, note=note))
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 3:
        first, count, seconds, pause = json.loads(sys.argv[2])
        print(asyncio.run(beat(sys.argv[1], first, count, seconds, pause)))
    else:
        sys.exit(main())
