"""A runtime definition: the row of table `runtime`, read once into values that the rest can rely on."""

from __future__ import annotations

from dataclasses import dataclass

from attune.core.errors import DefinitionError, Problem, VersionError, shown
from attune.core.fields import Fields
from attune.core.nodes.role import ROLES
from attune.core.runtimes.aliases import fold
from attune.core.runtimes.constraint import Constraint
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.verification import Verification, parse_verification

_BOUNDS = {"min_version": ">={}", "max_version": "<={0} || =={0}.*", "version_constraint": "{}"}
_KNOWN_KEYS = (*_BOUNDS, "verification", "recommended_version", "aliases", "roles")


@dataclass(frozen=True, slots=True)
class DeclaredBound:
    """One limit on the versions that count; `text` is how a reason shows it (">=3.8")."""

    text: str
    constraint: Constraint


@dataclass(frozen=True, slots=True)
class Definition:
    """What a runtime is called, for which roles it is meant and what proves it.

    `capability` is the folded name under which nodes offer it ("python", "node"); `warnings` never stop anything.
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


def capability_name(runtime: Runtime) -> str:
    """The name under which nodes offer *runtime*: its first alias, else its name, folded."""
    distributions = runtime.distributions
    aliases = distributions.get("aliases") if isinstance(distributions, dict) else None
    if isinstance(aliases, list) and aliases and isinstance(aliases[0], str) and aliases[0].strip():
        return fold(aliases[0])
    return fold(runtime.name)


def parse_definition(runtime: Runtime) -> Definition:
    """Read *runtime*. Raises `DefinitionError` with every fault found, each with the path of its field."""
    problems: list[Problem] = []
    warnings: list[str] = []
    if not isinstance(runtime.distributions, dict):
        raise DefinitionError(runtime.ref, [Problem("distributions", "an object", shown(runtime.distributions))])
    if not runtime.name.strip():
        problems.append(Problem("name", "a text", shown(runtime.name)))
    fields = Fields(runtime.distributions, "", problems, warnings)
    verification = parse_verification(fields.raw("verification"), fields)
    bounds = tuple(bound for key in _BOUNDS if (bound := _bound(fields, key, _BOUNDS[key])))
    definition = Definition(
        ref=runtime.ref,
        name=runtime.name,
        capability=capability_name(runtime),
        roles=_roles(fields),
        verification=verification,
        bounds=bounds,
        recommended=_bound(fields, "recommended_version", ">={}"),
        aliases=fields.names("aliases"),
        warnings=tuple(warnings),
    )
    if problems:
        raise DefinitionError(runtime.ref, problems)
    return definition


def unknown_keys(runtime: Runtime) -> tuple[str, ...]:
    """Keys of `distributions` that mean nothing to Attune. They are kept; `attune runtime check` lists them."""
    if not isinstance(runtime.distributions, dict):
        return ()
    warnings: list[str] = []
    Fields(runtime.distributions, "distributions", [], warnings).warn_unknown(_KNOWN_KEYS)
    return tuple(warnings)


def _roles(fields: Fields) -> frozenset[str]:
    names = fields.names("roles")
    for index, name in enumerate(names):
        if name not in ROLES:
            fields.refuse(f"roles[{index}]", "'worker' or 'sensor'", shown(name))
    return frozenset(names) or frozenset(ROLES)


def _bound(fields: Fields, key: str, form: str) -> DeclaredBound | None:
    text = fields.raw(key)
    if text is None:
        return None
    if not isinstance(text, str) or not text.strip():
        fields.refuse(key, "a version as text, such as '3.8'", shown(text))
        return None
    try:
        constraint = Constraint.parse(form.format(text.strip()))
    except VersionError as error:
        wanted = "a version constraint such as '>=3.8,<4'" if key == "version_constraint" else "a version such as '3.8'"
        fields.refuse(key, wanted, f"{shown(text)}: {error}")
        return None
    prefix = {"max_version": "<=", "version_constraint": ""}.get(key, ">=")
    return DeclaredBound(f"{prefix}{text.strip()}", constraint)
