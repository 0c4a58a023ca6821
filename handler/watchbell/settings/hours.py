"""`[hours]` of config.toml: when the people who are paged work, are awake, and sleep."""

import re
from collections.abc import Mapping
from typing import Any

from watchbell.errors import ConfigError
from watchbell.reports.analysis.hours import DEFAULT_HOURS, Hours
from watchbell.secrets.integrations import Place
from watchbell.settings.table import Table

HOURS_KEYS = ("business", "awake", "working_days")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


def hours_settings(path: Place, values: Mapping[str, Any]) -> Hours:
    """Return the hours that the table says, PagerDuty's where it is silent; raises ConfigError naming the key."""
    table = Table(path, values, HOURS_KEYS, prefix="hours.")
    return Hours(
        business=_span(table, "business", DEFAULT_HOURS.business),
        awake=_span(table, "awake", DEFAULT_HOURS.awake),
        working_days=_days(table, DEFAULT_HOURS.working_days),
    )


def _span(table: Table, key: str, default: tuple[int, int]) -> tuple[int, int]:
    text = table.get(key, str, None)
    if text is None:
        return default
    parts = _SPAN.fullmatch(text)
    first, last = _minutes(parts, 1), _minutes(parts, 3)
    if not 0 <= first < last <= 24 * 60:
        raise ConfigError(f"{table.path}: hours.{key} must be a span within one day such as 08:00-18:00, not {text!r}")
    return first, last


def _minutes(parts: re.Match[str] | None, group: int) -> int:
    """Return minutes after midnight, -1 where they are none."""
    if parts is None or int(parts[group + 1]) > 59:
        return -1
    return int(parts[group]) * 60 + int(parts[group + 1])


def _days(table: Table, default: frozenset[int]) -> frozenset[int]:
    names = table.get("working_days", list, None)
    if names is None:
        return default
    wrong = [name for name in names if name not in DAYS]
    if wrong:
        raise ConfigError(f"{table.path}: hours.working_days knows {', '.join(DAYS)}, not {wrong[0]!r}")
    return frozenset(DAYS.index(name) for name in names)
