"""A store that is only busy: what it was too busy for stays owed, and nothing is sent twice for it."""

from collections.abc import Callable
from typing import Any

import pytest

from faults.scene import TASK, Scene
from watchbell.claims import Status
from watchbell.deliveries import Means
from watchbell.delivery.interface import Absent, Found
from watchbell.errors import TryAgain


@pytest.fixture
def busy(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make one call of the run store answer that it is busy, once: before or after it did what it was asked for."""

    def break_once(name: str, *, after: bool = False, which: int = 1) -> None:
        real: Callable[..., Any] = getattr(scene.store.runs, name)
        calls: list[str] = []

        def call(*args: Any, **named: Any) -> Any:
            calls.append(name)
            if len(calls) != which:
                return real(*args, **named)
            if after:
                real(*args, **named)
            raise TryAgain("the tables are busy")

        monkeypatch.setattr(scene.store.runs, name, call)

    return break_once


@pytest.mark.parametrize("name", ["save_report", "write_intent"])
def test_what_the_store_was_too_busy_for_before_the_send_is_done_by_the_next_tick(
    scene: Scene, busy: Callable[..., None], name: str
) -> None:
    scene.add()
    busy(name)
    result = scene.tick("09:00:02")
    run = scene.run("09:00")
    assert (run.status, run.error, result.exit_code) == (Status.WAITING, "the tables are busy", 75)
    assert scene.slack.sends == []
    scene.tick("09:01")
    run = scene.run("09:00")
    assert (run.status, run.crashes) == (Status.SUCCESS, 0)
    assert len(scene.slack.sends) == 1


def test_a_saved_report_that_the_store_is_too_busy_for_is_not_built_again(
    scene: Scene, busy: Callable[..., None]
) -> None:
    scene.add()
    busy("write_intent")
    scene.tick("09:00:02")
    busy("saved_report")
    process = scene.process()
    assert scene.tick("09:01", process).exit_code == 75
    assert scene.tick("09:02", process).exit_code == 0
    assert scene.run("09:00").status is Status.SUCCESS
    assert (len(scene.slack.sends), process.pipeline.builds) == (1, [])


@pytest.mark.parametrize(("answer", "sends"), [(Found("1"), 1), (Absent(), 2)])
def test_an_outcome_that_the_store_was_too_busy_for_is_asked_for(
    scene: Scene, busy: Callable[..., None], answer: Found | Absent, sends: int
) -> None:
    scene.slack.offers = Means(can_ask=True)
    scene.slack.answers.append(answer)
    scene.add()
    busy("write_outcome")
    assert scene.tick("09:00:02").exit_code == 75
    assert scene.run("09:00").status is Status.UNKNOWN
    for minute in range(1, 5):
        scene.tick(f"09:{minute:02}:02")
    assert scene.run("09:00").status is Status.SUCCESS
    assert len(scene.slack.sends) == sends


def test_an_outcome_that_nobody_can_tell_is_held_after_a_busy_store_too(
    scene: Scene, busy: Callable[..., None]
) -> None:
    scene.add()
    busy("write_outcome")
    for minute in range(5):
        scene.tick(f"09:{minute:02}:02")
    run = scene.run("09:00")
    assert (run.status, run.wake_at) == (Status.UNKNOWN, None)
    assert len(scene.slack.sends) == 1


def test_other_targets_than_the_one_the_store_was_too_busy_for_get_nothing_again(
    scene: Scene, busy: Callable[..., None]
) -> None:
    scene.add(targets=["slack:C2", "telegram:7"])
    busy("write_intent", which=2)
    scene.tick("09:00:02")
    scene.tick("09:01")
    assert scene.ledger(TASK)[-1] == "09:00 success"
    sent = [one.chat_id for chat in scene.chats.values() for one in chat.sends]
    assert sorted(sent) == sorted(set(sent))
