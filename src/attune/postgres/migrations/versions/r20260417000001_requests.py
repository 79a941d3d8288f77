"""What the API asks of a node, and the changes that its stream tells."""

from attune.postgres.migrations.statements import steps

revision = "20260417000001_requests"
down_revision = "20260416000001_access"
upgrade, downgrade = steps(revision)
