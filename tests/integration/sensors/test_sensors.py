"""Sensor nodes as processes: each sensor runs once, and nothing that it printed is lost."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from attune.composition.databases import migrate
from attune.postgres.embedded.server import EmbeddedServer
from databases import data_dir, made_folder
from sensor_programs import SensorFleet, add_sensor
from waiting import rows, status, wait_for

__all__ = ["data_dir", "made_folder"]
ALL = {"one", "two", "three"}


@pytest.fixture
def fleet(tmp_path: Path, migrated_database: str) -> Iterator[SensorFleet]:
    made = SensorFleet(tmp_path, migrated_database)
    yield made
    made.close()


def started(fleet: SensorFleet, *names: str) -> None:
    fleet.start(*names)
    wait_for(lambda: status(fleet.url, "sensor") == dict.fromkeys(names, "active"))


def lease(url: str, columns: str) -> tuple[Any, ...]:
    (row,) = rows(url, f"SELECT {columns} FROM sensor_lease")
    return row


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody collects does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def killed_again_and_again(fleet: SensorFleet, victims: Sequence[str]) -> None:
    """Kill one node after the other; wait until the other one runs everything, every second time."""
    sensors = len(fleet.holders())
    for number, victim in enumerate(victims):
        fleet.kill(victim)
        if number % 2 == 0:
            wait_for(lambda gone=victim: len(fleet.holders()) == sensors and gone not in fleet.holders().values())
        fleet.start(victim)
        began = len(fleet.lived())
        wait_for(lambda: len(fleet.holders()) == sensors)
        wait_for(lambda before=began: {one[1] for one in fleet.lived()[before:]} == ALL)


def test_each_sensor_runs_once_and_loses_nothing_when_nodes_are_killed(fleet: SensorFleet) -> None:
    started(fleet, "s1", "s2")
    for name in ("one", "two", "three"):
        fleet.add(name)
    wait_for(lambda: len(fleet.holders()) == 3)
    assert set(fleet.holders().values()) == {"s1", "s2"}

    killed_again_and_again(fleet, ("s1", "s2", "s1", "s2"))
    fleet.close()

    assert fleet.overlaps() == []
    printed = fleet.printed()
    assert len({pid for _, pid, _ in printed}) >= 7
    fleet.start("s1", "s2")  # what a node had no time to store lies in its files for the next one there
    wait_for(lambda: set(printed) <= set(fleet.stored()))
    assert len(fleet.stored()) == len(set(fleet.stored()))


def test_a_sensor_moves_at_once_when_its_node_loses_the_runtime(fleet: SensorFleet) -> None:
    fleet.lease = "60s"
    started(fleet, "s1", "s2")
    fleet.add("one")
    wait_for(lambda: "acme.one" in fleet.holders())
    before = fleet.holders()["acme.one"]
    (fleet.machine(before).bin / "python3").unlink()
    wait_for(lambda: fleet.holders().get("acme.one") not in (None, before))
    assert f"{before} cannot run it any more: core.python: unavailable" in fleet.log(before).read_text()

    (other,) = {"s1", "s2"} - {before}
    fleet.machine(other).attune("sensor", "drain", other)
    wait_for(lambda: fleet.holders() == {})
    assert fleet.overlaps() == []
    wait_for(lambda: fleet.stored() == fleet.printed())


def test_a_runtime_that_cannot_be_started_is_verified_at_once_and_its_sensor_moves(fleet: SensorFleet) -> None:
    fleet.lease = "60s"
    for name in ("s1", "s2"):
        fleet.machine(name).variables["ATTUNE__HEALTH__INTERVAL"] = "24h"
    started(fleet, "s1", "s2")
    fleet.add("one")
    wait_for(lambda: "acme.one" in fleet.holders())
    before = fleet.holders()["acme.one"]
    broken = fleet.machine(before).bin / "python3"
    broken.unlink()  # it is a link to this machine's own
    broken.write_text("#!/nowhere/python\n")
    broken.chmod(0o755)
    os.kill(lease(fleet.url, "pid")[0], signal.SIGKILL)
    wait_for(lambda: fleet.holders().get("acme.one") not in (None, before))

    assert "Runtime withdrawn: Python" in fleet.log(before).read_text()
    assert fleet.overlaps() == []


def test_what_a_node_left_is_stored_by_another_node_of_the_same_host(fleet: SensorFleet) -> None:
    for name in ("s1", "s2"):
        fleet.machine(name).variables["ATTUNE_DATA_DIR"] = str(fleet.folder / "shared")
    started(fleet, "s1", "s2")
    fleet.add("one", pause=0.002)
    wait_for(lambda: "acme.one" in fleet.holders())
    wait_for(fleet.stored)
    before = fleet.holders()["acme.one"]
    fleet.kill(before)
    wait_for(lambda: fleet.holders().get("acme.one") not in (None, before))
    fleet.close()

    assert fleet.overlaps() == []
    assert fleet.stored() == fleet.printed()
    assert not [*(fleet.folder / "shared" / "sensors").glob("*-*")]


def test_a_sensor_is_switched_off_and_on_and_changed_while_it_runs(fleet: SensorFleet) -> None:
    fleet.lease = "60s"
    started(fleet, "s1")
    number = fleet.add("one")
    wait_for(fleet.holders)
    with psycopg.connect(fleet.url, autocommit=True) as connection:
        connection.execute("UPDATE sensor SET enabled = false")
        wait_for(lambda: not fleet.holders())
        assert not rows(fleet.url, "SELECT FROM sensor_lease WHERE expires_at > now()")
        connection.execute("UPDATE sensor SET enabled = true")
        wait_for(fleet.holders)
        connection.execute('UPDATE sensor SET config = config || \'{"name": "other"}\'')
        wait_for(lambda: any(name == "other" for name, _, _ in fleet.stored()))
        connection.execute("DELETE FROM sensor WHERE id = %s", (number,))
    wait_for(lambda: not any(alive(pid) for pid in {one[2] for one in fleet.lived()}))

    assert fleet.overlaps() == []


def test_a_frozen_node_has_its_sensor_ended_before_another_starts_it(fleet: SensorFleet) -> None:
    started(fleet, "s1", "s2")
    fleet.add("one")
    wait_for(lambda: "acme.one" in fleet.holders())
    frozen = fleet.holders()["acme.one"]
    fleet.kill(frozen, signal.SIGSTOP)
    wait_for(lambda: fleet.holders().get("acme.one") not in (None, frozen))
    fleet.kill(frozen, signal.SIGCONT)
    wait_for(lambda: "its lease is lost" in fleet.log(frozen).read_text())
    fleet.close()

    assert fleet.overlaps() == []
    assert fleet.stored() == fleet.printed()


def test_a_sensor_goes_on_while_the_database_is_away_for_less_than_a_lease(tmp_path: Path, data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    fleet = SensorFleet(tmp_path, server.acquire(), lease="60s")
    try:
        migrate(fleet.url)
        started(fleet, "s1")
        fleet.add("one")
        wait_for(fleet.stored)
        postmaster = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGQUIT)  # as pg_ctl stop -m immediate does
        printed = len(fleet.printed())
        wait_for(lambda: len(fleet.printed()) > printed + 30)
        server.ensure_running()
        wait_for(lambda: len(fleet.stored()) > printed + 30)
        fleet.close()

        assert len({pid for _, pid, _ in fleet.printed()}) == 1
        assert fleet.stored() == fleet.printed()
    finally:
        fleet.close()
        server.release()


def test_lines_that_are_no_events_are_told_and_the_others_stored(fleet: SensorFleet) -> None:
    program = fleet.folder / "bad.py"
    program.write_text(
        "import json, os, sys, time\n"
        "config = json.load(sys.stdin)\n"
        "out = sys.stdout.buffer\n"
        "for line in config['lines']: out.write(line.encode('latin-1') + b'\\n')\n"
        "out.write(b'x' * 3_000_000 + b'\\n' + b'{\"number\": 3}\\n{\"half\": ')\n"
        "out.flush()\n"
        "print('mail the operator', file=sys.stderr)\n"
        "sys.exit(3)\n"
    )
    lines = ['{"number": 1}', "nonsense", '{"number": "\\u0000"}', "\xff", "", '{"number": 2}']
    add_sensor(fleet.url, "acme.bad", str(program), {"lines": lines})
    started(fleet, "s1")
    wait_for(lambda: rows(fleet.url, "SELECT FROM sensor_lease WHERE restarts >= 2 AND bad_lines >= 4"))
    query = "SELECT (payload->>'number')::int, trigger_ref, source_ref, trigger IS NULL FROM event ORDER BY id LIMIT 3"
    assert rows(fleet.url, query) == [(number, "acme.happened", "acme.bad", False) for number in (1, 2, 3)]
    state, reason, restarts = lease(fleet.url, "state, reason, restarts")
    log = fleet.log("s1").read_text()
    assert restarts >= 2
    assert "sensor acme.bad: line 2 is no event: expected a JSON object, got 'nonsense'" in log
    assert "line 3 is no event: expected text without NUL" in log
    assert "line 7 is no event: expected at most 1048576 bytes" in log
    assert "ended with exit code 3; last it said: mail the operator; it is started again after" in log
    assert state in ("backing off", "running", "failed"), reason


def test_a_sensor_that_cannot_be_started_says_why(fleet: SensorFleet) -> None:
    started(fleet, "s1")
    add_sensor(fleet.url, "acme.none", "nothing.py", {})
    wait_for(lambda: rows(fleet.url, "SELECT FROM sensor_lease WHERE state = 'backing off'"))

    assert "nothing.py: pack acme has no files here: attune pack load DIR" in lease(fleet.url, "reason")[0]


def test_nothing_of_a_sensor_is_left_when_its_keeper_or_the_sensor_is_killed(fleet: SensorFleet) -> None:
    started(fleet, "s1")
    fleet.add("one")
    wait_for(fleet.stored)
    for victim in ("sensor", "keeper"):
        pid = wait_for(lambda: lease(fleet.url, "pid")[0])
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(pid if victim == "sensor" else parent, signal.SIGKILL)
        wait_for(
            lambda old=pid: lease(fleet.url, "pid, state")[1] == "running" and lease(fleet.url, "pid")[0] != old, 20
        )
        assert not alive(pid)
    fleet.close()

    assert fleet.overlaps() == []
    assert fleet.stored() == fleet.printed()
    assert not [*(fleet.folder / "s1" / "data" / "sensors").glob("*-*")]


def test_built_in_sensors_neither_lose_nor_repeat_themselves_when_their_node_dies(
    fleet: SensorFleet, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "old").write_text("")
    started(fleet, "s1", "s2")
    add_sensor(fleet.url, "acme.tick", "interval", {"every": "0.25s"}, runtime="core.sensor.builtin")
    add_sensor(
        fleet.url, "acme.files", "file_watch", {"path": str(inbox), "every": "0.1s"}, runtime="core.sensor.builtin"
    )
    add_sensor(fleet.url, "acme.wrong", "cron", {"cron": "soon"}, runtime="core.sensor.builtin")
    ticks = "SELECT (payload->>'at')::timestamptz FROM event WHERE source_ref = 'acme.tick' ORDER BY id"
    wait_for(lambda: len(rows(fleet.url, ticks)) > 2)
    wait_for(lambda: rows(fleet.url, "SELECT FROM sensor_position"))
    wait_for(lambda: len(fleet.holders()) == 2)
    holders = fleet.holders()
    fleet.kill(holders["acme.tick"])
    (inbox / "new").write_text("hello")
    before = len(rows(fleet.url, ticks))
    wait_for(lambda: len(rows(fleet.url, ticks)) > before + 3)
    (inbox / "old").unlink()
    files = "SELECT payload->>'event', payload->>'path' FROM event WHERE source_ref = 'acme.files' ORDER BY id"
    wait_for(lambda: ("removed", str(inbox / "old")) in rows(fleet.url, files))

    told = [at for (at,) in rows(fleet.url, ticks)]
    assert told == sorted(set(told))
    steps = [(one - told[0]).total_seconds() / 0.25 for one in told]
    assert [step for step in steps if abs(step - round(step)) > 1e-3] == []
    created, *_ = rows(fleet.url, files)
    assert created == ("created", str(inbox / "new"))
    assert [one[1] for one in rows(fleet.url, files)].count(str(inbox / "new")) <= 2
    failed = "SELECT reason FROM sensor_lease WHERE state = 'failed'"
    assert "cron: expected a cron expression such as '*/5 * * * *' or @daily, " in rows(fleet.url, failed)[0][0]


def test_a_sensor_moves_where_an_operator_wants_it_and_shows_what_it_printed_last(fleet: SensorFleet) -> None:
    fleet.lease = "60s"
    started(fleet, "s1", "s2")
    program = fleet.folder / "mail.py"
    program.write_text(
        "import json, sys, time\njson.load(sys.stdin)\nprint('mail to', 'ops', file=sys.stderr, flush=True)\n"
        "time.sleep(0.2)\nprint(json.dumps({'number': 1}), flush=True)\ntime.sleep(600)\n"
    )
    add_sensor(fleet.url, "acme.mail", str(program), {})
    wait_for(lambda: "acme.mail" in fleet.holders())
    before = fleet.holders()["acme.mail"]
    (other,) = {"s1", "s2"} - {before}
    attune = fleet.machine(before).attune
    moved = attune("sensor", "move", "acme.mail", "--to", other)
    assert (moved.returncode, moved.stdout) == (0, f"acme.mail is to run on {other}\n")
    wait_for(lambda: fleet.holders().get("acme.mail") == other)
    wait_for(lambda: lease(fleet.url, "last_lines, wanted") == ("mail to ops", None))

    shown = attune("sensor", "show", "acme.mail").stdout
    assert shown.startswith(f"acme.mail  + running  on {other}\n") and "stderr:\nmail to ops\n" in shown
    assert json.loads(attune("sensor", "show", "acme.mail", "--json").stdout)["last_lines"] == "mail to ops"
    assert "acme.mail is given back: it moves to " + other in fleet.log(before).read_text()
    refused = [attune("sensor", "move", *words) for words in (["acme.mial"], ["acme.mail", "--to", "s3"])]
    assert [one.returncode for one in refused] == [2, 2]
    assert "attune sensor move acme.mail" in refused[0].stderr
    assert "no sensor node is called 's3'" in refused[1].stderr


def test_commands_show_and_switch_sensors(fleet: SensorFleet) -> None:
    started(fleet, "s1")
    fleet.add("one")
    add_sensor(fleet.url, "acme.two", "/two.py", {}, requires=["python >=4"])
    wait_for(fleet.holders)
    machine = fleet.machine("s1")
    listed = {one["ref"]: one for one in json.loads(machine.attune("sensor", "definitions", "--json").stdout)}
    assert (listed["acme.one"]["state"], listed["acme.one"]["node"]) == ("running", "s1")
    assert (listed["acme.two"]["state"], listed["acme.two"]["node"]) == ("waiting", None)
    assert "no sensor node can run it: s1 core.python >=4: found 3." in listed["acme.two"]["reason"]
    shown = machine.attune("sensor", "show", "s1").stdout
    assert "acme.one" in shown and "acme.two" not in shown

    refused = machine.attune("sensor", "disable", "acme.onn")
    assert (refused.returncode, "attune sensor disable acme.one" in refused.stderr) == (2, True)
    assert machine.attune("sensor", "disable", "acme.one").stdout == "acme.one is disabled\n"
    wait_for(lambda: not fleet.holders())
    assert "disabled" in machine.attune("sensor", "definitions").stdout
