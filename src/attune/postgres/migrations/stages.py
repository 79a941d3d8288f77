"""The stages that a database can be found in: empty, ours, an earlier installation's, newer, or somebody else's."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from attune.core.errors import DatabaseError
from attune.postgres.migrations.revisions import BASELINE, NAMES, REVISIONS, UNIFIED, statement_text

Origin: TypeAlias = str
"""Who made a database: empty, attune, upstream and its later stages, hand-built or foreign."""

LAST_SQL_MIGRATION_BEFORE_UNIFY = 20260202000001

EXPECTED: dict[str, str] = {
    "pack": "id ref label description version conf_schema config meta tags runtime_deps is_standard created updated",
    "runtime": "id ref pack pack_ref description name distributions installation created updated",
    "worker": "id name worker_type worker_role runtime host port status capabilities meta last_heartbeat"
    " created updated",
    "trigger": "id ref pack pack_ref label description enabled param_schema out_schema created updated webhook_enabled"
    " webhook_key webhook_config is_adhoc",
    "sensor": "id ref pack pack_ref label description entrypoint runtime runtime_ref trigger trigger_ref enabled"
    " param_schema config created updated",
    "event": "id trigger trigger_ref config payload source source_ref created updated rule rule_ref",
    "rule": "id ref pack pack_ref label description action action_ref trigger trigger_ref conditions action_params"
    " trigger_params enabled created updated is_adhoc",
    "enforcement": "id rule rule_ref trigger_ref config event status payload condition conditions created updated",
    "action": "id ref pack pack_ref label description entrypoint runtime param_schema out_schema created updated"
    " is_workflow workflow_def is_adhoc",
    "execution": "id action action_ref config parent enforcement executor status result created updated workflow_task",
}
# Later steps of the earlier installation changed tables that no revision of ours touches.
_EXPECTED_UNIFIED: dict[str, str] = {
    "pack": "id ref runtime_deps",
    "runtime": EXPECTED["runtime"],
    "worker": EXPECTED["worker"],
    "action": "id ref runtime",
    "sensor": "id ref runtime runtime_ref",
    "trigger": "id ref",
}
_REVISION = re.compile(r"20[0-9]{12}_[a-z0-9_]+")
_TELLING = frozenset({"id", "ref", "name", "distributions"})
# What the steps of the earlier installation between February and June 2026 added, one by one.
_BETWEEN = {
    "action": {"parameter_delivery", "timeout_seconds"},
    "execution": {"worker", "started_at", "env_vars"},
    "runtime": {"aliases", "execution_config"},
}
_STAGES: dict[str, str] = {
    "upstream": "February 2026, before its runtimes were united",
    "upstream-unified": "February 2026, its runtimes united",
    "upstream-between": "between February and June 2026",
    "upstream-june": "June 2026",
}
# What only later ones have, as tables or columns; a table that is partitioned or a hypertable says so too.
NEWER = {"table pack_release": "pack_release", "table audit_event": "audit_event", "action.enabled": "action.enabled"}
_OWN_SCHEMA = "give Attune a schema of its own: ATTUNE__DATABASE__SCHEMA=attune (the setting database.schema)"


@cache
def own_tables() -> frozenset[str]:
    """The tables that the revisions make beside those of the earlier installation."""
    text = "\n".join(statement_text(name) for revision in REVISIONS for name in revision.up)
    made = frozenset(re.findall(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)", text, re.MULTILINE))
    return frozenset(name for name in made - EXPECTED.keys() if not name.startswith("attune_"))


@dataclass(frozen=True, slots=True)
class DatabaseSurvey:
    """What the current schema of a database holds, as far as migrations care.

    `sql_migrations` are the earlier installation's, version -> success; another program's are left out. `newer` names
    what only later ones than this version of Attune knows have; `makes_schema` says that the schema is to be made.
    """

    schema: str
    tables: Mapping[str, frozenset[str]]
    revisions: tuple[str, ...]
    sql_migrations: Mapping[int, bool]
    elsewhere: str | None
    newer: tuple[str, ...] = ()
    makes_schema: bool = False

    @property
    def origin(self) -> Origin:
        """Who made this database."""
        if self.revisions:
            return "attune" if {*self.revisions} <= {*NAMES} else "foreign"
        if not self.tables.keys() & EXPECTED.keys() and not self.sql_migrations:
            return "empty"
        if not self.sql_migrations and not self.columns("runtime") >= _TELLING:
            return "foreign"
        if self.newer:
            return "upstream-newer"
        return self._stage if self.sql_migrations else "hand-built"

    def columns(self, table: str) -> frozenset[str]:
        """The columns of *table*, none where there is no such table."""
        return self.tables.get(table, frozenset())

    @property
    def _unified(self) -> bool:
        return bool(self.columns("runtime")) and "runtime_type" not in self.columns("runtime")

    @property
    def _stage(self) -> Origin:
        if not self._unified:
            return "upstream"
        if "sensor" in self.columns("trigger") or "trigger" not in self.columns("sensor"):
            return "upstream-june"
        later = any(self.columns(table) & columns for table, columns in _BETWEEN.items())
        return "upstream-between" if later else "upstream-unified"

    @property
    def adopts(self) -> str | None:
        """The revision at which a database that is not ours yet stands; None if there is nothing to adopt."""
        if self.origin in ("empty", "attune", "foreign", "upstream-newer"):
            return None
        return UNIFIED if self._unified else BASELINE

    @property
    def reached(self) -> str | None:
        """The revision from which an upgrade goes on, None for the beginning."""
        return self.revisions[0] if self.revisions else self.adopts

    def missing(self) -> list[str]:
        """The tables and columns that the revision to adopt has and this database lacks."""
        missing = []
        for table, columns in (_EXPECTED_UNIFIED if self._unified else EXPECTED).items():
            if table not in self.tables:
                missing.append(f"table {table}")
            else:
                missing += [f"column {table}.{c}" for c in columns.split() if c not in self.tables[table]]
        return missing

    def finding(self) -> DatabaseError | None:
        """What stands between this database and this version of Attune, and the way out; None where nothing does."""
        if problem := self.problem():
            return problem
        if self.origin == "empty":
            others = sorted(self.tables.keys() - {"_sqlx_migrations", "alembic_version"})
            beside = f"; schema {self.schema} has tables of another application: {_listed(others)}" if others else ""
            return DatabaseError(f"the database is empty{beside}", hint=_OWN_SCHEMA if others else "attune db migrate")
        if self.adopts is not None:
            how = ", built by hand" if self.origin == "hand-built" else ""
            return DatabaseError(
                f"the database is of an earlier installation, stage {_STAGES[self._stage]}{how}; it is not adopted yet",
                hint="keep a dump of it, then: attune db migrate --report FILE (or attune up --adopt)",
            )
        if pending := NAMES[NAMES.index(self.revisions[0]) + 1 :]:
            many = f"{len(pending)} migrations, {pending[0]} to {pending[-1]}"
            lacking = many if len(pending) > 1 else f"the migration {pending[0]}"
            return DatabaseError(f"the database lacks {lacking}", hint="attune db migrate")
        return None

    def problem(self) -> DatabaseError | None:
        """Why this database cannot be migrated, and what to do; None where it can."""
        if self.elsewhere and not self.revisions and "runtime" not in self.tables:
            return DatabaseError(
                f"expected the Attune tables in schema {self.schema}, the first on the search path,"
                f" got them in schema {self.elsewhere}",
                hint=f"put that schema first: ALTER ROLE … SET search_path = {self.elsewhere}, {self.schema}",
            )
        if self.origin == "foreign":
            return self._foreign()
        if self.origin == "upstream-newer":
            return DatabaseError(
                f"the database is of an earlier installation newer than June 2026: it has {_listed(self.newer)}",
                hint="stages up to June 2026 can be adopted; nothing was changed",
            )
        if not self.revisions and (taken := sorted(self.tables.keys() & own_tables())):
            whose = "another application's Procrastinate" if taken[0].startswith("procrastinate") else "other tables"
            return DatabaseError(
                f"expected schema {self.schema} without Attune's tables, got {whose} in it: {_listed(taken)}",
                hint=_OWN_SCHEMA if self.origin == "empty" else "move those tables to another schema",
            )
        if self.adopts is None:
            return None
        failed = sorted(version for version, success in self.sql_migrations.items() if not success)
        if failed:
            return DatabaseError(
                f"expected every migration in _sqlx_migrations to have succeeded, got a failed one: {failed[0]}",
                hint="repair and finish that migration with the installation that began it, then migrate again",
            )
        if missing := self.missing():
            return DatabaseError(
                f"expected a complete earlier Attune schema, got one that lacks {', '.join(missing)}",
                hint=f"finish the earlier installation's migrations up to {LAST_SQL_MIGRATION_BEFORE_UNIFY} first",
            )
        return None

    def _foreign(self) -> DatabaseError:
        if self.revisions:
            if _REVISION.fullmatch(max(self.revisions)):
                return DatabaseError(
                    f"the database is of a newer Attune: it is at {max(self.revisions)}, this one knows {NAMES[-1]}",
                    hint="use that version of Attune, or a database of its own for this one",
                )
            return DatabaseError(
                f"expected a revision of Attune in table alembic_version, got {', '.join(self.revisions)}",
                hint=f"another application made it: {_OWN_SCHEMA}",
            )
        tables = ", ".join(sorted(self.tables.keys() & EXPECTED.keys()))
        return DatabaseError(
            f"expected an empty or an Attune database, got other tables under Attune's names in schema"
            f" {self.schema}: {tables}",
            hint=f"{_OWN_SCHEMA}; nothing was changed",
        )


def _listed(names: Iterable[str]) -> str:
    first, more = [*names][:5], len([*names]) - 5
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")
