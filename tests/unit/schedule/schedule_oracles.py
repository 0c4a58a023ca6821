"""What the schedule tests compare with: expressions together with their meaning, clock changes, the wall clock.

Nothing here uses the code under test: each random field is written down beside the values it stands for.
"""

import calendar
import itertools
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache

from hypothesis import strategies as st

MINUTE = timedelta(minutes=1)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

#: Names that are no zone of their own.
NOT_ZONES = {"localtime", "posixrules", "Factory"}


@dataclass(frozen=True)
class Field:
    """A field as text, and what it selects: by value, or for the two day fields by date."""

    text: str
    selects: Callable[[date], bool]


@dataclass(frozen=True)
class Expression:
    minute_text: str
    minutes: frozenset[int]
    hour_text: str
    hours: frozenset[int]
    day: Field
    month: Field
    weekday: Field

    @property
    def text(self) -> str:
        return f"{self.minute_text} {self.hour_text} {self.day.text} {self.month.text} {self.weekday.text}"

    @property
    def fixed(self) -> bool:
        return not (self.minute_text.startswith("*") or self.hour_text.startswith("*"))

    def selects_day(self, day: date) -> bool:
        both = self.day.text.startswith("*") or self.weekday.text.startswith("*")
        combine = all if both else any
        return self.month.selects(day) and combine((self.day.selects(day), self.weekday.selects(day)))

    def matches(self, wall: datetime) -> bool:
        return wall.minute in self.minutes and wall.hour in self.hours and self.selects_day(wall.date())

    def ever_fires(self) -> bool:
        """Look at 28 years, in which each of the fourteen calendars of a year comes up."""
        days = (date(2000, 1, 1) + timedelta(days=number) for number in range(366 + 27 * 366))
        return any(self.selects_day(day) for day in days)


def every_day(minute: tuple[str, set[int]], hour: tuple[str, set[int]]) -> Expression:
    any_day = Field("*", lambda day: True)
    return Expression(minute[0], frozenset(minute[1]), hour[0], frozenset(hour[1]), any_day, any_day, any_day)


def wall_clock_fires(expression: Expression, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Return the fire times by looking at the wall clock at each minute from `start` on and before `end`."""
    info = zoneinfo.ZoneInfo(zone)
    return [minute for minute in minutes(start, end) if _fires_by_the_wall_clock(expression, info, minute)]


def _fires_by_the_wall_clock(expression: Expression, info: zoneinfo.ZoneInfo, minute: datetime) -> bool:
    wall = minute.astimezone(info)
    if not expression.fixed:
        return expression.matches(wall)
    if wall.fold == 0 and expression.matches(wall):
        return True
    before = (minute - MINUTE).astimezone(info).replace(tzinfo=None)
    skipped = minutes(before + MINUTE, wall.replace(tzinfo=None))
    return any(expression.matches(missing) for missing in skipped)


def minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    count = -(-(end - start) // MINUTE)
    return (start + number * MINUTE for number in range(max(0, count)))


@cache
def clock_changes() -> dict[str, list[datetime]]:
    """Return each zone with a change of its offset in 2007 to 2037, and the UTC minutes from which they hold."""
    zones = sorted(zoneinfo.available_timezones() - NOT_ZONES)
    changes = {zone: list(_changes_of(zoneinfo.ZoneInfo(zone))) for zone in zones}
    return {zone: found for zone, found in changes.items() if found}


def _changes_of(info: zoneinfo.ZoneInfo) -> Iterator[datetime]:
    # Two weeks are shorter than any season in these years; Morocco's, during Ramadan, is the shortest.
    days = (datetime(2007, 1, 1, tzinfo=UTC) + timedelta(days=14 * number) for number in range(31 * 365 // 14))
    for low, high in itertools.pairwise(days):
        if _offset(info, low) != _offset(info, high):
            yield _first_change(info, low, high)


def _first_change(info: zoneinfo.ZoneInfo, low: datetime, high: datetime) -> datetime:
    while high - low > MINUTE:
        middle = low + (high - low) // 2 // MINUTE * MINUTE
        if _offset(info, middle) == _offset(info, low):
            low = middle
        else:
            high = middle
    return high


def _offset(info: zoneinfo.ZoneInfo, minute: datetime) -> timedelta | None:
    return minute.astimezone(info).utcoffset()


def offset_change(zone: str, change: datetime) -> timedelta:
    info = zoneinfo.ZoneInfo(zone)
    return _offset(info, change) - _offset(info, change - MINUTE)


def zones_at_changes() -> st.SearchStrategy[tuple[str, datetime]]:
    """Draw any zone that changes its clock, and one of its changes."""
    found = clock_changes()
    return st.sampled_from(sorted(found)).flatmap(lambda zone: st.tuples(st.just(zone), st.sampled_from(found[zone])))


@st.composite
def _items(draw: st.DrawFn, low: int, high: int, *, open_steps: bool, names: tuple[str, ...] = ()):
    """Draw one item of a list without `*`, and its values. cronsim misreads 9-9/15, so stepped ranges are real ones."""

    def write(value: int) -> str:
        named = names and value - low < len(names) and draw(st.booleans())
        return names[value - low] if named else f"{value:02}" if draw(st.booleans()) else str(value)

    first = draw(st.integers(low, high))
    shape = draw(st.sampled_from(("value", "value", "range", "range/step") + ("open",) * open_steps))
    if shape == "value":
        return write(first), {first}
    step = draw(st.integers(1, high))
    if shape == "open":
        return f"{write(first)}/{step}", set(range(first, high + 1, step))
    last = draw(st.integers(first, high))
    if shape == "range" or first == last:
        return f"{write(first)}-{write(last)}", set(range(first, last + 1))
    return f"{write(first)}-{write(last)}/{step}", set(range(first, last + 1, step))


@st.composite
def _values(draw: st.DrawFn, low: int, high: int, *, star: bool | None = None, open_steps: bool = True, names=()):
    """Draw a field and its values; `star` says whether it starts with `*`, None leaves it to chance."""
    if draw(st.booleans()) if star is None else star:
        step = draw(st.none() | st.integers(1, high))
        return ("*", set(range(low, high + 1))) if step is None else (f"*/{step}", set(range(low, high + 1, step)))
    items = draw(st.lists(_items(low, high, open_steps=open_steps, names=names), min_size=1, max_size=3))
    return ",".join(text for text, _ in items), set().union(*(values for _, values in items))


@st.composite
def _days(draw: st.DrawFn) -> Field:
    text, values = draw(_values(1, 31))
    if not text.startswith("*") and draw(st.integers(0, 4)) == 0:
        text = draw(st.sampled_from(("L", f"{text},L", f"L,{text}")))
        values = values if "," in text else set()
        return Field(text, lambda day: day.day in values or day.day == calendar.monthrange(day.year, day.month)[1])
    return Field(text, lambda day: day.day in values)


@st.composite
def _weekdays(draw: st.DrawFn) -> Field:
    if draw(st.integers(0, 4)) == 0:
        weekday, nth = draw(st.integers(0, 7)), draw(st.integers(1, 6))
        name = draw(st.sampled_from((str(weekday), WEEKDAYS[weekday % 7])))
        if nth == 6:
            return Field(f"{name}L", lambda day: _is(day, weekday) and (day + timedelta(days=7)).month != day.month)
        return Field(f"{name}#{nth}", lambda day: _is(day, weekday) and (day.day - 1) // 7 + 1 == nth)
    text, values = draw(_values(0, 7, open_steps=False, names=WEEKDAYS))
    return Field(text, lambda day: any(_is(day, value) for value in values))


def _is(day: date, weekday: int) -> bool:
    return day.isoweekday() % 7 == weekday % 7


@st.composite
def expressions(draw: st.DrawFn, *, fixed: bool | None = None) -> Expression:
    """Draw an expression and its meaning; it may be one that never fires."""
    if fixed is None:
        fixed = draw(st.booleans())
    stars = (False, False) if fixed else draw(st.sampled_from(((True, False), (False, True), (True, True))))
    minute_text, minutes = draw(_values(0, 59, star=stars[0]))
    hour_text, hours = draw(_values(0, 23, star=stars[1]))
    any_month = st.just(("*", set(range(1, 13))))
    any_day = st.just(Field("*", lambda day: True))
    months = draw(any_month | any_month | any_month | _values(1, 12, names=MONTHS))
    return Expression(
        minute_text,
        frozenset(minutes),
        hour_text,
        frozenset(hours),
        draw(any_day | any_day | _days()),
        Field(months[0], lambda day: day.month in months[1]),
        draw(any_day | any_day | _weekdays()),
    )
