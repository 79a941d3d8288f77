"""What is kept of a stream that a program prints: its start, handed on at once, and its end."""

_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def size_text(size: int) -> str:
    """*size* in bytes for people: `3.2 MiB`."""
    unit, name = next(((unit, name) for unit, name in _UNITS if size >= unit), (1, "bytes"))
    return f"{size / unit:.1f} {name}" if unit > 1 else f"{size} {name}"


class KeptOutput:
    """At most *limit* bytes of a stream: three quarters from its start, the rest from its end.

    `dropped` is how many bytes between them are not kept.
    """

    def __init__(self, limit: int) -> None:
        self._most = limit // 4
        self._room = limit - self._most
        self._end = bytearray()
        self.dropped = 0

    def feed(self, text: str) -> str:
        """What of *text* is handed on at once."""
        data = text.encode("utf-8", "replace")
        start = data[: self._room].decode("utf-8", "ignore")
        later = data[len(start.encode()) :]
        self._room = 0 if later else self._room - len(data)
        self._end += later
        if len(self._end) > 2 * self._most:
            self._drop()
        return start

    def end(self) -> str:
        """The rest, once all has been fed: how much is left out, and the end."""
        self._drop()
        mark = f"\n… {size_text(self.dropped)} left out …\n" if self.dropped else ""
        return mark + self._end.decode()

    def _drop(self) -> None:
        over = len(self._end) - self._most
        if over > 0:
            while over < len(self._end) and self._end[over] & 0xC0 == 0x80:  # never in the middle of a character
                over += 1
            del self._end[:over]
            self.dropped += over
