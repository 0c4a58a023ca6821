"""What tasks will fire: one task within a period, many tasks in order, and the clock changes among them. Pure."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from watchbell.instants import MINUTE
from watchbell.tasks import Task

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """The first UTC minute of a new offset in a zone."""

    timezone: str
    at: datetime
    before: timedelta
    after: timedelta


def starts_firing(task: Task, start: datetime) -> datetime | None:
    """Return from when on a task fires, at `start` or after its pause; None while it is disabled or paused for good."""
    if not task.enabled:
        return None
    if task.pause is None:
        return start
    return None if task.pause.until is None else max(start, task.pause.until)


def fires_within(task: Task, start: datetime, end: datetime) -> Iterator[datetime]:
    """Return the fires of a task in [start, end), as its definition stands."""
    first = starts_firing(task, start)
    return iter(()) if first is None else task.schedule.fires(first, max(first, end))


def fires_in_order(tasks: Iterable[Task], start: datetime, end: datetime) -> Iterator[tuple[datetime, Task]]:
    """Return the fires of all tasks in [start, end), in order of time, found as they are asked for."""
    streams = (_stream(number, task, start, end) for number, task in enumerate(tasks))
    return ((fire, task) for fire, _, task in heapq.merge(*streams, key=lambda entry: entry[:2]))


def _stream(number: int, task: Task, start: datetime, end: datetime) -> Iterator[tuple[datetime, int, Task]]:
    return ((fire, number, task) for fire in fires_within(task, start, end))


def count_fires(tasks: Iterable[Task], start: datetime, end: datetime) -> int:
    """Return how many fires there are in [start, end); tasks that share a schedule are counted once and multiplied."""
    alike: dict[object, int] = {}
    counted: dict[object, int] = {}
    for task in tasks:
        first = starts_firing(task, start)
        if first is None:
            continue
        key = (task.schedule, first)
        if key not in counted:
            counted[key] = task.schedule.count(first, max(first, end))
        alike[key] = alike.get(key, 0) + 1
    return sum(counted[key] * number for key, number in alike.items())


def clock_changes(timezone: str, start: datetime, end: datetime) -> list[ClockChange]:
    """Return the changes of a zone's offset in (start, end)."""
    zone = ZoneInfo(timezone)
    found: list[ClockChange] = []
    low = start
    while low < end:
        high = min(low + _HOUR, end)
        if _offset(zone, low) != _offset(zone, high):
            at = _first_minute_of_change(zone, low, high)
            found.append(ClockChange(timezone=timezone, at=at, before=_offset(zone, low), after=_offset(zone, high)))
        low = high
    return found


def _first_minute_of_change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    while high - low > MINUTE:
        middle = low + ((high - low) // 2 // MINUTE or 1) * MINUTE
        low, high = (low, middle) if _offset(zone, middle) != _offset(zone, low) else (middle, high)
    return high


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)
