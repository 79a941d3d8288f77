"""What the API takes and gives of definitions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from attune.core.runtimes.runtime import Runtime

_EXAMPLE = {
    "verification": {"commands": [{"binary": "ruby", "args": ["--version"], "pattern": "ruby \\d+", "priority": 1}]}
}


class RuntimeBody(BaseModel):
    """A definition without its ref."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=200, examples=["Ruby"])
    description: str | None = Field(default=None, max_length=10_000, examples=["The Ruby language"])
    pack_ref: str | None = Field(
        default=None, max_length=200, description="Not given: from the ref.", examples=["core"]
    )
    distributions: dict[str, Any] = Field(description="What proves that it is there.", examples=[_EXAMPLE])
    installation: Any = Field(default=None, examples=[None])

    def runtime(self, ref: str) -> Runtime:
        """The row that this is under *ref*."""
        return Runtime(
            ref,
            self.name,
            self.distributions,
            pack_ref=self.pack_ref or ref.partition(".")[0],
            description=self.description,
            installation=self.installation,
        )


class NewRuntime(RuntimeBody):
    """A definition with its ref."""

    ref: str = Field(min_length=1, max_length=200, examples=["core.ruby"])


class RuntimePatch(BaseModel):
    """Parts of a definition."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str | None = Field(default=None, min_length=1, max_length=200, examples=["Ruby"])
    description: str | None = Field(default=None, max_length=10_000, examples=["The Ruby language"])
    pack_ref: str | None = Field(default=None, max_length=200, examples=["core"])
    distributions: dict[str, Any] | None = Field(default=None, examples=[{"min_version": "3.0"}])
    installation: Any = Field(default=None, examples=[None])


class RuntimeDefinition(BaseModel):
    """A definition as it is stored. `distributions` is what stands there, even if it is malformed."""

    model_config = ConfigDict(from_attributes=True)

    ref: str = Field(examples=["core.ruby"])
    name: str = Field(examples=["Ruby"])
    description: str | None = Field(examples=["The Ruby language"])
    pack_ref: str | None = Field(examples=["core"])
    distributions: Any = Field(examples=[_EXAMPLE])
    installation: Any = Field(examples=[None])


class Validated(BaseModel):
    """A definition is well-formed, and what about it is doubtful."""

    warnings: list[str] = Field(examples=[["distributions.verification.commands[0].exitcode: unknown key"]])


class SavedRuntime(Validated, RuntimeDefinition):
    """A definition that was just stored, and what about it is doubtful."""


class ChangeItem(BaseModel):
    """One change of a definition: the row before and after."""

    ref: str = Field(examples=["core.ruby"])
    operation: str = Field(examples=["update"])
    old: Any = Field(examples=[None])
    new: Any = Field(examples=[{"ref": "core.ruby", "name": "Ruby"}])
    changed_by: str = Field(examples=["ada@build-7"])
    changed_at: datetime = Field(examples=["2026-11-24T09:00:00Z"])
    note: str | None = Field(examples=[None])


class CoverageItem(BaseModel):
    """How many nodes know a runtime, by status, and by version where it is offered."""

    nodes: int = Field(examples=[12])
    statuses: dict[str, int] = Field(examples=[{"available": 9, "unavailable": 3}])
    versions: dict[str, int] = Field(examples=[{"3.11.7": 8, "3.9.2": 1}])
