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


LIBRARY = """
import sys
import attune
report = attune.detect(only=["python3", "ruby"])
print(report.runtimes, report.require("python >=3.9", "os=linux")["python"].path)
for terms in (["python >=3.12", "ruby"], ["pythn"]):
    try:
        report.require(*terms)
    except attune.UnmetError as error:
        print(error.exit_code, error)
own = attune.Runtime(
    ref="acme.tool", name="Tool", distributions={"verification": {"commands": [{"binary": "python3", "args": ["-V"]}]}}
)
print(attune.detect([own]).runtimes)
heavy = "psycopg psycopg_pool procrastinate alembic fastapi starlette uvicorn pydantic structlog click rich httpx"
print(sorted(name for name in sys.modules if name in heavy.split()))
print(sorted({name.split(".")[1] for name in sys.modules if name.startswith("attune.")}))
"""


def test_detect_is_a_library_that_needs_no_database_and_loads_none_of_its_modules(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    path = machine.command("python3", "Python 3.11.7")
    program = tmp_path / "program.py"
    program.write_text(LIBRARY)
    done = subprocess.run(
        [sys.executable, program], env=machine.environment(), cwd=tmp_path, capture_output=True, text=True, timeout=90
    )

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"['python'] {path}"
    assert lines[1].startswith("3 requirement not met: python >=3.12: found 3.11.7 at ")
    assert "; requirement not met: ruby: unavailable, " in lines[1]
    assert lines[2] == "3 requirement not met: pythn: no definition is called pythn, did you mean python?"
    assert lines[3:5] == ["['tool']", "[]"]
    assert [layer for layer in ("web", "agent", "queue", "client") if f"'{layer}'" in lines[5]] == []


def test_importing_attune_alone_loads_nothing_of_it() -> None:
    program = "import sys, attune; print([name for name in sys.modules if name.startswith('attune.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=90)

    assert done.stdout == "[]\n"
