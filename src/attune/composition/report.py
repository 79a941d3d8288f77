"""What this host can run, for programs that want to know: no database and no event loop is needed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from attune.composition.databases import known_names, shipped_runtimes
from attune.composition.host_examiner import examiner_for, host_labels, selection_for
from attune.config import Settings, load_settings
from attune.core.errors import UnmetError
from attune.core.matching.fleet import Node, capabilities_of
from attune.core.matching.known_names import KnownNames
from attune.core.matching.requirement import Requirement
from attune.core.matching.term_judgement import Reason, TermFinding, judge
from attune.core.nodes.role import WORKER
from attune.core.runtimes.aliases import fold
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verdict import Instance, Verdict
from attune.operations.runtimes.detect import Detection, DetectionOptions
from attune.operations.runtimes.detect import detect as detect_runtimes


@dataclass(frozen=True, slots=True)
class Report:
    """What was found on a host: what detection made of the definitions, its facts and labels, the names of terms."""

    detection: Detection
    host: Node
    known: KnownNames

    @property
    def runtimes(self) -> list[str]:
        """The names of what this host can run."""
        return self.detection.offered

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """One for each definition, with reason and evidence."""
        return self.detection.verdicts

    def findings(self, requirement: Requirement) -> list[TermFinding]:
        """What each term of *requirement* comes to here."""
        return [judge(self.known.marked(term, [self.host]), self.host) for term in requirement.terms]

    def unmet(self, requirement: Requirement) -> list[str]:
        """A sentence for each term of *requirement* that does not hold here."""
        return [self._sentence(finding) for finding in self.findings(requirement) if not finding.holds]

    def require(self, *terms: str) -> dict[str, Instance]:
        """The interpreters that satisfy *terms* such as `"python >=3.9"`, by the name of the runtime.

        Raises `UnmetError` with a sentence for each term that does not hold, `RequirementError` for what is no term.
        """
        requirement = Requirement.parse(terms)
        if unmet := self.unmet(requirement):
            raise UnmetError("; ".join(unmet))
        return {finding.term.name: finding.instance for finding in self.findings(requirement) if finding.instance}

    def _sentence(self, finding: TermFinding) -> str:
        near = self.known.near(finding.term, [self.host]) if finding.reason is Reason.RUNTIME_UNDEFINED else None
        hint = f", did you mean {near}?" if near else ""
        return f"requirement not met: {finding.term}: {finding.on(self.host)}{hint}"


def report_of(detection: Detection, settings: Settings, known: KnownNames) -> Report:
    """The report on this host after *detection*."""
    labels = host_labels(settings.node((detection.role or WORKER).name))
    return Report(detection, Node(0, "this host", capabilities_of(detection.verdicts), labels), known)


def detect(definitions: Iterable[Runtime] | None = None, *, only: Collection[str] = ()) -> Report:
    """Verify on this host what *definitions* define, or everything that is shipped; blocks while checks run.

    *only* names the capabilities or refs to look for. Settings and environment count as they do for `attune detect`.
    Raises `ConfigError` for settings that cannot be read.
    """
    settings = load_settings()
    runtimes = shipped_runtimes() if definitions is None else list(definitions)
    options = DetectionOptions(
        verify_overrides=settings.detection.verify_overrides,
        deadline_seconds=settings.detection.deadline,
        origin="catalogue",
        only=frozenset((*only, *map(fold, only))),
    )
    detection = detect_runtimes(runtimes, selection_for(settings, WORKER), WORKER, examiner_for(settings), options)
    return report_of(detection, settings, known_names(runtimes))
