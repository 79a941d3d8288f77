"""What the API asks of a node, and the changes that its stream tells."""

from attune.postgres.migrations.statements import run

revision = "20260417000001_requests"
down_revision = "20260416000001_access"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("20260417000001_requests")


def downgrade() -> None:
    run("20260417000001_requests_down")
