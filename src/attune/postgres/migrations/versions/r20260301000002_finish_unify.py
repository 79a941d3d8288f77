"""Finishes the unify step of databases on which another program had begun it."""

from attune.postgres.migrations.statements import UNIFY, steps

revision = "20260301000002_finish_unify"
down_revision = "20260301000001_nodes"
upgrade, downgrade = steps("records", *UNIFY, down=())  # the rows stay united: they fit the revision below
