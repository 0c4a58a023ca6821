"""What a tick with nothing to do asks of the store: on AWS each question costs."""

from collections import Counter
from pathlib import Path
from typing import Any

from faults.scene import TASK, a_scene
from watchbell.claims import plan_move


class Counting:
    """Hands every call on, and counts it."""

    def __init__(self, inner: object, counts: Counter[str]) -> None:
        self._inner = inner
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name in ("runs", "tasks", "ticks"):
            return Counting(value, self._counts)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._counts[name] += 1
            return value(*args, **kwargs)

        return counted


def questions(scene: Any, now: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    scene.tick(now, scene.process(store=Counting(scene.store, counts)))
    return counts


def test_an_idle_tick_looks_into_each_index_once(tmp_path: Path) -> None:
    with a_scene(tmp_path / "home") as scene:
        scene.add()
        asked = questions(scene, "08:30:01")
    assert (asked["due"], asked["owed"], asked["record"]) == (1, 1, 1)
    assert not {"expectation", "claim", "find", "history", "take_over"} & set(asked)


def test_a_tick_that_did_something_looks_again_for_what_ended_meanwhile(tmp_path: Path) -> None:
    with a_scene(tmp_path / "home") as scene:
        scene.add()
        assert questions(scene, "09:00:01")["owed"] == 2


def test_a_dead_owner_is_found_by_a_tick_with_nothing_else_to_do(tmp_path: Path) -> None:
    with a_scene(tmp_path / "home") as scene:
        scene.add()
        dead = scene.process()
        expected = scene.store.tasks.expectation(TASK)
        assert expected is not None
        scene.clock.set(expected.next_fire)
        move = plan_move(
            expected,
            minute=scene.clock.now(),
            now=scene.clock.now(),
            tick_deadline=dead.services.deadline,
            ticked_between=scene.store.ticks.ticked_between,
        )
        assert move is not None
        limits = scene.limits(dead)
        scene.store.runs.claim(
            expected, move, owner=dead.services.owner, lease_until=limits.lease_until, now=scene.clock.now()
        )
        scene.gone.add(dead.services.owner.token)
        assert questions(scene, "09:10:01")["take_over"] == 1
        assert scene.ledger() == ["09:00 success"]
