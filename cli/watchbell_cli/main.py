"""The tree of commands, and how each way to end becomes one line and one exit code."""

import errno
import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

from watchbell.errors import WatchbellError
from watchbell_cli.lazy import LazyGroup
from watchbell_cli.logs import start_logging
from watchbell_cli.output import complain, say

PROGRAM = "watchbell"
INTERRUPTED = 130
_OUTPUT_FAILED = 75
_OUTPUT_ERRNOS = {errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EBADF}
_BUG = 1
COMPLETE = "_WATCHBELL_COMPLETE"  # set by the completion scripts that click makes

_COMMANDS = {
    "tick": ("watchbell_cli.tick_command:tick", "Do the work of one minute, and exit; a timer runs this."),
    "cron": ("watchbell_cli.cron_group:cron", "Tasks: what is reported, when, and to whom."),
    "timer": ("watchbell_cli.timer_commands:timer", "What starts a tick each minute, and how regularly it does."),
    "alerts": ("watchbell_cli.alerts_commands:alerts", "The alert log that reports are made of."),
    "integrations": ("watchbell_cli.integrations_commands:integrations", "Tokens and addresses: set, list, test."),
    "store": ("watchbell_cli.store_command:store", "Make, upgrade and check what holds tasks and runs."),
    "doctor": ("watchbell_cli.doctor_command:doctor", "Say what is wrong, and what to do about it."),
    "shell": ("watchbell_cli.shell_command:shell", "Type one command after another, with completion."),
    "completion": ("watchbell_cli.completion_command:completion", "Print the completion script of bash, zsh or fish."),
    "demo": ("watchbell_cli.demo:demo", "Watch one report being delivered, once, from made-up alerts."),
}


@click.group(
    cls=LazyGroup,
    commands_at=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="watchbell", prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.option("-v", "--verbose", count=True, help="Log how things are done, too.")
@click.option("--debug", is_flag=True, help="Show where a bug is. [also: WATCHBELL_DEBUG=1]")
def watchbell(verbose: int, debug: bool) -> None:
    """Deliver scheduled SRE reports on time, from a stateless one-shot tick.

    \b
    Example:
      watchbell cron add --kind daily_summary --cron "0 9 * * 1-5" --provider slack --chat-id C0123AB
      * * * * *  watchbell tick        (one line in a crontab)

    \b
    Exit codes:
      0 done    1 a bug    2 usage    3 configuration    4 credentials    5 store
      6 source or report   7 delivery (some target did not get it)   75 temporary, try again
    """
    start_logging(verbose + debug)


def main(argv: list[str]) -> NoReturn:
    """Run one command and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(argv))


def _run(argv: list[str]) -> int:
    try:
        return _ended(argv)
    except BrokenPipeError:
        _drop_output()
        return 0  # the reader has seen enough (`| head`)
    except OSError as error:
        if error.errno not in _OUTPUT_ERRNOS:
            return _bug(argv, error)
        # Files of ours have their own errors: what is left is the output.
        with suppress(OSError):
            _show_traceback(argv)
            complain(f"the output cannot be written: {error.strerror or error}")
        _drop_output()
        return _OUTPUT_FAILED


def _ended(argv: list[str]) -> int:
    """Carry out the command and return its exit code; raises OSError only."""
    try:
        _invoke(argv)
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, EOFError, click.Abort):
        return INTERRUPTED
    except click.ClickException as error:
        return _usage(error)
    except WatchbellError as error:
        _show_traceback(argv)
        complain(str(error))
        return error.exit_code
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, a person gets one line and not a page
        return _bug(argv, error)
    return 0


def _bug(argv: list[str], error: Exception) -> int:
    hint = "" if _show_traceback(argv) else " (WATCHBELL_DEBUG=1 shows where)"
    complain(f"this is a bug, please report it: {type(error).__name__}: {error}{hint}")
    return _BUG


def _invoke(argv: list[str]) -> None:
    """Do what click's own `main` does, without its ways to end."""
    instruction = os.environ.get(COMPLETE)
    if instruction:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(watchbell, {}, PROGRAM, COMPLETE, instruction))
    with watchbell.make_context(PROGRAM, list(argv)) as context:
        watchbell.invoke(context)


def _usage(error: click.ClickException) -> int:
    complain(error.format_message())
    context = getattr(error, "ctx", None)
    if isinstance(context, click.Context):
        say(f"try: {context.command_path} --help")
    return error.exit_code


def _show_traceback(argv: list[str]) -> bool:
    """Print where an error comes from, if that was asked for."""
    if "--debug" not in argv and os.environ.get("WATCHBELL_DEBUG") != "1":
        return False
    import traceback

    say(traceback.format_exc())
    return True


def _drop_output() -> None:
    """Let the interpreter's last flush go nowhere; it would fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
            continue
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
