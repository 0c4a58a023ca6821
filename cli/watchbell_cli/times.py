"""Instants for people: local time with its offset first, UTC beside it."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from watchbell.instants import MINUTE, format_minute
from watchbell.tasks import Task

SOON = 3  # how many coming fires a task shows


def local(minute: datetime, timezone: str) -> str:
    """Return `Mon 2026-11-23 09:00 +05:30`."""
    there = minute.astimezone(ZoneInfo(timezone))
    return f"{there:%a %Y-%m-%d %H:%M} {there.isoformat(timespec='minutes')[16:]}"


def local_and_utc(minute: datetime, timezone: str) -> str:
    """Return local time and, unless they are the same, UTC."""
    return f"{local(minute, timezone)}  {format_minute(minute)}"


def coming_fires(task: Task, after: datetime, count: int = SOON) -> list[datetime]:
    """Return the next fires of a task: none while it is disabled, those after its pause while it is paused."""
    if not task.enabled:
        return []
    if task.pause is not None:
        if task.pause.until is None:
            return []
        after = max(after, _before(task.pause.until))
    return fires_after(task.schedule.next_fire, after, count)


def fires_after(next_fire: Callable[[datetime], datetime | None], after: datetime, count: int) -> list[datetime]:
    """Return up to `count` fires after an instant."""
    fires: list[datetime] = []
    while len(fires) < count and (fire := next_fire(fires[-1] if fires else after)) is not None:
        fires.append(fire)
    return fires


def _before(instant: datetime) -> datetime:
    """Return the last minute before an instant, so that a fire at the very end of a pause counts."""
    floor = instant.replace(second=0, microsecond=0)
    return floor - MINUTE if floor == instant else floor
