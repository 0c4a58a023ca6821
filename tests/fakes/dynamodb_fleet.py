"""A fleet of tasks in DynamoDB, written in bulk, and what whole ticks over it ask for and consume."""

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from fakes.dynamodb import Meter
from faults.scene import Scene
from watchbell.claims import Host
from watchbell.stores.dynamodb import DynamoStore
from watchbell.stores.dynamodb.connection import DEFAULT_SHARDS
from watchbell.stores.dynamodb.items import shard_of
from watchbell.stores.interface import Owner
from watchbell.tick import begin, run_tick

ADDED = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
IDLE_MINUTE = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
DUE_MINUTE = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DUE = 100
_BATCH = 25


@dataclass(frozen=True)
class Cost:
    """What one tick asked for, by operation, and the units that DynamoDB says it consumed."""

    requests: dict[str, int]
    read_units: float
    write_units: float


def load_fleet(prefix: str, client: Any, count: int) -> None:
    """Write `count` tasks, of which DUE expect a fire at DUE_MINUTE, as changing them one by one would."""
    due = _prototype(prefix, client, "f" * 12, f"{DUE_MINUTE:%M %H} * * *")
    later = _prototype(prefix, client, "e" * 12, "0 3 * * *")
    numbers = iter(range(count))
    lock = threading.Lock()

    def batches() -> Iterator[list[dict[str, Any]]]:
        while True:
            with lock:
                taken = list(islice(numbers, _BATCH))
            if not taken:
                return
            yield [_clone(due if number < DUE else later, f"{number:012x}") for number in taken]

    def write() -> None:
        for batch in batches():
            wanted: Any = {f"{prefix}-tasks": [{"PutRequest": {"Item": item}} for item in batch]}
            while wanted:
                wanted = client.batch_write_item(RequestItems=wanted).get("UnprocessedItems")

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write) for _ in range(4)]:
            done.result()


def _prototype(prefix: str, client: Any, task_id: str, cron: str) -> dict[str, Any]:
    """Return the item of a task as the store writes it; the task itself is removed again."""
    store = DynamoStore(prefix, client=client)
    raw = {"id": task_id, "kind": "daily_summary", "cron": cron, "provider": "slack", "chat_id": "C0123ABCD"}
    store.tasks.change_one(task_id, lambda _: raw, now=ADDED)
    item: dict[str, Any] = client.get_item(TableName=f"{prefix}-tasks", Key={"task_id": {"S": task_id}})["Item"]
    store.tasks.change_one(task_id, lambda _: None, now=ADDED)
    return item


def _clone(item: dict[str, Any], task_id: str) -> dict[str, Any]:
    return item | {
        "task_id": {"S": task_id},
        "definition": {"S": item["definition"]["S"].replace(item["task_id"]["S"], task_id)},
        "due_shard": {"S": shard_of(task_id, DEFAULT_SHARDS)},
    }


def cost_of_ticks(prefix: str) -> dict[str, Cost]:
    """Run an idle tick and one with DUE tasks due, each a process of its own; the first of the day is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder))
        ticks = {"first": IDLE_MINUTE - timedelta(minutes=1), "idle": IDLE_MINUTE, "due": DUE_MINUTE}
        costs = {name: _cost_of_tick(scene, prefix, minute) for name, minute in ticks.items()}
        assert len({sent.key for sent in scene.slack.sends}) == len(scene.slack.sends) == DUE
        scene.store.close()
    return costs


def _cost_of_tick(scene: Scene, prefix: str, minute: datetime) -> Cost:
    meter = Meter()
    scene.clock.set(minute + timedelta(seconds=2))
    services = scene.process(
        store=DynamoStore(prefix, client=meter.client),
        owner=Owner(token=f"{minute:%H%M}" * 8, host=Host(machine="lambda:tick", boot="")),
        workers=8,
    ).services
    result = run_tick(services, minute, begin(services, threading.Event()))
    assert result.exit_code == 0, result.errors
    meter.client.close()
    return Cost(dict(sorted(meter.requests.items())), meter.units["read"], meter.units["write"])
