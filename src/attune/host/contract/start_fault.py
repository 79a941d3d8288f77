"""Why the system does not execute a file: whose fault each error number is, and a sentence for it."""

import errno
import os
import stat
from collections.abc import Mapping
from enum import StrEnum

from attune.core.errors import legible
from attune.core.executions.work import WorkEnding
from attune.core.nodes.place import PLACE_FAULTS, described, place_error
from attune.host.contract.script import LONGEST_LINE, interpreter_of


class StartFault(StrEnum):
    """Whose fault it is that a program was not started."""

    PLACE = "place"  # nothing can be started here now
    READING = "reading"  # this host cannot read the file now
    WRITTEN = "written"  # the file is being written
    GIVEN = "given"  # what the program was to be given cannot be handed over
    FILE = "file"  # the file cannot be executed, wherever it is


_FAULTS: Mapping[int, StartFault] = {
    **dict.fromkeys(PLACE_FAULTS, StartFault.PLACE),
    errno.EIO: StartFault.READING,
    errno.ESTALE: StartFault.READING,
    errno.ETXTBSY: StartFault.WRITTEN,
    errno.E2BIG: StartFault.GIVEN,
    0: StartFault.GIVEN,  # text that no argument or variable can hold
}
_WORDS = {
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files on this machine",
    errno.ENOMEM: "out of memory",
    errno.EAGAIN: "too many processes",
    errno.ETXTBSY: "the file is being written",
    errno.E2BIG: "the arguments and the environment are too long",
    errno.ENOEXEC: "not an executable format",
}


def start_fault(error: OSError) -> StartFault:
    """Whose fault *error* is, which executing a file has raised."""
    return StartFault.READING if error.errno is None else _FAULTS.get(error.errno, StartFault.FILE)


def start_problem(error: OSError, path: str) -> str:
    """What is wrong with the file at *path*, whose execution has raised *error*."""
    number = error.errno
    if number == 0:
        return f"its arguments cannot be passed on: {error.strerror}"
    if number == errno.ENOENT:
        return _what_is_missing(path)
    if number == errno.EACCES and os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        return "is a directory" if os.path.isdir(path) else "is not a regular file"  # noqa: PTH112
    runs = interpreter_of(path) if number == errno.EACCES else None
    if runs and not os.access(runs, os.X_OK):
        return f"interpreter {legible(runs, LONGEST_LINE)} is not executable"
    return _WORDS.get(number or 0) or (error.strerror or str(error)).lower()


def _what_is_missing(path: str) -> str:
    if not os.path.exists(path):  # noqa: PTH110
        return "is a broken link" if os.path.islink(path) else "does not exist"  # noqa: PTH114
    if (interpreter := interpreter_of(path)) is None:
        return "the loader that this binary names is not installed"
    hint = " (the line ends with a carriage return)" if interpreter.endswith("\r") else ""
    return f"interpreter {legible(interpreter, LONGEST_LINE)} not found{hint}"


def check_entry(path: str, entry: str) -> None:
    """Raise `OSError` where the entry point *entry* is no regular file, or is executed itself (*path*) by nothing."""
    if not stat.S_ISREG(os.stat(entry).st_mode):  # noqa: PTH116
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), entry)
    if path == entry and (runs := interpreter_of(entry)) and not os.path.exists(runs):  # noqa: PTH110
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), entry)


def blame(error: Exception, path: str, entry: str) -> tuple[WorkEnding, str]:
    """How work ends that was not started: by *error*, *path* was not executed for its entry point; and the reason."""
    if place := place_error(error, path):
        return WorkEnding.NO_PLACE, str(place)
    if not isinstance(error, OSError):
        return WorkEnding.NOT_STARTED, f"{path} could not be executed: {error}"
    fault = start_fault(error)
    at = entry if fault is StartFault.GIVEN else error.filename or path
    reason = f"{at} could not be executed: {start_problem(error, at)}"
    if at not in (path, entry) and fault is not StartFault.READING:  # what it is to be run in, or by
        return WorkEnding.NO_PLACE, described(error)
    refused = at == entry and fault is not StartFault.READING
    return WorkEnding.REFUSED if refused else WorkEnding.NOT_STARTED, reason
