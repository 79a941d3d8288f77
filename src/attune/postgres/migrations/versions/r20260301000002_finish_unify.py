"""Finishes the unify step of databases on which another program had begun it."""

from attune.postgres.migrations.statements import UNIFY, run

revision = "20260301000002_finish_unify"
down_revision = "20260301000001_nodes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("records", *UNIFY)


def downgrade() -> None:
    """Leaves the rows united: they already fit the revision below."""
