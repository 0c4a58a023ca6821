"""Tasks and their runs: what is wrong with a definition, what never fires, what was not delivered and why."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from watchbell.checkup.checks import CONFIG, DELIVERY, STORE, Check, count, named, ok, problem, warning
from watchbell.claims import Status
from watchbell.deliveries import FIRST_IMAGE
from watchbell.delivery.place import wrong_place
from watchbell.stores.interface import Run, Store
from watchbell.tasks import Task

#: So many runs of a task are looked at, and so many in a row make a pattern.
LOOKED_AT = 20
IN_A_ROW = 3
PATIENCE = timedelta(hours=1)
LEASE_SKEW = timedelta(seconds=60)
_NOT_WELL = {Status.FAILED, Status.PARTIAL}


def check_tasks(store: Store) -> Iterator[Check]:
    """Read the definitions; raises ConfigError when that cannot be done."""
    listing = store.tasks.listing()
    if listing.errors:
        said = f"{count(len(listing.errors), 'task')} cannot be used: {named(str(error) for error in listing.errors)}"
        yield problem("tasks", said, "mend scheduler_tasks.json; `watchbell cron list` shows the others", CONFIG)
    elif not listing.tasks:
        yield warning("tasks", "there are none", "watchbell cron add --help")
    else:
        asleep = sum(not _expects(task) for task in listing.tasks)
        yield ok("tasks", count(len(listing.tasks), "task") + (f", {asleep} disabled or paused" if asleep else ""))
    yield from _never_fire(store, listing.tasks)
    yield from _no_places(listing.tasks)


def active(tasks: Iterable[Task]) -> list[Task]:
    """Return the tasks that expect to fire."""
    return [task for task in tasks if _expects(task)]


def _expects(task: Task) -> bool:
    return task.enabled and task.pause is None


def _never_fire(store: Store, tasks: Iterable[Task]) -> Iterator[Check]:
    idle = []
    for task in active(tasks):
        expected = store.tasks.expectation(task.id)
        if expected is not None and expected.next_fire is None:
            idle.append(_name(task))
    if idle:
        yield problem("never fires", named(idle), "see `watchbell cron next TASK` and change the schedule", CONFIG)


def _no_places(tasks: Iterable[Task]) -> Iterator[Check]:
    for task in active(tasks):
        for target in task.targets:
            wrong = wrong_place(target)
            if wrong:
                advice = f"watchbell cron edit {task.id}"
                yield problem("targets", f"{_name(task)} can never reach {target}: {wrong}", advice, DELIVERY)


def check_runs(store: Store, now: datetime) -> Iterator[Check]:
    """Look at the newest runs of every task."""
    found: list[Check] = []
    tasks = store.tasks.listing().tasks
    for task in tasks:
        runs = store.runs.history(task.id, limit=LOOKED_AT)
        found += _held(task, runs, now)
        found += _stuck(runs, now)
        found += _waiting(runs, now)
        found += _failing(task, [run for run in runs if not run.adhoc][:IN_A_ROW])
    yield from found or [ok("runs", "none is stuck, waits, or may have arrived")]


def _held(task: Task, runs: Sequence[Run], now: datetime) -> Iterator[Check]:
    unknown = [run for run in runs if run.status is Status.UNKNOWN]
    held = [run for run in unknown if run.wake_at is None or now - run.due_at > PATIENCE]
    if held:
        said = (
            f"{count(len(held), 'run')} of {_name(task)} may or may not have arrived: {named(run.id for run in held)}"
        )
        advice = f"look into the chat, then watchbell cron resolve {held[0].id} --delivered or --resend"
        yield problem("runs", said, advice, DELIVERY)


def _stuck(runs: Sequence[Run], now: datetime) -> Iterator[Check]:
    for run in runs:
        if run.status is Status.RUNNING and run.lease_until + LEASE_SKEW < now:
            who = f" by {run.owner.host.machine}" if run.owner else ""
            advice = "the next tick takes it up; is the timer alive? is that machine still there?"
            yield problem("runs", f"{run.id} is stuck: claimed{who}, and its lease is over", advice, STORE)
        if run.status is Status.QUEUED and now - run.started_at > PATIENCE:
            advice = "does the function that delivers run? its log, and the dead-letter queue, say why not"
            yield problem("runs", f"{run.id} is queued, and nobody takes it", advice, STORE)


def _waiting(runs: Sequence[Run], now: datetime) -> Iterator[Check]:
    old = [run for run in runs if run.status is Status.WAITING and now - run.due_at > PATIENCE]
    if old:
        said = f"{named(run.id for run in old)} still wait for a retry: {old[0].error or 'no reason known'}"
        yield warning("runs", said, f"watchbell cron logs {old[0].task_id}")


def _failing(task: Task, runs: Sequence[Run]) -> Iterator[Check]:
    """One failure may be chance; three in a row are not, and a target that refuses each time never gets anything."""
    refusing = set.intersection(*map(_refused, runs)) if len(runs) == IN_A_ROW else set()
    if refusing:
        said = f"{named(sorted(refusing))} refused the last {IN_A_ROW} reports of {_name(task)}: {_why(runs[0])}"
        advice = f"mend what it names, or choose another target: watchbell cron edit {task.id}"
        yield problem("runs", said, f"{advice}; then watchbell cron retry {task.id}", DELIVERY)
    elif len(runs) == IN_A_ROW and all(run.status is Status.FAILED for run in runs):
        said = f"the last {IN_A_ROW} runs of {_name(task)} failed: {_why(runs[0])}"
        yield problem("runs", said, f"watchbell cron logs {task.id}", runs[0].exit_code or DELIVERY)
    elif runs and runs[0].status in _NOT_WELL:
        said = f"the newest run of {_name(task)} is {runs[0].status}: {_why(runs[0])}"
        yield warning("runs", said, f"watchbell cron logs {task.id}")


def _refused(run: Run) -> set[str]:
    return {part.target for part in run.parts if part.outcome == "refused" and part.part < FIRST_IMAGE}


def _why(run: Run) -> str:
    errors = [part.error for part in run.parts if part.outcome == "refused" and part.error]
    return run.error or run.source_error or next(iter(errors), "no reason known")


def _name(task: Task) -> str:
    return f"{task.name} ({task.id})" if task.name else task.id
