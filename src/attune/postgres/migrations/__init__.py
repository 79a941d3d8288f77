"""The history of the database's schema, and what moves a database along it.

Revisions are numbered SQL (`sql/`) that Alembic walks through; nothing here needs an `alembic.ini`. A database
made by the earlier SQL migrations is recognised and adopted where it stands.
"""

from attune.postgres.migrations.run import (
    MigrationReport,
    MigrationState,
    UnifyCounts,
    downgrade,
    state,
    upgrade,
    upgrade_sql,
)

__all__ = ["MigrationReport", "MigrationState", "UnifyCounts", "downgrade", "state", "upgrade", "upgrade_sql"]
