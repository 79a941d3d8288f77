"""Runs the numbered SQL files inside a revision: sent as they are, or printed as they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

# The data step that two revisions share.
UNIFY = ("reference_functions", "unify_functions", "unify_data", "drop_functions")
_FOLDER = Path(__file__).with_name("sql")


@cache
def statement_text(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def steps(*up: str, down: tuple[str, ...] | None = None) -> tuple[Callable[[], None], Callable[[], None]]:
    """What a revision calls `upgrade` and `downgrade`: the files *up*, and *down* or else the last one's `_down`."""

    def upgrade() -> None:
        run(*up)

    def downgrade() -> None:
        run(*((f"{up[-1]}_down",) if down is None else down))

    return upgrade, downgrade


def run(*names: str) -> None:
    """Run the files of these names in order, in the revision that is under way.

    Past SQLAlchemy's own reading of SQL, which would take `:name` and `%` for parameters.
    """
    from alembic import op

    context = op.get_context()
    for name in names:
        text = statement_text(name)
        if context.as_sql:
            context.impl.static_output(text)
        else:
            assert context.connection is not None
            context.connection.execution_options(no_parameters=True).exec_driver_sql(text)
