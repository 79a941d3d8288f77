"""One process of a check: started by a supervisor in a folder of its own, and read through two pipes.

Knows nothing of other processes or of what an outcome means; the run decides when.
"""

import os
import resource
import signal

from attune.core.errors import UsageError
from attune.core.nodes.place import described
from attune.core.runtimes.command import Command, Ending
from attune.host.contract.execution_contract import ExecutionContract
from attune.host.contract.launch import CHECK
from attune.host.contract.supervisors import Ended, News, NotStarted, Started, SupervisedProgram
from attune.host.probing.refusal import NotStartedError, explain
from attune.host.probing.stream import Stream


class CheckProcess:
    """A process that is starting or runs; `close` must be called once."""

    __slots__ = ("_contract", "_path", "program", "stderr", "stdout")

    def __init__(
        self, contract: ExecutionContract, program: SupervisedProgram, path: str, pipes: tuple[int, int]
    ) -> None:
        self._contract = contract
        self._path = path
        self.program = program
        self.stdout, self.stderr = map(Stream, pipes)

    @property
    def has_limited_memory(self) -> bool:
        """Whether it may not use all the memory there is."""
        unlimited = resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
        return not unlimited or self._contract.limits.memory_bytes is not None

    def news(self) -> Ended | None:
        """How it ended, if it has by now. Raises `NotStartedError`."""
        try:
            news = self.program.receive()
        except BlockingIOError:
            return None
        if isinstance(news, NotStarted):
            raise _refused(news, self._path, self.program.folder)
        return None if isinstance(news, Started) else news

    def kill(self) -> None:
        """End it at once; the news follows."""
        self.program.signal(signal.SIGKILL)

    def close(self, ended: News | None) -> None:
        """Take the last output, and let go of everything; None for *ended* if it has not, and then it does now."""
        for stream in (self.stdout, self.stderr):
            stream.drain()
            stream.close()
        self._contract.end(self.program, ended)


def start(command: Command, path: str, contract: ExecutionContract, null_fd: int) -> CheckProcess:
    """Begin to execute the file at *path* for *command*. Raises `NotStartedError` when that cannot be done."""
    fds: list[int] = []
    try:
        fds += os.pipe2(os.O_CLOEXEC)
        fds += os.pipe2(os.O_CLOEXEC)
        streams = (null_fd, fds[1], fds[3])
        program = contract.start(CHECK, command.argv, path, streams, seconds=command.timeout_seconds)
    except (OSError, UsageError) as error:
        for fd in fds:
            os.close(fd)
        if isinstance(error, OSError):
            raise explain(error, path) from error
        raise NotStartedError(Ending.UNDECIDED, f"not started: {error}") from error
    for fd in fds[1::2]:
        os.close(fd)
    return CheckProcess(contract, program, path, (fds[0], fds[2]))


def _refused(news: NotStarted, path: str, folder: str) -> NotStartedError:
    if news.at == folder:
        return NotStartedError(Ending.UNDECIDED, "not started: the working folder is gone")
    if news.number and news.at != path:
        return NotStartedError(Ending.UNDECIDED, f"not started: {described(news.error)}", passing=True)
    return explain(news.error, path)
