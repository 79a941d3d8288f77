"""What nodes offer, normalised, so that one query finds those that satisfy a requirement."""

from attune.postgres.migrations.statements import steps

revision = "20260315000001_matching"
down_revision = "20260301000002_finish_unify"
upgrade, downgrade = steps(revision)
