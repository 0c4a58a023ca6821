"""Looking at a window in steps: where they begin, and which times found on them belong together."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from statistics import median

Stretch = tuple[float, float]  # Unix seconds
#: What Prometheus looks back for a value: scrapes further apart than that are no way to watch.
FURTHEST_APART = timedelta(minutes=5)


def first_step(start: datetime, end: datetime, step: timedelta) -> datetime:
    """Return from where steps lead to `end`: what happened last must be seen."""
    return end - step * ceil((end - start) / step)


def stretches(times: Iterable[float], distance: float) -> list[Stretch]:
    """Join times that follow each other at no more than a distance of so many seconds."""
    joined: list[Stretch] = []
    for at in sorted(times):
        if joined and at - joined[-1][1] <= distance:
            joined[-1] = joined[-1][0], at
        else:
            joined.append((at, at))
    return joined


def longest_hole(times: Collection[float], step: timedelta, max_gap: timedelta) -> float:
    """Return how many seconds without a sample spoil nothing, where these steps have one.

    Where scrapes are further apart than the steps, what is between two of them is a part of any hole, too.
    """
    apart = median(after - before for before, after in pairwise(sorted(times))) if len(times) > 1 else 0.0
    more = min(apart, FURTHEST_APART.total_seconds()) - step.total_seconds()
    return max_gap.total_seconds() + max(0.0, more)
