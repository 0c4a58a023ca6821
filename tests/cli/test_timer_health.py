"""What the records of ticks say: alive, late, lost, doubled, and who came first; and the minute in a Job's name."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from watchbell.clock import SystemClock
from watchbell.idle import meant_minute
from watchbell.instants import MINUTE, epoch_minute
from watchbell.stores.interface import TickRecord
from watchbell.stores.local import LocalStore
from watchbell.timers import Health, count, examine, machine_name

Run = Callable[..., Any]
NOW = datetime(2026, 11, 22, 9, 0, 30, tzinfo=UTC)
NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def tick(minute: datetime, lag: float = 1, timer: str = "cron", machine: str = "a") -> TickRecord:
    return TickRecord(minute=minute, ran_at=minute + timedelta(seconds=lag), timer=timer, machine=machine)


def steady(first: int, last: int, **more: Any) -> list[TickRecord]:
    """A tick for each of the minutes before nine, from `first` to `last` ago."""
    return [tick(NINE - ago * MINUTE, **more) for ago in range(first, last - 1, -1)]


def health(records: list[TickRecord], *, now: datetime = NOW, is_older: bool = True) -> Health:
    return examine(records, since=now - timedelta(hours=1), now=now, is_older=is_older)


def test_a_tick_each_minute_is_alive_and_loses_nothing() -> None:
    found = health(steady(59, 0))
    assert found.is_alive(timedelta(seconds=150))
    assert (found.lost, found.doubled, found.ticks) == ((), (), 60)
    assert (found.start, found.end) == (NINE - 59 * MINUTE, NINE - MINUTE)


def test_lost_minutes_are_ranges_in_their_order() -> None:
    records = [one for one in steady(59, 0) if one.minute not in {NINE - ago * MINUTE for ago in (50, 20, 19, 18)}]
    found = health(records)
    assert [(one.first, one.last, one.count) for one in found.lost] == [
        (NINE - 50 * MINUTE, NINE - 50 * MINUTE, 1),
        (NINE - 20 * MINUTE, NINE - 18 * MINUTE, 3),
    ]
    assert count(found.lost) == 4


def test_the_minute_that_has_just_ended_may_still_come() -> None:
    assert health(steady(59, 2)).lost == ()
    assert [one.first for one in health(steady(59, 3)).lost] == [NINE - 2 * MINUTE]


def test_what_was_before_the_very_first_tick_is_not_lost() -> None:
    assert health(steady(10, 0), is_older=False).lost == ()
    assert count(health(steady(10, 0), is_older=True).lost) == 49


def test_a_timer_that_died_is_dead_and_every_minute_since_is_lost() -> None:
    found = health(steady(59, 30))
    assert not found.is_alive(timedelta(seconds=150))
    assert [(one.first, one.last) for one in found.lost] == [(NINE - 29 * MINUTE, NINE - 2 * MINUTE)]


def test_a_timer_that_never_ticked_has_no_figures() -> None:
    found = health([], is_older=False)
    assert not found.is_alive(timedelta(days=1))
    assert (found.lag_median, found.lag_p95, found.last, found.lost) == (None, None, None, ())


def test_a_last_tick_far_in_the_future_is_no_sign_of_life() -> None:
    assert not health([tick(NINE + 10 * MINUTE)]).is_alive(timedelta(seconds=150))


def test_the_lag_is_given_by_its_median_and_its_95th_of_a_hundred() -> None:
    records = [tick(NINE - ago * MINUTE, lag=2) for ago in range(20, 2, -1)]
    records += [tick(NINE - 2 * MINUTE, lag=30), tick(NINE - MINUTE, lag=50)]
    found = health(records)
    assert (found.lag_median, found.lag_p95) == (timedelta(seconds=2), timedelta(seconds=30))


def test_ticks_by_hand_say_nothing_about_timers() -> None:
    found = health([*steady(59, 30), tick(NINE, timer="by hand")])
    assert (found.ticks, found.is_alive(timedelta(seconds=150))) == (30, False)


def test_of_two_timers_each_has_its_share_and_who_came_first_is_counted() -> None:
    records = steady(59, 0, lag=1) + steady(59, 30, lag=5, timer="systemd", machine="b")
    records.append(tick(NINE - 5 * MINUTE, lag=0.5, timer="systemd", machine="b"))
    found = health(records)
    assert [(one.timer, one.machine, one.ticks, one.first_count) for one in found.workers] == [
        ("cron", "a", 60, 59),
        ("systemd", "b", 31, 1),
    ]
    assert count(found.doubled) == 31


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("watchbell-29394823-x7k2p", "watchbell-*"),
        ("watchbell-6d5c8f7b9-x7k2p", "watchbell-6d5c8f7b9-x7k2p"),
        ("host-3", "host-3"),
    ],
)
def test_the_pods_of_a_cronjob_count_as_one_machine(machine: str, name: str) -> None:
    assert machine_name(machine) == name


# The minute in the name of a Kubernetes Job.

SECONDS = int(NOW.timestamp())
THIS = SECONDS // 60


@pytest.mark.parametrize(
    ("job", "minute"),
    [
        (f"watchbell-{THIS}", THIS),
        (f"watchbell-{THIS - 3}", THIS - 3),
        (f"my-2-watchbell-{THIS + 2}", THIS + 2),
        (f"watchbell-{THIS + 3}", THIS),
        (f"watchbell-{THIS - 61}", THIS),
        (f"watchbell-{SECONDS}", THIS),
        ("watchbell-manual-7", THIS),
        ("watchbell", THIS),
        ("watchbell-", THIS),
        ("watchbell-²", THIS),
        ("", THIS),
    ],
)
def test_a_tick_is_meant_for_the_minute_in_its_jobs_name_if_that_is_near(job: str, minute: int) -> None:
    assert meant_minute({"WATCHBELL_JOB_NAME": job}, SECONDS) == minute


def test_without_a_job_a_tick_is_meant_for_now() -> None:
    assert meant_minute({}, SECONDS) == THIS


@pytest.mark.parametrize("how", ["the whole tick", "the idle gate"])
def test_both_paths_record_the_minute_of_the_job(process: Run, add: Run, home: Path, how: str) -> None:
    add(cron="0 0 29 2 *")
    assert process("tick").code == 0
    minute = epoch_minute(SystemClock().now()) - 4
    arguments = ["tick", "--json"] if how == "the whole tick" else ["tick"]
    ended = process(*arguments, WATCHBELL_JOB_NAME=f"watchbell-{minute}")
    assert ended.code == 0
    # The gate knows whole seconds only: its tick may seem to be the earlier one.
    assert sorted(epoch_minute(one.minute) - minute for one in records(home))[0] == 0


def records(home: Path) -> list[TickRecord]:
    store = LocalStore(home)
    try:
        return store.ticks.records(datetime(2020, 1, 1, tzinfo=UTC))
    finally:
        store.close()


# The command.


def write(home: Path, ages: list[float], **more: str) -> None:
    """Record ticks of these ages in seconds."""
    now = SystemClock().now()
    store = LocalStore(home)
    for age in sorted(ages, reverse=True):
        ran_at = now - timedelta(seconds=age)
        minute = ran_at.replace(second=0, microsecond=0)
        store.ticks.record(TickRecord(minute=minute, ran_at=ran_at, **{"timer": "cron", "machine": "a"} | more))
    store.close()


@pytest.fixture
def made(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, on a machine without any timer."""
    home.mkdir()
    monkeypatch.setenv("PATH", str(home))
    return home


def test_status_of_a_living_timer_is_0(watchbell: Run, made: Path) -> None:
    write(made, [60.0 * ago + 10 for ago in range(10)])
    ended = watchbell("timer", "status")
    assert (ended.code, ended.err) == (0, "")
    assert re.search(r"alive: the last tick ran 1[0-9] s ago \(cron on a\)", ended.out)
    assert "came first" in ended.out


def test_status_of_a_dead_timer_is_3_with_what_was_lost_and_what_to_do(watchbell: Run, made: Path) -> None:
    write(made, [60.0 * ago for ago in range(30, 40)])
    ended = watchbell("timer", "status")
    assert ended.code == 3
    assert "dead: the last tick ran 1800 s ago" in ended.out
    assert "lost       29 minute(s)" in ended.out or "lost       28 minute(s)" in ended.out
    assert "the last tick came from cron on a; nothing starts ticks here: watchbell timer install" in ended.err


def test_status_without_any_tick_is_3(watchbell: Run, made: Path) -> None:
    ended = watchbell("timer", "status")
    assert (ended.code, "dead: no timer ticked" in ended.out) == (3, True)


def test_how_old_the_last_tick_may_be_is_the_callers_choice(watchbell: Run, made: Path) -> None:
    write(made, [100.0])
    assert watchbell("timer", "status", "--max-age", "60").code == 3
    assert watchbell("timer", "status", "--max-age", "200").code == 0


def test_a_probe_can_ask_for_the_ticks_of_its_own_machine(watchbell: Run, made: Path) -> None:
    write(made, [10.0], machine="another")
    assert (watchbell("timer", "status").code, watchbell("timer", "status", "--here").code) == (0, 3)
    write(made, [5.0], machine=os.uname().nodename)
    assert watchbell("timer", "status", "--here").code == 0


def test_status_as_json_has_all_figures(watchbell: Run, made: Path) -> None:
    write(made, [60.0 * ago + 10 for ago in range(10) if ago not in (4, 5)])
    found = watchbell("timer", "status", "--json", "--hours", "1").json
    assert (found["alive"], found["ticks"], found["lost"]["count"], found["doubled"]["count"]) == (True, 8, 2, 0)
    assert found["timers"][0] | {"last_tick": ""} == {
        "timer": "cron",
        "machine": "a",
        "ticks": 8,
        "came_first": 8,
        "last_tick": "",
    }
    assert set(found["lag_seconds"]) == {"median", "p95"}
    assert [one["count"] for one in found["lost"]["ranges"]] == [2]


def test_many_lost_ranges_are_cut_to_the_latest_ten(watchbell: Run, made: Path) -> None:
    write(made, [120.0 * ago + 10 for ago in range(20)])
    assert "earlier range(s), see --json" in watchbell("timer", "status").out
