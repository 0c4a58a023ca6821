"""Promises 8 and 9 under real concurrency: claims and take-overs of runs of the same tasks, in several processes."""

from datetime import timedelta
from pathlib import Path

from contracts.conftest import Backend, add, at, claimed, expectation, plan, raw_task
from contracts.test_store_races import ids, owner_named
from fakes.processes import line_up, race
from watchbell.claims import Status
from watchbell.stores.interface import Settlement

LEASE = timedelta(minutes=6)


def claim_the_next(home: str, token: str, task_ids: list[str]) -> list[str]:
    """Plan all claims of 10:00 while nothing is live, then make them."""
    store = Backend(Path(home)).open()
    now = at("10:00:02")
    plans = [plan(store, now, task_id) for task_id in task_ids]
    line_up()
    won = []
    for expected, move in plans:
        result = store.runs.claim(expected, move, owner=owner_named(token), lease_until=now + LEASE, now=now)
        won += [result.run.id] if result.moved and result.run is not None else []
    return won


def take_up_the_previous(home: str, token: str, task_ids: list[str]) -> list[str]:
    """See the waiting runs of 09:00 while nothing is live, then take them over."""
    store = Backend(Path(home)).open()
    now = at("10:00:02")
    seen = sorted(store.runs.owed(now), key=lambda run: run.task_id)
    line_up()
    won = []
    for run in seen:
        taken = store.runs.take_over(run, owner=owner_named(token), lease_until=now + LEASE, now=now, crashed=False)
        won += [taken.id] if taken is not None else []
    return won


def edit_all(home: str, token: str, task_ids: list[str]) -> list[str]:
    """Give each task another schedule."""
    store = Backend(Path(home)).open()
    line_up()
    for task_id in task_ids:
        store.tasks.change_one(task_id, lambda raw: (raw or {}) | {"cron": "20 * * * *"}, now=at("10:00:02"))
    return []


def contestant(home: str, token: str, task_ids: list[str]) -> list[str]:
    """Do what the token says."""
    roles = {"claims": claim_the_next, "takes": take_up_the_previous, "edits": edit_all}
    return roles[token.split()[0]](home, token, task_ids)


def test_a_task_never_has_two_live_runs_whoever_is_faster(backend: Backend) -> None:
    """Promise 9."""
    store, task_ids = backend.open(), ids(120 // backend.slowness)
    add(store, *(raw_task(task_id) for task_id in task_ids))
    for task_id in task_ids:
        run = claimed(store, at("09:00:02"), task_id=task_id)
        store.runs.settle(run, Settlement(status=Status.WAITING, wake_at=at("09:30")), now=at("09:00:05"))
    tokens = ["claims 1", "takes 1", "claims 2", "takes 2"]
    answers = race(contestant, [(str(backend.home), token, task_ids) for token in tokens])
    assert sorted(run_id.split("@")[0] for won in answers for run_id in won) == task_ids
    for task_id in task_ids:
        live = [run for run in store.runs.history(task_id, limit=9) if run.status is Status.RUNNING]
        assert len(live) == 1
        assert expectation(store, task_id).live_run


def test_an_edit_at_the_moment_of_a_claim_neither_loses_nor_repeats_a_fire(backend: Backend) -> None:
    """Promise 8: each fire is a run or a range, once, whether the claim or the edit came first."""
    store, task_ids = backend.open(), ids(120 // backend.slowness)
    add(store, *(raw_task(task_id) for task_id in task_ids), now=at("09:30"))
    tokens = ["claims 1", "edits", "claims 2"]
    answers = race(contestant, [(str(backend.home), token, task_ids) for token in tokens])
    won = {run_id.split("@")[0] for answer in answers for run_id in answer}
    for task_id in task_ids:
        runs = [run.fire_time for run in store.runs.history(task_id, limit=9)]
        gaps = [gap for gap in store.runs.gaps(task_id, limit=9) if gap.reason == "edited"]
        assert (runs, [(gap.first, gap.count) for gap in gaps]) == (
            (["2026-11-22T10:00Z"], []) if task_id in won else ([], [(at("10:00"), 1)])
        )
        assert expectation(store, task_id).next_fire == at("10:20")
