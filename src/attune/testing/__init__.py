"""Fakes of every port, in memory, for tests of Attune and of embedders: the contract suite holds them to the real."""

from attune.testing.access import MemoryCipher, MemorySecrets, MemoryTokens
from attune.testing.changes import MemoryChanges
from attune.testing.events import MemoryEventLog, MemoryEvents, MemoryExpressions
from attune.testing.execution_pages import MemoryActions, MemoryExecutionPages
from attune.testing.executions import MemoryExecutions
from attune.testing.fleet_losses import MemoryFleetLosses
from attune.testing.host import FakeHost, FakeRunner, MemoryOutcomes, printed
from attune.testing.node_control import MemoryNodeControl
from attune.testing.node_requests import MemoryNodeRequests
from attune.testing.nodes import MemoryFleet, MemoryNodes
from attune.testing.packs import MemoryPackFolders, MemoryPacks
from attune.testing.retention import MemoryRetention
from attune.testing.runtimes import MemoryPreviews, MemoryRuntimes
from attune.testing.sensor_host import FakeSensor, FakeSensorHost, MemoryOutput
from attune.testing.sensors import MemorySensors

__all__ = [
    "FakeHost",
    "FakeRunner",
    "FakeSensor",
    "FakeSensorHost",
    "MemoryActions",
    "MemoryChanges",
    "MemoryCipher",
    "MemoryEventLog",
    "MemoryEvents",
    "MemoryExecutionPages",
    "MemoryExecutions",
    "MemoryExpressions",
    "MemoryFleet",
    "MemoryFleetLosses",
    "MemoryNodeControl",
    "MemoryNodeRequests",
    "MemoryNodes",
    "MemoryOutcomes",
    "MemoryOutput",
    "MemoryPackFolders",
    "MemoryPacks",
    "MemoryPreviews",
    "MemoryRetention",
    "MemoryRuntimes",
    "MemorySecrets",
    "MemorySensors",
    "MemoryTokens",
    "printed",
]
