"""An expression's five fields: text in, bit masks out. What a field may say is stated in `dialect.py`.

croniter expands the plain values, but it never sees what a user wrote: it takes `5-5` for every minute, `R` for random
times, `?` for `*`, `1-L` for every day and `15W` for 15. It is given spans of numbers only, each within its field.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache, partial

from watchbell.errors import ScheduleError
from watchbell.schedule.days import DayRule
from watchbell.schedule.dialect import (
    DAY_OF_WEEK,
    FIELDS,
    Field,
    Item,
    LastDay,
    LastWeekday,
    NthWeekday,
    Span,
    parse_field,
    refusal,
)

_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
#: The whole of every minute, hour, date and month written out is under 500 characters.
_LONGEST = 1000
_HASH = re.compile(r"(?<![@a-z])h(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fields:
    """A parsed expression.

    `minutes` and `hours` are masks with bit n for value n; `times` has bit 60 * hour + minute for each time of day.
    A `fixed` job has no leading `*` in minute or hour. `texts` are the five fields as written, H with its value.
    """

    minutes: int
    hours: int
    times: int
    days: DayRule
    fixed: bool
    texts: tuple[str, ...]


def uses_hash(cron: str) -> bool:
    """Return whether the expression holds an H, so that it means something else for each task."""
    return _HASH.search(cron) is not None


def parse_expression(cron: str, task_id: str | None = None) -> tuple[str, Fields]:
    """Return the expression with single spaces, and its fields. Raises ScheduleError for all that is not the dialect.

    `task_id` places H: the same task and field always get the same value, on every host and in every version.
    """
    expression = " ".join(_words(cron))
    texts = _five(expression)
    spread = None if task_id is None else partial(_spread, task_id)
    items = [parse_field(field, text, spread) for field, text in zip(FIELDS, texts, strict=True)]
    fields = _assemble(texts, items)
    if not fields.days.ever_selects():
        raise _never(texts)
    return expression, fields


def _words(cron: str) -> list[str]:
    text = cron.strip(" \t\r\n")
    if len(text) > _LONGEST:
        raise refusal("expression", text, f"longer than {_LONGEST} characters; write ranges and steps")
    for character in text:
        if character != "\t" and not " " <= character <= "~":
            problem = f"U+{ord(character):04X} is not allowed; write plain ASCII with spaces between fields"
            raise refusal("expression", character, problem)
    return text.split()


def _five(expression: str) -> tuple[str, ...]:
    """Return the texts of the five fields, those of the macro if it is one."""
    if expression.startswith("@"):
        return _macro(expression)
    texts = tuple(expression.split())
    if len(texts) in (6, 7):
        problem = "a tick has minute precision; write five fields, without seconds and year"
        raise refusal("expression", expression, f"{len(texts)} fields, but {problem}")
    if len(texts) != 5:
        names = ", ".join(field.name for field in FIELDS)
        raise refusal("expression", expression, f"{len(texts)} fields; write five: {names}")
    return texts


def _macro(expression: str) -> tuple[str, ...]:
    name = expression.lower()
    if name == "@reboot":
        raise refusal("expression", expression, "a tick knows no boot; write a time, such as @hourly")
    if name.startswith("@every"):
        raise refusal("expression", expression, "an interval has no fixed times; write a step, such as */5 * * * *")
    if name not in _MACROS:
        raise refusal("expression", expression, f"unknown; write one of {' '.join(_MACROS)}")
    return tuple(_MACROS[name].split())


def _spread(task_id: str, field: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{field}\0{task_id}".encode()).digest()[:8])


def _assemble(texts: tuple[str, ...], items: list[tuple[Item, ...]]) -> Fields:
    minutes, hours, dates, months, weekdays = map(_mask, FIELDS, items)
    stars = [text.startswith("*") for text in texts]
    nth, last_weekdays = _special_weekdays(items[4])
    rule = DayRule(
        months=months,
        dates=dates,
        last_date=LastDay() in items[2],
        weekdays=weekdays,
        nth=nth,
        last_weekdays=last_weekdays,
        either=not (stars[2] or stars[4]),
    )
    return Fields(
        minutes=minutes,
        hours=hours,
        times=sum(minutes << 60 * hour for hour in range(24) if hours >> hour & 1),
        days=rule,
        fixed=not (stars[0] or stars[1]),
        texts=tuple(map(_shown, FIELDS, texts, items)),
    )


def _mask(field: Field, items: tuple[Item, ...]) -> int:
    """Return the mask of the plain values of one field; 0 when it holds special days only."""
    plain = ",".join(_plain(field, item) for item in items if isinstance(item, Span))
    return _expand(FIELDS.index(field), plain) if plain else 0


def _plain(field: Field, span: Span) -> str:
    """Write a span in the few forms that croniter reads as everyone does: `5`, `1-5`, `1-5/2`, never with a 7."""
    low, high, step = span
    if field is DAY_OF_WEEK and high == 7:
        sunday = ["0"] if (7 - low) % step == 0 else []
        return ",".join([_plain(field, Span(low, 6, step)), *sunday] if low < 7 else sunday)
    if low == high:
        return str(low)
    return f"{low}-{high}" if step == 1 else f"{low}-{high}/{step}"


@lru_cache(maxsize=4096)
def _expand(position: int, plain: str) -> int:
    """Return the mask of one field's plain values, as croniter expands them."""
    from croniter import croniter  # 40 ms, which only those who parse a schedule pay

    texts = ["*"] * 5
    texts[position] = plain
    values = croniter.expand(" ".join(texts))[0][position]
    if values == ["*"]:
        high = 6 if FIELDS[position] is DAY_OF_WEEK else FIELDS[position].high
        values = range(FIELDS[position].low, high + 1)
    return sum(1 << value for value in values)


def _special_weekdays(items: tuple[Item, ...]) -> tuple[tuple[int, int, int, int, int], int]:
    nth = [0, 0, 0, 0, 0]
    last = 0
    for item in items:
        if isinstance(item, NthWeekday):
            nth[item.nth - 1] |= 1 << item.weekday
        elif isinstance(item, LastWeekday):
            last |= 1 << item.weekday
    return (nth[0], nth[1], nth[2], nth[3], nth[4]), last


def _shown(field: Field, text: str, items: tuple[Item, ...]) -> str:
    """Return a field as written; where it holds an H, with the value that this task got."""
    if not uses_hash(text):
        return text
    return f"{text} = {','.join(_plain(field, item) for item in items if isinstance(item, Span))}"


def _never(texts: tuple[str, ...]) -> ScheduleError:
    _, _, day, month, weekday = texts
    where = "no month has" if month == "*" else f"month {month} does not have"
    which = f"day {day}" if weekday == "*" else f"day {day} that is also day of week {weekday}"
    return refusal("day of month", day, f"never fires, as {where} a {which}; write a day that exists")
