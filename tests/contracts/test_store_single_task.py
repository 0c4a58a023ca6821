"""What every store does for one task alone, and for conditions of which the operator never heard."""

from typing import Any

import pytest

from contracts.conftest import START, add, at, expectation, raw_task
from watchbell.claims import GapStatus
from watchbell.stores.interface import Store

TASK = "a1b2c3d4e5f6"


def test_one_task_is_added_changed_and_removed_while_the_others_stay(store: Store) -> None:
    add(store, raw_task("bbbb", their_field=1))
    store.tasks.change_one(TASK, lambda raw: raw_task() if raw is None else None, now=START)
    assert expectation(store).next_fire == at("09:00")
    store.tasks.change_one(TASK, lambda raw: (raw or {}) | {"cron": "15 * * * *", "mine": [None]}, now=at("11:10:30"))
    assert expectation(store).next_fire == at("11:15")
    (gap,) = store.runs.gaps(TASK, limit=5)
    assert (gap.status, gap.count) == (GapStatus.SKIPPED, 3)
    found = store.tasks.find(TASK)
    assert found is not None
    assert found.raw["mine"] == [None]
    store.tasks.change_one(TASK, lambda raw: None, now=at("11:20"))
    assert store.tasks.find(TASK) is None
    assert store.tasks.expectation(TASK) is None
    assert [dict(task.raw) for task in store.tasks.listing().tasks] == [raw_task("bbbb", their_field=1)]


def test_what_a_change_of_one_task_raises_leaves_it_as_it_was(store: Store) -> None:
    """Promise 6."""
    add(store, raw_task())

    def change(raw: dict[str, Any] | None) -> dict[str, Any]:
        assert raw is not None
        raw.clear()
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        store.tasks.change_one(TASK, change, now=at("08:40"))
    assert [dict(task.raw) for task in store.tasks.listing().tasks] == [raw_task()]


def test_what_is_not_there_can_be_looked_at_and_left_alone(store: Store) -> None:
    add(store, raw_task("bbbb"))
    seen = []
    store.tasks.change_one(TASK, lambda raw: seen.append(raw), now=START)  # type: ignore[func-returns-value]
    assert seen == [None]
    assert store.tasks.find(TASK) is None
    assert [task.id for task in store.tasks.listing().tasks] == ["bbbb"]


def test_a_condition_that_ended_untold_is_told_when_it_comes_again(store: Store) -> None:
    store.ticks.raise_notice("source:x", "x is failed", START)
    store.ticks.clear_notice("source:x", START)
    store.ticks.raise_notice("source:x", "x is failed", at("08:40"))
    assert [(told.key, told.since) for told in store.ticks.notices_to_tell(at("08:40"))] == [("source:x", at("08:40"))]
