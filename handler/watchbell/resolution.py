"""What an operator does about a run that did not end well: send what is missing, or decide what is unknown.

Both take a new attempt by the same claim as everything else, send the saved report, and never widen: targets and parts
that have it are left alone.
"""

from dataclasses import replace

from watchbell.attempt import carry_out
from watchbell.claims import Status
from watchbell.deliveries import FIRST_IMAGE, PartState
from watchbell.errors import TryAgain, UsageError
from watchbell.recovery import is_abandoned
from watchbell.services import Limits, Services
from watchbell.stores.interface import Run
from watchbell.tasks import task_from_json

BY_HAND = "resolved by hand"


def retry(services: Services, limits: Limits, run: Run) -> Run:
    """Send the saved report to the targets and parts that surely did not get it.

    Raises UsageError when there is nothing of that kind, TryAgain when another process has the run.
    """
    if run.status in {Status.SUCCESS, Status.QUIET}:
        raise UsageError(f"run {run.id} is {run.status}: nothing is missing")
    outcomes = {part.outcome for part in _text_parts(run)}
    if outcomes and outcomes <= {"unknown", "delivered"} and "unknown" in outcomes:
        raise UsageError(f"run {run.id} may have arrived; say what became of it with `watchbell cron resolve`")
    taken = _take(services, limits, run)
    now = services.clock.now()
    parts = [
        replace(part, outcome="not_sent", retry_at=now) if part.outcome in ("refused", "not_sent") else part
        for part in taken.parts
    ]
    return _carry_out(services, limits, taken, parts)


def resolve(services: Services, limits: Limits, run: Run, *, delivered: bool) -> Run:
    """Decide what became of the parts of unknown fate: they are there, or they are sent once more and marked.

    Raises UsageError when there are none, TryAgain when another process has the run.
    """
    if not any(part.outcome in ("unknown", None) for part in _text_parts(run)):
        raise UsageError(f"run {run.id} is {run.status}: nothing in it is unknown")
    taken = _take(services, limits, run)
    now = services.clock.now()

    def decided(part: PartState) -> PartState:
        if part.outcome != "unknown" or part.part >= FIRST_IMAGE:
            return part
        if delivered:
            return replace(part, outcome="delivered", message_id=BY_HAND, error=None, retry_at=None)
        return replace(part, outcome="not_sent", retry_at=now, repeats=part.repeats + 1)

    return _carry_out(services, limits, taken, [decided(part) for part in taken.parts])


def _text_parts(run: Run) -> list[PartState]:
    return [part for part in run.parts if part.part < FIRST_IMAGE]


def _take(services: Services, limits: Limits, run: Run) -> Run:
    if run.status is Status.RUNNING and not is_abandoned(services, run):
        raise TryAgain(f"run {run.id} is running; wait for it to end")
    if services.store.runs.saved_report(run.task_id, run.fire_time) is None:
        raise UsageError(f"run {run.id} has no saved report; build a new one: watchbell cron run {run.task_id}")
    now = services.clock.now()
    taken = services.store.runs.take_over(
        run,
        owner=services.owner,
        lease_until=limits.lease_until,
        now=now,
        crashed=False,
        deliver_until=now + task_from_json(run.definition).deliver_within,
    )
    if taken is None:
        raise TryAgain(f"run {run.id} was taken up by another process, or another run of its task is running")
    return taken


def _carry_out(services: Services, limits: Limits, run: Run, parts: list[PartState]) -> Run:
    for part, before in zip(parts, run.parts, strict=True):
        if part != before:
            services.store.runs.write_outcome(run, part)
    done, _ = carry_out(services, limits, replace(run, parts=tuple(parts)), by_hand=True)
    return done
