"""The cron dialect: one field's text in, its items out, or a ScheduleError that says what to write instead.

A field is a comma-separated list of items; case never matters:

    *         */5         every value; every fifth from the lowest
    7         07          one value, in one or two digits
    1-5       1-5/2       a range, with a step; it never wraps round, and 5-5 is just 5
    5/15                  from 5 to the field's end by 15; not in the day of week, where 3/4 is read in several ways
    jan       mon-fri     names of months and days of the week, in their own fields
    0, 7                  both are Sunday, in the day of week; 1 is Monday
    L                     day of month: the last day
    5#2       fri#2       day of week: the second Friday
    5L        friL        day of week: the last Friday
    H         H/15        a value, or the start of the steps, that depends on the task; days of the month up to 28
    H(0-29)   H(0-29)/10  the same within a range

A step is at most the highest value of its field, since */90 would mean every hour to a machine and 90 minutes to its
author. Whether a field starts with `*`, which decides on the day rule and on clock changes, is read from its text.

What each item selects is worked out in `expression.py`; nothing outside this list gets that far.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from watchbell.errors import ScheduleError


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def hash_high(self) -> int:
        """Return the highest value that a plain H takes: a day that every month and every week has."""
        return {"day of month": 28, "day of week": 6}.get(self.name, self.high)


MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY_OF_MONTH = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
DAY_OF_WEEK = Field("day of week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
FIELDS = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)


class Span(NamedTuple):
    """Every `step`-th value from `low` to `high`, both within the field."""

    low: int
    high: int
    step: int


class LastDay(NamedTuple):
    """The last day of the month."""


class NthWeekday(NamedTuple):
    """The `nth` (1 to 5) `weekday` (0 to 6, Sunday is 0) of the month."""

    weekday: int
    nth: int


class LastWeekday(NamedTuple):
    """The last `weekday` (0 to 6, Sunday is 0) of the month."""

    weekday: int


Item = Span | LastDay | NthWeekday | LastWeekday

#: Returns a number for a field's name, always the same for the same task and field.
Spread = Callable[[str], int]

_VALUE = r"([0-9]+|[a-z]+)"
_STEP = r"(?:/([0-9]+))?"
_STAR = re.compile(rf"\*{_STEP}")
_RANGE = re.compile(rf"{_VALUE}(?:-{_VALUE})?{_STEP}")
_HASH = re.compile(rf"h(?:\({_VALUE}-{_VALUE}\))?{_STEP}")
_NTH = re.compile(rf"{_VALUE}#([0-9]+)")
_LAST = re.compile(r"([0-9]+|[a-z]{3})l")

#: Every name has three letters, so a shorter word is some other scheduler's letter.
_NO_NAME = re.compile(r"(?<![a-z])[a-z]{1,2}(?![a-z])")

#: Forms of other schedulers, tried in order on an item that is none of ours.
_FOREIGN = (
    (re.compile(r"\?"), "? is not used here; write *"),
    (re.compile(r"r(\(.*\))?(/.*)?|.*~.*"), "random times differ from host to host; write H, which is spread by task"),
    (re.compile(r"[0-9]*l?w[0-9]*"), "nearest weekdays (W) are not supported; write the days, or mon-fri"),
    (re.compile(r".*-l|l-.*|l/.*"), "L stands alone for the last day; write L, or a range such as 28-31"),
    (re.compile(r"l[0-7]"), "write the day first, such as 5L for the last Friday"),
    (re.compile(r".*#.*"), "# is for the day of week, one day and 1 to 5, such as 5#2 for the second Friday"),
    (
        re.compile(r".*l"),
        "write L alone in the day of month, for the last day, or 5L in the day of week, for the last Friday",
    ),
    (re.compile(r"-.*"), "there are no negative values; write one from the field's range"),
    (re.compile(r"h.*"), "H is written H, H/15, H(0-29) or H(0-29)/10"),
)


def parse_field(field: Field, text: str, spread: Spread | None) -> tuple[Item, ...]:
    """Return the items of one field. `spread` places H; without it, H is refused."""
    return tuple(_parse_item(field, token, spread) for token in text.split(","))


def refusal(field: str, token: str, problem: str) -> ScheduleError:
    """Return the error for `token`, in one line of ASCII however strange or long the token is."""
    shown = ascii(token)[1:-1]
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return ScheduleError(f'{field} "{shown}": {problem}', field=field, token=token)


def _parse_item(field: Field, token: str, spread: Spread | None) -> Item:
    text = token.lower()
    if not text:
        raise refusal(field.name, token, "an item of the list is empty; write the values with single commas between")
    if field is DAY_OF_MONTH and text == "l":
        return LastDay()
    if match := _STAR.fullmatch(text):
        return Span(field.low, field.high, _step(field, match[1], token))
    if match := _HASH.fullmatch(text):
        return _hashed(field, match, token, spread)
    if field is DAY_OF_WEEK and (special := _special_weekday(text, token)):
        return special
    if (match := _RANGE.fullmatch(text)) and not _NO_NAME.search(text):
        return _range(field, match, token)
    raise refusal(field.name, token, _foreign_hint(field, text))


def _foreign_hint(field: Field, text: str) -> str:
    hints = (hint for form, hint in _FOREIGN if form.fullmatch(text))
    return next(hints, f"not understood; write *, a value from {field.low} to {field.high}, a range, a step or a list")


def _special_weekday(text: str, token: str) -> NthWeekday | LastWeekday | None:
    if match := _LAST.fullmatch(text):
        return LastWeekday(_value(DAY_OF_WEEK, match[1], token) % 7)
    if match := _NTH.fullmatch(text):
        weekday = _value(DAY_OF_WEEK, match[1], token) % 7
        if match[2] not in ("1", "2", "3", "4", "5"):
            raise refusal(DAY_OF_WEEK.name, token, "a month has the first to the fifth of a weekday; write #1 to #5")
        return NthWeekday(weekday, int(match[2]))
    return None


def _range(field: Field, match: re.Match[str], token: str) -> Span:
    low = _value(field, match[1], token)
    step = _step(field, match[3], token)
    if match[2] is not None:
        high = _value(field, match[2], token)
        if high < low:
            raise refusal(field.name, token, f"the range wraps round; write {_unwrapped(field, match, low, high)}")
        return Span(low, high, step)
    if match[3] is None:
        return Span(low, low, 1)
    if field is DAY_OF_WEEK:
        raise refusal(field.name, token, "a step needs a range here, such as 1-5/2; or write the days as a list")
    return Span(low, field.high, step)


def _unwrapped(field: Field, match: re.Match[str], low: int, high: int) -> str:
    """Return the range that wraps round in a form that does not."""
    if match[3] is not None:
        return "its two parts as a list, each with its own step"
    if field is DAY_OF_WEEK:
        count = (high - low) % 7 + 1
        days = [(low + offset) % 7 for offset in range(count)]
        return ",".join(field.names[day] if match[1].isalpha() else str(day) for day in days)
    return f"{_span_text(field, match[1], low, field.high)},{_span_text(field, match[1], field.low, high)}"


def _span_text(field: Field, like: str, low: int, high: int) -> str:
    bounds = [low] if low == high else [low, high]
    named = like.isalpha()
    return "-".join(field.names[value - field.low] if named else str(value) for value in bounds)


def _hashed(field: Field, match: re.Match[str], token: str, spread: Spread | None) -> Span:
    low, high = field.low, field.hash_high
    if match[1] is not None:
        low, high = _value(field, match[1], token), _value(field, match[2], token)
    if high < low:
        raise refusal(field.name, token, "the range of H is back to front; write the lower value first")
    step = _step(field, match[3], token)
    if spread is None:
        raise refusal(field.name, token, f"H is spread by the task's id and there is none here; write {low}, say")
    if match[3] is None:
        value = low + spread(field.name) % (high - low + 1)
        return Span(value, value, 1)
    return Span(low + spread(field.name) % min(step, high - low + 1), high, step)


def _step(field: Field, digits: str | None, token: str) -> int:
    if digits is None:
        return 1
    if not digits.strip("0"):
        raise refusal(field.name, token, "a step of 0 never moves on; write 1 or more")
    if len(digits) > 2 or int(digits) > field.high:
        raise refusal(field.name, token, f"a step past {field.high} never gets to a second value; write one value")
    return int(digits)


def _value(field: Field, text: str, token: str) -> int:
    if text.isalpha():
        return _named(field, text, token)
    if len(text) > 2 or not field.low <= int(text) <= field.high:
        problem = f"out of range; write {field.low} to {field.high}, in one or two digits"
        raise refusal(field.name, token, problem)
    return int(text)


def _named(field: Field, name: str, token: str) -> int:
    if name in field.names:
        return field.names.index(name) + field.low
    if not field.names:
        hint = "names are for months and days of the week; write a number"
    else:
        short = next((known for known in field.names if name.startswith(known)), None)
        hint = f"unknown name; write {short or ', '.join(field.names)}"
    raise refusal(field.name, token, hint)
