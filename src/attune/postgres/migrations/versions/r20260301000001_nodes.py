"""What nodes know about themselves, a history of definitions, and group roles."""

from attune.postgres.migrations.statements import run

revision = "20260301000001_nodes"
down_revision = "20260203000001_unify_runtimes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("records", "reference_functions", "20260301000001_nodes", "reference_indexes", "drop_functions")


def downgrade() -> None:
    run("reference_functions", "20260301000001_nodes_down", "drop_functions")
