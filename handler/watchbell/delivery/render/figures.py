"""Numbers and windows as text."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import TypeGuard
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from watchbell.reports.interface import Number, Window

MOST_DIGITS = 12


NOTHING_BEFORE = "before: no data"


def figures(numbers: Sequence[Number]) -> list[str]:
    """Return each number as text; where nothing is known of the time before, that is said once."""
    known = [number for number in numbers if is_known(number.value)]
    if known and not any(is_known(number.previous) for number in known):
        return [*(figure(number, before="") for number in numbers), NOTHING_BEFORE]
    return [figure(number) for number in numbers]


def figure(number: Number, before: str = f" ({NOTHING_BEFORE})") -> str:
    """Return `Alerts 12 (+9)`; what could not be read is "no data", never 0; `before` stands for no earlier figure."""
    if not is_known(number.value):
        return f"{number.name} no data"
    if not is_known(number.previous):
        return f"{number.name} {amount(number.value)}{before}"
    change = number.value - number.previous
    return f"{number.name} {amount(number.value)} ({'±0' if not change else amount(change, sign='+')})"


def amount(value: float, sign: str = "") -> str:
    """Return a number with thousands separators and at most two decimals; a small one with two digits, never as 0."""
    if float(value).is_integer():
        return f"{value:{sign},.0f}"
    if abs(value) < 0.1:
        digits = min(1 - math.floor(math.log10(abs(value))), MOST_DIGITS)
        return f"{value:{sign}.{digits}f}".rstrip("0").rstrip(".")
    return f"{value:{sign},.2f}".rstrip("0").rstrip(".")


def window_text(window: Window) -> str:
    """Return both ends on the wall clock of the window's zone, with the offsets where a clock change lies between.

    What the window says of itself stands behind them.
    """
    try:
        zone, name = ZoneInfo(window.timezone), window.timezone
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone, name = ZoneInfo("UTC"), "UTC"
    start, end = window.start.astimezone(zone), window.end.astimezone(zone)
    offset = " %z" if start.utcoffset() != end.utcoffset() else ""
    note = f" ({window.note})" if window.note else ""
    return f"{_wall_time(start, offset)} – {_wall_time(end, offset)} {name}{note}"


def _wall_time(instant: datetime, offset: str) -> str:
    return instant.strftime(f"%a %Y-%m-%d %H:%M{offset}")


def is_known(value: float | None) -> TypeGuard[float]:
    """Say whether there is a figure to show."""
    return value is not None and math.isfinite(value)
