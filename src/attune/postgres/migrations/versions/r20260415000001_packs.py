"""Packs with their files, and what actions and sensors say of how they run."""

from attune.postgres.migrations.statements import steps

revision = "20260415000001_packs"
down_revision = "20260401000003_health"
upgrade, downgrade = steps(revision)
