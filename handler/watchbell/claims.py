"""The rules of claims and the ledger, as pure functions: what to run, what was missed, whose run it is, how it ended.

    expected ──claim──> running ──settle──> success · partial · failed · quiet
        │                │   ▲  └────────> unknown (some part may have arrived) ──resolve or retry──> …
        │                │   └─ retry ── waiting (something is owed and has a retry time)
        │                └─ interrupted ad-hoc run ──> abandoned
        ├──claim, with a queue──> queued ──taken over by whoever gets its message──> running
        └──too late, or not wanted──> a row of `missed` or `skipped` fire times, with count and reason

The current time always comes in as an argument.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from watchbell.instants import MINUTE
from watchbell.schedule import Schedule
from watchbell.tasks import CatchUp, Task

#: A tick stops starting work at its deadline and ends itself this much later …
SELF_END = timedelta(seconds=30)
#: … so a lease that ends this much after the deadline cannot be outlived and needs no renewal.
LEASE_MARGIN = timedelta(seconds=60)
#: Where only clocks tell (another machine), a lease is believed this much longer.
CLOCK_SKEW = timedelta(seconds=60)
#: How far ahead of the clock a tick's minute may be (hosts are skewed).
AHEAD = timedelta(minutes=2)

SHORTEST_DEFAULT_GRACE_OVER_DEADLINE = timedelta(minutes=2)
LONGEST_DEFAULT_GRACE = timedelta(hours=3)
GRACE_OF_ALL = timedelta(hours=24)
GRACE_OF_NONE = timedelta(minutes=2)
MOST_CAUGHT_UP = 50
MOST_CRASHES = 3


class Status(StrEnum):
    """Where a run stands; the picture above says who moves it."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    UNKNOWN = "unknown"
    QUIET = "quiet"
    ABANDONED = "abandoned"


#: With one of these a scheduled run keeps its task from being claimed again.
LIVE = (Status.QUEUED, Status.RUNNING)


class GapStatus(StrEnum):
    """Why expected fire times have no run of their own."""

    MISSED = "missed"  # nobody wanted that
    SKIPPED = "skipped"  # somebody did


NO_TICK = "no tick"
OVERLAP = "overlap"
PAST_GRACE = "past grace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A range of expected fire times that did not run: `count` of them from `first` to `last`, both included."""

    task_id: str
    status: GapStatus
    reason: str
    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the due index holds of one task. `paused_from` is the first minute of a pause not yet in the ledger."""

    task: Task
    revision: int
    next_fire: datetime | None
    paused_from: datetime | None = None
    live_run: bool = False  # a scheduled run of this task is running, or queued for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What one claim transaction does: run `fire` (or nothing), record `gaps`, expect `next_fire` from now on."""

    fire: datetime | None
    gaps: tuple[Gap, ...]
    next_fire: datetime | None


def grace_of(task: Task, fire: datetime, tick_deadline: timedelta) -> timedelta:
    """Return how late `fire` may still start (design 5): the task's own, or half the way to the following fire."""
    if task.catch_up is CatchUp.NONE:
        return GRACE_OF_NONE
    if task.grace is not None:
        return task.grace
    if task.catch_up is CatchUp.ALL:
        return GRACE_OF_ALL
    following = task.schedule.next_fire(fire)
    half = (following - fire) / 2 if following else LONGEST_DEFAULT_GRACE
    return max(min(half, LONGEST_DEFAULT_GRACE), tick_deadline + SHORTEST_DEFAULT_GRACE_OVER_DEADLINE)


def plan_move(
    expected: Expectation,
    *,
    minute: datetime,
    now: datetime,
    tick_deadline: timedelta,
    ticked_between: Callable[[datetime, datetime], bool],
) -> Move | None:
    """Decide what becomes of the fire times up to `minute`; None leaves everything as it is.

    `ticked_between` tells whether any tick ran between two instants: fires that no tick could have started are
    missed for want of a tick, the others because they were too late.
    """
    task, first = expected.task, expected.next_fire
    newest = task.schedule.last_fire(minute) if first is not None else None
    if first is None or newest is None or newest < first:
        return None

    def grace(fire: datetime) -> timedelta:
        return grace_of(task, fire, tick_deadline)

    runs = _first_to_run(task, first, newest, now, grace)
    goes_on = runs or task.schedule.next_fire(newest)
    gaps = gap_between(task, first, goes_on or newest + MINUTE, GapStatus.MISSED, PAST_GRACE)
    if gaps:
        gaps = (replace(gaps[0], reason=_why_missed(expected, gaps[0], grace, ticked_between)),)
    gaps = _paused_gap(expected) + gaps
    if runs is None:
        return Move(fire=None, gaps=gaps, next_fire=goes_on)
    if expected.live_run:
        # It waits for the previous run; only what that wait has cost so far is recorded.
        return Move(fire=None, gaps=gaps, next_fire=runs) if runs != first else None
    return Move(fire=runs, gaps=gaps, next_fire=task.schedule.next_fire(runs))


def _why_missed(
    expected: Expectation,
    gap: Gap,
    grace: Callable[[datetime], timedelta],
    ticked_between: Callable[[datetime, datetime], bool],
) -> str:
    if expected.live_run:
        return OVERLAP
    return PAST_GRACE if ticked_between(gap.first, gap.last + grace(gap.last)) else NO_TICK


def _first_to_run(
    task: Task, first: datetime, newest: datetime, now: datetime, grace: Callable[[datetime], timedelta]
) -> datetime | None:
    """Return the fire time that may start now, or None when all of them are too late."""
    if now - newest > grace(newest):
        return None
    if task.catch_up is not CatchUp.ALL:
        return newest
    oldest = newest
    for _ in range(MOST_CAUGHT_UP - 1):
        before = task.schedule.last_fire(oldest - MINUTE)
        if before is None or before < first or now - before > grace(before):
            break
        oldest = before
    return oldest


def _paused_gap(expected: Expectation) -> tuple[Gap, ...]:
    """Return the fires of a pause that has ended by itself."""
    pause = expected.task.pause
    if expected.paused_from is None or pause is None or pause.until is None:
        return ()
    return gap_between(expected.task, expected.paused_from, pause.until, GapStatus.SKIPPED, "paused")


def gap_between(task: Task, start: datetime, end: datetime, status: GapStatus, reason: str) -> tuple[Gap, ...]:
    """Return the gap over the fires of `task` in [start, end): empty when it has none there."""
    count = task.schedule.count(start, end)
    first = task.schedule.next_fire(start - MINUTE)
    last = task.schedule.last_fire(end - timedelta.resolution)
    if not count or first is None or last is None:
        return ()
    return (Gap(task_id=task.id, status=status, reason=reason, first=first, last=last, count=count),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reindexed:
    """What a changed task is expected to do from `start` on, and what its old definition still owed."""

    next_fire: datetime | None
    paused_from: datetime | None
    gaps: tuple[Gap, ...]


def same_fires(old: Task, new: Task) -> bool:
    """Return whether two definitions expect the same fires, so that the next fire time stays as it is."""
    return (old.cron, old.timezone, old.enabled, old.pause) == (new.cron, new.timezone, new.enabled, new.pause)


def reindex(old: Expectation | None, new: Task | None, start: datetime) -> Reindexed:
    """Settle what `old` still expected before `start`, and say what `new` expects from `start` on.

    A new, resumed or re-scheduled task never fires for the past: its first fire is at or after `start`.
    """
    gaps = _still_owed(old, new, start) if old is not None else ()
    if new is None or not new.enabled:
        return Reindexed(next_fire=None, paused_from=None, gaps=gaps)
    if new.pause is None or (new.pause.until is not None and new.pause.until <= start):
        return Reindexed(next_fire=_first_fire(new.schedule, start), paused_from=None, gaps=gaps)
    next_fire = _first_fire(new.schedule, new.pause.until) if new.pause.until else None
    return Reindexed(next_fire=next_fire, paused_from=start, gaps=gaps)


@lru_cache(maxsize=16384)
def _first_fire(schedule: Schedule, start: datetime) -> datetime | None:
    """Return the first fire at or after `start`; many tasks share their schedule when a whole file is indexed."""
    return schedule.next_fire(start - timedelta.resolution)


def _still_owed(old: Expectation, new: Task | None, start: datetime) -> tuple[Gap, ...]:
    """Return the skipped rows for fires before `start` that the old definition expected and nobody ran."""
    task = old.task
    if not task.enabled:
        return ()
    gaps: tuple[Gap, ...] = ()
    if old.paused_from is not None and task.pause is not None:
        pause_end = start if task.pause.until is None else min(start, task.pause.until)
        gaps = gap_between(task, old.paused_from, pause_end, GapStatus.SKIPPED, "paused")
    if old.next_fire is not None:
        gaps += gap_between(task, old.next_fire, start, GapStatus.SKIPPED, _change(task, new))
    return gaps


def _change(old: Task, new: Task | None) -> str:
    if new is None:
        return "removed"
    if not new.enabled:
        return "disabled"
    return "paused" if new.pause is not None and new.pause != old.pause else "edited"


@dataclass(frozen=True, slots=True)
class Host:
    """Where an owner runs: the machine, and its boot, within which file locks can be believed.

    On a store that machines share, boot is empty: there are no locks, and the machine is a name that proves nothing.
    """

    machine: str
    boot: str


def owner_is_gone(
    *, owner_host: Host, lease_until: datetime, here: Host, lock_is_free: Callable[[], bool], now: datetime
) -> bool:
    """Return whether the owner of a running run can no longer act.

    On the same boot of the same machine its file lock tells, whatever the clock says; an earlier boot of this
    machine is gone for certain; elsewhere only the end of the lease, with a margin for skewed clocks, is proof.
    """
    if here.boot and owner_host.boot == here.boot:
        return lock_is_free()
    if here.boot and owner_host.machine == here.machine:
        return True
    return now > lease_until + CLOCK_SKEW
