"""The probe of the place where programs run: whether one could be started here now, and its files written."""

import os
import select
import tempfile
from collections.abc import Iterable
from pathlib import Path

from attune.core.nodes.place import described, place_error
from attune.host.contract.execution_contract import ExecutionContract
from attune.host.contract.launch import CHECK
from attune.host.contract.run_folders import LEAST_BYTES
from attune.host.contract.supervisors import NotStarted

_SECONDS = 10.0
_SHELL = "/bin/sh"


def place_problem(contract: ExecutionContract, folders: Iterable[Path] = ()) -> str | None:
    """Why nothing can be run under *contract*, or written to *folders*, which are made; None where all can. Blocks."""
    at = ""
    try:
        folder = contract.folders.make()
        try:
            for at in (folder, *map(str, folders)):
                Path(at).mkdir(mode=0o700, parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=at, buffering=0) as file:
                    file.write(bytes(LEAST_BYTES))
            return _start(contract)
        finally:
            contract.folders.remove(folder)
    except Exception as error:
        place = place_error(error, at)
        if place is None and not isinstance(error, OSError):
            raise
        return str(place) if place else described(error, at)  # type: ignore[arg-type]


def _start(contract: ExecutionContract) -> str | None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        program = contract.start(CHECK, [_SHELL, "-c", ":"], _SHELL, (null, null, null), seconds=_SECONDS)
    finally:
        os.close(null)
    news = None
    try:
        waiter = select.poll()
        waiter.register(program, select.POLLIN)
        news = program.receive() if waiter.poll(_SECONDS * 1000) else None
    finally:
        contract.end(program, news)
    place = place_error(news.error) if isinstance(news, NotStarted) else None
    return None if place is None else f"no process can be started: {place}"
