"""A runtime definition: the row of table `runtime`, read once into values that the rest can rely on."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from attune.core.documents import Section
from attune.core.errors import DefinitionError, Fault, VersionError, shown
from attune.core.runtimes.aliases import fold, is_ref, is_sayable
from attune.core.runtimes.constraint import Constraint
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verification import Verification, parse_verification

_BOUNDS = {"min_version": ">={}", "max_version": "<={0} || =={0}.*", "version_constraint": "{}"}
_ROLES = frozenset({"worker", "sensor"})  # the names of `core/nodes/role.py`
_NAMES = ("a list of names", "a name")
_KNOWN_KEYS = (*_BOUNDS, "verification", "recommended_version", "aliases", "roles", "start")
# What decides which programs and libraries are found is the host's to say.
_OF_THE_HOST = re.compile(r"(PATH|HOME|NODE_OPTIONS|(LD_|PYTHON|ATTUNE_).*)\Z")


@dataclass(frozen=True, slots=True)
class DeclaredBound:
    """One limit on the versions that count; `text` is how a reason shows it (">=3.8")."""

    text: str
    constraint: Constraint


@dataclass(frozen=True, slots=True)
class StartOptions:
    """What work in a runtime is started with: arguments of the interpreter, before all others, and variables."""

    args: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def on_host(self, named: Collection[str]) -> Self:
        """The same without the variables that only a host decides, unless it has *named* them."""
        kept = {name: one for name, one in self.environment.items() if name in named or not _OF_THE_HOST.match(name)}
        return replace(self, environment=kept)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a runtime is called, under which folded name nodes offer it, for which roles, and what proves it.

    `kept` is why a node goes on with this one although there is a newer one.
    """

    ref: str
    name: str
    capability: str
    roles: frozenset[str]
    verification: Verification
    bounds: tuple[DeclaredBound, ...] = ()
    recommended: DeclaredBound | None = None
    aliases: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    start: StartOptions = StartOptions()
    kept: str = ""


def proofs_of(runtime: Runtime) -> list[str]:
    """What proves *runtime*, as a person would type it, or what is wrong with its definition."""
    try:
        verification = parse_definition(runtime).verification
    except DefinitionError as error:
        return [f"invalid: {error}"]
    commands = [" ".join(check.argv) for check in verification.checks]
    if not verification.needs_running:
        return ["always available" if verification.always_available else "nothing: assumed"]
    return commands or ["nothing: no verification command"]


def capability_name(runtime: Runtime) -> str:
    """The name under which nodes offer *runtime*: its first alias or else its name, folded, or the end of its ref.

    The latter where a requirement could not say the name, or would mean something else by it.
    """
    name = fold(_written_name(runtime))
    return name if is_sayable(name) and not is_ref(name) else fold(runtime.ref.rpartition(".")[2])


def names_of_definition(runtime: Runtime) -> set[str]:
    """What requirements may call *runtime*: its capability name, its ref and its aliases, folded."""
    distributions = runtime.distributions
    aliases = distributions.get("aliases") if isinstance(distributions, dict) else None
    written = [alias for alias in aliases if isinstance(alias, str)] if isinstance(aliases, list) else []
    return {capability_name(runtime), runtime.ref, *map(fold, written)}


def _written_name(runtime: Runtime) -> str:
    distributions = runtime.distributions
    aliases = distributions.get("aliases") if isinstance(distributions, dict) else None
    if isinstance(aliases, list) and aliases and isinstance(aliases[0], str) and aliases[0].strip():
        return aliases[0]
    return runtime.name


def parse_definition(runtime: Runtime) -> Definition:
    """Read *runtime*. Raises `DefinitionError` with every fault found, each with the path of its field."""
    node = runtime.written("distributions")
    if not isinstance(node.value, Mapping):
        faults = [Fault("distributions", "an object", shown(runtime.distributions), node.position)]
        raise DefinitionError(runtime.ref, faults)
    section = Section(node, "", [])
    if not runtime.name.strip():
        section.refuse_node("name", runtime.written("name"), "a text")
    verification, capability = parse_verification(section), capability_name(runtime)
    bounds = tuple(bound for key in _BOUNDS if (bound := _bound(section, key, _BOUNDS[key], capability)))
    definition = Definition(
        ref=runtime.ref,
        name=runtime.name,
        capability=capability,
        roles=_roles(section),
        verification=verification,
        bounds=bounds,
        recommended=_bound(section, "recommended_version", ">={}", capability),
        aliases=section.texts("aliases", *_NAMES),
        warnings=(*section.warnings, *_name_warnings(runtime)),
        start=_start(section),
    )
    if section.faults:
        raise DefinitionError(runtime.ref, section.faults)
    return definition


def _start(section: Section) -> StartOptions:
    node = section.node("start")
    start = section.section("start", node) if node is not None else None
    if start is None:
        return StartOptions()
    environment = start.mapping("environment")
    for name, value in environment.items():
        if not isinstance(value, str) or "\0" in name + value or "=" in name or not name:
            start.refuse("environment", "names of variables with a text each", f"{shown(name)}: {shown(value)}")
    start.only(("args", "environment"))
    return StartOptions(start.texts("args"), environment)


def _name_warnings(runtime: Runtime) -> tuple[str, ...]:
    written, name = _written_name(runtime), capability_name(runtime)
    if fold(written) == name:
        return ()
    return (f"name: no requirement can say {shown(written)}, so nodes offer it as {shown(name)}: give an alias",)


def unknown_keys(runtime: Runtime) -> tuple[str, ...]:
    """Keys of `distributions` that mean nothing to Attune. They are kept; `attune runtime check` lists them."""
    section = Section(runtime.written("distributions"), "distributions", [])
    for key in _KNOWN_KEYS:
        section.node(key)
    section.warn_unknown()
    return tuple(section.warnings)


def _roles(section: Section) -> frozenset[str]:
    names = section.text_nodes("roles", *_NAMES)
    for path, node in names:
        if node.value not in _ROLES:
            section.refuse_node(path, node, "'worker' or 'sensor'")
    return frozenset(node.value for _, node in names) or _ROLES


def _bound(section: Section, key: str, form: str, runtime: str) -> DeclaredBound | None:
    node = section.node(key)
    if node is None:
        return None
    text = node.value
    if not isinstance(text, str) or not text.strip():
        section.refuse(key, "a version as text, such as '3.8'")
        return None
    try:
        constraint = Constraint.parse(form.format(text.strip()), runtime)
    except VersionError as error:
        wanted = "a version constraint such as '>=3.8,<4'" if key == "version_constraint" else "a version such as '3.8'"
        section.refuse(key, wanted, f"{shown(text)}: {error}")
        return None
    prefix = {"max_version": "<=", "version_constraint": ""}.get(key, ">=")
    return DeclaredBound(f"{prefix}{text.strip()}", constraint)
