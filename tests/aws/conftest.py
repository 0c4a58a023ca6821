"""A store with a queue, and processes on both of its ends."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from faults.scene import Machine, Scene, a_scene, at
from watchbell.batches import BatchResult, run_batch
from watchbell.queueing import Message
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
