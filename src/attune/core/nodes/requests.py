"""What somebody asks of a running node and waits for: now, a dry-run of a definition on its host."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attune.core.runtimes.runtime import Runtime

CHECK = "check"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRequest:
    """One open request. `seconds_left` is until nobody waits for the answer any more, by the database's clock."""

    id: int
    kind: str
    body: Mapping[str, Any]
    seconds_left: float


def check_body(runtime: Runtime) -> dict[str, Any]:
    """The body of a request to check *runtime*."""
    return {"ref": runtime.ref, "name": runtime.name, "distributions": runtime.distributions}


def checked_runtime(body: Mapping[str, Any]) -> Runtime:
    """The definition that a request to check is about. It is read like any row, so it may be malformed."""
    return Runtime(str(body.get("ref", "")), str(body.get("name", "")), body.get("distributions"))
