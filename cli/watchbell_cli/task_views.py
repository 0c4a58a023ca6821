"""Tasks as people and programs see them: rows, fields, and what comes next."""

import json
from datetime import datetime, timedelta

from watchbell.claims import Expectation, same_fires
from watchbell.instants import format_instant, format_minute
from watchbell.json_shapes import task_to_json, unknown_fields
from watchbell.secrets.redaction import redact_json
from watchbell.stores.interface import Run
from watchbell.tasks import Task, WindowRule
from watchbell_cli.output import print_fields, print_json
from watchbell_cli.times import coming_fires, local, local_and_utc


def show_definition(task: Task, at: datetime, *, as_json: bool) -> None:
    """Print a task that has just been added or changed, and when it fires next."""
    fires = coming_fires(task, at)
    if as_json:
        print_json(task_to_json(task) | {"next_fires": [format_minute(fire) for fire in fires]})
    else:
        print_fields([*essentials(task), ("next fires", fires_text(task, fires, at))])


def essentials(task: Task) -> list[tuple[str, str]]:
    """Return the fields that say what a task is."""
    named = [("name", task.name)] if task.name else []
    return [
        ("id", task.id),
        *named,
        ("kind", str(task.kind)),
        ("schedule", f"{task.cron}  {task.timezone}"),
        ("targets", "\n".join(map(str, task.targets))),
    ]


def details(task: Task, at: datetime) -> list[tuple[str, str]]:
    """Return the other fields, the unknown ones too; credentials are masked."""
    grace = "default" if task.grace is None else f"{task.grace // timedelta(minutes=1)} minutes"
    masked = redact_json({"params": task.params})["params"]
    return [
        ("window", _window_text(task)),
        ("state", state_text(task, at)),
        ("grace", grace),
        ("catch up", str(task.catch_up)),
        ("on unknown", str(task.on_unknown)),
        ("skip if quiet", _silence_text(task)),
        ("deliver within", f"{task.deliver_within // timedelta(hours=1)} hours"),
        ("params", "\n".join(f"{key} = {_value(value)}" for key, value in masked.items()) or "none"),
        ("created", format_instant(task.created_at) if task.created_at else "unknown"),
        *((key, _value(value)) for key, value in unknown_fields(task).items()),
    ]


def _window_text(task: Task) -> str:
    hours = f"{task.window_hours} hours"
    return hours if task.window is WindowRule.HOURS else f"since the last report; the first one: {hours}"


def _silence_text(task: Task) -> str:
    if not task.skip_if_quiet:
        return "no"
    every = task.proof_of_life_every
    if every == 0:
        return "yes, without a proof of life"
    return "yes, for about a week" if every is None else f"yes, {every} in a row at most"


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


ENABLED = "enabled"


def state_text(task: Task, at: datetime) -> str:
    """Return whether a task fires at all; a pause that has come to its end is none."""
    if not task.enabled:
        return "disabled"
    if task.pause is None or (task.pause.until is not None and task.pause.until <= at):
        return ENABLED
    return "paused" if task.pause.until is None else f"paused until {format_instant(task.pause.until)}"


def fires_text(task: Task, fires: list[datetime], at: datetime) -> str:
    """Return the coming fires, one a line, or why there are none."""
    lines = [local_and_utc(fire, task.timezone) for fire in fires]
    state = state_text(task, at)
    if state != ENABLED:
        lines.insert(0, state)
    return "\n".join(lines) or "none"


def next_fire_of(task: Task, expected: Expectation | None, at: datetime) -> datetime | None:
    """Return what the index expects; for a definition that no tick has seen yet, what it will expect."""
    if expected is not None and same_fires(expected.task, task):
        return expected.next_fire
    return next(iter(coming_fires(task, at, 1)), None)


def list_row(task: Task, next_fire: datetime | None, last_run: Run | None, at: datetime) -> tuple[str, ...]:
    """Return one row of `cron list`."""
    return (
        task.id,
        "\n".join((task.name or str(task.kind), *map(str, task.targets))),
        f"{task.cron}\n{task.timezone}",
        _next_fire_cell(task, next_fire, at),
        f"{last_run.status}\n{last_run.started_at:%Y-%m-%d}" if last_run else "never",
    )


def _next_fire_cell(task: Task, next_fire: datetime | None, at: datetime) -> str:
    state = state_text(task, at)
    if next_fire is None:
        return "none" if state == ENABLED else state
    day, clock, offset = local(next_fire, task.timezone).rsplit(" ", 2)
    remark = "" if state == ENABLED else "\n(paused)"
    if at - next_fire > timedelta(minutes=2):
        remark = "\n(overdue)"
    return f"{day}\n{clock} {offset}{remark}"
