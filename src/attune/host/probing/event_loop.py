"""The events of running checks: which have ended, and what they print meanwhile."""

import selectors

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
        self._selector = selectors.EpollSelector()
        self._selector.register(waker, selectors.EVENT_READ)
        self._floods: set[Stream] = set()
        self.woken = False

    def close(self) -> None:
        self._selector.close()

    def add(self, job: Job) -> None:
        """Begin to watch a job that has just been started."""
        self._selector.register(job.process.program, selectors.EVENT_READ, job)
        for stream in (job.process.stdout, job.process.stderr):
            self._selector.register(stream.fd, selectors.EVENT_READ, stream)

    def remove(self, job: Job) -> None:
        """Forget a job, before its descriptors are closed."""
        self._selector.unregister(job.process.program)
        for stream in (job.process.stdout, job.process.stderr):
            self._floods.discard(stream)
            if stream.fd in self._selector.get_map():
                self._selector.unregister(stream.fd)

    def wait(self, seconds: float) -> list[Job]:
        """Wait at most so long; the jobs of which there is news."""
        if self._floods:
            seconds = min(seconds, _FLOOD_SECONDS)
        heard: list[Job] = []
        for key, _ in self._selector.select(min(seconds, _LONGEST_SECONDS)):
            if isinstance(key.data, Stream):
                self._read(key.data)
            elif key.data is None:
                self.woken = True
                self._selector.unregister(key.fd)
            else:
                heard.append(key.data)
        for stream in list(self._floods):
            stream.drain()
            if not stream.open:
                self._floods.discard(stream)
        return heard

    def _read(self, stream: Stream) -> None:
        stream.read()
        if stream.open and not stream.flooding:
            return
        if stream.open:
            self._floods.add(stream)
        self._selector.unregister(stream.fd)
