"""The schema of existing installations, before their runtimes were unified."""

from attune.core.errors import DatabaseError
from attune.postgres.migrations.statements import run

revision = "20250101000001_baseline"
down_revision = None


def upgrade() -> None:
    run("20250101000001_baseline", "reference_indexes")


def downgrade() -> None:
    raise DatabaseError(
        "expected a revision to go down to, got the state before the first one, which would delete every table",
        hint="to start over, drop the database or the schema",
    )
