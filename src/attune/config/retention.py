"""The settings `retention.*`."""

from dataclasses import dataclass
from typing import Any

from attune.config.kinds import duration
from attune.config.sections import setting


def _kept(days: int, meaning: str) -> Any:
    return setting(duration(0, 36_500 * 86_400, "30d", days=True), days * 86_400.0, f"{meaning} 0 keeps them for ever.")


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long what has ended is kept. What something else refers to, or waits for, stays as long as that does."""

    executions: float = _kept(30, "Executions, from their end, with their output and timeline.")
    output: float = _kept(30, "What executions printed, from their end.")
    enforcements: float = _kept(30, "Decisions of rules; one that an execution names stays with it.")
    events: float = _kept(30, "Events; one that an enforcement names stays with it.")
    transitions: float = _kept(90, "Changes of what nodes offer.")
    audit: float = _kept(365, "Lines of the audit.")
    lost_nodes: float = _kept(7, "Nodes that are inactive or lost, from when they were heard of last.")
    history: float = _kept(0, "Changes of definitions.")
