"""`watchbell cron next` and `why`: questions about time."""

from dataclasses import replace
from datetime import datetime

import click

from watchbell.errors import UsageError
from watchbell.instants import floor_minute, format_minute
from watchbell.json_shapes import why_to_json
from watchbell.schedule import Schedule, Why
from watchbell.settings import load_settings
from watchbell.stores.interface import Store
from watchbell.tasks import Task
from watchbell.wiring.stores import open_store
from watchbell_cli.home import now, opened_store
from watchbell_cli.lookup import find_task
from watchbell_cli.options import Instant, as_json, task_argument
from watchbell_cli.output import print_fields, print_json, print_table, print_text, say
from watchbell_cli.task_views import ENABLED, state_text
from watchbell_cli.times import fires_after, local
from watchbell_cli.what_happened import Known, what_happened


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

    A minute that is over is judged by the schedule that was in force then.

    \b
    Example:
      watchbell cron why 3f2a --at 2026-11-22T09:00Z
    """
    minute, today = floor_minute(at), now()
    settings = load_settings()
    with open_store(settings) as store:
        found = find_task(store, task)
        known = _known(store, found, minute, today - settings.keep_history)
    schedule = known.schedule(today)
    try:
        answer = schedule.why(minute)
    except ValueError as error:
        raise UsageError(f"--at: {error}") from None
    answer = replace(answer, note="; ".join(filter(None, (_other_then(schedule, found), answer.note))))
    happened = what_happened(known, today, due=answer.due)
    if as_json:
        gap = known.gap if answer.due and known.run is None else None
        more = {"cron": schedule.expression, "timezone": schedule.timezone, "happened": happened}
        print_json(why_to_json(answer, known.run, gap) | more)
    else:
        _show_why(schedule, answer, minute, state_text(found, today), happened)


def _known(store: Store, task: Task, minute: datetime, horizon: datetime) -> Known:
    # The index is read before the ledger: what a tick settles meanwhile then shows as settled.
    expected = store.tasks.expectation(task.id)
    begins = store.runs.ledger_starts()
    return Known(
        task=task,
        minute=minute,
        versions=store.runs.schedule_versions(task.id),
        expected=expected,
        run=store.runs.find(task.id, format_minute(minute)),
        gap=store.runs.gap_at(task.id, minute),
        since=max(begins, horizon) if begins is not None else None,
        has_ticked=bool(store.ticks.records(minute)),
    )


def _other_then(schedule: Schedule, task: Task) -> str:
    if schedule == task.schedule:
        return ""
    return f"this schedule was in force at that minute; today it is {task.cron}  {task.timezone}"


def _show_why(schedule: Schedule, answer: Why, minute: datetime, state: str, happened: str) -> None:
    verdict = "fires" if answer.due else "does not fire"
    clock = f"{local(minute, schedule.timezone)} ({format_minute(minute)})"
    print_text(f"{schedule.expression} {verdict} at {clock}, {schedule.timezone}")
    rows = [
        (one.field, str(one.value), one.wanted, "matches" if one.matches else "does not match") for one in answer.fields
    ]
    print_table(("FIELD", "CLOCK", "WANTED", ""), rows)
    note = [("note", answer.note)] if answer.note else []
    print_fields([*note, ("now", state), ("run", happened)])
