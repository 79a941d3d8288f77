"""One process of a check: started by a supervisor in a folder of its own, and read through two pipes.

Knows nothing of other processes or of what an outcome means; the run decides when.
"""

from __future__ import annotations

import os
import signal

from attune.core.errors import UsageError
from attune.core.runtimes.command import Command, Ending
from attune.host.contract.execution_contract import ExecutionContract
from attune.host.contract.launch import CHECK
from attune.host.contract.supervisors import Ended, News, NotStarted, Started, SupervisedProgram, boottime
from attune.host.probing.refusal import NotStartedError, explain
from attune.host.probing.stream import Stream


class CheckProcess:
    """A process that is starting or runs; `close` must be called once."""

    __slots__ = ("_contract", "_folder", "_path", "program", "stderr", "stdout")

    def __init__(
        self, contract: ExecutionContract, program: SupervisedProgram, folder: str, path: str, pipes: tuple[int, int]
    ) -> None:
        self._contract = contract
        self._folder = folder
        self._path = path
        self.program = program
        self.stdout, self.stderr = map(Stream, pipes)

    def news(self) -> Ended | None:
        """How it ended, if it has by now. Raises `NotStartedError`."""
        try:
            news = self.program.receive()
        except BlockingIOError:
            return None
        if isinstance(news, NotStarted):
            raise _refused(news, self._path, self._folder)
        return None if isinstance(news, Started) else news

    def kill(self) -> None:
        """End it at once; the news follows."""
        self.program.signal(signal.SIGKILL)

    def close(self, ended: News | None) -> None:
        """Take the last output, and let go of everything; None for *ended* if it has not, and then it does now."""
        for stream in (self.stdout, self.stderr):
            stream.drain()
            stream.close()
        if ended is None:
            self.program.close()
        else:
            self._contract.supervisors.give_back(self.program, ended)
        self._contract.folders.remove(self._folder)


def start(command: Command, path: str, contract: ExecutionContract, null_fd: int) -> CheckProcess:
    """Begin to execute the file at *path* for *command*. Raises `NotStartedError` when that cannot be done."""
    try:
        folder = contract.folders.make()
    except UsageError as error:
        raise NotStartedError(Ending.UNDECIDED, f"not started: {error}") from error
    fds: list[int] = []
    try:
        fds += os.pipe2(os.O_CLOEXEC)
        fds += os.pipe2(os.O_CLOEXEC)
        launch = contract.launch(CHECK, command.argv, path, folder, until=boottime() + command.timeout_seconds)
        program = contract.supervisors.start(launch, null_fd, fds[1], fds[3])
    except OSError as error:
        _close_all(fds)
        contract.folders.remove(folder)
        raise explain(error, path) from error
    _close_all(fds[1::2])
    return CheckProcess(contract, program, folder, path, (fds[0], fds[2]))


def _refused(news: NotStarted, path: str, folder: str) -> NotStartedError:
    if news.at == folder:
        return NotStartedError(Ending.UNDECIDED, "not started: the working folder is gone")
    if not news.number:
        return NotStartedError(Ending.NOT_STARTED, f"its arguments cannot be passed on: {news.at}")
    return explain(news.error, path)


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
