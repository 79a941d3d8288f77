"""Whether a running check works or only waits: a check that waits needs no processor and must not hold a slot."""

from __future__ import annotations

from attune.host.processes import children, cpu_nanoseconds, process_state, tasks

Snapshot = tuple[tuple[int, int], ...]
_DEEPEST = 8


def snapshot(pid: int) -> Snapshot:
    """The processes of the check that *pid* leads, each with the CPU time it has used."""
    seen: list[tuple[int, int]] = []
    level = [pid]
    for _ in range(_DEEPEST):
        seen += [(member, cpu_nanoseconds(member)) for member in level]
        level = [child for member in level for child in children(member)]
        if not level:
            break
    return tuple(seen)


def only_waits(now: Snapshot, before: Snapshot | None) -> bool:
    """Whether nothing has happened between two snapshots, and not for want of a processor or a disk."""
    return now == before and not any(_is_ready(pid) for pid, _ in now)


def _is_ready(pid: int) -> bool:
    for task in tasks(pid):
        state = process_state(pid, task)
        if state is not None and state.state in "RD":
            return True
    return False
