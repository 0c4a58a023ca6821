"""The rules of deliveries, as pure functions: how one stands, what is to be done next about a part, and when.

intent ──send──> delivered · refused
   │        └──> not_sent ──retry time──> sent again, until the run's `deliver_until`
   └─crash──┴──> unknown ──> repeated with the same key, where the provider drops the double (Discord, 2 minutes)
                    ├──────> asked about, where the provider can tell; found: delivered, absent: not_sent
                    └──────> sent once more and marked, where the task says `on_unknown: resend`; else held
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from watchbell.claims import Status
from watchbell.tasks import OnUnknown, Task

#: One send may take this long; Telegram is known to answer late for what it has delivered.
SEND_TIME = timedelta(seconds=30)
#: An intent older than this no longer starts its request.
INTENT_TO_SEND = timedelta(seconds=10)
#: "Not there" is proof only this long after a send must have ended.
LATE_ARRIVAL = timedelta(seconds=60)
#: How long after its intent a part of unknown fate may be repeated, where the task asks for that.
UNKNOWN_TO_REPEAT = timedelta(seconds=60)
#: A question that failed is asked again after these; then the task's `on_unknown` decides.
QUESTION_PAUSES = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=4))
#: Images are kept as parts from this number on; the text does not depend on them, and no outcome does.
FIRST_IMAGE = 1001


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """How one part of one delivery stands; `outcome` is None while only its intent is written."""

    target: str
    part: int
    of: int
    outcome: str | None
    attempts: int = 1
    message_id: str | None = None
    error: str | None = None
    note: str | None = None  # what the operator should know of a part that was delivered
    intent_at: datetime | None = None  # of the first send whose fate is unknown, otherwise of the latest
    retry_at: datetime | None = None  # when it may be sent again or asked about; None: by the rules below
    repeats: int = 0  # sends of a part that may have arrived before
    questions: int = 0  # how often the provider was asked in vain


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a provider offers against doubles: see Provider."""

    repeat_window: timedelta = timedelta()
    can_ask: bool = False


class Step(Enum):
    """What to do next about a part that was tried before."""

    SEND = auto()  # it surely did not arrive
    REPEAT_SAME = auto()  # it may have; the provider drops a double
    ASK = auto()  # it may have; the provider can tell
    REPEAT_MARKED = auto()  # it may have; the task wants it rather twice than never


def next_step(task: Task, part: PartState, means: Means, now: datetime) -> tuple[Step, datetime] | None:
    """Return what to do about a part and from when on, or None when it is left as it is."""
    if part.outcome == "not_sent":
        return (Step.SEND, part.retry_at) if part.retry_at is not None else None
    if part.outcome != "unknown" or part.intent_at is None:
        return None
    again = part.retry_at or part.intent_at
    # A repeat must have ended within the window, too; by a clock that was set back nobody knows when that is.
    latest_end = max(again, now) + INTENT_TO_SEND + SEND_TIME
    if part.intent_at <= now and latest_end <= part.intent_at + means.repeat_window:
        return Step.REPEAT_SAME, again
    question = question_at(part, means)
    if question is not None:
        return Step.ASK, question
    if task.on_unknown is OnUnknown.RESEND and part.repeats == 0:
        return Step.REPEAT_MARKED, max(part.intent_at + UNKNOWN_TO_REPEAT, again)
    return None


def question_at(part: PartState, means: Means) -> datetime | None:
    """Return from when on the provider may be asked what became of a part, or None when it is not to be."""
    if part.outcome != "unknown" or part.intent_at is None or not means.can_ask or part.part >= FIRST_IMAGE:
        return None
    if part.questions > len(QUESTION_PAUSES):
        return None
    arrived = part.intent_at + means.repeat_window + INTENT_TO_SEND + SEND_TIME + LATE_ARRIVAL
    return max(arrived, part.retry_at or part.intent_at)


#: From worst to best: a delivery is as good as its worst part.
_WORST_FIRST = ("unknown", "not_sent", "refused", "delivered")


def delivery_outcome(parts: Iterable[PartState]) -> str:
    """Return the outcome of one target: the worst of its parts (an intent without outcome may have arrived).

    One that lacks a part has not been delivered; images do not count.
    """
    states = [part for part in parts if part.part < FIRST_IMAGE]
    outcomes = {part.outcome or "unknown" for part in states}
    worst = next((word for word in _WORST_FIRST if word in outcomes), "not_sent")
    return "not_sent" if worst == "delivered" and len(states) < states[0].of else worst


def settled_status(
    task: Task,
    parts: Iterable[PartState],
    *,
    now: datetime,
    deliver_until: datetime,
    means_of: Callable[[str], Means] = lambda target: Means(),
) -> tuple[Status, datetime | None]:
    """Return the status of a run whose sends are over for now, and when it wants to be taken up again.

    `means_of` tells what the provider of a target offers.
    """
    by_target: dict[str, list[PartState]] = {str(target): [] for target in task.targets}
    for part in parts:
        if part.part < FIRST_IMAGE:
            by_target.setdefault(part.target, []).append(part)
    outcomes = [delivery_outcome(states) for states in by_target.values()]
    wakes: list[datetime] = []
    for (target, states), outcome in zip(by_target.items(), outcomes, strict=True):
        steps = [next_step(task, state, means_of(target), now) for state in states]
        begun = [step[1] for step in steps if step is not None]
        is_unbegun = outcome == "not_sent" and all(state.outcome == "delivered" for state in states)
        wakes += begun or ([now] if is_unbegun else [])
    wake_at = min(wakes, default=None)
    if wake_at is not None and wake_at > deliver_until:
        wake_at = None
    return _status(outcomes, wake_at), wake_at


def _status(outcomes: list[str], wake_at: datetime | None) -> Status:
    if "unknown" in outcomes:
        return Status.UNKNOWN
    if wake_at is not None:
        return Status.WAITING
    if all(outcome == "delivered" for outcome in outcomes):
        return Status.SUCCESS
    return Status.PARTIAL if "delivered" in outcomes else Status.FAILED


def backoff_seconds(attempts: int, jitter: float) -> float:
    """Return the pause after `attempts` sends: 2, 4, 8 … at most 900 seconds, times 0.5 to 1 (`jitter` in [0, 1))."""
    return float(min(2.0 ** min(attempts, 10), 900.0)) * (0.5 + jitter / 2)
