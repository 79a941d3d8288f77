"""Attune embedded in somebody's program: the public names, with a pool and settings of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from command_hosts import Machine

PROGRAM = """
import asyncio
from psycopg_pool import AsyncConnectionPool
from attune import Runtime, RuntimeDetector, SensorWorkerRegistration, WorkerRegistration, load_settings

async def main():
    async with AsyncConnectionPool("{url}", min_size=1, max_size=3) as pool:
        config = load_settings()
        detector = RuntimeDetector(pool)
        worker = await detector.detect_capabilities(config, "ATTUNE_WORKER_RUNTIMES", config.worker.capabilities)
        sensor = await detector.detect_capabilities(config, "ATTUNE_SENSOR_RUNTIMES", config.sensor.capabilities)
        print(worker["runtimes"], sensor["runtimes"], worker["runtime_versions"]["python"])
        print(await detector.detect_from_database())
        proof = {{"commands": [{{"binary": "python3", "args": ["--version"]}}]}}
        here = Runtime(ref="acme.python", name="Python", distributions={{"verification": proof}})
        print(await RuntimeDetector.verify_runtime_available(here), (await RuntimeDetector.verify(here)).version)
        registration = WorkerRegistration(pool, config)
        await registration.detect_capabilities(config)
        await registration.register()
        other = SensorWorkerRegistration(pool, config)
        await other.register(config)
        await registration.deregister()
        await other.deregister()

asyncio.run(main())
"""


def test_the_documented_calls_work_and_print_nothing_on_their_own(tmp_path: Path, migrated_database: str) -> None:
    machine = Machine(tmp_path)
    machine.command("python3", "Python 3.11.7")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(url=migrated_database))
    done = subprocess.run(
        [sys.executable, program], env=machine.environment(), cwd=tmp_path, capture_output=True, text=True, timeout=90
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "['native', 'python', 'shell'] ['native', 'python', 'builtin', 'shell'] ['3.11.7']",
        "['native', 'python', 'builtin', 'shell']",
        "True 3.11.7",
    ]
    assert "Detecting worker capabilities..." in done.stderr
