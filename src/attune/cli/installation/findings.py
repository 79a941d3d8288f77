"""What `attune doctor` finds: one thing that was looked at, how it is, and what helps."""

from dataclasses import dataclass

OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One thing that was looked at. `remedy` is the command or the change that helps."""

    level: str
    subject: str
    text: str
    remedy: str | None = None
