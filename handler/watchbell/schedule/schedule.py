"""A schedule: the questions that can be asked of a cron expression in a zone. The rules behind them are in `due.py`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from watchbell.schedule.days import lowest_bit
from watchbell.schedule.due import EARLIEST, LATEST, days_worth_a_look, fires_on
from watchbell.schedule.expression import Fields, parse_expression, uses_hash
from watchbell.schedule.why import Why, explain
from watchbell.schedule.zones import Zone, zone_named

_ORIGIN = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression (as written, with single spaces) and an IANA zone.

    All instants are aware; a naive one raises ValueError. Fire times are UTC minutes of the years 1 to 9999, less two
    days at either end.
    """

    expression: str
    timezone: str
    _fields: Fields = field(repr=False)
    _zone: Zone = field(repr=False, compare=False)
    #: The fires of the UTC day last asked about, by its ordinal.
    _last_day: dict[int, int] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def parse(cron: str, timezone: str = "UTC", *, task_id: str | None = None) -> "Schedule":
        """Return the schedule, the same object for the same arguments.

        `task_id` places an `H` and matters to nothing else. Raises ScheduleError with the field, the token and a hint.
        """
        return _parse(cron, timezone, task_id if uses_hash(cron) else None)

    def is_due(self, minute: datetime) -> bool:
        """Return whether the schedule fires at the UTC minute that holds `minute`."""
        day, at = _split(minute)
        return self._fires_on(day) >> at & 1 == 1

    def fires(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Return the fire times from `start` on and before `end`, in order, found as they are asked for."""
        return (_instant(day, at) for day, fires in self._days(_split_up(start), _split_up(end)) for at in _bits(fires))

    def count(self, start: datetime, end: datetime) -> int:
        """Return how many fire times there are from `start` on and before `end`, day by day."""
        return sum(fires.bit_count() for _, fires in self._days(_split_up(start), _split_up(end)))

    def next_fire(self, after: datetime) -> datetime | None:
        """Return the first fire time after `after`, or None when the calendar ends before."""
        today, now = _split(after)
        for day in days_worth_a_look(self._fields, self._zone, today, 1):
            fires = self._fires_on(day)
            if day == today:
                fires &= -2 << now
            if fires:
                return _instant(day, lowest_bit(fires))
        return None

    def last_fire(self, at: datetime) -> datetime | None:
        """Return the newest fire time at or before `at`, or None when the calendar begins after it."""
        today, now = _split(at)
        for day in days_worth_a_look(self._fields, self._zone, today, -1):
            fires = self._fires_on(day)
            if day == today:
                fires &= (2 << now) - 1
            if fires:
                return _instant(day, fires.bit_length() - 1)
        return None

    def why(self, minute: datetime) -> Why:
        """Return each field's verdict on the UTC minute that holds `minute`, and what a clock change did to it."""
        day, at = _split(minute)
        if not EARLIEST <= day <= LATEST:
            raise ValueError(f"{minute} is at the very end of the calendar")
        return explain(self._fields, self._zone, _instant(day, at), due=self.is_due(minute))

    def _days(self, start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
        """Yield the days (ordinals) that have fires from `start` on and before `end`, with the mask of these fires."""
        (first, low), (last, high) = start, end
        for day in days_worth_a_look(self._fields, self._zone, first, 1):
            if day > last:
                return
            fires = self._fires_on(day)
            if day == last:
                fires &= (1 << high) - 1
            if day == first:
                fires &= -1 << low
            if fires:
                yield day, fires

    def _fires_on(self, day: int) -> int:
        fires = self._last_day.get(day)
        if fires is None:
            fires = fires_on(self._fields, self._zone, day) if EARLIEST <= day <= LATEST else 0
            self._last_day.clear()
            self._last_day[day] = fires
        return fires


@lru_cache(maxsize=16384)
def _parse(cron: str, timezone: str, task_id: str | None) -> Schedule:
    zone = zone_named(timezone)
    expression, fields = parse_expression(cron, task_id)
    return Schedule(expression, timezone, fields, zone)


def _split(instant: datetime) -> tuple[int, int]:
    """Return the ordinal of the UTC day and the minute of that day that hold `instant`."""
    try:
        since = instant - _ORIGIN
    except TypeError:
        raise ValueError(f"{instant} has no zone; give an aware time") from None
    return since.days + 1, since.seconds // 60


def _split_up(instant: datetime) -> tuple[int, int]:
    """Return the first minute at or after `instant`, as `_split` does."""
    day, minute = _split(instant)
    if instant.second or instant.microsecond:
        minute += 1
    return day, minute


def _instant(day: int, minute: int) -> datetime:
    return _ORIGIN + timedelta(days=day - 1, minutes=minute)


def _bits(mask: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set, lowest first."""
    while mask:
        yield lowest_bit(mask)
        mask &= mask - 1
