"""Nodes that have just registered, as the matcher sees them."""

from attune.core.matching.fleet import Node, capabilities_of
from attune.core.nodes.capabilities import execution_limit
from attune.core.nodes.labels import labels_of
from attune.core.ports.nodes import Registration


def registered_node(node_id: int, registration: Registration) -> Node:
    """The node of *registration*."""
    return Node(
        node_id,
        registration.name,
        capabilities_of(registration.verdicts),
        labels_of(registration.labels),
        frozenset(registration.taints),
        role=registration.role.name,
        max_concurrent=execution_limit(registration.capabilities.get("max_concurrent_executions")),
    )
