"""Packs with their files, and what actions and sensors say of how they run."""

from attune.postgres.migrations.statements import run

revision = "20260415000001_packs"
down_revision = "20260401000003_health"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("20260415000001_packs")


def downgrade() -> None:
    run("20260415000001_packs_down")
