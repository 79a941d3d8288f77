"""Actions as they stand in the table `action`, and what each needs of the node that runs it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any

from attune.core.json_schema import defaults_of, schema_problems, secret_names, value_problems
from attune.core.matching.requirement import Requirement
from attune.core.matching.terms import RuntimeTerm, Term
from attune.core.runtimes.aliases import is_sayable


class Delivery(StrEnum):
    """How an action gets its parameters."""

    STDIN = "stdin"  # one JSON object
    ENV = "env"  # ATTUNE_PARAM_<NAME>, of A-Z, 0-9 and _; text as it is, anything else as JSON
    ARGS = "args"  # --name=value, or the value alone of those with a `position`; never secrets, which go to stdin
    DOTENV = "dotenv"  # stdin, with a line NAME='value' for each
    FILE = "file"  # the file that ATTUNE_PARAMETER_FILE names, with one JSON object
    DOTENV_FILE = "dotenv-file"  # that file, with lines as of dotenv


SEEN = (Delivery.ENV, Delivery.ARGS)
"""What others on the host can see, so that secrets come by stdin."""


class OnLost(StrEnum):
    """What becomes of an execution whose worker dies."""

    RETRY = "retry"
    ABANDON = "abandon"


# Where the row stands, what is known of its runtime, and what is read as it is when an execution may start.
_NOT_CONTENT = frozenset({"id", "runtime", "priority", "concurrency", "paused", "is_workflow"})


@dataclass(frozen=True)
class Action:
    """One row of table `action`, read. `runtime_ref` is the ref of its runtime, `runtime` the name, as far as known.

    `entrypoint` is a file in the pack's `actions` folder. Times are in seconds; `timeout_seconds` None: the setting's.
    `retries` is how often a failed execution is tried again: after `retry_delay_seconds`, then twice as long each time,
    up to `retry_max_delay_seconds`. `grace_seconds` pass between SIGTERM and SIGKILL; None: the contract's.
    `result_file` is a file in the working directory that holds the result; None: the last line of output that is JSON.
    `pack_digest` names the pack's files.
    Of `priority`, 0 to 9, the highest starts first. At most `concurrency` executions run at once. `paused` says by whom
    none is started. `is_workflow`: it came from an earlier installation, and nothing runs it here.
    """

    ref: str
    pack_ref: str
    label: str
    entrypoint: str
    description: str = ""
    id: int | None = None
    runtime: str | None = None
    runtime_ref: str | None = None
    version_constraint: str | None = None
    requires: tuple[str, ...] = ()
    prefers: tuple[str, ...] = ()
    interpreter_args: tuple[str, ...] = ()
    param_schema: Mapping[str, Any] = field(default_factory=dict)
    out_schema: Mapping[str, Any] | None = None
    delivery: Delivery = Delivery.STDIN
    timeout_seconds: float | None = None
    retries: int = 0
    retry_delay_seconds: float = 1.0
    retry_max_delay_seconds: float = 300.0
    grace_seconds: float | None = None
    on_lost: OnLost = OnLost.RETRY
    result_file: str | None = None
    pack_digest: str | None = None
    priority: int | None = None
    concurrency: int | None = None
    paused: str | None = None
    is_workflow: bool = False

    @property
    def cannot_run(self) -> str:
        """What it lacks to be run here, "" where nothing."""
        if self.is_workflow:
            return "it is a workflow, and nothing runs workflows here"
        has_file = self.pack_digest is not None or self.entrypoint.startswith("/")
        return "" if has_file else f"pack {self.pack_ref} has no files here: attune pack load DIR"

    @property
    def requirement(self) -> Requirement:
        """What a node must satisfy to run it. Raises `RequirementError`."""
        return self.requirement_with()

    def requirement_with(self, extra: Sequence[str] = ()) -> Requirement:
        """The same with more terms."""
        ref, constraint = self.runtime_ref, self.version_constraint
        return requirement_of_action(
            (*self.requires, *extra), runtime=self.runtime, runtime_ref=ref, version_constraint=constraint
        )

    @cached_property
    def content(self) -> str:
        """What an execution keeps of it, as JSON that is equal for equal contents."""
        content = {name: value for name, value in asdict(self).items() if name not in _NOT_CONTENT}
        return json.dumps(content, sort_keys=True)

    @cached_property
    def version(self) -> str:
        """64 hex digits that name its content."""
        return sha256(self.content.encode()).hexdigest()

    @property
    def secrets(self) -> frozenset[str]:
        """The parameters that the schema marks with `secret: true`: never in argv, never shown."""
        return secret_names(self.param_schema)

    @property
    def positional(self) -> tuple[str, ...]:
        """The parameters whose schema has a `position`, in its order: `delivery: args` does not write their names."""
        written = self.param_schema.get("properties", {}).items()
        places = {name: below.get("position") for name, below in written if isinstance(below, Mapping)}
        return tuple(name for _, name in sorted((at, name) for name, at in places.items() if isinstance(at, int)))


def requirement_of_action(
    requires: Sequence[str] | None = None,
    *,
    runtime: str | None = None,
    runtime_ref: str | None = None,
    version_constraint: str | None = None,
) -> Requirement:
    """Its terms and its runtime in the versions it accepts. Raises `RequirementError`.

    The runtime is asked for by its ref, and what is asked of its name *runtime* is asked of it. One whose ref no
    requirement can say is asked for by its name.
    """
    terms = list(requires or ())
    own = runtime_ref if runtime_ref and "." in runtime_ref and is_sayable(runtime_ref) else runtime
    if own or version_constraint:
        terms.append(f"{own or ''} {version_constraint or ''}".strip())
    needed = Requirement.parse(terms) if terms else Requirement()
    if not own or own == runtime:
        return needed
    bound = (replace(term, name=own) if _is_about(term, runtime) else term for term in needed.terms)
    return Requirement.of(bound, needed.tolerations)


def _is_about(term: Term, runtime: str | None) -> bool:
    return isinstance(term, RuntimeTerm) and term.name == runtime


def with_defaults(schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """*parameters*, and the defaults that *schema* has for those that are not given."""
    return {**defaults_of(schema), **parameters}


def output_problem(schema: Mapping[str, Any], result: Any) -> str | None:
    """How *result* differs from the *schema* of an action's output, in a sentence; None where it fits."""
    if faults := schema_problems(schema):
        return f"its result could not be held against its output, which is no schema: {faults[0]}"
    faults = value_problems(schema, result, root="result")
    return f"its result is not what its output says: {'; '.join(map(str, faults[:3]))}" if faults else None
