"""Which node runs which sensor, and what its timers remember."""

from attune.postgres.migrations.statements import run

revision = "20260421000001_sensing"
down_revision = "20260420000001_executions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("20260421000001_sensing")


def downgrade() -> None:
    run("20260421000001_sensing_down")
