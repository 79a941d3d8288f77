"""Nodes as every reader sees them: one view of role, status and what follows from it."""

from attune.postgres.migrations.statements import steps

revision = "20260422000001_node_view"
down_revision = "20260421000001_sensing"
upgrade, downgrade = steps(revision)
