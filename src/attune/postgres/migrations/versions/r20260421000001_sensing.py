"""Which node runs which sensor, and what its timers remember."""

from attune.postgres.migrations.statements import steps

revision = "20260421000001_sensing"
down_revision = "20260420000001_executions"
upgrade, downgrade = steps(revision)
