"""Executions on real workers with different PATHs: each runs where it can, and what cannot run says why."""

from __future__ import annotations

import base64
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_hosts import Machine, free_port
from logins import Logins
from waiting import rows, status, wait_for
from worker_processes import WorkerFleet, ask, load_pack, shown, write_pack

KEY = base64.b64encode(bytes(32)).decode()
OFFERS = {
    "w1": ("shell", "python"),
    "w2": ("shell", "ruby"),
    "w3": ("shell", "python"),
    "w4": ("shell", "python", "ruby"),
}


@pytest.fixture
def fleet(tmp_path: Path, migrated_database: str) -> Iterator[WorkerFleet]:
    made = WorkerFleet(tmp_path, migrated_database, OFFERS, settings={"ATTUNE_SECRETS_KEY": KEY})
    load_pack(made.url, write_pack(tmp_path / "pack"))
    yield made
    made.close()


@pytest.fixture
def operator(tmp_path: Path, logins: Logins) -> Machine:
    (tmp_path / "operator").mkdir()
    return Machine(tmp_path / "operator", {"DATABASE_URL": logins.url("ops", "admin"), "ATTUNE_SECRETS_KEY": KEY})


def add_action(fleet: WorkerFleet, name: str, script: str, document: str = "", suffix: str = "py") -> str:
    """Add an action to the pack; its ref."""
    folder = fleet.folder / "pack" / "actions"
    runtime = {"py": "python", "sh": "shell"}[suffix]
    (folder / f"{name}.{suffix}").write_text(script)
    text = f"name: {name}\nlabel: {name}\nentry_point: {name}.{suffix}\nruntime: {runtime}\n{document}"
    (folder / f"{name}.yaml").write_text(text)
    load_pack(fleet.url, fleet.folder / "pack")
    return f"check.{name}"


def ended(fleet: WorkerFleet, number: int) -> dict[str, object]:
    """The execution once it has ended."""
    return wait_for(lambda: found if (found := shown(fleet.url, number))["finished_at"] else None)


def test_a_hundred_executions_run_only_where_they_can(fleet: WorkerFleet) -> None:
    chance = random.Random(300)
    fleet.start("w1", "w2", "w3")
    wait_for(lambda: list(status(fleet.url).values()) == ["active"] * 3)
    wanted = [(f"check.{chance.choice(('python', 'shell', 'ruby'))}", {"told": str(fleet.told)}) for _ in range(100)]
    numbers = ask(fleet.url, wanted)
    (waiting,) = ask(fleet.url, [("check.shell", {"told": str(fleet.told)})], ("ruby", "python"))
    wait_for(lambda: fleet.counts() == {"completed": 100, "requested": 1})

    where: dict[str, set[str]] = {name: set() for name in ("python", "shell", "ruby")}
    runs = {number: (worker, interpreter) for number, worker, interpreter in fleet.runs()}
    assert len(fleet.runs()) == 100
    for number, (ref, _) in zip(numbers, wanted, strict=True):
        name, (worker, interpreter) = ref.removeprefix("check."), runs[number]
        assert name in OFFERS[worker]
        assert Path(interpreter).parent == fleet.machines[worker].bin
        where[name].add(worker)
    assert where["ruby"] == {"w2"}
    assert where["python"] == {"w1", "w3"}

    fleet.start("w4")
    wait_for(lambda: shown(fleet.url, waiting)["status"] == "completed")
    query = (
        "SELECT extract(epoch FROM e.started_at - w.created) FROM execution AS e JOIN worker AS w ON w.id = e.worker"
        f" WHERE e.id = {waiting} AND w.name = 'w4'"
    )
    assert rows(fleet.url, query)
    log = (fleet.folder / "w4.log").read_text()
    assert "worker registered" in log


def test_what_waits_says_why_and_what_would_help(fleet: WorkerFleet, operator: Machine) -> None:
    fleet.start("w1")
    wait_for(lambda: status(fleet.url) == {"w1": "active"})
    asked = operator.attune("action", "run", "check.ruby", "-p", f"told={fleet.told}")
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout == "execution 1: requested\n"

    said = operator.attune("execution", "show", "1").stdout

    assert "nearest   w1: only ruby fails, ruby: not found on PATH" in said
    assert "repair    ruby on w1" in said
    fleet.give("w1", "ruby")
    assert operator.attune("worker", "reload", "w1").returncode == 0
    assert ended(fleet, 1)["status"] == "completed"


def test_an_action_is_waited_for_and_its_result_printed(fleet: WorkerFleet, operator: Machine) -> None:
    fleet.start("w1")
    done = operator.attune("action", "run", "check.python", "-p", f"told={fleet.told}", "--wait")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"ran": str(fleet.machines["w1"].bin / "python3")}

    fails = add_action(fleet, "fails", "import sys; print('so far'); sys.exit('no luck')")
    done = operator.attune("action", "run", fails, "--follow")
    assert done.returncode == 1
    assert done.stdout == "so far\n"
    assert "failed on w1" in done.stderr
    assert "ended with exit code 1; last it said: no luck" in done.stderr


def test_what_fails_is_tried_again_as_often_as_it_says_and_its_timeline_tells(
    fleet: WorkerFleet, operator: Machine
) -> None:
    fleet.start("w1")
    script = "import os, sys; sys.exit(0 if os.environ['ATTUNE_ATTEMPT'] == '3' else 1)"
    flaky = add_action(fleet, "flaky", script, "retries: 2\nretry_delay: 100ms\n")
    hopeless = add_action(fleet, "hopeless", "import sys; sys.exit(7)", "retries: 1\nretry_delay: 100ms\n")
    one, other = ask(fleet.url, [(flaky, {}), (hopeless, {})])

    assert (ended(fleet, one)["status"], ended(fleet, one)["attempt"]) == ("completed", 3)
    found = ended(fleet, other)
    assert (found["status"], found["attempt"], found["exit_code"]) == ("failed", 2, 7)
    shown = operator.attune("execution", "show", str(other)).stdout
    _, told = shown.split("\ntimeline\n")
    steps = [line.split("  ", 2)[2] for line in told.splitlines()]
    assert [step for step in steps if not step.startswith("waits")] == [
        "asked for",
        "offered to workers that can run it",
        "started on w1",
        "to be tried again: ended with exit code 7; again in 0.1 s, attempt 2 of 2",
        "offered to workers that can run it",
        "started on w1, attempt 2",
        "failed: ended with exit code 7",
    ]


def test_a_time_limit_and_a_cancel_end_everything_that_was_started(fleet: WorkerFleet, operator: Machine) -> None:
    fleet.start("w1")
    script = "sleep 300 & echo $! > '{}'; sleep 300\n"
    slow = add_action(fleet, "slow", script.format(fleet.folder / "slow"), "timeout: 1s\n", "sh")
    long = add_action(fleet, "long", script.format(fleet.folder / "long"), "", "sh")
    one, other = ask(fleet.url, [(slow, {}), (long, {})])

    found = ended(fleet, one)
    assert (found["status"], found["reason"]) == ("timeout", "ran longer than 1 s")
    wait_for(lambda: (fleet.folder / "long").exists() and (fleet.folder / "long").read_text())
    cancelled = operator.attune("execution", "cancel", str(other)).stdout  # what it is by then: it may have ended
    assert cancelled in (f"execution {other}: canceling\n", f"execution {other}: cancelled\n")
    assert ended(fleet, other)["status"] == "cancelled"
    for name in ("slow", "long"):
        pid = int((fleet.folder / name).read_text())
        wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists() or "Z" in _state(pid))
    again = operator.attune("execution", "cancel", str(other))
    assert again.returncode == 2
    assert "expected one that has not ended, got cancelled" in again.stderr


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2]
    except OSError:
        return "Z"


def test_a_hundred_megabytes_nul_and_broken_text_are_taken_within_bounds(fleet: WorkerFleet, operator: Machine) -> None:
    fleet.start("w1")
    script = """\
import sys
for _ in range(100): sys.stdout.write("x" * 1048575 + "\\n")
sys.stdout.flush()
sys.stderr.buffer.write(b"a\\0b\\xff\\n"); print('{"end": true}')
"""
    (number,) = ask(fleet.url, [(add_action(fleet, "loud", script), {})])

    found = ended(fleet, number)

    assert (found["status"], found["result"]) == ("completed", {"end": True})
    kept = dict(
        rows(fleet.url, "SELECT stream, sum(length(text))::int FROM execution_output GROUP BY stream ORDER BY stream")
    )
    mark = "\n… 99.0 MiB left out …\n"
    assert kept["stdout"] == 1024 * 1024 + len(mark)
    assert kept["stdout"] - len(mark) + found["dropped_bytes"] == 100 * 1048576 + len('{"end": true}\n')
    printed = operator.attune("execution", "logs", str(number)).stdout
    assert printed.count(mark) == 1 and printed.endswith('x\n{"end": true}\n')
    errors = rows(
        fleet.url, "SELECT string_agg(text, '' ORDER BY number) FROM execution_output WHERE stream = 'stderr'"
    )
    assert errors == [("a\N{SYMBOL FOR NULL}b\N{REPLACEMENT CHARACTER}\n",)]


def test_secrets_are_in_no_command_line_and_are_never_shown(fleet: WorkerFleet, operator: Machine) -> None:
    fleet.start("w1")
    script = """\
import json, os, sys
given = json.load(sys.stdin)
line = open("/proc/self/cmdline").read() + open("/proc/self/environ").read()
print(json.dumps({"told": given["key"] == "s3cret", "seen": "s3cret" in line, "argv": sys.argv[1:]}))
"""
    document = "delivery: args\nparameters: {key: {type: string, secret: true}, name: {type: string}}\n"
    ref = add_action(fleet, "keeps", script, document)
    done = operator.attune("action", "run", ref, "-p", "key=s3cret", "-p", "name=n", "--wait", "--json")

    found = json.loads(done.stdout)
    assert found["result"] == {"told": True, "seen": False, "argv": ["--name=n"]}
    assert found["parameters"] == {"key": "***", "name": "n"}
    assert "s3cret" not in (fleet.folder / "w1.log").read_text()


def test_a_named_secret_reaches_only_the_work_that_was_given_it_and_is_masked_in_all_it_says(
    fleet: WorkerFleet, operator: Machine
) -> None:
    fleet.start("w1")
    (operator.folder / "value").write_text("correct horse\n")
    done = operator.attune("secret", "set", "db", "--from-file", str(operator.folder / "value"))
    assert done.returncode == 0, done.stderr
    script = """\
import base64, json, sys
given = json.load(sys.stdin)
value = given["key"]
for part in value: print(part, end="", flush=True)
print(f" {base64.b64encode(b'x' + value.encode()).decode()}")
print(json.dumps({"told": value == "correct horse", "is": [value, given["pin"]]}))
print(f"bad: {value}", file=sys.stderr)
sys.exit(value == "correct horse" and 3)
"""
    ref = add_action(fleet, "says", script, "parameters: {key: {type: string}, pin: {type: integer, secret: true}}\n")
    run = operator.attune(
        "action", "run", ref, "-p", "key=secret:db", "-p", "pin:=123456", "--follow", "--wait", "--json"
    )
    found = json.loads(run.stdout)
    logs = operator.attune("execution", "logs", str(found["id"])).stdout

    assert (found["status"], found["result"]) == ("failed", {"told": True, "is": ["***", "***"]})
    assert found["parameters"] == {"key": "secret:db", "pin": "***"}
    assert (
        found["reason"]
        == "ended with exit code 3; last it said: bad: ***; its result holds a secret, which is shown as ***"
    )
    assert logs.startswith("*** ") and "123456" not in logs
    stored = rows(fleet.url, "SELECT string_agg(to_jsonb(e)::text, '') FROM execution AS e")[0][0]
    for place in (logs, run.stdout, stored, (fleet.folder / "w1.log").read_text()):
        assert "correct" not in place and "Y29ycmVjd" not in place
    listed = operator.attune("secret", "list", "--json")
    assert [record["name"] for record in json.loads(listed.stdout)] == ["db"] and "correct" not in listed.stdout
    assert operator.attune("secret", "remove", "db").returncode == 0
    assert operator.attune("execution", "retry", str(found["id"])).returncode == 0
    assert ended(fleet, found["id"] + 1)["reason"] == "parameters.key: secret db does not exist"


@pytest.mark.parametrize(
    ("given", "says"),
    [("n:=1e400", "parameters.n: expected numbers"), ("n:=NaN", "parameters.n: expected numbers"),
     ('n:="\\u0000"', "parameters.n: expected text without NUL"), ('n:={"a": "\\ud800"}', "parameters.n.a: expected")],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_with_its_path_and_not_with_the_secret_beside_it(
    fleet: WorkerFleet, operator: Machine, given: str, says: str
) -> None:
    done = operator.attune("action", "run", "check.python", "-p", "told=s3cret", "-p", given)

    assert done.returncode == 2 and says in done.stderr and "s3cret" not in done.stderr


def test_a_frozen_worker_cannot_finish_what_was_given_to_another(fleet: WorkerFleet) -> None:
    import signal

    fleet.start("w1")
    wait_for(lambda: status(fleet.url) == {"w1": "active"})
    (number,) = ask(fleet.url, [("check.python", {"told": str(fleet.told), "seconds": 3})])
    wait_for(lambda: len(fleet.runs()) == 1)
    fleet.processes["w1"].send_signal(signal.SIGSTOP)
    fleet.start("w3")

    found = ended(fleet, number)
    assert (found["worker_name"], found["attempt"], found["losses"]) == ("w3", 2, 1)
    fleet.processes["w1"].send_signal(signal.SIGCONT)
    wait_for(lambda: status(fleet.url)["w1"] == "active")
    time.sleep(1)
    assert shown(fleet.url, number) == found
    assert Counter(worker for _, worker, _ in fleet.runs()) == {"w1": 1, "w3": 1}


def test_what_must_not_be_run_twice_is_abandoned_with_its_worker(fleet: WorkerFleet) -> None:
    fleet.start("w1", "w3")
    wait_for(lambda: sorted(status(fleet.url).values()) == ["active"] * 2)
    once = add_action(fleet, "once", "import time; time.sleep(60)", "on_lost: abandon\n")
    (number,) = ask(fleet.url, [(once, {})])
    worker = wait_for(lambda: shown(fleet.url, number)["worker_name"])
    fleet.kill(worker)

    found = ended(fleet, number)
    assert (found["status"], found["reason"]) == ("abandoned", f"worker {worker} was lost while it ran")


def test_work_that_is_running_is_finished_before_a_worker_stops(fleet: WorkerFleet) -> None:
    fleet.start("w1")
    wait_for(lambda: status(fleet.url) == {"w1": "active"})
    running, later = ask(
        fleet.url,
        [("check.python", {"told": str(fleet.told), "seconds": 1.5}), ("check.ruby", {"told": str(fleet.told)})],
    )
    wait_for(lambda: len(fleet.runs()) == 1)
    fleet.processes["w1"].terminate()
    fleet.processes["w1"].wait(60)

    assert shown(fleet.url, running)["status"] == "completed"
    assert shown(fleet.url, later)["status"] == "requested"
    assert rows(fleet.url, "SELECT count(*)::int FROM worker_class") == [(0,)]


def test_no_statement_reads_the_definitions_while_work_runs(fleet: WorkerFleet) -> None:
    fleet.settings["ATTUNE__HEALTH__INTERVAL"] = "1h"
    fleet.start("w1")
    wait_for(lambda: status(fleet.url) == {"w1": "active"})
    query = "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'runtime'"
    time.sleep(1.2)  # figures are told once a second
    before = rows(fleet.url, query)
    ask(fleet.url, [("check.shell", {"told": str(fleet.told)})] * 20)
    wait_for(lambda: fleet.counts() == {"completed": 20})
    time.sleep(1.2)

    assert rows(fleet.url, query) == before


UNSTARTABLE = {
    "nowhere": ("#!/no/such\n", "/actions/nowhere could not be executed: interpreter /no/such not found"),
    "shapeless": (
        "echo must not run in a shell\n",
        "/shapeless could not be executed: not an executable format",
    ),
    "closed": ("#!/etc/passwd\n", "/actions/closed could not be executed: interpreter /etc/passwd is not executable"),
    "fat": (f"#!{Path('/bin/sh').resolve()}\n", "parameters.big: expected at most 128 KiB with its name"),
}


def test_what_no_host_could_start_fails_once_and_costs_no_runtime(fleet: WorkerFleet) -> None:
    folder = fleet.folder / "pack" / "actions"
    for name, (script, _) in UNSTARTABLE.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
        document = f"name: {name}\nlabel: {name}\nentry_point: {name}\nruntime: native\nretries: 3\ndelivery: env\n"
        (folder / f"{name}.yaml").write_text(f"{document}parameters: {{big: {{type: string}}}}\n")
    load_pack(fleet.url, fleet.folder / "pack")
    fleet.start("w1")
    numbers = ask(fleet.url, [(f"check.{name}", {"big": "x" * 200_000 * (name == "fat")}) for name in UNSTARTABLE])

    for number, (_, why) in zip(numbers, UNSTARTABLE.values(), strict=True):
        found = ended(fleet, number)
        assert (found["status"], found["attempt"], found["losses"]) == ("failed", 1, 0)
        assert why in str(found["reason"])
    assert status(fleet.url) == {"w1": "active"}
    assert rows(fleet.url, "SELECT count(*)::int FROM runtime_transition") == [(0,)]


BEAT = """\
read -r config
echo 'not json'
echo '{"beat": 1}'
sleep 300
"""


def test_a_sensor_of_a_pack_leads_by_its_rule_to_a_finished_execution(fleet: WorkerFleet) -> None:
    pack = fleet.folder / "pack"
    for path, text in {
        "sensors/beat.yaml": "name: beat\nlabel: Beat\nentry_point: beat.sh\nruntime: shell\ntrigger: check.beaten\n",
        "sensors/beat.sh": BEAT,
        "triggers/beaten.yaml": "name: beaten\nlabel: Beaten\npayload: {beat: {type: integer}}\n",
        "rules/tell.yaml": (
            "name: tell\nlabel: Tell\ntrigger: check.beaten\nwhen: payload.beat == 1\naction: check.python\n"
            f"parameters: {{told: {fleet.told}}}\n"
        ),
    }.items():
        (pack / path).parent.mkdir(exist_ok=True)
        (pack / path).write_text(text)
    load_pack(fleet.url, pack)
    fleet.start("w1")
    watcher = fleet.machine("w3").start("sensor", "start", "--name", "s1", log=fleet.folder / "s1.log")
    operator = {"DATABASE_URL": fleet.logins.url("ops", "admin"), "ATTUNE__API__PORT": str(free_port())}
    api = fleet.machine("w2").start("api", "start", log=fleet.folder / "api.log", **operator)
    try:
        found = wait_for(lambda: rows(fleet.url, "SELECT id FROM execution WHERE status = 'completed'"))
    finally:
        for process in (watcher, api):
            process.terminate()
            process.wait(60)
    assert len(found) == 1
    assert [worker for _, worker, _ in fleet.runs()] == ["w1"]
    query = (
        "SELECT e.payload, f.rule_ref FROM execution AS x JOIN enforcement AS f ON f.id = x.enforcement"
        " JOIN event AS e ON e.id = f.event"
    )
    assert rows(fleet.url, query) == [({"beat": 1}, "check.tell")]
