"""Instants as text: what is written can be read, and nothing is guessed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbell.instants import (
    epoch_minute,
    epoch_seconds,
    format_instant,
    format_minute,
    from_epoch_minute,
    from_epoch_seconds,
    parse_instant,
)

INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  bounds


@given(INSTANTS)
def test_a_minute_survives_being_written_and_read(instant: datetime) -> None:
    minute = instant.replace(second=0, microsecond=0)
    assert parse_instant(format_minute(minute)) == minute
    assert from_epoch_minute(epoch_minute(minute)) == minute


@given(INSTANTS)
def test_an_instant_survives_being_written_and_read(instant: datetime) -> None:
    assert parse_instant(format_instant(instant)) == instant.replace(microsecond=0)
    assert abs((from_epoch_seconds(epoch_seconds(instant)) - instant).total_seconds()) < 1e-5


@pytest.mark.parametrize(
    ("text", "minute"),
    [
        ("2026-11-22T09:00Z", "2026-11-22T09:00Z"),
        ("2026-11-22T09:00:59z", "2026-11-22T09:00Z"),
        ("2026-11-22T14:30+05:30", "2026-11-22T09:00Z"),
        (" 2026-11-22 09:00:00+00:00 ", "2026-11-22T09:00Z"),
    ],
)
def test_offsets_are_turned_into_utc(text: str, minute: str) -> None:
    assert format_minute(parse_instant(text)) == minute


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-11-22T09:00", "has no zone"),
        ("tomorrow", "is not an instant"),
        ("2026-13-01T00:00Z", "is not an instant"),
        ("0001-01-01T00:00+10:00", "out of range"),
        ("", "is not an instant"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_instant(text)


@pytest.mark.parametrize("text", ["2026-12-01", "2026-12-01Z", " 2026-12-01 "])
def test_a_day_without_a_time_is_refused_with_a_hint_that_works(text: str) -> None:
    with pytest.raises(ValueError, match="write 2026-12-01T00:00Z for UTC"):
        parse_instant(text)
    assert format_instant(parse_instant("2026-12-01T00:00Z")) == "2026-12-01T00:00:00Z"


def test_years_are_written_with_four_digits() -> None:
    minute = datetime(999, 1, 1, tzinfo=UTC)
    assert format_minute(minute) == "0999-01-01T00:00Z"
    assert parse_instant(format_instant(minute)) == minute
