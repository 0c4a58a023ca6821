"""What the history of one probe means: failing, not run, flaky, slower than usual, recovered, or passing.

    not run     it ran before, but not in this window, or its last run is too old
    failing     its last run failed
    flaky       it passed, failed and passed again: in several stretches, or in one of less than five minutes
    recovered   it failed in one stretch of five minutes or more, and passes now
    slower      it always passed, but the 95th percentile of its duration is at least half as long again as in the
                seven days before, and by 50 ms, with at least 20 runs in each

The first that applies counts. Samples are counted in slots that tile the window, so that no run is counted twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from statistics import median_low

SHORT_OUTAGE_SECONDS = 300.0
#: A probe is late when its last run is older than three intervals, and than this.
LATE_SECONDS = 60.0
LATE_INTERVALS = 3
#: A stretch without runs is a gap when it is no shorter than three intervals, and than this.
GAP_SECONDS = 300.0
SLOWER_FACTOR = 1.5
SLOWER_BY_SECONDS = 0.05
ENOUGH_RUNS = 20


class State(StrEnum):
    """The worst first."""

    FAILING = "failing"
    NOT_RUN = "not run"
    FLAKY = "flaky"
    SLOWER = "slower"
    RECOVERED = "recovered"
    PASSING = "passing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The runs within [start, end), in Unix seconds."""

    start: float
    end: float
    runs: int
    passes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSamples:
    """What was stored of one probe. Instants are Unix seconds, durations seconds; None is "no data"."""

    labels: Mapping[str, str]
    slots: tuple[Slot, ...]  # only those with runs, oldest first
    passes_now: bool | None  # the last run of the window
    changes: int  # between passing and failing, within the window
    ran_before: bool  # within the day before the window, or should have: none did
    last_run: float | None
    last_good: float | None
    p95: float | None
    p95_before: float | None  # over the seven days before the window
    runs_before: int
    expires: float | None  # the earliest certificate that was presented


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeHistory:
    """One probe, judged. `gaps` are stretches (from, to) without a run that are longer than its interval allows."""

    samples: ProbeSamples
    state: State
    runs: int
    fails: int
    fail_stretches: int
    interval: float | None
    gaps: tuple[tuple[float, float], ...]

    @property
    def failing_seconds(self) -> float:
        """About how long it failed: its failed runs times its interval."""
        return self.fails * (self.interval or 0.0)


def judge_probe(samples: ProbeSamples, *, start: float, end: float) -> ProbeHistory:
    """Return what the samples of a window, in Unix seconds, mean."""
    runs = sum(slot.runs for slot in samples.slots)
    fails = runs - sum(slot.passes for slot in samples.slots)
    interval = interval_of(samples.slots)
    # From passing to passing it takes two changes for each stretch; one that began before the window takes one.
    stretches = (samples.changes + (1 if samples.passes_now else 2)) // 2 if fails else 0
    history = ProbeHistory(
        samples=samples,
        state=State.PASSING,
        runs=runs,
        fails=fails,
        fail_stretches=stretches,
        interval=interval,
        gaps=_gaps(samples, interval, start),
    )
    return replace(history, state=_state(history, end))


def interval_of(slots: Sequence[Slot]) -> float | None:
    """Return the usual seconds between two runs; None when there are too few to tell.

    The median over slots, so that holes and a slot cut short do not move it.
    """
    if sum(slot.runs for slot in slots) < 2:
        return None
    if len(slots) == 1:
        return (slots[0].end - slots[0].start) / slots[0].runs
    return median_low(b.start - a.start for a, b in pairwise(slots)) / median_low(slot.runs for slot in slots)


def _state(history: ProbeHistory, end: float) -> State:
    samples = history.samples
    late = max(LATE_SECONDS, LATE_INTERVALS * (history.interval or 0.0))
    if not history.runs or samples.last_run is None or end - samples.last_run > late:
        return State.NOT_RUN
    if not samples.passes_now:
        return State.FAILING
    if history.fails:
        is_one = history.fail_stretches == 1 and history.failing_seconds >= SHORT_OUTAGE_SECONDS
        return State.RECOVERED if is_one else State.FLAKY
    return State.SLOWER if _is_slower(history) else State.PASSING


def _is_slower(history: ProbeHistory) -> bool:
    now, before = history.samples.p95, history.samples.p95_before
    if now is None or before is None or min(history.runs, history.samples.runs_before) < ENOUGH_RUNS:
        return False
    return now >= before * SLOWER_FACTOR and now - before >= SLOWER_BY_SECONDS


def _gaps(samples: ProbeSamples, interval: float | None, start: float) -> tuple[tuple[float, float], ...]:
    """Return the empty stretches between slots, also before the first where it ran before that.

    What there was no run for is somewhat longer. After the last slot it is not a gap but late.
    """
    if interval is None:
        return ()
    allowed = max(LATE_INTERVALS * interval, GAP_SECONDS)
    ends = [*([start] if samples.ran_before else []), *(slot.end for slot in samples.slots)]
    begins = [slot.start for slot in samples.slots][0 if samples.ran_before else 1 :]
    return tuple((end, begin) for end, begin in zip(ends, begins, strict=False) if begin - end >= allowed)
