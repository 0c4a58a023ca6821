"""`watchbell cron retry` and `resolve`, with the chat server behind them."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.chat_server import ChatServer
from watchbell.stores.local import LocalStore

from .conftest import command

Run = Callable[..., Any]
REPEAT = "may be a repeat"


@pytest.fixture
def server(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """A chat server that the commands talk to."""
    with ChatServer() as running:
        variables = {
            "WATCHBELL_SLACK_API_URL": running.slack_url,
            "WATCHBELL_TELEGRAM_API_URL": running.telegram_url,
            "SLACK_BOT_TOKEN": "xoxb-1111-slack-token",
            "TELEGRAM_BOT_TOKEN": "123456789:telegram-token-of-thirty-characters-0000",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def partial(server: ChatServer, watchbell: Run, add: Run) -> str:
    """A task whose newest run reached C1, and was refused by C2, which lets the bot in since."""
    task_id = add("--target", "slack:C1", "--target", "slack:C2", "--name", "night@shop")
    server.deny("C2", "membership")
    ended = watchbell("cron", "run", task_id)
    assert (ended.code, "partial" in ended.out) == (7, True)
    server.allow("C2", "membership")
    return str(task_id)


@pytest.fixture
def unknown(server: ChatServer, watchbell: Run, add: Run) -> str:
    """A task whose newest run may have arrived, and did."""
    task_id = add("--target", "telegram:-1001")
    server.fault(then="reset", accept=True)
    ended = watchbell("cron", "run", task_id)
    assert (ended.code, "unknown" in ended.out) == (7, True)
    return str(task_id)


def texts(server: ChatServer, chat_id: str) -> list[str]:
    return [message.text for message in server.messages if message.chat_id == chat_id]


def newest(watchbell: Run, task_id: str) -> dict[str, Any]:
    run: dict[str, Any] = watchbell("cron", "logs", task_id, "--json").json[0]
    return run


class TestRetry:
    @pytest.mark.parametrize("words", ["id", "prefix", "name", "run", "run by prefix", "run by name"])
    def test_the_saved_report_goes_to_who_lacks_it_however_the_run_is_named(
        self, server: ChatServer, watchbell: Run, partial: str, words: str
    ) -> None:
        run = newest(watchbell, partial)
        named = {
            "id": partial,
            "prefix": partial[:6],
            "name": "night@shop",
            "run": run["run_id"],
            "run by prefix": f"{partial[:6]}@{run['fire_time']}",
            "run by name": f"night@shop@{run['fire_time']}",
        }[words]
        ended = watchbell("cron", "retry", named)
        assert (ended.code, "success" in ended.out) == (0, True)
        assert (len(texts(server, "C1")), len(texts(server, "C2"))) == (1, 1)
        assert texts(server, "C1") == texts(server, "C2")

    def test_json_is_the_run_as_the_logs_have_it(self, watchbell: Run, partial: str) -> None:
        ended = watchbell("cron", "retry", partial, "--json")
        assert ended.json == newest(watchbell, partial)
        assert (ended.json["attempt"], ended.json["status"], ended.json["exit_code"]) == (2, "success", 0)
        assert [delivery["outcome"] for delivery in ended.json["deliveries"]] == ["delivered", "delivered"]

    def test_one_that_is_refused_again_ends_with_7_and_says_why(
        self, server: ChatServer, watchbell: Run, partial: str
    ) -> None:
        server.deny("C2", "membership")
        ended = watchbell("cron", "retry", partial)
        assert (ended.code, "not_in_channel" in ended.out) == (7, True)
        assert len(texts(server, "C1")) == 1

    def test_without_a_token_it_ends_with_4(
        self, watchbell: Run, partial: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SLACK_BOT_TOKEN")
        ended = watchbell("cron", "retry", partial)
        assert (ended.code, "SLACK_BOT_TOKEN" in ended.out) == (4, True)
        assert newest(watchbell, partial)["status"] == "partial"

    def test_the_newest_run_that_did_not_end_well_is_found_behind_many_that_did(
        self, watchbell: Run, partial: str, home: Path
    ) -> None:
        first = newest(watchbell, partial)["run_id"]
        store = LocalStore(home)
        with store._database.write() as connection:
            connection.execute("UPDATE runs SET due_at = due_at - 86400")
        store.close()
        watchbell("cron", "run", partial)
        store = LocalStore(home)
        with store._database.write() as connection:
            columns = [row["name"] for row in connection.execute("PRAGMA table_info(runs)")]
            other = ", ".join(name for name in columns if name not in ("fire_time", "due_at"))
            connection.executemany(
                f"INSERT INTO runs (fire_time, due_at, {other})"
                f" SELECT fire_time || ?, due_at - ?, {other} FROM runs WHERE status = 'success' LIMIT 1",
                [(str(number), number) for number in range(1, 250)],
            )
        store.close()
        assert watchbell("cron", "retry", partial, "--json").json["run_id"] == first

    def test_nothing_missing_is_a_usage_error(self, watchbell: Run, add: Run) -> None:
        task_id = add()
        assert watchbell("cron", "retry", task_id).code == 2
        watchbell("cron", "run", task_id)
        ended = watchbell("cron", "retry", task_id)
        assert (ended.code, "has no run that did not end well" in ended.err) == (2, True)
        ended = watchbell("cron", "retry", newest(watchbell, task_id)["run_id"])
        assert (ended.code, "is success: nothing is missing" in ended.err) == (2, True)

    @pytest.mark.parametrize("text", ["zzzz", "zzzz@2026-11-22T09:00Z", "", "@"])
    @pytest.mark.parametrize("verb", [("retry",), ("resolve", "--delivered")])
    def test_an_unknown_id_is_a_usage_error(
        self, watchbell: Run, partial: str, text: str, verb: tuple[str, ...]
    ) -> None:
        assert watchbell("cron", *verb, text).code == 2

    def test_an_unknown_fire_time_is_a_usage_error_that_says_where_to_look(self, watchbell: Run, partial: str) -> None:
        ended = watchbell("cron", "retry", f"{partial}@2020-01-01T09:00Z")
        assert (ended.code, f"watchbell cron logs {partial}" in ended.err) == (2, True)

    def test_a_run_without_a_report_says_how_to_build_one(self, watchbell: Run, add: Run) -> None:
        task_id = add("--kind", "incident_window_replay")
        watchbell("cron", "run", task_id)
        ended = watchbell("cron", "retry", task_id)
        assert (ended.code, f"watchbell cron run {task_id}" in ended.err) == (2, True)

    def test_a_run_that_may_have_arrived_is_not_retried(self, server: ChatServer, watchbell: Run, unknown: str) -> None:
        ended = watchbell("cron", "retry", unknown)
        assert (ended.code, "watchbell cron resolve" in ended.err) == (2, True)
        assert len(texts(server, "-1001")) == 1

    def test_a_run_that_is_running_is_to_be_tried_again_later(
        self, server: ChatServer, watchbell: Run, add: Run
    ) -> None:
        task_id = add("--target", "slack:C1-SLOW-6000MS")
        with subprocess.Popen(command("cron", "run", task_id), env=os.environ, stdout=subprocess.DEVNULL) as running:
            until = time.monotonic() + 20
            while not watchbell("cron", "logs", task_id, "--json").json and time.monotonic() < until:
                time.sleep(0.05)
            ended = [watchbell("cron", *verb, task_id) for verb in (("retry",),)]
            named = newest(watchbell, task_id)["run_id"]
            ended += [watchbell("cron", *verb, named) for verb in (("retry",), ("resolve", "--resend"))]
            assert running.wait(40) == 0
        assert [one.code for one in ended] == [75, 75, 75], ended
        assert len(texts(server, "C1-SLOW-6000MS")) == 1


class TestResolve:
    def test_delivered_sends_nothing_and_ends_with_0(self, server: ChatServer, watchbell: Run, unknown: str) -> None:
        ended = watchbell("cron", "resolve", unknown, "--delivered")
        assert (ended.code, "delivered (resolved by hand)" in ended.out) == (0, True)
        assert len(texts(server, "-1001")) == 1
        assert newest(watchbell, unknown)["status"] == "success"

    def test_resend_sends_it_once_more_and_marks_it(self, server: ChatServer, watchbell: Run, unknown: str) -> None:
        ended = watchbell("cron", "resolve", newest(watchbell, unknown)["run_id"], "--resend", "--json")
        assert (ended.code, ended.json["status"], ended.json["attempt"]) == (0, "success", 2)
        assert [REPEAT in text for text in texts(server, "-1001")] == [False, True]
        assert ended.json == newest(watchbell, unknown)

    def test_a_resend_of_unknown_fate_stays_unknown_and_ends_with_7(
        self, server: ChatServer, watchbell: Run, unknown: str
    ) -> None:
        server.fault(then="reset", accept=True)
        assert watchbell("cron", "resolve", unknown, "--resend").code == 7
        assert newest(watchbell, unknown)["status"] == "unknown"
        assert watchbell("cron", "resolve", unknown, "--delivered").code == 0
        assert len(texts(server, "-1001")) == 2

    @pytest.mark.parametrize("decision", ["--delivered", "--resend"])
    def test_a_second_decision_is_a_usage_error(
        self, server: ChatServer, watchbell: Run, unknown: str, decision: str
    ) -> None:
        run_id = newest(watchbell, unknown)["run_id"]
        assert watchbell("cron", "resolve", run_id, decision).code == 0
        sent = len(texts(server, "-1001"))
        assert "nothing in it is unknown" in watchbell("cron", "resolve", run_id, "--resend").err
        ended = watchbell("cron", "resolve", unknown, "--resend")
        assert (ended.code, "has no run with something unknown" in ended.err) == (2, True)
        assert len(texts(server, "-1001")) == sent

    def test_a_decision_has_to_be_made(self, server: ChatServer, watchbell: Run, unknown: str) -> None:
        ended = watchbell("cron", "resolve", unknown)
        assert (ended.code, "--delivered or --resend" in ended.err) == (2, True)
        assert newest(watchbell, unknown)["attempt"] == 1

    def test_resend_sends_nothing_where_the_provider_finds_it_and_says_so(
        self, server: ChatServer, watchbell: Run, add: Run
    ) -> None:
        task_id = add("--target", "slack:C1")
        server.fault(provider="slack", then="reset", accept=True)
        ended = watchbell("cron", "run", task_id)
        assert (ended.code, "unknown" in ended.out) == (7, True)
        assert newest(watchbell, task_id)["wake_at"] is not None, "a tick asks, unless somebody does before"
        (message,) = (one for one in server.messages if one.chat_id == "C1")
        ended = watchbell("cron", "resolve", task_id, "--resend")
        assert (ended.code, f"delivered ({message.id})" in ended.out) == (0, True)
        assert "it had arrived: found in the channel, and not sent again" in " ".join(ended.out.split())
        assert len(texts(server, "C1")) == 1
        assert (newest(watchbell, task_id)["status"], newest(watchbell, task_id)["wake_at"]) == ("success", None)

    def test_resend_where_the_provider_does_not_let_itself_be_asked_is_marked(
        self, server: ChatServer, watchbell: Run, add: Run
    ) -> None:
        task_id = add("--target", "slack:C1")
        server.fault(provider="slack", then="reset", accept=True)
        watchbell("cron", "run", task_id)
        server.deny("C1", "history")
        ended = watchbell("cron", "resolve", task_id, "--resend")
        assert ended.code == 0
        assert "slack:C1 cannot tell whether it arrived: " in ended.err
        assert [REPEAT in text for text in texts(server, "C1")] == [False, True]

    def test_of_two_operators_at_once_one_sends(self, server: ChatServer, watchbell: Run, unknown: str) -> None:
        run_id = newest(watchbell, unknown)["run_id"]
        both = [
            subprocess.Popen(command("cron", "resolve", run_id, "--resend"), stdout=-3, stderr=-3) for _ in range(2)
        ]
        codes = sorted(process.wait(60) for process in both)
        assert codes[0] == 0
        assert codes[1] in (2, 75), "it is decided, or being decided"
        assert [REPEAT in text for text in texts(server, "-1001")] == [False, True]


def test_what_the_operator_should_know_of_a_delivered_message_is_in_run_logs_and_json(
    server: ChatServer, watchbell: Run, add: Run
) -> None:
    task_id = add("--target", "slack:C1")
    server.fault(status=200, body='{"ok": false, "error": "invalid_blocks"}')
    ended = watchbell("cron", "run", task_id)
    note = "shown as plain text, because Slack did not take the blocks (invalid_blocks)"
    assert (ended.code, note in " ".join(ended.out.split())) == (0, True)
    logs = " ".join(watchbell("cron", "logs", task_id).out.split())
    assert f"note: {note}" in logs
    (delivery,) = newest(watchbell, task_id)["deliveries"]
    assert (delivery["outcome"], delivery["error"], delivery["notes"]) == ("delivered", None, [note])
