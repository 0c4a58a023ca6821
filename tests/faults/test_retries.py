"""What surely did not arrive is sent again from the saved report, to those who lack it, for as long as it is wanted."""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from faults.conftest import Chats, Home, raw_task
from faults.scene import TASK, Scene, at
from watchbell.claims import Status
from watchbell.delivery.interface import Delivered, NotSent, Outcome, Refused, Unknown
from watchbell.errors import StoreError

BUSY = NotSent("too many messages", retry_after=3600)


def test_a_refused_connection_is_tried_again_within_the_tick(scene: Scene) -> None:
    scene.add()
    scene.slack.script["C1"] += [NotSent("cannot connect"), NotSent("cannot connect")]
    result = scene.tick("09:00")
    assert (scene.run("09:00").status, result.exit_code) == (Status.SUCCESS, 0)
    assert len(scene.slack.sends) == 3
    assert [round(wait) for wait in scene.clock.waits] == pytest.approx([2, 3], abs=1)


def test_a_retry_after_beyond_the_deadline_is_left_to_a_later_tick(scene: Scene) -> None:
    scene.add()
    scene.slack.script["C1"] += [BUSY]
    process = scene.process()
    result = scene.tick("09:00", process)
    run = scene.run("09:00")
    assert (run.status, run.wake_at, result.exit_code) == (Status.WAITING, at("10:00"), 75)
    assert scene.clock.waits == []

    assert scene.tick("09:59").runs == []
    later = scene.process()
    scene.store.tasks.change(lambda tasks: [task | {"cron": "0 9 * * *"} for task in tasks], now=at("09:59"))
    result = scene.tick("10:00", later)
    assert (scene.run("09:00").status, result.exit_code) == (Status.SUCCESS, 0)
    assert later.pipeline.builds == [], "the report is the saved one"
    assert scene.slack.texts("C1") == ["2026-11-22T09:00Z build 1"] * 2


def test_only_targets_that_lack_the_report_are_sent_to_again(scene: Scene) -> None:
    scene.add(targets=["slack:C2", "slack:C3"], cron="0 9 * * *")
    scene.slack.script["C2"] += [BUSY]
    scene.slack.script["C3"] += [Refused("not in channel")]
    result = scene.tick("09:00")
    assert (scene.run("09:00").status, result.exit_code) == (Status.WAITING, 75)

    result = scene.tick("10:00:01")
    assert [len(scene.slack.texts(chat)) for chat in ("C1", "C2", "C3")] == [1, 2, 1]
    assert (scene.run("09:00").status, result.exit_code) == (Status.PARTIAL, 7)
    assert scene.run("09:00").error == "not in channel"
    assert scene.tick("11:00").runs == []


def test_one_target_of_two_refused_is_partial_and_is_not_tried_again(scene: Scene) -> None:
    scene.add(targets=["slack:C2"], cron="0 9 * * *")
    scene.slack.script["C2"] += [Refused("channel_not_found")]
    result = scene.tick("09:00")
    run = scene.run("09:00")
    assert (run.status, run.wake_at, result.exit_code) == (Status.PARTIAL, None, 7)


def test_all_targets_refused_is_failed(scene: Scene) -> None:
    scene.add(targets=["slack:C2"])
    scene.slack.script["C1"] += [Refused("no")]
    scene.slack.script["C2"] += [Refused("no")]
    assert scene.tick("09:00").exit_code == 7
    assert scene.run("09:00").status is Status.FAILED


def test_retries_end_after_deliver_within(scene: Scene) -> None:
    scene.add(cron="0 9 * * *", deliver_within_hours=2)
    scene.slack.script["C1"] += [BUSY, BUSY, BUSY]
    scene.tick("09:00")
    scene.tick("10:00")
    run = scene.run("09:00")
    assert (run.status, run.wake_at) == (Status.WAITING, at("11:00"))
    scene.tick("11:00")
    run = scene.run("09:00")
    assert (run.status, run.wake_at, len(scene.slack.sends)) == (Status.FAILED, None, 3)


@pytest.mark.parametrize(("first", "status"), [(Delivered("1"), Status.PARTIAL), (Refused("no"), Status.FAILED)])
def test_a_report_that_no_tick_could_retry_in_time_is_given_up_for_what_it_is(
    scene: Scene, first: Outcome, status: Status
) -> None:
    scene.add(cron="0 9 * * *", deliver_within_hours=2, targets=["slack:C2"])
    scene.slack.script["C1"] += [first]
    scene.slack.script["C2"] += [BUSY]
    scene.tick("09:00")
    result = scene.tick("11:01")
    run = scene.run("09:00")
    assert (run.status, run.wake_at, result.exit_code) == (status, None, 7)
    assert run.error is not None
    assert run.error.startswith("given up after 2 hours; ")
    assert "too many messages" in run.error
    assert len(scene.slack.sends) == 2


def test_a_single_hour_is_one_hour(scene: Scene) -> None:
    scene.add(cron="0 9 * * *", deliver_within_hours=1)
    scene.slack.script["C1"] += [BUSY]
    scene.tick("09:00")
    scene.tick("10:01")
    assert str(scene.run("09:00").error).startswith("given up after 1 hour; ")


@pytest.mark.parametrize(("first", "status"), [(Delivered("1"), Status.PARTIAL), (Refused("no"), Status.FAILED)])
def test_a_waiting_report_is_given_up_once_a_later_one_is_delivered(
    scene: Scene, first: Outcome, status: Status
) -> None:
    scene.add(targets=["slack:C2"])
    scene.slack.script["C1"] += [first]
    scene.slack.script["C2"] += [BUSY]
    scene.tick("09:00")
    scene.tick("10:00")
    assert scene.run("10:00").status is Status.SUCCESS
    scene.tick("10:01")
    run = scene.run("09:00")
    assert (run.status, run.wake_at) == (status, None)
    assert "a later report has been delivered" in (run.error or "")
    assert len(scene.slack.texts("C2")) == 2, "the first of them was refused for now, the second is the later report"


def test_a_waiting_report_and_the_next_one_never_run_side_by_side(scene: Scene) -> None:
    """The later report goes out; the older waits for it, and has become stale then."""
    scene.add()
    scene.slack.script["C1"] += [BUSY]
    scene.tick("09:00")
    other = scene.process("beta")

    def retry_meanwhile() -> Outcome:
        assert scene.tick(process=other).runs == []
        return Delivered("1")

    scene.slack.script["C1"] += [retry_meanwhile]
    scene.tick("10:00")
    scene.tick("10:01")
    assert scene.ledger() == ["09:00 failed", "10:00 success"]


def test_an_unknown_send_is_held_for_ever_by_default(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [Unknown("no answer in time")]
    result = scene.tick("09:00")
    run = scene.run("09:00")
    assert (run.status, run.wake_at, run.error, result.exit_code) == (Status.UNKNOWN, None, "no answer in time", 7)
    for later in ("09:02", "12:00", "20:00"):
        scene.tick(later)
    assert len(scene.slack.sends) == 1


def test_an_unknown_send_beside_a_waiting_one_leaves_the_run_unknown_and_the_retry_going(scene: Scene) -> None:
    scene.add(cron="0 9 * * *", targets=["slack:C2"])
    scene.slack.script["C1"] += [Unknown("no answer in time")]
    scene.slack.script["C2"] += [BUSY]
    scene.tick("09:00")
    assert (scene.run("09:00").status, scene.run("09:00").wake_at) == (Status.UNKNOWN, at("10:00"))
    scene.tick("10:00")
    run = scene.run("09:00")
    assert {part.target: part.outcome for part in run.parts} == {"slack:C1": "unknown", "slack:C2": "delivered"}
    assert (run.status, run.wake_at) == (Status.UNKNOWN, None)
    assert len(scene.slack.texts("C1")) == 1


def test_a_repeat_is_made_once_after_a_minute_and_marked(scene: Scene) -> None:
    scene.add(cron="0 9 * * *", on_unknown="resend")
    scene.slack.script["C1"] += [Unknown("no answer in time"), Unknown("again no answer")]
    scene.tick("09:00")
    scene.tick("09:00:59")
    assert len(scene.slack.sends) == 1
    for later in ("09:01", "09:03", "12:00"):
        scene.tick(later)
    assert scene.slack.texts("C1") == ["2026-11-22T09:00Z build 1", "2026-11-22T09:00Z build 1 (may be a repeat)"]
    assert scene.run("09:00").status is Status.UNKNOWN


def test_a_repeat_that_has_to_wait_is_still_marked_as_one(scene: Scene) -> None:
    scene.add(cron="0 9 * * *", on_unknown="resend")
    scene.slack.script["C1"] += [Unknown("no answer in time"), BUSY]
    for now in ("09:00", "09:01", "10:02"):
        scene.tick(now)
    repeats = ["(may be a repeat)" in text for text in scene.slack.texts("C1")]
    assert repeats == [False, True, True]
    assert scene.run("09:00").status is Status.SUCCESS


def test_a_repeat_that_is_refused_leaves_the_run_unknown(scene: Scene) -> None:
    """The first message may stand in the channel, whatever the provider says of the second."""
    scene.add(cron="0 9 * * *", on_unknown="resend")
    scene.slack.script["C1"] += [Unknown("no answer in time"), Refused("the channel is archived")]
    scene.tick("09:00")
    scene.tick("09:01")
    run = scene.run("09:00")
    assert (run.status, run.wake_at, run.error) == (Status.UNKNOWN, None, "the channel is archived")


def test_a_repeat_that_is_given_up_leaves_the_run_unknown(scene: Scene) -> None:
    scene.add(cron="0 9 * * *", on_unknown="resend", deliver_within_hours=2)
    scene.slack.script["C1"] += [Unknown("no answer in time"), BUSY]
    for now in ("09:00", "09:01", "12:00"):
        scene.tick(now)
    assert (scene.run("09:00").status, scene.run("09:00").wake_at) == (Status.UNKNOWN, None)


def test_a_bug_in_one_provider_leaves_the_other_target_delivered_and_says_so(scene: Scene) -> None:
    def bug(*args: object) -> Any:
        raise RuntimeError("boom")

    scene.add(targets=["discord:1"], cron="0 9 * * *")
    scene.chats["discord"].render = bug
    result = scene.tick("09:00")
    run = scene.run("09:00")
    assert (run.status, run.error, result.exit_code) == (Status.PARTIAL, "a bug: RuntimeError: boom", 1)
    assert len(scene.slack.texts("C1")) == 1
    assert scene.tick("09:01").runs == []


def test_a_bug_after_the_intent_may_have_sent_it(scene: Scene) -> None:
    def bug() -> Outcome:
        raise RuntimeError("boom")

    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [bug]
    scene.tick("09:00")
    scene.tick("09:05")
    assert (scene.run("09:00").status, len(scene.slack.sends)) == (Status.UNKNOWN, 1)


def test_a_run_whose_definition_is_no_longer_understood_fails_once_and_for_all(scene: Scene) -> None:
    """Another version claimed it; without this, each tick would take it up again for ever."""
    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [BUSY]
    scene.tick("09:00")
    with closing(sqlite3.connect(scene.home / "scheduler.db")) as connection, connection:
        connection.execute("UPDATE runs SET definition = '{}'")
    connection.close()
    assert scene.tick("10:00").exit_code == 3
    run = scene.run("09:00")
    assert (run.status, run.wake_at, run.error) == (Status.FAILED, None, "its definition: id: this field is required")
    assert scene.tick("10:01").exit_code == 0


def test_a_ledger_that_fails_after_the_send_leaves_it_unknown_and_held(scene: Scene) -> None:
    """A disk that fills up just then: the intent says that it may have arrived."""
    scene.add(cron="0 9 * * *")
    process, runs = scene.process(), scene.store.runs

    def full(*args: object) -> None:
        raise StoreError("scheduler.db: database or disk is full")

    write_outcome, runs.write_outcome = runs.write_outcome, full  # type: ignore[method-assign]
    assert scene.tick("09:00", process).exit_code == 5
    runs.write_outcome = write_outcome  # type: ignore[method-assign]
    scene.gone.add(process.services.owner.token)
    scene.tick("09:01")
    assert (scene.run("09:00").status, len(scene.slack.sends)) == (Status.UNKNOWN, 1)


def test_a_slow_target_does_not_delay_the_others(home: Home, chats: Chats, chat: str) -> None:
    slow = f"C{chat}-SLOW-3000MS"
    home.add(raw_task(TASK, f"slack:{slow}", targets=[f"slack:{chat}"]))
    ticking = threading.Thread(target=home.tick)
    begun = time.monotonic()
    ticking.start()
    _wait_until(lambda: bool(chats.texts(chat)))
    assert time.monotonic() - begun < 2.5
    assert chats.texts(slow) == []
    ticking.join()
    assert home.settled(TASK).status is Status.SUCCESS
    assert len(chats.texts(slow)) == 1


def test_a_port_that_nobody_listens_on_is_waiting_and_sent_later_from_the_saved_report(
    home: Home, chats: Chats, chat: str
) -> None:
    """The real client: connections refused until the tick's time is up, then a chat server that is back."""
    home.add(raw_task(TASK, f"slack:{chat}"))
    (home.path / "config.toml").write_text("deadline_seconds = 10\n")
    working = home.environ
    home.environ = working | {"WATCHBELL_SLACK_API_URL": "http://127.0.0.1:9/slack/api"}
    assert home.tick().exit_code == 75
    run = home.settled(TASK)
    assert (run.status, run.parts[0].outcome) == (Status.WAITING, "not_sent")
    home.environ = working
    assert home.tick(shift=timedelta(minutes=5)).exit_code == 0
    assert home.settled(TASK).status is Status.SUCCESS
    assert (len(chats.texts(chat)), home.built(TASK)) == (1, 1)


def _wait_until(is_true: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.02)


def damage_reports(scene: Scene) -> None:
    with closing(sqlite3.connect(scene.home / "scheduler.db")) as connection, connection:
        connection.execute("UPDATE reports SET body = x'00'")


def test_a_damaged_report_of_which_nothing_was_sent_is_built_again(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [BUSY]
    scene.tick("09:00")
    damage_reports(scene)
    later = scene.process()
    assert scene.tick("10:00:01", later).exit_code == 0
    assert len(later.pipeline.builds) == 1
    assert scene.run("09:00").status is Status.SUCCESS


def test_a_damaged_report_of_which_some_was_sent_ends_its_run_with_the_reason_and_no_other(scene: Scene) -> None:
    scene.add(targets=["slack:C2"], cron="0 9 * * *")
    scene.add("b1b2c3d4e5f6", target="slack:C3", cron="0 10 * * *")
    scene.slack.script["C2"] += [BUSY]
    scene.tick("09:00")
    damage_reports(scene)
    assert scene.tick("10:00:01").exit_code == 5
    run = scene.run("09:00")
    assert (run.status, "is damaged" in (run.error or "")) == (Status.PARTIAL, True)
    assert [len(scene.slack.texts(chat)) for chat in ("C1", "C2", "C3")] == [1, 1, 1]
    assert scene.run("10:00", "b1b2c3d4e5f6").status is Status.SUCCESS
