"""Who looks for overdue nodes, and when somebody last did."""

from attune.postgres.migrations.statements import steps

revision = "20260401000002_life"
down_revision = "20260316000001_action_requires"
upgrade, downgrade = steps(revision)
