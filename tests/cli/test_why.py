"""`watchbell cron why` on minutes that are over or to come: by the schedule in force then, on either store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from watchbell.claims import Host, Move
from watchbell.instants import format_instant, format_minute
from watchbell.settings import load_settings
from watchbell.stores.interface import Owner, Store, TickRecord
from watchbell.wiring.stores import open_store

Run = Callable[..., Any]

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
TASK = "a1b2c3d4e5f6"
#: All that the tests change has happened at least ten hours ago; an hour that begins meanwhile makes no difference.
BASE = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 24 * HOUR
TO_COME = BASE + 27 * HOUR
LATER = BASE + 96 * HOUR


@pytest.fixture(params=["local", pytest.param("dynamodb", marks=pytest.mark.service("dynamodb-local"))])
def task(request: pytest.FixtureRequest, home: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """An hourly task, there since half an hour before BASE."""
    if request.param == "dynamodb":
        monkeypatch.setenv("WATCHBELL_STORE", f"dynamodb:{request.getfixturevalue('tables')}")
    definition = {"id": TASK, "kind": "daily_summary", "provider": "console", "chat_id": "stdout", "cron": "0 * * * *"}
    with opened() as store:
        store.tasks.change_one(TASK, lambda _: definition, now=BASE - 30 * MINUTE)
    return TASK


@contextmanager
def opened() -> Iterator[Store]:
    with open_store(load_settings(), create=True) as store:
        yield store


def edit(at: datetime, **fields: Any) -> None:
    with opened() as store:
        store.tasks.change_one(TASK, lambda raw: (raw or {}) | fields, now=at)


@pytest.fixture
def why(watchbell: Run, task: str) -> Callable[[datetime], Any]:
    """Ask for a minute, as people and as programs do: the text says what the JSON says."""

    def ask(minute: datetime) -> Any:
        asked = ("cron", "why", task, "--at", format_minute(minute))
        answer, shown = watchbell(*asked, "--json"), watchbell(*asked)
        assert (answer.code, shown.code) == (0, 0), shown.err
        verdict = "fires" if answer.json["due"] else "does not fire"
        assert shown.out.startswith(f"{answer.json['cron']} {verdict} at ")
        assert answer.json["happened"] in " ".join(shown.out.split())
        return answer.json

    return ask


def test_a_minute_is_judged_by_the_schedule_in_force_then_and_says_that_it_is_another_today(why: Run) -> None:
    with opened() as store:
        expected = store.tasks.expectation(TASK)
        assert expected is not None
        move = Move(fire=BASE, gaps=(), next_fire=BASE + HOUR)
        owner = Owner(token="t", host=Host(machine="m", boot="b"))
        store.runs.claim(expected, move, owner=owner, lease_until=BASE + MINUTE, now=BASE)
    edit(BASE + 5 * HOUR + 20 * MINUTE, cron="15 * * * *", timezone="Asia/Kolkata")
    ran = why(BASE)
    assert (ran["due"], ran["cron"], ran["run"]["fire_time"]) == (True, "0 * * * *", format_minute(BASE))
    skipped = why(BASE + 2 * HOUR)
    assert (skipped["due"], skipped["cron"], skipped["timezone"]) == (True, "0 * * * *", "UTC")
    assert (skipped["gap"]["count"], skipped["happened"]) == (5, "none: skipped (edited)")
    assert "today it is 15 * * * *  Asia/Kolkata" in skipped["note"]
    never = why(BASE + 2 * HOUR + 15 * MINUTE)
    assert (never["due"], never["gap"], never["happened"]) == (False, None, "none")
    for minute in (BASE + 6 * HOUR + 45 * MINUTE, TO_COME + 45 * MINUTE):  # a quarter past the hour in Kolkata
        answer = why(minute)
        assert (answer["due"], answer["cron"], answer["note"]) == (True, "15 * * * *", "")


def test_fires_within_a_pause_are_to_be_recorded_as_skipped_when_it_ends_and_are(why: Run, watchbell: Run) -> None:
    edit(BASE + 10 * MINUTE, paused_until="forever")
    for minute in (BASE + 2 * HOUR, TO_COME):
        assert why(minute)["happened"] == "none: the task is paused; it is recorded as skipped when the pause ends"
    assert why(BASE + 2 * HOUR + MINUTE)["happened"] == "none"
    assert watchbell("cron", "resume", TASK).code == 0
    assert why(BASE + 2 * HOUR)["happened"] == "none: skipped (paused)"
    assert why(TO_COME)["happened"] == "still to come"


def test_a_pause_with_an_end_is_told_before_its_end_and_after_it_until_it_is_in_the_ledger(why: Run) -> None:
    edit(BASE + 10 * MINUTE, paused_until=format_instant(LATER))
    said = f"paused until {format_instant(LATER)}; it is recorded as skipped with the first fire after that"
    for minute in (BASE + 2 * HOUR, TO_COME):
        assert why(minute)["happened"] == f"none: the task is {said}"
    assert why(LATER)["happened"] == "still to come"
    end = BASE + 4 * HOUR
    edit(BASE + 20 * MINUTE, paused_until=format_instant(end))
    assert why(BASE + 2 * HOUR)["happened"].startswith(f"none: the task was paused until {format_instant(end)}; ")
    assert "no tick has come since" in why(end)["happened"]


def test_a_disabled_task_has_no_run_then_and_none_to_come(why: Run) -> None:
    edit(BASE + 10 * MINUTE, enabled=False)
    assert why(BASE + 2 * HOUR)["happened"] == why(TO_COME)["happened"] == "none: disabled"
    edit(BASE + 4 * HOUR, enabled=True)
    assert why(BASE + 2 * HOUR)["happened"] == "none: the task was not there at that minute, or disabled"
    assert why(TO_COME)["happened"] == "still to come"


def test_what_is_due_and_not_in_the_ledger_waits_for_a_tick_or_is_overdue(why: Run) -> None:
    assert "none yet: no tick has come since" in why(BASE + 2 * HOUR)["happened"]
    now = datetime.now(UTC)
    with opened() as store:
        store.ticks.record(TickRecord(minute=BASE + 3 * HOUR, ran_at=now, timer="cron", machine="m"))
    assert "none yet: it is overdue" in why(BASE + 2 * HOUR)["happened"]


def test_before_the_ledger_starts_nothing_is_known(why: Run) -> None:
    assert why(BASE - 5 * HOUR)["happened"] == f"not known: the ledger starts at {format_minute(BASE - 29 * MINUTE)}"
