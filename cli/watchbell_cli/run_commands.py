"""`watchbell cron run` and `preview`: a report now, sent or only shown."""

import secrets
import sys
from dataclasses import replace
from datetime import datetime

import click

from watchbell.attempt import carry_out, request_for
from watchbell.claims import Status
from watchbell.clock import SystemClock
from watchbell.credentials import without_credentials
from watchbell.delivery.interface import Stamp
from watchbell.delivery.render import plain
from watchbell.instants import floor_minute, format_minute
from watchbell.json_shapes import outcome_of, parts_by_target, run_to_json
from watchbell.redaction import redact
from watchbell.reports.codec import report_to_json
from watchbell.reports.interface import Report
from watchbell.reports.pipeline import build_or_notice
from watchbell.services import Services
from watchbell.settings import Settings, load_settings
from watchbell.stores.interface import Run
from watchbell.tasks import Task
from watchbell.tick import begin
from watchbell.wiring import make_pipeline, open_services, open_store
from watchbell_cli.lookup import find_task
from watchbell_cli.options import Instant, as_json, task_argument
from watchbell_cli.output import print_fields, print_json, print_text, say
from watchbell_cli.tick_command import stop_on_signals

TIMER = "command line"
_INTERRUPTED = 130
_WELL = {Status.SUCCESS, Status.QUIET}


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
    console = sys.stderr if as_json else sys.stdout
    with open_services(load_settings(), timer=TIMER, console=console) as services:
        done, interrupted = _run_now(services, find_task(services.store, task))
    if as_json:
        print_json(run_to_json(done))
    else:
        _show_outcomes(done)
    if interrupted and done.status not in _WELL:
        say("interrupted")
        sys.exit(done.exit_code or _INTERRUPTED)
    sys.exit(done.exit_code)


def _run_now(services: Services, task: Task) -> tuple[Run, bool]:
    """Claim and carry out an ad-hoc run; return it, and whether it was asked to stop."""
    with stop_on_signals() as stop:
        limits = begin(services, stop)
        claimed = services.store.runs.claim_adhoc(
            task,
            adhoc_fire_time(limits.started_at),
            owner=services.owner,
            lease_until=limits.lease_until,
            now=limits.started_at,
        )
        done, _ = carry_out(services, limits, claimed)
        return done, stop.is_set()


def adhoc_fire_time(instant: datetime) -> str:
    """Return an instant with a random suffix: no scheduled fire time, and no second one of the same millisecond."""
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03d}Z-{secrets.token_hex(2)}"


def _show_outcomes(run: Run) -> None:
    outcomes = [(target, _outcome_text(run, target)) for target in parts_by_target(run)]
    labelled = (("error", run.error), ("source error", run.source_error))
    errors = [(label, redact(text)) for label, text in labelled if text]
    print_fields([("run", run.id), ("status", str(run.status)), *outcomes, *errors])


def _outcome_text(run: Run, target: str) -> str:
    parts = parts_by_target(run)[target]
    ids = ", ".join(part.message_id for part in parts if part.message_id)
    return f"{outcome_of(parts)} ({ids})" if ids else outcome_of(parts)


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
