"""Detection as a whole, on a fake host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from attune.core.nodes.role import SENSOR, WORKER
from attune.core.runtimes.command import Ending, Found, Missing, Outcome
from attune.core.runtimes.definition import Definition
from attune.core.runtimes.runtime import Runtime
from attune.core.runtimes.selection import Selection, Source, select
from attune.core.runtimes.verdict import Status
from attune.operations.runtimes.detect import Detection, DetectionOptions, detect
from attune.operations.runtimes.examine import Examiner, read_definitions
from attune.testing import FakeHost, MemoryOutcomes, printed
from factories import command, make_runtime, verification

PYTHON = make_runtime()
RUBY = make_runtime("acme.ruby", "Ruby", verification(command(binary="ruby", pattern=r"ruby \d")))
BROKEN = make_runtime("acme.broken", "Broken", "nonsense")
BUILTIN = make_runtime(
    "core.sensor.builtin",
    "Built-in Sensors",
    {**verification(always_available=True), "aliases": ["builtin"], "roles": ["sensor"]},
)


def run(host: FakeHost, *runtimes: Runtime, names: tuple[str, ...] | None = None, **options: object) -> Detection:
    selection = Selection(Source.DATABASE if names is None else Source.ENVIRONMENT, names)
    role = options.pop("role", WORKER)
    examiner = Examiner(host, host, options.pop("cache", None))  # type: ignore[arg-type]
    return detect(list(runtimes), selection, role, examiner, DetectionOptions(**options))  # type: ignore[arg-type]


def host() -> FakeHost:
    return FakeHost({"python3": printed("Python 3.11.7", path="/usr/bin/python3")})


def test_only_what_was_verified_is_offered() -> None:
    found = run(host(), RUBY, PYTHON)

    assert found.offered == ["python"]
    assert {verdict.ref: verdict.status for verdict in found.verdicts} == {
        "acme.ruby": Status.UNAVAILABLE,
        "core.python": Status.AVAILABLE,
    }


def test_a_malformed_definition_is_invalid_and_everything_else_is_verified() -> None:
    found = run(host(), BROKEN, PYTHON)

    assert [verdict.status for verdict in found.verdicts] == [Status.INVALID, Status.AVAILABLE]
    assert found.verdicts[0].reason == "distributions: expected an object, got 'nonsense'"


def test_a_sensor_only_runtime_is_not_considered_for_a_worker() -> None:
    assert run(host(), PYTHON, BUILTIN, role=WORKER).offered == ["python"]
    assert run(host(), PYTHON, BUILTIN, role=SENSOR).offered == ["python", "builtin"]


def test_the_same_definition_gives_a_worker_and_a_sensor_the_same_verdict() -> None:
    assert run(host(), PYTHON, role=WORKER).verdicts == run(host(), PYTHON, role=SENSOR).verdicts


def test_a_missing_binary_costs_no_process() -> None:
    machine = host()
    run(machine, RUBY, PYTHON)

    assert machine.ran == [("python3", "--version")]


def test_declared_names_run_nothing_and_are_marked() -> None:
    machine = host()
    found = run(machine, PYTHON, names=("python", "cobol"))

    assert machine.ran == []
    assert [(one.ref, one.status) for one in found.verdicts] == [
        ("core.python", Status.DECLARED),
        ("cobol", Status.DECLARED),
    ]
    assert found.warnings == ("no definition is called 'cobol'",)


def test_a_ref_declares_that_runtime_and_a_name_all_that_are_called_so() -> None:
    twin = make_runtime("acme.python", "Python", verification(command(binary="acme-python")))
    machine = FakeHost({"python3": printed("3", path="/usr/bin/python3"), "acme-python": printed("3")})
    declared = {
        names: [(one.ref, one.capability, one.path) for one in run(machine, PYTHON, twin, names=names).verdicts]
        for names in (("acme.python",), ("python",), ("acme.python", "python"))
    }
    core, acme = ("core.python", "python", "/usr/bin/python3"), ("acme.python", "python", "/usr/bin/acme-python")

    assert declared == {("acme.python",): [acme], ("python",): [core, acme], ("acme.python", "python"): [acme, core]}
    assert machine.ran == []
    found = run(host(), PYTHON, twin, names=("core.python",))
    assert (found.offered, found.warnings) == (["python"], ())
    only = run(host(), PYTHON, twin, names=("core.python",), verify_overrides=True)
    assert [(one.ref, one.status) for one in only.verdicts] == [("core.python", Status.AVAILABLE)]


def test_what_is_declared_without_commands_is_looked_for_by_its_name() -> None:
    machine = FakeHost({"tool": printed("1")})
    bare = make_runtime("acme.tool", "Tool", {})

    (declared,) = run(machine, bare, names=("tool",)).verdicts
    assert (declared.status, declared.path) == (Status.DECLARED, "/usr/bin/tool")
    always = make_runtime("acme.tool", "Tool", verification(always_available=True))
    assert [(one.status, one.path) for one in run(machine, always).verdicts] == [(Status.AVAILABLE, "/usr/bin/tool")]


def test_with_verify_overrides_the_names_only_restrict() -> None:
    found = run(host(), PYTHON, RUBY, names=("ruby", "cobol"), verify_overrides=True)

    assert [(one.ref, one.status) for one in found.verdicts] == [
        ("acme.ruby", Status.UNAVAILABLE),
        ("cobol", Status.UNAVAILABLE),
    ]
    assert found.offered == []


def test_none_offers_nothing() -> None:
    found = run(host(), PYTHON, names=())

    assert (found.offered, found.verdicts) == ([], ())


def test_only_restricts_by_name_or_ref() -> None:
    assert [one.ref for one in run(host(), PYTHON, RUBY, only=frozenset({"ruby"})).verdicts] == ["acme.ruby"]
    assert [one.ref for one in run(host(), PYTHON, RUBY, only=frozenset({"core.python"})).verdicts] == ["core.python"]


def test_the_source_says_which_tier_won() -> None:
    assert run(host(), PYTHON).source == "database"
    assert run(host(), PYTHON, origin="catalogue").source == "catalogue"
    assert run(host(), PYTHON, names=("python",)).source == "environment"
    by_file = detect([], select("V", None, "worker", {"runtimes": ["python"]}), WORKER, Examiner(host(), host()))
    assert by_file.source == "config"


def test_a_runtime_of_two_definitions_is_offered_once() -> None:
    twin = make_runtime("acme.python", "Python")

    assert run(host(), PYTHON, twin).offered == ["python"]


def test_absent_runtimes_are_looked_up_again_only_after_path_changed() -> None:
    machine = FakeHost({})
    examiner = Examiner(machine, machine)
    definitions = list(_definitions(RUBY))
    first = examiner.examine(definitions)[0]

    assert examiner.examine(definitions)[0] is first
    machine.commands["ruby"] = printed("ruby 3.1.2p20")
    assert examiner.examine(definitions)[0].status is Status.AVAILABLE


def _definitions(*runtimes: Runtime) -> list[object]:
    from attune.operations.runtimes.examine import read_definitions

    return list(read_definitions(runtimes))


def test_a_definitions_time_out_is_capped_by_the_host() -> None:
    seen: list[float] = []

    class Recording(FakeHost):
        def run(self, start, then, **options):  # type: ignore[no-untyped-def]
            seen.extend(one.timeout_seconds for one in start.values())
            super().run(start, then, **options)

    machine = Recording({"python3": Outcome(Ending.TIMED_OUT, detail="timed out after 5 s")})
    slow = make_runtime(distributions=verification(command(timeout_seconds=500)))
    found = detect([slow], Selection(Source.DATABASE), WORKER, Examiner(machine, machine, max_timeout_seconds=5))

    assert seen == [5]
    assert found.verdicts[0].status is Status.UNKNOWN


def test_cached_proof_is_taken_only_where_its_age_is_allowed() -> None:
    machine, cache = host(), MemoryOutcomes(lambda: 70.0)
    machine.commands["python3"] = replace(printed("Python 3.11.7"), at=10.0)
    run(machine, PYTHON, cache=cache)
    assert machine.ran == [("python3", "--version")]
    machine.ran.clear()

    (cached,) = run(machine, PYTHON, cache=cache, max_age_seconds=61.0).verdicts
    assert machine.ran == []
    assert (cached.status, cached.version, cached.is_cached) == (Status.AVAILABLE, "3.11.7", True)
    assert cached.evidence is not None
    assert cached.evidence.cached_age == 60.0
    for max_age in (0.0, 60.0):
        assert not run(machine, PYTHON, cache=cache, max_age_seconds=max_age).verdicts[0].is_cached
    assert len(machine.ran) == 2


def test_cached_proof_that_a_changed_definition_refuses_is_run_again() -> None:
    machine, cache = host(), MemoryOutcomes()
    run(machine, PYTHON, cache=cache)
    machine.commands["python3"] = printed("Python 3.12.0")
    newer = make_runtime(distributions={**verification(command()), "min_version": "3.12"})

    (verdict,) = run(machine, newer, cache=cache, max_age_seconds=60.0).verdicts

    assert len(machine.ran) == 2
    assert (verdict.version, verdict.is_cached) == ("3.12.0", False)


SHORTAGES = {
    "no process": printed("python3: Cannot fork", 1),
    "no thread": printed("runtime: failed to create new OS thread", 2),
    "virtual machine": printed("Error occurred during initialization of VM", 1),
    "killed for memory": printed("", 137),
    "killed by the kernel": Outcome(Ending.SIGNALED, detail="killed by SIGKILL", path="/bin/p", real_path="/bin/p"),
    "too slow": Outcome(Ending.TIMED_OUT, detail="timed out after 1 s"),
    "not started": Outcome(Ending.UNDECIDED, detail="not started: out of memory"),
    "other output": printed("Error occurred during initialization of VM"),
}


@pytest.mark.parametrize("shortage", SHORTAGES)
def test_shortage_is_never_cached(shortage: str) -> None:
    machine, cache = host(), MemoryOutcomes()
    machine.commands["python3"] = SHORTAGES[shortage]
    assert run(machine, PYTHON, cache=cache).offered == []
    assert cache.kept == {}
    machine.commands["python3"] = printed("Python 3.11.7")

    assert run(machine, PYTHON, cache=cache, max_age_seconds=60.0).offered == ["python"]


class Refusing(FakeHost):
    """A host whose policy refuses the commands *refused*."""

    def __init__(self, *refused: str) -> None:
        super().__init__({name: printed("Python 3.11.7") for name in ("python3", "bash")})
        self.refused = refused

    def find(self, name: str, args: Sequence[str] | None = None) -> Found | Missing:
        return Missing(Ending.REFUSED, "not allowed") if name in self.refused else super().find(name, args)


NATIVE = make_runtime("core.native", "Native", verification(always_available=True, check_required=False))
SHELL = make_runtime(
    "core.shell", "Shell", verification(command(binary="bash"), always_available=True, check_required=True)
)
ASSUMED = make_runtime("acme.tool", "Tool", verification(command(binary="bash"), check_required=False))


@pytest.mark.parametrize("names", [None, ("native", "shell", "tool", "python", "unknown")])
def test_what_the_policy_refuses_is_not_offered_declared_or_not(names: tuple[str, ...] | None) -> None:
    found = run(Refusing("native", "bash", "unknown"), NATIVE, SHELL, ASSUMED, PYTHON, names=names)

    assert found.offered == ["python"]
    reasons = {verdict.capability: verdict.reason for verdict in found.verdicts}
    assert reasons["native"] == "native: not allowed"
    assert reasons["shell"] == reasons["tool"] == "bash: not allowed"
    assert run(Refusing(), NATIVE, SHELL, ASSUMED, names=names and names[:3]).offered == ["native", "shell", "tool"]


def test_a_refused_command_is_looked_at_again_each_time() -> None:
    host = Refusing("python3")
    examiner = Examiner(host, host)
    definitions = [item for item in read_definitions([PYTHON]) if isinstance(item, Definition)]
    assert examiner.examine(definitions)[0].status is Status.UNAVAILABLE

    host.refused = ()
    assert examiner.examine(definitions)[0].status is Status.AVAILABLE


def test_what_is_declared_has_the_path_of_its_first_command_that_is_there() -> None:
    (verdict,) = run(host(), PYTHON, names=("python",)).verdicts

    assert (verdict.status, verdict.path, verdict.version) == (Status.DECLARED, "/usr/bin/python3", None)
    assert run(FakeHost({}), PYTHON, names=("python",)).verdicts[0].status is Status.DECLARED
