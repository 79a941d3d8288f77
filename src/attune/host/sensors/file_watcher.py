"""Looks at what a pattern names again and again: when inotify tells of a change, or each time where it does not."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from attune.core.sensors.file_watch import FileView
from attune.host.sensors.file_stamps import Place, file_view, place_of

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_SETTLE_SECONDS = 1.0  # in which it is looked each time: a folder that is new is not watched at once
_LOOK_SECONDS = 30.0  # even if nothing is told: of a write to mapped memory, nothing ever is
_AT_ONCE = (1, 1, 1, None)  # in milliseconds


class FileWatcher:
    """The files that *path* names, as they are each time that it is called; None while nothing has changed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._kept: tuple[Place | None, bool] = (None, False)
        self._notify: RustNotify | None = None
        self._told = self._looked = float("-inf")

    def __call__(self) -> FileView | None:
        """Raises as `file_view`."""
        now, place = time.monotonic(), place_of(self.path)
        if self._notify and place == self._kept[0]:
            if self._notify.watch(*_AT_ONCE) != "timeout":
                self._told = now
            elif now - self._told > _SETTLE_SECONDS and now - self._looked < _LOOK_SECONDS:
                return None
        view = file_view(self.path)
        self._looked = now
        if (place, view.told) != self._kept:
            self._kept, self._told = (place, view.told), now
            self._notify = _notifier(place) if view.told else None
        return replace(view, where=f"{view.where}, by {'inotify' if self._notify else 'polling'}")


def _notifier(place: Place | None) -> "RustNotify | None":
    """What tells of changes at *place*; None if it must be looked at instead."""
    if place is None or (len(place.parts) > 1 and "**" not in place.parts):  # most of what lies there is not meant
        return None
    from watchfiles._rust_notify import RustNotify  # its public interface to what wakes without a thread of ours

    try:
        return RustNotify([place.root], False, False, 0, "**" in place.parts, True)
    except (OSError, RuntimeError):  # so many folders are not watched by one user
        return None
