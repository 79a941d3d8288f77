"""What it means when the system does not start a command: the ending, the sentence, and whether to try again."""

from __future__ import annotations

import errno
import os

from attune.core.errors import legible
from attune.core.runtimes.command import Ending
from attune.host.contract.script import LONGEST_LINE, interpreter_of

# Nothing is wrong with the command: the machine is short of something, or the file is being written.
_PASSING = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ETXTBSY, errno.EIO, errno.ESTALE, errno.ENOSPC}
)
_SHORTAGE = {
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files on this machine",
    errno.ENOMEM: "out of memory",
    errno.EAGAIN: "too many processes",
    errno.ETXTBSY: "the file is being written",
}


class NotStartedError(Exception):
    """A command was not started. `passing` tells that trying again later may succeed."""

    def __init__(self, ending: Ending, detail: str, *, passing: bool = False) -> None:
        super().__init__(detail)
        self.ending = ending
        self.detail = detail
        self.passing = passing


def explain(error: OSError, path: str) -> NotStartedError:
    """What *error*, raised by executing the file at *path*, says about the command."""
    number = error.errno
    if number in _PASSING or number is None:
        return NotStartedError(Ending.UNDECIDED, f"not started: {_words(error)}", passing=True)
    if number == errno.ENOENT and not os.path.lexists(path):
        return NotStartedError(Ending.NOT_FOUND, f"{path} has just disappeared")
    if number == errno.ENOENT:
        return NotStartedError(Ending.NOT_STARTED, _missing_interpreter(path))
    if number == errno.ENOEXEC:
        return NotStartedError(Ending.NOT_STARTED, f"{path}: not an executable format")
    if number == errno.E2BIG:
        return NotStartedError(Ending.NOT_STARTED, "the arguments and the environment are too long")
    interpreter = interpreter_of(path)
    if number == errno.EACCES and interpreter and not os.access(interpreter, os.X_OK):
        return NotStartedError(
            Ending.NOT_STARTED, f"{path}: interpreter {legible(interpreter, LONGEST_LINE)} is not executable"
        )
    return NotStartedError(Ending.NOT_STARTED, f"{path}: {_words(error)}")


def _missing_interpreter(path: str) -> str:
    interpreter = interpreter_of(path)
    if interpreter is None:
        return f"{path}: the loader that this binary names is not installed"
    hint = " (the line ends with a carriage return)" if interpreter.endswith("\r") else ""
    return f"{path}: interpreter {legible(interpreter, LONGEST_LINE)} not found{hint}"


def _words(error: OSError) -> str:
    return _SHORTAGE.get(error.errno or 0) or (os.strerror(error.errno).lower() if error.errno else str(error))
