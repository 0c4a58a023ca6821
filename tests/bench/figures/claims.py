"""Claims, one transaction each, durable: the whole claim against a bare insert under the same kind of lock."""

import fcntl
import multiprocessing
import os
import secrets
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from figures.figure import Figure
from figures.home import raw_task

from watchbell.claims import Host, plan_move
from watchbell.stores.interface import Owner
from watchbell.stores.local import LocalStore

TASKS, ROUNDS = 1_000, 3
NOW = datetime(2026, 11, 22, 9, 0, 5, tzinfo=UTC)


def figures() -> Iterator[Figure]:
    for processes in (1, 8):
        raw, ours = [], []
        for _ in range(ROUNDS):
            raw.append(_race(_raw_home, _raw_claims, processes))
            ours.append(_race(_our_home, _our_claims, processes))
        yield Figure(
            name=f"claims, one transaction each, {processes} process(es) ÷ raw sqlite3 and flock",
            ours=f"{max(ours):,.0f}/s",
            peer=f"{max(raw):,.0f}/s",
            ratio=max(ours) / max(raw),
            budget=0.5,
            at_least=True,
        )


def _race(lay_out: Callable[[Path], None], prepare: Callable[[Path], Callable[[], int]], processes: int) -> float:
    """Return claims won a second when all processes want all of them, from the first start to the last end."""
    home = Path(tempfile.mkdtemp(prefix="watchbell-bench-"))
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(processes), spawn.SimpleQueue()
    try:
        lay_out(home)
        racers = [spawn.Process(target=_run, args=(prepare, home, barrier, results)) for _ in range(processes)]
        for racer in racers:
            racer.start()
        ended = [results.get() for _ in racers]
        for racer in racers:
            racer.join()
    finally:
        shutil.rmtree(home)
    won = sum(count for count, _, _ in ended)
    assert won == TASKS, f"{won} winners for {TASKS} fire times"
    return TASKS / (max(end for _, _, end in ended) - min(start for _, start, _ in ended))


def _run(prepare: Callable[[Path], Callable[[], int]], home: Path, barrier: Any, results: Any) -> None:
    race = prepare(home)
    barrier.wait()
    start = time.monotonic()
    won = race()
    results.put((won, start, time.monotonic()))


def _raw_home(home: Path) -> None:
    connection = _connect(home)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "CREATE TABLE runs (task_id TEXT, fire_time TEXT, owner TEXT, PRIMARY KEY (task_id, fire_time)) WITHOUT ROWID"
    )
    connection.close()


def _raw_claims(home: Path) -> Callable[[], int]:
    connection = _connect(home)
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT)
    owner = secrets.token_hex(8)

    def race() -> int:
        won = 0
        for number in range(TASKS):
            fcntl.flock(lock, fcntl.LOCK_EX)
            connection.execute("BEGIN IMMEDIATE")
            won += connection.execute(
                "INSERT INTO runs VALUES (?, '2026-11-22T09:00Z', ?) ON CONFLICT DO NOTHING", (f"{number:012x}", owner)
            ).rowcount
            connection.execute("COMMIT")
            fcntl.flock(lock, fcntl.LOCK_UN)
        return won

    return race


def _connect(home: Path) -> sqlite3.Connection:
    return sqlite3.connect(home / "raw.db", timeout=30, isolation_level=None)


def _our_home(home: Path) -> None:
    store = LocalStore(home)
    tasks = [raw_task(number, "0 9 * * *") for number in range(TASKS)]
    store.tasks.change(lambda _: tasks, now=NOW - timedelta(hours=1))
    store.close()


def _our_claims(home: Path) -> Callable[[], int]:
    store = LocalStore(home)
    owner = Owner(token=secrets.token_hex(8), host=Host("here", "boot"))
    planned = [(expected, _plan(store, expected)) for expected in map(store.tasks.expectation, store.tasks.due(NOW))]

    def race() -> int:
        return sum(
            store.runs.claim(expected, move, owner=owner, lease_until=NOW + timedelta(minutes=6), now=NOW).run
            is not None
            for expected, move in planned
        )

    return race


def _plan(store: LocalStore, expected: Any) -> Any:
    return plan_move(
        expected,
        minute=NOW.replace(second=0),
        now=NOW,
        tick_deadline=timedelta(minutes=5),
        ticked_between=store.ticks.ticked_between,
    )
