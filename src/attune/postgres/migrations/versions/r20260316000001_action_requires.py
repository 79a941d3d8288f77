"""What an action needs of the node that runs it."""

from attune.postgres.migrations.statements import run

revision = "20260316000001_action_requires"
down_revision = "20260315000001_matching"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("20260316000001_action_requires")


def downgrade() -> None:
    run("20260316000001_action_requires_down")
