"""The report of a task for a window: what the pipeline is asked, and whether what it says is worth breaking silence."""

from dataclasses import replace
from datetime import datetime, timedelta

from watchbell.instants import floor_minute
from watchbell.reports.interface import CoverageStatus, Pipeline, Report, ReportRequest, Verdict
from watchbell.reports.pipeline import build_or_notice
from watchbell.stores.interface import RunStore
from watchbell.tasks import Task
from watchbell.windows import REMEMBERING, LastReport, last_report, window_of

#: By default silence is broken after as many quiet reports as a week has fires, and not after fewer than these.
PROOF_OF_LIFE_AFTER = timedelta(days=7)
FEWEST_QUIET = 4


def built(pipeline: Pipeline, runs: RunStore, task: Task, end: datetime) -> Report:
    """Return the report of `task`, or the notice in its place, for the window that ends at `end`; nothing is written.

    `task` holds no credentials any more. Raises SourceError for kinds without a notice, and StoreError.
    """
    last = last_report(runs, task, floor_minute(end))
    report = build_or_notice(pipeline, request_for(task, end, last))
    quiet_before = last.quiet_since if last is not None and task.skip_if_quiet else 0
    report = replace(report, quiet_before=quiet_before)
    if quiet_before and is_well(report) and not is_quiet(task, report):
        sign = f"a sign of life after {quiet_before} quiet reports that were not sent"
        return replace(report, reason=f"{report.reason}; {sign}")
    return report


def request_for(task: Task, end: datetime, last: LastReport | None = None) -> ReportRequest:
    """Return what the pipeline is asked for a window that ends at `end`; `task` holds no credentials any more."""
    known = last.report if last is not None and task.kind in REMEMBERING else None
    return ReportRequest(
        task_id=task.id,
        name=task.name,
        kind=task.kind,
        window=window_of(task, floor_minute(end), last.end if last is not None else None),
        params=task.params,
        previous=known if known is not None and known.kind is task.kind else None,
    )


def is_well(report: Report) -> bool:
    """Say whether all is provably well: a verdict of OK, and every source, required or not, was watching."""
    full = all(entry.status is CoverageStatus.OK for entry in report.coverage)
    return report.verdict is Verdict.OK and full and bool(report.coverage)


def is_quiet(task: Task, report: Report) -> bool:
    """Say whether a report is not sent, for all is well and the task asked for silence; now and then it is, as proof.

    Unless the task says how often, that is after about a week of silence, and never in a row.
    """
    if not (task.skip_if_quiet and is_well(report)):
        return False
    most = task.proof_of_life_every
    if most is None:
        end = report.window.end
        most = max(FEWEST_QUIET, task.schedule.count(end, end + PROOF_OF_LIFE_AFTER))
    return most == 0 or report.quiet_before < most
