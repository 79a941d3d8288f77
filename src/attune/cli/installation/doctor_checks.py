"""What `attune doctor` looks at: port, database, key of secrets, and how this host protects itself."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

from attune.cli.installation.findings import OK, PROBLEM, WARNING, DoctorFinding
from attune.cli.installation.up import is_chosen
from attune.composition.secrets import key_problem
from attune.config import Settings
from attune.core.errors import UsageError


def check_port(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.web.server import listen

    address = f"{settings.api.host}:{settings.api.port}"
    try:
        listen(settings.api.host, settings.api.port).close()
    except UsageError as error:
        if _is_attune(settings.api.host, settings.api.port):
            yield DoctorFinding(OK, "port", f"an API of Attune listens on {address}")
            return
        with listen(settings.api.host, settings.api.port, tries=100) as other:
            free = other.getsockname()[1]
        text = f"another program listens on {address}, or it is no address of this machine: {error}"
        level = PROBLEM if is_chosen(settings) else WARNING
        yield DoctorFinding(level, "port", text, f"ATTUNE__API__PORT={free} attune up")
    else:
        yield DoctorFinding(OK, "port", f"{address} is free")


def _is_attune(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().read(100) == b'{"status":"ok"}'
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def check_database(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.composition.databases import embedded_server, has_database, is_remote, migration_state, use_database

    if is_remote(settings):
        yield DoctorFinding(OK, "database", f"none: commands talk to the API at {settings.api.url}")
        return
    if not settings.database.url:
        embedded_server(settings).require_usable()
    if not has_database(settings):
        yield DoctorFinding(WARNING, "database", "none is configured and the embedded one has no data yet", "attune up")
        return
    with use_database(settings) as database:
        schema = migration_state(database.url)
        schema.require_newest()
        yield DoctorFinding(OK, "database", f"{database.shown}, revision {schema.current}")


def check_secrets(settings: Settings) -> Iterator[DoctorFinding]:
    if found := key_problem(settings):
        yield DoctorFinding(PROBLEM, "secrets", *found)


def check_protections(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.composition.host_examiner import host_protections

    for protection in host_protections(settings):
        if protection.problem:
            yield DoctorFinding(WARNING, protection.name, protection.problem, protection.remedy)
        else:
            yield DoctorFinding(OK, protection.name, protection.does)
