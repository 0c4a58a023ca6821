"""What an operator does about a run that did not end well: send what is missing, or decide what is unknown.

Both take a new attempt by the same claim as everything else, send the saved report, and never widen: targets and parts
that have it are left alone.
"""

import logging
from dataclasses import replace

from watchbell.attempt import carry_out
from watchbell.claims import Status
from watchbell.deliveries import FIRST_IMAGE, SEND_TIME, PartState, delivery_outcome, question_at
from watchbell.delivery.interface import Absent, CannotTell, Envelope, Found, SendKey
from watchbell.dispatch import means_of
from watchbell.errors import ConfigError, CredentialError, TryAgain, UsageError
from watchbell.recovery import is_abandoned
from watchbell.secrets.redaction import redact
from watchbell.services import Limits, Services
from watchbell.stores.interface import Run
from watchbell.tasks import Target, task_from_json
from watchbell.telling.ops import note_run

log = logging.getLogger("watchbell")

BY_HAND = "resolved by hand"


def retry(services: Services, limits: Limits, run: Run) -> Run:
    """Send the saved report to the targets and parts that surely did not get it.

    Raises UsageError when there is nothing of that kind or the task has been stopped, TryAgain when another process
    has the run.
    """
    _refuse_running(services, run)
    if run.status in {Status.SUCCESS, Status.QUIET}:
        raise UsageError(f"run {run.id} is {run.status}: nothing is missing")
    outcomes = _outcomes(run)
    if "unknown" in outcomes and outcomes <= {"unknown", "delivered"}:
        raise UsageError(f"run {run.id} may have arrived; say what became of it with `watchbell cron resolve`")
    _refuse_stopped(services, run)
    taken = _take(services, limits, run)
    now = services.clock.now()
    parts = [
        replace(part, outcome="not_sent", retry_at=now)
        if part.outcome in ("refused", "not_sent") and part.part < FIRST_IMAGE
        else part
        for part in taken.parts
    ]
    return _carry_out(services, limits, taken, parts)


def resolve(services: Services, limits: Limits, run: Run, *, delivered: bool) -> Run:
    """Decide what became of the parts of unknown fate: they are there, or they are sent once more and marked.

    Where the provider can tell, it is asked first: what it finds is not sent, and what is provably missing not marked.

    Raises UsageError when there are none or the task has been stopped, TryAgain when another process has the run.
    """
    _refuse_running(services, run)
    if not any(_may_have_arrived(part) for part in run.parts):
        raise UsageError(f"run {run.id} is {run.status}: nothing in it is unknown")
    if not delivered:
        _refuse_stopped(services, run)
    taken = _take(services, limits, run)

    def decided(part: PartState) -> PartState:
        if not _may_have_arrived(part):
            return part
        if delivered:
            return replace(part, outcome="delivered", message_id=BY_HAND, error=None, retry_at=None)
        return _asked_or_to_repeat(services, limits, taken, part)

    return _carry_out(services, limits, taken, [decided(part) for part in taken.parts])


def _asked_or_to_repeat(services: Services, limits: Limits, run: Run, part: PartState) -> PartState:
    """Return how a part of unknown fate stands that is to be sent again, after its provider was asked about it.

    Without the credentials or the time to ask there are none to send either: it stays as it is, for a tick to ask.
    """
    now = services.clock.now()
    repeat = replace(part, outcome="not_sent", retry_at=now, repeats=part.repeats + (part.outcome == "unknown"))
    # By hand it is asked whatever was asked in vain before, and also while it may still arrive.
    # Not after a repeat that was not sent: when the first send began, and so since when to look, is forgotten.
    proof_from = question_at(replace(part, questions=0, retry_at=None), means_of(services, part.target))
    if proof_from is None:
        return repeat
    try:
        answer = _ask(services, limits, run, part)
    except (CredentialError, ConfigError, TryAgain) as error:
        log.warning("run %s: %s was not asked, and nothing is sent there: %s", run.id, part.target, redact(str(error)))
        return part
    if isinstance(answer, Found):
        note = "it had arrived: found in the channel, and not sent again"
        return replace(part, outcome="delivered", message_id=answer.message_id, error=None, retry_at=None, note=note)
    if isinstance(answer, Absent) and now >= proof_from:
        return replace(part, outcome="not_sent", error="it did not arrive", retry_at=now)
    why = answer.why if isinstance(answer, CannotTell) else "it may still be on its way"
    log.warning("run %s: %s cannot tell whether it arrived: %s", run.id, part.target, redact(why))
    return repeat


def _ask(services: Services, limits: Limits, run: Run, part: PartState) -> Found | Absent | CannotTell:
    assert part.intent_at is not None
    target = Target.parse(part.target)
    credentials = services.credentials(target, task_from_json(run.definition))
    seconds = min(SEND_TIME.total_seconds(), limits.seconds_left())
    if seconds < 1:
        raise TryAgain("there was no time left to ask")
    first = next((one for one in run.parts if (one.target, one.part) == (part.target, 1)), None)
    envelope = Envelope(
        chat_id=target.chat_id,
        key=SendKey(task_id=run.task_id, fire_time=run.fire_time, target=part.target, part=part.part),
        credentials=credentials,
        first_id=first.message_id if first is not None else None,
    )
    try:
        return services.providers[target.provider].find(envelope, part.intent_at, seconds)
    except Exception as error:  # noqa: BLE001  a bug must not decide what became of a message
        return CannotTell(f"a bug: {type(error).__name__}: {error}")


def _outcomes(run: Run) -> set[str]:
    """Return the outcomes of the targets, also of those that nothing was begun for."""
    targets = [str(target) for target in task_from_json(run.definition).targets]
    return {delivery_outcome(part for part in run.parts if part.target == target) for target in targets}


def _may_have_arrived(part: PartState) -> bool:
    """Return whether a part of the text may be there: of one whose repeat was not sent, the first send may."""
    is_open = part.outcome in ("unknown", None) or (part.outcome == "not_sent" and part.repeats > 0)
    return is_open and part.part < FIRST_IMAGE


def _refuse_running(services: Services, run: Run) -> None:
    if run.status is Status.RUNNING and not is_abandoned(services, run):
        raise TryAgain(f"run {run.id} is running; wait for it to end")
    if run.status is Status.QUEUED:
        raise TryAgain(f"run {run.id} is queued; wait until it has been taken and has ended")


def _refuse_stopped(services: Services, run: Run) -> None:
    """Say beforehand that nothing would be sent: what the operator has stopped sends nothing, by hand neither."""
    if run.adhoc:
        return
    expected = services.store.tasks.expectation(run.task_id)
    if expected is None:
        raise UsageError(f"task {run.task_id} was removed: nothing of it is sent any more")
    task, now = expected.task, services.clock.now()
    if not task.enabled:
        raise UsageError(f"task {task.id} is disabled; enable it first: watchbell cron edit {task.id} --enable")
    if task.pause is not None and (task.pause.until is None or now < task.pause.until):
        raise UsageError(f"task {task.id} is paused; resume it first: watchbell cron resume {task.id}")


def _take(services: Services, limits: Limits, run: Run) -> Run:
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
    newest = services.store.runs.history(run.task_id, limit=1)
    if [one.id for one in newest] == [run.id]:  # an older one says nothing of how the task is doing now
        note_run(services, done)
    return done
