"""What the records of ticks say about the timers behind them; pure: records in, figures out."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from watchbell.instants import MINUTE, floor_minute
from watchbell.stores.interface import TickRecord

#: Ticks that no timer started say nothing about timers.
BY_HAND = "by hand"
#: A minute counts as lost when this much more has passed since its end.
_PATIENCE = timedelta(minutes=1)
#: Each pod of a CronJob has a name of its own: NAME-<minute>-<random>.
_JOB_POD = re.compile(r"-\d{7,9}(-[a-z0-9]{5})?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """Consecutive minutes."""

    first: datetime
    last: datetime

    @property
    def count(self) -> int:
        return (self.last - self.first) // MINUTE + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One timer on one machine. `first_count` says in how many minutes it came before all others."""

    timer: str
    machine: str
    ticks: int
    first_count: int
    last_ran_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How regularly the minutes from `start` until before `end` were ticked."""

    start: datetime
    end: datetime
    age: timedelta | None  # of the last tick
    last: TickRecord | None
    ticks: int
    lag_median: timedelta | None
    lag_p95: timedelta | None
    lost: tuple[Minutes, ...]
    doubled: tuple[Minutes, ...]
    workers: tuple[Worker, ...]

    def is_alive(self, max_age: timedelta) -> bool:
        """Return whether the last tick is recent; one far in the future tells of a clock that was set back."""
        return self.age is not None and abs(self.age) <= max_age


def examine(records: Iterable[TickRecord], *, since: datetime, now: datetime, is_older: bool) -> Health:
    """Return the health of the timers since `since`; `is_older` says that there were ticks before that."""
    by_timers = sorted((one for one in records if one.timer != BY_HAND), key=lambda one: one.ran_at)
    start = floor_minute(since + MINUTE - timedelta(microseconds=1))
    if not is_older and by_timers:
        start = max(start, min(one.minute for one in by_timers))
    end = max(start, floor_minute(now - _PATIENCE))
    times = Counter(one.minute for one in by_timers if start <= one.minute)
    minutes = [start + number * MINUTE for number in range((end - start) // MINUTE)]
    lags = sorted(one.ran_at - one.minute for one in by_timers)
    last = by_timers[-1] if by_timers else None
    return Health(
        start=start,
        end=end,
        age=now - last.ran_at if last else None,
        last=last,
        ticks=len(by_timers),
        lag_median=_rank(lags, 0.5),
        lag_p95=_rank(lags, 0.95),
        lost=_ranges(minute for minute in minutes if not times[minute]) if by_timers or is_older else (),
        doubled=_ranges(sorted(minute for minute, count in times.items() if count > 1)),
        workers=_workers(by_timers),
    )


def count(ranges: Iterable[Minutes]) -> int:
    """Return how many minutes the ranges hold."""
    return sum(one.count for one in ranges)


def machine_name(machine: str) -> str:
    """Return the name under which a machine's ticks are counted: the pods of one CronJob are one machine here."""
    return _JOB_POD.sub("-*", machine)


def _rank(ordered: Sequence[timedelta], share: float) -> timedelta | None:
    """Return the smallest value that at least `share` of all do not exceed."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def _ranges(minutes: Iterable[datetime]) -> tuple[Minutes, ...]:
    found: list[Minutes] = []
    for minute in minutes:
        if found and minute - found[-1].last == MINUTE:
            found[-1] = Minutes(first=found[-1].first, last=minute)
        else:
            found.append(Minutes(first=minute, last=minute))
    return tuple(found)


def _workers(records: Sequence[TickRecord]) -> tuple[Worker, ...]:
    names = [(one.timer, machine_name(one.machine)) for one in records]
    last = {name: one.ran_at for name, one in zip(names, records, strict=True)}
    leaders: dict[datetime, tuple[str, str]] = {}
    for name, one in zip(names, records, strict=True):
        leaders.setdefault(one.minute, name)
    first = Counter(leaders.values())
    return tuple(
        Worker(timer=name[0], machine=name[1], ticks=ticks, first_count=first[name], last_ran_at=last[name])
        for name, ticks in Counter(names).most_common()
    )
