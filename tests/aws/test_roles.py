"""The roles of both functions allow what is asked of DynamoDB, whatever happens to runs, and nothing beside it."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aws.conftest import ScriptedQueue
from faults.scene import OPS, Scene, a_scene, at
from watchbell.batches import run_batch
from watchbell.delivery.interface import Delivered, NotSent, Outcome, Refused, Unknown
from watchbell.queueing import Message
from watchbell.stores.dynamodb import DynamoStore
from watchbell.stores.dynamodb.connection import new_client
from watchbell.tasks import Target
from watchbell.telling.metrics import write_metrics

pytestmark = pytest.mark.service("dynamodb-local")

IAM = Path(__file__).parents[2] / "infra" / "iam"
Permission = tuple[str, str]


class Asked:
    """A store whose client takes down each permission that a request needs, as AWS's reference of actions says."""

    def __init__(self, prefix: str) -> None:
        self.permissions: set[Permission] = set()
        client = new_client()
        client.meta.events.register("provide-client-params.dynamodb", self._note)
        self.store = DynamoStore(prefix, client=client)

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        if model.name == "TransactWriteItems":
            for action in params["TransactItems"]:
                ((kind, request),) = action.items()
                self._add(f"{kind}Item", request["TableName"])
        elif model.name == "BatchGetItem":
            for table in params["RequestItems"]:
                self._add(model.name, table)
        else:
            self._add(model.name, params["TableName"], params.get("IndexName"))

    def _add(self, action: str, table: str, index: str | None = None) -> None:
        place = f"table/watchbell-{table.rpartition('-')[2]}" + (f"/index/{index}" if index else "")
        self.permissions.add((f"dynamodb:{action}", place))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with a_scene(tmp_path / "home") as opened:
        opened.ops_target = Target.parse(OPS)
        yield opened


def allowed(role: str) -> set[Permission]:
    found = set()
    for one in json.loads((IAM / f"{role}.json").read_text())["Statement"]:
        actions = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
        places = [one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"]
        found |= {(action, place.rpartition(":")[2]) for action in actions for place in places}
    return {(action, place) for action, place in found if action.startswith("dynamodb:")}


def test_the_roles_of_the_functions_allow_what_they_ask_for_and_nothing_else(scene: Scene, tables: str) -> None:
    """A quarter of a day in the life of a fleet, and the morning eleven days later."""
    tick, deliver, queue = Asked(tables), Asked(tables), ScriptedQueue()
    outcomes: dict[str, Outcome] = {
        "C1": Delivered("1"),
        "C2": Refused("channel_not_found"),
        "C3": NotSent("ratelimited"),
        "C4": Unknown("no answer in time"),
    }
    scene.store = DynamoStore(tables)  # type: ignore[assignment]
    for number, (chat, outcome) in enumerate(outcomes.items()):
        scene.add(f"{number:012x}", target=f"slack:{chat}")
        scene.slack.script[chat].append(outcome)

    def hand_on(now: str | datetime) -> None:
        scene.tick(now, scene.process("queue:runs", store=tick.store, queue=queue))

    def carry_out() -> None:
        messages, queue.messages = queue.messages, []
        process = scene.process("queue:runs", store=deliver.store, queue=queue)
        named = {str(number): message for number, message in enumerate(messages)}
        run_batch(process.services, named, scene.limits(process))

    hand_on("09:00:02")
    lost = queue.messages.pop()
    carry_out()
    for now in ("09:01:02", "09:02:30", "09:10:02", "10:00:02", "10:01:02", "15:00:02"):
        hand_on(now)
        carry_out()
    queue.messages.append(Message(lost.task_id, "2026-11-22T04:00Z", 0))
    carry_out()
    scene.remove(f"{1:012x}")
    hand_on(at("09:00:02") + timedelta(days=11))
    assert {"tick": sorted(tick.permissions), "deliver": sorted(deliver.permissions)} == {
        role: sorted(allowed(role)) for role in ("tick", "deliver")
    }


def test_the_role_of_a_host_allows_ticks_without_a_queue_and_metrics_and_nothing_else(
    scene: Scene, tables: str, tmp_path: Path
) -> None:
    host = Asked(tables)
    scene.store = DynamoStore(tables)  # type: ignore[assignment]
    scene.add()
    scene.slack.script["C1"] += [Refused("channel_not_found"), *[NotSent("ratelimited")] * 8]
    for now in (at("09:00:02"), at("09:01:02"), at("09:00:02") + timedelta(days=11), at("09:09") + timedelta(days=11)):
        scene.tick(now, scene.process("host", store=host.store))
    write_metrics(tmp_path / "watchbell.prom", host.store, now=scene.clock.now(), exit_code=0)
    assert sorted(host.permissions) == sorted(allowed("host"))
