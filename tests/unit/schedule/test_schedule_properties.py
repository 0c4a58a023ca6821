"""Random expressions in every zone that changes its clock, against oracles that share no code with the schedule.

Fixed jobs are compared with cronsim, whose goal is to equal Debian's cron, and any job with a look at the wall clock,
minute by minute. cronsim is no oracle for jobs with a leading `*` at odd changes (Lord Howe, St. John's, Asuncion).
"""

import itertools
import re
import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from unit.schedule.schedule_oracles import (
    MINUTE,
    WEEKDAYS,
    Expression,
    clock_changes,
    every_day,
    expressions,
    minutes,
    offset_change,
    wall_clock_fires,
    zones_at_changes,
)
from watchbell.errors import ScheduleError
from watchbell.schedule import Schedule

DAY = timedelta(days=1)
thorough = settings(max_examples=200, deadline=None)


def cronsim_fires(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Return cronsim's fire times after `start` and before `end`, in UTC. It knows 5L but not friL."""
    expression = re.sub(r"[a-z]{3}(?=L)", lambda name: str(WEEKDAYS.index(name[0])), expression)
    simulated = CronSim(expression, start.astimezone(zoneinfo.ZoneInfo(zone)))
    in_utc = (fire.astimezone(UTC) for fire in itertools.islice(simulated, 5000))
    return list(itertools.takewhile(lambda fire: fire < end, in_utc))


def parse(expression: Expression, zone: str) -> Schedule:
    try:
        return Schedule.parse(expression.text, zone)
    except ScheduleError as error:
        assume("never fires" not in str(error))
        raise


@thorough
@given(expressions(fixed=True), zones_at_changes())
def test_fixed_jobs_fire_as_cronsim_fires_them(expression, zone_and_change):
    zone, change = zone_and_change
    start, end = change - 30 * 60 * MINUTE, change + 30 * 60 * MINUTE
    ours = list(parse(expression, zone).fires(start + MINUTE, end))
    assert ours == cronsim_fires(expression.text, zone, start, end)


@thorough
@given(expressions(), zones_at_changes())
def test_every_job_fires_by_the_rule_applied_minute_by_minute(expression, zone_and_change):
    zone, change = zone_and_change
    start, end = change - 5 * 60 * MINUTE, change + 5 * 60 * MINUTE
    ours = list(parse(expression, zone).fires(start, end))
    assert ours == wall_clock_fires(expression, zone, start, end)


SWEPT = {
    "fixed": every_day(("15,45", {15, 45}), ("0-3,23", {0, 1, 2, 3, 23})),
    "leading star": every_day(("*/15", {0, 15, 30, 45}), ("0-3,23", {0, 1, 2, 3, 23})),
    "every hour": every_day(("1", {1}), ("*", set(range(24)))),
}


@pytest.mark.parametrize("kind", SWEPT)
def test_every_zone_keeps_the_rule_at_its_first_and_last_changes(kind):
    expression = SWEPT[kind]
    for zone, changes in clock_changes().items():
        schedule = Schedule.parse(expression.text, zone)
        for change in _telling(zone, changes):
            start, end = change - 65 * MINUTE, change + 65 * MINUTE
            assert list(schedule.fires(start, end)) == wall_clock_fires(expression, zone, start, end), (zone, change)


def _telling(zone: str, changes: list[datetime]) -> set[datetime]:
    """Return the first and the last change forwards, and the first and the last one backwards."""
    forwards = [change for change in changes if offset_change(zone, change) > timedelta(0)]
    backwards = [change for change in changes if offset_change(zone, change) < timedelta(0)]
    return {change for kind in (forwards, backwards) if kind for change in (kind[0], kind[-1])}


@thorough
@given(expressions(), zones_at_changes())
def test_the_fires_are_the_minutes_that_are_due(expression, zone_and_change):
    zone, change = zone_and_change
    schedule = parse(expression, zone)
    start, end = change - DAY, change + DAY
    due = [minute for minute in minutes(start, end) if schedule.is_due(minute)]
    assert list(schedule.fires(start, end)) == due
    assert schedule.count(start, end) == len(due)


@thorough
@given(expressions(), zones_at_changes(), st.integers(-3000, 3000), st.integers(0, 59))
def test_the_next_and_the_last_fire_are_the_ends_of_the_fires(expression, zone_and_change, shift, second):
    zone, change = zone_and_change
    schedule = parse(expression, zone)
    now = change + shift * MINUTE + timedelta(seconds=second)
    following = schedule.next_fire(now)
    assert following is not None
    assert following > now
    assert list(schedule.fires(now + timedelta(microseconds=1), following + MINUTE)) == [following]
    newest = schedule.last_fire(now)
    assert newest is not None
    assert newest <= now
    assert list(schedule.fires(newest, now + timedelta(microseconds=1))) == [newest]


@thorough
@given(expressions(), zones_at_changes(), st.integers(0, 2880), st.integers(0, 2880))
def test_counts_add_up_and_windows_join_without_gap_or_twin(expression, zone_and_change, first, second):
    zone, change = zone_and_change
    schedule = parse(expression, zone)
    start = change - DAY
    middle, end = start + min(first, second) * MINUTE, start + max(first, second) * MINUTE
    whole = list(schedule.fires(start, end))
    assert whole == [*schedule.fires(start, middle), *schedule.fires(middle, end)]
    assert schedule.count(start, end) == len(whole) == len(set(whole))


@thorough
@given(expressions(), zones_at_changes(), st.integers(-180, 180))
def test_why_agrees_with_is_due_and_explains_each_fire_that_its_fields_do_not(expression, zone_and_change, shift):
    zone, change = zone_and_change
    schedule = parse(expression, zone)
    minute = change + shift * MINUTE
    why = schedule.why(minute)
    wall = minute.astimezone(zoneinfo.ZoneInfo(zone))
    matching = [verdict.matches for verdict in why.fields]
    assert why.due == schedule.is_due(minute)
    assert why.local == wall
    assert matching[:2] == [wall.minute in expression.minutes, wall.hour in expression.hours]
    assert matching[2] == expression.day.selects(wall.date())
    assert matching[3] == expression.month.selects(wall.date())
    assert matching[4] == expression.weekday.selects(wall.date())
    if why.due != expression.matches(wall):
        assert "a fixed job" in why.note


@settings(max_examples=60, deadline=None)
@given(expressions())
@example(every_day(("0", {0}), ("0", {0})))
def test_an_expression_is_refused_as_never_firing_exactly_when_no_calendar_has_its_days(expression):
    if expression.ever_fires():
        assert Schedule.parse(expression.text).next_fire(datetime(2026, 1, 1, tzinfo=UTC)) is not None
        return
    with pytest.raises(ScheduleError) as refused:
        Schedule.parse(expression.text)
    assert "never fires" in str(refused.value)
