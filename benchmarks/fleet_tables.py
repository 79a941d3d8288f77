"""A fleet written into the tables in bulk, as its nodes would have written it one by one."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from attune.core.matching.capability_keys import Key, keys_of
from attune.core.matching.fleet import Node


def fill(url: str, nodes: Sequence[Node]) -> None:
    """Write *nodes* into the empty, migrated database at *url*."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY worker (id, name, worker_type, status, capabilities) FROM STDIN") as copy:
            for node in nodes:
                copy.write_row((node.id, node.name, "local", node.status.value, "{}"))
        ids = _write_capabilities(cursor, nodes)
        with cursor.copy("COPY worker_capability (worker, capabilities) FROM STDIN") as copy:
            for node in nodes:
                copy.write_row((node.id, sorted(ids[key] for key in keys_of(node))))
        with cursor.copy("COPY worker_load (worker, role, name, active, running, max_concurrent) FROM STDIN") as copy:
            for node in nodes:
                copy.write_row((node.id, node.role, node.name, True, node.running, node.max_concurrent))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _write_capabilities(cursor: psycopg.Cursor[tuple[object, ...]], nodes: Sequence[Node]) -> dict[Key, int]:
    keys = sorted({key for node in nodes for key in keys_of(node)})
    with cursor.copy("COPY capability (kind, name, value, status) FROM STDIN") as copy:
        for key in keys:
            copy.write_row(key)
    cursor.execute("SELECT id, kind, name, value, status FROM capability")
    return {Key(*map(str, key)): int(str(number)) for number, *key in cursor.fetchall()}
