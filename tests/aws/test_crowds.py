"""Many functions at once, and functions that are killed: each fire time is delivered once."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from aws.conftest import Cloud, ScriptedQueue
from fakes.chat_server import ChatServer
from fakes.lambda_runtime import FunctionFailed
from faults.scene import Scene, a_scene
from watchbell.batches import run_batch
from watchbell.claims import Host, Status
from watchbell.services import Services
from watchbell.stores.interface import Owner
from watchbell.tick import begin, run_tick

pytestmark = pytest.mark.service("dynamodb-local")

CROWD = 20
MANY = 500


class Later:
    """Ticks and batches in this process, at a later time, with chats of its own."""

    def __init__(self, cloud: Cloud, scene: Scene) -> None:
        self.cloud = cloud
        self.scene = scene
        self.queue = ScriptedQueue()

    def services(self) -> Services:
        owner = Owner(token=os.urandom(8).hex(), host=Host(machine="queue:watchbell-runs", boot=""))
        return self.scene.process(store=self.cloud.store, queue=self.queue, owner=owner).services

    def tick(self) -> None:
        """Tick for the minute of the test's tasks, so that nothing newer is due."""
        services = self.services()
        run_tick(services, self.cloud.minute, begin(services, threading.Event()))

    def deliver_all(self) -> None:
        messages, self.queue.messages = self.queue.messages, []
        services = self.services()
        named = {str(number): message for number, message in enumerate(messages)}
        assert run_batch(services, named, begin(services, threading.Event())).done == set(named)


def ids(count: int) -> list[str]:
    return [f"{number:012x}" for number in range(count)]


def add_many(cloud: Cloud, count: int) -> None:
    raws = [
        {
            "id": one,
            "kind": "daily_summary",
            "cron": "* * * * *",
            "provider": "slack",
            "chat_id": f"C{one.upper()}",
        }
        for one in ids(count)
    ]
    cloud.add_raw(raws)


@pytest.mark.timeout(420)
def test_twenty_ticks_at_one_minute_deliver_each_of_five_hundred_reports_once(
    cloud: Cloud, chat_server: ChatServer, tmp_path: Path
) -> None:
    add_many(cloud, MANY)
    config = tmp_path / "config.toml"
    config.write_text("workers = 1\n")  # one small machine plays twenty sandboxes, DynamoDB and the chats
    environ = {"WATCHBELL_QUEUE_URL": "", "WATCHBELL_CONFIG": str(config)}
    with ExitStack() as stack:
        ticks = [stack.enter_context(cloud.function("tick", **environ)) for _ in range(CROWD)]
        for tick in ticks:
            tick.send(cloud.event, seconds=300)
        answers = [tick.answer(within=300) for tick in ticks]
    assert {answer["exit_code"] for answer in answers} == {0}
    assert sum(answer["runs"].get("success", 0) for answer in answers) == MANY
    assert Counter(message.chat_id for message in chat_server.messages) == {f"C{one.upper()}": 1 for one in ids(MANY)}


@pytest.mark.timeout(300)
def test_ticks_at_once_hand_each_run_on_once_with_ten_per_call(cloud: Cloud) -> None:
    add_many(cloud, 300)
    with ExitStack() as stack:
        ticks = [stack.enter_context(cloud.function("tick")) for _ in range(4)]
        for tick in ticks:
            tick.send(cloud.event, seconds=300)
        queued = [tick.answer(within=250)["runs"].get("queued", 0) for tick in ticks]
    assert sum(queued) == 300
    assert len(set(cloud.sqs.bodies)) == len(cloud.sqs.bodies) == 300
    assert cloud.sqs.calls <= sum(-(-count // 10) for count in queued)


def test_a_tick_killed_before_its_messages_were_taken_loses_nothing(cloud: Cloud, tmp_path: Path) -> None:
    add_many(cloud, 3)
    cloud.sqs.is_stuck = True
    with cloud.function("tick") as doomed:
        doomed.send(cloud.event)
        wait_for(lambda: cloud.sqs.calls > 0)
        doomed.process.kill()
    assert {cloud.run(one).status for one in ids(3)} == {Status.QUEUED}
    with later(cloud, tmp_path, minutes=10) as fleet:
        fleet.tick()
        fleet.deliver_all()
        assert sorted(one.chat_id for one in fleet.scene.slack.sends) == [f"C{one.upper()}" for one in ids(3)]
    assert {cloud.run(one).status for one in ids(3)} == {Status.SUCCESS}


@pytest.mark.parametrize("messages", [0, 1, 4])
def test_a_function_killed_in_the_middle_of_a_batch_loses_no_report_and_repeats_none(
    cloud: Cloud, chat_server: ChatServer, tmp_path: Path, messages: int
) -> None:
    """Killed when this many have arrived; what it held is taken up after its lease. Only a send may be in doubt."""
    add_many(cloud, 8)
    with cloud.function("tick") as tick, cloud.function("deliver") as doomed:
        tick.invoke(cloud.event)
        event = cloud.sqs.take()
        doomed.send(event)
        wait_for(lambda: len(chat_server.messages) >= messages)
        doomed.process.kill()
        with pytest.raises(FunctionFailed):
            doomed.answer()
    with cloud.function("deliver") as deliver:
        # The batch comes again: what somebody may be working on is left alone.
        assert deliver.invoke(event) == {"batchItemFailures": []}
    sent = Counter(message.chat_id for message in chat_server.messages)
    assert max(sent.values()) == 1
    with later(cloud, tmp_path, minutes=15) as fleet:
        fleet.tick()
        fleet.deliver_all()
        fleet.tick()
        sent += Counter(one.chat_id for one in fleet.scene.slack.sends)
    runs = {f"C{one.upper()}": cloud.run(one) for one in ids(8)}
    assert max(sent.values()) == 1
    assert {chat for chat, run in runs.items() if run.status is Status.SUCCESS} <= set(sent)
    in_doubt = [run for run in runs.values() if run.status is not Status.SUCCESS]
    assert {run.status for run in in_doubt} <= {Status.UNKNOWN}
    assert all(run.parts[0].outcome == "unknown" for run in in_doubt)


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.002)


@contextmanager
def later(cloud: Cloud, folder: Path, *, minutes: int) -> Iterator[Later]:
    """Give another process on the same tables, with a clock that is ahead."""
    with a_scene(folder / "later") as scene:
        scene.clock.set(cloud.minute + timedelta(minutes=minutes))
        yield Later(cloud, scene)
