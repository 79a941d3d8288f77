"""Runs of actions as processes: what they get, what is kept of them, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attune import catalogue
from attune.core.executions.action import Delivery
from attune.core.executions.work import Work, WorkEnding, WorkOutcome
from attune.host.contract.execution_contract import default_contract
from attune.host.contract.launch import ACTION
from attune.host.executions.runner import HostWorkRunner
from waiting import wait_for

pytestmark = pytest.mark.anyio
SURROUNDINGS = {
    "PATH": os.environ["PATH"],
    "DATABASE_URL": "postgresql://u:pw@h/d",
    "ATTUNE_TOKEN": "t",
    "LANG": "C.UTF-8",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def run(folder: Path, script: str, **given: Any) -> tuple[WorkOutcome, str, str]:
    """What came of a Python script, and what it printed on stdout and stderr."""
    entrypoint = folder / "script.py"
    entrypoint.write_text(script)
    printed = {"stdout": "", "stderr": ""}

    async def output(stream: str, text: str) -> None:
        printed[stream] += text

    runner = HostWorkRunner(default_contract(SURROUNDINGS), replace(ACTION, grace_seconds=0.3))
    outcome = await runner.run(Work(entrypoint, sys.executable, **given), output)
    return outcome, printed["stdout"], printed["stderr"]


TELL = """\
import json, os, sys
print(json.dumps({"stdin": sys.stdin.read(), "argv": sys.argv[1:], "environment": dict(os.environ),
                  "folder": os.getcwd(), "files": os.listdir(), "session": os.getsid(0) == os.getpid()}))
"""
PARAMETERS: Mapping[str, Any] = {"name": "a b", "count": 3, "key": "s3cret"}
NAMED = (("NAME", "a b"), ("COUNT", "3"))


@pytest.mark.parametrize(
    ("delivery", "stdin", "argv", "variables"),
    [
        (Delivery.STDIN, PARAMETERS, [], {}),
        (
            Delivery.ENV,
            {"key": "s3cret"},
            [],
            {f"ATTUNE_{kind}_{name}": text for kind in ("PARAM", "ACTION") for name, text in NAMED},
        ),
        (Delivery.ARGS, {"key": "s3cret"}, ["--name=a b", "--count=3"], {}),
    ],
)
async def test_parameters_come_as_the_action_says_and_secrets_on_stdin(
    tmp_path: Path, delivery: Delivery, stdin: Any, argv: list[str], variables: dict[str, str]
) -> None:
    outcome, _, _ = await run(
        tmp_path, TELL, parameters=PARAMETERS, secrets=frozenset({"key"}), delivery=delivery, environment={"OWN": "1"}
    )
    told = outcome.result
    assert (json.loads(told["stdin"]), told["argv"]) == (stdin, argv)
    environment = told["environment"]
    assert {
        name: value for name, value in environment.items() if name.startswith(("ATTUNE_PARAM_", "ATTUNE_ACTION"))
    } == variables
    assert environment["OWN"] == "1"
    assert not {"DATABASE_URL", "ATTUNE_TOKEN"} & {*environment}
    assert told["session"]
    assert told["files"] == []
    assert not any(Path(told["folder"]).glob("*"))  # noqa: ASYNC240


@pytest.mark.parametrize("delivery", [Delivery.DOTENV, Delivery.FILE, Delivery.DOTENV_FILE])
async def test_parameters_come_as_lines_or_in_a_file_of_the_working_folder_with_secrets(
    tmp_path: Path, delivery: Delivery
) -> None:
    outcome, _, _ = await run(
        tmp_path,
        "import os; given = os.environ.get('ATTUNE_PARAMETER_FILE')\n"
        + TELL.replace('"argv"', '"file": given and [open(given).read(), os.stat(given).st_mode], "argv"'),
        parameters=PARAMETERS,
        secrets=frozenset({"key"}),
        delivery=delivery,
    )
    told = outcome.result
    text, mode = told["file"] or [told["stdin"], None]
    assert (told["stdin"], mode) == (("", 0o100600) if delivery.endswith("file") else (text, None))
    assert told["files"] == ([".parameters"] if delivery.endswith("file") else [])
    assert text == (
        "name='a b'\ncount='3'\nkey='s3cret'\n" if delivery.startswith("dotenv") else json.dumps(PARAMETERS) + "\n"
    )


@pytest.mark.parametrize(
    ("script", "result", "problem"),
    [
        ("print('no'); print('[1]'); print('done')", [1], None),
        ("print('{\"a\": 1}'); print('true')", True, None),
        ("print('nothing')", None, None),
        ("print('{broken')", None, "the last line of output: expected JSON, got '{broken'"),
        (
            "print('[NaN]')",
            None,
            "the last line of output: expected numbers that JSON has and a double can hold, got another",
        ),
        ('print(\'{"a": "\\\\u0000"}\')', None, "NUL"),
    ],
)
async def test_the_result_is_the_last_line_that_is_json(
    tmp_path: Path, script: str, result: Any, problem: str | None
) -> None:
    outcome, _, _ = await run(tmp_path, script)
    assert outcome.succeeded
    assert outcome.result == result
    assert (problem or "") in (outcome.result_problem or "")


@pytest.mark.parametrize(
    ("script", "result", "problem"),
    [
        ("open('r.json', 'w').write('{\"a\": 1}')", {"a": 1}, ""),
        ("pass", None, "no such file"),
        ("import os; os.symlink('/etc/passwd', 'r.json')", None, "symbolic links"),
        ("import os; os.mkfifo('r.json')", None, "something that is no file"),
        ("open('r.json', 'w').write('[' * 2000000)", None, "more than 1 MiB"),
    ],
)
async def test_the_result_file_is_read_with_care(tmp_path: Path, script: str, result: Any, problem: str) -> None:
    outcome, _, _ = await run(tmp_path, script, result_file="r.json")
    assert outcome.result == result
    assert problem in (outcome.result_problem or "")


async def test_how_it_ended_is_a_sentence(tmp_path: Path) -> None:
    outcome, _, errors = await run(tmp_path, "import sys; print('why', file=sys.stderr); sys.exit(3)")
    assert (outcome.ending, outcome.exit_code, errors) == (WorkEnding.EXITED, 3, "why\n")
    assert outcome.reason == "ended with exit code 3; last it said: why"
    outcome, _, _ = await run(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert (outcome.ending, outcome.signal) == (WorkEnding.SIGNALED, 9)
    assert outcome.reason == "was killed by signal 9 (SIGKILL)"


async def test_an_interpreter_that_cannot_be_executed_is_the_hosts_fault(tmp_path: Path) -> None:
    runner = HostWorkRunner(default_contract(SURROUNDINGS))

    async def output(stream: str, text: str) -> None: ...

    for interpreter in (str(tmp_path / "gone"), str(tmp_path)):
        outcome = await runner.run(Work(tmp_path / "x", interpreter), output)
        assert outcome.ending is WorkEnding.NOT_STARTED
        assert outcome.reason.startswith(f"{interpreter} could not be executed: ")


async def test_a_time_limit_ends_the_group_even_if_it_will_not_listen(tmp_path: Path) -> None:
    script = "import signal, os, time; signal.signal(15, signal.SIG_IGN); os.fork(); print(os.getpid()); time.sleep(60)"
    outcome, printed, _ = await run(tmp_path, script, timeout_seconds=0.5)
    assert (outcome.ending, outcome.reason) == (WorkEnding.TIMED_OUT, "ran longer than 0.5 s")
    for pid in printed.split():
        wait_for(lambda pid=pid: not Path(f"/proc/{pid}/fd").exists() or not _lives(pid))


@pytest.mark.parametrize(("grace", "said"), [(0.0, ""), (60.0, "told\n")])
async def test_how_long_work_has_to_end_by_itself_is_its_own(tmp_path: Path, grace: float, said: str) -> None:
    script = "import signal, time\nsignal.signal(15, lambda *_: exit(print('told')))\nwhile True: time.sleep(1)"

    outcome, out, _ = await run(tmp_path, script, timeout_seconds=1.0, grace_seconds=grace)

    assert (outcome.ending, out) == (WorkEnding.TIMED_OUT, said)


async def test_a_time_limit_of_a_year_is_kept(tmp_path: Path) -> None:
    outcome, out, _ = await run(tmp_path, "print('ran')", timeout_seconds=31_622_400.0)

    assert (outcome.ending, out) == (WorkEnding.EXITED, "ran\n")


async def test_a_cancelled_run_leaves_nothing(tmp_path: Path) -> None:
    script = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(run(tmp_path, script))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _lives((tmp_path / "pid").read_text())


async def test_a_descendant_with_a_session_of_its_own_is_ended_with_the_run(tmp_path: Path) -> None:
    script = "import subprocess; print(subprocess.Popen(['sleep', '30'], start_new_session=True).pid)"
    outcome, printed, _ = await run(tmp_path, script)
    assert outcome.succeeded
    assert outcome.duration_seconds < 10
    assert not _lives(printed.strip())


async def test_text_that_no_argument_can_hold_is_refused(tmp_path: Path) -> None:
    outcome, _, _ = await run(tmp_path, "pass", parameters={"a": "x\0y"}, delivery=Delivery.ARGS)
    assert (outcome.ending, outcome.exit_code) == (WorkEnding.REFUSED, None)
    assert outcome.reason.startswith("parameters.a: expected text without NUL")


async def test_many_run_at_once(tmp_path: Path) -> None:
    runner = HostWorkRunner(default_contract(SURROUNDINGS))

    async def output(stream: str, text: str) -> None: ...

    script = tmp_path / "one.sh"
    script.write_text('read -r given; echo "$given"')
    works = [Work(script, "/bin/sh", parameters={"n": number}) for number in range(40)]
    outcomes = await asyncio.gather(*(runner.run(work, output) for work in works))
    assert [one.result for one in outcomes] == [{"n": number} for number in range(40)]


OWNER = """\
import asyncio, os, sys
from pathlib import Path
from attune.core.executions.work import Work
from attune.host.contract.execution_contract import default_contract
from attune.host.executions.runner import HostWorkRunner
async def output(stream, text):
    Path(sys.argv[2]).write_text(text)
asyncio.run(HostWorkRunner(default_contract(os.environ)).run(Work(Path(sys.argv[1]), "/bin/sh"), output))
"""


def test_what_a_killed_worker_has_started_is_ended(tmp_path: Path) -> None:
    script, told = tmp_path / "s.sh", tmp_path / "told"
    script.write_text("sleep 300 & echo $$ $!; wait")
    tidied = {**os.environ, "TMPDIR": str(tmp_path)}  # its working folder stays behind
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(script), str(told)], env=tidied)
    pids = wait_for(lambda: told.exists() and told.read_text().split())
    assert len(pids) == 2
    owner.kill()
    owner.wait()
    for pid in pids:
        wait_for(lambda pid=pid: not _lives(pid))


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


HELPED = "from attune_action import log, parameters, result\nlog('told')\nresult(parameters())\nassert parameters()\n"
GIVEN: Mapping[str, Any] = {
    "text": "it's \"5\"\nof =them", "five": "5", "n": 5, "dry-run": True, "list": [1, "a"], "object": {"a": None},
    "nothing": None, "empty": "", "last": "--text=no",
}  # fmt: skip


@pytest.mark.parametrize("delivery", Delivery)
async def test_the_helper_gives_the_same_parameters_by_every_delivery(tmp_path: Path, delivery: Delivery) -> None:
    outcome, printed, said = await run(
        tmp_path,
        HELPED,
        parameters={**GIVEN, "key": "s3cret"},
        secrets=frozenset({"key"}),
        delivery=delivery,
        positional=("five", "unknown", "last"),
        environment={"PYTHONPATH": str(Path(catalogue.__file__).parent / "helper"), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert outcome.result == {**GIVEN, "key": "s3cret"}, outcome.reason
    assert (len(printed.splitlines()), said) == (1, "told\n")
