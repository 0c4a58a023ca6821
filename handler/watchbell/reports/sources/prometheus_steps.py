"""Looking at a window in steps: where they begin, and which times found on them belong together."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import ceil

Stretch = tuple[float, float]  # Unix seconds


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
