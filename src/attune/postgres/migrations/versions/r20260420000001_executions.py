"""Executions on a queue: attempts, classes, output."""

from attune.postgres.migrations.statements import run

revision = "20260420000001_executions"
down_revision = "20260417000001_requests"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("procrastinate", "20260420000001_executions")


def downgrade() -> None:
    run("20260420000001_executions_down", "procrastinate_down")
