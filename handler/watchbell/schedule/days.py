"""Which days of the calendar a schedule selects, as bit masks over the days of one month.

Days are proleptic ordinals (`date.toordinal()`); weekdays are 0 to 6 with Sunday 0, which is `ordinal % 7`.
A month's mask has bit d for day d, 1 to 31. Zones and times of day are not known here.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

FIRST_DAY, LAST_DAY = date.min.toordinal(), date.max.toordinal()
_LEAP_AND_COMMON = (2000, 2001)
#: Bits 1 to 7, 8 to 14, ...: the days on which a weekday comes for the first time, the second time, ...
_WEEKS = tuple(0x7F << (1 + 7 * week) for week in range(5))
#: Times a mask of seven bits: the mask six times over, which covers 31 days from any weekday.
_EVERY_WEEK = sum(1 << 7 * week for week in range(6))


@dataclass(frozen=True, slots=True)
class DayRule:
    """The three day fields: masks of months (bits 1 to 12), dates (bits 1 to 31) and weekdays (bits 0 to 6).

    `nth` holds a mask of weekdays for the first to the fifth week, beside the plain `weekdays` of every week.
    With `either`, a date or a weekday is enough; otherwise both must match.
    """

    months: int
    dates: int
    last_date: bool
    weekdays: int
    nth: tuple[int, int, int, int, int]
    last_weekdays: int
    either: bool

    def dates_in(self, length: int) -> int:
        """Return the days that the day of month selects in a month of `length` days."""
        dates = self.dates | 1 << length if self.last_date else self.dates
        return dates & ((2 << length) - 2)

    def weekdays_in(self, first_weekday: int, length: int) -> int:
        """Return the days that the day of week selects in a month that starts on `first_weekday`."""
        days = _tile(self.weekdays, first_weekday)
        for week, weekdays in zip(_WEEKS, self.nth, strict=True):
            if weekdays:
                days |= _tile(weekdays, first_weekday) & week
        if self.last_weekdays:
            days |= _tile(self.last_weekdays, first_weekday) & 0x7F << (length - 6)
        return days & ((2 << length) - 2)

    def days_in(self, first_weekday: int, length: int) -> int:
        """Return the days that both day fields together select in a month of this shape."""
        dates, weekdays = self.dates_in(length), self.weekdays_in(first_weekday, length)
        return dates | weekdays if self.either else dates & weekdays

    def selects(self, day: int) -> bool:
        """Return whether the whole rule selects this day."""
        when = date.fromordinal(day)
        return bool(self._days_of(when.year, when.month) >> when.day & 1)

    def nearest(self, day: int, step: int) -> int | None:
        """Return the first selected day from `day` on, forwards (`step` 1) or backwards (-1), or None at the end.

        A rule that ever selects a day does so within 40 years, so this looks at a few hundred months at most.
        """
        if not FIRST_DAY <= day <= LAST_DAY:
            return None
        when = date.fromordinal(day)
        month = when.year * 12 + when.month - 1
        wanted = -1 << when.day if step > 0 else (2 << when.day) - 1
        while date.min.year * 12 <= month < (date.max.year + 1) * 12:
            year, index = divmod(month, 12)
            if days := self._days_of(year, index + 1) & wanted:
                found = lowest_bit(days) if step > 0 else days.bit_length() - 1
                return _month(year, index + 1)[0] + found - 1
            wanted = -1
            month += step
        return None

    def ever_selects(self) -> bool:
        """Return whether there is such a day at all.

        A month starts on every weekday sooner or later, 29 February included, so its few shapes decide for all time.
        """
        return any(
            self.days_in(first_weekday, length)
            for month in range(1, 13)
            if self.months >> month & 1
            for length in {monthrange(year, month)[1] for year in _LEAP_AND_COMMON}
            for first_weekday in range(7)
        )

    def _days_of(self, year: int, month: int) -> int:
        if not self.months >> month & 1:
            return 0
        _, first_weekday, length = _month(year, month)
        return self.days_in(first_weekday, length)


def lowest_bit(mask: int) -> int:
    """Return the number of the lowest bit that is set; `mask` is not 0."""
    return (mask & -mask).bit_length() - 1


def _tile(weekdays: int, first_weekday: int) -> int:
    """Repeat a mask of weekdays over a month, from bit 1 for a first day that is `first_weekday`."""
    return weekdays * _EVERY_WEEK >> first_weekday << 1


@lru_cache(maxsize=4096)
def _month(year: int, month: int) -> tuple[int, int, int]:
    """Return the ordinal and the weekday of the first day, and the number of days."""
    first = date(year, month, 1).toordinal()
    return first, first % 7, monthrange(year, month)[1]
