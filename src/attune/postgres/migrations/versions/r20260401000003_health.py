"""A history of what nodes gained and lost, and a generation of their capabilities."""

from attune.postgres.migrations.statements import run

revision = "20260401000003_health"
down_revision = "20260401000002_life"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("20260401000003_health")


def downgrade() -> None:
    run("20260401000003_health_down")
