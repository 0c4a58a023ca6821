"""A store with a queue, and processes on both of its ends."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.bundle import shared_bundle
from fakes.chat_server import SAMPLE_TOKENS, ChatServer
from fakes.dynamodb import environment, new_tables
from fakes.lambda_runtime import LambdaRuntime
from fakes.monitoring import FakeMonitoring
from fakes.sqs import FakeSqs
from faults.scene import Machine, Scene, a_scene, at
from watchbell.batches import BatchResult, run_batch
from watchbell.clock import SystemClock
from watchbell.instants import floor_minute, format_minute
from watchbell.queueing import Message
from watchbell.stores.dynamodb import DynamoStore
from watchbell.stores.interface import Run
from watchbell.tick import TickResult


class ScriptedQueue:
    """A queue that loses, refuses and hands out what a test wants."""

    most_at_once = 10

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.calls = 0
        self.is_down = False

    def send(self, messages: Sequence[Message]) -> Sequence[Message]:
        assert 0 < len(messages) <= self.most_at_once
        self.calls += 1
        if self.is_down:
            return messages
        self.messages.extend(messages)
        return []


class Fleet:
    """Ticks that hand on, and workers that carry out, on one store with a clock that a test sets."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.queue = ScriptedQueue()
        self.shuffle = random.Random(7)

    def tick(self, now: str | datetime) -> TickResult:
        return self.scene.tick(now, self.process())

    def process(self, machine: str = "fleet", **changes: Any) -> Machine:
        return self.scene.process(machine, queue=self.queue, **changes)

    def deliver(self, *messages: Message, now: str | None = None, process: Machine | None = None) -> BatchResult:
        """Carry out a batch: these messages, or all that wait in the queue."""
        if now is not None:
            self.scene.clock.set(at(now))
        batch = list(messages)
        if not batch:
            batch, self.queue.messages = self.queue.messages, []
        process = process or self.process()
        named = {f"message {number}": message for number, message in enumerate(batch)}
        return run_batch(process.services, named, self.scene.limits(process))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with a_scene(tmp_path / "home") as scene:
        yield Fleet(scene)


@pytest.fixture(scope="session")
def bundle() -> Path:
    """Return the unpacked bundle for this machine."""
    pytest.importorskip("awslambdaric", reason="Lambda's runtime client is for Linux")
    return shared_bundle()


class Cloud:
    """Tables, a queue, the chats, a monitoring system, and the two functions on top of them."""

    def __init__(self, folder: Path, bundle: Path, prefix: str, sqs: FakeSqs, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.bundle = bundle
        self.sqs = sqs
        self.environ = {**environ, **sqs.environ, "WATCHBELL_STORE": f"dynamodb:{prefix}"}
        self.store = DynamoStore(prefix)
        self.minute = floor_minute(SystemClock().now())
        self.event = {"scheduled_time": f"{self.minute:%Y-%m-%dT%H:%M:43Z}"}

    @property
    def fire_time(self) -> str:
        return format_minute(self.minute)

    def function(self, name: str, **more: str) -> LambdaRuntime:
        return LambdaRuntime(
            self.bundle, f"watchbell.aws_lambda.{name}_handler", self.environ | more, folder=self.folder
        )

    def add(self, *task_ids: str, target: str = "slack:C1", **fields: Any) -> None:
        """Add tasks that are due in this test's minute."""
        provider, chat_id = target.split(":")
        raws = [
            {
                "id": one,
                "kind": "daily_summary",
                "cron": "* * * * *",
                "provider": provider,
                "chat_id": chat_id,
                **fields,
            }
            for one in task_ids
        ]
        self.add_raw(raws)

    def add_raw(self, raws: list[dict[str, Any]]) -> None:
        self.store.tasks.change(lambda tasks: [*tasks, *raws], now=self.minute - timedelta(minutes=1))

    def run(self, task_id: str) -> Run:
        found = self.store.runs.find(task_id, self.fire_time)
        assert found is not None
        return found


@pytest.fixture
def cloud(
    tmp_path: Path,
    bundle: Path,
    dynamodb_url: str,
    chat_server: ChatServer,
    monitoring: FakeMonitoring,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cloud]:
    for name, value in environment(dynamodb_url).items():
        monkeypatch.setenv(name, value)
    environ = (
        environment(dynamodb_url)
        | SAMPLE_TOKENS
        | {
            "WATCHBELL_SLACK_API_URL": chat_server.slack_url,
            "WATCHBELL_PROMETHEUS_URL": monitoring.url,
            "POWERTOOLS_SERVICE_NAME": "the-stack",
        }
    )
    with FakeSqs() as sqs:
        opened = Cloud(tmp_path, bundle, new_tables(), sqs, environ)
        yield opened
        opened.store.close()


@pytest.fixture
def chat_server() -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server


@pytest.fixture
def monitoring() -> Iterator[FakeMonitoring]:
    with FakeMonitoring() as server:
        yield server
