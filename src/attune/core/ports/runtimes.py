"""Running checks on a host, and where definitions come from."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from attune.core.runtimes.command import Command, Found, Missing, Outcome
from attune.core.runtimes.preview import AffectedWork, PreviewCandidate
from attune.core.runtimes.runtime import Runtime

if TYPE_CHECKING:  # `attune detect` needs none, and starts often
    from attune.core.nodes.health import Snapshot


class RunObserver(Protocol):
    """Told about commands as they start and finish; called from the thread that runs them."""

    def started(self, key: str, command: Command) -> None: ...

    def finished(self, key: str, command: Command, outcome: Outcome) -> None: ...


Next = Callable[[str, Command, Outcome], Command | None]


class CommandRunner(Protocol):
    """Runs commands on this host, many at a time.

    Each key of *start* is one line of work: its command runs, then `then(key, command, outcome)` names the next
    command of that line, or None when the line is done. Blocks until every line is done; whatever happens to
    one command becomes its `Outcome`, never an exception. Commands not finished *deadline_seconds* after the
    call end as `UNDECIDED`.
    """

    def run(
        self,
        start: Mapping[str, Command],
        then: Next,
        *,
        deadline_seconds: float | None = None,
        observer: RunObserver | None = None,
    ) -> None: ...

    def stop(self) -> None:
        """End every run of this runner, now and later, from any thread; what is not done is `UNDECIDED`."""


class PathLookup(Protocol):
    """Finds a command the way the runner would, without running it."""

    def token(self) -> object:
        """A value that compares equal as long as no directory of PATH has changed."""

    def find(
        self, name: str, args: Sequence[str] | None = None, failed: Collection[str] = frozenset()
    ) -> Found | Missing:
        """The file that running *name* would execute, or why it cannot be run. With *args*, whether they may be.

        On PATH, files whose real path is one of *failed* are passed over.
        """


class SnapshotReader(Protocol):
    """The cheap check of whether a command may have changed."""

    def look(self, binaries: Sequence[Sequence[str]]) -> "Sequence[Snapshot]":
        """What the files of each group of commands are now. Starts no process."""


MAX_CACHED_AGE_SECONDS = 86_400.0
"""How old an outcome may be that a node starts with."""


class OutcomeCache(Protocol):
    """Outcomes of commands that proved a runtime on this host, for at most `MAX_CACHED_AGE_SECONDS`."""

    def lookup(self, command: Command, max_age_seconds: float) -> Outcome | None:
        """The outcome of *command* if at most so old, with its `cached_age`. Asked before *command* runs, always."""

    def remember(self, successes: Mapping[Command, Outcome]) -> None:
        """Keep outcomes of commands that have just proved a runtime, where the cache can tell when they change."""


class RuntimeCatalog(Protocol):
    """Where runtime definitions come from."""

    async def list_runtimes(self) -> Sequence[Runtime]:
        """All definitions, ordered by ref."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeChange:
    """One line of a definition's history: the row before and after, as JSON."""

    ref: str
    operation: str
    old: Any
    new: Any
    changed_by: str
    changed_at: datetime
    note: str | None = None


class RuntimeStore(RuntimeCatalog, Protocol):
    """A catalog whose definitions can be changed; it keeps the history of every change."""

    async def get_runtime(self, ref: str) -> Runtime | None: ...

    async def save_runtime(self, runtime: Runtime, *, changed_by: str) -> bool:
        """Insert or replace by ref; True if it is new."""

    async def remove_runtime(self, ref: str, *, changed_by: str, force: bool = False) -> bool:
        """Delete by ref; False if there is none. Raises `UsageError` naming the users of a runtime in use.

        Live nodes that offer it are users too, unless *force*.
        """

    async def runtime_history(self, ref: str) -> Sequence[RuntimeChange]:
        """Every recorded change of *ref*, newest first."""


class RuntimeEditor(RuntimeStore, Protocol):
    """A store whose rows can be changed under the eyes of whoever changes them, as the API needs it."""

    async def change_runtime(self, ref: str, change: Callable[[Runtime | None], Runtime], *, changed_by: str) -> bool:
        """Store what *change* makes of a row that nobody else changes meanwhile; True if new. Its errors are raised."""

    async def remove_runtime(
        self,
        ref: str,
        *,
        changed_by: str,
        expecting: Callable[[Runtime], None] = lambda _old: None,
        force: bool = False,
    ) -> bool:
        """As in `RuntimeStore`; what *expecting* raises about the row, keeps it."""


class PreviewReader(Protocol):
    """What a change of a definition is compared with: the nodes that would verify it, and the work that uses it."""

    async def live(self, roles: Collection[str]) -> int:
        """How many nodes of *roles* answer."""

    async def candidates(self, ref: str, roles: Collection[str], most: int) -> Sequence[PreviewCandidate]:
        """Live nodes of *roles*, by name: of more than *most*, some of each status and version of the runtime *ref*."""

    async def named(self, ref: str, nodes: Sequence[int]) -> Sequence[PreviewCandidate]:
        """Those of *nodes* that exist, whatever their state, by name."""

    async def find(self, node: int | str) -> PreviewCandidate | None:
        """The node of that id or name, a worker rather than a sensor; what it knows of runtimes is not read."""

    async def touched(self, ref: str) -> AffectedWork:
        """What uses the runtime *ref*."""
