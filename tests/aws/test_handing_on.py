"""A tick with a queue hands on; whatever the queue does, each fire is settled once."""

from dataclasses import replace

import pytest

from aws.conftest import Fleet
from faults.scene import OPS, TASK, at
from faults.test_adhoc import run_by_hand
from watchbell.batches import run_batch
from watchbell.checkup.checks import Level
from watchbell.checkup.ledger import check_runs
from watchbell.claims import Status
from watchbell.deliveries import Means
from watchbell.delivery.interface import Found, NotSent, Unknown
from watchbell.errors import TryAgain, UsageError
from watchbell.queueing import Message
from watchbell.tasks import Target

FIRE = "2026-11-22T09:00Z"
OTHER = "b1b2c3d4e5f6"


def test_a_tick_with_a_queue_builds_and_sends_nothing(fleet: Fleet) -> None:
    fleet.scene.add()
    result = fleet.tick("09:00:02")
    assert [(run.id, run.status) for run in result.runs] == [(f"{TASK}@{FIRE}", Status.QUEUED)]
    assert (result.exit_code, fleet.scene.slack.sends) == (0, [])
    assert fleet.queue.messages == [Message(TASK, FIRE, 0)]


def test_whoever_gets_the_message_delivers(fleet: Fleet) -> None:
    fleet.scene.add()
    fleet.tick("09:00:02")
    result = fleet.deliver(now="09:00:05")
    run = fleet.scene.run("09:00")
    assert (run.status, run.attempt, run.started_at) == (Status.SUCCESS, 1, at("09:00:05"))
    assert (result.done, result.exit_code) == ({"message 0"}, 0)
    assert len(fleet.scene.slack.sends) == 1


def test_a_message_that_comes_again_and_again_delivers_once(fleet: Fleet) -> None:
    fleet.scene.add()
    fleet.tick("09:00:02")
    (message,) = fleet.queue.messages
    result = fleet.deliver(message, message, message)
    assert result.done == {"message 0", "message 1", "message 2"}
    assert fleet.deliver(message, now="09:30").done == {"message 0"}
    assert len(fleet.scene.slack.sends) == 1


def test_a_message_that_comes_while_another_worker_is_at_it_is_done_with(fleet: Fleet) -> None:
    fleet.scene.add()
    fleet.tick("09:00:02")
    (message,) = fleet.queue.messages
    first, again = fleet.process(), []
    first.pipeline.meanwhile = lambda request: again.append(fleet.deliver(message))
    fleet.deliver(process=first)
    assert [one.done for one in again] == [{"message 0"}]
    assert len(fleet.scene.slack.sends) == 1


def test_a_lost_message_is_sent_again_after_two_minutes(fleet: Fleet) -> None:
    fleet.scene.add()
    fleet.tick("09:00:02")
    fleet.queue.messages.clear()
    assert fleet.tick("09:01:00").runs == []
    fleet.tick("09:02:03")
    assert fleet.queue.messages == [Message(TASK, FIRE, 0)]
    fleet.deliver(now="09:02:10")
    assert fleet.scene.ledger() == ["09:00 success"]


def test_a_queue_that_has_fallen_behind_is_not_filled_with_copies(fleet: Fleet) -> None:
    fleet.scene.add()
    for minute in range(60):
        fleet.tick(f"09:{minute:02}:02")
    assert 4 <= len(fleet.queue.messages) <= 6
    fleet.deliver(now="09:59:59")
    assert len(fleet.scene.slack.sends) == 1


def test_what_a_dead_queue_did_not_take_is_a_failure_of_the_tick_and_sent_later(fleet: Fleet) -> None:
    fleet.scene.add()
    fleet.queue.is_down = True
    result = fleet.tick("09:00:02")
    assert (result.exit_code, fleet.scene.run("09:00").status) == (75, Status.QUEUED)
    assert "the queue did not take 1 run(s)" in result.errors[0]
    fleet.queue.is_down = False
    fleet.tick("09:03")
    fleet.deliver()
    assert fleet.scene.ledger() == ["09:00 success"]


def test_late_and_reordered_messages_deliver_each_fire_once(fleet: Fleet) -> None:
    for number in range(40):
        fleet.scene.add(f"{number:012x}", target=f"slack:C{number}")
    fleet.tick("09:00:02")
    fleet.tick("09:02:10")
    messages = fleet.queue.messages * 2
    fleet.shuffle.shuffle(messages)
    for start in range(0, len(messages), 10):
        assert len(fleet.deliver(*messages[start : start + 10], now="09:20").done) == 10
    assert sorted(sent.chat_id for sent in fleet.scene.slack.sends) == sorted(f"C{number}" for number in range(40))


def test_messages_go_out_ten_per_call(fleet: Fleet) -> None:
    for number in range(205):
        fleet.scene.add(f"{number:012x}")
    fleet.tick("09:00:02")
    assert (fleet.queue.calls, len(fleet.queue.messages)) == (21, 205)
    assert len(set(fleet.queue.messages)) == 205


def test_a_worker_that_dies_leaves_its_run_to_a_later_message(fleet: Fleet) -> None:
    fleet.scene.add()
    fleet.tick("09:00:02")
    (message,) = fleet.queue.messages
    fleet.queue.messages.clear()
    dead = fleet.process()
    seen = fleet.scene.run("09:00")
    limits = fleet.scene.limits(dead)
    taken = fleet.scene.store.runs.take_over(
        seen, owner=dead.services.owner, lease_until=limits.lease_until, now=at("09:00:05"), crashed=False
    )
    assert taken is not None
    assert fleet.deliver(message, now="09:03").done == {"message 0"}
    assert fleet.scene.slack.sends == []
    fleet.scene.gone.add(dead.services.owner.token)
    fleet.tick("09:04")
    assert fleet.queue.messages == [Message(TASK, FIRE, 1)]
    fleet.deliver()
    run = fleet.scene.run("09:00")
    assert (run.status, run.attempt, run.crashes) == (Status.SUCCESS, 2, 1)


def test_a_run_that_keeps_ending_its_worker_fails_with_that_reason(fleet: Fleet) -> None:
    fleet.scene.add()
    fleet.tick("09:00:02")
    for minute in (10, 20, 30):
        owed = fleet.scene.run("09:00")
        dead = fleet.process()
        fleet.scene.clock.set(at(f"09:{minute}"))
        assert fleet.scene.store.runs.take_over(
            owed,
            owner=dead.services.owner,
            lease_until=at(f"09:{minute}"),
            now=at(f"09:{minute}"),
            crashed=owed.status is Status.RUNNING,
        )
        fleet.scene.gone.add(dead.services.owner.token)
    fleet.queue.messages.clear()
    fleet.tick("09:40")
    result = fleet.deliver()
    run = fleet.scene.run("09:00")
    assert (run.status, run.error, result.exit_code) == (Status.FAILED, "its process ended 3 times", 7)
    assert fleet.scene.slack.sends == []


def test_retries_go_through_the_queue_too(fleet: Fleet) -> None:
    fleet.scene.add()
    fleet.scene.slack.script["C1"].append(NotSent("ratelimited", retry_after=1800.0))
    fleet.tick("09:00:02")
    fleet.deliver()
    assert fleet.scene.run("09:00").status is Status.WAITING
    fleet.tick("09:20")
    assert fleet.queue.messages == []
    fleet.tick("09:31")
    assert fleet.queue.messages == [Message(TASK, FIRE, 1)]
    fleet.tick("09:32")
    assert len(fleet.queue.messages) == 1
    fleet.deliver()
    assert fleet.scene.ledger() == ["09:00 success"]
    assert fleet.scene.slack.texts("C1") == [f"{FIRE} build 1"] * 2


def test_a_second_fire_waits_for_the_queued_one(fleet: Fleet) -> None:
    fleet.scene.add(cron="*/5 * * * *")
    fleet.tick("08:05:01")
    fleet.tick("08:10:01")
    assert len(set(fleet.queue.messages)) == 1
    fleet.deliver(now="08:11")
    fleet.tick("08:11:30")
    fleet.deliver()
    assert fleet.scene.ledger() == ["08:05 success", "08:10 success"]


def test_a_tick_without_the_queue_takes_up_what_nobody_took(fleet: Fleet) -> None:
    """A laptop on the same store."""
    fleet.scene.add()
    fleet.tick("09:00:02")
    assert fleet.scene.tick("09:01:00").runs == []
    (run,) = fleet.scene.tick("09:03").runs
    assert (run.status, run.attempt) == (Status.SUCCESS, 1)
    assert fleet.deliver().done == {"message 0"}
    assert len(fleet.scene.slack.sends) == 1


def test_what_nobody_took_for_as_long_as_it_may_be_delivered_fails_and_is_told(fleet: Fleet) -> None:
    fleet.scene.ops_target = Target.parse(OPS)
    fleet.scene.add(cron="0 9 * * *", deliver_within_hours=2)
    fleet.tick("09:00:02")
    fleet.queue.messages.clear()
    result = fleet.tick("11:00:30")
    run = fleet.scene.run("09:00")
    assert (run.status, run.error) == (Status.FAILED, "nobody took it from the queue before 2026-11-22T11:00Z")
    assert result.exit_code == 7
    assert "nobody took it from the queue" in fleet.scene.ops_texts()[0]
    assert fleet.queue.messages == []


def test_an_edit_after_the_claim_affects_later_fires_only_and_a_removal_stops_the_send(fleet: Fleet) -> None:
    fleet.scene.add(target="slack:C1")
    fleet.scene.add(OTHER, target="slack:C2")
    fleet.tick("09:00:02")
    fleet.scene.edit(chat_id="C9")
    fleet.scene.remove(OTHER)
    fleet.deliver()
    assert [sent.chat_id for sent in fleet.scene.slack.sends] == ["C1"]
    assert fleet.scene.run("09:00", OTHER).status is Status.ABANDONED


def test_a_message_for_a_run_that_is_not_there_is_not_done_and_says_why(fleet: Fleet) -> None:
    result = fleet.deliver(Message(TASK, FIRE, 0))
    assert (result.done, result.exit_code) == (set(), 5)
    assert result.errors == [f"there is no run {TASK}@{FIRE}; does the queue belong to this store?"]


def test_messages_that_time_does_not_allow_come_again(fleet: Fleet) -> None:
    fleet.scene.add()
    fleet.scene.add(OTHER)
    fleet.tick("09:00:02")
    process = fleet.process()
    limits = replace(fleet.scene.limits(process), ends=0.0)
    named = {message.task_id: message for message in fleet.queue.messages}
    result = run_batch(process.services, named, limits)
    assert (result.done, result.exit_code) == (set(), 75)
    assert fleet.scene.run("09:00").attempt == 0


def test_what_ended_a_process_before_comes_last_and_alone(fleet: Fleet) -> None:
    for number in range(4):
        fleet.scene.add(f"{number:012x}", target=f"slack:C{number}")
    fleet.tick("09:00:02")
    dead = fleet.process()
    assert fleet.scene.store.runs.take_over(
        fleet.scene.run("09:00", f"{0:012x}"),
        owner=dead.services.owner,
        lease_until=at("09:06"),
        now=at("09:00:05"),
        crashed=False,
    )
    fleet.scene.gone.add(dead.services.owner.token)
    fleet.queue.messages.clear()
    fleet.tick("09:04")
    fleet.deliver(*fleet.queue.messages)
    assert [sent.chat_id for sent in fleet.scene.slack.sends][-1] == "C0"
    assert len(fleet.scene.slack.sends) == 4


def test_a_queued_run_cannot_be_retried_by_hand(fleet: Fleet) -> None:
    fleet.scene.add()
    fleet.tick("09:00:02")
    with pytest.raises(TryAgain, match="is queued; wait"):
        fleet.scene.retry(fleet.scene.run("09:00"))


def test_an_interrupted_ad_hoc_run_is_abandoned_by_whoever_gets_its_message(fleet: Fleet) -> None:
    fleet.scene.add()
    dead = fleet.process()
    task = fleet.scene.store.tasks.find(TASK)
    assert task is not None
    run = fleet.scene.store.runs.claim_adhoc(
        task, "2026-11-22T08:30:07.123Z-1f3a", owner=dead.services.owner, lease_until=at("08:36"), now=at("08:30:07")
    )
    fleet.scene.gone.add(dead.services.owner.token)
    fleet.tick("08:40")
    assert fleet.queue.messages == [Message.from_text(Message.of(run).to_text())]
    fleet.deliver()
    (ended,) = fleet.scene.store.runs.history(TASK, limit=5)
    assert (ended.status, fleet.scene.slack.sends) == (Status.ABANDONED, [])


def test_an_ad_hoc_run_is_asked_about_by_whoever_gets_its_message_beside_a_task_that_is_always_queued(
    fleet: Fleet,
) -> None:
    fleet.scene.slack.offers = Means(can_ask=True)
    fleet.scene.add(cron="* * * * *")
    fleet.scene.clock.set(at("08:30:05"))
    fleet.scene.slack.script["C1"] += [Unknown("no answer in time")]
    run = run_by_hand(fleet.scene, fleet.process())
    fleet.scene.slack.answers += [Found("1")]
    fleet.tick("08:32")
    assert Message.of(run) in fleet.queue.messages
    fleet.deliver(Message.of(run), Message.of(run))
    found = fleet.scene.store.runs.find(TASK, run.fire_time)
    assert found is not None
    assert (found.status, found.wake_at) == (Status.SUCCESS, None)
    assert (len(fleet.scene.slack.asked), len(fleet.scene.slack.sends)) == (1, 1)


def test_doctor_says_when_nobody_takes_a_run_from_the_queue(fleet: Fleet) -> None:
    fleet.scene.add(cron="0 9 * * *")
    fleet.tick("09:00:02")
    assert [check.level for check in check_runs(fleet.scene.store, at("09:59"))] == [Level.OK]
    (check,) = check_runs(fleet.scene.store, at("10:01"))
    assert (check.level, check.detail) == (Level.PROBLEM, f"{TASK}@{FIRE} is queued, and nobody takes it")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "null",
        '{"task_id": "a1b2c3d4e5f6"}',
        '{"task_id": 7, "fire_time": "x", "attempt": 0}',
        '{"task_id": "a", "fire_time": "x", "attempt": true}',
        '{"task_id": "a1b2c3d4e5f6", "fire_time": "", "attempt": 0}',
        '{"task_id": "a1b2c3d4e5f6", "fire_time": "gap#2026-11-22T09:00Z#2026-11-22T09:00Z", "attempt": 0}',
        '{"task_id": "#meta", "fire_time": "#meta", "attempt": 0}',
        '{"task_id": "", "fire_time": "2026-11-22T09:00Z", "attempt": 0}',
    ],
)
def test_what_is_no_message_of_ours_says_so(text: str) -> None:
    with pytest.raises(UsageError, match="not a message of a tick"):
        Message.from_text(text)


def test_a_message_is_read_as_it_was_written() -> None:
    message = Message(TASK, FIRE, 3)
    assert Message.from_text(message.to_text()) == message
