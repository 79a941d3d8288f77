"""How many nodes lose one runtime within minutes, and when that is too many at once. Pure."""

from dataclasses import dataclass

from attune.core.runtimes.verdict import Status, Verdict

WINDOW_SECONDS = 600.0
FEWEST_NODES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeLoss:
    """One runtime among the `live` nodes of a role: on how many it is or lately was (`nodes`), how many of these have
    lost it or would (`losing`), and how many of the latter keep their last good verdict (`kept`).
    """

    role: str
    ref: str
    name: str
    live: int
    nodes: int
    losing: int
    kept: int

    def exceeds(self, share: float) -> bool:
        """Whether that is more than *share* of the nodes, in a fleet that is large enough to tell."""
        return self.live >= FEWEST_NODES and self.losing > share * max(self.nodes, FEWEST_NODES)

    def __str__(self) -> str:
        return f"{self.losing} of {self.nodes} live {self.role}s"


def may_be_kept(lost: Verdict, changed: bool) -> bool:
    """Whether *lost*, found after its definition was *changed* or not, is no proof that the runtime is gone."""
    return not lost.refuted and (changed or lost.status is Status.UNKNOWN)
