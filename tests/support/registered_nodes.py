"""Nodes in a database, as nodes register themselves, for tests that only look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attune.core.nodes.role import WORKER, Role
from attune.core.ports.nodes import Registration
from attune.core.runtimes.verdict import Evidence, Instance, Status, Verdict
from attune.postgres.connection import Pool
from attune.postgres.nodes.registry import PostgresNodes


def verdict(name: str, version: str | None = None, status: Status = Status.AVAILABLE, reason: str = "") -> Verdict:
    """What a node found of `core.<name>`."""
    path = f"/usr/bin/{name}"
    instances = (Instance(version, path, path),) if status.offered else ()
    evidence = Evidence((name, "--version"), 0, f"{name} {version}\n", 3.5)
    return Verdict(f"core.{name}", name, status, reason or f"verified by `{name} --version`", name, instances, evidence)


async def register(
    pool: Pool,
    name: str,
    *verdicts: Verdict,
    role: Role = WORKER,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[str] = (),
) -> int:
    """A live node of that name with *verdicts*; its id. Its name is not held."""
    offered = [one for one in verdicts if one.status.offered]
    capabilities = {
        "runtimes": [one.capability for one in offered],
        "runtime_source": "database",
        "runtime_versions": {one.capability: [one.version] for one in offered if one.version},
        "worker_version": "0",
        "max_concurrent_executions": 1,
    }
    return await PostgresNodes(pool).register(
        Registration(name, role, "test-host", 4711, capabilities, verdicts, labels or {}, taints)
    )
