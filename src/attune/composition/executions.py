"""Puts together what runs actions: their table, the table of executions, and the fleet that explains them."""

from __future__ import annotations

from attune.core.nodes.role import WORKER
from attune.core.ports.access import SecretCipher
from attune.operations.executions.execute import ExecutionService
from attune.postgres.connection import Pool
from attune.postgres.executions.actions import PostgresActions
from attune.postgres.executions.pages import PostgresExecutionPages
from attune.postgres.executions.store import PostgresExecutions
from attune.postgres.nodes.registry import PostgresNodes


def execution_service(pool: Pool, nodes: PostgresNodes, cipher: SecretCipher) -> ExecutionService:
    """Actions and executions on *pool*, their secret parameters encrypted by *cipher*."""
    writer, reader = PostgresExecutions(pool, cipher), PostgresExecutionPages(pool, cipher)
    return ExecutionService(PostgresActions(pool), writer, reader, lambda: nodes.fleet(WORKER))
