"""Zones as stretches of constant offset, day by day; the only part of the schedule that knows of clock changes.

There is no table of transitions: a day whose two ends agree is one stretch, any other is bisected. A minute number is
counted from 0001-01-01T00:00 in UTC, so that `minute // 1440 + 1` is the ordinal of its UTC day.
"""

import difflib
import re
import zoneinfo
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from watchbell.errors import ScheduleError
from watchbell.schedule.dialect import refusal

DAY = 1440
_MINUTE = timedelta(minutes=1)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
#: Files in the zone folders that are no zone of their own: this host's zone, and rules that no place has.
_NO_PLACE = re.compile(r"(localtime|posixrules|Factory)|(posix|right)/.*")
#: Never proposed: Etc/GMT+2 is two hours west of Greenwich, which is not what someone who wrote GMT+2 meant.
_NO_HINT = re.compile(rf"{_NO_PLACE.pattern}|Etc/GMT[+-].*")


class Stretch(NamedTuple):
    """A part of one UTC day in which the local clock runs evenly.

    `start` and `end` are minutes of the UTC day, 0 to 1440; local time is UTC plus `offset` minutes. `skipped` is how
    many local minutes the clock jumped over right before `start`; when `repeated`, these local times came before.
    """

    start: int
    end: int
    offset: int
    skipped: int
    repeated: bool


_EVEN_DAY = (Stretch(0, DAY, 0, 0, False),)


class Zone:
    """An IANA zone; made by `zone_named` only, one object per name."""

    def __init__(self, info: zoneinfo.ZoneInfo) -> None:
        self.info = info
        self._origin = datetime(1, 1, 1, tzinfo=info)
        self._is_utc = info.key == "UTC"
        #: How many days the local date can be away from the UTC date.
        self.reach = 0 if self._is_utc else 1

    def stretches(self, day: int) -> tuple[Stretch, ...]:
        """Return the stretches of a UTC day (an ordinal), in order."""
        return _EVEN_DAY if self._is_utc else _stretches(self, day)

    def clock(self, minute: int) -> tuple[int, bool]:
        """Return the offset in whole minutes at a UTC minute, and whether its local time came before."""
        # The wall clock of a zone's own datetimes ignores the zone, so this sum and difference are exact.
        utc = self._origin + minute * _MINUTE
        local = self.info.fromutc(utc)
        return (local - utc) // _MINUTE, local.fold == 1


@lru_cache(maxsize=1024)
def zone_named(name: str) -> Zone:
    """Return the zone. Raises ScheduleError with the closest name when there is none."""
    if not _NAME.fullmatch(name) or _NO_PLACE.fullmatch(name):
        raise _unknown(name)
    try:
        return Zone(zoneinfo.ZoneInfo(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise _unknown(name) from None


@lru_cache(maxsize=8192)
def _stretches(zone: Zone, day: int) -> tuple[Stretch, ...]:
    start = (day - 1) * DAY
    before, last = zone.clock(start - 1), zone.clock(start + DAY - 1)
    if before == last:
        return (Stretch(0, DAY, last[0], 0, last[1]),)
    changes = _changes(zone, start - 1, start + DAY - 1)
    bounds = [0, *(change - start for change in changes if change != start), DAY]
    return tuple(_stretch(zone, start, *pair) for pair in pairwise(bounds))


def _stretch(zone: Zone, midnight: int, start: int, end: int) -> Stretch:
    (offset, repeated), (before, _) = zone.clock(midnight + start), zone.clock(midnight + start - 1)
    return Stretch(start, end, offset, max(0, offset - before), repeated)


def _changes(zone: Zone, low: int, high: int) -> list[int]:
    """Return the minutes in (low, high] whose offset or repetition differs from the minute before.

    Two minutes that agree have no change between them: in all of tzdata, changes of one zone are days apart.
    """
    if zone.clock(low) == zone.clock(high):
        return []
    if high - low == 1:
        return [high]
    middle = (low + high) // 2
    return _changes(zone, low, middle) + _changes(zone, middle, high)


def _unknown(name: str) -> ScheduleError:
    closest = _closest(name)
    hint = f"write {closest}" if closest else "write an IANA name, such as Europe/Berlin, or UTC"
    return refusal("timezone", name, f"unknown time zone; {hint}")


def _closest(name: str) -> str | None:
    """Return the zone whose name or city looks most like `name`; an abbreviation looks like too many."""
    names = sorted(known for known in zoneinfo.available_timezones() if not _NO_HINT.fullmatch(known))
    by_text = {known.rsplit("/", 1)[-1].lower(): known for known in names} | {known.lower(): known for known in names}
    wanted = name[:60].lower().replace(" ", "_")
    if wanted in by_text or name.isupper():
        return by_text.get(wanted)
    found = difflib.get_close_matches(wanted, by_text, n=1, cutoff=0.75)
    return by_text[found[0]] if found else None
