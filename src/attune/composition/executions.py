"""Puts together what runs actions, what says where they can run, and the names that requirements may use."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from attune.composition.databases import known_names
from attune.core.matching.fleet import Node
from attune.core.matching.known_names import KnownNames
from attune.core.nodes.role import WORKER, Role
from attune.core.ports.access import SecretCipher
from attune.operations.executions.execute import ExecutionService
from attune.operations.matching.place import FleetMatcher
from attune.postgres.connection import Pool
from attune.postgres.executions.actions import PostgresActions
from attune.postgres.executions.pages import PostgresExecutionPages
from attune.postgres.executions.store import PostgresExecutions
from attune.postgres.nodes.registry import PostgresNodes
from attune.postgres.runtimes.store import PostgresRuntimes


def execution_service(pool: Pool, nodes: PostgresNodes, cipher: SecretCipher) -> ExecutionService:
    """Actions and executions on *pool*, their secret parameters encrypted by *cipher*."""
    writer, reader = PostgresExecutions(pool, cipher), PostgresExecutionPages(pool, cipher)
    names = partial(_names, pool)
    return ExecutionService(PostgresActions(pool), writer, reader, lambda: nodes.fleet(WORKER), names)


def matcher_on(pool: Pool, fleet: Callable[[Role], Awaitable[Sequence[Node]]]) -> FleetMatcher:
    """Says where work can run on *fleet*, with the definitions on *pool*."""
    return FleetMatcher(fleet, partial(_names, pool))


async def _names(pool: Pool) -> KnownNames:
    return known_names(await PostgresRuntimes(pool).list_runtimes())
