"""`watchbell cron upcoming` and the filters of `cron list`: what is ahead, of all tasks, in order."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from watchbell.instants import format_minute
from watchbell.planning.forecast import clock_changes, count_fires, fires_in_order
from watchbell.tasks import task_from_json

Run = Callable[..., Any]


def raw(task_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": task_id, "kind": "daily_summary", "cron": "0 9 * * 1-5", "provider": "console", "chat_id": "stdout",
    } | fields  # fmt: skip


def write(home: Path, *tasks: dict[str, Any]) -> None:
    home.mkdir(exist_ok=True)
    (home / "scheduler_tasks.json").write_text(json.dumps(tasks))


def test_the_fires_of_all_tasks_come_in_order_within_the_hours_asked_for(watchbell: Run, home: Path) -> None:
    write(home, raw("aaaa", cron="*/20 * * * *"), raw("bbbb", cron="5 * * * *", timezone="Asia/Kolkata", name="Digest"))
    shown = watchbell("cron", "upcoming", "--hours", "6", "--json").json
    times = [fire["fire_time"] for fire in shown["fires"]]
    assert times == sorted(times)
    assert (len(times), shown["total"]) == (24, 24)
    assert {fire["task_id"] for fire in shown["fires"]} == {"aaaa", "bbbb"}
    assert all(fire["local"].endswith("+05:30") for fire in shown["fires"] if fire["task_id"] == "bbbb")
    table = watchbell("cron", "upcoming").out
    assert "Asia/Kolkata" in table
    assert "Digest" in table


def test_only_the_tasks_that_are_named_are_shown(watchbell: Run, home: Path) -> None:
    write(home, raw("aaaa", cron="* * * * *"), raw("bbbb", cron="* * * * *", name="Digest"))
    shown = watchbell("cron", "upcoming", "Digest", "--hours", "1", "--json").json
    assert {fire["task_id"] for fire in shown["fires"]} == {"bbbb"}
    assert watchbell("cron", "upcoming", "zzzz").code == 2


def test_what_is_paused_or_disabled_is_said_and_does_not_fire(watchbell: Run, home: Path) -> None:
    write(
        home,
        raw("aaaa", cron="* * * * *", paused_until="forever"),
        raw("bbbb", cron="* * * * *", enabled=False, name="Old"),
        raw("cccc", cron="* * * * *", paused_until="2099-01-01T00:00Z"),
    )
    ended = watchbell("cron", "upcoming")
    assert (ended.code, ended.out) == (0, "")
    for said in ("nothing fires", "aaaa is paused", "bbbb (Old) is disabled", "cccc is paused until 2099-01-01"):
        assert said in ended.err
    assert len(watchbell("cron", "upcoming", "--json").json["silent"]) == 3


def test_a_pause_that_ends_soon_leaves_the_fires_after_it(watchbell: Run, home: Path) -> None:
    ends = datetime.now(UTC) + timedelta(hours=2)
    write(home, raw("aaaa", cron="* * * * *", paused_until=ends.isoformat()))
    fires = watchbell("cron", "upcoming", "--hours", "3", "--json").json["fires"]
    assert fires[0]["fire_time"] >= format_minute(ends)
    assert 55 <= len(fires) <= 62


def test_clock_changes_are_named_with_what_they_do_to_a_fire(watchbell: Run, home: Path) -> None:
    write(home, raw("aaaa", cron="30 2 * * *", timezone="Europe/Berlin"))
    ended = watchbell("cron", "upcoming", "--hours", str(24 * 365), "--limit", "400")
    assert ended.code == 0
    assert "clocks go forward from 02:00 to 03:00" in ended.err
    assert "clocks go back from 03:00 to 02:00" in ended.err
    assert "02:30 does not exist" in ended.out


def test_a_change_is_found_to_the_minute() -> None:
    start = datetime(2026, 10, 24, 22, 17, tzinfo=UTC)
    (change,) = clock_changes("Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC), start)
    assert format_minute(change.at) == "2026-10-03T15:30Z"
    assert (change.before, change.after) == (timedelta(hours=10, minutes=30), timedelta(hours=11))
    assert clock_changes("Asia/Kolkata", start, start + timedelta(days=365)) == []


def test_ten_thousand_tasks_are_shown_in_a_moment_and_what_is_left_out_is_counted() -> None:
    tasks = [task_from_json(raw(f"t{number}", cron=f"{number % 60} * * * *")) for number in range(10_000)]
    start = datetime(2026, 11, 22, 9, tzinfo=UTC)
    began = time.monotonic()
    stream = fires_in_order(tasks, start, start + timedelta(days=365))
    first = [next(stream)[1].id for _ in range(200)]
    total = count_fires(tasks, start, start + timedelta(days=365))
    assert time.monotonic() - began < 10
    assert first == [f"t{number * 60}" for number in range(167)] + [f"t{number * 60 + 1}" for number in range(33)]
    assert total == 10_000 * 24 * 365


def test_more_than_the_limit_is_said(watchbell: Run, home: Path) -> None:
    write(home, raw("aaaa", cron="* * * * *"))
    ended = watchbell("cron", "upcoming", "--limit", "10")
    assert len(ended.out.splitlines()) == 11
    assert "and 1430 more" in ended.err


def test_a_broken_task_is_named_with_exit_code_3_while_the_good_ones_are_shown(watchbell: Run, home: Path) -> None:
    write(home, raw("aaaa", cron="* * * * *"), raw("bbbb", cron="99 * * * *"))
    ended = watchbell("cron", "upcoming", "--limit", "3")
    assert ended.code == 3
    assert "aaaa" in ended.out
    assert "[1].cron" in ended.err


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (("--kind", "weekly_audit"), ["bbbb"]),
        (("--provider", "slack"), ["bbbb", "cccc"]),
        (("--name", "DIG"), ["aaaa"]),
        (("--disabled",), ["cccc"]),
        (("--enabled",), ["aaaa", "bbbb"]),
        (("--paused",), ["bbbb"]),
        (("--provider", "slack", "--enabled"), ["bbbb"]),
        (("--provider", "discord"), []),
    ],
)
def test_the_list_is_filtered(watchbell: Run, home: Path, options: tuple[str, ...], ids: list[str]) -> None:
    write(
        home,
        raw("aaaa", name="My digest"),
        raw("bbbb", kind="weekly_audit", targets=["slack:C1"], paused_until="forever"),
        raw("cccc", provider="slack", chat_id="C2", enabled=False),
    )
    ended = watchbell("cron", "list", *options, "--json")
    assert (ended.code, [task["id"] for task in ended.json]) == (0, ids)
    if not ids:
        assert "none of the 3 tasks" in ended.err


def test_a_filter_that_does_not_exist_is_refused_with_the_choices(watchbell: Run, home: Path) -> None:
    write(home, raw("aaaa"))
    ended = watchbell("cron", "list", "--kind", "dayly")
    assert (ended.code, ended.out) == (2, "")
    assert "daily_summary" in ended.err
