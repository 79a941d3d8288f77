"""`attune detect` as people and programs run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_hosts import Machine, by_name


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.command("python3", "Python 3.11.7")
    made.command("node", "v20.20.2")
    return made


def test_json_has_the_documented_shape(machine: Machine) -> None:
    data = machine.detect()

    assert (data["role"], data["source"]) == ("worker", "catalogue")
    assert set(data) >= {"role", "source", "runtimes", "duration_ms", "results"}
    assert {"python", "node", "shell", "native"} <= set(data["runtimes"])
    python = by_name(data)["python"]
    assert set(python) >= {"ref", "name", "status", "version", "path", "reason", "duration_ms", "instances", "evidence"}
    assert (python["ref"], python["status"], python["version"]) == ("core.python", "available", "3.11.7")
    assert python["path"] == str(machine.bin / "python3")
    assert python["instances"] == [
        {"version": "3.11.7", "path": python["path"], "real_path": python["path"]},
    ]
    assert python["evidence"]["command"] == ["python3", "--version"]
    assert (python["evidence"]["exit_code"], python["evidence"]["output"]) == (0, "Python 3.11.7")
    ruby = by_name(data)["ruby"]
    assert (ruby["status"], ruby["version"], ruby["path"]) == ("unavailable", None, None)
    assert ruby["reason"].endswith("not found on PATH")


def test_the_table_has_offered_runtimes_first_and_ends_with_a_sentence(machine: Machine) -> None:
    done = machine.attune("detect", "--local")

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0].split() == ["RUNTIME", "STATUS", "VERSION", "PATH", "WHY"]
    statuses = [line.split()[2] for line in lines[1:-1]]
    assert statuses == sorted(
        statuses, key=["available", "assumed", "declared", "unknown", "unavailable", "invalid"].index
    )
    assert "runtimes available on" in lines[-1] and "from the shipped definitions" in lines[-1]
    assert "\x1b" not in done.stdout
    assert "~/bin/python3" in done.stdout


def test_a_requirement_that_holds_exits_with_0_and_one_that_does_not_with_3(machine: Machine) -> None:
    assert machine.attune("detect", "--local", "--require", "python >=3.9,<4").returncode == 0
    failed = machine.attune("detect", "--local", "--require", "python >=3.12", "--require", "ruby")

    assert failed.returncode == 3
    assert "requirement not met: python >=3.12: found 3.11.7" in failed.stderr
    assert (
        "requirement not met: ruby: unavailable, ruby, ruby3.4, ruby3.3 and 4 more: not found on PATH" in failed.stderr
    )
    assert "Traceback" not in failed.stderr


@pytest.mark.usefixtures("on_database")
def test_what_no_definition_covers_is_verified_as_shipped_or_unknown(machine: Machine) -> None:
    machine.command("java", 'openjdk version "17.0.15" 2025-04-15')
    machine.command("docker", "Docker version 28.2.2, build e6534b4")

    def said(*terms: str, only: str = "") -> tuple[int, str]:
        required = [word for term in terms for word in ("--require", term)]
        done = machine.attune("detect", *required, *(("--only", only) if only else ()))
        return done.returncode, done.stderr

    code, told = said("java >=17")
    assert (code, "the shipped one was used: attune runtime add --from-catalogue java" in told) == (0, True)
    for only in ("", "python"):
        code, told = said("!docker", only=only)
        assert (code, "requirement not met: !docker: found 28.2.2 at " in told) == (3, True)
    assert said("pyton >=3")[1].endswith("no definition is called pyton, did you mean python?\n")
    assert said("!no-such-thing") == (
        3,
        "attune: requirement not met: !no-such-thing: no definition is called no-such-thing\n",
    )


def test_a_malformed_requirement_is_a_usage_error(machine: Machine) -> None:
    done = machine.attune("detect", "--local", "--require", "python >>3")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("attune: requirement 'python >>3':")
    assert "try: --require" in done.stderr


def test_only_restricts_the_table(machine: Machine) -> None:
    assert [one["name"] for one in machine.detect("--only", "python3", "--only", "core.nodejs")["results"]] == [
        "node",
        "python",
    ]


def test_the_environment_decides_first_and_marks_what_it_names_as_declared(machine: Machine) -> None:
    data = machine.detect(ATTUNE_WORKER_RUNTIMES="Python3, cobol")

    assert (data["source"], data["runtimes"]) == ("environment", ["python", "cobol"])
    assert [one["status"] for one in data["results"]] == ["declared", "declared"]
    assert data["warnings"] == ["no definition is called 'cobol'"]


def test_the_config_file_decides_when_the_environment_is_silent(machine: Machine) -> None:
    (machine.folder / "attune.yaml").write_text("worker:\n  capabilities:\n    runtimes: [python, ruby]\n")
    data = machine.detect(ATTUNE_WORKER_RUNTIMES=" ,, ")

    assert (data["source"], data["runtimes"]) == ("config", ["python", "ruby"])
    assert "ATTUNE_WORKER_RUNTIMES is set but names nothing" in data["warnings"][0]


def test_with_verify_overrides_only_what_is_verified_is_offered(machine: Machine) -> None:
    (machine.folder / "attune.yaml").write_text("detection:\n  verify_overrides: true\n")
    data = machine.detect(ATTUNE_WORKER_RUNTIMES="python,ruby")

    assert (data["source"], data["runtimes"]) == ("environment", ["python"])


def test_none_offers_nothing(machine: Machine) -> None:
    assert machine.detect(ATTUNE_WORKER_RUNTIMES="none")["runtimes"] == []


def test_a_wrong_separator_is_an_error_that_names_the_right_one(machine: Machine) -> None:
    done = machine.attune("detect", "--local", ATTUNE_WORKER_RUNTIMES="python;shell")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "attune: ATTUNE_WORKER_RUNTIMES: expected names separated by commas, got 'python;shell'\n"
        "try: ATTUNE_WORKER_RUNTIMES=python,shell\n"
    )


def test_a_wrong_type_in_the_file_is_an_error_with_its_line(machine: Machine) -> None:
    (machine.folder / "attune.yaml").write_text("worker:\n  capabilities:\n    runtimes: python\n")
    done = machine.attune("detect", "--local")

    assert done.returncode == 2
    assert done.stderr.startswith(
        "attune: worker.capabilities.runtimes: expected a list of names, got 'python' (attune.yaml:3)\ntry: "
    )


def test_hostile_commands_get_their_own_verdict_and_the_rest_is_unaffected(machine: Machine) -> None:
    machine.command("ruby", script="trap '' TERM; while :; do sleep 1; done")
    machine.command("go", script="kill -SEGV $$")
    machine.command("perl", script="printf '\\377\\376 broken'; exit 3")
    (machine.bin / "php").mkdir()
    (machine.bin / "lua").write_text("#!/no/such/interpreter\n")
    (machine.bin / "lua").chmod(0o755)
    (machine.folder / "attune.yaml").write_text("detection:\n  max_timeout: 1\n")
    machine.variables["PATH"] = f"{machine.bin}:/usr/bin:/bin"
    names = [word for name in ("python", "ruby", "go", "perl", "php", "lua") for word in ("--only", name)]
    found = by_name(machine.detect(*names))

    assert (found["python"]["status"], found["python"]["version"]) == ("available", "3.11.7")
    assert found["ruby"]["status"] == "unknown"
    assert "timed out after 1 s" in found["ruby"]["reason"]
    assert "SIGSEGV" in found["go"]["reason"]
    assert "expected exit code 0, got 3" in found["perl"]["reason"]
    assert found["lua"]["status"] == "unavailable"
    assert "/no/such/interpreter" in found["lua"]["reason"]


def test_everything_is_run_unless_an_age_is_accepted_and_the_age_is_said(machine: Machine) -> None:
    machine.variables["PATH"] = f"{machine.bin}:/usr/bin:/bin"
    machine.variables["XDG_CACHE_HOME"] = str(machine.folder / "cache")
    machine.detect("--only", "shell")
    again = by_name(machine.detect("--only", "shell"))["shell"]
    cached = by_name(machine.detect("--only", "shell", "--max-age", "10m"))["shell"]
    refused = machine.attune("detect", "--local", "--max-age", "soon")

    assert again["evidence"]["cached"] is False
    assert cached["evidence"]["cached"] is True
    assert 0 <= cached["evidence"]["cached_age_seconds"] < 600
    assert refused.returncode == 2
    assert "--max-age: expected a number above 0 and one of ms, s, m, h, d" in refused.stderr


def test_help_has_an_example_and_no_arguments_print_help(machine: Machine) -> None:
    helped = machine.attune("detect", "--help")
    bare = machine.attune()

    assert "Example:" in helped.stdout
    assert bare.returncode == 0
    assert "Commands" in bare.stdout


def test_an_unknown_command_is_a_usage_error_with_the_nearest_one(machine: Machine) -> None:
    done = machine.attune("detekt")

    assert done.returncode == 2
    assert "detect" in done.stderr


def test_the_json_is_valid_whatever_a_command_prints(machine: Machine) -> None:
    machine.command("python3", script="printf 'Python 3.11.7\\0\\033[31m \\377\"\\n'")

    done = machine.attune("detect", "--local", "--json", "--only", "python")
    assert json.loads(done.stdout)["results"][0]["version"] == "3.11.7"


def test_only_of_a_name_that_nothing_has_is_a_usage_error(machine: Machine) -> None:
    done = machine.attune("detect", "--local", "--only", "pyton")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "attune: --only: no definition is called 'pyton'; did you mean python?"
    assert machine.detect("--only", "pyton", ATTUNE_WORKER_RUNTIMES="pyton")["runtimes"] == ["pyton"]


def test_facts_of_the_host_and_labels_of_the_settings_are_terms(machine: Machine) -> None:
    (machine.folder / "attune.yaml").write_text("worker:\n  labels: {zone: eu}\n")
    only = ("detect", "--local", "--only", "python")

    assert (
        machine.attune(*only, "--require", "cpus >=1", "--require", "os=linux", "--require", "zone=eu").returncode == 0
    )
    failed = machine.attune(*only, "--require", "cpus >=4096")
    assert failed.returncode == 3
    assert "requirement not met: cpus >=4096" in failed.stderr


def test_a_host_offers_nothing_that_its_policy_does_not_execute(machine: Machine) -> None:
    strict = machine.detect(ATTUNE__HOST__ALLOWED_BINARIES="[python3]")
    verdicts = by_name(strict)

    assert strict["runtimes"] == ["python"]
    for name, command in (("native", "native"), ("shell", "bash"), ("node", "node")):
        assert verdicts[name]["status"] == "unavailable"
        assert (
            f"{command}: not among the commands that this host allows (host.allowed_binaries)"
            in verdicts[name]["reason"]
        )
    declared = machine.detect(ATTUNE__HOST__ALLOWED_BINARIES="[python3]", ATTUNE_WORKER_RUNTIMES="python,shell,native")
    assert declared["runtimes"] == ["python"]
    assert by_name(declared)["python"]["path"] == str(machine.bin / "python3")
    assert machine.detect(ATTUNE__HOST__ALLOWED_COMMANDS="[python3 --version]")["runtimes"] == ["python"]
    assert machine.detect(ATTUNE__HOST__ALLOWED_COMMANDS="[python3 -c x]")["runtimes"] == []
    assert "native" in machine.detect(ATTUNE__HOST__ALLOWED_BINARIES="[native]")["runtimes"]


def test_a_command_that_others_may_change_is_passed_over_and_named(machine: Machine, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python3").write_text("#!/bin/sh\necho Python 3.99.0\n")
    (tools / "python3").chmod(0o755)
    tools.chmod(0o777)
    python = by_name(machine.detect(PATH=f"{tools}:{machine.bin}"))["python"]

    assert (python["version"], python["path"]) == ("3.11.7", str(machine.bin / "python3"))
    expected = (
        f"verified by `python3 --version`; passed over: {tools}/python3: {tools} is writable by everybody (owner "
    )
    assert python["reason"].startswith(expected)
