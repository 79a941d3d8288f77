"""What this host agrees to execute, whatever the definitions ask for: the settings `host.*` as one value."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from attune.host.contract.ownership import OwnershipRule, Programs


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """The limits of this host. The default allows whatever only root and this user can change.

    `allowed_binaries` holds bare names (as a definition names them) and absolute paths, allowed with any arguments;
    `allowed_commands` holds whole command lines. Where both are None, all are allowed. `allowed_paths` holds folders: a
    file is executed only if both the place where it was found and the file it really is lie below one of them.
    """

    allowed_binaries: frozenset[str] | None = None
    allowed_commands: frozenset[tuple[str, ...]] | None = None
    allowed_paths: tuple[str, ...] | None = None
    ownership: OwnershipRule = field(default_factory=lambda: OwnershipRule(os.geteuid()))

    def refuses_name(self, name: str, args: Sequence[str] | None = None) -> str | None:
        """Why a command called *name* is not looked for at all, or None. A check has *args*; those of work are free."""
        lists = {"host.allowed_binaries": self.allowed_binaries, "host.allowed_commands": self.allowed_commands}
        settings = " and ".join(setting for setting, allowed in lists.items() if allowed is not None)
        if not settings or name in (self.allowed_binaries or ()):
            return None
        commands = [command for command in self.allowed_commands or () if command[0] == name]
        if not commands:
            return f"not among the commands that this host allows ({settings})"
        if args is None or (name, *args) in commands:
            return None
        return f"not with these arguments among the commands that this host allows ({settings})"

    def refuses_file(self, path: str, known: Programs | None = None) -> str | None:
        """Why the file at absolute *path* is not executed, or None. *known* is as in `OwnershipRule.refuses_file`."""
        return self._refuses_place(path) or self.ownership.refuses_file(path, known)

    def _refuses_place(self, path: str) -> str | None:
        if self.allowed_paths is None:
            return None
        folders = tuple(os.path.realpath(folder).rstrip("/") + "/" for folder in self.allowed_paths)
        folder, name = os.path.split(path)
        place_found = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118
        real = os.path.realpath(path)
        for place in dict.fromkeys((place_found, real)):
            if not f"{place}/".startswith(folders):
                leads = "" if place == place_found else f" leads to {real}, which"
                return f"{path}{leads} is outside the allowed paths of this host (host.allowed_paths)"
        return None
