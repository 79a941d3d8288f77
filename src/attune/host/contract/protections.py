"""What protects this host from the programs that it runs: which protections are active here, and why others are not."""

import os
from dataclasses import dataclass

from attune.host.contract.cgroups import group_problem
from attune.host.contract.execution_contract import ExecutionContract
from attune.host.contract.landlock import landlock_version

_LANDLOCK = ((1, "write elsewhere"), (3, "truncate elsewhere"), (4, "connect by TCP in a check"), (6, "signal others"))


@dataclass(frozen=True, slots=True)
class Protection:
    """One protection. `problem` says why it is not active, "" where it is; `remedy` is what would change that."""

    name: str
    does: str
    problem: str = ""
    remedy: str | None = None


def protections(contract: ExecutionContract) -> tuple[Protection, ...]:
    """All protections of programs run under *contract*, on this host."""
    return (
        Protection(
            "working folder",
            "programs run in new empty folders that nobody else can write above",
            contract.folders.problem() or "",
            "correct owner or mode of the folder, or set host.run_folder",
        ),
        _user(contract),
        Protection(
            "no new privileges",
            "setuid programs such as sudo give no rights",
            "" if contract.no_new_privileges else "host.no_new_privileges is false",
            "attune config: remove host.no_new_privileges",
        ),
        _landlock(contract),
        _hidden(contract),
        Protection(
            "control groups",
            "what forks faster than it can be ended is ended by the kernel",
            group_problem() or "",
            "let systemd delegate a group to the service (Delegate=yes)",
        ),
        Protection("process groups", "nothing that a program started outlives it, daemons included"),
        Protection("core dumps", "are off, so that no memory is left on the disk"),
        Protection("descriptors", "none but stdin, stdout and stderr are inherited"),
    )


def _user(contract: ExecutionContract) -> Protection:
    user = f"programs run as {contract.user.name}" if contract.user else f"programs run as user {os.geteuid()}"
    problem = ""
    if contract.user is None and os.geteuid() == 0:
        problem = "programs run as root: no secret of this host can be kept from them"
    return Protection("user", user, problem, "set host.run_as to a user of its own")


def _hidden(contract: ExecutionContract) -> Protection:
    files, problem = contract.readable, "host.landlock is false"
    if contract.confined and files is not None:
        files.look()
        problem = f"the network share {files.share} lies beside them" if files.share else ""
        problem = problem or ("" if landlock_version() else "this kernel has no Landlock")
    does = "checks and actions cannot read the secrets of this service and its user"
    return Protection("hidden files", does, problem, "set host.run_as to a user of its own")


def _landlock(contract: ExecutionContract) -> Protection:
    version = landlock_version()
    does = ", ".join(what for needed, what in _LANDLOCK if version >= needed)
    problem, remedy = "", "use Linux 6.12 or newer with Landlock enabled"
    if not contract.confined:
        problem, remedy = "host.landlock is false", "attune config: remove host.landlock"
    elif not version:
        problem = "this kernel has no Landlock"
    elif version < _LANDLOCK[-1][0]:
        problem = f"this kernel has version {version} only, so programs may still " + ", ".join(
            what for needed, what in _LANDLOCK if version < needed
        )
    return Protection("landlock", f"programs cannot {does}", problem, remedy)
