"""What it means when the system does not start a command: the ending, the sentence, and whether to try again."""

import errno
import os

from attune.core.runtimes.command import Ending
from attune.host.contract.start_fault import StartFault, start_fault, start_problem


class NotStartedError(Exception):
    """A command was not started. `passing` tells that trying again later may succeed."""

    def __init__(self, ending: Ending, detail: str, *, passing: bool = False) -> None:
        super().__init__(detail)
        self.ending = ending
        self.detail = detail
        self.passing = passing


def explain(error: OSError, path: str) -> NotStartedError:
    """What *error*, raised by executing the file at *path*, says about the command."""
    problem, fault = start_problem(error, path), start_fault(error)
    if fault in (StartFault.PLACE, StartFault.READING, StartFault.WRITTEN):
        return NotStartedError(Ending.UNDECIDED, f"not started: {problem}", passing=True)
    if error.errno == errno.ENOENT and not os.path.lexists(path):
        return NotStartedError(Ending.NOT_FOUND, f"{path} has just disappeared")
    return NotStartedError(Ending.NOT_STARTED, problem if fault is StartFault.GIVEN else f"{path}: {problem}")
