"""One attempt at one run, alone: build the report, save it, deliver it, settle the run.

Whatever goes wrong in here becomes the run's own outcome; only what says that the run is no longer ours (LeaseLost)
or that the ledger cannot be written (StoreError, or TryAgain for now) gets out.
"""

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from watchbell.building import built, is_quiet
from watchbell.claims import MOST_CRASHES, Status, grace_of
from watchbell.deliveries import FIRST_IMAGE, PartState, question_at, settled_status
from watchbell.dispatch import ask, deliver, means_of
from watchbell.errors import (
    CredentialError,
    DamagedReport,
    SourceError,
    StoreError,
    TaskError,
    TryAgain,
    WatchbellError,
)
from watchbell.reports.codec import report_from_json, report_to_json
from watchbell.reports.interface import Coverage, Report
from watchbell.secrets.redaction import redact
from watchbell.services import Limits, Services
from watchbell.stores.interface import Run, Settlement
from watchbell.tasks import Task, task_from_json

log = logging.getLogger("watchbell")

#: Another machine that ticked within this time may be able to do what this one cannot.
OTHER_MACHINE_ALIVE = timedelta(minutes=10)

STALE = "given up: a later report has been delivered"


@dataclass(frozen=True, slots=True)
class _Declined(Exception):
    """This machine cannot do the run, and another one may."""

    why: str


def carry_out(
    services: Services, limits: Limits, run: Run, *, by_hand: bool = False
) -> tuple[Run, tuple[Coverage, ...]]:
    """Take a claimed run to its end, or as far as it goes now; `by_hand` also one that a tick would give up.

    Returns it as the ledger has it then, and the coverage of the report if one was built. Raises LeaseLost,
    StoreError, and TryAgain when the store is too busy even for the end, and nothing else.
    """
    coverage: tuple[Coverage, ...] = ()
    try:
        task = task_from_json(run.definition)
    except TaskError as error:  # the version that claimed it knew more, or less
        unreadable = Settlement(status=Status.FAILED, error=f"its definition: {error}", exit_code=error.exit_code)
        services.store.runs.settle(run, unreadable, now=services.clock.now())
        return services.store.runs.find(run.task_id, run.fire_time) or run, coverage
    try:
        settlement = None if by_hand else _give_up(services, limits, run, task)
        if settlement is None:
            settlement, coverage = _attempt(services, limits, run, task)
        services.store.runs.settle(run, settlement, now=services.clock.now())
    except _Declined as declined:
        log.warning("run %s: left to another machine: %s", run.id, declined.why)
        until = _declined_until(services, run, task)
        services.store.runs.decline(run, machine=_unable(services, run), until=until, now=services.clock.now())
    return services.store.runs.find(run.task_id, run.fire_time) or run, coverage


def _attempt(services: Services, limits: Limits, run: Run, task: Task) -> tuple[Settlement, tuple[Coverage, ...]]:
    """Build (or take up) the report and deliver it; every failure is a settlement.

    The coverage is that of a report built now: one that was saved says nothing of how its sources are doing.
    """
    coverage: tuple[Coverage, ...] = ()
    try:
        report = _saved(services, run)
        if report is None:
            report = _built_and_saved(services, run, task)
            coverage = report.coverage
        if is_quiet(task, report) and not run.adhoc:  # whoever asks for a run by hand wants to see it
            return Settlement(status=Status.QUIET), coverage
        _decline_without_credentials(services, run, task)
        deliver(services, limits, run, task, report)
        settlement = settlement_of(services, run, task)
        if settlement.status is Status.SUCCESS and report.images:
            # Everybody has them; kept for as long as the history is, they would be most of it.
            with suppress(TryAgain):
                _save(services, run, replace(report, images=()))
        return settlement, coverage
    except (StoreError, _Declined):
        raise
    except TryAgain as busy:
        return _put_off(services, run, task, busy), coverage
    except WatchbellError as error:
        return _failure(services, run, task, str(error), error.exit_code), coverage
    except Exception as error:
        log.exception("run %s: a bug", run.id)
        return _failure(services, run, task, f"a bug: {type(error).__name__}: {error}", 1), coverage


def _failure(services: Services, run: Run, task: Task, error: str, exit_code: int) -> Settlement:
    """Return how an attempt ends that broke off: other targets may have got the report all the same."""
    parts = _parts_now(services, run)
    status = _status_without_retries(task, parts, services.clock.now())
    wake_at = _next_question(services, run, parts) if run.adhoc else None
    return Settlement(status=status, wake_at=wake_at, error=redact(error), exit_code=exit_code)


def _put_off(services: Services, run: Run, task: Task, busy: TryAgain) -> Settlement:
    """Return how an attempt ends that the store was too busy for (in here nothing else is): the next goes on with it.

    To that one an intent without an outcome is a send of unknown fate, as after a crash.
    """
    if run.adhoc:
        return _failure(services, run, task, str(busy), busy.exit_code)
    settlement = settlement_of(services, run, task)
    if settlement.status not in (Status.WAITING, Status.UNKNOWN):
        return settlement
    return replace(settlement, wake_at=services.clock.now(), error=redact(str(busy)), exit_code=busy.exit_code)


def _parts_now(services: Services, run: Run) -> tuple[PartState, ...]:
    return (services.store.runs.find(run.task_id, run.fire_time) or run).parts


def settlement_of(services: Services, run: Run, task: Task) -> Settlement:
    """Return how a run stands by what its parts say."""
    now = services.clock.now()
    parts = _parts_now(services, run)
    status, wake_at = settled_status(
        task, parts, now=now, deliver_until=run.deliver_until, means_of=partial(means_of, services)
    )
    if run.adhoc and status is Status.WAITING:
        # Nothing of an ad-hoc run is ever sent by a tick.
        if not parts:
            return Settlement(status=Status.ABANDONED, error="interrupted before anything was sent")
        status = _status_without_retries(task, parts, now)
    # A refusal is for the operator to hear of, whoever stopped the rest.
    is_refused = any(part.outcome == "refused" for part in parts if part.part < FIRST_IMAGE)
    withheld = not is_refused and any((part.error or "").startswith("withheld:") for part in parts)
    if withheld and status is Status.FAILED:
        status = Status.ABANDONED
    return Settlement(
        status=status,
        wake_at=_next_question(services, run, parts) if run.adhoc else wake_at,
        error="; ".join(_errors(parts)) or None,
        exit_code=0 if withheld and status is not Status.UNKNOWN else _exit_code(status, services, task),
    )


def _next_question(services: Services, run: Run, parts: Iterable[PartState]) -> datetime | None:
    """Return when a tick is to ask about an ad-hoc run, which is all that it does about one; None for never.

    An intent without an outcome is of unknown fate to whoever takes the run up.
    """
    of_unknown_fate = [replace(part, outcome="unknown") for part in parts if part.outcome in ("unknown", None)]
    questions = [question_at(part, means_of(services, part.target)) for part in of_unknown_fate]
    first = min((moment for moment in questions if moment is not None), default=None)
    return first if first is not None and first <= run.deliver_until else None


def _exit_code(status: Status, services: Services, task: Task) -> int:
    if status is Status.SUCCESS:
        return 0
    if status is Status.WAITING:
        return 75
    return 4 if _missing_credentials(services, task) else 7


def _give_up(services: Services, limits: Limits, run: Run, task: Task) -> Settlement | None:
    """Settle a run that is not to be gone on with: one by hand, a repeated crash, or a report that has become stale."""
    if run.attempt == 1:
        return None
    if run.adhoc:
        return _end_of_adhoc(services, limits, run, task)
    now = services.clock.now()
    why = _why_given_up(services, run, task, now)
    status = _status_without_retries(task, run.parts, now)
    if why is None or status is Status.SUCCESS:
        return None
    # What a later report has made stale is sent no more; what became of it is still worth knowing.
    again = ask(services, limits, run, task) if why == STALE else None
    parts = _parts_now(services, run)
    status = _status_without_retries(task, parts, now)
    if status is Status.SUCCESS:
        return Settlement(status=status)
    told = "".join(f"; {error}" for error in _errors(parts))
    wake_at = again if again is not None and again <= run.deliver_until else None
    return Settlement(status=status, wake_at=wake_at, error=f"{why}{told}", exit_code=7)


def _end_of_adhoc(services: Services, limits: Limits, run: Run, task: Task) -> Settlement:
    """Settle an ad-hoc run that is not in its caller's hands any more: it is asked about, and nothing of it is sent."""
    if not run.parts:
        return Settlement(status=Status.ABANDONED, error="interrupted")
    dangerous = run.crashes >= MOST_CRASHES
    if not dangerous:
        ask(services, limits, run, task)
    parts = _parts_now(services, run)
    status = _status_without_retries(task, parts, services.clock.now())
    if status is Status.SUCCESS:
        return Settlement(status=status)
    why = [f"its process ended {run.crashes} times" if dangerous else "interrupted"] if run.crashes else []
    advice = [] if status is Status.UNKNOWN else [f"`watchbell cron retry {run.id}` sends what is missing"]
    return Settlement(
        status=status,
        wake_at=None if dangerous else _next_question(services, run, parts),
        error="; ".join([*why, *_errors(parts), *advice]) or None,
        exit_code=7,
    )


def _why_given_up(services: Services, run: Run, task: Task, now: datetime) -> str | None:
    if run.crashes >= MOST_CRASHES:
        return f"its process ended {run.crashes} times"
    if now > run.deliver_until:
        hours = task.deliver_within // timedelta(hours=1)
        return f"given up after {hours} hour{'' if hours == 1 else 's'}"
    if services.store.runs.delivered_since(run.task_id, run.fire_time):
        return STALE
    return None


def _status_without_retries(task: Task, parts: Iterable[PartState], now: datetime) -> Status:
    """Return how a run stands when nothing more is sent; a repeat that failed leaves the first send's fate unknown."""
    certain = [
        replace(part, outcome="unknown") if part.repeats and part.outcome == "not_sent" else part for part in parts
    ]
    return settled_status(task, certain, now=now, deliver_until=datetime.min.replace(tzinfo=UTC))[0]


def _errors(parts: Iterable[PartState]) -> list[str]:
    text = [part for part in parts if part.part < FIRST_IMAGE and part.outcome != "delivered"]
    return list(dict.fromkeys(part.error for part in text if part.error))


def _saved(services: Services, run: Run) -> Report | None:
    """Return the report of an earlier attempt; one that is damaged is built again, unless some of it was sent."""
    if run.verdict is None:
        return None  # the verdict is written with the report
    try:
        saved = services.store.runs.saved_report(run.task_id, run.fire_time)
        return None if saved is None else report_from_json(saved)
    except (DamagedReport, ValueError) as damaged:
        if any(part.outcome != "not_sent" for part in run.parts):
            raise DamagedReport(f"what is missing cannot be sent: {damaged}") from None
        log.warning("run %s: %s; it is built again", run.id, damaged)
        return None


def _built_and_saved(services: Services, run: Run, task: Task) -> Report:
    """Return the report, saved before anything of it is sent."""
    try:
        report = built(services.pipeline, services.store.runs, task, run.due_at)
    except SourceError as error:
        _decline_if_elsewhere(services, run, task, str(error))
        raise
    if report.source_error:
        _decline_if_elsewhere(services, run, task, report.source_error)
    _save(services, run, report)
    return report


def _save(services: Services, run: Run, report: Report) -> None:
    services.store.runs.save_report(
        run, report_to_json(report), verdict=report.verdict, source_error=report.source_error
    )


def _missing_credentials(services: Services, task: Task) -> str | None:
    for target in task.targets:
        try:
            services.credentials(target, task)
        except CredentialError as error:
            return str(error)
        except WatchbellError:
            continue
    return None


def _decline_without_credentials(services: Services, run: Run, task: Task) -> None:
    missing = _missing_credentials(services, task)
    if missing:
        _decline_if_elsewhere(services, run, task, missing)


def _decline_if_elsewhere(services: Services, run: Run, task: Task, why: str) -> None:
    """Leave a run to another machine for half its grace, if there is one and nothing was sent yet."""
    now = services.clock.now()
    if run.adhoc or run.parts or now >= _declined_until(services, run, task):
        return
    if services.store.ticks.other_machines(services.machine, now - OTHER_MACHINE_ALIVE):
        raise _Declined(why)


def _unable(services: Services, run: Run) -> str:
    """Return the names of all machines that have left the run to others, with this one."""
    return " ".join(sorted({*(run.declined_by or "").split(), services.machine}))


def _declined_until(services: Services, run: Run, task: Task) -> datetime:
    return run.due_at + grace_of(task, run.due_at, services.deadline) / 2
