"""Faults put on a rig one after the other, and what came of each, as a table."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rig_checker import faults_of, lost_attempts, missing_lines
from rig_faults import RigFault
from rig_fleet import APIS, NAMES, Rig


@dataclass
class FaultResult:
    """What came of a fault. *named* is the doctor's sentence, *wrong* what must not be."""

    fault: str
    printed: int = 0
    stored: int = 0
    asked: int = 0
    ended: int = 0
    lost: int = 0
    exits: int = 0
    healed: float | None = None
    named: str = ""
    wrong: list[str] = field(default_factory=list)

    def row(self) -> str:
        healed = f"{self.healed:5.1f}" if self.healed is not None else "  -  "
        return (
            f"{self.fault:32} {self.printed:5}/{self.stored:<5} {self.asked:5}/{self.ended:<5} {self.lost:3}"
            f" {self.exits:3} {healed}  {self.named[:90]}"
        )


HEAD = f"{'fault':32} {'print':>5}/{'store':5} {'asked':>5}/{'ended':5} los exi  heal  named by the doctor"


def suffer(rig: Rig, fault: RigFault) -> FaultResult:
    """Put *fault* on *rig*, wait until it has healed, and say what came of it since the last one."""
    result = FaultResult(fault.name)
    before = rig.record()
    with fault.begin(rig):
        until = time.monotonic() + fault.seconds
        while fault.named and not result.named and time.monotonic() < until:
            result.named = _named(rig, fault.named)
        left = until - time.monotonic()
        if left > 0:
            time.sleep(left)
        unheard = [api for api in APIS if api not in fault.silent and rig.get(api, "/healthz") != 200]
    if fault.named and not result.named:
        result.wrong.append(f"the doctor does not name it by {fault.named}")
    result.wrong += [f"{api} does not answer" for api in unheard]
    try:
        result.healed = rig.heal_seconds()
    except AssertionError as error:
        highest = 2**31
        result.wrong.append(f"did not heal: {error}; {rig.open_executions(highest)[:5]}; {states(rig)}")
    restart_what_ended(rig)
    after = rig.record()
    result.printed = len(after.printed) - len(before.printed)
    result.stored = len(after.stored) - len(before.stored)
    result.asked = len(after.executed) - len(before.executed)
    ended = [sum(change.after == "completed" for change in record.changes) for record in (before, after)]
    result.ended = ended[1] - ended[0]
    result.lost = len(lost_attempts(after.changes)) - len(lost_attempts(before.changes))
    result.exits = len(after.exits) - len(before.exits)
    result.wrong += after.exits[len(before.exits) :]
    return result


def states(rig: Rig) -> str:
    missing = missing_lines(rig.printed(), rig.stored())
    return f"active {rig.is_active()}, {len(missing)} lines are no events: {missing[:3]}"


def restart_what_ended(rig: Rig) -> None:
    """So that the faults after this one are put on a whole rig."""
    rig.look_for_exits()
    ended = [name for name in NAMES if rig.processes[name].poll() is not None]
    rig.start(*ended)


def _named(rig: Rig, subjects: str) -> str:
    code, findings = rig.doctor()
    for finding in findings:
        if re.fullmatch(subjects, finding.get("subject", "")) and finding.get("level") == "problem":
            assert code == 1
            return str(finding["text"])
    return ""


def one_round(rig: Rig, faults: Sequence[RigFault], *, stop_at: float = float("inf")) -> list[FaultResult]:
    """Each fault once, and a row of the table for each as it comes."""
    results = []
    for fault in faults:
        if time.monotonic() > stop_at:
            break
        try:
            results.append(suffer(rig, fault))
        except Exception as error:  # the faults after this one are put on the rig all the same
            results.append(FaultResult(fault.name, wrong=[f"could not be put on the rig: {error!r}"]))
        print("\n".join([results[-1].row(), *(f"      ! {one}" for one in results[-1].wrong)]), flush=True)  # noqa: T201
    return results


def final_faults(rig: Rig) -> list[str]:
    """What is wrong once the rig rests."""
    rig.rest()
    return faults_of(rig.record())
