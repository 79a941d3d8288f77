"""The entry point: finds the command, imports only that, and turns errors into one sentence and an exit code."""

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from io import TextIOWrapper
from typing import TextIO

import click

from attune.core.errors import AttuneError, RequirementError, SettingsWarning

_COMMANDS = {
    "up": (
        "attune.cli.installation.up:up",
        "Run everything on this machine: database, API and page, one worker, one sensor.",
    ),
    "down": ("attune.cli.installation.background:down", "Stop what `attune up` started on this machine."),
    "status": ("attune.cli.installation.doctor:status", "What is up here, and whether it is well."),
    "detect": ("attune.cli.runtimes.detect:detect", "Verify this host now and print what it can run."),
    "runtime": ("attune.cli.runtimes.runtime:runtime", "Definitions: list, show, add, check, load, remove, history."),
    "worker": ("attune.cli.nodes.node:worker", "Start a worker; list and show workers."),
    "sensor": ("attune.cli.nodes.node:sensor", "Start a sensor; list and show sensors."),
    "pack": ("attune.cli.packs.pack:pack", "Packs: check and load a folder; list, show, remove."),
    "trigger": ("attune.cli.events.event:trigger", "Triggers: the kinds of events that there are."),
    "rule": ("attune.cli.events.event:rule", "Rules: what follows an event; list, enable, disable."),
    "event": ("attune.cli.events.event:event", "Events: list, show, send."),
    "dead-letter": ("attune.cli.events.event:dead_letter", "What the database refused: list, replay, remove."),
    "action": ("attune.cli.executions.action:action", "Actions: list, show, run, pause, resume."),
    "fleet": ("attune.cli.executions.action:fleet", "The whole fleet: pause all starts, resume."),
    "execution": ("attune.cli.executions.execution:execution", "Executions: list, show, logs, cancel, retry."),
    "match": ("attune.cli.matching.match:match", "Which nodes can run this, why the others cannot, what would help."),
    "api": ("attune.cli.installation.api:api", "Serve the HTTP API and the page."),
    "token": ("attune.cli.access.token:token", "Access to the API: create, list, revoke, link."),
    "secret": ("attune.cli.access.secret:secret", "Secrets for work: set, list, remove."),
    "audit": ("attune.cli.access.audit:audit", "Who asked for what and changed what: list."),
    "key": ("attune.cli.access.secret:key", "The keys that secrets are encrypted with: rotate."),
    "db": ("attune.cli.installation.db:db", "The database: migrate, status, check, url, shell."),
    "config": ("attune.cli.installation.config:config", "Settings: show them, and where each comes from."),
    "doctor": ("attune.cli.installation.doctor:doctor", "Check this installation; name each problem and its remedy."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    commands=[click.Command(name) for name in _COMMANDS],  # what a mistyped name is compared with
    no_args_is_help=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: attune detect --require 'python >=3.9'",
)
@click.version_option(package_name="attune", prog_name="attune", message="%(prog)s %(version)s", help="Show it.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Attune knows what this machine can really run, and proves it.

    Exit codes: 0 done, 1 failed, 2 usage or configuration error, 3 a requirement is not met, 130 interrupted.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def program_name() -> str:
    """How this program is called from here: `attune` where PATH has it, else the path that was typed."""
    import shutil

    if shutil.which("attune"):
        return "attune"
    return f"{sys.executable} -m attune" if sys.argv[0].endswith("__main__.py") else sys.argv[0]


def main() -> None:
    """Run the command line and exit with its code."""
    _open_standard_streams()
    if sys.argv[1:2] == ["up"] or sys.argv[2:3] == ["start"]:  # what stays up, and runs the programs of others
        from attune.config.hiding import hide_variables

        hide_variables()
    _clean_up_when_terminated()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run with *arguments*; the exit code."""
    warnings.showwarning = _show_warning
    return reported(lambda: cli.main(arguments, prog_name="attune", standalone_mode=False))


def reported(work: Callable[[], object]) -> int:
    """Do *work*, and say in a sentence what ends it; the exit code."""
    try:
        result = work()
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except AttuneError as error:
        click.echo(f"attune: {error}", err=True)
        if isinstance(error, RequirementError):
            click.echo("".join(f"  {line}\n" for line in error.caret.splitlines()), err=True, nl=False)
        if error.hint:
            click.echo(f"try: {error.hint}", err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("attune: interrupted", err=True)
        return 130
    except BrokenPipeError:
        silence(sys.stdout)
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        click.echo(f"attune: the system refused: {error.strerror or error}{where}", err=True)
        silence(sys.stdout)
        return 1
    finally:
        if "attune.agent.logs" in sys.modules:
            import_module("attune.agent.logs").wait_for_log()


def _show_warning(message: Warning | str, category: type[Warning], *_where: object, **_more: object) -> None:
    name = "" if issubclass(category, SettingsWarning) else f"{category.__name__}: "
    click.echo(f"attune: warning: {name}{message}", err=True)


def _open_standard_streams() -> None:
    """Give whoever closed one of our standard streams an empty one: the number must not go to another file.

    What the locale's encoding lacks is escaped.
    """
    import os

    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _clean_up_when_terminated() -> None:
    """End with the processes and folders of running checks, rather than before them. The second signal is final."""
    import signal
    from types import FrameType

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def silence(stream: TextIO) -> None:
    """Whoever read our output is gone; the interpreter must not complain about it while it exits."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
