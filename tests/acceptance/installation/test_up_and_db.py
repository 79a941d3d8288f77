"""`attune up`, `attune db …` and `attune doctor`."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from command_hosts import Machine, free_port
from waiting import wait_for

SEED_INSERT = """
INSERT INTO runtime (ref, pack, pack_ref, name, distributions)
VALUES (
'core.ruby',
(SELECT id FROM pack WHERE ref = 'core'),
'core',
'Ruby',
jsonb_build_object(
'verification', jsonb_build_object(
'commands', jsonb_build_array(
jsonb_build_object(
'binary', 'ruby',
'args', jsonb_build_array('--version'),
'exit_code', 0,
'pattern', 'ruby \\d+\\.\\d+',
'priority', 1
)
)
)
)
);
"""
SEED_UPDATE = """
UPDATE runtime
SET distributions = jsonb_set(
distributions,
'{verification,commands,0,binary}',
'"python3.11"'
)
WHERE ref = 'core.python';
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.command("python3", "Python 3.11.7")
    made.variables["ATTUNE__HEARTBEAT__INTERVAL"] = "0.2s"
    return made


def wait_for_text(log: Path, text: str, seconds: float = 100) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = log.read_text() if log.exists() else ""
        if text in found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {text!r} in:\n{log.read_text()}")


def test_up_shows_a_newcomer_an_event_that_becomes_an_execution(machine: Machine, tmp_path: Path) -> None:
    process = machine.start("up", log=tmp_path / "up.log", ATTUNE__DEMO="true")
    try:
        wait_for_text(tmp_path / "up.log", "attune is up")
        found = wait_for(lambda: json.loads(machine.attune("event", "list", "--json").stdout))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    (followed,) = found[-1]["enforcements"]

    assert (found[-1]["source_ref"], followed["rule_ref"]) == ("demo.clock", "demo.greet")
    assert followed["execution"] == 1


@pytest.mark.usefixtures("installed")
def test_up_registers_both_services_until_interrupted_and_the_seeds_sql_works(machine: Machine, tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    process = machine.start("up", log=log)
    try:
        wait_for_text(log, "attune is up")
        workers = json.loads(machine.attune("worker", "list", "--json").stdout)
        sensors = json.loads(machine.attune("sensor", "list", "--json").stdout)
        assert [(one["status"], one["capabilities"]["runtimes"]) for one in workers] == [
            ("active", ["native", "python", "shell"])
        ]
        assert [(one["status"], one["capabilities"]["runtimes"]) for one in sensors] == [
            ("active", ["native", "python", "builtin", "shell"])
        ]

        refs = machine.attune("db", "shell", "-Atc", "SELECT ref, name FROM runtime ORDER BY ref")
        assert [line.split("|")[0] for line in refs.stdout.splitlines()] == [
            "core.native",
            "core.nodejs",
            "core.python",
            "core.sensor.builtin",
            "core.shell",
        ]
        for statement in (SEED_INSERT, SEED_UPDATE):
            done = machine.attune("db", "shell", "-v", "ON_ERROR_STOP=1", "-c", statement)
            assert done.returncode == 0, done.stderr
        named = machine.attune("db", "shell", "-Atc", "SELECT name, capabilities->'runtimes' FROM worker ORDER BY id")
        assert '["native", "python", "shell"]' in named.stdout
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "attune is down" in log.read_text()

    machine.command("ruby", "ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux-gnu]")
    machine.command("python3.11", "Python 3.11.9")
    restarted = machine.start("worker", "start", log=log)
    try:
        text = wait_for_text(log, '"ruby"')
        assert "✓ Runtime available: Ruby (core.ruby)" in text
        shown = json.loads(machine.attune("worker", "show", f"worker-{os.uname().nodename}", "--json").stdout)
        assert shown["capabilities"]["runtime_versions"]["python"] == ["3.11.9"]
    finally:
        restarted.terminate()
        assert restarted.wait(60) == 0


@pytest.mark.usefixtures("installed")
def test_up_survives_the_death_of_its_server(machine: Machine, tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    process = machine.start("up", log=log)
    try:
        wait_for_text(log, "attune is up")
        pid = int((machine.folder / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        for node in ("worker", "sensor"):
            wait_for_text(log, f"heartbeats work again failed=1 node={node}")
            listed = json.loads(machine.attune(node, "list", "--json").stdout)
            assert [one["status"] for one in listed] == ["active"]
    finally:
        process.terminate()
        assert process.wait(60) == 0


READS = (
    ("worker", "list"),
    ("sensor", "show", "s1"),
    ("match", "python"),
    ("execution", "list"),
    ("action", "list"),
    ("runtime", "list"),
    ("pack", "list"),
    ("rule", "list"),
    ("trigger", "list"),
    ("event", "list"),
    ("token", "list"),
    ("db", "url"),
    ("db", "status"),
    ("db", "check"),
    ("db", "shell", "-c", "SELECT 1"),
    ("worker", "start"),
    ("sensor", "start"),
    ("api", "start"),
)


def test_reads_create_nothing_and_say_how_to_begin(machine: Machine) -> None:
    for command in READS:
        done = machine.attune(*command)
        said = f"attune: nothing here yet: {machine.folder / 'data'} has no database\ntry: attune up\n"
        assert (command, done.returncode, done.stderr) == (command, 1, said)
    assert machine.attune("db", "migrate", "--sql").stdout.startswith("BEGIN;")
    assert machine.attune("detect", "--only", "python").returncode == 0
    assert machine.attune("doctor").returncode == 0
    assert not (machine.folder / "data" / "postgres").exists()


@pytest.mark.usefixtures("on_database")
def test_doctor_finds_problems_and_their_remedies(machine: Machine) -> None:
    machine.attune("db", "shell", "-c", "UPDATE runtime SET distributions = '[]' WHERE ref = 'core.python'")
    done = machine.attune("doctor")

    assert done.returncode == 1
    assert "core.python is invalid: distributions: expected an object, got []" in done.stdout
    assert "try: attune runtime check core.python" in done.stdout


def findings(machine: Machine, subject: str, **environment: str) -> list[tuple[str, str, str | None]]:
    done = machine.attune("doctor", "--json", **environment)
    found = json.loads(done.stdout)
    assert done.returncode == any(one["level"] == "problem" for one in found)
    return [(one["level"], one["text"], one["remedy"]) for one in found if one["subject"] == subject]


def test_doctor_says_before_up_fails_why_the_data_folder_cannot_be_used(machine: Machine) -> None:
    data = machine.folder / "data"
    data.touch()
    ((level, text, remedy),) = findings(machine, "database")
    assert (level, text) == ("problem", f"expected {data} to be a folder, found a file")
    assert text in machine.attune("up").stderr
    data.unlink()

    (data / "postgres").mkdir(parents=True, mode=0o700)
    (data / "postgres" / "base").mkdir()
    ((level, text, remedy),) = findings(machine, "database")
    assert (level, "found a folder without a valid PG_VERSION" in text) == ("problem", True)
    assert "restore it from a backup" in (remedy or "")


@pytest.mark.usefixtures("on_database")
def test_doctor_finds_a_dead_fleet_waiting_work_and_what_nobody_can_offer(machine: Machine) -> None:
    (machine.folder / "bare.yaml").write_text("ref: acme.bare\nname: Bare\n")
    machine.attune("runtime", "add", str(machine.folder / "bare.yaml"))
    ask = (
        "INSERT INTO execution (action_ref, requirement, queue, policy, status)"
        " VALUES ('a.b', 'gpu', 'cap-1', 'wait', 'requested')"
    )
    assert machine.attune("db", "shell", "-v", "ON_ERROR_STOP=1", "-c", ask).returncode == 0

    assert findings(machine, "workers") == [
        ("problem", "no worker lives: none has registered yet", "attune worker start")
    ]
    ((level, text, remedy),) = findings(machine, "work")
    assert (level, text.partition(";")[0]) == ("problem", "an execution waits, for no live worker can run it")
    assert machine.attune(*(remedy or "").split()[1:]).returncode == 0
    assert findings(machine, "definitions")[0] == (
        "problem",
        "acme.bare has no verification command, so no node offers it",
        "attune runtime check acme.bare",
    )
    declared = findings(machine, "worker", ATTUNE_WORKER_RUNTIMES="pyton,shell")
    assert declared[1][:2] == ("problem", "pyton is declared, and no definition is called that, did you mean python?")

    gone = (
        "INSERT INTO worker (name, worker_type, worker_role, status, last_heartbeat)"
        " VALUES ('w1', 'local', 'action', 'active', now() - interval '90 s')"
    )
    assert machine.attune("db", "shell", "-v", "ON_ERROR_STOP=1", "-c", gone).returncode == 0
    ((level, text, _),) = findings(machine, "workers")
    assert (level, text) == ("problem", "no worker lives: w1 is lost, heard of 1m ago")

    more = gone.replace("'w1'", "'w2'").replace("90 s", "0 s")
    assert machine.attune("db", "shell", "-v", "ON_ERROR_STOP=1", "-c", more).returncode == 0
    ((level, text, remedy),) = findings(machine, "workers")
    assert (level, text) == ("problem", "1 of 2 live: w1 is lost, heard of 1m ago")
    assert remedy == "attune worker start --name w1"


PROBLEMS = """
INSERT INTO worker (name, worker_type, worker_role, status, last_heartbeat, problem)
VALUES ('w1', 'local', 'action', 'degraded', now(), '/tmp/run: no space left on device'),
       ('s1', 'local', 'sensor', 'degraded', now(), '/tmp/run: read-only file system');
INSERT INTO execution (action_ref, requirement, queue, policy, status)
VALUES ('a.b', 'gpu', 'cap-1', 'wait', 'requested'), ('a.b', 'gpu', 'cap-1', 'wait', 'requested'),
       ('a.c', '', 'cap-2', 'wait', 'scheduled');
INSERT INTO pack (ref, label, version) VALUES ('acme', '', '1.0.0');
INSERT INTO action (ref, pack, pack_ref, label, description, entrypoint)
SELECT 'acme.act', id, ref, '', '', 'act' FROM pack WHERE ref = 'acme';
INSERT INTO trigger (ref, pack, pack_ref, label, enabled)
SELECT 'acme.made', id, ref, '', true FROM pack WHERE ref = 'acme';
INSERT INTO rule (ref, pack, pack_ref, label, description, action, action_ref, trigger, trigger_ref, enabled, paused)
SELECT 'acme.rule', p.id, p.ref, 'Rule', '', a.id, a.ref, t.id, t.ref, true, 'expected at most 1 s, got more, 3 times'
FROM pack AS p, action AS a, trigger AS t WHERE p.ref = 'acme' AND a.ref = 'acme.act' AND t.ref = 'acme.made';
INSERT INTO event (trigger_ref, payload, created, pending)
VALUES ('acme.made', '{}', now() - interval '5 min', true), ('acme.made', '{}', now(), true);
INSERT INTO dead_letter (kind, source, body, reason, sqlstate) VALUES ('event', 'acme.a', '{}', 'no', '23514');
"""


@pytest.mark.usefixtures("on_database")
def test_doctor_names_what_is_stuck_and_its_remedies_work_when_they_are_typed(machine: Machine) -> None:
    done = machine.attune("db", "shell", "-v", "ON_ERROR_STOP=1", "-c", PROBLEMS)
    assert done.returncode == 0, done.stderr
    done = machine.attune("doctor", "--json")
    assert done.returncode == 1
    found = [one for one in json.loads(done.stdout) if one["level"] != "ok"]
    said = {(one["subject"], one["level"], one["text"].partition(";")[0], one["remedy"]) for one in found}

    assert said >= {
        ("workers", "problem", "w1 takes nothing: /tmp/run: no space left on device", "attune worker show w1"),
        ("sensors", "problem", "s1 takes nothing: /tmp/run: read-only file system", "attune sensor show s1"),
        ("work", "problem", "2 executions wait, for no live worker can run them", "attune execution show 1"),
        ("work", "warning", "an execution waits, for every worker that can run it is busy", "attune worker list"),
        (
            "rules",
            "problem",
            "2 events wait for their rules, the oldest since 5m: no process of the operator judges them",
            "attune api start",
        ),
        (
            "rules",
            "problem",
            "acme.rule is paused by its circuit breaker: expected at most 1 s, got more, 3 times",
            "attune rule show acme.rule",
        ),
        ("storing", "warning", "1 row was set aside, the first because no", "attune dead-letter list"),
    }
    assert "attune pack load DIR" in {one["remedy"] for one in found}
    for remedy in {one["remedy"] for one in found if one["remedy"].startswith("attune ")} - {"attune pack load DIR"}:
        words = remedy.split()[1:]
        typed = machine.attune(*words, *(["--help"] if words[-1] in ("start", "up") else []))
        assert (remedy, typed.returncode) == (remedy, 0), typed.stderr
    assert "paused: expected at most 1 s" in machine.attune("rule", "show", "acme.rule").stdout
    assert " paused " in machine.attune("rule", "list").stdout
    assert machine.attune("rule", "enable", "acme.rule").returncode == 0
    assert findings(machine, "rules")[1:] == []


def test_doctor_and_up_say_that_the_chosen_port_is_taken(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ((level, text, remedy),) = findings(machine, "port", ATTUNE__API__PORT=port)
        assert level == "problem"
        assert text.startswith(f"another program listens on 127.0.0.1:{port}, or an API that hangs: it says nothing")
        assert (remedy or "").endswith(" attune up")
        refused = machine.attune("up", ATTUNE__API__PORT=port)
    assert (refused.returncode, "expected an address that is free" in refused.stderr) == (2, True)
    assert not (machine.folder / "data").exists()


def test_doctor_says_that_the_api_here_is_not_ready_and_why(machine: Machine) -> None:
    class Unready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ready = self.path == "/healthz"
            body = b'{"status":"ok"}' if ready else b'{"detail":"the database does not answer"}'
            self.send_response(200 if ready else 503)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Unready) as server:
        Thread(target=server.serve_forever).start()
        ((level, text, _),) = findings(machine, "port", ATTUNE__API__PORT=str(server.server_port))
        server.shutdown()

    sentence = f"the API on 127.0.0.1:{server.server_port} is not ready: the database does not answer"
    assert (level, text) == ("problem", sentence)


@pytest.mark.usefixtures("on_database")
def test_doctor_misses_processes_of_the_api_that_hang_or_were_killed_and_none_that_ended(machine: Machine) -> None:
    ports = [str(free_port()) for _ in range(3)]
    seconds = {"ATTUNE__HEARTBEAT__INTERVAL": "0.1s", "ATTUNE__HEARTBEAT__STALE_AFTER": "0.6s"}
    apis = [
        machine.start("api", "start", log=machine.folder / port, ATTUNE__API__PORT=port, **seconds) for port in ports
    ]
    try:
        for port in ports:
            wait_for_text(machine.folder / port, "the API is served")
        os.kill(apis[0].pid, signal.SIGSTOP)
        apis[1].send_signal(signal.SIGKILL)
        apis[2].terminate()
        apis[2].wait(30)
        missed = wait_for(lambda: len(found := findings(machine, "api", **seconds)) == 2 and found)
    finally:
        for api in apis:
            api.send_signal(signal.SIGCONT)
            api.terminate()
            api.wait(30)

    for port, (level, text, remedy) in zip(sorted(ports[:2]), missed, strict=True):
        assert (level, remedy) == ("problem", "attune api start")
        assert f"served http://127.0.0.1:{port} on " in text and "was not heard of for " in text


@pytest.mark.usefixtures("on_database")
def test_a_database_of_a_newer_attune_is_refused_with_what_to_do(machine: Machine) -> None:
    machine.attune("db", "shell", "-c", "UPDATE alembic_version SET version_num = '20990101000001_later'")

    for command in (("worker", "list"), ("db", "check"), ("db", "migrate"), ("up",)):
        done = machine.attune(*command)
        assert (done.returncode, "the database is of a newer Attune: it is at 20990101" in done.stderr) == (1, True)
    assert [level for level, _, _ in findings(machine, "database")] == ["problem"]
    assert findings(machine, "definitions") == []


def test_doctor_says_which_folder_of_the_path_is_left_out_and_why(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools").chmod(0o777)
    done = machine.attune("doctor", PATH=f"{tmp_path}/tools:{os.environ['PATH']}")

    assert f"left out for programs: {tmp_path}/tools is writable by everybody (owner " in done.stdout
    assert "try: correct owner or mode, or name the owner in host.trusted_owners" in done.stdout


def test_migrations_are_printed_instead_of_run(machine: Machine) -> None:
    printed = machine.attune("db", "migrate", "--sql")

    assert printed.returncode == 0
    assert "CREATE TABLE runtime" in printed.stdout
    assert not (machine.folder / "data" / "postgres").exists()


def test_check_fails_before_the_migration_and_succeeds_after(machine: Machine) -> None:
    before = machine.attune("db", "check")
    assert before.returncode == 1
    assert before.stderr.endswith("has no database\ntry: attune up\n")
    assert machine.attune("db", "migrate").returncode == 0

    assert machine.attune("db", "check").returncode == 0
    assert machine.attune("db", "migrate").stdout.startswith("the database is at ")


@pytest.mark.usefixtures("on_database")
def test_a_removed_core_definition_stays_removed(machine: Machine) -> None:
    assert machine.attune("runtime", "remove", "core.nodejs").returncode == 0
    machine.attune("db", "migrate")

    assert "core.nodejs" not in machine.attune("runtime", "list").stdout


@pytest.mark.usefixtures("installed")
def test_the_servers_folder_belongs_to_an_unprivileged_user(machine: Machine) -> None:
    owner = (machine.folder / "data" / "postgres").stat().st_uid

    assert owner != 0
    assert pwd.getpwuid(owner).pw_name in ("attune", "postgres", pwd.getpwuid(os.getuid()).pw_name)
