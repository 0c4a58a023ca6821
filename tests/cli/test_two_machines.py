"""A laptop and a function tick on one store: each report is delivered once, also where only one of them can do it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Ended, command
from fakes.chat_server import ChatServer
from fakes.minutes import stay_within_the_minute
from fakes.monitoring import FakeMonitoring

pytestmark = pytest.mark.service("dynamodb-local")

Run = Callable[..., Ended]
NOWHERE = "http://127.0.0.1:9"
TOKEN = "xoxb-1111-of-two-machines"


class Fleet:
    """One store and two processes that take themselves for two machines."""

    def __init__(self, folder: Path, chats: ChatServer, monitoring: FakeMonitoring) -> None:
        self.chats = chats
        both = {
            "WATCHBELL_SLACK_API_URL": chats.slack_url,
            "WATCHBELL_PROMETHEUS_URL": monitoring.url,
            "SLACK_BOT_TOKEN": TOKEN,
        }
        self.laptop = {**both, "WATCHBELL_HOME": str(folder / "laptop")}
        self.function = {**both, "WATCHBELL_HOME": "/nonexistent/home", "AWS_LAMBDA_FUNCTION_NAME": "watchbell-tick"}
        stay_within_the_minute(30)  # a tick goes by its own clock, and so does `add`
        # A minute ahead of the clock is looked at, too: no test has to wait for the next one.
        self.minute = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)

    def start(self, machine: dict[str, str], *options: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command("tick", "--json", *options),
            env=os.environ | machine,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def tick(self, machine: dict[str, str], *, now: bool = False) -> dict[str, Any]:
        return ended(self.start(machine, *(() if now else ("--at", f"{self.minute:%Y-%m-%dT%H:%MZ}"))))


def ended(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert out, err
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.fixture
def fleet(home: Path, tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.setenv("WATCHBELL_STORE", f"dynamodb:{tables}")
    with ChatServer() as chats, FakeMonitoring() as monitoring:
        yield Fleet(tmp_path, chats, monitoring)


@pytest.fixture
def task(fleet: Fleet, watchbell: Run) -> str:
    options = ("--cron", "* * * * *", "--provider", "slack", "--chat-id", "C0123ABCD", "--grace", "60")
    return str(watchbell("cron", "add", "--kind", "daily_summary", *options, "--json").json["id"])


def runs_of(watchbell: Run, task: str, minute: datetime) -> list[dict[str, Any]]:
    found = watchbell("cron", "logs", task, "--json").json
    return [run for run in found if run["fire_time"] == f"{minute:%Y-%m-%dT%H:%MZ}"]


def test_both_at_the_same_minute_deliver_once(fleet: Fleet, task: str, watchbell: Run) -> None:
    at = ("--at", f"{fleet.minute:%Y-%m-%dT%H:%MZ}")
    processes = [fleet.start(machine, *at) for machine in (fleet.laptop, fleet.function) * 3]
    results = [ended(process) for process in processes]
    assert sorted(result["exit_code"] for result in results) == [0] * 6
    ran = [run for result in results for run in result["runs"] if run["fire_time"] == at[1]]
    assert [run["status"] for run in ran] == ["success"]
    assert len(fleet.chats.messages) == sum(len(result["runs"]) for result in results) == 1


@pytest.mark.parametrize(
    "lack", [{"SLACK_BOT_TOKEN": ""}, {"SLACK_BOT_TOKEN": "env:NOT_SET"}, {"WATCHBELL_PROMETHEUS_URL": NOWHERE}]
)
def test_what_the_laptop_cannot_do_the_function_does_once(
    fleet: Fleet, task: str, watchbell: Run, lack: dict[str, str]
) -> None:
    fleet.tick(fleet.function, now=True)  # it is alive
    before = len(fleet.chats.messages)
    fleet.laptop |= lack
    [left] = fleet.tick(fleet.laptop)["runs"]
    assert (left["status"], left["deliveries"]) == ("waiting", [])
    assert fleet.tick(fleet.laptop)["runs"] == [], "it was left to others and is not taken again"
    [done] = fleet.tick(fleet.function)["runs"]
    assert (done["run_id"], done["status"]) == (left["run_id"], "success")
    assert fleet.tick(fleet.laptop)["runs"] == []
    assert len(fleet.chats.messages) - before == 1
    [run] = runs_of(watchbell, task, fleet.minute)
    assert (run["status"], run["attempt"]) == ("success", 2)


def test_a_run_in_the_hands_of_another_machine_is_never_taken_before_its_lease_ends(
    fleet: Fleet, task: str, watchbell: Run
) -> None:
    """The owner is killed in the middle of a send; nobody here can tell, so nobody repeats it within the lease."""
    fleet.chats.fault(then="hang")
    sending = fleet.start(fleet.laptop, "--at", f"{fleet.minute:%Y-%m-%dT%H:%MZ}")
    while not fleet.chats.requests:
        assert sending.poll() is None, sending.communicate()
    sending.kill()
    sending.communicate()
    for machine in (fleet.laptop, fleet.function):
        assert fleet.tick(machine)["runs"] == []
    [run] = runs_of(watchbell, task, fleet.minute)
    assert (run["status"], run["attempt"]) == ("running", 1)
