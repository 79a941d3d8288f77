"""What nodes know about themselves, a history of definitions, and group roles."""

from attune.postgres.migrations.statements import steps

revision = "20260301000001_nodes"
down_revision = "20260203000001_unify_runtimes"
upgrade, downgrade = steps(
    *("records", "reference_functions", revision, "reference_indexes", "drop_functions"),
    down=("reference_functions", f"{revision}_down", "drop_functions"),
)
