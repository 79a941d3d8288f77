"""The tables `capability`, `worker_capability` and `worker_load`: what nodes offer, as matching looks for it.

Writing them belongs here, asking them to `matching.py`. A long text is kept by its beginning and its digest, which
still tells it from every other: an index entry has a limit.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from psycopg import AsyncConnection

from attune.core.matching.capability_keys import keys_of
from attune.core.matching.fleet import Node

_LONGEST = 500  # characters


def indexed(text: str) -> str:
    """*text* as it stands in the tables: storable and short."""
    text = storable(text)
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}…{sha256(text.encode()).hexdigest()}"


def storable(text: str) -> str:
    """*text* without what PostgreSQL cannot hold: NUL, and the surrogates of undecodable file names."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def storable_json(value: Any) -> Any:
    """*value* without the characters that PostgreSQL cannot hold, wherever they are."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(key): storable_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(item) for item in value]
    return value


async def write_capabilities(connection: AsyncConnection[Any], worker_id: int, node: Node) -> None:
    """Write what *node* offers, in the transaction that wrote its row in `worker`."""
    columns = [list(column) for column in zip(*sorted(keys_of(node, indexed)), strict=True)] or [[], [], [], []]
    parameters: dict[str, Any] = dict(zip(("kinds", "names", "values", "statuses"), columns, strict=True))
    # In one order everywhere, so that nodes that start together do not wait for each other in a circle; and in a
    # statement of its own, so that the next one sees what another node has just committed.
    new_capabilities = f"""
        INSERT INTO capability (kind, name, value, status)
        SELECT wanted.* FROM {_WANTED}
        WHERE NOT EXISTS (SELECT FROM capability AS known WHERE {_SAME})
        ORDER BY wanted.kind, wanted.name, wanted.value, wanted.status
        ON CONFLICT DO NOTHING
    """
    await connection.execute(new_capabilities, parameters)
    held = f"""
        INSERT INTO worker_capability AS old (worker, capabilities)
        SELECT %(worker)s, coalesce(array_agg(known.id ORDER BY known.id), ARRAY[]::integer[])
        FROM {_WANTED} JOIN capability AS known ON {_SAME}
        ON CONFLICT (worker) DO UPDATE SET capabilities = excluded.capabilities
        WHERE old.capabilities <> excluded.capabilities
    """
    await connection.execute(held, {**parameters, "worker": worker_id})
    load = """
        INSERT INTO worker_load (worker, role, name, active, max_concurrent)
        SELECT id, role, name, status = 'active', %(limit)s FROM node WHERE id = %(worker)s
        ON CONFLICT (worker) DO UPDATE SET role = excluded.role, name = excluded.name, active = excluded.active,
            max_concurrent = excluded.max_concurrent
    """
    await connection.execute(load, {"worker": worker_id, "limit": node.max_concurrent})


_WANTED = """
    unnest(%(kinds)s::text[], %(names)s::text[], %(values)s::text[], %(statuses)s::text[])
        AS wanted (kind, name, value, status)
"""
_SAME = "(known.kind, known.name, known.value, known.status) = (wanted.kind, wanted.name, wanted.value, wanted.status)"
