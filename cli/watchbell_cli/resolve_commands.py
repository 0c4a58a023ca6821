"""`watchbell cron retry` and `resolve`: what an operator does about a run that did not end well."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime

import click

from watchbell import resolution
from watchbell.claims import Status
from watchbell.errors import NotFound, UsageError
from watchbell.stores.interface import Run, Store
from watchbell_cli.by_hand import by_hand, end_with
from watchbell_cli.lookup import known_id
from watchbell_cli.options import as_json

_WELL = {Status.SUCCESS, Status.QUIET}
_PAGE = 100
#: What stands before the fire time may be a name with an @ of its own.
_RUN = re.compile(r"(.+)@(\d{4}-\d\d-\d\dT\S+)")


@click.command()
@click.argument("run", metavar="TASK|RUN")
@as_json
def retry(run: str, as_json: bool) -> None:
    """Send the saved report to the targets and parts that did not get it, and to nobody else.

    RUN is a run id as `cron logs --json` shows it; for a TASK it is its newest run that did not end well.

    \b
    Example:
      watchbell cron retry 3f2a
    """
    with by_hand(as_json=as_json) as (services, limits):
        found = _find(services.store, run, lambda one: one.status not in _WELL, "that did not end well")
        done = resolution.retry(services, limits, found)
    end_with(done, as_json=as_json, interrupted=limits.stop.is_set())


@click.command()
@click.argument("run", metavar="TASK|RUN")
@click.option("--delivered", "decision", flag_value="delivered", help="It is there: you have seen it in the channel.")
@click.option("--resend", "decision", flag_value="resend", help="Send it once more, unless it can be found.")
@as_json
def resolve(run: str, decision: str | None, as_json: bool) -> None:
    """Decide what became of a message that may have arrived.

    A resend asks the provider first, where that can tell: what is found is not sent again, and what may still have
    arrived is marked as a possible repeat.

    RUN is a run id as `cron logs --json` shows it; for a TASK it is its newest run with something unknown.

    \b
    Example:
      watchbell cron resolve 3f2a --delivered
    """
    if decision is None:
        raise UsageError("say what became of it: --delivered or --resend")
    with by_hand(as_json=as_json) as (services, limits):
        found = _find(services.store, run, lambda one: one.status is Status.UNKNOWN, "with something unknown")
        done = resolution.resolve(services, limits, found, delivered=decision == "delivered")
    end_with(done, as_json=as_json, interrupted=limits.stop.is_set())


def _find(store: Store, text: str, fits: Callable[[Run], bool], what: str) -> Run:
    """Return the run that `text` names, or the newest one of a task that fits."""
    run_id = _RUN.fullmatch(text)
    task_id = known_id(store, run_id[1] if run_id else text)
    if run_id:
        named = store.runs.find(task_id, run_id[2])
        if named is None:
            raise NotFound(f"there is no run {text!r}; `watchbell cron logs {task_id}` shows them all")
        return named
    for run in _newest_first(store, task_id):
        if fits(run):
            return run
    raise NotFound(f"task {task_id} has no run {what}")


def _newest_first(store: Store, task_id: str) -> Iterator[Run]:
    before: datetime | None = None
    while page := store.runs.history(task_id, limit=_PAGE, before=before):
        yield from page
        before = page[-1].due_at
