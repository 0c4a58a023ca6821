"""`watchbell cron upcoming`: what fires in the next hours, of all tasks, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import click

from watchbell.errors import ConfigError
from watchbell.instants import MINUTE, floor_minute, format_instant, format_minute
from watchbell.planning.forecast import ClockChange, clock_changes, count_fires, fires_in_order, starts_firing
from watchbell.tasks import Task
from watchbell_cli.completion import tasks as complete_tasks
from watchbell_cli.home import now, opened_store
from watchbell_cli.lookup import resolve_id
from watchbell_cli.options import as_json
from watchbell_cli.output import complain, print_json, print_table, say
from watchbell_cli.task_views import ENABLED, state_text
from watchbell_cli.times import local

_LONGEST_HOURS = 24 * 366
_PAUSED_SHOWN = 8

tasks_argument = click.argument("tasks", metavar="[TASK]...", nargs=-1, shell_complete=complete_tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlook:
    """What is shown: up to `limit` fires of the `total` in (start, end)."""

    start: datetime
    end: datetime
    fires: Sequence[tuple[datetime, Task]]
    total: int
    changes: Mapping[str, Sequence[ClockChange]]  # by zone, of the tasks looked at
    silent: Sequence[Task]  # paused or disabled for some of the time

    def note(self, fire: datetime, task: Task) -> str:
        """Say what a clock change does to this fire; "" in zones without one."""
        near = [one for one in self.changes.get(task.timezone, ()) if abs(one.at - fire) < timedelta(days=1)]
        return task.schedule.why(fire).note if near else ""


@click.command()
@tasks_argument
@click.option("--hours", type=click.IntRange(1, _LONGEST_HOURS), default=24, show_default=True, metavar="N")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, metavar="N", help="Most fires shown."
)
@as_json
def upcoming(tasks: tuple[str, ...], hours: int, limit: int, as_json: bool) -> None:
    """Show what fires in the next hours, in order, in local time and UTC. Clock changes are marked.

    What is paused or disabled is said, and how many fires were left out by --limit.

    \b
    Example:
      watchbell cron upcoming --hours 48
      watchbell cron upcoming "Payments digest" --json
    """
    with opened_store() as store:
        listing = store.tasks.listing()
        meant = chosen(tasks, listing.tasks)
    outlook = _look_ahead(meant, now(), hours, limit)
    if as_json:
        print_json(_to_json(outlook))
    else:
        _show(outlook, hours)
    for error in listing.errors:
        complain(f"task {error}")
    if listing.errors:
        raise click.exceptions.Exit(ConfigError.exit_code)


def chosen(texts: Sequence[str], tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks that are meant, in their order; all of them when none is named."""
    if not texts:
        return list(tasks)
    names = {task.id: task.name for task in tasks}
    ids = {resolve_id(text, names) for text in texts}
    return [task for task in tasks if task.id in ids]


def _look_ahead(tasks: Sequence[Task], at: datetime, hours: int, limit: int) -> _Outlook:
    start = floor_minute(at) + MINUTE
    end = start + timedelta(hours=hours)
    zones = dict.fromkeys(task.timezone for task in tasks)
    return _Outlook(
        start=start,
        end=end,
        fires=list(islice(fires_in_order(tasks, start, end), limit)),
        total=count_fires(tasks, start, end),
        changes={zone: found for zone in zones if (found := clock_changes(zone, start, end))},
        silent=[task for task in tasks if starts_firing(task, start) != start],
    )


def _to_json(outlook: _Outlook) -> dict[str, Any]:
    return {
        "from": format_minute(outlook.start),
        "until": format_minute(outlook.end),
        "total": outlook.total,
        "fires": [
            {
                "task_id": task.id,
                "name": task.name,
                "fire_time": format_minute(fire),
                "local": local(fire, task.timezone),
                "timezone": task.timezone,
                "note": outlook.note(fire, task),
            }
            for fire, task in outlook.fires
        ],
        "clock_changes": [
            {"timezone": one.timezone, "at": format_minute(one.at), "change": _change_text(one)}
            for found in outlook.changes.values()
            for one in found
        ],
        "silent": [
            {"task_id": task.id, "name": task.name, "state": state_text(task, outlook.start)} for task in outlook.silent
        ],
    }


def _show(outlook: _Outlook, hours: int) -> None:
    if outlook.fires:
        rows = [
            (format_minute(fire), local(fire, task.timezone), task.timezone, f"{task.id} {task.name or task.kind}")
            for fire, task in outlook.fires
        ]
        notes = [[note] if (note := outlook.note(fire, task)) else [] for fire, task in outlook.fires]
        print_table(("UTC", "LOCAL TIME", "ZONE", "TASK"), rows, flexible=(2, 3), notes=notes)
    else:
        say(f"nothing fires in the next {hours} hours")
    if outlook.total > len(outlook.fires):
        say(f"and {outlook.total - len(outlook.fires)} more until {format_minute(outlook.end)}; --limit shows more")
    for found in outlook.changes.values():
        for one in found:
            say(f"clock change: {one.timezone} at {format_minute(one.at)}: {_change_text(one)}")
    _say_who_is_silent(outlook)


def _change_text(change: ClockChange) -> str:
    before, after = change.at + change.before, change.at + change.after
    direction = "forward" if change.after > change.before else "back"
    return f"clocks go {direction} from {before:%H:%M} to {after:%H:%M}"


def _say_who_is_silent(outlook: _Outlook) -> None:
    paused = [task for task in outlook.silent if state_text(task, outlook.start) != ENABLED]
    for task in paused[:_PAUSED_SHOWN]:
        name = f" ({task.name})" if task.name else ""
        until = task.pause.until if task.enabled and task.pause else None
        state = f"paused until {format_instant(until)}" if until else state_text(task, outlook.start)
        say(f"{task.id}{name} is {state}")
    if len(paused) > _PAUSED_SHOWN:
        say(f"and {len(paused) - _PAUSED_SHOWN} more that are paused or disabled")
