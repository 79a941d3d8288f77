"""Actions and executions as the API shows and takes them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from attune.core.errors import RequirementError
from attune.core.executions.action import Action
from attune.core.executions.execution import ExecutionStatus, Policy
from attune.core.matching.requirement_parser import MAX_TERMS

_WHEN = ["2026-11-24T09:00:00Z"]


class ActionItem(BaseModel):
    """An action: what it needs of a worker, and what it takes."""

    ref: str = Field(examples=["demo.hello_python"])
    pack_ref: str = Field(examples=["demo"])
    label: str = Field(examples=["Hello from Python"])
    description: str = Field(examples=["Says which interpreter it runs with."])
    requirement: str | None = Field(description="Null where it cannot be read.", examples=["python >=3.9"])
    prefers: list[str] = Field(examples=[["zone=eu *5"]])
    runtime: str | None = Field(examples=["python"])
    entrypoint: str = Field(examples=["hello.py"])
    delivery: str = Field(description="How it gets its parameters: `stdin`, `env` or `args`.", examples=["stdin"])
    param_schema: dict[str, Any] = Field(examples=[{"type": "object"}])
    timeout_seconds: float | None = Field(examples=[30.0])
    retries: int = Field(examples=[0])
    on_lost: str = Field(examples=["retry"])

    @classmethod
    def of(cls, action: Action) -> ActionItem:
        """*action* as it is shown."""
        try:
            requirement = str(action.requirement)
        except RequirementError:
            requirement = None
        return cls.model_validate({**asdict(action), "requirement": requirement})


class RunRequest(BaseModel):
    """How to run an action. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", strict=True)

    parameters: dict[str, Any] = Field(default={}, examples=[{"name": "world"}])
    require: list[str] = Field(default=[], max_length=MAX_TERMS, examples=[["zone=eu"]])
    policy: Policy = Field(default=Policy.WAIT, strict=False, examples=["wait"])
    wait_seconds: float | None = Field(
        default=None, gt=0, le=1e9, description="Fail it if no worker could take it for so long.", examples=[600.0]
    )
    timeout_seconds: float | None = Field(default=None, gt=0, le=31_622_400, examples=[30.0])


class ExecutionItem(BaseModel):
    """An execution. Parameters that its action marks secret are shown as `***`."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[7])
    action_ref: str = Field(examples=["demo.hello_python"])
    status: ExecutionStatus = Field(examples=["completed"])
    reason: str | None = Field(examples=[None])
    parameters: Any = Field(examples=[{"name": "world"}])
    result: Any = Field(examples=[{"greeting": "hello, world"}])
    exit_code: int | None = Field(examples=[0])
    requirement: str | None = Field(examples=["python >=3.9"])
    policy: str | None = Field(examples=["wait"])
    deadline: datetime | None = Field(examples=[None])
    attempt: int = Field(examples=[1])
    failures: int = Field(examples=[0])
    losses: int = Field(examples=[0])
    retries: int = Field(examples=[0])
    worker: int | None = Field(examples=[1])
    worker_name: str | None = Field(examples=["worker-build-7"])
    interpreter: Any = Field(examples=[{"python": {"version": "3.11.7", "path": "/usr/bin/python3"}}])
    timeout_seconds: float | None = Field(examples=[30.0])
    dropped_bytes: int = Field(description="Printed and not kept.", examples=[0])
    retry_of: int | None = Field(examples=[None])
    rule_ref: str | None = Field(examples=["demo.greet"])
    created: datetime = Field(examples=_WHEN)
    updated: datetime = Field(examples=_WHEN)
    started_at: datetime | None = Field(examples=_WHEN)
    finished_at: datetime | None = Field(examples=_WHEN)
    waited: float = Field(description="Seconds until its present attempt began.", examples=[0.01])
    ran: float | None = Field(examples=[0.12])


class OutputPiece(BaseModel):
    """A piece of what an execution printed."""

    attempt: int = Field(examples=[1])
    number: int = Field(examples=[1])
    stream: Literal["stdout", "stderr"] = Field(examples=["stdout"])
    text: str = Field(examples=["hello, world\n"])
    at: datetime = Field(examples=_WHEN)


class ExecutionExplanation(BaseModel):
    """Where an execution could run, and why it does not: as data and in words."""

    explanation: dict[str, Any] = Field(examples=[{"outcome": "blocked", "total": 1}])
    text: str = Field(examples=["BLOCKED 12s   policy wait"])
