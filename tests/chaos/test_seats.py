"""Who sleeps, waiting for a turn with a provider, leaves the seat to others."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from watchbell.clock import SystemClock
from watchbell.errors import StoreError, TryAgain, WatchbellError
from watchbell.services import Limits, Seats, SharedSeat
from watchbell.workers import MOST_THREADS, Workers


def limits(seconds: float = 20.0) -> Limits:
    clock = SystemClock()
    start = datetime(2026, 11, 22, 9, tzinfo=UTC)
    return Limits(
        clock=clock, started_at=start, ends=clock.monotonic() + seconds, lease_until=start + timedelta(hours=1)
    )


def never_fails(error: WatchbellError) -> None:
    raise AssertionError(error)


def test_jobs_that_sleep_hold_up_nobody():
    """Ten wait for what only the eleventh and last job brings about."""
    within, arrived = limits(), threading.Event()

    def wait() -> None:
        while not arrived.is_set():
            assert within.wait(0.05)

    workers = Workers(within, [wait] * 10 + [arrived.set], never_fails)
    assert workers.work_off(2)
    assert arrived.is_set()


def test_no_more_are_at_work_than_there_are_seats():
    within, lock, at_work, most = limits(), threading.Lock(), [0], [0]

    def job() -> None:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        threading.Event().wait(0.02)
        with lock:
            at_work[0] -= 1

    assert Workers(within, [job] * 40, never_fails).work_off(3)
    assert most[0] == 3


@pytest.mark.parametrize("allowed", [0, 1])
def test_where_the_system_allows_no_more_threads_those_that_there_are_do_the_work(
    allowed: int, monkeypatch: pytest.MonkeyPatch
):
    """With none at all nothing is begun, and the tick says so."""
    done: list[int] = []
    failed: list[WatchbellError] = []
    workers = Workers(limits(), [lambda: done.append(1)] * 5, failed.append)
    start, started = threading.Thread.start, list[threading.Thread]()

    def limited(thread: threading.Thread) -> None:
        if len(started) >= allowed:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    assert workers.work_off(3)
    assert (len(done), workers.left_over) == ((5, 0) if allowed else (0, 5))
    assert [(type(error), error.exit_code) for error in failed] == ([] if allowed else [(TryAgain, 75)])


@pytest.mark.parametrize(("at_once", "most"), [(1, 1), (2, MOST_THREADS)])
def test_one_job_at_a_time_stays_alone_even_while_it_sleeps(at_once: int, most: int):
    """It may be the one that ends processes: nothing else must be in hand then."""
    within, lock, begun, seen = limits(3.0 if at_once == 1 else 20.0), threading.Lock(), [0], [0]

    def job() -> None:
        with lock:
            begun[0] += 1
            seen[0] = max(seen[0], begun[0])
        within.wait(0.3 if at_once == 1 else 1.0)
        with lock:
            begun[0] -= 1

    count = 3 if at_once == 1 else MOST_THREADS + 20
    assert Workers(within, [job] * count, never_fails).work_off(at_once)
    assert seen[0] == most


def test_a_run_with_several_targets_leaves_its_seat_when_all_of_them_sleep():
    seats = Seats()
    seat = SharedSeat(seats, 2)
    told: list[Any] = []
    for step in (seat.leave, seat.leave, seat.take, seat.leave, seat.take):
        step()
        told.append(seats.asleep)
    assert told == [0, 1, 0, 1, 0]


def test_a_broken_store_ends_the_work_and_is_told():
    failures: list[WatchbellError] = []

    def fail() -> None:
        raise StoreError("the disk is full")

    workers = Workers(limits(), [fail] * 30, failures.append)
    assert workers.work_off(2)
    assert 1 <= len(failures) <= 2
    assert workers.left_over >= 28
