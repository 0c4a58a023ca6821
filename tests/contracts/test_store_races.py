"""The promises of stores/interface.py under real concurrency: processes that race, and processes that are killed."""

import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.conftest import Backend, add, at, claimed, expectation, new_owner, plan, raw_task
from fakes.processes import Process, line_up, race
from watchbell.claims import Host, Status, plan_move
from watchbell.deliveries import PartState
from watchbell.errors import LeaseLost
from watchbell.instants import MINUTE, format_minute
from watchbell.stores.interface import Owner, Run, Settlement, Store
from watchbell.stores.local import LocalStore

CONTESTANTS = 8
LEASE = timedelta(minutes=6)


def ids(count: int) -> list[str]:
    return [f"{number:012x}" for number in range(count)]


def owner_named(token: str) -> Owner:
    return Owner(token=token, host=Host(machine="here", boot="boot of here"))


def part(number: int, outcome: str | None = None, message_id: str | None = None) -> PartState:
    return PartState(
        target="console:stdout",
        part=number,
        of=1,
        outcome=outcome,
        message_id=message_id,
        intent_at=at("09:00:05"),
    )


def claim_all(home: str, token: str, task_ids: list[str]) -> dict[str, list[str]]:
    """Plan every claim beforehand, then make them all: each one is contested by everybody."""
    store = Backend(Path(home)).open()
    now = at("09:00:02")
    plans = [plan(store, now, task_id) for task_id in task_ids]
    line_up()
    answers: dict[str, list[str]] = {"won": [], "lost to": []}
    for expected, move in plans:
        result = store.runs.claim(expected, move, owner=owner_named(token), lease_until=now + LEASE, now=now)
        if result.run is not None:
            answers["won"].append(result.run.task_id)
            answers["lost to"].append(token)
        else:
            assert result.holder is not None
            assert result.holder.owner is not None
            answers["lost to"].append(result.holder.owner.token)
    return answers


def take_over_all(home: str, token: str) -> list[str]:
    store = Backend(Path(home)).open()
    seen = store.runs.owed(at("09:30"))
    line_up()
    won = []
    for run in seen:
        taken = store.runs.take_over(
            run, owner=owner_named(token), lease_until=at("09:36"), now=at("09:30"), crashed=True
        )
        if taken is not None:
            assert (taken.attempt, taken.crashes) == (2, 1)
            won.append(run.task_id)
    return won


def write_until_fenced(home: str, token: str, task_ids: list[str]) -> int:
    """Write outcomes to runs that are ours, over and over, until each has refused."""
    store = Backend(Path(home)).open()
    runs = [store.runs.find(task_id, "2026-11-22T09:00Z") for task_id in task_ids]
    ours = [run for run in runs if run is not None and run.owner == owner_named(token)]
    line_up()
    writes = 0
    while ours:
        for run in list(ours):
            try:
                store.runs.write_outcome(run, part(1, "delivered", token))
                writes += 1
            except LeaseLost:
                ours.remove(run)
    return writes


def take_over_and_write(home: str, token: str) -> int:
    store = Backend(Path(home)).open()
    seen = store.runs.owed(at("09:30"))
    line_up()
    time.sleep(0.1)
    for run in seen:
        taken = store.runs.take_over(
            run, owner=owner_named(token), lease_until=at("09:36"), now=at("09:30"), crashed=True
        )
        assert taken is not None
        store.runs.write_outcome(taken, part(1, "delivered", token))
    return len(seen)


def work_until_killed(home: str, token: str, seed: int) -> None:
    """Take up what dead owners left, then claim and carry out one fire after another, for ever."""
    store = Backend(Path(home)).open()
    owner, chance = owner_named(token), random.Random(seed)
    print("working", flush=True)
    for run in store.runs.owed(at("23:00")):
        if run.owner is not None and run.owner.token.startswith("dead"):
            taken = store.runs.take_over(run, owner=owner, lease_until=run.lease_until, now=run.due_at, crashed=True)
            if taken is not None:
                carry_out(store, taken)
    while True:
        expected = expectation(store, chance.choice(ids(4)))
        assert expected.next_fire is not None
        now = expected.next_fire + timedelta(minutes=chance.choice([0, 0, 0, 3]))
        move = plan_move(
            expected,
            minute=now,
            now=now,
            tick_deadline=timedelta(minutes=5),
            ticked_between=lambda start, end: True,
        )
        if move is None:
            continue
        won = store.runs.claim(expected, move, owner=owner, lease_until=now + LEASE, now=now).run
        if won is not None:
            carry_out(store, won)


def carry_out(store: Store, run: Run) -> None:
    store.runs.save_report(run, {"title": run.id, "rows": ["x"] * 500}, verdict="OK", source_error=None)
    store.runs.write_intent(run, part(1))
    store.runs.write_outcome(run, part(1, "delivered", "m1"))
    store.runs.settle(run, Settlement(status=Status.SUCCESS), now=run.due_at)


class TestRaces:
    def test_each_of_many_fire_times_has_exactly_one_winner_among_eight_processes(self, backend: Backend) -> None:
        """Promises 1 and 8."""
        store, task_ids = backend.open(), ids(1000 if backend.slowness == 1 else 125)
        add(store, *(raw_task(task_id, "0 9 * * *") for task_id in task_ids))
        answers = race(claim_all, [(str(backend.home), f"owner-{n}", task_ids) for n in range(CONTESTANTS)])
        wins = Counter(task_id for answer in answers for task_id in answer["won"])
        assert wins == Counter(task_ids)
        for position, task_id in enumerate(task_ids):
            run = store.runs.find(task_id, "2026-11-22T09:00Z")
            assert run is not None
            assert run.owner is not None
            assert (run.attempt, run.status) == (1, Status.RUNNING)
            assert {answer["lost to"][position] for answer in answers} == {run.owner.token}
            assert len(store.runs.history(task_id, limit=5)) == 1
        assert store.tasks.due(at("09:59")) == []

    def test_dead_owners_are_taken_over_exactly_once_among_eight_processes(self, backend: Backend) -> None:
        """Promise 2."""
        store, task_ids = backend.open(), ids(150 // backend.slowness)
        add(store, *(raw_task(task_id, "0 9 * * *") for task_id in task_ids))
        for task_id in task_ids:
            claimed(store, at("09:00:02"), owner_named("dead"), task_id)
        answers = race(take_over_all, [(str(backend.home), f"owner-{n}") for n in range(CONTESTANTS)])
        assert Counter(task_id for won in answers for task_id in won) == Counter(task_ids)
        assert {run.attempt for run in store.runs.owed(at("09:31"))} == {2}

    def test_an_old_owner_that_writes_at_the_same_moment_as_the_new_one_changes_nothing(self, backend: Backend) -> None:
        """Promise 2."""
        store, task_ids = backend.open(), ids(40)
        add(store, *(raw_task(task_id, "0 9 * * *") for task_id in task_ids))
        for task_id in task_ids:
            claimed(store, at("09:00:02"), owner_named("old"), task_id)
        old = Process(write_until_fenced, str(backend.home), "old", task_ids)
        new = Process(take_over_and_write, str(backend.home), "new")
        for process in (old, new):
            assert process.line() == "ready"
        for process in (old, new):
            process.go()
        assert new.answer() == 40
        assert old.answer() > 0
        for task_id in task_ids:
            run = store.runs.find(task_id, "2026-11-22T09:00Z")
            assert run is not None
            assert [state.message_id for state in run.parts] == ["new"]
            assert run.owner == owner_named("new")

    def test_two_stores_with_threads_in_one_process_have_one_winner_each_too(self, backend: Backend) -> None:
        """Promise 1."""
        stores, task_ids = [backend.open(), backend.open()], ids(60)
        add(stores[0], *(raw_task(task_id, "0 9 * * *") for task_id in task_ids))
        now, start, won = at("09:00:02"), threading.Barrier(8), list[str]()

        def claims(store: Store) -> None:
            owner = new_owner()
            plans = [plan(store, now, task_id) for task_id in task_ids]
            start.wait()
            for expected, move in plans:
                result = store.runs.claim(expected, move, owner=owner, lease_until=now + LEASE, now=now)
                if result.run is not None:
                    won.append(result.run.task_id)

        threads = [threading.Thread(target=claims, args=(stores[number % 2],)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(won) == Counter(task_ids)


def fires_in(store: Store, task_id: str) -> list[str]:
    """Return every fire time that the ledger covers, runs and gaps, as often as it does."""
    schedule = expectation(store, task_id).task.schedule
    ran = [run.fire_time for run in store.runs.history(task_id, limit=100_000)]
    gaps = store.runs.gaps(task_id, limit=100_000)
    return ran + [format_minute(fire) for gap in gaps for fire in schedule.fires(gap.first, gap.last + MINUTE)]


class TestKilledProcesses:
    def test_a_process_killed_anywhere_leaves_whole_claims_and_a_next_fire_that_fits_them(
        self, backend: Backend
    ) -> None:
        """Promises 2, 3 and 8: after each kill -9 the ledger has every fire up to the next, once, and nothing torn."""
        store = backend.open()
        add(store, *(raw_task(task_id, "* * * * *", catch_up="none") for task_id in ids(4)))
        chance = random.Random(7)
        for round_number in range(7):
            workers = [
                Process(work_until_killed, str(backend.home), f"dead-{round_number}-{n}", round_number * 2 + n)
                for n in range(2)
            ]
            for worker in workers:
                assert worker.line() == "working"
            for worker in workers:
                time.sleep(chance.uniform(0.01, 0.15) * backend.slowness)
                worker.kill()
            for task_id in ids(4):
                self.check(store, task_id)
        assert sum(len(store.runs.history(task_id, limit=100_000)) for task_id in ids(4)) > 10
        if isinstance(store, LocalStore):
            with closing(sqlite3.connect(backend.home / "scheduler.db")) as connection, connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            connection.close()

    def check(self, store: Store, task_id: str) -> None:
        expected = expectation(store, task_id)
        assert expected.next_fire is not None
        covered = fires_in(store, task_id)
        wanted = [format_minute(fire) for fire in expected.task.schedule.fires(at("08:31"), expected.next_fire)]
        assert sorted(covered) == wanted
        runs = store.runs.history(task_id, limit=100_000)
        live = [run for run in runs if run.status is Status.RUNNING]
        assert len(live) <= 1
        for run in runs:
            report = store.runs.saved_report(task_id, run.fire_time)
            assert (run.verdict is None) == (report is None)
            assert report is None or report["title"] == run.id
            assert not run.parts or report is not None
            if run.status is Status.SUCCESS:
                assert [state.outcome for state in run.parts] == ["delivered"]
        assert all(run.owner is not None for run in live)
        assert {run.id for run in live} <= {run.id for run in store.runs.owed(at("23:59"))}

    def test_a_writer_killed_while_it_holds_the_lock_blocks_nobody_and_leaves_nothing(self, tmp_path: Path) -> None:
        store = LocalStore(tmp_path)
        add(store, raw_task())
        holder = Process(hold_the_lock, str(tmp_path))
        assert holder.line() == "holding"
        holder.kill()
        before = time.monotonic()
        run = claimed(store, at("09:00:02"))
        assert time.monotonic() - before < 5
        assert [found.id for found in store.runs.history(run.task_id, limit=5)] == [run.id]
        store.close()


def hold_the_lock(home: str) -> None:
    store = LocalStore(Path(home))
    with store._database.write() as connection:
        connection.execute("UPDATE tasks SET next_fire = NULL")
        print("holding", flush=True)
        time.sleep(60)


@pytest.mark.parametrize("write", ["claim", "report", "intent", "outcome", "settle"])
def test_what_a_call_has_returned_survives_a_kill_at_once(backend: Backend, write: str) -> None:
    """Promise 3."""
    add(backend.open(), raw_task())
    process = Process(write_and_hang, str(backend.home), write)
    assert process.line() == "written"
    process.kill()
    run = backend.open().runs.find("a1b2c3d4e5f6", "2026-11-22T09:00Z")
    assert run is not None
    report = backend.open().runs.saved_report(run.task_id, run.fire_time)
    found: Any = (run.status, report, [state.outcome for state in run.parts])
    assert (
        found
        == {
            "claim": (Status.RUNNING, None, []),
            "report": (Status.RUNNING, {"title": "x"}, []),
            "intent": (Status.RUNNING, {"title": "x"}, [None]),
            "outcome": (Status.RUNNING, {"title": "x"}, ["delivered"]),
            "settle": (Status.SUCCESS, {"title": "x"}, ["delivered"]),
        }[write]
    )


def write_and_hang(home: str, last: str) -> None:
    store = Backend(Path(home)).open()
    run = claimed(store, at("09:00:02"))
    steps = {
        "claim": lambda: None,
        "report": lambda: store.runs.save_report(run, {"title": "x"}, verdict="OK", source_error=None),
        "intent": lambda: store.runs.write_intent(run, part(1)),
        "outcome": lambda: store.runs.write_outcome(run, replace(part(1), outcome="delivered")),
        "settle": lambda: store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("09:00:09")),
    }
    for name, step in steps.items():
        step()
        if name == last:
            break
    print("written", flush=True)
    time.sleep(60)
