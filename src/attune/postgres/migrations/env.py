"""The environment that Alembic loads for every run: with a connection it migrates, without one it prints."""

from alembic import context

from attune.postgres.migrations.session import LOCK_SQL, SETTINGS


def _migrate() -> None:
    attributes = context.config.attributes
    connection = attributes.get("connection")
    if connection is not None:
        context.configure(connection=connection, on_version_apply=attributes.get("on_version_apply"))
        context.run_migrations()
        return
    context.configure(url="postgresql+psycopg://", output_buffer=context.config.output_buffer)
    with context.begin_transaction():
        for statement in (*SETTINGS, LOCK_SQL, *attributes.get("preamble", ())):
            context.get_context().impl.static_output(f"{statement};")
        context.run_migrations()


_migrate()
