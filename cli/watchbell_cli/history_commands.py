"""`watchbell cron logs`."""

import click

from watchbell.errors import ConfigError
from watchbell.instants import format_minute
from watchbell.stores.interface import Store
from watchbell_cli.history import entries, entry_to_json, fire_time_of, show_entries
from watchbell_cli.home import opened_store
from watchbell_cli.lookup import known_id
from watchbell_cli.options import as_json, task_argument
from watchbell_cli.output import print_json, say


@click.command()
@task_argument
@click.option("--limit", type=click.IntRange(min=1, max=10_000), default=20, show_default=True, metavar="N")
@click.option("--before", metavar="FIRE_TIME", help="Go on after the entry at which the page before ended.")
@as_json
def logs(task: str, limit: int, before: str | None, as_json: bool) -> None:
    """Show what ran, and ranges of fire times that did not, newest first. Works for removed tasks too.

    \b
    Example:
      watchbell cron logs 3f2a --limit 50
    """
    with opened_store() as store:
        task_id = known_id(store, task)
        page = entries(store, task_id, limit=limit + 1, before=before)
        starts = store.runs.ledger_starts()
        is_there = bool(page) or _is_there(store, task_id)
    shown, has_more = page[:limit], len(page) > limit
    if as_json:
        print_json([entry_to_json(entry) for entry in shown])
    elif shown:
        show_entries(shown)
    if has_more:
        say(f"older entries: watchbell cron logs {task_id} --limit {limit} --before {fire_time_of(shown[-1])}")
    elif shown and starts:
        say(f"the ledger starts at {format_minute(starts)}; what was before it is not known")
    elif before:
        say("nothing older")
    elif is_there:
        say(f"{task_id} has not fired yet; `watchbell cron next {task_id}` says when")
    else:
        say(f"{task_id} has not fired, and there is no task with this id that can be used now")


def _is_there(store: Store, task_id: str) -> bool:
    """Whether `cron next` knows the task; of a file that cannot be read, the last good definition counts."""
    try:
        return store.tasks.find(task_id) is not None
    except ConfigError:
        return store.tasks.expectation(task_id) is not None
