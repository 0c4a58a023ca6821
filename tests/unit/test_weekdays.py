"""Weekday numbers counted from Monday as 0, and what they are in standard cron."""

import pytest

from watchbell.planning.weekdays import both_days_given, depends_on_numbering, from_monday_is_0
from watchbell.schedule import Schedule


@pytest.mark.parametrize(
    ("written", "standard"),
    [
        ("0 9 * * 0", "0 9 * * 1"),
        ("0 9 * * 6", "0 9 * * 7"),
        ("0 9 * * 0-4", "0 9 * * 1-5"),
        ("0 9 * * 5-6", "0 9 * * 6-7"),
        ("0 9 * * 1-5", "0 9 * * 2-6"),
        ("0 9 * * 0,2,4", "0 9 * * 1,3,5"),
        ("0 9 * * */2", "0 9 * * 1-7/2"),
        ("0 9 * * 0-6/3", "0 9 * * 1-7/3"),
        ("0 9 * * 4#2", "0 9 * * 5#2"),
        ("0 9 * * 4L", "0 9 * * 5L"),
        ("0  9 * *  mon-fri", "0 9 * * mon-fri"),
    ],
)
def test_each_number_is_one_later_and_the_result_is_in_our_dialect(written: str, standard: str) -> None:
    assert from_monday_is_0(written) == standard
    assert Schedule.parse(standard)


@pytest.mark.parametrize("cron", ["0 9 * * *", "0 9 * * mon", "0 9 * * 0-6", "0 9 * * */1", "@daily", "0 9 1 * *", "x"])
def test_what_means_the_same_days_in_both_readings_is_no_question(cron: str) -> None:
    assert not depends_on_numbering(cron)


@pytest.mark.parametrize(
    "cron", ["0 9 * * 1", "0 9 * * 1-5", "0 9 * * */2", "0 9 * * 7", "0 9 * * mon,3", "0 9 * * 5L"]
)
def test_what_means_other_days_is_a_question(cron: str) -> None:
    assert depends_on_numbering(cron)


def test_a_seven_cannot_have_been_counted_from_monday() -> None:
    with pytest.raises(ValueError, match="7 is no weekday when Monday is 0"):
        from_monday_is_0("0 9 * * 1,7")


@pytest.mark.parametrize(("cron", "both"), [("0 9 13 * 5", True), ("0 9 * * 5", False), ("0 9 */2 * 5", False)])
def test_two_restricted_day_fields_are_noticed(cron: str, both: bool) -> None:
    assert both_days_given(cron) is both
