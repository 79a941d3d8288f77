"""What commands ask of an installation, wherever it is: of its database, or of its API on another machine."""

from __future__ import annotations

from dataclasses import dataclass

from attune.core.ports.access import SecretEditor, TokenStore
from attune.core.ports.events import EventReader
from attune.core.ports.executions import ExecutionStore
from attune.core.ports.matching import Matcher
from attune.core.ports.nodes import NodeControl, NodeReader
from attune.core.ports.packs import PackStore
from attune.core.ports.runtimes import RuntimeStore
from attune.core.ports.sensors import SensorReader


@dataclass(frozen=True, slots=True)
class Installation:
    """The stores of one installation. `origin`: where it is, without secrets."""

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
