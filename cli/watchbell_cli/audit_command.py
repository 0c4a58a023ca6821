"""`watchbell cron audit`: the proof that every expected fire time is accounted for exactly once."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import click

from watchbell.audit import Audit, Ledger, Period, Started, Version, audit
from watchbell.claims import Gap, grace_of
from watchbell.errors import ConfigError, DeliveryError, StoreError
from watchbell.instants import format_instant, format_minute, parse_instant
from watchbell.schedule import Schedule
from watchbell.settings import load_settings
from watchbell.stores.interface import Run, Store
from watchbell.wiring.stores import open_store
from watchbell_cli.audit_views import show_audits, to_json
from watchbell_cli.home import now
from watchbell_cli.lookup import known_id
from watchbell_cli.options import as_json
from watchbell_cli.output import print_json
from watchbell_cli.upcoming_command import tasks_argument

_PAGE = 500
_UNITS = {"d": "days", "h": "hours"}


class Since(click.ParamType[datetime]):
    """An instant, or how long ago: 30d, 12h."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        ago = re.fullmatch(r"([0-9]{1,6})([dh])", value, re.ASCII)
        try:
            return now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else parse_instant(value)
        except OverflowError:
            self.fail(f"{value!r} is before the calendar begins", param, ctx)
        except ValueError as error:
            self.fail(f"{error}; or say how long ago, such as 30d or 12h", param, ctx)


@click.command("audit")
@tasks_argument
@click.option("--since", type=Since(), default="30d", show_default=True, metavar="WHEN", help="An instant, Nd or Nh.")
@click.option("--fail-on-missed", is_flag=True, help="End with exit code 7 when fire times were missed.")
@as_json
def audit_tasks(tasks: tuple[str, ...], since: datetime, fail_on_missed: bool, as_json: bool) -> None:
    """Prove that no fire time was lost and none ran twice: expected times, recomputed, against the ledger.

    Each expected fire time must have exactly one run, or fall in exactly one range of missed or skipped ones. What is
    due and still within its grace is open, and no gap; what has passed its grace without a tick is one. Removed tasks
    are audited too.

    Exit code 5 when there is a gap, a twin, a row that nothing expected, or a task that no tick has seen.

    \b
    Example:
      watchbell cron audit --since 30d
      watchbell cron audit 3f2a --since 2026-11-01T00:00Z --fail-on-missed --json
    """
    report = _audited(tasks, since)
    if as_json:
        print_json(to_json(report.audits, report.names, report.period, report.facts))
    else:
        show_audits(report.audits, report.names, report.period, report.facts)
    raise click.exceptions.Exit(_exit_code(report, fail_on_missed=fail_on_missed))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """All audits, the names of the tasks, and what bounds them; `facts` are (name, text) lines for people."""

    audits: Sequence[Audit]
    names: dict[str, str]
    period: Period
    facts: dict[str, Any]


def _exit_code(report: _Report, *, fail_on_missed: bool) -> int:
    if report.facts["not_indexed"] or not all(one.is_whole for one in report.audits):
        return StoreError.exit_code
    if report.facts["broken"]:
        return ConfigError.exit_code
    return DeliveryError.exit_code if fail_on_missed and any(one.missed.total() for one in report.audits) else 0


def _audited(texts: Sequence[str], since: datetime) -> _Report:
    settings = load_settings()
    at = now()
    with open_store(settings) as store:
        begins = store.runs.ledger_starts()
        start = max(instant for instant in (since, begins, at - settings.keep_history) if instant is not None)
        period = Period(start=min(start, at), now=at)
        known = store.runs.known_task_ids()
        names, unseen, broken = _definitions(store, known)
        ids = list(dict.fromkeys(known_id(store, text) for text in texts)) or known
        ticked_between = _ticks(store, start)
        audits = [_audit_one(store, task_id, period, settings.deadline, ticked_between) for task_id in ids]
    facts = {
        "asked_from": format_instant(since),
        "ledger_starts": format_minute(begins) if begins else None,
        "not_indexed": [] if texts else unseen,
        "broken": broken,
    }
    return _Report(audits=audits, names=names, period=period, facts=facts)


def _definitions(store: Store, known: Sequence[str]) -> tuple[dict[str, str], list[str], str | None]:
    """Return the names by id, the tasks that no tick has seen yet, and why the definitions cannot be read."""
    try:
        tasks = store.tasks.listing().tasks
    except ConfigError as error:
        return {}, [], str(error)
    return {task.id: task.name for task in tasks}, [task.id for task in tasks if task.id not in set(known)], None


def _ticks(store: Store, start: datetime) -> Callable[[datetime, datetime], bool]:
    """Return whether a tick ran in [one, another), from one read of the records."""
    ran = [record.ran_at for record in store.ticks.records(start)]
    return lambda one, another: bisect_left(ran, one) < bisect_left(ran, another)


def _audit_one(
    store: Store,
    task_id: str,
    period: Period,
    tick_deadline: timedelta,
    ticked_between: Callable[[datetime, datetime], bool],
) -> Audit:
    # The index is read first: what a tick settles meanwhile is then a run too many for it, never one too few.
    expected = store.tasks.expectation(task_id)
    versions = [
        Version(schedule=Schedule.parse(one.cron, one.timezone, task_id=task_id), start=one.start, end=one.end)
        for one in store.runs.schedule_versions(task_id)
    ]
    ledger = Ledger(
        task_id=task_id,
        versions=versions,
        runs=[
            Started(fire=run.due_at, started_at=run.started_at)
            for run in _runs(store, task_id, period.start)
            if not run.adhoc
        ],
        gaps=list(_gaps(store, task_id, period.start)),
        expected=expected,
    )
    return audit(
        ledger,
        period,
        grace=lambda fire: grace_of(expected.task, fire, tick_deadline) if expected else timedelta(0),
        ticked_between=ticked_between,
    )


def _runs(store: Store, task_id: str, start: datetime) -> Iterator[Run]:
    before: datetime | None = None
    while page := store.runs.history(task_id, limit=_PAGE, before=before):
        yield from (run for run in page if run.due_at >= start)
        before = page[-1].due_at
        if before < start or len(page) < _PAGE:
            return


def _gaps(store: Store, task_id: str, start: datetime) -> Iterator[Gap]:
    before: datetime | None = None
    while page := store.runs.gaps(task_id, limit=_PAGE, before=before):
        yield from (gap for gap in page if gap.last >= start)
        before = page[-1].last
        if before < start or len(page) < _PAGE:
            return
