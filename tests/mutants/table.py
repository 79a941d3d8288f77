"""Small faults that somebody might make, each with the tests that must fail of it."""

from __future__ import annotations

from dataclasses import dataclass

CORE = "src/attune/core/"
UNIT = "tests/unit/"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: *old*, which is once in *file*, becomes *new*; one of *tests* must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "as many changes as are allowed count as flapping",
        f"{CORE}nodes/health.py",
        "len(changes) > policy.most_changes",
        "len(changes) >= policy.most_changes",
        (f"{UNIT}core/nodes",),
    ),
    Mutant(
        "changes are forgotten while a runtime is held back",
        f"{CORE}nodes/health.py",
        "return policy.window + policy.hold_seconds(health.holds)",
        "return policy.window",
        (f"{UNIT}core/nodes",),
    ),
    Mutant(
        "evidence keeps 20 characters",
        f"{CORE}runtimes/judgement.py",
        "_EXCERPT = 2000",
        "_EXCERPT = 20",
        (f"{UNIT}core/runtimes/test_judgement.py",),
    ),
    Mutant(
        "a node that may run nothing may run anything",
        f"{CORE}nodes/capabilities.py",
        "not isinstance(value, int) or value < 0",
        "not isinstance(value, int) or value <= 0",
        (f"{UNIT}core/nodes",),
    ),
    Mutant(
        "health checks have no jitter",
        f"{CORE}nodes/health_schedule.py",
        "_JITTER = 0.2",
        "_JITTER = 0.0",
        (f"{UNIT}core/nodes",),
    ),
    Mutant(
        "a directory that has just changed is taken for known",
        "src/attune/host/probing/path_index.py",
        "if now_ns - status.st_mtime_ns < _YOUNG_NS:",
        "if now_ns - status.st_mtime_ns < 0:",
        (f"{UNIT}host/probing/test_path_index.py",),
    ),
    Mutant(
        "what a group may write is nobody else's to write",
        "src/attune/host/contract/ownership.py",
        "_OTHERS = stat.S_IWGRP | stat.S_IWOTH",
        "_OTHERS = stat.S_IWOTH",
        (f"{UNIT}host/contract",),
    ),
    Mutant(
        "commands are searched for in sticky folders",
        "src/attune/host/contract/ownership.py",
        "self._fault(walk, sticky=sticky and bool(walk.rest))",
        "self._fault(walk, sticky=sticky)",
        (f"{UNIT}host/contract",),
    ),
    Mutant(
        "commands may have any arguments",
        "src/attune/host/contract/policy.py",
        "if args is None or (name, *args) in commands:",
        "if args is None or commands:",
        (f"{UNIT}host/probing/test_path_index.py",),
    ),
    Mutant(
        "an outcome is kept for every environment",
        "src/attune/host/probing/outcome_cache.py",
        "parts = (command.argv, self._environment, ",
        "parts = (command.argv, ",
        (f"{UNIT}host/probing/test_outcome_cache.py",),
    ),
    Mutant(
        "an outcome is kept when the libraries of the host change",
        "src/attune/host/probing/outcome_cache.py",
        "_link_chain(path), loader)",
        "_link_chain(path))",
        (f"{UNIT}host/probing/test_outcome_cache.py",),
    ),
    Mutant(
        "what was good once counts as good from then on",
        f"{CORE}nodes/health.py",
        "successes=0, good_since=None)",
        "successes=0)",
        (f"{UNIT}core/nodes",),
    ),
    Mutant(
        "a change within a tick of the clock before the check is not seen",
        f"{CORE}nodes/health.py",
        "snapshot.newest >= evidence.at - _CLOCK_TICK",
        "snapshot.newest >= evidence.at + _CLOCK_TICK",
        (f"{UNIT}core/nodes", f"{UNIT}operations/runtimes"),
    ),
    Mutant(
        "one failure withdraws what needs two",
        f"{CORE}nodes/health.py",
        "if not gone and not health.shown.is_cached and health.failures < needed:",
        "if not gone and not health.shown.is_cached and health.failures < needed - 1:",
        (f"{UNIT}core/nodes",),
    ),
    Mutant(
        "the load of a node does not matter",
        f"{CORE}matching/matcher.py",
        "(-candidate.score, candidate.node.load, candidate.node.name, candidate.node.id)",
        "(-candidate.score, candidate.node.name, candidate.node.id)",
        (f"{UNIT}core/matching/test_matcher.py",),
    ),
    Mutant(
        "a node at its limit takes one more",
        f"{CORE}matching/fleet.py",
        "self.running >= limit)",
        "self.running > limit)",
        (f"{UNIT}core/matching",),
    ),
    Mutant(
        "a draining node keeps its sensors",
        f"{CORE}sensors/assignment.py",
        "if node.status is NodeStatus.DRAINING:",
        "if node.status is NodeStatus.LOST:",
        (f"{UNIT}core/sensors",),
    ),
    Mutant(
        "a sensor is given up one failure late",
        f"{CORE}backoff.py",
        "failures >= self.failed_after",
        "failures > self.failed_after",
        (f"{UNIT}core/test_restarts.py",),
    ),
    Mutant(
        "restarts are not slowed down for ever",
        f"{CORE}backoff.py",
        "min(self.slowest, plain)",
        "plain",
        (f"{UNIT}core/test_restarts.py",),
    ),
    Mutant(
        "an object with one more key is taken for an envelope",
        f"{CORE}sensors/event_line.py",
        'if "payload" not in value or not set(value) <= _ENVELOPE:',
        'if "payload" not in value:',
        (f"{UNIT}core/sensors",),
    ),
    Mutant(
        "the name none is a runtime",
        f"{CORE}runtimes/selection.py",
        'return () if names == ("none",) else names',
        "return names",
        (f"{UNIT}core/runtimes",),
    ),
    Mutant(
        "work that failed is tried once too often",
        f"{CORE}executions/execution.py",
        "if failures < retries and",
        "if failures <= retries and",
        (f"{UNIT}core/executions",),
    ),
    Mutant(
        "work that kills its workers is given to one more",
        f"{CORE}executions/execution.py",
        "if losses >= MOST_LOSSES:\n        return NextStep(_S.ABANDONED",
        "if losses > MOST_LOSSES:\n        return NextStep(_S.ABANDONED",
        (f"{UNIT}core/executions",),
    ),
    Mutant(
        "a narrow token opens as much as a wide one",
        f"{CORE}access/tokens.py",
        "_ORDER.index(self) >= _ORDER.index(other)",
        "_ORDER.index(self) <= _ORDER.index(other)",
        (f"{UNIT}core/access",),
    ),
    Mutant(
        "the session itself is put into its forms",
        f"{CORE}access/tokens.py",
        'hashlib.sha256(b"csrf:" + session',
        "hashlib.sha256(session",
        (f"{UNIT}core/access",),
    ),
    Mutant(
        "a dry-run that could not decide counts as a loss",
        f"{CORE}runtimes/preview.py",
        "if status is Status.UNKNOWN:",
        "if status is Status.INVALID:",
        (f"{UNIT}core/runtimes",),
    ),
    Mutant(
        "a suspect is not verified",
        "src/attune/operations/runtimes/reverify.py",
        "if snapshot != runtime.snapshot or ref in suspects or",
        "if snapshot != runtime.snapshot or",
        (f"{UNIT}operations/runtimes", f"{UNIT}agent/health"),
    ),
    Mutant(
        "a rule of another trigger fires",
        "src/attune/operations/events/react.py",
        "[rule for rule in rules if rule.trigger_ref == event.trigger_ref]",
        "list(rules)",
        (f"{UNIT}operations/events",),
    ),
    Mutant(
        "a runaway rule is never paused",
        "src/attune/core/events/circuit_breaker.py",
        "if overruns >= MOST_OVERRUNS else None",
        "if overruns > 10 * MOST_OVERRUNS else None",
        (f"{UNIT}operations/events",),
    ),
    Mutant(
        "a rule that had little time is counted as if it had had all",
        "src/attune/operations/events/react.py",
        "if not over or seconds == RULE_SECONDS or",
        "if True or",
        (f"{UNIT}operations/events",),
    ),
    Mutant(
        "work that a busy node might take is refused",
        "src/attune/operations/executions/execute.py",
        "profile.is_hopeless for profile",
        "profile.category is not profile.category.ABLE for profile",
        (f"{UNIT}operations/executions",),
    ),
    Mutant(
        "lines that were left out are counted twice",
        "src/attune/agent/sensors/event_forwarder.py",
        "self._left_out.pop(source, 0)",
        "self._left_out.get(source, 0)",
        (f"{UNIT}agent/sensors",),
    ),
    Mutant(
        "a drained node cannot be told from a stopped one",
        "src/attune/postgres/nodes/node_control.py",
        "f\"status = 'draining' WHERE status IN {_LIVE}\"",
        "f\"status = 'inactive' WHERE status IN {_LIVE}\"",
        ("tests/contract/nodes/test_node_control.py",),
    ),
    Mutant(
        "a node that runs can be forgotten",
        "src/attune/postgres/nodes/node_control.py",
        'gone = "" if force else',
        'gone = "" if True else',
        ("tests/contract/nodes/test_node_control.py",),
    ),
    Mutant(
        "without a protection: core dumps are left",
        "src/attune/host/contract/supervisor.py",
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
        "pass",
        ("tests/integration/executions/test_execution_contract.py",),
    ),
    Mutant(
        "without a protection: descriptors are inherited",
        "src/attune/host/contract/supervisor.py",
        "socket.CMSG_SPACE(4 * 4), socket.MSG_CMSG_CLOEXEC)",
        "socket.CMSG_SPACE(4 * 4))",
        ("tests/integration/executions/test_execution_contract.py",),
    ),
    Mutant(
        "without a protection: setuid programs give rights",
        "src/attune/host/contract/supervisor.py",
        'if launch["no_new_privileges"]:',
        "if False:",
        ("tests/integration/executions/test_execution_contract.py",),
    ),
    Mutant(
        "without a protection: programs write where their user may",
        "src/attune/host/contract/landlock.py",
        "writes = 0 if writable is None else _WRITES",
        "writes = 0 if True else _WRITES",
        ("tests/integration/executions/test_execution_contract.py",),
    ),
    Mutant(
        "without a protection: checks and actions read secrets",
        "src/attune/host/contract/landlock.py",
        "reads = 0 if readable is None else _READ_FILE",
        "reads = 0",
        ("tests/integration/executions/test_execution_contract.py",),
    ),
    Mutant(
        "without a protection: programs signal others",
        "src/attune/host/contract/landlock.py",
        "_SCOPE_SIGNAL if writable is not None and version >= 6 else 0",
        "0",
        ("tests/integration/executions/test_execution_contract.py",),
    ),
    Mutant(
        "without a protection: checks connect",
        "src/attune/host/contract/landlock.py",
        "_CONNECT_TCP if offline and version >= 4 else 0",
        "0",
        ("tests/integration/executions/test_execution_contract.py",),
    ),
    Mutant(
        "without a protection: daemons escape",
        "src/attune/host/contract/spawner.py",
        "            prctl(PR_SET_CHILD_SUBREAPER, 1)\n            group = None",
        "            group = None",
        ("tests/integration/executions/test_hostile_programs.py",),
    ),
    Mutant(
        "without a protection: the control group ends nothing",
        "src/attune/host/contract/cgroups.py",
        'os.write(self._kill, b"1")',
        'os.write(self._kill, b"")',
        ("tests/unit/host/contract/test_cgroups.py",),
    ),
    Mutant(
        "without a protection: run_as changes nothing",
        "src/attune/host/contract/supervisor.py",
        "os.setresuid(uid, uid, uid)",
        "pass",
        ("tests/integration/executions/test_execution_contract.py",),
    ),
    Mutant(
        "without a protection: limits are not set",
        "src/attune/host/contract/supervisor.py",
        "resource.setrlimit(name, (soft, hard))",
        "pass",
        ("tests/integration/executions/test_execution_contract.py",),
    ),
    Mutant(
        "without a protection: the service's variables are passed on",
        "src/attune/host/contract/environment.py",
        "if (name in wanted or name.startswith(ALLOWED_PREFIXES)) and not may_be_secret(name)",
        "if True",
        ("tests/integration/executions/test_execution_contract.py",),
    ),
    Mutant(
        "without a protection: a program stops its supervisor",
        "src/attune/host/contract/spawner.py",
        "collected(os.WUNTRACED)",
        "collected()",
        ("tests/integration/executions/test_hostile_programs.py",),
    ),
    Mutant(
        "without a protection: folders of variables are trusted",
        "src/attune/composition/host_examiner.py",
        "        trusted=trusted,\n",
        "        trusted=lambda: trusted.given,\n",
        ("tests/integration/executions/test_admitted_work.py",),
    ),
)
