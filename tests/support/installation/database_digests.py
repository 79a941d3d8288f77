"""What a database holds, as one value for each table, and the rights of its functions."""

import psycopg

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r' ORDER BY 1"
DIGEST = "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {}.{} AS t"
RIGHTS = (
    "SELECT proname, proacl::text, proconfig::text FROM pg_proc WHERE pronamespace = %s::regnamespace ORDER BY 1, 2"
)


def digests(url: str, schema: str = "public") -> dict[str, object]:
    with psycopg.connect(url) as connection:
        tables = [table for (table,) in connection.execute(TABLES, [schema]).fetchall()]
        found: dict[str, object] = {
            table: connection.execute(DIGEST.format(schema, table)).fetchone() for table in tables
        }
        found["rights"] = connection.execute(RIGHTS, [schema]).fetchall()
    return found
