"""What `attune doctor` looks at: port, database, key of secrets, and how this host protects itself."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

from attune.cli.installation.findings import OK, PROBLEM, WARNING, DoctorFinding
from attune.cli.installation.up import is_chosen
from attune.cli.session import ask
from attune.composition.secrets import key_problem
from attune.config import Settings
from attune.config.settings import ApiSettings
from attune.core.durations import coarse
from attune.core.errors import UsageError
from attune.core.ports.installation import RetentionStore

_SECONDS = 3
_BEHIND_SECONDS, _MOST_COUNTED = 3600.0, 1000


def check_port(settings: Settings) -> Iterator[DoctorFinding]:
    from attune.web.server import listen

    address = f"{settings.api.host}:{settings.api.port}"
    try:
        listen(settings.api.host, settings.api.port).close()
    except UsageError as error:
        alive = _answer(settings.api, "/healthz")
        if alive == (200, b'{"status":"ok"}'):
            yield _readiness(settings.api, address)
            return
        with listen(settings.api.host, settings.api.port, tries=100) as other:
            free = other.getsockname()[1]
        text = f"another program listens on {address}, or it is no address of this machine: {error}"
        if alive is None:
            text = f"another program listens on {address}, or an API that hangs: it says nothing for {_SECONDS} s"
        level = PROBLEM if is_chosen(settings) else WARNING
        yield DoctorFinding(level, "port", text, f"ATTUNE__API__PORT={free} attune up")
    else:
        yield DoctorFinding(OK, "port", f"{address} is free")


def _readiness(api: ApiSettings, address: str) -> DoctorFinding:
    code, said = _answer(api, "/readyz") or (0, b"")
    if code == 200:
        return DoctorFinding(OK, "port", f"an API of Attune listens on {address}")
    why = json.loads(said).get("detail") if code == 503 else f"within {_SECONDS} s it says nothing at /readyz"
    text = f"the API on {address} is not ready: {why}"
    return DoctorFinding(PROBLEM, "port", text, "see what that process logs, and give it its database back")


def _answer(api: ApiSettings, path: str) -> tuple[int, bytes] | None:
    """Status and body of the answer; None where nothing is said in time, status 0 for what is no HTTP."""
    connection = HTTPConnection(api.host, api.port, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(2000)
    except TimeoutError:
        return None
    except (OSError, HTTPException):
        return 0, b""
    finally:
        connection.close()


def check_apis(settings: Settings) -> Iterator[DoctorFinding]:
    silent = ask(lambda installation: installation.silent_apis(settings.heartbeat.stale_after), settings)
    for api, age in silent.items():
        yield DoctorFinding(PROBLEM, "api", f"{api}, was not heard of for {coarse(age)}", "attune api start")


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


def check_retention(settings: Settings) -> Iterator[DoctorFinding]:
    behind = ask(lambda installation: _behind(installation.retention), settings)
    for kind, count in behind.items():
        more = "at least " if count == _MOST_COUNTED else ""
        text = f"{more}{count:,} {kind.replace('_', ' ')} expired over an hour ago, and nobody has removed them"
        yield DoctorFinding(WARNING, "retention", text, "attune db retention --apply")


async def _behind(store: RetentionStore | None) -> dict[str, int]:
    found = await store.retained({}, _BEHIND_SECONDS, _MOST_COUNTED) if store is not None else ()
    return {one.kind: one.expired for one in found if one.expired}


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
