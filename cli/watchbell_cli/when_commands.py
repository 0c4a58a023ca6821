"""`watchbell cron next` and `why`: questions about time."""

from datetime import datetime

import click

from watchbell.claims import Gap
from watchbell.errors import UsageError
from watchbell.instants import floor_minute, format_instant, format_minute
from watchbell.json_shapes import why_to_json
from watchbell.schedule import Schedule, Why
from watchbell.secrets.redaction import redact
from watchbell.stores.interface import Run
from watchbell.tasks import Task
from watchbell_cli.home import now, opened_store
from watchbell_cli.lookup import find_task
from watchbell_cli.options import Instant, as_json, task_argument
from watchbell_cli.output import print_fields, print_json, print_table, print_text, say
from watchbell_cli.task_views import ENABLED, state_text
from watchbell_cli.times import fires_after, local


@click.command("next")
@click.argument("task", metavar="[TASK]", required=False)
@click.option("--cron", metavar="EXPR", help="An expression, in place of a task.")
@click.option("--tz", metavar="ZONE", help="The zone of the expression. [default: UTC]")
@click.option("--from", "start", type=Instant(), metavar="INSTANT", help="Fires after this instant. [default: now]")
@click.option("--count", type=click.IntRange(1, 10_000), default=5, show_default=True, metavar="N")
@as_json
def next_fires(
    task: str | None, cron: str | None, tz: str | None, start: datetime | None, count: int, as_json: bool
) -> None:
    """Show when a task, or an expression, fires next: local time and UTC.

    \b
    Example:
      watchbell cron next 3f2a
      watchbell cron next --cron "30 2 * * *" --tz Europe/Berlin --from 2026-03-28T00:00Z
    """
    schedule = _schedule(task, cron, tz)
    fires = fires_after(schedule.next_fire, start or now(), count)
    if as_json:
        print_json([format_minute(fire) for fire in fires])
    elif fires:
        rows = [(local(fire, schedule.timezone), format_minute(fire)) for fire in fires]
        print_table((f"LOCAL TIME ({schedule.timezone})", "UTC"), rows)
    else:
        say("it does not fire again before the calendar ends")


def _schedule(task: str | None, cron: str | None, tz: str | None) -> Schedule:
    if (task is None) == (cron is None):
        raise UsageError("give either a TASK or --cron EXPR")
    if cron is not None:
        return Schedule.parse(cron, tz or "UTC")
    if tz is not None:
        raise UsageError("--tz goes with --cron; a task has its own zone")
    with opened_store() as store:
        found = find_task(store, task or "")
    state = state_text(found, now())
    if state != ENABLED:
        say(f"{found.id} is {state}; this is what its schedule says")
    return found.schedule


@click.command()
@task_argument
@click.option("--at", type=Instant(), required=True, metavar="MINUTE", help="The minute, such as 2026-11-22T09:00Z.")
@as_json
def why(task: str, at: datetime, as_json: bool) -> None:
    """Explain why a task fires, or does not, at a minute: each field's verdict, and the run of that minute.

    \b
    Example:
      watchbell cron why 3f2a --at 2026-11-22T09:00Z
    """
    minute = floor_minute(at)
    with opened_store() as store:
        found = find_task(store, task)
        run = store.runs.find(found.id, format_minute(minute))
        gap = store.runs.gap_at(found.id, minute)
        has_ticked = bool(store.ticks.records(minute))
    try:
        answer = found.schedule.why(minute)
    except ValueError as error:
        raise UsageError(f"--at: {error}") from None
    gap = gap if answer.due and run is None else None
    if as_json:
        print_json(why_to_json(answer, run, gap))
    else:
        _show_why(found, answer, minute, _what_happened(answer, run, gap, minute, has_ticked=has_ticked))


def _what_happened(answer: Why, run: Run | None, gap: Gap | None, minute: datetime, *, has_ticked: bool) -> str:
    if run is not None:
        trouble = run.error or run.source_error
        return f"{run.status}, started {format_instant(run.started_at)}" + (f"; {redact(trouble)}" if trouble else "")
    if gap is not None:
        return f"none: {gap.status} ({gap.reason})"
    if not answer.due:
        return "none"
    if minute > now():
        return "still to come"
    if not has_ticked:
        return "none yet: no tick has come since; see `watchbell timer status`"
    return "none: it is overdue, or the task was not like this then"


def _show_why(task: Task, answer: Why, minute: datetime, happened: str) -> None:
    verdict = "fires" if answer.due else "does not fire"
    print_text(f"{task.cron} {verdict} at {local(minute, task.timezone)} ({format_minute(minute)}), {task.timezone}")
    rows = [
        (one.field, str(one.value), one.wanted, "matches" if one.matches else "does not match") for one in answer.fields
    ]
    print_table(("FIELD", "CLOCK", "WANTED", ""), rows)
    note = [("note", answer.note)] if answer.note else []
    print_fields([*note, ("now", state_text(task, now())), ("run", happened)])
