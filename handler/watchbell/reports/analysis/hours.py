"""Business, off and sleep hours on a wall clock: what a page at some hour costs the one who is paged.

The default is PagerDuty's: business 8 to 18 from Monday to Friday; off 18 to 22, and 8 to 22 at the weekend; sleep the
rest (https://support.pagerduty.com/pd-support/docs/operational-reviews).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo


class Part(StrEnum):
    """Which part of somebody's week an instant lies in."""

    BUSINESS = "business"
    OFF = "off"
    SLEEP = "sleep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Spans are [first, last) in minutes after local midnight; Monday is day 0."""

    business: tuple[int, int] = (8 * 60, 18 * 60)
    awake: tuple[int, int] = (8 * 60, 22 * 60)
    working_days: frozenset[int] = frozenset(range(5))

    def part_of(self, instant: datetime, timezone: str) -> Part:
        """Return the part in which `instant` lies on the wall clock of `timezone`."""
        local = on_wall_clock(instant, timezone)
        minute = local.hour * 60 + local.minute
        if local.weekday() in self.working_days and _lies_in(minute, self.business):
            return Part.BUSINESS
        return Part.OFF if _lies_in(minute, self.awake) else Part.SLEEP


DEFAULT_HOURS = Hours()


def on_wall_clock(instant: datetime, timezone: str) -> datetime:
    """Return the instant in a zone; in UTC at both ends of time, which sources write for "never" and "not known"."""
    try:
        return instant.astimezone(ZoneInfo(timezone))
    except OverflowError:  # 9999-12-31 east of Greenwich, 0001-01-01 west of it
        return instant.astimezone(UTC)


def distinct_hours(instants: Iterable[datetime], timezone: str) -> int:
    """Return how many different hours of the wall clock the instants lie in; a repeated hour counts as two."""
    local = [on_wall_clock(instant, timezone) for instant in instants]
    return len({(one.date(), one.hour, one.utcoffset()) for one in local})


def _lies_in(minute: int, span: tuple[int, int]) -> bool:
    return span[0] <= minute < span[1]
