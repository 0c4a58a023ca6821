"""`watchbell cron run` and `logs`."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from watchbell.claims import Gap, GapStatus
from watchbell.instants import parse_instant
from watchbell.stores.local import LocalStore
from watchbell.stores.local.task_index import write_gaps
from watchbell_cli.tables import text_width

from .conftest import command

Run = Callable[..., Any]


def test_a_run_delivers_now_says_the_outcome_of_each_target_and_is_in_the_logs(watchbell: Run, add: Run) -> None:
    task_id = add("--target", "console:second", "--provider", "console")
    ended = watchbell("cron", "run", task_id)
    assert ended.code == 0
    assert re.search(r"^status +success$", ended.out, re.MULTILINE)
    assert re.search(r"^console:stdout +delivered \(stdout:1\)$", ended.out, re.MULTILINE)
    assert re.search(r"^console:second +delivered \(second:\d\)$", ended.out, re.MULTILINE)
    assert "success" in watchbell("cron", "logs", task_id).out


def test_a_target_written_by_hand_with_a_space_is_told_once(watchbell: Run, add: Run, tasks_file: Path) -> None:
    task_id = add()
    (task,) = json.loads(tasks_file.read_text())
    tasks_file.write_text(json.dumps([task | {"targets": ["console: b"]}]))
    told = watchbell("cron", "run", task_id, "--json").json["deliveries"]
    assert [(one["target"], one["outcome"]) for one in told] == [
        ("console:stdout", "delivered"),
        ("console:b", "delivered"),
    ]


def test_json_of_a_run_stands_alone_on_standard_output(watchbell: Run, add: Run) -> None:
    ended = watchbell("cron", "run", add(), "--json")
    run = ended.json
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z-[0-9a-f]{4}", run["fire_time"])
    assert (run["adhoc"], run["status"], run["attempt"], run["exit_code"]) == (True, "success", 1, 0)
    assert run["run_id"] == f"{run['task_id']}@{run['fire_time']}"
    (delivery,) = run["deliveries"]
    assert (delivery["target"], delivery["outcome"]) == ("console:stdout", "delivered")
    assert "Daily summary" in ended.err


def test_a_run_works_on_paused_and_disabled_tasks_and_moves_no_schedule(watchbell: Run, add: Run) -> None:
    task_id = add(cron="0 0 1 1 *")
    before = watchbell("cron", "list", "--json").json[0]["next_fire"]
    watchbell("cron", "run", task_id)
    assert watchbell("cron", "list", "--json").json[0]["next_fire"] == before
    watchbell("cron", "pause", task_id)
    assert watchbell("cron", "run", task_id).code == 0
    watchbell("cron", "edit", task_id, "--disable")
    assert watchbell("cron", "run", task_id).code == 0


def test_without_credentials_a_run_fails_with_exit_code_4_and_says_what_to_set(watchbell: Run, add: Run) -> None:
    ended = watchbell("cron", "run", add("--provider", "slack", "--chat-id", "C1"))
    assert ended.code == 4
    assert "SLACK_BOT_TOKEN" in ended.out


def test_a_kind_that_raises_fails_with_exit_code_6(watchbell: Run, add: Run) -> None:
    task_id = add("--kind", "incident_window_replay")
    ended = watchbell("cron", "run", task_id, "--json")
    assert (ended.code, ended.json["status"], ended.json["deliveries"]) == (6, "failed", [])
    assert watchbell("cron", "logs", task_id, "--json").json[0]["exit_code"] == 6


@contextmanager
def busy_slack() -> Iterator[str]:
    """A Slack that asks everyone to come back in ten minutes."""

    class Busy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(429)
            self.send_header("Retry-After", "60")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


def test_ctrl_c_ends_a_run_that_waits_and_what_did_not_arrive_is_on_record(watchbell: Run, add: Run) -> None:
    task_id = add("--provider", "slack", "--chat-id", "C1")
    with busy_slack() as url:
        environ = os.environ | {"WATCHBELL_SLACK_API_URL": url, "SLACK_BOT_TOKEN": "xoxb-1-abcdefgh"}
        run = subprocess.Popen(command("cron", "run", task_id, "--json"), env=environ, stdout=subprocess.PIPE)
        wait_for(lambda: [run["deliveries"] for run in logged(watchbell, task_id)] not in ([], [[]]))
        run.send_signal(signal.SIGINT)
        out, _ = run.communicate(timeout=40)
    assert run.returncode != 0
    done = json.loads(out)
    assert done["status"] != "running"
    assert [delivery["outcome"] for delivery in done["deliveries"]] == ["not_sent"]
    assert logged(watchbell, task_id)[0] == done


def test_a_second_ctrl_c_ends_a_run_at_once_and_the_next_tick_records_it_as_abandoned(watchbell: Run, add: Run) -> None:
    task_id = add(cron="0 0 1 1 *")
    with silent_server() as url:
        environ = os.environ | {"WATCHBELL_PROMETHEUS_URL": url}
        run = subprocess.Popen(command("cron", "run", task_id), env=environ, stdout=subprocess.DEVNULL)
        wait_for(lambda: logged(watchbell, task_id))
        time.sleep(0.2)
        run.send_signal(signal.SIGINT)
        time.sleep(1)  # two that come at once are one
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=20) == 130
    assert logged(watchbell, task_id)[0]["status"] == "running"
    watchbell("tick")
    assert logged(watchbell, task_id)[0]["status"] == "abandoned"


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that takes connections and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def logged(watchbell: Run, task_id: str) -> list[dict[str, Any]]:
    return list(watchbell("cron", "logs", task_id, "--json").json)


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def gap(task_id: str, first: str, last: str, count: int) -> Gap:
    span = {"first": parse_instant(first), "last": parse_instant(last)}
    return Gap(task_id=task_id, status=GapStatus.MISSED, reason="no tick", count=count, **span)


def record_gaps(home: Path, *gaps: Gap) -> None:
    store = LocalStore(home)
    with store._database.write() as connection:
        write_gaps(connection, gaps, 0.0)
    store.close()


@pytest.fixture
def ledger(watchbell: Run, add: Run, home: Path) -> str:
    """A task with a run, a missed range before it, and one in its future."""
    task_id = add()
    watchbell("cron", "run", task_id)
    record_gaps(
        home,
        gap(task_id, "2020-01-01T09:00Z", "2020-01-05T09:00Z", 5),
        gap(task_id, "2099-01-01T09:00Z", "2099-01-01T09:00Z", 1),
    )
    return str(task_id)


def test_logs_are_runs_and_ranges_without_a_run_newest_first(watchbell: Run, ledger: str) -> None:
    entries = logged(watchbell, ledger)
    assert [entry["status"] for entry in entries] == ["missed", "success", "missed"]
    assert (entries[2]["first"], entries[2]["last"]) == ("2020-01-01T09:00Z", "2020-01-05T09:00Z")
    assert (entries[2]["count"], entries[2]["reason"], entries[2]["run_id"]) == (5, "no tick", None)
    assert entries[1].keys() <= entries[2].keys()
    table = watchbell("cron", "logs", ledger).out
    assert "5 fire times: no tick" in table
    assert "2020-01-01T09:00Z" in table
    assert max(map(text_width, table.splitlines())) <= 80


def test_why_names_the_range_that_a_missed_fire_is_in(watchbell: Run, ledger: str) -> None:
    answer = watchbell("cron", "why", ledger, "--at", "2020-01-03T09:00Z", "--json").json
    assert (answer["due"], answer["run"], answer["gap"]["reason"]) == (True, None, "no tick")
    assert "none: missed (no tick)" in watchbell("cron", "why", ledger, "--at", "2020-01-03T09:00Z").out
    assert watchbell("cron", "why", ledger, "--at", "2020-01-03T10:00Z", "--json").json["gap"] is None
    assert "still to come" in watchbell("cron", "why", ledger, "--at", "2090-01-02T09:00Z").out


def test_a_run_that_waits_says_when_it_is_tried_again(watchbell: Run, ledger: str, home: Path) -> None:
    store = LocalStore(home)
    with store._database.write() as connection:
        connection.execute("UPDATE runs SET status = 'waiting', wake_at = 4102444800")
    store.close()
    assert "to be tried again from 2100-01-01T00:00:00Z on" in watchbell("cron", "logs", ledger).out


def test_logs_are_paged_and_say_how_to_go_on(watchbell: Run, ledger: str) -> None:
    seen, before = [], ()
    for _ in range(3):
        ended = watchbell("cron", "logs", ledger, "--json", "--limit", "1", *before)
        seen += [entry["fire_time"] for entry in ended.json]
        before = ("--before", seen[-1])
        assert (f"--before {seen[-1]}" in ended.err) is (len(seen) < 3)
    assert seen == [entry["fire_time"] for entry in logged(watchbell, ledger)]
    assert watchbell("cron", "logs", ledger, "--json", *before).json == []


@pytest.mark.parametrize("options", [("--limit", "0"), ("--limit", "x"), ("--before", "yesterday")])
def test_a_mistyped_page_is_a_usage_error(watchbell: Run, ledger: str, options: tuple[str, ...]) -> None:
    assert watchbell("cron", "logs", ledger, *options).code == 2


def test_a_task_that_has_not_fired_says_so_and_an_unknown_one_is_refused(watchbell: Run, add: Run) -> None:
    task_id = add()
    ended = watchbell("cron", "logs", task_id)
    assert (ended.code, ended.out) == (0, "")
    assert "has not fired yet" in ended.err
    assert watchbell("cron", "logs", task_id, "--json").json == []
    assert watchbell("cron", "logs", "zzzz").code == 2


def test_logs_of_a_removed_task_that_never_fired_point_at_no_command_that_refuses_it(watchbell: Run, add: Run) -> None:
    task_id = add()
    watchbell("cron", "remove", task_id)
    ended = watchbell("cron", "logs", task_id)
    assert (ended.code, ended.out) == (0, "")
    assert "there is no task with this id" in ended.err
    assert "cron next" not in ended.err


def test_errors_stand_below_their_run_across_the_whole_width_with_nothing_that_steers_a_terminal(
    watchbell: Run, add: Run, home: Path
) -> None:
    task_id = add()
    watchbell("cron", "run", task_id)
    store = LocalStore(home)
    with store._database.write() as connection:
        connection.execute(
            "UPDATE runs SET error = ?", ("\x1b]0;pwned\x07 boom " + "word " * 40 + "xoxb-1-secretsecret",)
        )
    store.close()
    table = watchbell("cron", "logs", task_id).out
    assert "error: " in table
    assert "\x1b" not in table
    assert "secretsecret" not in table + watchbell("cron", "logs", task_id, "--json").out
    assert max(map(text_width, table.splitlines())) <= 80
