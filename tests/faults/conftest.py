"""A home, the chat server as a process of its own, and ticks that run in other processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.dynamodb import environment, shared_client
from fakes.programs import program as path_of_program
from faults.dying_tick import tick_of
from faults.scene import Scene, a_scene
from watchbell.claims import CLOCK_SKEW, Gap, Status
from watchbell.clock import SystemClock
from watchbell.instants import format_minute
from watchbell.settings import load_settings
from watchbell.stores.interface import Run, Store
from watchbell.tick import TickResult
from watchbell.wiring.stores import open_store

TESTS = Path(__file__).parent.parent
TOKENS = {
    "SLACK_BOT_TOKEN": "xoxb-1111-slack-token",
    "TELEGRAM_BOT_TOKEN": "123456789:telegram-token-of-thirty-characters-0000",
    "DISCORD_BOT_TOKEN": "discordtoken000000000000.abcdef.0123456789012345678901234567",
}


@dataclass(frozen=True)
class Chats:
    """The chat server: a process of its own, whose journal tells what really arrived."""

    port: int
    journal: Path

    @property
    def environ(self) -> dict[str, str]:
        base = f"http://127.0.0.1:{self.port}"
        return TOKENS | {
            "WATCHBELL_SLACK_API_URL": f"{base}/slack/api",
            "WATCHBELL_TELEGRAM_API_URL": f"{base}/telegram",
            "WATCHBELL_DISCORD_API_URL": f"{base}/discord/api/v10",
        }

    def texts(self, chat_id: str) -> list[str]:
        """Return the messages that readers of a chat see."""
        return [message["text"] for message in self._messages(chat_id)]

    def ids(self, chat_id: str) -> list[str]:
        return [message["id"] for message in self._messages(chat_id)]

    def threads(self, chat_id: str) -> list[str]:
        """Return for each message of a Slack channel whose reply it is."""
        return [message["thread"] for message in self._messages(chat_id)]

    def _messages(self, chat_id: str) -> list[dict[str, Any]]:
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        messages = [json.loads(line) for line in lines]
        return [message for message in messages if message["chat_id"] == chat_id]

    def deny(self, chat_id: str, right: str) -> None:
        """Take a right away from the bot in a chat."""
        self._control("_deny", chat_id=chat_id, right=right)

    def fault(self, **fault: Any) -> None:
        """Let the next request go wrong: see ChatServer.fault."""
        self._control("_fault", **fault)

    def _control(self, action: str, **fields: Any) -> None:
        httpx.post(f"http://127.0.0.1:{self.port}/{action}", json=fields).raise_for_status()

    def webhooks(self, chat_id: str) -> dict[str, str]:
        """Return the variables of webhooks that post to a chat."""
        base = f"http://127.0.0.1:{self.port}"
        return {
            "SLACK_WEBHOOK_URL": f"{base}/slack/services/T1/B1/{chat_id}",
            "DISCORD_WEBHOOK_URL": f"{base}/discord/api/webhooks/{chat_id}/token",
        }


@pytest.fixture(scope="session")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chats]:
    journal = tmp_path_factory.mktemp("chats") / "journal.jsonl"
    command = [sys.executable, str(TESTS / "fakes" / "chat_server.py"), "--journal", str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield Chats(port=int(server.stdout.readline()), journal=journal)
        server.terminate()


def raw_task(task_id: str, target: str, **fields: Any) -> dict[str, Any]:
    provider, chat_id = target.split(":", 1)
    return {
        "id": task_id,
        "kind": "daily_summary",
        "cron": "* * * * *",
        "timezone": "UTC",
        "provider": provider,
        "chat_id": chat_id,
        **fields,
    }


@dataclass
class Home:
    """A store, a folder, and the minute that this test is about."""

    path: Path
    environ: dict[str, str]
    minute: datetime = field(default_factory=lambda: SystemClock().now().replace(second=0, microsecond=0))

    @property
    def builds(self) -> Path:
        return self.path / "builds.txt"

    @property
    def at(self) -> str:
        return format_minute(self.minute)

    def add(self, *tasks: dict[str, Any]) -> None:
        """Add tasks that are due since the minute before."""
        self.change(lambda raws: [*raws, *tasks], now=self.minute - timedelta(minutes=1))

    def change(self, change: Any, now: datetime | None = None) -> None:
        self.path.mkdir(exist_ok=True)
        with self.store() as store:
            store.tasks.change(change, now=now or SystemClock().now())

    def store(self) -> AbstractContextManager[Store]:
        return open_store(load_settings(self.environ))

    def start(
        self, point: str = "never", *, shift: timedelta = timedelta(0), deliver: Sequence[str] = (), **more: Any
    ) -> "subprocess.Popen[str]":
        """Begin a tick (or a batch of messages) in a process of its own that dies at `point`."""
        script = Path(__file__).with_name("dying_tick.py")
        options = ["--shift", str(shift.total_seconds()), *(["--deliver", *deliver] if deliver else [])]
        return self.popen([sys.executable, str(script), self.at, point, str(self.builds), *options], **more)

    def popen(self, command: Sequence[str], **more: Any) -> "subprocess.Popen[str]":
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TESTS), **self.environ, **more.pop("environ", {})}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environ, text=True, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)

    def tick(self, **options: Any) -> TickResult:
        """Run a tick of the test's minute in this process, with real services."""
        return tick_of(self.environ, self.minute, self.builds, **options)

    def built(self, task_id: str) -> int:
        """Return how many reports have been built for a task."""
        return self.builds.read_text().split().count(task_id) if self.builds.exists() else 0

    def run(self, task_id: str) -> Run | None:
        """Return what the ledger says of the test's minute."""
        with self.store() as store:
            return store.runs.find(task_id, self.at)

    def until_gone(self, task_id: str) -> timedelta:
        """Return how far clocks must be put forward until all know that the owner of a run is gone.

        A local owner's lock tells at once; elsewhere the end of the lease does, and a margin.
        """
        run = self.run(task_id)
        if "WATCHBELL_STORE" not in self.environ or run is None or run.status is not Status.RUNNING:
            return timedelta(0)
        return run.lease_until + CLOCK_SKEW + timedelta(seconds=1) - SystemClock().now()

    def next_fire(self, task_id: str) -> datetime | None:
        """Return the fire time that nobody has claimed yet."""
        with self.store() as store:
            expected = store.tasks.expectation(task_id)
        return expected.next_fire if expected is not None else None

    def settled(self, task_id: str) -> Run:
        run = self.run(task_id)
        assert run is not None, "the fire time is not in the ledger"
        return run

    def history(self, task_id: str) -> list[Run]:
        with self.store() as store:
            return store.runs.history(task_id, limit=1000)

    def gaps(self, task_id: str) -> list[Gap]:
        with self.store() as store:
            return store.runs.gaps(task_id, limit=1000)


@pytest.fixture
def home(tmp_path: Path, chats: Chats) -> Home:
    path = tmp_path / "home"
    return Home(path, {"WATCHBELL_HOME": str(path), **chats.environ})


@pytest.fixture
def cloud_home(home: Home, tables: str, dynamodb_url: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The same with the store in DynamoDB Local."""
    # Making a client takes longer than a tick.
    monkeypatch.setattr("watchbell.stores.dynamodb.connection.new_client", shared_client)
    home.environ |= environment(dynamodb_url) | {"WATCHBELL_STORE": f"dynamodb:{tables}"}
    return home


@pytest.fixture(params=["home", pytest.param("cloud_home", marks=pytest.mark.service("dynamodb-local"))])
def any_home(request: pytest.FixtureRequest) -> Home:
    """Each store in turn."""
    found: Home = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def chat(request: pytest.FixtureRequest) -> str:
    """Return a chat id that no other test sends to, good for each provider."""
    return f"11{abs(hash(request.node.nodeid)) % 10**16:016}"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with a_scene(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def program() -> Callable[[str], str | None]:
    """Return `program(name)`, the path of a service's program."""
    return path_of_program
