"""Why a schedule fires or not: each field with its verdict, and a note on what the fields do not show."""

from datetime import datetime

import pytest

from watchbell.schedule import FieldVerdict, Schedule


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_why_gives_each_field_its_verdict():
    why = Schedule.parse("0 9 * * 1-5", "Asia/Kolkata").why(at("2026-11-21T09:00+05:30"))
    assert not why.due
    assert why.local.isoformat() == "2026-11-21T09:00:00+05:30"
    assert why.note == ""
    assert why.fields == (
        FieldVerdict(field="minute", value=0, wanted="0", matches=True),
        FieldVerdict(field="hour", value=9, wanted="9", matches=True),
        FieldVerdict(field="day of month", value=21, wanted="*", matches=True),
        FieldVerdict(field="month", value=11, wanted="*", matches=True),
        FieldVerdict(field="day of week", value=6, wanted="1-5", matches=False),
    )


@pytest.mark.parametrize(
    ("cron", "minute", "due", "note"),
    [
        (
            "30 2 * * *",
            "2026-03-29T03:00+02:00",
            True,
            "02:30 does not exist on 2026-03-29 in Europe/Berlin; a fixed job fires at 03:00 instead",
        ),
        (
            "30 2 * * *",
            "2026-03-29T03:30+02:00",
            False,
            "02:30 does not exist on 2026-03-29 in Europe/Berlin; a fixed job fires at 03:00 instead",
        ),
        ("30 2 * * *", "2026-03-29T04:00+02:00", False, ""),
        ("30 2 * * *", "2026-03-28T03:00+01:00", False, ""),
        ("30 4 * * *", "2026-03-29T03:00+02:00", False, ""),
        (
            "*/30 2 * * *",
            "2026-03-29T03:00+02:00",
            False,
            "02:00 does not exist on 2026-03-29 in Europe/Berlin; not made up, as minute or hour starts with *",
        ),
        ("30 2 * * *", "2026-10-25T02:30+02:00", True, ""),
        (
            "30 2 * * *",
            "2026-10-25T02:30+01:00",
            False,
            "second 02:30 of the day; of a fixed job only the first counts",
        ),
        (
            "*/30 2 * * *",
            "2026-10-25T02:30+01:00",
            True,
            "second 02:30 of the day; both count, as minute or hour starts with *",
        ),
        (
            "0 9 13 * 5",
            "2026-11-13T09:00+01:00",
            True,
            "",
        ),
        (
            "0 9 13 * 5",
            "2026-11-20T09:00+01:00",
            True,
            "the day of month or the day of week is enough, as neither starts with *",
        ),
        (
            "0 9 */2 * 5",
            "2026-11-20T09:00+01:00",
            False,
            "the day of month and the day of week must both match, as one of them starts with *",
        ),
        ("0 9 * * 5", "2026-11-19T09:00+01:00", False, ""),
    ],
)
def test_why_notes_what_the_fields_do_not_show(cron, minute, due, note):
    why = Schedule.parse(cron, "Europe/Berlin").why(at(minute))
    assert why.due is due
    assert why.note == note


def test_why_names_the_day_after_a_skipped_one():
    why = Schedule.parse("0 12 30 12 *", "Pacific/Apia").why(at("2011-12-31T00:00+14:00"))
    assert why.due
    assert why.note == (
        "12:00 does not exist on 2011-12-30 in Pacific/Apia; a fixed job fires at 00:00 on 2011-12-31 instead"
    )


def test_why_shows_the_value_that_h_took_and_the_last_day():
    why = Schedule.parse("H 0 L * *", task_id="standup").why(at("2027-02-28T00:00Z"))
    assert why.fields[0].wanted == "H = 48"
    assert (why.fields[2].wanted, why.fields[2].matches) == ("L", True)
