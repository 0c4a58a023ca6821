"""Many tasks due at one minute, handed on through a queue and carried out: what both halves ask of DynamoDB and SQS."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from fakes.dynamodb import Meter
from fakes.dynamodb_fleet import ADDED, DUE_MINUTE
from fakes.sqs import FakeSqs
from faults.scene import Scene
from watchbell.aws.sqs import SqsQueue
from watchbell.batches import run_batch
from watchbell.claims import Host
from watchbell.queueing import Message
from watchbell.services import Services
from watchbell.stores.dynamodb import DynamoStore
from watchbell.stores.interface import Owner
from watchbell.tick import begin, run_tick


@dataclass(frozen=True)
class Half:
    """What one half asked for, by operation, and the units that DynamoDB says it consumed, for each run."""

    requests: dict[str, float]
    read_units: float
    write_units: float

    @property
    def all_requests(self) -> float:
        return sum(self.requests.values())


@dataclass(frozen=True)
class Costs:
    """Both halves, the calls of SQS, and how many messages the chats got."""

    tick: Half
    deliver: Half
    sqs_calls: int
    messages: int
    delivered: int


def cost_of_handing_on(prefix: str, due: int, carried_out: int) -> Costs:
    """Add `due` tasks to empty tables, hand them on in one tick, and carry the first of them out in batches of ten."""
    raws = [
        {
            "id": f"{number:012x}",
            "kind": "daily_summary",
            "cron": f"{DUE_MINUTE:%M %H} * * *",
            "provider": "slack",
            "chat_id": f"C{number}",
        }
        for number in range(due)
    ]
    with tempfile.TemporaryDirectory() as folder, FakeSqs() as sqs, patch.dict(os.environ, sqs.environ):
        scene = Scene(Path(folder))
        store = DynamoStore(prefix)
        store.tasks.change(lambda tasks: [*tasks, *raws], now=ADDED)
        scene.clock.set(DUE_MINUTE + timedelta(seconds=2))
        queue = SqsQueue(sqs.environ["WATCHBELL_QUEUE_URL"])
        tick, deliver = Meter(), Meter()
        with _process(scene, prefix, tick, queue) as services:
            result = run_tick(services, DUE_MINUTE, begin(services, threading.Event()))
            assert result.exit_code == 0, result.errors
        messages = len(sqs.bodies)
        for _ in range(carried_out // 10):
            with _process(scene, prefix, deliver, queue) as services:
                event = sqs.take()
                batch = {one["messageId"]: Message.from_text(one["body"]) for one in event["Records"]}
                done = run_batch(services, batch, begin(services, threading.Event()))
                assert done.done == set(batch), done.errors
        delivered = len({sent.key for sent in scene.slack.sends})
        assert delivered == len(scene.slack.sends)
        scene.store.close()
        store.close()
    return Costs(_half(tick, due), _half(deliver, carried_out), sqs.calls, messages, delivered)


@contextmanager
def _process(scene: Scene, prefix: str, meter: Meter, queue: SqsQueue) -> Iterator[Services]:
    store = DynamoStore(prefix, client=meter.client)
    owner = Owner(token=os.urandom(8).hex(), host=Host(machine="queue:runs", boot=""))
    yield scene.process(store=store, queue=queue, owner=owner, workers=8).services


def _half(meter: Meter, due: int) -> Half:
    requests = {name: count / due for name, count in sorted(meter.requests.items())}
    return Half(requests, meter.units["read"] / due, meter.units["write"] / due)
