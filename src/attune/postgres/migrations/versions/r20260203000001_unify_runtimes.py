"""One row for each runtime, instead of one for actions and one for sensors."""

from attune.postgres.migrations.statements import UNIFY, steps

revision = "20260203000001_unify_runtimes"
down_revision = "20250101000001_baseline"
upgrade, downgrade = steps(
    *("records", *UNIFY, revision), down=("reference_functions", "20260203000001_split_runtimes", "drop_functions")
)
