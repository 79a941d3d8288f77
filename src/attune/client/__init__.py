"""The stores of an installation over its HTTP API: what commands use where there is no way to the database."""

from attune.client.executions import HttpExecutions
from attune.client.matching import HttpMatcher
from attune.client.nodes import HttpControl, HttpNodes
from attune.client.runtimes import HttpRuntimes
from attune.client.tokens import HttpTokens
from attune.client.wire import Wire

__all__ = ["HttpControl", "HttpExecutions", "HttpMatcher", "HttpNodes", "HttpRuntimes", "HttpTokens", "Wire"]
