"""`watchbell cron list` and `show`."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from watchbell.errors import ConfigError
from watchbell.instants import format_minute
from watchbell.json_shapes import listed_task_to_json, run_to_json, task_to_json
from watchbell.stores.interface import Run, Store
from watchbell.tasks import Task
from watchbell_cli.history import show_entries
from watchbell_cli.home import now, opened_store
from watchbell_cli.list_filters import fitting, list_filters
from watchbell_cli.lookup import find_task
from watchbell_cli.options import as_json, task_argument
from watchbell_cli.output import complain, print_fields, print_json, print_table, print_text, say
from watchbell_cli.task_views import details, essentials, fires_text, list_row, next_fire_of
from watchbell_cli.times import coming_fires

_COLUMNS = ("ID", "NAME AND TARGETS", "SCHEDULE", "NEXT FIRE", "LAST RUN")
_LAST_RUNS = 5
_NEW_HERE = "no tasks yet; add one: watchbell cron add --kind daily_summary --cron '0 9 * * 1-5' --provider console"


@click.command("list")
@list_filters
@as_json
def list_tasks(as_json: bool, **wanted: Any) -> None:
    """Show all tasks, with their next fire and last run. A task that cannot be used is named, and the exit code is 3.

    Several filters must all fit.

    \b
    Example:
      watchbell cron list
      watchbell cron list --provider slack --paused
      watchbell cron list --json
    """
    at = now()
    with opened_store() as store:
        listing = store.tasks.listing()
        entries = _entries(store, fitting(listing.tasks, wanted, at), at)
    if as_json:
        print_json([listed_task_to_json(*entry) for entry in entries])
    elif entries:
        print_table(_COLUMNS, [list_row(*entry, at) for entry in entries], flexible=(1, 2))
    if not entries and listing.tasks:
        say(f"none of the {len(listing.tasks)} tasks is like that")
    elif not entries and not listing.errors:
        say(_NEW_HERE)
    for error in listing.errors:
        complain(f"task {error}")
    sys.exit(ConfigError.exit_code if listing.errors else 0)


def _entries(store: Store, tasks: Sequence[Task], at: datetime) -> list[tuple[Task, datetime | None, Run | None]]:
    """Return each task with its next fire and its last run."""
    newest = store.runs.newest()
    return [(task, next_fire_of(task, store.tasks.expectation(task.id), at), newest.get(task.id)) for task in tasks]


@click.command()
@task_argument
@as_json
def show(task: str, as_json: bool) -> None:
    """Show everything about one task: its fields, its next fires, its last runs. Credentials are masked.

    \b
    Example:
      watchbell cron show 3f2a
    """
    with opened_store() as store:
        shown = find_task(store, task)
        runs = store.runs.history(shown.id, limit=_LAST_RUNS)
    at = now()
    fires = coming_fires(shown, at)
    if as_json:
        more = {"next_fires": [format_minute(fire) for fire in fires], "last_runs": [run_to_json(run) for run in runs]}
        print_json(task_to_json(shown) | more)
        return
    print_fields([*essentials(shown), *details(shown, at), ("next fires", fires_text(shown, fires, at))])
    _show_runs(runs)


def _show_runs(runs: list[Run]) -> None:
    if not runs:
        print_text("last runs   none")
        return
    print_text("")
    show_entries(runs)
