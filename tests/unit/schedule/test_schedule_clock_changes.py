"""Fires around clock changes, in spring and autumn pairs; each expected time is local and shows its offset.

The rule is Debian cron's. A job whose minute and hour fields do not start with `*` is fixed: skipped by the change, it
fires once at the first minute after the gap; coming twice, it fires the first time only. Any other job follows the
wall clock. Where we differ from Debian: `0,30 2` fires once after a gap, and a skipped day is a gap like any other.
"""

import zoneinfo
from datetime import datetime

import pytest

from watchbell.schedule import Schedule


def local_fires(cron: str, zone: str, start: str, end: str) -> list[str]:
    info = zoneinfo.ZoneInfo(zone)
    fires = Schedule.parse(cron, zone).fires(datetime.fromisoformat(start), datetime.fromisoformat(end))
    return [fire.astimezone(info).isoformat(timespec="minutes") for fire in fires]


# Berlin: 2026-03-29 02:00+01:00 becomes 03:00+02:00; 2026-10-25 03:00+02:00 becomes 02:00+01:00.
BERLIN_SPRING = ("Europe/Berlin", "2026-03-29T00:00+01:00", "2026-03-29T05:00+02:00")
BERLIN_AUTUMN = ("Europe/Berlin", "2026-10-25T00:00+02:00", "2026-10-25T05:00+01:00")


@pytest.mark.parametrize(
    ("cron", "spring", "autumn"),
    [
        ("30 2 * * *", ["2026-03-29T03:00+02:00"], ["2026-10-25T02:30+02:00"]),
        ("0 2 * * *", ["2026-03-29T03:00+02:00"], ["2026-10-25T02:00+02:00"]),
        ("59 1 * * *", ["2026-03-29T01:59+01:00"], ["2026-10-25T01:59+02:00"]),
        ("0 3 * * *", ["2026-03-29T03:00+02:00"], ["2026-10-25T03:00+01:00"]),
        ("0,30 2 * * *", ["2026-03-29T03:00+02:00"], ["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00"]),
        (
            "15 2,3 * * *",
            ["2026-03-29T03:00+02:00", "2026-03-29T03:15+02:00"],
            ["2026-10-25T02:15+02:00", "2026-10-25T03:15+01:00"],
        ),
        (
            "0 1-3 * * *",
            ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"],
            ["2026-10-25T01:00+02:00", "2026-10-25T02:00+02:00", "2026-10-25T03:00+01:00"],
        ),
        ("30 2 29 3 *", ["2026-03-29T03:00+02:00"], []),
        ("30 2 * * 1", [], []),
        (
            "*/30 2 * * *",
            [],
            ["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00"],
        ),
        (
            "0 */2 * * *",
            ["2026-03-29T00:00+01:00", "2026-03-29T04:00+02:00"],
            [
                "2026-10-25T00:00+02:00",
                "2026-10-25T02:00+02:00",
                "2026-10-25T02:00+01:00",
                "2026-10-25T04:00+01:00",
            ],
        ),
        (
            "30 * * * *",
            [
                "2026-03-29T00:30+01:00",
                "2026-03-29T01:30+01:00",
                "2026-03-29T03:30+02:00",
                "2026-03-29T04:30+02:00",
            ],
            [
                "2026-10-25T00:30+02:00",
                "2026-10-25T01:30+02:00",
                "2026-10-25T02:30+02:00",
                "2026-10-25T02:30+01:00",
                "2026-10-25T03:30+01:00",
                "2026-10-25T04:30+01:00",
            ],
        ),
    ],
)
def test_berlin_in_spring_and_autumn(cron, spring, autumn):
    assert local_fires(cron, *BERLIN_SPRING) == spring
    assert local_fires(cron, *BERLIN_AUTUMN) == autumn


# New York: 2026-03-08 02:00-05:00 becomes 03:00-04:00; 2026-11-01 02:00-04:00 becomes 01:00-05:00.
@pytest.mark.parametrize(
    ("cron", "spring", "autumn"),
    [
        ("30 2 * * *", ["2026-03-08T03:00-04:00"], ["2026-11-01T02:30-05:00"]),
        ("30 1 * * *", ["2026-03-08T01:30-05:00"], ["2026-11-01T01:30-04:00"]),
        ("* 2 8 3 *", [], []),
        (
            "0,30 1-2 * * *",
            ["2026-03-08T01:00-05:00", "2026-03-08T01:30-05:00", "2026-03-08T03:00-04:00"],
            [
                "2026-11-01T01:00-04:00",
                "2026-11-01T01:30-04:00",
                "2026-11-01T02:00-05:00",
                "2026-11-01T02:30-05:00",
            ],
        ),
        (
            "*/30 1 * * *",
            ["2026-03-08T01:00-05:00", "2026-03-08T01:30-05:00"],
            [
                "2026-11-01T01:00-04:00",
                "2026-11-01T01:30-04:00",
                "2026-11-01T01:00-05:00",
                "2026-11-01T01:30-05:00",
            ],
        ),
    ],
)
def test_new_york_in_spring_and_autumn(cron, spring, autumn):
    assert local_fires(cron, "America/New_York", "2026-03-08T00:00-05:00", "2026-03-08T06:00-04:00") == spring
    assert local_fires(cron, "America/New_York", "2026-11-01T00:00-04:00", "2026-11-01T06:00-05:00") == autumn


# Lord Howe: 2026-10-04 02:00+10:30 becomes 02:30+11:00; 2026-04-05 02:00+11:00 becomes 01:30+10:30.
@pytest.mark.parametrize(
    ("cron", "spring", "autumn"),
    [
        ("15 2 * * *", ["2026-10-04T02:30+11:00"], ["2026-04-05T02:15+10:30"]),
        ("30 2 * * *", ["2026-10-04T02:30+11:00"], ["2026-04-05T02:30+10:30"]),
        ("45 1 * * *", ["2026-10-04T01:45+10:30"], ["2026-04-05T01:45+11:00"]),
        (
            "30 * * * *",
            ["2026-10-04T00:30+10:30", "2026-10-04T01:30+10:30", "2026-10-04T02:30+11:00", "2026-10-04T03:30+11:00"],
            [
                "2026-04-05T00:30+11:00",
                "2026-04-05T01:30+11:00",
                "2026-04-05T01:30+10:30",
                "2026-04-05T02:30+10:30",
                "2026-04-05T03:30+10:30",
            ],
        ),
        (
            "*/15 2 * * *",
            ["2026-10-04T02:30+11:00", "2026-10-04T02:45+11:00"],
            ["2026-04-05T02:00+10:30", "2026-04-05T02:15+10:30", "2026-04-05T02:30+10:30", "2026-04-05T02:45+10:30"],
        ),
    ],
)
def test_lord_howe_moves_by_half_an_hour(cron, spring, autumn):
    assert local_fires(cron, "Australia/Lord_Howe", "2026-10-04T00:00+10:30", "2026-10-04T04:00+11:00") == spring
    assert local_fires(cron, "Australia/Lord_Howe", "2026-04-05T00:00+11:00", "2026-04-05T04:00+10:30") == autumn


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 12 30 12 *", ["2011-12-31T00:00+14:00"]),
        ("0 9 * * *", ["2011-12-29T09:00-10:00", "2011-12-31T00:00+14:00", "2011-12-31T09:00+14:00"]),
        ("0 0 * * *", ["2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00"]),
        ("0 9,18 * * 5", ["2011-12-31T00:00+14:00"]),
        ("0 */12 30 12 *", []),
        (
            "0 */12 * * *",
            [f"2011-12-{at}" for at in ("29T00:00-10:00", "29T12:00-10:00", "31T00:00+14:00", "31T12:00+14:00")],
        ),
    ],
)
def test_apia_skipped_a_whole_day_in_2011(cron, expected):
    assert local_fires(cron, "Pacific/Apia", "2011-12-29T00:00-10:00", "2012-01-01T00:00+14:00") == expected


def test_apia_has_its_own_spring_and_autumn():
    assert local_fires("30 3 * * *", "Pacific/Apia", "2012-09-30T00:00+13:00", "2012-10-01T00:00+14:00") == [
        "2012-09-30T04:00+14:00"
    ]
    assert local_fires("30 3 * * *", "Pacific/Apia", "2012-04-01T00:00+14:00", "2012-04-02T00:00+13:00") == [
        "2012-04-01T03:30+14:00"
    ]


# Zones that change at midnight: in spring the day begins at 01:00, in autumn its last or its first hour comes twice.
@pytest.mark.parametrize(
    ("zone", "cron", "start", "end", "expected"),
    [
        ("Africa/Cairo", "30 0 * * *", "2026-04-23T12:00+02:00", "2026-04-24T12:00+03:00", ["2026-04-24T01:00+03:00"]),
        ("Africa/Cairo", "0 0 24 4 *", "2026-04-23T12:00+02:00", "2026-04-24T12:00+03:00", ["2026-04-24T01:00+03:00"]),
        (
            "Africa/Cairo",
            "0 */1 24 4 *",
            "2026-04-23T23:00+02:00",
            "2026-04-24T02:00+03:00",
            ["2026-04-24T01:00+03:00"],
        ),
        ("Africa/Cairo", "30 23 * * *", "2026-10-29T12:00+03:00", "2026-10-30T12:00+02:00", ["2026-10-29T23:30+03:00"]),
        (
            "Africa/Cairo",
            "*/30 23 29 10 *",
            "2026-10-29T12:00+03:00",
            "2026-10-30T12:00+02:00",
            ["2026-10-29T23:00+03:00", "2026-10-29T23:30+03:00", "2026-10-29T23:00+02:00", "2026-10-29T23:30+02:00"],
        ),
        (
            "America/Santiago",
            "0 0 * * *",
            "2026-09-05T12:00-04:00",
            "2026-09-07T12:00-03:00",
            ["2026-09-06T01:00-03:00", "2026-09-07T00:00-03:00"],
        ),
        (
            "America/Santiago",
            "30 23 * * *",
            "2026-04-04T12:00-03:00",
            "2026-04-05T12:00-04:00",
            ["2026-04-04T23:30-03:00"],
        ),
        (
            "America/Asuncion",
            "15 0 * * *",
            "2023-09-30T12:00-04:00",
            "2023-10-01T12:00-03:00",
            ["2023-10-01T01:00-03:00"],
        ),
        ("America/Asuncion", "* 0 1 10 *", "2023-09-30T12:00-04:00", "2023-10-01T12:00-03:00", []),
        (
            "America/Asuncion",
            "15 23 * * *",
            "2024-03-23T12:00-03:00",
            "2024-03-24T12:00-04:00",
            ["2024-03-23T23:15-03:00"],
        ),
        ("Asia/Beirut", "0 0 * * 0", "2026-03-28T12:00+02:00", "2026-03-29T12:00+03:00", ["2026-03-29T01:00+03:00"]),
        ("Asia/Beirut", "59 23 * * 6", "2026-10-24T12:00+03:00", "2026-10-25T12:00+02:00", ["2026-10-24T23:59+03:00"]),
        (
            "America/Havana",
            "30 0 * * *",
            "2026-03-07T12:00-05:00",
            "2026-03-08T12:00-04:00",
            ["2026-03-08T01:00-04:00"],
        ),
        (
            "America/Havana",
            "30 0 * * *",
            "2026-10-31T12:00-04:00",
            "2026-11-01T12:00-05:00",
            ["2026-11-01T00:30-04:00"],
        ),
        (
            "America/Havana",
            "30 * 1 11 *",
            "2026-10-31T12:00-04:00",
            "2026-11-01T02:00-05:00",
            ["2026-11-01T00:30-04:00", "2026-11-01T00:30-05:00", "2026-11-01T01:30-05:00"],
        ),
        # At 00:01 the clocks went back to 23:01 of the day before, so that midnight itself came twice.
        (
            "America/St_Johns",
            "0 0 * * *",
            "2010-11-06T12:00-02:30",
            "2010-11-07T12:00-03:30",
            ["2010-11-07T00:00-02:30"],
        ),
        (
            "America/St_Johns",
            "30 0 * * *",
            "2010-11-06T12:00-02:30",
            "2010-11-07T12:00-03:30",
            ["2010-11-07T00:30-03:30"],
        ),
        (
            "America/St_Johns",
            "30 0 * * *",
            "2010-03-13T12:00-03:30",
            "2010-03-14T12:00-02:30",
            ["2010-03-14T01:01-02:30"],
        ),
    ],
)
def test_zones_that_change_at_midnight(zone, cron, start, end, expected):
    assert local_fires(cron, zone, start, end) == expected


# Casablanca's clocks go back for Ramadan: 2026-02-15 03:00+01:00 becomes 02:00+00:00, and forward again on 2026-03-22.
def test_casablanca_leaves_and_returns_for_ramadan():
    assert local_fires("30 2 * * *", "Africa/Casablanca", "2026-02-15T00:00+01:00", "2026-02-16T00:00+00:00") == [
        "2026-02-15T02:30+01:00"
    ]
    assert local_fires("30 2 * * *", "Africa/Casablanca", "2026-03-22T00:00+00:00", "2026-03-23T00:00+01:00") == [
        "2026-03-22T03:00+01:00"
    ]


# Dublin's standard time is that of summer: 2026-03-29 01:00+00:00 becomes 02:00+01:00; 2026-10-25 02:00 becomes 01:00.
def test_dublin_with_its_negative_winter_time_follows_the_same_rule():
    assert local_fires("30 1 * * *", "Europe/Dublin", "2026-03-29T00:00+00:00", "2026-03-30T00:00+01:00") == [
        "2026-03-29T02:00+01:00"
    ]
    assert local_fires("30 1 * * *", "Europe/Dublin", "2026-10-25T00:00+01:00", "2026-10-26T00:00+00:00") == [
        "2026-10-25T01:30+01:00"
    ]
    assert local_fires("*/30 1 * * *", "Europe/Dublin", "2026-10-25T00:00+01:00", "2026-10-26T00:00+00:00") == [
        "2026-10-25T01:00+01:00",
        "2026-10-25T01:30+01:00",
        "2026-10-25T01:00+00:00",
        "2026-10-25T01:30+00:00",
    ]


@pytest.mark.parametrize(
    ("zone", "offset"), [("Asia/Kolkata", "+05:30"), ("Asia/Kathmandu", "+05:45"), ("UTC", "+00:00")]
)
def test_zones_without_clock_changes_fire_at_the_same_local_time_all_year(zone, offset):
    fires = local_fires("30 2 * * *", zone, f"2026-01-01T00:00{offset}", f"2027-01-01T00:00{offset}")
    assert len(fires) == 365
    assert {fire[10:] for fire in fires} == {f"T02:30{offset}"}
    hours = local_fires("0 */6 * * *", zone, f"2026-03-29T00:00{offset}", f"2026-03-30T00:00{offset}")
    assert hours == [f"2026-03-29T{hour}:00{offset}" for hour in ("00", "06", "12", "18")]


def test_a_fixed_daily_job_fires_365_times_in_a_year_with_both_changes():
    year = datetime.fromisoformat("2026-01-01T00:00+01:00"), datetime.fromisoformat("2027-01-01T00:00+01:00")
    for minute in ("0", "30", "59"):
        for hour in range(24):
            assert Schedule.parse(f"{minute} {hour} * * *", "Europe/Berlin").count(*year) == 365


def test_a_gap_that_moves_a_fire_is_found_by_every_question():
    schedule = Schedule.parse("30 2 * * *", "Europe/Berlin")
    before, gap_end = datetime.fromisoformat("2026-03-29T01:59+01:00"), datetime.fromisoformat("2026-03-29T03:00+02:00")
    assert schedule.is_due(gap_end)
    assert schedule.next_fire(before) == gap_end
    assert schedule.last_fire(datetime.fromisoformat("2026-03-29T12:00+02:00")) == gap_end
    assert schedule.count(before, datetime.fromisoformat("2026-03-30T00:00+02:00")) == 1


def test_the_second_time_is_left_out_by_every_question():
    schedule = Schedule.parse("30 2 * * *", "Europe/Berlin")
    first, second = datetime.fromisoformat("2026-10-25T02:30+02:00"), datetime.fromisoformat("2026-10-25T02:30+01:00")
    assert schedule.is_due(first)
    assert not schedule.is_due(second)
    assert schedule.next_fire(first) == datetime.fromisoformat("2026-10-26T02:30+01:00")
    assert schedule.last_fire(second) == first
