"""A task that is edited, paused, disabled or removed while a run of it is under way."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from faults.scene import TASK, Scene, at
from watchbell.claims import Status
from watchbell.delivery.interface import Delivered, NotSent, Outcome, Refused, Unknown

BUSY = NotSent("too many messages", retry_after=3600)

STOPS: dict[str, Callable[[Scene], None]] = {
    "removed": lambda scene: scene.remove(),
    "disabled": lambda scene: scene.edit(enabled=False),
    "paused": lambda scene: scene.edit(paused_until="forever"),
    "paused for a day": lambda scene: scene.edit(paused_until="2026-11-23T09:00Z"),
}


@pytest.mark.parametrize("how", STOPS)
def test_a_task_stopped_while_its_report_is_built_sends_nothing(scene: Scene, how: str) -> None:
    scene.add()
    process = scene.process()
    process.pipeline.meanwhile = lambda request: STOPS[how](scene)
    result = scene.tick("09:00", process)
    run = scene.run("09:00")
    assert (run.status, run.wake_at, result.exit_code) == (Status.ABANDONED, None, 0)
    assert run.error == f"withheld: the task was {how.split()[0]}"
    assert scene.slack.sends == []
    scene.tick("09:01")
    assert scene.slack.sends == []


@pytest.mark.parametrize("how", STOPS)
def test_a_task_stopped_while_a_run_waits_for_its_retry_sends_nothing_more(scene: Scene, how: str) -> None:
    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [BUSY]
    scene.tick("09:00")
    scene.clock.set(at("09:30"))
    STOPS[how](scene)
    result = scene.tick("10:00")
    assert (scene.run("09:00").status, result.exit_code) == (Status.ABANDONED, 0)
    assert len(scene.slack.sends) == 1
    assert scene.tick("10:01").runs == []


def test_a_pause_between_two_targets_hides_no_refusal(scene: Scene) -> None:
    def refuse_and_pause() -> Outcome:
        scene.edit(paused_until="forever")
        return Refused("token_revoked")

    scene.add(cron="0 9 * * *", targets=["slack:C2"])
    scene.slack.script["C1"] += [refuse_and_pause]
    scene.slack.script["C2"] += [BUSY]
    scene.tick("09:00")
    result = scene.tick("10:00")
    run = scene.run("09:00")
    assert {part.target: part.outcome for part in run.parts} == {"slack:C1": "refused", "slack:C2": "not_sent"}
    assert (run.status, result.exit_code) == (Status.FAILED, 7)
    assert "token_revoked" in (run.error or "")


@pytest.mark.parametrize("how", STOPS)
def test_a_task_stopped_between_two_targets_keeps_what_was_sent(scene: Scene, how: str) -> None:
    scene.add(cron="0 9 * * *", targets=["slack:C2"])
    scene.slack.script["C2"] += [BUSY]
    scene.tick("09:00")
    scene.clock.set(at("09:30"))
    STOPS[how](scene)
    scene.tick("10:00")
    run = scene.run("09:00")
    assert run.status is Status.PARTIAL
    assert {part.target: part.outcome for part in run.parts} == {"slack:C1": "delivered", "slack:C2": "not_sent"}


@pytest.mark.parametrize("how", STOPS)
def test_a_task_stopped_before_its_repeat_stays_unknown(scene: Scene, how: str) -> None:
    scene.add(cron="0 9 * * *", on_unknown="resend")
    scene.slack.script["C1"] += [Unknown("no answer in time")]
    scene.tick("09:00:10")
    STOPS[how](scene)
    for later in ("09:02", "09:03"):
        scene.tick(later)
    run = scene.run("09:00")
    assert (run.status, run.wake_at, len(scene.slack.sends)) == (Status.UNKNOWN, None, 1)


def test_a_stop_after_the_intent_comes_too_late_for_this_message(scene: Scene) -> None:
    scene.add()

    def removed_meanwhile() -> Outcome:
        scene.remove()
        return Delivered("1")

    scene.slack.script["C1"] += [removed_meanwhile]
    scene.tick("09:00")
    assert scene.run("09:00").status is Status.SUCCESS


def test_a_run_goes_on_with_the_definition_it_was_claimed_with(scene: Scene) -> None:
    scene.add(cron="0 9 * * *", window_hours=24)
    process = scene.process()
    windows: list[timedelta] = []

    def edit_meanwhile(request: object) -> None:
        windows.append(request.window.end - request.window.start)  # type: ignore[attr-defined]
        scene.edit(chat_id="C9", window_hours=1)

    process.pipeline.meanwhile = edit_meanwhile
    scene.tick("09:00", process)
    assert windows == [timedelta(hours=24)]
    assert [sent.chat_id for sent in scene.slack.sends] == ["C1"]
    assert scene.run("09:00").status is Status.SUCCESS


def test_a_waiting_run_goes_on_with_the_definition_it_was_claimed_with(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [BUSY]
    scene.tick("09:00")
    scene.clock.set(at("09:30"))
    scene.edit(chat_id="C9", cron="0 12 * * *")
    scene.tick("10:00")
    assert [sent.chat_id for sent in scene.slack.sends] == ["C1", "C1"]
    scene.tick("12:00")
    assert [sent.chat_id for sent in scene.slack.sends] == ["C1", "C1", "C9"]
    assert scene.ledger() == ["09:00 success", "12:00 success"]


def test_a_task_resumed_before_the_retry_is_delivered_after_all(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [BUSY]
    scene.tick("09:00")
    scene.clock.set(at("09:30"))
    scene.edit(paused_until="forever")
    scene.clock.set(at("09:40"))
    scene.edit(paused_until=None)
    scene.tick("10:00")
    assert scene.run("09:00").status is Status.SUCCESS


def test_a_task_removed_and_added_again_under_its_id_never_fires_for_the_past(scene: Scene) -> None:
    scene.add()
    scene.clock.set(at("09:00:20"))
    scene.remove()
    scene.clock.set(at("09:00:40"))
    scene.add()
    scene.tick("09:01")
    assert scene.ledger(TASK) == ["09:00-09:00 skipped 1 removed"]
    scene.tick("10:00")
    assert scene.ledger(TASK) == ["09:00-09:00 skipped 1 removed", "10:00 success"]
