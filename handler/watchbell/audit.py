"""The proof of the ledger: each expected fire time has exactly one run, or falls in exactly one range. Pure.

The expected fire times are recomputed from the versions of the schedule, so that nothing is believed because it was
written down. What is still within its grace, or in a pause that goes on, has no row yet and is not held against anyone;
what should have one and has none is a hole; what is covered twice is a twin; a row that nothing expects is unexpected.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchbell.claims import GRACE_OF_NONE, Expectation, Gap, GapStatus
from watchbell.instants import MINUTE, format_minute
from watchbell.schedule import Schedule

#: A tick comes every minute, a little late: until then nobody can have settled what has just left its grace.
SETTLED_AFTER = timedelta(minutes=2)
NEVER_RECORDED = "in no row of the ledger"
NO_TICK_SINCE = "its grace has passed and no tick has settled it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A schedule and the time in which it was in force; `end` is None while it is."""

    schedule: Schedule
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A scheduled run: its fire time, and when it was started."""

    fire: datetime
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """All that is known of one task. `expected` is None for a task that is no more."""

    task_id: str
    versions: Sequence[Version]
    runs: Sequence[Started]
    gaps: Sequence[Gap]
    expected: Expectation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What is audited: fire times from `start` up to `now`."""

    start: datetime
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Expected fire times next to each other that nothing accounts for."""

    first: datetime
    last: datetime
    count: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something at one fire time that should not be: a twin, or a row that nothing expects."""

    fire: datetime
    what: str


@dataclass(slots=True, kw_only=True)
class Audit:
    """The outcome for one task. `late` and `caught_up` are among `ran`."""

    task_id: str
    expected: int = 0
    ran: int = 0
    late: int = 0
    caught_up: int = 0
    missed: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    pending: list[datetime] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    twins: list[Finding] = field(default_factory=list)
    unexpected: list[Finding] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether every expected fire time is accounted for exactly once, and nothing else is there."""
        return not (self.holes or self.twins or self.unexpected)


Grace = Callable[[datetime], timedelta]
TickedBetween = Callable[[datetime, datetime], bool]


def audit(ledger: Ledger, period: Period, *, grace: Grace, ticked_between: TickedBetween) -> Audit:
    """Compare what was expected with what the ledger holds.

    A late run is one that was started more than two minutes after its fire time; it was caught up if no tick ran in
    these two minutes, so that nothing could have started it in time.
    """
    fires = expected_fires(ledger.versions, period.start, _horizon(ledger, period.now))
    found = Audit(task_id=ledger.task_id)
    covers = _covers(ledger, period)
    _count_runs(found, ledger, period, ticked_between)
    _check_ranges(found, ledger, period, fires)
    _judge(found, fires, covers, ledger, period, grace)
    known = set(fires)
    found.unexpected += [
        Finding(fire=run.fire, what="a run at a time at which nothing was expected")
        for run in ledger.runs
        if run.fire not in known and run.fire >= period.start
    ]
    return found


def expected_fires(versions: Iterable[Version], start: datetime, end: datetime) -> list[datetime]:
    """Return the fire times of all versions in [start, end), in order."""
    fires: set[datetime] = set()
    for version in versions:
        first = max(version.start, start)
        fires.update(version.schedule.fires(first, max(first, min(version.end or end, end))))
    return sorted(fires)


def _horizon(ledger: Ledger, now: datetime) -> datetime:
    """Return the end of what may have rows: the clock may have been set back, a tick's minute may be ahead of it."""
    rows = [*(run.fire for run in ledger.runs), *(gap.last for gap in ledger.gaps)]
    return max([now, *rows]) + MINUTE


def _covers(ledger: Ledger, period: Period) -> Counter[datetime]:
    """Return how often each fire time has a run of its own."""
    return Counter(run.fire for run in ledger.runs if run.fire >= period.start)


def _count_runs(found: Audit, ledger: Ledger, period: Period, ticked_between: TickedBetween) -> None:
    for run in ledger.runs:
        if run.fire < period.start:
            continue
        found.ran += 1
        if run.started_at - run.fire > GRACE_OF_NONE:
            found.late += 1
            found.caught_up += not ticked_between(run.fire, run.fire + GRACE_OF_NONE)


def _check_ranges(found: Audit, ledger: Ledger, period: Period, fires: Sequence[datetime]) -> None:
    """Count what the ranges hold within the period; a range whose count is not what the schedule says is no proof."""
    for gap in ledger.gaps:
        if gap.last < period.start:
            continue
        there = bisect_right(fires, gap.last) - bisect_left(fires, gap.first)
        counts = found.missed if gap.status is GapStatus.MISSED else found.skipped
        counts[gap.reason] += there
        if gap.first >= period.start and there != gap.count:
            what = f"a {gap.status} range to {format_minute(gap.last)} counts {gap.count}, the schedule says {there}"
            found.unexpected.append(Finding(fire=gap.first, what=what))


def _judge(
    found: Audit,
    fires: Sequence[datetime],
    runs: Counter[datetime],
    ledger: Ledger,
    period: Period,
    grace: Grace,
) -> None:
    """Decide for each expected fire time: accounted for once, still to come, or wrong."""
    ranges = _Ranges(ledger.gaps)
    open_holes: list[tuple[int, datetime, str]] = []
    for number, fire in enumerate(fires):
        in_runs, in_ranges = runs[fire], ranges.holding(fire)
        found.expected += fire <= period.now or in_runs + in_ranges > 0
        if in_runs + in_ranges == 1:
            continue
        if in_runs + in_ranges:
            found.twins.append(Finding(fire=fire, what=f"{in_runs} run(s) and {in_ranges} range(s)"))
        elif fire <= period.now:
            why = _why_open(fire, ledger.expected, period.now, grace)
            if why is None:
                found.pending.append(fire)
            elif why:
                open_holes.append((number, fire, why))
            else:
                found.skipped["paused, still"] += 1
    found.holes += _joined(open_holes)


def _why_open(fire: datetime, expected: Expectation | None, now: datetime, grace: Grace) -> str | None:
    """Say why a fire time without a row is a hole: None when it still may run, "" when its pause has no row yet."""
    if expected is None:
        return NEVER_RECORDED
    pause = expected.task.pause
    is_paused = expected.paused_from is not None and pause is not None and fire >= expected.paused_from
    if is_paused and (pause is None or pause.until is None or fire < pause.until):
        return ""
    if expected.next_fire is None or fire < expected.next_fire:
        return NEVER_RECORDED
    if expected.live_run or now - fire <= grace(fire) + SETTLED_AFTER:
        return None
    return NO_TICK_SINCE


def _joined(open_holes: Iterable[tuple[int, datetime, str]]) -> list[Hole]:
    """Return holes at fire times next to each other as one."""
    holes: list[Hole] = []
    before: tuple[int, str] | None = None
    for number, fire, why in open_holes:
        if before == (number - 1, why):
            holes[-1] = Hole(first=holes[-1].first, last=fire, count=holes[-1].count + 1, why=why)
        else:
            holes.append(Hole(first=fire, last=fire, count=1, why=why))
        before = (number, why)
    return holes


class _Ranges:
    """How many ranges hold a fire time, found by their ends."""

    def __init__(self, gaps: Sequence[Gap]) -> None:
        self._firsts = sorted(gap.first for gap in gaps)
        self._ends = sorted(gap.last + MINUTE for gap in gaps)

    def holding(self, fire: datetime) -> int:
        """Return the ranges that have begun less those that have ended."""
        return bisect_right(self._firsts, fire) - bisect_right(self._ends, fire)
