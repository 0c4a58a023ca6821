"""`watchbell cron preview`: a report as its readers would see it, before anything is sent."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from watchbell.building import built, is_quiet
from watchbell.clock import SystemClock
from watchbell.delivery.interface import Stamp
from watchbell.errors import UsageError
from watchbell.instants import floor_minute, format_minute
from watchbell.reports.codec import report_to_json
from watchbell.reports.interface import Report
from watchbell.secrets.credentials import without_credentials
from watchbell.settings import load_settings
from watchbell.tasks import Task
from watchbell.wiring.pipelines import make_pipeline
from watchbell.wiring.stores import open_store
from watchbell_cli.lookup import find_task
from watchbell_cli.options import Instant, task_argument
from watchbell_cli.output import print_text, say


def _as_text(report: Report, stamp: Stamp) -> str:
    from watchbell.delivery.render import plain

    return plain.message(report, stamp)


def _as_json(report: Report, stamp: Stamp) -> str:
    return json.dumps(report_to_json(report), indent=2)


def _as_slack(report: Report, stamp: Stamp) -> str:
    from watchbell.delivery.render import slack

    return json.dumps(slack.messages(report, stamp), indent=2)


def _as_discord(report: Report, stamp: Stamp) -> str:
    from watchbell.delivery.render import discord

    return json.dumps(discord.messages(report, stamp), indent=2)


def _as_telegram(report: Report, stamp: Stamp) -> str:
    from watchbell.delivery.render import telegram

    texts = [body["text"] for body in telegram.messages(report, stamp)]
    return "\n".join(
        f"<!-- message {number} of {len(texts)} -->\n{text}" if len(texts) > 1 else text
        for number, text in enumerate(texts, start=1)
    )


def _as_html(report: Report, stamp: Stamp) -> str:
    from watchbell.delivery.render import html

    return html.page(report, stamp)


_FORMS: Mapping[str, Callable[[Report, Stamp], str]] = {
    "text": _as_text,
    "slack": _as_slack,
    "telegram": _as_telegram,
    "discord": _as_discord,
    "html": _as_html,
    "json": _as_json,
}
#: A window may reach back for years, and the calendar begins somewhere.
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_WITH_IMAGES = ("html", "json")


@click.command()
@task_argument
@click.option("--at", type=Instant(), metavar="MINUTE", help="The end of the report's window. [default: now]")
@click.option(
    "--as",
    "form",
    type=click.Choice(list(_FORMS)),
    default="text",
    show_default=True,
    help="Messages as a provider gets them, a web page, or the report as JSON.",
)
@click.option("--output", metavar="FILE", help="Write it to a file. [default: standard output]")
def preview(task: str, at: datetime | None, form: str, output: str | None) -> None:
    """Build the report of a task and show it. Nothing is claimed, sent or recorded.

    \b
    Example:
      watchbell cron preview 3f2a --at 2026-11-22T09:00Z --as json
      watchbell cron preview 3f2a --as html --output report.html
    """
    settings = load_settings()
    minute = floor_minute(at or SystemClock().now())
    if minute < _EARLIEST:
        raise UsageError(
            f"--at: {format_minute(minute)} is before {_EARLIEST:%Y}; no monitoring system has data of then"
        )
    with open_store(settings) as store:
        found = find_task(store, task)
        stripped = replace(found, params=without_credentials(found.params))
        report = built(make_pipeline(settings, SystemClock()), store.runs, stripped, minute)
    text = _FORMS[form](report, Stamp(task_id=found.id, fire_time=format_minute(minute)))
    if output is None:
        print_text(text.rstrip("\n"))
    else:
        _write(output, text)
    _say_more(found, report, form)


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(f"{text.rstrip()}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output: {name} cannot be written: {error.strerror}") from None
    say(f"written to {name}")


def _say_more(task: Task, report: Report, form: str) -> None:
    """Tell of what cannot be seen in this form."""
    if is_quiet(task, report):
        say("all is well and the task asks for silence then: a tick would send nothing")
    if report.images and form not in _WITH_IMAGES:
        say(f"with {len(report.images)} image(s) below it; `--as html` shows them")
