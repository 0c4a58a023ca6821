"""`watchbell cron audit`: clean when the ledger is whole; a gap or a twin made by hand in the database is found."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from watchbell.instants import epoch_minute, floor_minute, format_minute

Run = Callable[..., Any]

HOUR = timedelta(hours=1)


@pytest.fixture
def task_id(watchbell: Run, add: Run, home: Path) -> str:
    """An hourly task of three days ago whose fires have all been settled: ran, and one range of missed ones."""
    task_id = add("--name", "Digest", cron="0 * * * *")
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    begins = this_hour - 72 * HOUR
    with database(home) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'ledger_starts'", (format_minute(begins),))
        connection.execute("UPDATE schedules SET from_minute = ?", (epoch_minute(begins),))
        connection.execute("UPDATE tasks SET next_fire = ?", (epoch_minute(this_hour + HOUR),))
        for number in range(73):
            fire = begins + number * HOUR
            if not 10 <= number < 14:
                insert_run(connection, task_id, fire)
        insert_gap(connection, task_id, begins + 10 * HOUR, begins + 13 * HOUR, 4)
    return task_id


@contextmanager
def database(home: Path) -> Iterator[sqlite3.Connection]:
    """Give a transaction on the ledger."""
    with closing(sqlite3.connect(home / "scheduler.db")) as connection, connection:
        yield connection


def insert_run(connection: sqlite3.Connection, task_id: str, fire: datetime, late: float = 3.0) -> None:
    connection.execute(
        "INSERT INTO runs (task_id, fire_time, adhoc, status, attempt, lease_until, due_at, deliver_until, started_at,"
        " definition) VALUES (?, ?, 0, 'success', 1, 0, ?, 0, ?, '{}')",
        (task_id, format_minute(fire), fire.timestamp(), fire.timestamp() + late),
    )


def insert_gap(connection: sqlite3.Connection, task_id: str, first: datetime, last: datetime, count: int) -> None:
    connection.execute(
        "INSERT INTO gaps (task_id, status, reason, first_fire, last_fire, count, recorded_at)"
        " VALUES (?, 'missed', 'no tick', ?, ?, ?, 0)",
        (task_id, epoch_minute(first), epoch_minute(last), count),
    )


def back(hours: int) -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - hours * HOUR


def test_a_whole_ledger_is_clean_with_its_counts(watchbell: Run, task_id: str) -> None:
    ended = watchbell("cron", "audit")
    assert (ended.code, ended.err) == (0, "")
    for said in ("whole: no gaps, no twins", "73 fire times of 1 task", "4: no tick 4", "Digest", "69 on time"):
        assert said in ended.out
    assert "nothing older is known here" in ended.out
    (one,) = watchbell("cron", "audit", task_id, "--since", "24h", "--json").json["tasks"]
    assert (one["clean"], one["expected"], one["ran"], one["missed"]) == (True, 24, 24, {})


def test_a_run_taken_out_of_the_database_is_a_gap_with_exit_code_5(watchbell: Run, task_id: str, home: Path) -> None:
    with database(home) as connection:
        connection.execute("DELETE FROM runs WHERE fire_time IN (?, ?)", tuple(map(format_minute, (back(5), back(4)))))
    ended = watchbell("cron", "audit")
    assert ended.code == 5
    assert "NOT WHOLE: 1 gap (2 fire times), 0 twins" in ended.out
    assert f"gap: {format_minute(back(5))} to {format_minute(back(4))}" in ended.out
    (one,) = watchbell("cron", "audit", "--json").json["tasks"]
    assert (one["clean"], one["gaps"][0]["count"]) == (False, 2)


def test_a_range_over_a_run_is_a_twin_with_exit_code_5(watchbell: Run, task_id: str, home: Path) -> None:
    with database(home) as connection:
        insert_gap(connection, task_id, back(3), back(3), 1)
    ended = watchbell("cron", "audit")
    assert ended.code == 5
    assert f"twin: {format_minute(back(3))}: 1 run(s) and 1 range(s)" in ended.out


def test_a_run_that_nothing_expected_is_listed_with_exit_code_5(watchbell: Run, task_id: str, home: Path) -> None:
    with database(home) as connection:
        insert_run(connection, task_id, back(3) + timedelta(minutes=17))
    ended = watchbell("cron", "audit")
    assert ended.code == 5
    assert "a run at a time at which nothing was expected" in ended.out


def test_a_dead_timer_is_found_though_nothing_was_written(watchbell: Run, task_id: str, home: Path) -> None:
    with database(home) as connection:
        connection.execute("DELETE FROM runs WHERE due_at > ?", (back(6).timestamp(),))
        connection.execute("UPDATE tasks SET next_fire = ?", (epoch_minute(back(5)),))
    ended = watchbell("cron", "audit")
    assert ended.code == 5
    assert "no tick has settled it" in ended.out


def test_what_is_due_within_its_grace_is_open_and_clean(watchbell: Run, add: Run, home: Path) -> None:
    add(cron="* * * * *")
    now = floor_minute(datetime.now(UTC))
    with database(home) as connection:
        for table, column in (("schedules", "from_minute"), ("tasks", "next_fire")):
            connection.execute(f"UPDATE {table} SET {column} = ?", (epoch_minute(now) - 2,))
        connection.execute("UPDATE meta SET value = ? WHERE key = 'ledger_starts'", (format_minute(now - HOUR),))
    ended = watchbell("cron", "audit", "--json")
    assert (ended.code, ended.json["clean"]) == (0, True)
    assert len(ended.json["tasks"][0]["open"]) in (3, 4)


def test_missed_fires_count_when_that_is_asked_for(watchbell: Run, task_id: str) -> None:
    assert watchbell("cron", "audit", "--fail-on-missed").code == 7
    assert watchbell("cron", "audit", "--fail-on-missed", "--since", "24h").code == 0


def test_a_late_run_is_counted_and_caught_up_when_no_tick_was_there(watchbell: Run, task_id: str, home: Path) -> None:
    with database(home) as connection:
        for hours in (2, 3):
            connection.execute(
                "UPDATE runs SET started_at = due_at + 900 WHERE fire_time = ?", (format_minute(back(hours)),)
            )
        ran_at = back(2).timestamp() + 5
        connection.execute("INSERT INTO ticks (minute, ran_at, timer, machine) VALUES (0, ?, 'cron', 'm')", (ran_at,))
    (one,) = watchbell("cron", "audit", "--json").json["tasks"]
    assert (one["late"], one["caught_up"]) == (2, 1)
    shown = watchbell("cron", "audit").out
    assert "69: 67 on time, 2 late (1 of them caught up after lost ticks)" in shown
    heading, row = (line.split() for line in shown.splitlines() if "LATE" in line or "Digest" in line)
    assert row[1:][heading.index("LATE")] == "2"  # a task's cell is two words, its id and its name


def test_a_removed_task_is_audited_and_ad_hoc_runs_are_none_of_its_business(watchbell: Run, task_id: str) -> None:
    watchbell("cron", "run", task_id)
    watchbell("cron", "remove", task_id)
    ended = watchbell("cron", "audit", task_id[:6], "--json")
    assert (ended.code, ended.json["tasks"][0]["ran"]) == (0, 69)


def test_a_task_that_no_tick_has_seen_is_named_with_exit_code_5(watchbell: Run, task_id: str, tasks_file: Path) -> None:
    tasks = json.loads(tasks_file.read_text())
    tasks_file.write_text(json.dumps([*tasks, tasks[0] | {"id": "byhand", "name": ""}]))
    ended = watchbell("cron", "audit")
    assert ended.code == 5
    assert "nothing is known of byhand" in ended.err
    assert not watchbell("cron", "audit", "--json").json["clean"]
    assert watchbell("cron", "audit", task_id).code == 0


def test_a_tasks_file_that_cannot_be_read_is_said_with_exit_code_3_while_the_ledger_is_still_audited(
    watchbell: Run, task_id: str, tasks_file: Path
) -> None:
    tasks_file.write_text("[{")
    ended = watchbell("cron", "audit")
    assert ended.code == 3
    assert "whole: no gaps" in ended.out
    assert "line 1" in ended.err


def test_an_empty_home_has_no_ledger_and_says_so(watchbell: Run, home: Path) -> None:
    home.mkdir()
    ended = watchbell("cron", "audit")
    assert ended.code == 0
    assert "there is no ledger yet" in ended.out


@pytest.mark.parametrize("since", ["yesterday", "5w", "2026-11-22", "999999d", "-3d"])
def test_a_since_that_cannot_be_read_is_refused_in_one_line(watchbell: Run, task_id: str, since: str) -> None:
    ended = watchbell("cron", "audit", f"--since={since}")
    assert (ended.code, ended.out) == (2, "")
    assert "--since" in ended.err


def test_what_real_ticks_have_done_is_whole(watchbell: Run, add: Run, home: Path) -> None:
    add(cron="* * * * *")
    for ahead in (1, 2):
        minute = format_minute(datetime.now(UTC) + timedelta(minutes=ahead))
        assert watchbell("tick", "--at", minute).code == 0
    (one,) = watchbell("cron", "audit", "--json").json["tasks"]
    assert one["clean"]
    assert one["ran"] + sum(one["missed"].values()) == one["expected"] >= 1
