"""A history of what nodes gained and lost, and a generation of their capabilities."""

from attune.postgres.migrations.statements import steps

revision = "20260401000003_health"
down_revision = "20260401000002_life"
upgrade, downgrade = steps(revision)
