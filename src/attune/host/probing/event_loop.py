"""The events of running checks: which have ended, and what they print meanwhile."""

import contextlib
import select

from attune.host.probing.job import Job
from attune.host.probing.stream import Stream

_FLOOD_SECONDS = 0.004
_LONGEST_SECONDS = 60.0


class EventLoop:
    """An epoll over the processes and pipes of the running checks.

    A stream that floods is not waited for but read every few milliseconds, so that it cannot take the
    processor from the others. `woken` becomes true when *waker* is readable.
    """

    def __init__(self, waker: int) -> None:
        self._epoll = select.epoll()
        self._epoll.register(waker, select.EPOLLIN)
        self._waker = waker
        self._by_program: dict[int, Job] = {}
        self._pipes: dict[int, Stream] = {}
        self._floods: dict[int, Stream] = {}
        self.woken = False

    def close(self) -> None:
        self._epoll.close()

    def add(self, job: Job) -> None:
        """Begin to watch a job that has just been started."""
        process = job.process
        self._by_program[process.program.fileno()] = job
        self._epoll.register(process.program, select.EPOLLIN)
        for stream in (process.stdout, process.stderr):
            self._pipes[stream.fd] = stream
            self._epoll.register(stream.fd, select.EPOLLIN)

    def remove(self, job: Job) -> None:
        """Forget a job, before its descriptors are closed."""
        del self._by_program[job.process.program.fileno()]
        self._epoll.unregister(job.process.program)
        for stream in (job.process.stdout, job.process.stderr):
            self._floods.pop(stream.fd, None)
            if self._pipes.pop(stream.fd, None) is not None:
                self._epoll.unregister(stream.fd)

    def wait(self, seconds: float) -> list[Job]:
        """Wait at most so long; the jobs of which there is news."""
        if self._floods:
            seconds = min(seconds, _FLOOD_SECONDS)
        heard: list[Job] = []
        for fd, _ in self._epoll.poll(min(seconds, _LONGEST_SECONDS)):
            stream = self._pipes.get(fd)
            if stream is not None:
                self._read(stream)
            elif fd == self._waker:
                self.woken = True
                self._epoll.unregister(fd)
            else:
                heard.append(self._by_program[fd])
        for stream in list(self._floods.values()):
            stream.drain()
            if not stream.open:
                del self._floods[stream.fd]
        return heard

    def _read(self, stream: Stream) -> None:
        stream.read()
        if stream.open and not stream.flooding:
            return
        if stream.open:
            self._floods[stream.fd] = stream
        del self._pipes[stream.fd]
        with contextlib.suppress(FileNotFoundError):
            self._epoll.unregister(stream.fd)
