"""Weekday numbers that count from Monday, as the ancestor wrote them for months, and their standard form. Pure.

In standard cron 0 and 7 are Sunday and 1 is Monday; names mean the same in both.
"""

import re

_NAMES = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_PART = re.compile(r"(\*|[0-9]+|[a-z]{3})(?:-([0-9]+|[a-z]{3}))?(?:/([0-9]+))?", re.ASCII)
_WEEKDAY = 4
_DAY = 2


def depends_on_numbering(cron: str) -> bool:
    """Return whether the expression means other days when its weekday numbers count from Monday."""
    field = _field(cron, _WEEKDAY)
    if field is None or not re.search(r"[0-9]", field):
        return False
    try:
        other = _field(from_monday_is_0(cron), _WEEKDAY)
    except ValueError:
        return True
    return other is None or _days(field) is None or _days(field) != _days(other)


def from_monday_is_0(cron: str) -> str:
    """Return the expression in standard numbers; raises ValueError when it cannot have been numbered from Monday."""
    fields = cron.split()
    if len(fields) != _WEEKDAY + 1:
        return cron
    fields[_WEEKDAY] = ",".join(map(_renumbered, fields[_WEEKDAY].split(",")))
    return " ".join(fields)


def both_days_given(cron: str) -> bool:
    """Return whether day of month and day of week are both restricted, so that here either of them is enough."""
    day, weekday = _field(cron, _DAY), _field(cron, _WEEKDAY)
    return day is not None and weekday is not None and not day.startswith("*") and not weekday.startswith("*")


def _field(cron: str, position: int) -> str | None:
    fields = cron.split()
    return fields[position].lower() if len(fields) == _WEEKDAY + 1 else None


def _renumbered(part: str) -> str:
    head, slash, step = part.partition("/")
    if head == "*":
        return f"1-7/{step}" if slash and step != "1" else "*"
    # The step, the number after # and names stay.
    days, hash_, nth = head.partition("#")
    return re.sub(r"[0-9]+", _one_later, days) + hash_ + nth + slash + step


def _one_later(number: re.Match[str]) -> str:
    if int(number[0]) > 6:
        raise ValueError(f"{number[0]} is no weekday when Monday is 0, so this file counts in the standard way")
    return str(int(number[0]) + 1)


def _days(field: str) -> frozenset[int] | None:
    """Return the days that a field of plain parts means, Sunday as 0; None for anything else."""
    days: set[int] = set()
    for part in field.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            return None
        first, last, step = found.groups()
        low = 0 if first == "*" else _number(first)
        high = 6 if first == "*" else _number(last or first)
        days |= {day % 7 for day in range(low, high + 1, max(1, int(step or 1)))}
    return frozenset(days)


def _number(text: str) -> int:
    return _NAMES.get(text, 0) if text.isalpha() else int(text)
