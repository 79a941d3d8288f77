"""What this host agrees to execute, whatever the definitions ask for.

Values and questions only: the settings `detection.allowed_binaries` and `detection.trusted_paths` become one
`HostPolicy`; the lookup asks it, the runner never sees it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """The limits of this host. The default allows everything.

    `allowed_binaries` holds bare names (as a definition names them) and absolute paths; None allows all.
    `trusted_paths` holds folders; a file is executed only if both the place where it was found and the file
    it really is lie below one of them; None trusts all.
    """

    allowed_binaries: frozenset[str] | None = None
    trusted_paths: tuple[str, ...] | None = None

    def refuses_name(self, name: str) -> str | None:
        """Why a command called *name* is not looked for at all, or None."""
        if self.allowed_binaries is None or name in self.allowed_binaries:
            return None
        return "not among the binaries that this host allows (detection.allowed_binaries)"

    def refuses_file(self, path: str) -> str | None:
        """Why the file found at absolute *path* is not executed, or None. Resolves symbolic links."""
        if self.trusted_paths is None:
            return None
        folders = tuple(os.path.realpath(folder) for folder in self.trusted_paths)
        folder, name = os.path.split(path)
        place_found = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118
        real = os.path.realpath(path)
        for place in dict.fromkeys((place_found, real)):
            if not any(_below(place, folder) for folder in folders):
                leads = "" if place == place_found else f" leads to {real}, which"
                return f"{path}{leads} is outside the trusted paths of this host (detection.trusted_paths)"
        return None


def _below(path: str, folder: str) -> bool:
    return path.startswith(folder if folder.endswith("/") else folder + "/")
