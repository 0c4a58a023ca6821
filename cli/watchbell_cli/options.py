"""Options that several commands share, and what their texts mean."""

import json
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from watchbell.errors import UsageError
from watchbell.instants import parse_instant
from watchbell.tasks import PROVIDERS, CatchUp, Kind, OnUnknown, WindowRule
from watchbell_cli.completion import one_of, tasks, zones

Command = TypeVar("Command", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
task_argument = click.argument("task", metavar="TASK", shell_complete=tasks)


class Instant(click.ParamType[datetime]):
    """An instant with a zone, such as 2026-11-22T09:00Z."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_instant(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Grace(click.ParamType[int | str]):
    """Minutes, or `default` for half the distance to the following fire."""

    name = "grace"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "default" or isinstance(value, int):
            return str(value) if value == "default" else int(value)
        if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII):
            self.fail(f"{value!r} is neither a number of minutes nor `default`", param, ctx)
        return int(value)


class WindowLength(click.ParamType[int | str]):
    """Hours, or `since-last` for what lies between two reports."""

    name = "window"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == WindowRule.SINCE_LAST or isinstance(value, int):
            return str(value) if value == WindowRule.SINCE_LAST else int(value)
        if not re.fullmatch(r"-?[0-9]{1,9}", value, re.ASCII):
            self.fail(f"{value!r} is neither a number of hours nor `since-last`", param, ctx)
        return int(value)


def _read_params_file(ctx: click.Context, param: click.Parameter, name: str | None) -> dict[str, Any] | None:
    """Read a JSON object from a file or standard input, once; raises UsageError naming the line."""
    if name is None or ctx.resilient_parsing:
        return None
    text = read_text("--params-file", name)
    try:
        params = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        message = f"--params-file: {name}: line {error.lineno}, column {error.colno}: {error.msg}"
        raise UsageError(message) from None  # the error itself holds the whole text
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--params-file: {name}: {error}") from None
    if not isinstance(params, dict):
        raise UsageError(f"--params-file: {name} must hold a JSON object")
    return params


_DEFINITION = (
    click.option("--name", help="A name for people; commands take it in place of the id."),
    click.option("--target", "targets", metavar="PROVIDER:CHAT", multiple=True, help="A further target. [repeatable]"),
    click.option(
        "--window",
        type=WindowLength(),
        metavar="HOURS",
        shell_complete=one_of(WindowRule.SINCE_LAST),
        help="The hours a report looks back, or `since-last`: to where the last report ended. [default: 24]",
    ),
    click.option("--grace", type=Grace(), metavar="MINUTES", help="How late a fire may still start, or `default`."),
    click.option(
        "--catch-up",
        metavar="WHICH",
        shell_complete=one_of(*CatchUp),
        help="Which late fires run: latest, all or none. [default: latest]",
    ),
    click.option(
        "--on-unknown",
        metavar="WHAT",
        shell_complete=one_of(*OnUnknown),
        help="A message that may have arrived: hold or resend. [default: hold]",
    ),
    click.option("--skip-if-quiet/--no-skip-if-quiet", default=None, help="Send nothing when all is proven well."),
    click.option(
        "--proof-of-life",
        type=int,
        metavar="N",
        help="After N quiet reports in a row send the next one all the same; 0: never. [default: a week of them]",
    ),
    click.option("--deliver-within", type=int, metavar="HOURS", help="How long sending is retried. [default: 24]"),
    click.option(
        "--param", "params", metavar="KEY=VALUE", multiple=True, help="A parameter, JSON or text. [repeatable]"
    ),
    click.option(
        "--params-file",
        metavar="FILE",
        callback=_read_params_file,
        help="A JSON object with all the parameters; - is standard input.",
    ),
)


def definition_options(*, required: bool) -> Callable[[Command], Command]:
    """Add the options that define a task; those without a default are `required`."""
    options: tuple[Callable[[Command], Command], ...] = (
        click.option(
            "--kind",
            required=required,
            shell_complete=one_of(*Kind),
            help="daily_summary, weekly_audit, incident_window_replay, synthetic_run or custom_investigation.",
        ),
        click.option("--cron", required=required, metavar="EXPR", help='Five fields, such as "0 9 * * 1-5".'),
        click.option("--tz", metavar="ZONE", shell_complete=zones, help="The zone of the expression. [default: UTC]"),
        click.option("--provider", shell_complete=one_of(*PROVIDERS), help="telegram, slack, discord or console."),
        click.option("--chat-id", metavar="ID", help="The chat, channel or user; the console needs none."),
        *_DEFINITION,
    )

    def decorate(command: Command) -> Command:
        for add_option in reversed(options):
            command = add_option(command)
        return command

    return decorate


def parse_params(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Read `KEY=VALUE` pairs. A value that is JSON counts as such, everything else is text."""
    params: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            # Not echoed: it may be a token without its key.
            raise UsageError("--param: write KEY=VALUE, such as --param team=payments")
        params[key.strip()] = _json_or_text(value)
    return params


def _json_or_text(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text
    # 1.10 and 1e3 are versions and names as often as numbers: a number that would print differently stays text.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return text if is_number and json.dumps(value) != text else value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def read_text(what: str, name: str) -> str:
    """Return the text of a file, or of standard input for `-`; raises UsageError naming `what`."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{what}: {name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{what}: {name} is not UTF-8 text (byte {error.start})") from None
