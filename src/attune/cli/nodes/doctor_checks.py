"""What `attune doctor` looks at: what nodes here would offer, and which live."""

from collections.abc import Iterator, Sequence
from math import inf
from shlex import quote

from attune.cli.installation.findings import OK, PROBLEM, WARNING, DoctorFinding
from attune.cli.session import ask
from attune.composition.host_examiner import selection_for
from attune.config import Settings
from attune.core.durations import coarse
from attune.core.errors import AttuneError
from attune.core.nodes.fleet_losses import RuntimeLoss
from attune.core.nodes.role import ROLES, WORKER
from attune.core.ports.nodes import FleetLosses, NodeRecord


def check_selections(settings: Settings) -> Iterator[DoctorFinding]:
    for role in ROLES.values():
        try:
            chosen = selection_for(settings, role)
        except AttuneError as error:
            yield DoctorFinding(PROBLEM, role.name, str(error), error.hint)
            continue
        what = "whatever is verified" if chosen.names is None else ", ".join(chosen.names) or "nothing"
        yield DoctorFinding(OK, role.name, f"offers {what} (decided by: {chosen.source.value})")
        for warning in chosen.warnings:
            yield DoctorFinding(WARNING, role.name, warning, f"unset {role.environment_variable}")


def check_nodes(settings: Settings) -> Iterator[DoctorFinding]:
    nodes = ask(lambda installation: installation.nodes.list_nodes(), settings)
    for node in nodes:
        if node.problem and node.status in ("degraded", "draining"):
            remedy = f"attune {node.role} show {quote(node.name)}"
            yield DoctorFinding(PROBLEM, f"{node.role}s", f"{node.name} takes nothing: {node.problem}", remedy)
    for role in ROLES.values():
        those = [node for node in nodes if node.role == role.name]
        gone = [node for node in those if node.status in ("lost", "stale")]
        live = [node for node in those if node not in gone and node.status not in ("inactive", "error")]
        last = min(gone or those, key=lambda node: node.heartbeat_age or inf, default=None)
        heard = "none has registered yet" if last is None else _heard(last)
        level, text = OK, f"{len(live)} of {len(those)} live"
        remedy = f"attune {role.name} start"
        if not live:
            level, text = PROBLEM if role is WORKER else WARNING, f"no {role.name} lives: {heard}"
        elif gone and last is not None:
            more = f", and {len(gone) - 1} more" if len(gone) > 1 else ""
            level, text, remedy = PROBLEM, f"{text}: {heard}{more}", f"{remedy} --name {quote(last.name)}"
        yield DoctorFinding(level, f"{role.name}s", text, remedy if level != OK else None)


def check_losses(settings: Settings) -> Iterator[DoctorFinding]:
    for loss in ask(lambda installation: _losses(installation.losses), settings):
        too_many = loss.exceeds(settings.health.fleet_guard)
        if loss.kept or too_many:
            text = (
                f"{loss.name} ({loss.ref}) fails on {loss} that had it lately; {loss.kept} keep their last good verdict"
            )
            remedy = f"attune runtime history {quote(loss.ref)}"
            yield DoctorFinding(PROBLEM if too_many else WARNING, "fleet", text, remedy)


async def _losses(losses: FleetLosses | None) -> Sequence[RuntimeLoss]:
    return await losses.list_losses() if losses is not None else ()


def _heard(node: NodeRecord) -> str:
    age = "never heard of" if node.heartbeat_age is None else f"heard of {coarse(node.heartbeat_age)} ago"
    return f"{node.name} is {node.status}, {age}"
