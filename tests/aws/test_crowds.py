"""Many functions at once, and functions that are killed: each fire time is delivered once."""

import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from aws.conftest import Cloud
from fakes.chat_server import ChatServer
from fakes.lambda_runtime import FunctionFailed
from watchbell.claims import Status

pytestmark = pytest.mark.service("dynamodb-local")

CROWD = 20
MANY = 500


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


@pytest.mark.parametrize("messages", [0, 1, 4])
def test_a_function_killed_in_the_middle_of_a_batch_costs_no_report_and_sends_none_twice(
    cloud: Cloud, chat_server: ChatServer, messages: int
) -> None:
    """Killed when this many have arrived: what it held is recovered after its lease, by whoever comes then."""
    add_many(cloud, 8)
    with cloud.function("tick") as tick, cloud.function("deliver") as doomed:
        tick.invoke(cloud.event)
        event = cloud.sqs.take()
        doomed.send(event)
        until = time.monotonic() + 60
        while len(chat_server.messages) < messages and time.monotonic() < until:
            time.sleep(0.002)
        doomed.process.kill()
        with pytest.raises(FunctionFailed):
            doomed.answer()
    before = Counter(message.chat_id for message in chat_server.messages)
    assert max(before.values(), default=0) <= 1
    with cloud.function("deliver") as deliver:
        # The batch comes again; what is being worked on, as far as anybody can tell, is left alone.
        assert deliver.invoke(event) == {"batchItemFailures": []}
    after = Counter(message.chat_id for message in chat_server.messages)
    assert max(after.values()) == 1
    statuses = Counter(cloud.store.runs.find(one, cloud.fire_time).status for one in ids(8))  # type: ignore[union-attr]
    assert set(statuses) <= {Status.SUCCESS, Status.RUNNING}
    owed = {run.task_id for run in cloud.store.runs.owed(cloud.after_leases())}
    assert owed == {
        one
        for one in ids(8)
        if cloud.store.runs.find(one, cloud.fire_time).status is Status.RUNNING  # type: ignore[union-attr]
    }
