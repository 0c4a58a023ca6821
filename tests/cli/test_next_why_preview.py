"""`watchbell cron next`, `why` and `preview`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from watchbell.reports.codec import report_from_json
from watchbell_cli.demo_alerts import write_history

Run = Callable[..., Any]


def next_fires(watchbell: Run, *options: str) -> Any:
    return watchbell("cron", "next", *options, "--json").json


def test_fires_after_an_instant_across_a_clock_change_in_local_time_and_utc(watchbell: Run) -> None:
    question = ("--cron", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28T01:30Z", "--count", "2")
    assert next_fires(watchbell, *question) == ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]
    shown = watchbell("cron", "next", *question).out
    assert "Sun 2026-03-29 03:00 +02:00  2026-03-29T01:00Z" in shown


def test_an_expression_needs_no_home_and_a_task_is_asked_by_its_id_or_name(
    watchbell: Run, add: Run, home: Path
) -> None:
    question = ("--from", "2026-11-22T00:00Z", "--count", "1")
    assert next_fires(watchbell, "--cron", "0 9 * * *", *question) == ["2026-11-22T09:00Z"]
    assert not home.exists()
    task_id = add("--tz", "Asia/Kolkata", "--name", "Digest")
    assert next_fires(watchbell, task_id, *question) == ["2026-11-23T03:30Z"]
    assert next_fires(watchbell, "Digest", *question) == ["2026-11-23T03:30Z"]
    watchbell("cron", "pause", task_id)
    assert "is paused" in watchbell("cron", "next", task_id).err


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("abc", "--cron", "* * * * *"),
        ("--cron", "61 * * * *"),
        ("--cron", "* * * * *", "--tz", "Europe/Berln"),
        ("--cron", "* * * * *", "--from", "2026-11-22T09:00"),
        ("--cron", "* * * * *", "--count", "0"),
        ("--tz", "UTC"),
    ],
)
def test_a_question_that_cannot_be_answered_is_a_usage_error(watchbell: Run, options: tuple[str, ...]) -> None:
    ended = watchbell("cron", "next", *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("watchbell: error: ")


def test_the_last_fires_of_the_calendar_are_no_error(watchbell: Run) -> None:
    options = ("--cron", "0 0 1 1 *", "--from", "9999-06-01T00:00Z")
    assert next_fires(watchbell, *options) == []
    assert watchbell("cron", "next", *options).code == 0


def test_why_gives_each_field_its_verdict_and_the_run_of_the_minute(watchbell: Run, add: Run) -> None:
    task_id = add(cron="* * * * *")
    minute = watchbell("cron", "list", "--json").json[0]["next_fire"]
    answer = watchbell("cron", "why", task_id, "--at", minute, "--json").json
    assert (answer["due"], answer["run"]) == (True, None)
    assert [field["field"] for field in answer["fields"]] == ["minute", "hour", "day of month", "month", "day of week"]
    assert all(field["matches"] for field in answer["fields"])
    watchbell("tick", "--at", minute)
    assert watchbell("cron", "why", task_id, "--at", minute, "--json").json["run"]["status"] == "success"
    shown = watchbell("cron", "why", task_id, "--at", minute).out
    assert "success, started" in shown
    assert "alert log: there is no" in shown


def test_why_not_names_the_field_and_the_clock_change(watchbell: Run, add: Run) -> None:
    weekdays = add(cron="0 9 * * 1-5")
    answer = watchbell("cron", "why", weekdays, "--at", "2026-11-22T09:00:59Z", "--json").json
    assert answer["due"] is False
    assert [field["field"] for field in answer["fields"] if not field["matches"]] == ["day of week"]
    assert answer["fields"][4] == {"field": "day of week", "value": 0, "wanted": "1-5", "matches": False}
    shown = watchbell("cron", "why", weekdays, "--at", "2026-11-22T09:00Z").out
    assert "does not fire at Sun 2026-11-22 09:00 +00:00" in shown
    spring = add("--tz", "Europe/Berlin", cron="30 2 * * *")
    moved = watchbell("cron", "why", spring, "--at", "2026-03-29T01:00Z", "--json").json
    assert moved["due"] is True
    assert "02:30 does not exist" in moved["note"]


@pytest.mark.parametrize("options", [(), ("--at", "noon"), ("--at", "9999-12-31T23:59Z")])
def test_why_needs_a_minute_of_the_calendar(watchbell: Run, add: Run, options: tuple[str, ...]) -> None:
    assert watchbell("cron", "why", add(), *options).code == 2


def test_a_preview_is_the_report_with_its_window_ending_at_the_minute_and_leaves_no_trace(
    watchbell: Run, add: Run, home: Path
) -> None:
    task_id = add("--window", "6")
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    write_history(home / "alerts.jsonl", end)
    minute = f"{end - timedelta(hours=1):%Y-%m-%dT%H:%MZ}"
    ended = watchbell("cron", "preview", task_id, "--at", minute, "--as", "json")
    report = ended.json
    assert (ended.code, report["window"]["end"]) == (0, minute)
    assert report["window"]["start"] == f"{end - timedelta(hours=7):%Y-%m-%dT%H:%MZ}"
    assert {"title", "kind", "verdict", "coverage", "numbers", "alerts", "actions", "sections"} <= report.keys()
    assert report["coverage"][0]["status"] == "ok"
    assert report_from_json(report).kind == "daily_summary"
    assert "QueueBacklog" in watchbell("cron", "preview", task_id).out
    assert watchbell("cron", "logs", task_id, "--json").json == []


def test_a_preview_without_a_source_is_a_notice_or_for_kinds_that_raise_exit_code_6(watchbell: Run, add: Run) -> None:
    ended = watchbell("cron", "preview", add(), "--as", "json")
    assert (ended.code, ended.json["verdict"]) == (0, "UNKNOWN")
    assert ended.json["reason"].startswith("pipeline unavailable: ")
    replay = watchbell("cron", "preview", add("--kind", "incident_window_replay"))
    assert (replay.code, replay.out) == (6, "")


def test_no_credential_of_a_task_reaches_its_preview(watchbell: Run, add: Run) -> None:
    task_id = add("--kind", "custom_investigation", "--param", "bot_token=sekret-sekret", "--param", "question=why")
    for form in ("text", "json"):
        assert "sekret" not in json.dumps(watchbell("cron", "preview", task_id, "--as", form).out)
