"""What the commands on actions and executions share: how they follow one, and show one."""

import asyncio
from collections.abc import Mapping

import click

from attune.cli.output import print_json, with_symbol
from attune.cli.session import who, with_executions
from attune.core.durations import coarse
from attune.core.errors import legible
from attune.core.ports.executions import ExecutionRecord, ExecutionStore

_LOOK_SECONDS = 0.1
_SILENT_SECONDS = 1.0


async def print_output(store: ExecutionStore, number: int, after: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Print what the execution has printed after the position *after*; the position that this reaches."""
    while pieces := await store.output(number, after):
        for piece in pieces:
            click.echo(piece.text, nl=False, err=piece.stream == "stderr")
        after = (pieces[-1].attempt, pieces[-1].number)
    return after


async def follow(store: ExecutionStore, number: int, *, show: bool) -> ExecutionRecord:
    """Wait until the execution has ended; what it prints meanwhile is printed if *show*, and why it waits is said."""
    after, explained, waited = (0, 0), False, 0.0
    while True:
        record = await store.get(number)
        if show:
            after = await print_output(store, number, after)
        if record.is_final:
            return record
        if record.waits and not explained and waited >= _SILENT_SECONDS:
            explained = True
            await explain_waiting(store, record)
        try:
            await asyncio.sleep(_LOOK_SECONDS)
        except asyncio.CancelledError:
            click.echo(f"\nexecution {number} goes on; end it with: attune execution cancel {number}", err=True)
            raise
        waited += _LOOK_SECONDS


async def explain_waiting(store: ExecutionStore, record: ExecutionRecord) -> None:
    """Say on stderr why no worker takes it."""
    explained = await store.explanation(record)
    for_what = "" if record.held_back else " for a worker"
    click.echo(f"execution {record.id} waits{for_what}:\n{explained.get('text', '')}", err=True)
    if explained and not explained["explanation"]["total"]:
        click.echo("try: attune worker start", err=True)


def set_paused(ref: str | None, *, paused: bool) -> None:
    """Pause or resume the action *ref*, or the fleet, and say so."""
    changed = with_executions(lambda store: store.set_paused(ref, who() if paused else None))
    what = f"action {ref}" if ref else "the fleet"
    then = "nothing of it starts, what runs goes on" if paused else "what waits starts again"
    click.echo(f"{what} is {'' if changed else 'already '}{'paused' if paused else 'resumed'}: {then}")


def tell_pauses() -> None:
    """Say on stderr what is paused."""
    for pause in with_executions(lambda store: store.pauses()):
        click.echo(f"{pause}: {pause.remedy}", err=True)


def print_ending(record: ExecutionRecord) -> int:
    """Say on stderr how it ended, its result on stdout; the exit code."""
    took = f" in {record.ran:.1f} s" if record.ran is not None else ""
    where = f" on {record.worker_name}" if record.worker_name else ""
    why = f": {legible(record.reason, 500)}" if record.reason else ""
    click.echo(f"execution {record.id}: {with_symbol(record.status)}{where}{took}{why}", err=True)
    if record.result is not None:
        print_json(record.result)
    return 0 if record.succeeded else 1


def interpreters(record: ExecutionRecord) -> str:
    """The interpreters that it was given, in words."""
    used = record.interpreter if isinstance(record.interpreter, dict) else {}
    return ", ".join(
        f"{name} {instance.get('version') or '?'} at {instance.get('path') or '?'}{_proof(instance)}"
        for name, instance in used.items()
        if isinstance(instance, dict)
    )


def _proof(instance: Mapping[str, object]) -> str:
    """Which runtime it is of, what file it really is, and how it was verified, as far as that was recorded."""
    age, real = instance.get("cached_age_seconds"), instance.get("real_path")
    status = f"cached, {coarse(age)}" if isinstance(age, int | float) else instance.get("status")
    by = instance.get("verified_by")
    verified = by and f"verified by `{by}`, {instance.get('verified_at') or 'at an unknown time'}"
    parts = (instance.get("ref"), real != instance.get("path") and real, status, verified)
    return f" ({', '.join(str(part) for part in parts if part)})" if any(parts) else ""
