"""H spreads tasks: a value that depends on the task and the field, and never changes."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from watchbell.errors import ScheduleError
from watchbell.schedule import Schedule

START = datetime(2026, 3, 1, tzinfo=UTC)
TASKS = [f"task-{number}" for number in range(300)]


def first(cron: str, task_id: str) -> datetime:
    fire = Schedule.parse(cron, task_id=task_id).next_fire(START - timedelta(minutes=1))
    assert fire is not None
    return fire


def test_a_task_keeps_its_place_for_ever():
    # Written down once: a change of these values would move every user's reports.
    assert f"{first('H H * * *', 'standup'):%H:%M}" == "04:48"
    assert f"{first('H H H H *', 'weekly'):%m-%d %H:%M}" == "01-11 21:07"


def test_tasks_are_spread_over_all_minutes_and_hours():
    places = [first("H H * * *", task) for task in TASKS]
    assert len({place.minute for place in places}) > 50
    assert {place.hour for place in places} == set(range(24))
    assert max(Counter(place.minute for place in places).values()) < 20


def test_minute_and_hour_are_spread_apart():
    same = sum(first("H(0-23) H * * *", task).minute == first("H(0-23) H * * *", task).hour for task in TASKS)
    assert same < len(TASKS) / 4


def test_h_with_a_step_keeps_the_step_from_a_place_within_it():
    for task in TASKS[:30]:
        fires = list(Schedule.parse("H/15 * * * *", task_id=task).fires(START, START + timedelta(hours=1)))
        minutes = [fire.minute for fire in fires]
        assert minutes == [minutes[0] + 15 * number for number in range(4)]
        assert minutes[0] < 15


def test_h_with_a_range_stays_in_it():
    assert {first("H(10-12) 3 * * *", task).minute for task in TASKS} == {10, 11, 12}
    assert {first("H(5-5) 3 * * *", task).minute for task in TASKS} == {5}
    assert {first("0 0 * * H(mon-wed)", task).weekday() for task in TASKS} == {0, 1, 2}


def test_h_with_a_range_and_a_step_does_both():
    for task in TASKS[:30]:
        fires = list(Schedule.parse("h(30-49)/10 * * * *", task_id=task).fires(START, START + timedelta(hours=1)))
        assert [fire.minute - fires[0].minute for fire in fires] == [0, 10]
        assert 30 <= fires[0].minute < 40


def test_h_stays_in_its_range_with_a_step_longer_than_the_range():
    assert {first("H(5-8)/30 3 * * *", task).minute for task in TASKS} == {5, 6, 7, 8}
    assert {first("0 0 H/31 * *", task).day for task in TASKS} == set(range(1, 29))


def test_h_takes_days_that_every_month_has():
    assert {first("0 0 H * *", task).day for task in TASKS} == set(range(1, 29))
    assert {first("0 0 1 H *", task).month for task in TASKS} == set(range(1, 13))
    assert {first("0 0 * * H", task).weekday() for task in TASKS} == set(range(7))


def test_h_is_an_item_of_a_list():
    fires = Schedule.parse("H(0-9),30 0 * * *", task_id="a").fires(START, START + timedelta(days=1))
    minutes = [fire.minute for fire in fires]
    assert len(minutes) == 2
    assert minutes[0] < 10
    assert minutes[1] == 30


def test_a_job_with_h_in_minute_and_hour_is_fixed():
    schedule = Schedule.parse("H H(2-2) * * *", "Europe/Berlin", task_id="a")
    on_the_day = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert schedule.count(*on_the_day) == 1


def test_the_same_task_gets_the_same_object_and_others_do_not():
    assert Schedule.parse("H 9 * * *", task_id="a") is Schedule.parse("H 9 * * *", task_id="a")
    assert Schedule.parse("H 9 * * *", task_id="a") != Schedule.parse("H 9 * * *", task_id="b")


@pytest.mark.parametrize("cron", ["0 9 * * thu", "0 9 * mar *", "@hourly", "@monthly", "0 9 * * THU"])
def test_an_expression_without_h_is_shared_by_all_tasks(cron):
    assert Schedule.parse(cron, task_id="a") is Schedule.parse(cron, task_id="b") is Schedule.parse(cron)


@pytest.mark.parametrize(
    ("cron", "hint"),
    [
        ("H(30-10) * * * *", "back to front"),
        ("H(0-60) * * * *", "write 0 to 59"),
        ("H/0 * * * *", "a step of 0"),
        ("H(5) * * * *", "H(0-29)"),
        ("H-30 * * * *", "H(0-29)"),
        ("H5 * * * *", "H(0-29)"),
        ("0-H * * * *", "not understood"),
    ],
)
def test_other_forms_of_h_are_refused(cron, hint):
    with pytest.raises(ScheduleError) as caught:
        Schedule.parse(cron, task_id="a")
    assert caught.value.field == "minute"
    assert hint in str(caught.value)
