"""What can be asked of a schedule: aware times in, UTC minutes out, in bounded time up to the ends of the calendar."""

import itertools
import subprocess
import sys
import time
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pytest

from watchbell.schedule import Schedule

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday
MINUTE = timedelta(minutes=1)
WEEKDAYS_AT_NINE = Schedule.parse("0 9 * * 1-5")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_schedule_is_due_at_its_minute_only():
    assert WEEKDAYS_AT_NINE.is_due(NINE)
    assert not WEEKDAYS_AT_NINE.is_due(NINE - MINUTE)
    assert not WEEKDAYS_AT_NINE.is_due(NINE + MINUTE)
    assert not WEEKDAYS_AT_NINE.is_due(NINE + timedelta(days=1))


def test_seconds_belong_to_their_minute():
    assert WEEKDAYS_AT_NINE.is_due(NINE + timedelta(seconds=59, microseconds=999999))
    assert WEEKDAYS_AT_NINE.last_fire(NINE + timedelta(seconds=30)) == NINE
    assert WEEKDAYS_AT_NINE.next_fire(NINE - timedelta(seconds=1)) == NINE
    assert WEEKDAYS_AT_NINE.next_fire(NINE + timedelta(seconds=1)) == NINE + timedelta(days=3)


def test_any_aware_time_is_taken_and_utc_comes_back():
    in_india = NINE.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert WEEKDAYS_AT_NINE.is_due(in_india)
    following = WEEKDAYS_AT_NINE.next_fire(in_india - MINUTE)
    assert following == NINE
    assert following.tzinfo is UTC


def test_naive_times_are_refused_by_every_question():
    naive = datetime(2026, 11, 20, 9, 0)  # noqa: DTZ001 - naive is what is tested
    questions = (
        lambda: WEEKDAYS_AT_NINE.is_due(naive),
        lambda: WEEKDAYS_AT_NINE.fires(naive, NINE),
        lambda: WEEKDAYS_AT_NINE.fires(NINE, naive),
        lambda: WEEKDAYS_AT_NINE.next_fire(naive),
        lambda: WEEKDAYS_AT_NINE.last_fire(naive),
        lambda: WEEKDAYS_AT_NINE.count(naive, NINE),
        lambda: WEEKDAYS_AT_NINE.why(naive),
    )
    for ask in questions:
        with pytest.raises(ValueError, match="has no zone"):
            ask()


def test_fires_begin_at_the_start_and_end_before_the_end():
    assert list(WEEKDAYS_AT_NINE.fires(NINE, NINE + MINUTE)) == [NINE]
    assert list(WEEKDAYS_AT_NINE.fires(NINE + timedelta(microseconds=1), NINE + timedelta(days=3))) == []
    assert list(WEEKDAYS_AT_NINE.fires(NINE - timedelta(days=1), NINE)) == [NINE - timedelta(days=1)]
    assert list(WEEKDAYS_AT_NINE.fires(NINE, NINE)) == []
    assert list(WEEKDAYS_AT_NINE.fires(NINE + MINUTE, NINE)) == []


def test_fires_are_found_as_they_are_asked_for():
    every_minute = Schedule.parse("* * * * *", "Asia/Kolkata").fires(NINE, at("9999-01-01T00:00Z"))
    assert list(itertools.islice(every_minute, 3)) == [NINE, NINE + MINUTE, NINE + 2 * MINUTE]


def test_the_next_fire_is_after_and_the_last_fire_at_or_before():
    assert WEEKDAYS_AT_NINE.next_fire(NINE) == NINE + timedelta(days=3)
    assert WEEKDAYS_AT_NINE.next_fire(NINE - MINUTE) == NINE
    assert WEEKDAYS_AT_NINE.last_fire(NINE) == NINE
    assert WEEKDAYS_AT_NINE.last_fire(NINE - MINUTE) == NINE - timedelta(days=1)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "following"),
    [
        ("0 9 * * 1-5", "Asia/Kolkata", "2026-11-20T09:00+05:30", "2026-11-23T09:00+05:30"),
        ("0 0 29 2 *", "UTC", "2096-02-29T00:00+00:00", "2104-02-29T00:00+00:00"),
        ("0 0 29 2 */7", "UTC", "2088-02-29T00:00+00:00", "2128-02-29T00:00+00:00"),
        ("59 23 31 12 *", "Pacific/Kiritimati", "2025-12-31T23:59+14:00", "2026-12-31T23:59+14:00"),
        ("0 0 1 1 *", "Etc/GMT+12", "2026-01-01T00:00-12:00", "2027-01-01T00:00-12:00"),
        ("0 0 * * 5#5", "UTC", "2026-10-30T00:00+00:00", "2027-01-29T00:00+00:00"),
    ],
)
def test_rare_fires_are_found_both_ways(cron, zone, after, following):
    schedule = Schedule.parse(cron, zone)
    assert schedule.next_fire(at(after)) == at(following)
    assert schedule.last_fire(at(following) - MINUTE) == at(after)


def test_zones_before_standard_time_have_offsets_with_seconds_and_still_fire_once_a_day():
    # Monrovia was 44 min 30 s behind until 1972, New York 4 h 56 min 2 s until 1883.
    for zone, year in (("Africa/Monrovia", 1970), ("America/New_York", 1850)):
        schedule = Schedule.parse("0 9 * * *", zone)
        start = datetime(year, 3, 1, tzinfo=UTC)
        assert schedule.count(start, start + timedelta(days=100)) == 100
        fire = schedule.next_fire(start)
        assert fire is not None
        assert f"{schedule.why(fire).local:%H:%M}" == "09:00"


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"])
def test_the_ends_of_the_calendar_are_no_error(zone):
    schedule = Schedule.parse("0 12 * * *", zone)
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert schedule.next_fire(last) is None
    assert schedule.last_fire(first) is None
    assert not schedule.is_due(last)
    newest, oldest = schedule.last_fire(last), schedule.next_fire(first)
    assert newest is not None
    assert newest.year == 9999
    assert oldest is not None
    assert oldest.year == 1
    assert list(schedule.fires(newest, last)) == [newest]
    assert list(schedule.fires(first, oldest + MINUTE)) == [oldest]


def test_the_end_of_the_calendar_has_no_reason():
    with pytest.raises(ValueError, match="end of the calendar"):
        WEEKDAYS_AT_NINE.why(datetime.max.replace(tzinfo=UTC))


def test_a_century_is_counted_and_walked_without_hanging():
    century = at("2000-01-01T00:00Z"), at("2100-01-01T00:00Z")
    began = time.monotonic()
    assert Schedule.parse("* * * * *").count(*century) == 36525 * 1440
    assert Schedule.parse("* * * * *", "Europe/Berlin").count(*century) == 36525 * 1440
    assert Schedule.parse("0 9 * * *", "America/New_York").count(*century) == 36525
    assert len(list(Schedule.parse("0 0 29 2 *", "Asia/Tokyo").fires(*century))) == 25
    assert list(Schedule.parse("0 0 29 2 */7").fires(*century)) == [
        datetime(year, 2, 29, tzinfo=UTC) for year in (2004, 2032, 2060, 2088)
    ]
    assert time.monotonic() - began < 20  # a guard against hanging; it takes about a second


def test_equal_arguments_give_the_same_object():
    assert Schedule.parse("0 9 * * 1-5") is WEEKDAYS_AT_NINE
    assert Schedule.parse("0 9 * * 1-5", "UTC", task_id="any") is WEEKDAYS_AT_NINE
    assert Schedule.parse("0 9 * * 1-5", "Asia/Kolkata") is not WEEKDAYS_AT_NINE


def test_schedules_are_equal_by_expression_and_zone():
    spaced = Schedule.parse("0  9 * * 1-5")
    assert spaced == WEEKDAYS_AT_NINE
    assert len({spaced, WEEKDAYS_AT_NINE, Schedule.parse("0 9 * * 1-5", "Asia/Kolkata")}) == 2
    spaced.is_due(NINE)
    assert spaced == WEEKDAYS_AT_NINE


def test_a_schedule_does_not_change():
    with pytest.raises(FrozenInstanceError):
        WEEKDAYS_AT_NINE.timezone = "Europe/Berlin"
    assert (WEEKDAYS_AT_NINE.expression, WEEKDAYS_AT_NINE.timezone) == ("0 9 * * 1-5", "UTC")


def test_croniter_is_imported_only_when_an_expression_is_parsed():
    program = (
        "import sys, watchbell.schedule as s; assert 'croniter' not in sys.modules; "
        "s.Schedule.parse('0 9 * * *'); assert 'croniter' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
