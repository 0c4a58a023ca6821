"""The bundle alone, under Lambda's own runtime client, on DynamoDB Local, a queue and strict chats."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from aws.conftest import Cloud
from fakes.chat_server import ChatServer
from fakes.dynamodb import shared_client
from fakes.lambda_runtime import FunctionFailed
from fakes.monitoring import FakeMonitoring, web_page
from fakes.sqs import batch
from watchbell.claims import Status
from watchbell.instants import format_minute

pytestmark = pytest.mark.service("dynamodb-local")

TASK = "a1b2c3d4e5f6"
OTHER = "b1b2c3d4e5f6"


def metrics(lines: list[dict[str, object]], name: str) -> list[object]:
    return [line[name] for line in lines if "_aws" in line and name in line]


def test_one_scheduled_event_ends_in_one_delivered_report(cloud: Cloud, chat_server: ChatServer) -> None:
    cloud.add(TASK)
    with cloud.function("tick") as tick, cloud.function("deliver") as deliver:
        answer = tick.invoke(cloud.event)
        assert answer == {
            "minute": cloud.fire_time,
            "runs": {"queued": 1},
            "missed": 0,
            "errors": [],
            "exit_code": 0,
        }
        assert deliver.invoke(cloud.sqs.take()) == {"batchItemFailures": []}
        assert tick.invoke(cloud.event)["runs"] == {}
    (message,) = chat_server.messages
    assert "OK" in message.text
    assert cloud.run(TASK).status is Status.SUCCESS
    assert metrics(tick.lines, "TickCompleted") == [[1.0], [1.0]]
    assert metrics(deliver.lines, "RunsSuccess") == [[1.0]]
    (late,) = metrics(deliver.lines, "LateSeconds")
    assert 0 <= late[0] < 120
    assert "xoxb-" not in tick.log + deliver.log


@pytest.mark.parametrize("event", [None, {}, [], "abc", {"Records": []}])
def test_an_event_made_by_hand_is_a_tick_of_this_minute_or_an_empty_batch(cloud: Cloud, event: object) -> None:
    with cloud.function("tick") as tick, cloud.function("deliver") as deliver:
        assert tick.invoke(event)["exit_code"] == 0
        assert deliver.invoke(event) == {"batchItemFailures": []}


def test_without_a_queue_the_tick_delivers_itself(cloud: Cloud, chat_server: ChatServer) -> None:
    cloud.add(TASK)
    with cloud.function("tick", WATCHBELL_QUEUE_URL="") as tick:
        assert tick.invoke(cloud.event)["runs"] == {"success": 1}
    assert len(chat_server.messages) == 1


@pytest.mark.parametrize(
    ("event", "behind"),
    [
        ({"scheduled_time": "{minute}:59Z"}, 0),
        ({"time": "{earlier}:00Z", "source": "aws.events", "detail-type": "Scheduled Event"}, 3),
        ({}, 0),
        ({"scheduled_time": "<aws.scheduler.scheduled-time>"}, 0),
        ({"scheduled_time": "2031-01-01T00:00:00Z"}, 0),
    ],
    ids=["scheduler", "rule", "empty", "not filled in", "far ahead"],
)
def test_the_minute_is_that_of_the_event_else_of_the_clock(cloud: Cloud, event: dict[str, str], behind: int) -> None:
    earlier = cloud.minute - timedelta(minutes=3)
    filled = {
        key: text.replace("{minute}", f"{cloud.minute:%Y-%m-%dT%H:%M}").replace(
            "{earlier}", f"{earlier:%Y-%m-%dT%H:%M}"
        )
        for key, text in event.items()
    }
    with cloud.function("tick") as tick:
        minute = tick.invoke(filled)["minute"]
    wanted = {format_minute(cloud.minute + timedelta(minutes=passed - behind)) for passed in range(2)}
    assert minute in (wanted if not filled or "scheduled_time" in filled else {format_minute(earlier)})


def test_a_repeated_event_and_a_repeated_batch_deliver_once(cloud: Cloud, chat_server: ChatServer) -> None:
    cloud.add(TASK, OTHER)
    with cloud.function("tick") as tick, cloud.function("deliver") as deliver, cloud.function("deliver") as twin:
        for _ in range(2):
            tick.invoke(cloud.event)
        event = cloud.sqs.take()
        assert len(event["Records"]) == 2
        deliver.send(event)
        twin.send(event)
        assert deliver.answer() == twin.answer() == {"batchItemFailures": []}
        assert deliver.invoke(event) == {"batchItemFailures": []}
    assert len(chat_server.messages) == 2


def test_a_poison_message_alone_comes_again_and_the_log_says_why(cloud: Cloud, chat_server: ChatServer) -> None:
    cloud.add(TASK)
    with cloud.function("tick") as tick, cloud.function("deliver") as deliver:
        tick.invoke(cloud.event)
        event = cloud.sqs.take()
        unknown = json.dumps({"task_id": "0" * 12, "fire_time": cloud.fire_time, "attempt": 0})
        event["Records"] += batch("hello", unknown)["Records"]
        _, poison, orphan = (record["messageId"] for record in event["Records"])
        failed = deliver.invoke(event)["batchItemFailures"]
        assert {one["itemIdentifier"] for one in failed} == {poison, orphan}
    said = [line["message"] for line in deliver.lines if line.get("level") in ("ERROR", "WARNING")]
    assert any(poison in one and "not a message of a tick" in one for one in said)
    assert any(f"there is no run {'0' * 12}@{cloud.fire_time}" in one for one in said)
    assert len(chat_server.messages) == 1


def test_a_run_whose_source_fails_is_told_plainly_at_once(
    cloud: Cloud, chat_server: ChatServer, monitoring: FakeMonitoring
) -> None:
    """Nobody else on this store could do better: the functions count as one machine."""
    monitoring.fault = web_page
    cloud.add(TASK)
    with cloud.function("tick") as tick, cloud.function("deliver") as deliver:
        tick.invoke(cloud.event)
        deliver.invoke(cloud.sqs.take())
    (message,) = chat_server.messages
    assert "UNKNOWN" in message.text
    run = cloud.run(TASK)
    assert (run.status, run.declined_by) == (Status.SUCCESS, None)


def test_a_store_that_is_not_there_fails_the_invocation_and_the_batch(cloud: Cloud) -> None:
    nowhere = {"WATCHBELL_STORE": "dynamodb:nowhere"}
    with cloud.function("tick", **nowhere) as tick:
        with pytest.raises(FunctionFailed, match="exit code 5: the tables nowhere"):
            tick.invoke(cloud.event)
        assert metrics(tick.lines, "TickCompleted") == []
    with cloud.function("deliver", **nowhere) as deliver:
        event = batch(json.dumps({"task_id": TASK, "fire_time": cloud.fire_time, "attempt": 0}))
        failed = deliver.invoke(event)["batchItemFailures"]
        assert [one["itemIdentifier"] for one in failed] == [event["Records"][0]["messageId"]]


def test_settings_that_cannot_be_used_are_answered_and_the_dead_man_alarm_hears_nothing(cloud: Cloud) -> None:
    with cloud.function("tick", WATCHBELL_STORE="oracle:x") as tick:
        answer = tick.invoke(cloud.event)
        assert answer["exit_code"] == 3
        assert "WATCHBELL_STORE='oracle:x'" in answer["errors"][0]
        assert metrics(tick.lines, "TickCompleted") == []


def test_tables_of_a_newer_watchbell_stop_every_tick_and_the_dead_man_alarm_hears_nothing(cloud: Cloud) -> None:
    cloud.store.runs.prune(cloud.minute, cloud.minute)
    shared_client().update_item(
        TableName=cloud.environ["WATCHBELL_STORE"].removeprefix("dynamodb:") + "-runs",
        Key={"task_id": {"S": "#meta"}, "fire_time": {"S": "#meta"}},
        UpdateExpression="SET #schema = :newer",
        ExpressionAttributeNames={"#schema": "schema"},
        ExpressionAttributeValues={":newer": {"N": "99"}},
    )
    with cloud.function("tick") as tick:
        answer = tick.invoke(cloud.event)
        assert (answer["exit_code"], "upgrade Watchbell" in answer["errors"][0]) == (3, True)
        assert metrics(tick.lines, "TickCompleted") == []


def test_a_chat_that_is_down_is_worth_another_try_and_no_dead_timer(cloud: Cloud) -> None:
    cloud.add(TASK, target="slack:C1-FAIL-429")
    with cloud.function("tick", WATCHBELL_QUEUE_URL="") as tick:
        with pytest.raises(FunctionFailed, match="exit code 75"):
            tick.invoke(cloud.event)
        assert metrics(tick.lines, "TickCompleted") == [[1.0]]
    assert cloud.run(TASK).status is Status.WAITING


def test_too_short_a_time_out_says_so(cloud: Cloud) -> None:
    with cloud.function("tick") as tick:
        assert "time-out is too short" in tick.invoke(cloud.event, seconds=20)["errors"][0]


def test_a_queue_that_is_down_fails_the_tick_and_a_later_one_hands_on(cloud: Cloud) -> None:
    cloud.add(TASK)
    cloud.sqs.is_down = True
    with cloud.function("tick") as tick, pytest.raises(FunctionFailed, match="the queue did not take 1 run"):
        tick.invoke(cloud.event)
    assert cloud.run(TASK).status is Status.QUEUED


def test_a_lost_answer_of_the_queue_makes_two_messages_and_one_report(cloud: Cloud, chat_server: ChatServer) -> None:
    cloud.add(TASK)
    cloud.sqs.answers_to_lose = 1
    with cloud.function("tick") as tick, cloud.function("deliver") as deliver:
        assert tick.invoke(cloud.event)["exit_code"] == 0
        event = cloud.sqs.take()
        assert len(event["Records"]) == 2
        assert deliver.invoke(event) == {"batchItemFailures": []}
    assert len(chat_server.messages) == 1


def test_single_messages_that_the_queue_refuses_do_not_hold_up_the_others(cloud: Cloud) -> None:
    cloud.add(TASK, OTHER)
    cloud.sqs.refused.add(TASK)
    with cloud.function("tick") as tick, pytest.raises(FunctionFailed, match="did not take 1 run"):
        tick.invoke(cloud.event)
    assert [json.loads(body)["task_id"] for body in cloud.sqs.bodies] == [OTHER]


def test_a_warm_function_keeps_its_connections_and_reads_changed_settings(
    cloud: Cloud, chat_server: ChatServer, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("workers = 1\n")
    cloud.add(TASK)
    with cloud.function("tick", WATCHBELL_CONFIG=str(config)) as tick:
        assert tick.invoke(cloud.event)["runs"] == {"queued": 1}
        cloud.add(OTHER)
        assert tick.invoke(cloud.event)["runs"] == {"queued": 1}
        assert (cloud.sqs.calls, cloud.sqs.connections) == (2, 1)
        config.write_text("workers = 0\n")
        assert tick.invoke(cloud.event)["exit_code"] == 3
        config.write_text("workers = 2\n")
        assert tick.invoke(cloud.event)["exit_code"] == 0


def test_a_warm_function_reads_its_sources_anew(cloud: Cloud, monitoring: FakeMonitoring) -> None:
    """Within one batch equal reads are made once; the next batch must not see old ones."""
    cloud.add(TASK)
    with cloud.function("tick") as tick, cloud.function("deliver") as deliver:
        tick.invoke(cloud.event)
        deliver.invoke(cloud.sqs.take())
        first = len(monitoring.requests)
        cloud.add(OTHER)
        tick.invoke(cloud.event)
        deliver.invoke(cloud.sqs.take())
    assert first > 0
    assert len(monitoring.requests) == 2 * first


def test_the_heartbeat_hears_of_each_tick_and_of_its_failure(cloud: Cloud, monitoring: FakeMonitoring) -> None:
    with cloud.function("tick", WATCHBELL_HEARTBEAT_URL=f"{monitoring.url}/ping") as tick:
        tick.invoke(cloud.event)
        cloud.add(TASK)
        cloud.sqs.is_down = True
        with pytest.raises(FunctionFailed):
            tick.invoke(cloud.event)
    assert [path for path, _, _ in monitoring.requests] == ["/ping", "/ping/75"]
