"""Tokens that open the API, and a record of who did what."""

from attune.postgres.migrations.statements import run

revision = "20260416000001_access"
down_revision = "20260415000001_packs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("20260416000001_access")


def downgrade() -> None:
    run("20260416000001_access_down")
