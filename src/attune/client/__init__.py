"""The stores of an installation over its HTTP API: what commands use where there is no way to the database."""

from attune.client.events import HttpEvents
from attune.client.executions import HttpExecutions
from attune.client.matching import HttpMatcher
from attune.client.nodes import HttpControl, HttpNodes
from attune.client.packs import HttpPacks, HttpSensors
from attune.client.runtimes import HttpRuntimes
from attune.client.tokens import HttpSecrets, HttpTokens
from attune.client.wire import Wire

__all__ = [
    "HttpControl",
    "HttpEvents",
    "HttpExecutions",
    "HttpMatcher",
    "HttpNodes",
    "HttpPacks",
    "HttpRuntimes",
    "HttpSecrets",
    "HttpSensors",
    "HttpTokens",
    "Wire",
]
