"""`watchbell cron run`: a report now, beside the schedule."""

import secrets
from datetime import datetime

import click

from watchbell.attempt import carry_out
from watchbell_cli.by_hand import by_hand, end_with
from watchbell_cli.lookup import find_task
from watchbell_cli.options import as_json, task_argument


@click.command()
@task_argument
@as_json
def run(task: str, as_json: bool) -> None:
    """Run a task now, once: it takes no fire time of the schedule, and works on paused tasks too.

    No tick ever sends anything of it; one asks what became of a message that may have arrived.

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
