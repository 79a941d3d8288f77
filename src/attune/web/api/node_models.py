"""What the API says of nodes: the shapes of its answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class NodeItem(BaseModel):
    """A node as the registry knows it. Times are the database's; ages are in seconds by its clock."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["worker-build-7"])
    role: str = Field(examples=["worker"])
    host: str | None = Field(examples=["build-7"])
    status: str = Field(examples=["active"])
    capabilities: dict[str, Any] = Field(
        examples=[{"runtimes": ["python"], "runtime_versions": {"python": ["3.11.7"]}}]
    )
    last_heartbeat: datetime | None = Field(examples=["2026-11-24T09:00:00Z"])
    heartbeat_age: float | None = Field(examples=[3.2])
    pid: int | None = Field(examples=[4711])
    generation: int = Field(description="Grows each time the capabilities change.", examples=[3])
    running: int = Field(description="How many executions it runs.", examples=[0])
    max_concurrent: int | None = Field(description="How many it may run, null for no limit.", examples=[1])


class InstanceItem(BaseModel):
    """One interpreter that was found."""

    model_config = ConfigDict(extra="allow")

    version: str | None = Field(default=None, examples=["3.11.7"])
    path: str | None = Field(default=None, examples=["/usr/bin/python3"])


class RuntimeItem(BaseModel):
    """What is known of one runtime on a node, and how it was found out."""

    ref: str = Field(examples=["core.python"])
    name: str = Field(examples=["python"])
    status: str = Field(examples=["available"])
    version: str | None = Field(examples=["3.11.7"])
    path: str | None = Field(examples=["/usr/bin/python3"])
    instances: list[InstanceItem]
    reason: str = Field(examples=["verified by `python3 --version`"])
    evidence: dict[str, Any] | None = Field(
        examples=[
            {"command": ["python3", "--version"], "exit_code": 0, "output": "Python 3.11.7\n", "duration_ms": 4.1}
        ]
    )
    checked_at: datetime | None = Field(examples=["2026-11-24T09:00:00Z"])
    age_seconds: float | None = Field(description="How long ago it was checked.", examples=[38.0])
    since: datetime | None = Field(description="When the status became what it is.", examples=["2026-11-23T09:00:00Z"])
    failures: int = Field(description="Checks in a row that did not pass.", examples=[0])


class NodeCapabilities(BaseModel):
    """What a node offers: as it registered it, and every verdict with its evidence and its age."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["worker-build-7"])
    role: str = Field(examples=["worker"])
    status: str = Field(examples=["active"])
    generation: int = Field(examples=[3])
    capabilities: dict[str, Any] = Field(examples=[{"runtimes": ["python"]}])
    last_heartbeat: datetime | None = Field(examples=["2026-11-24T09:00:00Z"])
    heartbeat_age: float | None = Field(examples=[3.2])
    as_of: datetime = Field(description="When this was read.", examples=["2026-11-24T09:00:03Z"])
    results: list[RuntimeItem]


class TransitionItem(BaseModel):
    """A change of what a node offers."""

    id: int = Field(examples=[17])
    worker: int = Field(description="The node's id.", examples=[1])
    worker_name: str = Field(examples=["worker-build-7"])
    role: str = Field(examples=["worker"])
    runtime_ref: str = Field(examples=["core.python"])
    name: str = Field(examples=["python"])
    from_status: str = Field(examples=["available"])
    to_status: str = Field(examples=["unavailable"])
    reason: str = Field(examples=["python3: not found on PATH"])
    evidence: dict[str, Any] | None = Field(examples=[None])
    at: datetime = Field(examples=["2026-11-24T09:00:00Z"])


class Asked(BaseModel):
    """What was asked of a node has been passed on to it."""

    id: int = Field(examples=[1])
    asked: str = Field(examples=["drain"])
