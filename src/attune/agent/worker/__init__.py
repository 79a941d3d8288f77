"""Running executions on a node."""
