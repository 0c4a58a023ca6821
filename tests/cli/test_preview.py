"""`watchbell cron preview`: what a target would get, in each dialect and as a page, and nothing is sent or recorded."""

import json
import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from watchbell.delivery.interface import Stamp
from watchbell.delivery.render import discord, slack, telegram
from watchbell.reports.codec import report_from_json
from watchbell.reports.interface import Report
from watchbell_cli.demo_alerts import write_history

Run = Callable[..., Any]
HOSTILE = "<script>alert(1)</script> <!channel> @everyone $x^2$"
END = datetime.now(UTC).replace(second=0, microsecond=0)
MINUTE = f"{END:%Y-%m-%dT%H:%MZ}"


def minutes_ago(minutes: int) -> str:
    return f"{END - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"


def alert(name: str, *, ago: int) -> tuple[int, dict[str, Any]]:
    """Return an alert that fires since so many minutes, as Alertmanager told of it then."""
    fires = {"status": "firing", "labels": {"alertname": name}, "annotations": {}, "endsAt": "0001-01-01T00:00:00Z"}
    return ago, {"version": "4", "status": "firing", "alerts": [fires | {"startsAt": minutes_ago(ago)}]}


def write_alerts(home: Path, alerts: list[tuple[int, dict[str, Any]]]) -> None:
    """Write the log of three days with its heartbeat, and these alerts in it."""
    told = [*alerts, *((60 * hour, alert("Watchdog", ago=10_000)[1]) for hour in range(72))]
    lines = [{"received_at": minutes_ago(ago), "payload": payload} for ago, payload in sorted(told, key=first)[::-1]]
    (home / "alerts.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def first(pair: tuple[int, Any]) -> int:
    return pair[0]


@pytest.fixture
def task(add: Run, home: Path) -> str:
    task_id: str = add("--name", HOSTILE)
    write_history(home / "alerts.jsonl", END)
    return task_id


@pytest.fixture
def show(watchbell: Run, task: str) -> Run:
    def run(form: str, *options: str) -> Any:
        ended = watchbell("cron", "preview", task, "--at", MINUTE, "--as", form, *options)
        assert ended.code == 0, ended.err
        return ended

    return run


def report_of(show: Run) -> Report:
    return report_from_json(show("json").json)


@pytest.mark.parametrize(("form", "dialect"), [("slack", slack), ("discord", discord)])
def test_slack_and_discord_are_the_messages_as_they_would_be_posted(
    show: Run, task: str, form: str, dialect: Any
) -> None:
    messages = dialect.messages(report_of(show), Stamp(task_id=task, fire_time=MINUTE))
    assert show(form).json == json.loads(json.dumps(messages))


def test_telegram_is_the_html_of_each_message(show: Run, task: str) -> None:
    (message,) = telegram.messages(report_of(show), Stamp(task_id=task, fire_time=MINUTE))
    shown = show("telegram").out
    assert shown == f"{message['text']}\n"
    assert "&lt;script&gt;" in shown


def test_several_messages_are_told_apart(watchbell: Run, add: Run, home: Path) -> None:
    task_id = add("--kind", "incident_window_replay")
    write_alerts(home, [alert(f"{number} {'long' * 30}", ago=number) for number in range(1, 60)])
    shown = watchbell("cron", "preview", task_id, "--at", MINUTE, "--as", "telegram").out
    numbers = re.findall(r"<!-- message (\d+) of (\d+) -->", shown)
    assert len(numbers) > 1
    assert numbers == [(str(number), str(len(numbers))) for number in range(1, len(numbers) + 1)]


def test_names_of_alerts_are_text_in_the_page_and_in_its_charts(watchbell: Run, add: Run, home: Path) -> None:
    task_id = add()
    write_alerts(home, [alert(HOSTILE, ago=30), alert("$\\frac{1}{0}$ \u202e 证书", ago=90)])
    source = watchbell("cron", "preview", task_id, "--at", MINUTE, "--as", "html").out
    assert "<script" not in source
    assert "&lt;script&gt;" in source
    assert source.count("<img") == 2


def test_a_page_is_written_to_a_file_with_its_pictures(show: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ended = show("html", "--output", str(page))
    assert (ended.out, ended.err.splitlines()[0]) == ("", f"written to {page}")
    source = page.read_text()
    assert source.startswith("<!doctype html>")
    assert "<script" not in source
    assert len(re.findall(r'src="data:image/png;base64,', source)) == 2


def test_a_page_on_standard_output_is_the_same_page(show: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    show("html", "--output", str(page))
    assert show("html").out == page.read_text()


def test_what_a_form_cannot_show_is_told_on_standard_error(show: Run) -> None:
    for form in ("text", "slack", "telegram", "discord"):
        assert "with 2 image(s) below it" in show(form).err
    for form in ("html", "json"):
        assert "image(s)" not in show(form).err


def test_the_report_as_json_holds_its_charts(show: Run) -> None:
    report = report_of(show)
    assert [image.name for image in report.images] == ["firing-timeline", "firings-over-time"]
    for image in report.images:
        width, height = struct.unpack(">II", image.png[16:24])
        assert (width, image.png[:4]) == (1012, b"\x89PNG")
        assert width + height <= 10_000  # Telegram takes no more


def test_charts_can_be_turned_off(show: Run, home: Path) -> None:
    (home / "config.toml").write_text("charts = false\n")
    report = report_of(show)
    assert report.images == ()
    assert not [section for section in report.sections if "Firings per" in section.title]


@pytest.mark.parametrize("value", ['"yes"', "1"])
def test_charts_are_true_or_false(watchbell: Run, task: str, home: Path, value: str) -> None:
    (home / "config.toml").write_text(f"charts = {value}\n")
    ended = watchbell("cron", "preview", task)
    assert ended.code == 3
    assert "charts must be of type bool" in ended.err


def test_a_preview_has_the_window_that_the_next_run_would_have(watchbell: Run, add: Run, home: Path) -> None:
    write_history(home / "alerts.jsonl", END)
    task_id = add("--window", "since-last", cron="* * * * *")

    def window(at: str) -> Any:
        return watchbell("cron", "preview", task_id, "--at", at, "--as", "json").json["window"]

    first = watchbell("cron", "list", "--json").json[0]["next_fire"]
    assert window(first)["note"] == "no report before it, so 24 hours"
    assert watchbell("tick", "--at", first).code == 0
    later = datetime.fromisoformat(first) + timedelta(hours=3)
    shown = window(f"{later:%Y-%m-%dT%H:%MZ}")
    assert (shown["start"], shown["note"]) == (first, "since the last report; 179 fires between brought none")
    assert [run["fire_time"] for run in watchbell("cron", "logs", task_id, "--json").json] == [first]


def test_a_report_that_would_not_be_sent_says_so(watchbell: Run, add: Run, home: Path) -> None:
    task_id = add("--skip-if-quiet")
    write_alerts(home, [])
    ended = watchbell("cron", "preview", task_id, "--at", MINUTE)
    assert "OK" in ended.out.splitlines()[0]
    assert "a tick would send nothing" in ended.err


def test_a_run_asked_for_by_hand_is_sent_though_all_is_well(watchbell: Run, add: Run, home: Path) -> None:
    task_id = add("--skip-if-quiet")
    write_alerts(home, [])
    ended = watchbell("cron", "run", task_id, "--json")
    assert (ended.code, ended.json["verdict"], ended.json["status"]) == (0, "OK", "success")


def test_a_window_before_all_monitoring_is_a_usage_error(watchbell: Run, task: str) -> None:
    ended = watchbell("cron", "preview", task, "--at", "0001-01-01T00:00Z")
    assert (ended.code, ended.out) == (2, "")
    assert "01-01T00:00Z is before 1970" in ended.err


def test_a_file_that_cannot_be_written_is_a_usage_error(watchbell: Run, task: str, tmp_path: Path) -> None:
    ended = watchbell("cron", "preview", task, "--output", str(tmp_path / "no" / "such" / "folder"))
    assert (ended.code, ended.out) == (2, "")
    assert "--output: " in ended.err


def test_an_unknown_form_is_a_usage_error(watchbell: Run, task: str) -> None:
    assert watchbell("cron", "preview", task, "--as", "pdf").code == 2


def test_a_rehearsed_tick_shows_the_same_report_and_says_which_would_be_quiet(
    watchbell: Run, add: Run, home: Path
) -> None:
    task_id = add("--window", "since-last", cron="* * * * *")
    silent = add("--skip-if-quiet", cron="* * * * *")
    write_alerts(home, [])
    ended = watchbell("tick", "--at", MINUTE, "--dry-run", "--json")
    rehearsed = {run["task_id"]: run for run in ended.json["runs"]}
    shown = watchbell("cron", "preview", task_id, "--at", MINUTE, "--as", "json").json
    assert rehearsed[task_id]["report"]["window"] == shown["window"]
    assert (len(rehearsed[task_id]["messages"]), rehearsed[silent]["messages"]) == (1, [])
    assert "it would be quiet" in watchbell("tick", "--at", MINUTE, "--dry-run").err
