"""Tokens that open the API, and a record of who did what."""

from attune.postgres.migrations.statements import steps

revision = "20260416000001_access"
down_revision = "20260415000001_packs"
upgrade, downgrade = steps(revision)
