"""Writes lines for whoever reads the log, and never waits for them: a reader that is slow or gone stops no service."""

import os
import select
import threading
import time
from queue import Empty, Full, Queue

_MOST_LINES = 10_000
_REST_SECONDS = 1.0  # after the file has refused a line


class LogWriter:
    """A text file on the descriptor *fd*, whose lines a thread writes. What cannot be written is counted and told."""

    def __init__(self, fd: int, most: int = _MOST_LINES) -> None:
        self._fd = fd
        self._lines: Queue[str] = Queue(most)
        self._lost = 0
        threading.Thread(target=self._work, name="log writer", daemon=True).start()

    def write(self, text: str) -> int:
        """Take *text*; it is dropped where too much waits already."""
        try:
            self._lines.put_nowait(text)
        except Full:
            self._lost += 1
        return len(text)

    def flush(self) -> None:
        """Nothing: see `wait`."""

    def wait(self, seconds: float = 1.0) -> None:
        """Give the reader *seconds* to take what has been written."""
        until = time.monotonic() + seconds
        while self._lines.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.002)

    def _work(self) -> None:
        while True:
            text = self._lines.get()
            lost = self._lost
            if not self._write(f"({lost} lines of the log were lost)\n{text}" if lost else text):
                self._lost += 1
                self._drop_for_a_while()
            else:
                self._lost -= lost
            self._lines.task_done()

    def _write(self, text: str) -> bool:
        data = text.encode(errors="backslashreplace")
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                select.select([], [self._fd], [])
            except OSError:
                return False
        return True

    def _drop_for_a_while(self) -> None:
        until = time.monotonic() + _REST_SECONDS
        while (left := until - time.monotonic()) > 0:
            try:
                self._lines.get(timeout=left)
            except Empty:
                return
            self._lost += 1
            self._lines.task_done()
