"""Which binary a version manager's command runs, where that can be told without running it.

Two managers are known, each in its simple case. Which answers may be remembered is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from attune.host.version_managers.selectors_pyenv import select_pyenv
from attune.host.version_managers.selectors_rustup import select_rustup
from attune.host.version_managers.selectors_trail import DoubtError, Selection


def select(path: str, environment: Mapping[str, str]) -> Selection | None:
    """What running the file at *path* with *environment* comes down to; None if it selects nothing or in doubt."""
    try:
        return select_pyenv(path, environment) or select_rustup(path, environment)
    except DoubtError:
        return None
