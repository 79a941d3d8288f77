"""What this host can run, decided in three tiers, for workers and sensors alike."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from attune.agent.control import in_thread
from attune.agent.logs import log
from attune.config import Settings, variable
from attune.core.nodes.capabilities import build_capabilities
from attune.core.nodes.role import WORKER, Role, other_role_note
from attune.core.ports.runtimes import RuntimeCatalog
from attune.core.runtimes.selection import Selection, select
from attune.core.runtimes.verdict import Status, Verdict
from attune.operations.runtimes.detect import Detection, DetectionOptions, detect
from attune.operations.runtimes.examine import ExaminationObserver, Examiner


class HostDetector:
    """Detects what this host can run, by the definitions of *catalog*, which is read each time."""

    def __init__(self, catalog: RuntimeCatalog, examiner_of: Callable[[Settings], Examiner]) -> None:
        self._catalog = catalog
        self._examiner_of = examiner_of
        self._examiner_made: tuple[Settings, Examiner] | None = None

    async def detect(
        self,
        settings: Settings,
        role: Role,
        variable_name: str | None = None,
        capabilities: Mapping[str, Any] | None = None,
        observer: ExaminationObserver | None = None,
        max_age_seconds: float = 0.0,
    ) -> Detection:
        """Everything that detection found. A cached proof counts only if it is at most *max_age_seconds* old."""
        name = variable_name or role.environment_variable
        selection = select(name, variable(name), role.name, capabilities)
        if name == role.environment_variable and (note := other_role_note(role, variable)):
            log.info(note)
        log.info(f"Detecting {role.name} capabilities...")
        detection = await self._run(settings, selection, role, observer, max_age_seconds)
        log_detection(detection)
        return detection

    async def detect_all(self, settings: Settings) -> Detection:
        """What every definition comes to on this host, for any role and without overrides."""
        return await self._run(settings, select("", None, WORKER.name), None)

    async def _run(
        self,
        settings: Settings,
        selection: Selection,
        role: Role | None,
        observer: ExaminationObserver | None = None,
        max_age_seconds: float = 0.0,
    ) -> Detection:
        runtimes = await self._catalog.list_runtimes()
        # An examiner is kept while settings stay the same, because it remembers what is absent.
        if self._examiner_made is None or self._examiner_made[0] != settings:
            self._examiner_made = settings, self._examiner_of(settings)
        examiner = self._examiner_made[1]
        options = replace(detection_options(settings), max_age_seconds=max_age_seconds)

        def stop() -> None:
            examiner.stop()
            self._examiner_made = None  # one that was stopped examines nothing more

        return await in_thread(lambda: detect(runtimes, selection, role, examiner, options, observer), stop)


def detection_options(settings: Settings) -> DetectionOptions:
    """How *settings* want detection to be done."""
    return DetectionOptions(
        verify_overrides=settings.detection.verify_overrides, deadline_seconds=settings.detection.deadline
    )


def capabilities_of(detection: Detection, settings: Settings, labels: Mapping[str, str]) -> dict[str, Any]:
    """What a node with *labels* registers after *detection*."""
    section = settings.node((detection.role or WORKER).name)
    cores = labels.get("cpus", "")
    return build_capabilities(
        detection.selection,
        detection.verdicts,
        version=version("attune"),
        max_concurrent_executions=section.max_concurrent_executions or max(1, int(cores) if cores.isdecimal() else 1),
    )


def log_detection(detection: Detection) -> None:
    """Say what was found, a line each, then the list."""
    for warning in detection.warnings:
        log.warning(warning)
    optional = {definition.ref for definition in detection.definitions if definition.verification.is_optional}
    for verdict in detection.verdicts:
        for warning in verdict.warnings:
            log.warning(f"{verdict.ref}: {warning}")
        _log_verdict(verdict, optional=verdict.ref in optional)
    log.info(f"Detected available runtimes: {json.dumps(detection.offered)}", source=detection.source)


def _log_verdict(verdict: Verdict, *, optional: bool) -> None:
    name = verdict.name or verdict.capability
    if verdict.status.offered:
        details = {key: value for key, value in (("version", verdict.version), ("path", verdict.path)) if value}
        log.info(f"✓ Runtime available: {name} ({verdict.ref})", **details)
    elif verdict.status is Status.INVALID:
        log.warning(f"! Runtime definition invalid: {name} ({verdict.ref}): {verdict.reason}")
    elif verdict.status is Status.UNKNOWN:
        (log.debug if optional else log.warning)(f"? Runtime not decided: {name} ({verdict.ref}): {verdict.reason}")
    else:
        (log.debug if optional else log.info)(f"– Runtime unavailable: {name} ({verdict.ref}): {verdict.reason}")
