"""`watchbell shell`: one command after another, with completion and history; every line is a command of ours."""

import io
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from watchbell.errors import UsageError
from watchbell_cli.output import complain, say

_QUIT = {"quit", "exit"}
_HELP = {"help", "?"}
_INTERRUPTED = 130
_WELCOME = "watchbell shell: type /help, or /cron list; TAB completes, /quit or Ctrl-D ends"

Carry = Callable[[list[str]], int]


@click.command()
def shell() -> None:
    """Type one command after another: /cron list, /cron add ..., /cron run ID, /tick, /help, /quit.

    The slash may be left out. An error does not end the shell; Ctrl-C cancels a line, Ctrl-D or /quit ends. On a
    terminal there are completion (TAB) and a history, which is kept in the home and never holds a line with a
    credential. From a pipe or a file there is no prompt, lines that begin with # are comments, and the exit code is 0,
    or that of the last command that failed.

    \b
    Example:
      watchbell shell
      printf '/cron list\\n/tick\\n' | watchbell shell
    """
    if sys.stdin.isatty() and sys.stdout.isatty():
        _converse()
    else:
        sys.exit(_work_through())


def _converse() -> None:
    """Read lines from a person until they have enough."""
    from watchbell_cli.shell_prompt import prompt_for_lines

    say(_WELCOME)
    for line in prompt_for_lines():
        if carry_out(line, _run) is None:
            return


def _work_through() -> int:
    """Carry out the lines of standard input; return the exit code of the last that failed, 0 when none did."""
    lines, failed = sys.stdin, 0
    with _nothing_to_read():
        for line in iter(lines.readline, ""):
            code = carry_out(line, _run)
            if code is None:
                break
            failed = code or failed
    return failed


def carry_out(line: str, run: Carry) -> int | None:
    """Carry out one line and return its exit code; None when it says to end."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        complain(f"{str(error).lower()} in this line; quote it as in a shell")
        return UsageError.exit_code
    if not words or words[0].startswith("#"):
        return 0
    words[0] = words[0].removeprefix("/")
    if words[0] in _QUIT:
        return None
    if words[0] in _HELP:
        words = [*words[1:], "--help"]
    elif words[0] == "shell":
        complain("this is the shell already")
        return UsageError.exit_code
    return run(words)


def _run(words: list[str]) -> int:
    """Carry out a command as from the command line, but go on afterwards."""
    from watchbell_cli.main import main

    try:
        main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return _INTERRUPTED


@contextmanager
def _nothing_to_read() -> Iterator[None]:
    """Keep a command that reads standard input from taking the lines that come after it."""
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin = before
