"""Business, off and sleep hours: PagerDuty's by default, on the wall clock of a zone, as config.toml says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watchbell.errors import ConfigError
from watchbell.instants import parse_instant
from watchbell.reports.analysis.hours import Hours, Part, distinct_hours
from watchbell.settings import load_settings


def hours(home: Path, toml: str) -> Hours:
    (home / "config.toml").write_text(toml)
    return load_settings({"WATCHBELL_HOME": str(home)}).hours


@pytest.mark.parametrize(
    ("instant", "zone", "part"),
    [
        ("2026-11-23T08:00Z", "UTC", "business"),  # a Monday
        ("2026-11-23T07:59Z", "UTC", "sleep"),
        ("2026-11-23T17:59Z", "UTC", "business"),
        ("2026-11-23T18:00Z", "UTC", "off"),
        ("2026-11-23T21:59Z", "UTC", "off"),
        ("2026-11-23T22:00Z", "UTC", "sleep"),
        ("2026-11-21T12:00Z", "UTC", "off"),  # a Saturday
        ("2026-11-22T22:00Z", "UTC", "sleep"),
        ("2026-11-22T22:00Z", "Asia/Kolkata", "sleep"),  # 03:30 on Monday
        ("2026-11-23T02:30Z", "Asia/Kolkata", "business"),  # 08:00
        ("2026-11-23T12:30Z", "Asia/Kolkata", "off"),  # 18:00
        ("2026-07-20T06:00Z", "Europe/Berlin", "business"),  # 08:00 in summer
        ("2026-11-23T06:59Z", "Europe/Berlin", "sleep"),  # 07:59 in winter
    ],
)
def test_a_part_is_told_by_the_wall_clock_of_the_zone(instant: str, zone: str, part: str) -> None:
    assert Hours().part_of(parse_instant(instant), zone) is Part(part)


def test_a_week_has_fifty_hours_of_business_and_seventy_of_sleep() -> None:
    start = datetime(2026, 11, 23, tzinfo=UTC)
    parts = [Hours().part_of(start + timedelta(hours=n), "UTC") for n in range(168)]
    assert {part: parts.count(part) for part in Part} == {Part.BUSINESS: 50, Part.OFF: 48, Part.SLEEP: 70}


def test_the_hour_that_comes_twice_counts_as_two() -> None:
    instants = [parse_instant(f"2026-10-25T{time}Z") for time in ("00:10", "00:50", "01:10")]  # 02:10, 02:50, 02:10
    assert distinct_hours(instants, "Europe/Berlin") == 2
    assert distinct_hours([], "Europe/Berlin") == 0


def test_config_says_when_people_work_and_sleep(tmp_path: Path) -> None:
    toml = '[hours]\nbusiness = "06:30-14:00"\nawake = "06:00-24:00"\nworking_days = ["sun", "mon"]\n'
    found = hours(tmp_path, toml)
    assert found == Hours(business=(390, 840), awake=(360, 1440), working_days=frozenset({6, 0}))
    assert hours(tmp_path, "") == Hours()


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('business = "8-18"', "hours.business must be a span within one day such as 08:00-18:00, not '8-18'"),
        ('awake = "22:00-08:00"', "hours.awake must be a span"),
        ('awake = "08:00-24:01"', "hours.awake must be a span"),
        ('awake = "08:60-22:00"', "hours.awake must be a span"),
        ("business = 8", "hours.business must be of type str"),
        ('working_days = ["monday"]', "hours.working_days knows mon, tue"),
        ('sleep = "22:00-08:00"', "unknown key hours.sleep"),
    ],
)
def test_what_is_wrong_with_hours_is_said_by_key(tmp_path: Path, toml: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        hours(tmp_path, f"[hours]\n{toml}\n")
