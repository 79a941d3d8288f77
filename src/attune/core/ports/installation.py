"""What commands ask of an installation, wherever it is: of its database, or of its API on another machine."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from attune.core.ports.access import SecretEditor, TokenStore
from attune.core.ports.events import EventReader
from attune.core.ports.executions import ExecutionStore
from attune.core.ports.matching import Matcher
from attune.core.ports.nodes import FleetLosses, NodeControl, NodeReader
from attune.core.ports.packs import PackStore
from attune.core.ports.runtimes import RuntimeStore
from attune.core.ports.sensors import SensorReader


@dataclass(frozen=True, slots=True, kw_only=True)
class RetainedRows:
    """The rows of one kind: how long they are kept after their end, how many are expired, and how many went before.

    `keep_seconds` of 0 keeps them for ever.
    """

    kind: str
    keep_seconds: float
    expired: int
    removed: int


class RetentionStore(Protocol):
    """What has ended, and its removal. All times are the database's."""

    async def remove_expired(self, kind: str, most: int, keep_seconds: float) -> int:
        """Remove at most *most* expired rows of a kind; how many. 0 while somebody else does.

        *keep_seconds* counts where the caller may decide, and is remembered for those who may not.
        """

    async def retained(
        self, keep: Mapping[str, float], grace_seconds: float = 0.0, most: int | None = None
    ) -> Sequence[RetainedRows]:
        """Each kind as it is with *keep* (in seconds, where it says nothing as remembered). Of expired rows at most
        *most* are counted, and only those that could have gone *grace_seconds* ago.
        """


async def no_apis(seconds: float) -> Mapping[str, float]:
    return {}


@dataclass(frozen=True, slots=True)
class Installation:
    """The stores of one installation, `origin` without secrets.

    `retention` and `losses` are None where only its API is at hand.
    """

    origin: str
    runtimes: RuntimeStore
    nodes: NodeReader
    control: NodeControl
    matcher: Matcher
    tokens: TokenStore
    sensors: SensorReader
    packs: PackStore
    events: EventReader
    executions: ExecutionStore
    secrets: SecretEditor
    retention: RetentionStore | None = None
    losses: FleetLosses | None = None
    silent_apis: Callable[[float], Awaitable[Mapping[str, float]]] = no_apis
