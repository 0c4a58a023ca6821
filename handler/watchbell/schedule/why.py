"""Why a schedule fires, or does not fire, at a minute: each field with its verdict, and what a clock change did."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchbell.schedule.days import lowest_bit
from watchbell.schedule.dialect import FIELDS
from watchbell.schedule.due import wall_matches
from watchbell.schedule.expression import Fields
from watchbell.schedule.zones import DAY, Stretch, Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldVerdict:
    """One field: `value` is what the wall clock shows, `wanted` the text of the field (an H with its value)."""

    field: str
    value: int
    wanted: str
    matches: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The answer for one minute.

    `local` is its wall time in the schedule's zone, with the offset. `fields` go from minute to day of week (0 is
    Sunday). `note` says what the fields alone do not show, such as a clock change, and is "" when there is nothing.
    """

    due: bool
    local: datetime
    fields: tuple[FieldVerdict, ...]
    note: str


def explain(fields: Fields, zone: Zone, minute: datetime, *, due: bool) -> Why:
    """Return why the schedule is `due`, or not, at `minute`, a UTC minute."""
    local = minute.astimezone(zone.info)
    verdicts = _verdicts(fields, local)
    notes = (_clock_change(fields, zone, minute), _day_rule(fields, verdicts))
    return Why(due=due, local=local, fields=verdicts, note="; ".join(note for note in notes if note))


def _verdicts(fields: Fields, local: datetime) -> tuple[FieldVerdict, ...]:
    monday_based, length = monthrange(local.year, local.month)
    first_weekday = (monday_based + 1) % 7
    rule = fields.days
    checks = (
        (local.minute, fields.minutes >> local.minute),
        (local.hour, fields.hours >> local.hour),
        (local.day, rule.dates_in(length) >> local.day),
        (local.month, rule.months >> local.month),
        (local.isoweekday() % 7, rule.weekdays_in(first_weekday, length) >> local.day),
    )
    return tuple(
        FieldVerdict(field=field.name, value=value, wanted=wanted, matches=bool(mask & 1))
        for field, wanted, (value, mask) in zip(FIELDS, fields.texts, checks, strict=True)
    )


def _day_rule(fields: Fields, verdicts: tuple[FieldVerdict, ...]) -> str:
    """Say how the two day fields go together, where it decides."""
    date, weekday = verdicts[2], verdicts[4]
    if date.matches == weekday.matches:
        return ""
    if fields.days.either:
        return "the day of month or the day of week is enough, as neither starts with *"
    if "*" in (date.wanted, weekday.wanted):
        return ""
    return "the day of month and the day of week must both match, as one of them starts with *"


def _clock_change(fields: Fields, zone: Zone, minute: datetime) -> str:
    day, at = minute.toordinal(), minute.hour * 60 + minute.minute
    stretch = next(stretch for stretch in zone.stretches(day) if stretch.start <= at < stretch.end)
    if stretch.repeated:
        counts = (
            "of a fixed job only the first counts" if fields.fixed else "both count, as minute or hour starts with *"
        )
        return f"second {minute.astimezone(zone.info):%H:%M} of the day; {counts}"
    if at - stretch.start < stretch.skipped:
        return _gap(fields, zone, day, stretch)
    return ""


def _gap(fields: Fields, zone: Zone, day: int, stretch: Stretch) -> str:
    """Say what became of a fire in the local times skipped right before `stretch`, if one was there."""
    first = stretch.start + stretch.offset - stretch.skipped
    skipped = wall_matches(fields, day, first, stretch.skipped)
    if not skipped:
        return ""
    missing = _wall(day, first + lowest_bit(skipped))
    after = _wall(day, first + stretch.skipped)
    gone = f"{missing:%H:%M} does not exist on {missing:%Y-%m-%d} in {zone.info.key}"
    if not fields.fixed:
        return f"{gone}; not made up, as minute or hour starts with *"
    on = "" if after.date() == missing.date() else f" on {after:%Y-%m-%d}"
    return f"{gone}; a fixed job fires at {after:%H:%M}{on} instead"


def _wall(day: int, minute: int) -> datetime:
    """Return the wall time at a minute of local `day`, without an offset: there may be no such time."""
    return datetime.fromordinal(day + minute // DAY) + timedelta(minutes=minute % DAY)
