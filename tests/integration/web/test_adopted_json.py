"""Whatever JSON an earlier installation has left in its columns, every list, every item and every page can be read."""

from __future__ import annotations

import json
import random
import re

import psycopg
import pytest
from psycopg import sql

from api_document import is_endless, operations
from attune.core.access.tokens import Scope
from attune.postgres.migrations.run import upgrade
from effort import is_soak
from page_reading import session_of
from schema_dump import HERE
from web_client import Api, with_api

# Only jsonb that they wrote: what Attune itself writes has its shape by the statement that writes it.
COLUMNS = {
    "pack": "conf_schema config meta",
    "runtime": "distributions installation",
    "worker": "capabilities meta",
    "trigger": "param_schema out_schema webhook_config",
    "sensor": "param_schema config",
    "event": "config payload",
    "rule": "conditions action_params trigger_params",
    "enforcement": "config payload conditions",
    "action": "param_schema out_schema",
    "execution": "config result workflow_task",
}
# These are lists by a check of the table, of anything.
LISTS = (
    *(("action", column) for column in ("requires", "prefers", "interpreter_args")),
    *(("sensor", column) for column in ("requires", "interpreter_args")),
)
LEAVES = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**20,
    "",
    "x",
    "{{ payload.a }}",
    "\u20ac\U0001f600",
    [],
    {},
    [[]],
    [None],
    {"a": None},
)
KEYS = (
    *(
        "properties",
        "required",
        "default",
        "type",
        "secret",
        "verification",
        "commands",
        "binary",
        "args",
        "aliases",
        "roles",
    ),
    *(
        "runtimes",
        "runtime_versions",
        "labels",
        "pid",
        "was",
        "field",
        "operator",
        "value",
        "reason",
        "start",
        "every",
        "a",
    ),
)


def value(chance: random.Random, depth: int = 3) -> object:
    kind = chance.random()
    if depth == 0 or kind < 0.4:
        return chance.choice(LEAVES)
    if kind < 0.6:
        return [value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {key: value(chance, depth - 1) for key in chance.sample(KEYS, chance.randrange(6))}


def scatter(url: str, chance: random.Random) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for table, columns in COLUMNS.items():
            for (row,) in connection.execute(sql.SQL("SELECT id FROM {}").format(sql.Identifier(table))).fetchall():
                for column in columns.split():
                    change = sql.SQL("UPDATE {} SET {} = %s WHERE id = %s").format(
                        *map(sql.Identifier, (table, column))
                    )
                    connection.execute(change, (json.dumps(value(chance)), row))
        for table, column in LISTS:
            change = sql.SQL("UPDATE {} SET {} = %s").format(*map(sql.Identifier, (table, column)))
            connection.execute(change, (json.dumps([value(chance), value(chance)]),))
        for table in ("event", "execution", "runtime", "action", "pack"):
            time = chance.choice(("infinity", "-infinity", "20000-01-01", "0044-03-15 BC"))
            connection.execute(sql.SQL("UPDATE {} SET created = %s").format(sql.Identifier(table)), (time,))


async def read_everything(api: Api) -> int:
    session = await session_of(api)
    headers = {"Cookie": f"attune_session={session}"}
    seen: set[str] = set()
    broken = []
    left = ["/", "/activity", "/match?needs=python", "/packs", "/actions", "/rules", "/triggers", "/events", "/sensors"]
    for operation in operations():
        if operation.method == "GET" and not is_endless(operation):
            left += [operation.path] if "{" not in operation.path else [operation.filled(key) for key in KEYS_OF_ROWS]
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        own = api.as_(Scope.ADMIN) if path.startswith("/api") else headers | {"Accept": "text/html"}
        answer = await api.http.get(path, headers=own)
        if answer.status_code >= 500:
            broken.append(f"{path}: {answer.status_code}")
        if "html" in answer.headers.get("content-type", ""):
            left += [
                link.replace("&amp;", "&")
                for link in re.findall(r'href="(/[^"#]*)"', answer.text)
                if "logout" not in link
            ]
    assert broken == [], "\n".join(broken)
    return len(seen)


KEYS_OF_ROWS = ("1", "2", "core.python", "acme", "acme.deploy", "acme.rule", "acme.found", "acme.watch")


@pytest.mark.parametrize("seed", range(80 if is_soak() else 3))
def test_any_json_in_any_column_and_any_time_can_be_read(blank_database: str, seed: int) -> None:
    with psycopg.connect(blank_database, autocommit=True) as connection:
        for name in ("legacy_schema", "june_schema", "june_rows"):
            connection.execute((HERE / f"{name}.sql").read_bytes())
    upgrade(blank_database)
    scatter(blank_database, random.Random(seed))

    async def check(api: Api) -> None:
        assert await read_everything(api) > 60

    with_api(blank_database, check)
