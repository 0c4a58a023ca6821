"""The fire rule: which minutes of a UTC day a schedule fires at, as a mask with bit m for minute m of the day.

The rule in words is in the package's docstring; in code it is `fires_on`. Days are ordinals, of UTC or local dates.
"""

from collections.abc import Iterator

from watchbell.schedule.days import FIRST_DAY, LAST_DAY
from watchbell.schedule.expression import Fields
from watchbell.schedule.zones import DAY, Zone

#: The first and the last UTC day with fire times: the local dates around them must exist too.
EARLIEST, LATEST = FIRST_DAY + 2, LAST_DAY - 2


def fires_on(fields: Fields, zone: Zone, day: int) -> int:
    """Return the mask of the fire minutes in one UTC day from EARLIEST to LATEST."""
    fires = 0
    for stretch in zone.stretches(day):
        local = stretch.start + stretch.offset
        if not (fields.fixed and stretch.repeated):
            fires |= wall_matches(fields, day, local, stretch.end - stretch.start) << stretch.start
        if fields.fixed and stretch.skipped and wall_matches(fields, day, local - stretch.skipped, stretch.skipped):
            fires |= 1 << stretch.start
    return fires


def wall_matches(fields: Fields, day: int, minute: int, length: int) -> int:
    """Match the wall clock alone, over `length` minutes from a minute of local `day`, which may lie in a day beside it.

    Bit 0 of the result is for the first of these minutes.
    """
    matches = 0
    at = -(minute % DAY)
    day += minute // DAY
    while at < length:
        if fields.days.selects(day):
            matches |= fields.times << at if at >= 0 else fields.times >> -at
        at += DAY
        day += 1
    return matches & ((1 << length) - 1)


def days_worth_a_look(fields: Fields, zone: Zone, day: int, step: int) -> Iterator[int]:
    """Yield the UTC days from `day` on, forwards (`step` 1) or backwards (-1), that can have a fire.

    Such a day has a selected local date within the zone's reach; all others are jumped over.
    """
    day = max(day, EARLIEST) if step > 0 else min(day, LATEST)
    while EARLIEST <= day <= LATEST:
        selected = fields.days.nearest(day - step * zone.reach, step)
        if selected is None:
            return
        if (selected - day) * step > zone.reach:
            day = selected - step * zone.reach
            if not EARLIEST <= day <= LATEST:
                return
        yield day
        day += step
