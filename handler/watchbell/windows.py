"""Where the window of a report begins, and which report is a task's last one.

The last report is the newest scheduled run before, settled success, partial, unknown or quiet, whose verdict was not
UNKNOWN: it looked at its window and whoever reads the reports has it, may have it, or asked for silence. One that its
provider is still to be asked about is not settled: should it not have arrived, the next report has made it stale. Every
window ends at its fire time, so a window that begins where the last one ended leaves neither hole nor overlap, whatever
was late, missed or failed between. Ad-hoc runs begin there too, and move nothing.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchbell.claims import Status
from watchbell.errors import DamagedReport
from watchbell.instants import MINUTE
from watchbell.reports.codec import report_from_json
from watchbell.reports.interface import Report, Verdict, Window
from watchbell.stores.interface import Run, RunStore
from watchbell.tasks import MAX_WINDOW_HOURS, Kind, Task, WindowRule

log = logging.getLogger("watchbell")

LONGEST_WINDOW = timedelta(hours=MAX_WINDOW_HOURS)
#: Kinds that say what has changed since their last report; a replay is about its own window only.
REMEMBERING = frozenset(Kind) - {Kind.INCIDENT_WINDOW_REPLAY}

_TOLD = frozenset({Status.SUCCESS, Status.PARTIAL, Status.UNKNOWN, Status.QUIET})
#: How many runs to look back on at first, for most often the newest one is it, and then with each read.
_FIRST_PAGE, _PAGE = 5, 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LastReport:
    """The report before: the end of its window, what it said (None: not kept), and the silence that it ended or kept.

    `quiet_since` counts the quiet reports in a row up to this one, itself included.
    """

    end: datetime
    report: Report | None
    quiet_since: int = 0


def window_of(task: Task, end: datetime, last_end: datetime | None) -> Window:
    """Return the window of `task` that ends at `end`, when the last report ended at `last_end`. Pure."""
    hours = timedelta(hours=task.window_hours)
    if task.window is WindowRule.HOURS:
        return Window(start=end - hours, end=end, timezone=task.timezone)
    if last_end is None:
        note = f"no report before it, so {task.window_hours} hours"
        return Window(start=end - hours, end=end, timezone=task.timezone, note=note)
    start = max(last_end, end - LONGEST_WINDOW)
    if start > last_end:
        note = f"the last report is older, but {LONGEST_WINDOW.days} days are the most"
        return Window(start=start, end=end, timezone=task.timezone, note=note)
    without = task.schedule.count(start + MINUTE, end)
    between = f"; {without} fire{'' if without == 1 else 's'} between brought none" if without else ""
    return Window(start=start, end=end, timezone=task.timezone, note=f"since the last report{between}")


def last_report(runs: RunStore, task: Task, before: datetime) -> LastReport | None:
    """Return the last report whose window ended before `before`; reads nothing for a task that has no use for it."""
    remembers = task.kind in REMEMBERING or task.skip_if_quiet
    if not remembers and task.window is WindowRule.HOURS:
        return None
    run = next(filter(_is_report, _scheduled_runs(runs, task.id, before)), None)
    if run is None:
        return None
    report = _kept_report(runs, run) if remembers else None
    quiet = 0
    if run.status is Status.QUIET:
        quiet = 1 + (report.quiet_before if report is not None else 0)
    return LastReport(end=run.due_at, report=report, quiet_since=quiet)


def _is_report(run: Run) -> bool:
    has_looked = run.verdict is not None and run.verdict != Verdict.UNKNOWN
    return has_looked and run.status in _TOLD and run.wake_at is None


def _scheduled_runs(runs: RunStore, task_id: str, before: datetime) -> Iterator[Run]:
    """Yield scheduled runs that were due before then, newest first, as far back as a window may reach."""
    oldest, limit = before - LONGEST_WINDOW, _FIRST_PAGE
    while True:
        page = runs.history(task_id, limit=limit, before=before)
        yield from (run for run in page if not run.adhoc)
        if len(page) < limit or page[-1].due_at < oldest:
            return
        before, limit = page[-1].due_at, _PAGE


def _kept_report(runs: RunStore, run: Run) -> Report | None:
    """Return what a run has reported; one that cannot be read costs the memory of it, not the next report."""
    try:
        kept = runs.saved_report(run.task_id, run.fire_time)
        return None if kept is None else report_from_json(kept)
    except (ValueError, DamagedReport) as error:
        log.warning("what run %s reported is not remembered: %s", run.id, error)
        return None
