"""Nodes as every reader sees them: one view of role, status and what follows from it."""

from attune.postgres.migrations.statements import run

revision = "20260422000001_node_view"
down_revision = "20260421000001_sensing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("20260422000001_node_view")


def downgrade() -> None:
    run("20260422000001_node_view_down")
