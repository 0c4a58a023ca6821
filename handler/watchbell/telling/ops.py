"""What the operator hears of, and how: once, then daily, then of the recovery; never in the audience's channel."""

import logging
from collections.abc import Iterable
from datetime import timedelta

from watchbell.claims import Gap, Status
from watchbell.delivery.interface import Envelope, NotSent, Outcome, Refused, SendKey
from watchbell.errors import WatchbellError
from watchbell.instants import format_instant, format_minute
from watchbell.reports.interface import Coverage, CoverageStatus
from watchbell.services import Limits, Services
from watchbell.stores.interface import Notice, Run
from watchbell.tasks import Target

log = logging.getLogger("watchbell")

TASKS_FILE = "tasks-file"
_WELL = {Status.SUCCESS, Status.QUIET}
_ILL = {Status.FAILED, Status.UNKNOWN, Status.PARTIAL}
_SEND_SECONDS = 20.0
_SOON = timedelta(minutes=5)


def note_run(services: Services, run: Run) -> None:
    """Remember a run that did not go well, or that its task is well again."""
    ticks, now = services.store.ticks, services.clock.now()
    if run.status is Status.UNKNOWN and run.wake_at is not None and run.wake_at - now <= _SOON:
        return  # the provider is about to be asked: the operator hears of what remains unknown
    if run.status in _ILL:
        ticks.raise_notice(f"task:{run.task_id}", f"run {run.id} is {run.status}: {run.error}", now)
    elif run.source_error:
        # The audience has its notice; why there was no report is for the operator to mend.
        ticks.raise_notice(f"task:{run.task_id}", f"run {run.id} vouches for nothing: {run.source_error}", now)
    elif run.status in _WELL:
        ticks.clear_notice(f"task:{run.task_id}", now)
        if not run.adhoc:
            ticks.clear_notice(f"missed:{run.task_id}", now)


def note_gap(services: Services, gap: Gap) -> None:
    """Remember fire times that were missed."""
    span = format_minute(gap.first) if gap.count == 1 else f"{format_minute(gap.first)} to {format_minute(gap.last)}"
    detail = f"task {gap.task_id} missed {gap.count} fire time(s), {span}: {gap.reason}"
    services.store.ticks.raise_notice(f"missed:{gap.task_id}", detail, services.clock.now())


def note_sources(services: Services, coverage: Iterable[Coverage]) -> None:
    """Remember which sources can be believed now."""
    for entry in coverage:
        key = f"source:{entry.source}"
        if entry.status is CoverageStatus.OK:
            services.store.ticks.clear_notice(key, services.clock.now())
        else:
            detail = f"source {entry.source} is {entry.status}: {entry.detail}"
            services.store.ticks.raise_notice(key, detail, services.clock.now())


def note_tasks_file(services: Services, errors: Iterable[WatchbellError]) -> None:
    """Remember whether the definitions can be read."""
    now = services.clock.now()
    text = "; ".join(str(error) for error in errors)
    if text:
        services.store.ticks.raise_notice(TASKS_FILE, text, now)
    else:
        services.store.ticks.clear_notice(TASKS_FILE, now)


def tell_operator(services: Services, limits: Limits) -> None:
    """Send what the operator is owed, as one message; without an ops target it goes to the log, as often."""
    if limits.seconds_left() <= 0:
        return
    owed = services.store.ticks.notices_to_tell(services.clock.now())
    notices = [notice for notice in owed if not _is_of_a_stopped_task(services, notice)]
    if not notices:
        return
    lines = [_line(notice) for notice in notices]
    if services.ops_target is None:
        for line in lines:
            log.warning("for the operator: %s", line)
        return
    outcome = _send(services, limits, services.ops_target, lines)
    if isinstance(outcome, NotSent | Refused):
        log.error("the ops target %s did not get %d notice(s): %s", services.ops_target, len(lines), outcome.error)
        services.store.ticks.notice_not_told(notices, services.clock.now())


def _is_of_a_stopped_task(services: Services, notice: Notice) -> bool:
    """Return whether the operator has ended it already, by removing, disabling or pausing the task."""
    kind, _, task_id = notice.key.partition(":")
    if kind not in {"task", "missed"}:
        return False
    expected = services.store.tasks.expectation(task_id)
    return expected is None or expected.next_fire is None


def _send(services: Services, limits: Limits, target: Target, lines: list[str]) -> Outcome:
    told_at = format_instant(services.clock.now())
    key = SendKey(task_id="operator", fire_time=told_at, target=str(target), part=1)
    provider = services.providers[target.provider]
    seconds = min(_SEND_SECONDS, limits.seconds_left())
    try:
        part = provider.render_lines("Watchbell, for the operator", lines)
        credentials = services.credentials(target, None)
        return provider.send(part, Envelope(chat_id=target.chat_id, key=key, credentials=credentials), seconds)
    except WatchbellError as error:
        return NotSent(str(error))
    except Exception as error:
        log.exception("a bug")  # to hear of it twice is better for an operator than not at all
        return NotSent(f"a bug in the {target.provider} provider: {type(error).__name__}")


def _line(notice: Notice) -> str:
    if notice.recovered:
        return f"recovered: {notice.detail} (since {format_instant(notice.since)})"
    return f"{notice.detail} (since {format_instant(notice.since)})"
