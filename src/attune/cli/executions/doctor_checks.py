"""What `attune doctor` looks at: work that waits."""

from __future__ import annotations

from collections.abc import Iterator

from attune.cli.installation.findings import OK, PROBLEM, DoctorFinding
from attune.cli.session import with_executions
from attune.config import Settings
from attune.core.durations import coarse
from attune.core.ports.executions import ExecutionFilter


def check_work(settings: Settings) -> Iterator[DoctorFinding]:
    waiting = with_executions(lambda executions: executions.list(ExecutionFilter(status="requested", limit=100)))
    if waiting:
        count = f"{len(waiting)} executions wait" if len(waiting) > 1 else "an execution waits"
        text = f"{count} for a worker that can take {'them' if len(waiting) > 1 else 'it'}"
        oldest = waiting[-1]
        text += f"; {oldest.id} of {oldest.action_ref} since {coarse(oldest.waited)}"
        yield DoctorFinding(PROBLEM, "work", text, f"attune execution show {oldest.id}")
    else:
        yield DoctorFinding(OK, "work", "nothing waits for a worker that can take it")
