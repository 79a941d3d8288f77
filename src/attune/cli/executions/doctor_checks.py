"""What `attune doctor` looks at: work that waits."""

from collections.abc import Iterator

from attune.cli.installation.findings import OK, PROBLEM, WARNING, DoctorFinding
from attune.cli.session import with_executions
from attune.config import Settings
from attune.core.durations import coarse
from attune.core.ports.executions import ExecutionFilter

_MOST = 100
_WAITING = (
    ("requested", PROBLEM, "no live worker can run {them}", "attune execution show {id}"),
    ("scheduled", WARNING, "every worker that can run {them} is busy", "attune worker list"),
)


def check_work(settings: Settings) -> Iterator[DoctorFinding]:
    for pause in with_executions(lambda executions: executions.pauses()):
        yield DoctorFinding(WARNING, "work", str(pause), pause.remedy)
    lacking: dict[str, list[str]] = {}
    for action in with_executions(lambda executions: executions.actions()):
        if action.cannot_run:
            lacking.setdefault(action.cannot_run, []).append(action.ref)
    for why, refs in lacking.items():
        more = f" and {len(refs) - 3} more" if len(refs) > 3 else ""
        text, _, remedy = why.partition(": ")
        yield DoctorFinding(WARNING, "work", f"{', '.join(refs[:3])}{more}: {text}", remedy or "attune action list")
    waits = False
    for status, level, why, remedy in _WAITING:
        wanted = ExecutionFilter(status=status, limit=_MOST)
        if waiting := with_executions(lambda executions, wanted=wanted: executions.list(wanted)):  # type: ignore[misc]
            waits, oldest, number = True, waiting[-1], len(waiting)
            count = "an execution waits" if number == 1 else f"{number}{'+' * (number == _MOST)} executions wait"
            text = (
                f"{count}: {oldest.held_back}"
                if oldest.held_back
                else f"{count}, for {why.format(them='it' if number == 1 else 'them')}"
            )
            since = f"{oldest.id} of {oldest.action_ref} since {coarse(oldest.waited)}"
            yield DoctorFinding(level, "work", f"{text}; {since}", remedy.format(id=oldest.id))
    if not waits:
        yield DoctorFinding(OK, "work", "nothing waits for a worker")
