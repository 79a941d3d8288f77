"""Work that no host could start fails once, by its own fault; what a host lacks is the host's."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from attune.core.executions.action import Delivery
from attune.core.executions.work import Work, WorkEnding, WorkOutcome
from attune.core.ports.sensors import SensorEnd, SensorProgram
from attune.host.contract.admission import Admission
from attune.host.contract.execution_contract import ExecutionContract, default_contract
from attune.host.contract.policy import HostPolicy
from attune.host.contract.start_fault import StartFault, blame, start_fault
from attune.host.contract.supervisors import boottime
from attune.host.executions.runner import HostWorkRunner
from attune.host.probing.path_index import PathIndex
from attune.host.sensors.output_log import SensorFolder
from attune.host.sensors.process import HostSensorStarter

pytestmark = pytest.mark.anyio
PYTHON = os.path.realpath(sys.executable)
ANYTHING = default_contract({"PATH": os.environ["PATH"]})
CONTRACT = replace(ANYTHING, refuses=Admission(HostPolicy(), PathIndex("/usr/bin:/bin")).refuses)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def no_interpreter(entry: Path) -> Iterator[str]:
    entry.write_text("#!/no/such\n")
    yield "interpreter /no/such not found"


@contextmanager
def carriage_return(entry: Path) -> Iterator[str]:
    entry.write_bytes(b"#!/bin/sh\r\n")
    yield r"interpreter /bin/sh\r not found (the line ends with a carriage return)"


@contextmanager
def nothing_in_a_folder_of_everybody(entry: Path) -> Iterator[str]:
    entry.write_text("#!/tmp/attune-no-such-program\n")
    yield "interpreter /tmp/attune-no-such-program not found"


@contextmanager
def no_first_line(entry: Path) -> Iterator[str]:
    entry.write_text("echo must not run in a shell\n")
    yield "not an executable format"


@contextmanager
def other_machine(entry: Path) -> Iterator[str]:
    program = bytearray(Path("/bin/sh").resolve().read_bytes()[:4096])
    program[18:20] = b"\xf3\x00" if program[18:20] != b"\xf3\x00" else b"\x3e\x00"
    entry.write_bytes(program)
    yield "not an executable format"


@contextmanager
def no_loader(entry: Path) -> Iterator[str]:
    program = Path("/bin/sh").resolve().read_bytes()
    start = program.index(b"/lib", 0, 4096)
    entry.write_bytes(program[:start] + b"/no/" + program[start + 4 :])
    yield "the loader that this binary names is not installed"


@contextmanager
def absent(entry: Path) -> Iterator[str]:
    yield "does not exist"


@contextmanager
def dangling(entry: Path) -> Iterator[str]:
    entry.symlink_to("nowhere")
    yield "is a broken link"


@contextmanager
def circle(entry: Path) -> Iterator[str]:
    entry.symlink_to(entry)
    yield "too many levels of symbolic links"


@contextmanager
def folder(entry: Path) -> Iterator[str]:
    entry.mkdir()
    yield "is a directory"


@contextmanager
def pipe(entry: Path) -> Iterator[str]:
    os.mkfifo(entry)
    yield "is not a regular file"


@contextmanager
def not_executable(entry: Path) -> Iterator[str]:
    entry.write_text("#!/bin/sh\n")
    entry.chmod(0o644)
    yield "permission denied"


@contextmanager
def interpreter_not_executable(entry: Path) -> Iterator[str]:
    entry.write_text("#!/etc/passwd\n")
    yield "interpreter /etc/passwd is not executable"


@contextmanager
def being_written(entry: Path) -> Iterator[str]:
    entry.write_text("#!/bin/sh\n")
    with entry.open("a"):
        entry.chmod(0o755)
        yield "the file is being written"


Odd = Callable[[Path], "contextmanager[str]"]  # type: ignore[type-arg]
EVERYWHERE = (absent, dangling, circle, folder, pipe)
NATIVE = (
    no_interpreter,
    nothing_in_a_folder_of_everybody,
    carriage_return,
    no_first_line,
    other_machine,
    no_loader,
    not_executable,
)
OWN = (*EVERYWHERE, *NATIVE, interpreter_not_executable, being_written)


async def act(
    entry: Path, interpreter: str | None = None, *, contract: ExecutionContract = CONTRACT, **given: object
) -> WorkOutcome:
    async def output(stream: str, text: str) -> None: ...

    work = Work(entry, interpreter, timeout_seconds=20.0, **given)  # type: ignore[arg-type]
    return await HostWorkRunner(contract).run(work, output)


async def sense(entry: Path, *interpreter: str, contract: ExecutionContract = CONTRACT) -> SensorEnd | None:
    log = SensorFolder(entry.parent / "data").output_log(uuid4())
    log.create()
    argv = (*interpreter, str(entry))
    sensor = await HostSensorStarter(contract)(SensorProgram(argv, log.path, log.work), boottime() + 20)
    return await sensor.started() or await sensor.end()


def program(path: Path) -> None:
    if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o777 == 0o644 & ~_umask():
        path.chmod(0o755)


def _umask() -> int:
    os.umask(before := os.umask(0))
    return before


@pytest.mark.parametrize("odd", OWN, ids=lambda odd: odd.__name__)
async def test_what_no_host_could_start_is_its_own_fault(tmp_path: Path, odd: Odd) -> None:
    entry = tmp_path / "entry"
    with odd(entry) as why:
        if odd is not not_executable:
            program(entry)
        outcome = await act(entry)
        assert (outcome.ending, outcome.reason) == (WorkEnding.REFUSED, f"{entry} could not be executed: {why}")
        if odd in (no_first_line, other_machine, no_loader, not_executable, interpreter_not_executable, being_written):
            end = await sense(entry)
            assert end == SensorEnd(f"cannot be started: {outcome.reason}")
        else:
            with pytest.raises(OSError, match=str(entry)):
                await sense(entry)


@pytest.mark.parametrize("odd", EVERYWHERE, ids=lambda odd: odd.__name__)
async def test_so_is_an_entry_point_that_its_interpreter_would_not_find(tmp_path: Path, odd: Odd) -> None:
    entry = tmp_path / "entry"
    with odd(entry) as why:
        outcome = await act(entry, PYTHON)
    assert (outcome.ending, outcome.reason) == (WorkEnding.REFUSED, f"{entry} could not be executed: {why}")


@pytest.mark.parametrize("interpreter", [None, "/bin/sh"])
@pytest.mark.parametrize("delivery", [Delivery.ENV, Delivery.ARGS])
async def test_so_are_parameters_that_nothing_can_be_given(
    tmp_path: Path, interpreter: str | None, delivery: Delivery
) -> None:
    entry = tmp_path / "entry"
    entry.write_text("#!/bin/sh\n")
    entry.chmod(0o755)
    for parameters in ({"a": "x" * 200_000}, {f"a{number}": "x" * 100_000 for number in range(60)}):
        outcome = await act(entry, interpreter, parameters=parameters, delivery=delivery)
        assert outcome.ending is WorkEnding.REFUSED
        assert re.fullmatch(r"parameters(\.a)?: expected at most .*, got \d+ bytes", outcome.reason)


@pytest.mark.parametrize("odd", [*NATIVE, absent, dangling, circle], ids=lambda odd: odd.__name__)
async def test_an_interpreter_that_cannot_be_executed_is_the_runtimes_fault(tmp_path: Path, odd: Odd) -> None:
    interpreter, entry = tmp_path / "interpreter", tmp_path / "entry"
    entry.write_text("")
    with odd(interpreter) as why:
        if odd is not not_executable:
            program(interpreter)
        outcome = await act(entry, str(interpreter), contract=ANYTHING)
        end = await sense(entry, str(interpreter), contract=ANYTHING)
    reason = f"{interpreter} could not be executed: {why}"
    assert (outcome.ending, outcome.reason) == (WorkEnding.NOT_STARTED, reason)
    assert end == SensorEnd(f"cannot be started: {reason}", interpreter_failed=True)


def test_every_error_number_has_somebody_to_blame() -> None:
    own, host = "/pack/actions/a", "/opt/python"
    for number in errno.errorcode:
        error = OSError(number, os.strerror(number), own)
        assert blame(error, own, own)[0] is {
            StartFault.PLACE: WorkEnding.NO_PLACE,
            StartFault.READING: WorkEnding.NOT_STARTED,
        }.get(start_fault(error), WorkEnding.REFUSED)
        error.filename = host
        blamed = blame(error, host, own)[0]
        assert (blamed is WorkEnding.REFUSED) == (number == errno.E2BIG)
        assert (blamed is WorkEnding.NO_PLACE) == (start_fault(error) is StartFault.PLACE)
        error.filename = "its process"
        assert blame(error, own, own)[0] is not WorkEnding.REFUSED or number == errno.E2BIG
