"""What came of one minute of a task, as far as the ledger and the index can tell. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from watchbell.claims import Expectation, Gap
from watchbell.instants import format_instant, format_minute
from watchbell.schedule import Schedule
from watchbell.secrets.redaction import redact
from watchbell.stores.interface import Run, ScheduleVersion
from watchbell.tasks import Pause, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that is known of one minute. `since` is from when on the ledger is whole, None where there is none yet."""

    task: Task
    minute: datetime
    versions: Sequence[ScheduleVersion]
    expected: Expectation | None
    run: Run | None
    gap: Gap | None
    since: datetime | None
    has_ticked: bool  # since that minute

    @property
    def version(self) -> ScheduleVersion | None:
        """The version of the schedule in force at the minute; None while the task was not there, or disabled."""
        fitting = (one for one in self.versions if one.start <= self.minute and (not one.end or self.minute < one.end))
        return next(reversed(list(fitting)), None)

    def schedule(self, now: datetime) -> Schedule:
        """Return the schedule that decides on the minute: today's, unless another one was in force then."""
        version = self.version
        if version is None or (version.end is None and self.minute > now):
            return self.task.schedule
        return Schedule.parse(version.cron, version.timezone, task_id=self.task.id)


def what_happened(known: Known, now: datetime, *, due: bool) -> str:
    """Return the run of the minute, or why there is none."""
    run, gap = known.run, known.gap
    if run is not None:
        trouble = run.error or run.source_error
        return f"{run.status}, started {format_instant(run.started_at)}" + (f"; {redact(trouble)}" if trouble else "")
    if not due:
        return "none"
    if gap is not None:
        return f"none: {gap.status} ({gap.reason})"
    if known.minute > now:
        return _to_come(known.task, known.minute, now)
    if known.since is not None and known.minute < known.since:
        return f"not known: the ledger starts at {format_minute(known.since)}"
    return _not_there(known) if known.version is None else _unsettled(known, now)


def _to_come(task: Task, minute: datetime, now: datetime) -> str:
    if not task.enabled:
        return "none: disabled"
    return _paused(task.pause, minute, now) or "still to come"


def _paused(pause: Pause | None, minute: datetime, now: datetime) -> str | None:
    """Return when the ledger gets the row of a minute within a pause; None for one outside it."""
    if pause is None or (pause.until is not None and minute >= pause.until):
        return None
    if pause.until is None:
        return "none: the task is paused; it is recorded as skipped when the pause ends"
    verb = "is" if now < pause.until else "was"
    until = format_instant(pause.until)
    return f"none: the task {verb} paused until {until}; it is recorded as skipped with the first fire after that"


def _not_there(known: Known) -> str:
    if not known.task.enabled and all(one.end is not None and one.end <= known.minute for one in known.versions):
        return "none: disabled"
    if not known.versions:
        return "none: no tick has seen the task yet"
    return "none: the task was not there at that minute, or disabled"


def _unsettled(known: Known, now: datetime) -> str:
    """Return what the index says of an expected minute without a row."""
    expected, minute = known.expected, known.minute
    if expected is not None and expected.paused_from is not None and minute >= expected.paused_from:
        paused = _paused(expected.task.pause, minute, now)
        if paused is not None:
            return paused
    if expected is None or expected.next_fire is None or minute < expected.next_fire:
        return f"none, and in no row of the ledger: see `watchbell cron audit {known.task.id}`"
    if not known.has_ticked:
        return "none yet: no tick has come since; see `watchbell timer status`"
    if expected.live_run:
        return "none yet: it waits for the run before it to end"
    return "none yet: it is overdue; the next tick runs it, or records why not"
