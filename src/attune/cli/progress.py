"""What a person sees while checks run: what is done, and one line per running check with its age."""

from threading import Lock
from time import monotonic

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from attune.cli.output import colour_of, with_symbol
from attune.core.runtimes.command import Command, Outcome
from attune.core.runtimes.verdict import Verdict

_SHOWN_FINISHED = 12
_HUNG_AFTER_SECONDS = 2.0


class Progress:
    """An examination observer that draws on stderr and leaves nothing behind."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[Command, float]] = {}
        self._verdicts: list[Verdict] = []
        self._lock = Lock()
        self._live = Live(
            console=Console(stderr=True), get_renderable=self._draw, refresh_per_second=12, transient=True
        )

    def __enter__(self) -> "Progress":
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()

    def started(self, key: str, command: Command) -> None:
        with self._lock:
            self._running[key] = (command, monotonic())

    def finished(self, key: str, command: Command, outcome: Outcome) -> None:
        with self._lock:
            self._running.pop(key, None)

    def concluded(self, verdict: Verdict) -> None:
        with self._lock:
            self._verdicts.append(verdict)

    def _draw(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        now = monotonic()
        with self._lock:
            offered = [verdict for verdict in self._verdicts if verdict.status.offered]
            running = sorted(self._running.items(), key=lambda item: item[1][1])
        for verdict in offered[-_SHOWN_FINISHED:]:
            colour = (colour_of(verdict.status.value) or "").replace("bright_black", "dim")
            status = Text(with_symbol(verdict.status.value), style=colour)
            grid.add_row(verdict.capability, status, verdict.version or "")
        for key, (command, since) in running:
            seconds = now - since
            style = "yellow" if seconds > _HUNG_AFTER_SECONDS else "dim"
            grid.add_row(
                key, Text("running", style=style), Text(f"{' '.join(command.argv)}  {seconds:.1f} s", style=style)
            )
        return grid
