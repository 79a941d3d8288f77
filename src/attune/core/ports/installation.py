"""What commands ask of an installation, wherever it is: of its database, or of its API on another machine."""

from __future__ import annotations

from dataclasses import dataclass

from attune.core.ports.access import SecretEditor, TokenStore
from attune.core.ports.events import DeadLetters, EventReader
from attune.core.ports.executions import ExecutionStore
from attune.core.ports.matching import Matcher
from attune.core.ports.nodes import NodeControl, NodeReader
from attune.core.ports.packs import PackStore
from attune.core.ports.runtimes import RuntimeStore
from attune.core.ports.sensors import SensorReader


@dataclass(frozen=True, slots=True)
class Installation:
    """The stores of one installation, None where only its database could tell. `origin`: where, without secrets."""

    origin: str
    runtimes: RuntimeStore
    nodes: NodeReader
    control: NodeControl
    matcher: Matcher
    tokens: TokenStore
    sensors: SensorReader | None = None
    packs: PackStore | None = None
    events: EventReader | None = None
    executions: ExecutionStore | None = None
    secrets: SecretEditor | None = None
    letters: DeadLetters | None = None
