"""Decide what a node offers: the selection's names as declared, or what the definitions verify on this host."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from attune.core.nodes.capabilities import offered_names
from attune.core.nodes.role import Role
from attune.core.runtimes.definition import Definition, capability_name
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.selection import Selection, Source, unknown_name_warnings
from attune.core.runtimes.verdict import Status, Verdict
from attune.operations.runtimes.examine import ExaminationObserver, Examiner, commands_of, read_definitions


@dataclass(frozen=True, slots=True)
class Detection:
    """What one node offers and why, with the definitions that were verified; `origin` is "database" or "catalogue"."""

    role: Role | None
    selection: Selection
    origin: str
    verdicts: tuple[Verdict, ...]
    warnings: tuple[str, ...]
    duration_ms: float
    definitions: tuple[Definition, ...] = ()

    @property
    def source(self) -> str:
        """Which tier decided, or "catalogue" when the definitions were the shipped ones."""
        return self.origin if self.selection.source is Source.DATABASE else self.selection.source.value

    @property
    def offered(self) -> list[str]:
        """The names of the runtimes that the node offers."""
        return offered_names(self.verdicts)


@dataclass(frozen=True, slots=True)
class DetectionOptions:
    """How to detect. `only` restricts to these capability names or refs; `deadline_seconds` is for all checks.

    A cached proof that is at most `max_age_seconds` old is accepted; with 0 every check runs.
    """

    verify_overrides: bool = False
    deadline_seconds: float = 60.0
    origin: str = "database"
    only: frozenset[str] = frozenset()
    max_age_seconds: float = 0.0


def detect(
    runtimes: Sequence[Runtime],
    selection: Selection,
    role: Role | None,
    examiner: Examiner,
    options: DetectionOptions = DetectionOptions(),
    observer: ExaminationObserver | None = None,
) -> Detection:
    """Blocks while checks run; each runtime gets its own verdict, whatever happens to the others."""
    started = perf_counter()
    read = _to_verify(runtimes, selection, role, options)
    definitions = tuple(item for item in read if isinstance(item, Definition))
    limits = {"deadline_seconds": options.deadline_seconds, "max_age_seconds": options.max_age_seconds}
    examined = iter(examiner.examine(definitions, **limits, observer=observer))
    verified = [next(examined) if isinstance(item, Definition) else item for item in read]
    verdicts = [*verified, *_unverified(runtimes, selection, options, examiner)]
    if options.only:
        verdicts = [verdict for verdict in verdicts if options.only & {verdict.capability, verdict.ref}]
    known = [name for runtime in runtimes for name in (capability_name(runtime), runtime.ref)]
    return Detection(
        role=role,
        selection=selection,
        origin=options.origin,
        verdicts=tuple(verdicts),
        warnings=(*selection.warnings, *unknown_name_warnings(selection.names or (), known)),
        duration_ms=(perf_counter() - started) * 1000,
        definitions=definitions,
    )


def _to_verify(
    runtimes: Sequence[Runtime], selection: Selection, role: Role | None, options: DetectionOptions
) -> list[Definition | Verdict]:
    """What is verified here, in order; an `invalid` verdict where a definition cannot be read."""
    if selection.names is not None:
        if not options.verify_overrides:
            return []
        runtimes = [runtime for runtime in runtimes if _is_one_of(runtime, selection.names)]
    if options.only:
        runtimes = [runtime for runtime in runtimes if _is_one_of(runtime, options.only)]
    return read_definitions(runtimes, role)


def _is_one_of(runtime: Runtime, names: Collection[str]) -> bool:
    return capability_name(runtime) in names or runtime.ref in names


def _unverified(
    runtimes: Sequence[Runtime], selection: Selection, options: DetectionOptions, examiner: Examiner
) -> list[Verdict]:
    """Verdicts on the names that somebody gave and that nothing here verifies."""
    if selection.names is None:
        return []
    if not options.verify_overrides:
        declared = (_declare(name, runtimes, selection.source, examiner) for name in selection.names)
        return list({verdict.ref: verdict for verdicts in declared for verdict in verdicts}.values())
    why = "no definition is called {!r}, so nothing can verify it"
    undefined = [name for name in selection.names if not any(_is_one_of(runtime, {name}) for runtime in runtimes)]
    return [Verdict(name, name, Status.UNAVAILABLE, why.format(name), name) for name in undefined]


def _declare(name: str, runtimes: Sequence[Runtime], source: Source, examiner: Examiner) -> Iterator[Verdict]:
    """One for each definition of that ref or capability name."""
    reason = f"declared by the {'environment' if source is Source.ENVIRONMENT else 'config file'}"
    meant = [runtime for runtime in runtimes if _is_one_of(runtime, {name})]
    if not meant:
        yield examiner.resolve(Verdict(name, name, Status.DECLARED, reason, name), commands_of(name))
    for runtime, definition in zip(meant, read_definitions(meant), strict=True):
        called = capability_name(runtime)
        commands = commands_of(definition if isinstance(definition, Definition) else called)
        yield examiner.resolve(Verdict(runtime.ref, called, Status.DECLARED, reason, runtime.name), commands)
