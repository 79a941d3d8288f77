"""One row for each runtime, instead of one for actions and one for sensors."""

from attune.postgres.migrations.statements import UNIFY, run

revision = "20260203000001_unify_runtimes"
down_revision = "20250101000001_baseline"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("records", *UNIFY, "20260203000001_unify_runtimes")


def downgrade() -> None:
    run("reference_functions", "20260203000001_split_runtimes", "drop_functions")
