"""Puts together what runs actions: their table, the table of executions, and the fleet that explains them."""

from __future__ import annotations

from attune.core.nodes.role import WORKER
from attune.operations.execute import ExecutionDesk
from attune.postgres.actions import PostgresActions
from attune.postgres.connection import Pool
from attune.postgres.execution_pages import PostgresExecutionPages
from attune.postgres.executions import PostgresExecutions
from attune.postgres.nodes.registry import PostgresNodes


def execution_desk(pool: Pool, nodes: PostgresNodes) -> ExecutionDesk:
    """Actions and executions on *pool*."""
    return ExecutionDesk(
        PostgresActions(pool), PostgresExecutions(pool), PostgresExecutionPages(pool), lambda: nodes.fleet(WORKER)
    )
