"""What an action needs of the node that runs it."""

from attune.postgres.migrations.statements import steps

revision = "20260316000001_action_requires"
down_revision = "20260315000001_matching"
upgrade, downgrade = steps(revision)
