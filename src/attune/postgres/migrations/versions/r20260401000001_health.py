"""A history of what nodes gained and lost, and a generation of their capabilities."""

from attune.postgres.migrations.statements import run

revision = "20260401000001_health"
down_revision = "20260301000002_finish_unify"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("20260401000001_health")


def downgrade() -> None:
    run("20260401000001_health_down")
