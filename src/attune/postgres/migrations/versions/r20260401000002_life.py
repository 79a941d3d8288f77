"""Who looks for overdue nodes, and when somebody last did."""

from attune.postgres.migrations.statements import run

revision = "20260401000002_life"
down_revision = "20260316000001_action_requires"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("20260401000002_life")


def downgrade() -> None:
    from alembic import op

    op.execute("DROP TABLE fleet_watch")
