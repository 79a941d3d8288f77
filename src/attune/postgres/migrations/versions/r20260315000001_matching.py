"""What nodes offer, normalised, so that one query finds those that satisfy a requirement."""

from attune.postgres.migrations.statements import run

revision = "20260315000001_matching"
down_revision = "20260301000002_finish_unify"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("20260315000001_matching")


def downgrade() -> None:
    run("20260315000001_matching_down")
