"""The dialect, token by token: what each form selects, and what is refused with its field, its token and a hint."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from watchbell.errors import ScheduleError, UsageError
from watchbell.schedule import Schedule

SUNDAY = datetime(2026, 3, 1, tzinfo=UTC)
FIELDS = ("minute", "hour", "day of month", "month", "day of week")


def fires(cron: str, *, days: int, start: datetime = SUNDAY) -> list[datetime]:
    return list(Schedule.parse(cron).fires(start, start + timedelta(days=days)))


def refused(cron: str, timezone: str = "UTC") -> ScheduleError:
    with pytest.raises(ScheduleError) as caught:
        Schedule.parse(cron, timezone)
    return caught.value


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("*", range(60)),
        ("7", [7]),
        ("07", [7]),
        ("0,30", [0, 30]),
        ("30,0,30", [0, 30]),
        ("10-13", range(10, 14)),
        ("5-5", [5]),
        ("5-5/2", [5]),
        ("9-9/15", [9]),
        ("0-59", range(60)),
        ("*/1", range(60)),
        ("*/25", [0, 25, 50]),
        ("*/59", [0, 59]),
        ("10-20/5", [10, 15, 20]),
        ("50-51/15", [50]),
        ("5/15", [5, 20, 35, 50]),
        ("59/15", [59]),
        ("1-2,*/30", [0, 1, 2, 30]),
        ("58-59,0-1", [0, 1, 58, 59]),
    ],
)
def test_minutes_are_selected(text, minutes):
    assert [fire.minute for fire in fires(f"{text} 0 * * *", days=1)] == list(minutes)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("*", range(24)), ("00", [0]), ("9-17/4", [9, 13, 17]), ("*/7", [0, 7, 14, 21]), ("20/2", [20, 22]), ("23", [23])],
)
def test_hours_are_selected(text, hours):
    assert [fire.hour for fire in fires(f"0 {text} * * *", days=1)] == list(hours)


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("1", [1]),
        ("31", [31]),
        ("*/10", [1, 11, 21, 31]),
        ("25/3", [25, 28, 31]),
        ("1-7", range(1, 8)),
        ("1-31", range(1, 32)),
        ("L", [31]),
        ("l", [31]),
        ("15,L", [15, 31]),
        ("L,15", [15, 31]),
    ],
)
def test_days_of_the_month_are_selected(text, dates):
    assert [fire.day for fire in fires(f"0 0 {text} * *", days=31)] == list(dates)


def test_the_last_day_follows_the_length_of_the_month():
    last_days = [f"{fire:%m-%d}" for fire in fires("0 0 L * *", days=731, start=datetime(2027, 1, 1, tzinfo=UTC))]
    assert last_days[:4] == ["01-31", "02-28", "03-31", "04-30"]
    assert last_days[13] == "02-29"


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("*", range(1, 13)),
        ("jan", [1]),
        ("JAN,Dec", [1, 12]),
        ("jan-jan", [1]),
        ("mar-may", [3, 4, 5]),
        ("2-apr", [2, 3, 4]),
        ("*/4", [1, 5, 9]),
        ("*/12", [1]),
        ("nov/1", [11, 12]),
        ("dec/3", [12]),
    ],
)
def test_months_are_selected(text, months):
    year = datetime(2027, 1, 1, tzinfo=UTC)
    assert [fire.month for fire in fires(f"0 0 1 {text} *", days=365, start=year)] == list(months)


@pytest.mark.parametrize(
    ("text", "weekdays"),
    [
        ("0", ["Sun"]),
        ("7", ["Sun"]),
        ("sun", ["Sun"]),
        ("1", ["Mon"]),
        ("MON", ["Mon"]),
        ("6", ["Sat"]),
        ("1-5", ["Mon", "Tue", "Wed", "Thu", "Fri"]),
        ("mon-fri", ["Mon", "Tue", "Wed", "Thu", "Fri"]),
        ("mon-5", ["Mon", "Tue", "Wed", "Thu", "Fri"]),
        ("sun-tue", ["Sun", "Mon", "Tue"]),
        ("5-7", ["Sun", "Fri", "Sat"]),
        ("fri-7", ["Sun", "Fri", "Sat"]),
        ("0-7", ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]),
        ("1-7", ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]),
        ("1-7/2", ["Sun", "Mon", "Wed", "Fri"]),
        ("2-7/2", ["Tue", "Thu", "Sat"]),
        ("0-7/2", ["Sun", "Tue", "Thu", "Sat"]),
        ("6-7/2", ["Sat"]),
        ("0-6/2", ["Sun", "Tue", "Thu", "Sat"]),
        ("7-7", ["Sun"]),
        ("*/2", ["Sun", "Tue", "Thu", "Sat"]),
        ("*/7", ["Sun"]),
        ("sat,7,mon", ["Sun", "Mon", "Sat"]),
    ],
)
def test_days_of_the_week_are_selected_with_sunday_0_and_7_and_monday_1(text, weekdays):
    assert [f"{fire:%a}" for fire in fires(f"0 0 * * {text}", days=7)] == weekdays


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("5#2", [13]),
        ("fri#2", [13]),
        ("FRI#2", [13]),
        ("7#5", [29]),
        ("0#1", [1]),
        ("5L", [27]),
        ("friL", [27]),
        ("FRIL", [27]),
        ("2L", [31]),
        ("3L", [25]),
        ("7L", [29]),
        ("sunl", [29]),
        ("1#1,1#3", [2, 16]),
        ("5#1,5L,sat", [6, 7, 14, 21, 27, 28]),
        ("wed#4,wedL", [25]),
    ],
)
def test_weekdays_of_the_month_are_selected(text, dates):
    assert [fire.day for fire in fires(f"0 0 * * {text}", days=31)] == dates


def test_a_month_without_a_fifth_friday_has_no_fire():
    year = datetime(2027, 1, 1, tzinfo=UTC)
    assert [fire.month for fire in fires("0 0 * * 5#5", days=365, start=year)] == [1, 4, 7, 10, 12]


@pytest.mark.parametrize(
    ("macro", "cron"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@DAILY", "0 0 * * *"),
        ("@Hourly", "0 * * * *"),
    ],
)
def test_macros_stand_for_their_expression_in_any_case(macro, cron):
    assert fires(macro, days=400) == fires(cron, days=400)
    assert Schedule.parse(macro).expression == macro


@pytest.mark.parametrize(
    "cron", ["0 9 * * 1-5", "  0 9 * * 1-5  ", "0\t9 *  *\t1-5", "0 9 * * 1-5\n", "0 9 * * 1-5\r\n"]
)
def test_spaces_and_tabs_separate_and_are_normalised(cron):
    assert Schedule.parse(cron).expression == "0 9 * * 1-5"


@pytest.mark.parametrize(
    ("dates_and_weekdays", "dates"),
    [
        ("13 * 5", [6, 13, 20, 27]),
        ("20,21 * 5", [6, 13, 20, 21, 27]),
        ("1-31 * 1", range(1, 32)),
        ("L * 1", [2, 9, 16, 23, 30, 31]),
        ("1 * 5#2", [1, 13]),
        ("*/2 * 1", [9, 23]),
        ("1-7 * */7", [1]),
        ("* * 1", [2, 9, 16, 23, 30]),
        ("13 * *", [13]),
        ("*,13 * 1", [2, 9, 16, 23, 30]),
    ],
)
def test_either_day_field_is_enough_unless_one_starts_with_a_star(dates_and_weekdays, dates):
    assert [fire.day for fire in fires(f"0 0 {dates_and_weekdays}", days=31)] == list(dates)


@pytest.mark.parametrize(
    ("cron", "field", "token", "hint"),
    [
        ("60 * * * *", "minute", "60", "write 0 to 59"),
        ("0 24 * * *", "hour", "24", "write 0 to 23"),
        ("0 0 0 * *", "day of month", "0", "write 1 to 31"),
        ("0 0 32 * *", "day of month", "32", "write 1 to 31"),
        ("0 0 1 0 *", "month", "0", "write 1 to 12"),
        ("0 0 1 13 *", "month", "13", "write 1 to 12"),
        ("0 0 * * 8", "day of week", "8", "write 0 to 7"),
        ("0-60 * * * *", "minute", "0-60", "write 0 to 59"),
        ("005 * * * *", "minute", "005", "one or two digits"),
        (f"{'9' * 900} * * * *", "minute", "9" * 900, "write 0 to 59"),
        ("*/0 * * * *", "minute", "*/0", "a step of 0"),
        ("0-59/00 * * * *", "minute", "0-59/00", "a step of 0"),
        ("5/0 * * * *", "minute", "5/0", "a step of 0"),
        ("*/60 * * * *", "minute", "*/60", "a step past 59"),
        ("*/90 * * * *", "minute", "*/90", "a step past 59"),
        ("0 */24 * * *", "hour", "*/24", "a step past 23"),
        ("0 0 * * 3/4", "day of week", "3/4", "such as 1-5/2"),
        ("0 0 * * 1,fri/2", "day of week", "fri/2", "write the days as a list"),
        ("0 0 * * fri-mon", "day of week", "fri-mon", "write fri,sat,sun,mon"),
        ("0 0 * * Fri-Sun", "day of week", "Fri-Sun", "write fri,sat,sun"),
        ("0 0 * * 5-1", "day of week", "5-1", "write 5,6,0,1"),
        ("0 0 * * 7-2", "day of week", "7-2", "write 0,1,2"),
        ("0 22-4 * * *", "hour", "22-4", "write 22-23,0-4"),
        ("0 23-0 * * *", "hour", "23-0", "write 23,0"),
        ("50-10 * * * *", "minute", "50-10", "write 50-59,0-10"),
        ("0 0 1 nov-feb *", "month", "nov-feb", "write nov-dec,jan-feb"),
        ("0 22-4/2 * * *", "hour", "22-4/2", "its two parts"),
        ("0 0 31 2 *", "day of month", "31", "never fires"),
        ("0 0 30 feb *", "day of month", "30", "never fires"),
        ("0 0 31 4,6,9,11 *", "day of month", "31", "never fires"),
        ("0 0 31 2 */7", "day of month", "31", "never fires"),
        ("0 0 */31 * 1#2", "day of month", "*/31", "never fires"),
        ("0 0 30,31 2 *", "day of month", "30,31", "never fires"),
        ("R * * * *", "minute", "R", "write H"),
        ("R(0-5) * * * *", "minute", "R(0-5)", "write H"),
        ("R/5 * * * *", "minute", "R/5", "write H"),
        ("~ * * * *", "minute", "~", "write H"),
        ("0~30 * * * *", "minute", "0~30", "write H"),
        ("0 0 ? * *", "day of month", "?", "write *"),
        ("0 0 * * ?", "day of week", "?", "write *"),
        ("0 0 15W * *", "day of month", "15W", "nearest weekdays"),
        ("0 0 LW * *", "day of month", "LW", "nearest weekdays"),
        ("0 0 W15 * *", "day of month", "W15", "nearest weekdays"),
        ("0 0 1-L * *", "day of month", "1-L", "L stands alone"),
        ("0 0 L-3 * *", "day of month", "L-3", "L stands alone"),
        ("0 0 L/2 * *", "day of month", "L/2", "L stands alone"),
        ("0 0 5L * *", "day of month", "5L", "5L in the day of week"),
        ("0 0 * * L5", "day of week", "L5", "such as 5L"),
        ("0 0 * * L", "day of week", "L", "5L in the day of week"),
        ("0 L * * *", "hour", "L", "L alone in the day of month"),
        ("0 0 * * 8L", "day of week", "8L", "write 0 to 7"),
        ("0 0 * * xyzL", "day of week", "xyzL", "unknown name"),
        ("0 0 * * 1-5L", "day of week", "1-5L", "5L in the day of week"),
        ("0 0 * * 5#0", "day of week", "5#0", "write #1 to #5"),
        ("0 0 * * 5#6", "day of week", "5#6", "write #1 to #5"),
        ("0 0 * * 8#1", "day of week", "8#1", "write 0 to 7"),
        ("0 0 * * 1-5#2", "day of week", "1-5#2", "such as 5#2"),
        ("0 0 * * 5#", "day of week", "5#", "such as 5#2"),
        ("0 0 5#2 * *", "day of month", "5#2", "# is for the day of week"),
        ("mon * * * *", "minute", "mon", "write a number"),
        ("0 0 jan * *", "day of month", "jan", "write a number"),
        ("0 0 1 january *", "month", "january", "write jan"),
        ("0 0 1 april *", "month", "april", "write apr"),
        ("0 0 * * monday", "day of week", "monday", "write mon"),
        ("0 0 * mon *", "month", "mon", "unknown name"),
        ("0 0 * * jan", "day of week", "jan", "write sun, mon"),
        ("-5 * * * *", "minute", "-5", "no negative values"),
        ("0 0 * * -1", "day of week", "-1", "no negative values"),
        ("+5 * * * *", "minute", "+5", "not understood"),
        ("0.5 * * * *", "minute", "0.5", "not understood"),
        ("** * * * *", "minute", "**", "not understood"),
        ("*-5 * * * *", "minute", "*-5", "not understood"),
        ("*/5-10 * * * *", "minute", "*/5-10", "not understood"),
        ("1-5-9 * * * *", "minute", "1-5-9", "not understood"),
        ("1/2/3 * * * *", "minute", "1/2/3", "not understood"),
        ("*/ * * * *", "minute", "*/", "not understood"),
        ("*/x * * * *", "minute", "*/x", "not understood"),
        ("5- * * * *", "minute", "5-", "not understood"),
        ("% * * * *", "minute", "%", "not understood"),
        ("0,,5 * * * *", "minute", "", "list is empty"),
        ("0, * * * *", "minute", "", "list is empty"),
        (",0 * * * *", "minute", "", "list is empty"),
        ("٣ * * * *", "expression", "٣", "U+0663"),
        ("１ * * * *", "expression", "１", "U+FF11"),
        ("0\xa09 * * *", "expression", "\xa0", "U+00A0"),
        ("0\v9 * * *", "expression", "\v", "U+000B"),
        ("0 9\n* * *", "expression", "\n", "U+000A"),
        ("0 9 * * *\0", "expression", "\0", "U+0000"),
        ("", "expression", "", "0 fields"),
        ("* * * *", "expression", "* * * *", "write five"),
        ("0 0 9 * * *", "expression", "0 0 9 * * *", "a tick has minute precision"),
        ("0 0 9 * * * 2026", "expression", "0 0 9 * * * 2026", "a tick has minute precision"),
        ("* * * * * * * *", "expression", "* * * * * * * *", "8 fields"),
        ("@reboot", "expression", "@reboot", "knows no boot"),
        ("@REBOOT", "expression", "@REBOOT", "knows no boot"),
        ("@every 5m", "expression", "@every 5m", "write a step"),
        ("@fortnightly", "expression", "@fortnightly", "@weekly"),
        ("@daily 5", "expression", "@daily 5", "unknown"),
        ("H * * * *", "minute", "H", "H is spread by the task's id"),
    ],
)
def test_what_is_outside_the_dialect_is_refused_with_field_token_and_hint(cron, field, token, hint):
    error = refused(cron)
    assert (error.field, error.token) == (field, token)
    assert hint in str(error)


@pytest.mark.parametrize(
    "cron", ["0 0\v* * *", f"{'9' * 900} * * * *", f"0 0 * {'x' * 5000} *", "0 0 * * é", "\x1b[2J * * * *"]
)
def test_a_message_is_one_short_line_of_plain_text_whatever_was_typed(cron):
    message = str(refused(cron))
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 250


def test_a_refusal_is_a_usage_error():
    assert isinstance(refused("60 * * * *"), UsageError)
    assert refused("60 * * * *").exit_code == 2


def test_a_list_of_every_value_in_full_is_accepted():
    cron = " ".join(
        ",".join(map(str, values)) for values in (range(60), range(24), range(1, 32), range(1, 13), range(8))
    )
    assert Schedule.parse(cron).count(SUNDAY, SUNDAY + timedelta(days=2)) == 2880


@pytest.mark.parametrize(
    "cron",
    [
        "0 0 31 2 5",
        "0 0 30 2 1#1",
        "0 0 29 2 *",
        "0 0 29 2 */7",
        "0 0 * 2 5#5",
        "0 0 31 2,3 *",
        "0 0 */30 2 *",
        "0 0 L 2 *",
    ],
)
def test_what_fires_rarely_or_by_the_other_day_field_is_not_refused(cron):
    assert Schedule.parse(cron).next_fire(SUNDAY) is not None


def test_impossible_dates_are_refused_at_once():
    # A search through the calendar would take minutes for this many; the bound only guards against such a search.
    began = time.monotonic()
    for days in ("30", "31", "30-31", "30,31"):
        for weekday in ("*", "*/7", "*/2"):
            for minute in range(60):
                assert "never fires" in str(refused(f"{minute} 0 {days} 2 {weekday}"))
    assert time.monotonic() - began < 5
