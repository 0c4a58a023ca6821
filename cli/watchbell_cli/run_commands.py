"""`watchbell cron run` and `preview`: a report now, sent or only shown."""

import secrets
from dataclasses import replace
from datetime import datetime

import click

from watchbell.attempt import carry_out, request_for
from watchbell.clock import SystemClock
from watchbell.credentials import without_credentials
from watchbell.delivery.interface import Stamp
from watchbell.delivery.render import plain
from watchbell.instants import floor_minute, format_minute
from watchbell.reports.codec import report_to_json
from watchbell.reports.interface import Report
from watchbell.reports.pipeline import build_or_notice
from watchbell.settings import Settings, load_settings
from watchbell.tasks import Task
from watchbell.wiring.pipelines import make_pipeline
from watchbell.wiring.stores import open_store
from watchbell_cli.by_hand import by_hand, end_with
from watchbell_cli.lookup import find_task
from watchbell_cli.options import Instant, as_json, task_argument
from watchbell_cli.output import print_json, print_text


@click.command()
@task_argument
@as_json
def run(task: str, as_json: bool) -> None:
    """Run a task now, once: it takes no fire time of the schedule, and works on paused tasks too.

    Ctrl-C ends it in order: what has not been sent stays unsent, and the run says so. A second one ends it at once.

    \b
    Example:
      watchbell cron run 3f2a
    """
    with by_hand(as_json=as_json) as (services, limits):
        claimed = services.store.runs.claim_adhoc(
            find_task(services.store, task),
            adhoc_fire_time(limits.started_at),
            owner=services.owner,
            lease_until=limits.lease_until,
            now=limits.started_at,
        )
        done, _ = carry_out(services, limits, claimed)
    end_with(done, as_json=as_json, interrupted=limits.stop.is_set())


def adhoc_fire_time(instant: datetime) -> str:
    """Return an instant with a random suffix: no scheduled fire time, and no second one of the same millisecond."""
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03d}Z-{secrets.token_hex(2)}"


@click.command()
@task_argument
@click.option("--at", type=Instant(), metavar="MINUTE", help="The end of the report's window. [default: now]")
@click.option("--as", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def preview(task: str, at: datetime | None, form: str) -> None:
    """Build the report of a task and show it. Nothing is claimed, sent or recorded.

    \b
    Example:
      watchbell cron preview 3f2a --at 2026-11-22T09:00Z --as json
    """
    settings = load_settings()
    with open_store(settings) as store:
        found = find_task(store, task)
    minute = floor_minute(at or SystemClock().now())
    report = _built(settings, found, minute)
    if form == "json":
        print_json(report_to_json(report))
    else:
        print_text(plain.message(report, Stamp(task_id=found.id, fire_time=format_minute(minute))))


def _built(settings: Settings, task: Task, end: datetime) -> Report:
    stripped = replace(task, params=without_credentials(task.params))
    return build_or_notice(make_pipeline(settings, SystemClock()), request_for(stripped, end))
