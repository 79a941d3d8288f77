"""A database's schema as sorted lines, without what may differ between equal schemas: column order and comments."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[2] / "migration"  # where the schema and rows of an earlier installation lie

_QUERY = """
WITH space AS (SELECT current_schema()::regnamespace AS oid)
SELECT format('column %s.%s %s%s default %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN ' not null' END, coalesce(pg_get_expr(d.adbin, d.adrelid), '-'))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum, space
WHERE c.relnamespace = space.oid AND c.relkind IN ('r', 'v', 'm', 'S')
UNION ALL
SELECT format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(c.oid))
FROM pg_constraint c, space WHERE connamespace = space.oid AND contype <> 'n'
UNION ALL
SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = current_schema()
UNION ALL
SELECT 'trigger ' || pg_get_triggerdef(t.oid) || t.tgenabled::text
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid, space
WHERE NOT tgisinternal AND c.relnamespace = space.oid
UNION ALL
SELECT format('function %s returns %s', p.oid::regprocedure, pg_get_function_result(p.oid)) FROM pg_proc p, space
WHERE pronamespace = space.oid
UNION ALL
SELECT format('enum %s: %s', t.typname, (SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum
    WHERE enumtypid = t.oid)) FROM pg_type t, space WHERE typtype = 'e' AND typnamespace = space.oid
UNION ALL
SELECT format('%s %s options %s rights %s', relkind, relname, reloptions,
    (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM aclexplode(relacl) x WHERE x.grantee <> relowner))
FROM pg_class, space WHERE relnamespace = space.oid AND relkind IN ('r', 'S')
"""


def schema_of(database: Any, *, without: str = "_sqlx_migrations") -> list[str]:
    """Every object of the current schema, one line each; objects whose line has *without* are left out."""
    schema = database.value("SELECT current_schema()")
    lines = (re.sub(rf"(?<!')\b{schema}\.", "", line) for (line,) in database.query(_QUERY))
    return sorted(line for line in lines if without not in line)


def rows_of(database: Any, *tables: str) -> dict[str, list[Any]]:
    """Every row of *tables* as JSON, ordered."""
    return {t: [r for (r,) in database.query(f"SELECT to_jsonb(t) FROM {t} AS t ORDER BY t::text")] for t in tables}
