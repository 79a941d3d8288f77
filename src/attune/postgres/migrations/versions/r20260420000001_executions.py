"""Executions on a queue: attempts, classes, output."""

from attune.postgres.migrations.statements import steps

revision = "20260420000001_executions"
down_revision = "20260417000001_requests"
upgrade, downgrade = steps("procrastinate", revision, down=(f"{revision}_down", "procrastinate_down"))
