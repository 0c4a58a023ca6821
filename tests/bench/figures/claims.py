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

from figures.figure import Figure
from figures.home import raw_task

from watchbell.claims import Host, plan_move
from watchbell.stores.interface import Owner
from watchbell.stores.local import LocalStore

TASKS = 1_000
NOW = datetime(2026, 11, 22, 9, 0, 5, tzinfo=UTC)


def figures() -> Iterator[Figure]:
    for processes in (1, 8):
        raw = _race(_raw_home, _raw_claims, processes)
        ours = _race(_our_home, _our_claims, processes)
        yield Figure(
            name=f"claims, one transaction each, {processes} process(es) ÷ raw sqlite3 and flock",
            ours=f"{ours:,.0f}/s",
            peer=f"{raw:,.0f}/s",
            ratio=ours / raw,
            budget=0.5,
            at_least=True,
        )


def _race(lay_out: Callable[[Path], None], work: Callable[[Path], int], processes: int) -> float:
    """Return claims won a second when all processes want all of them."""
    home = Path(tempfile.mkdtemp(prefix="watchbell-bench-"))
    try:
        lay_out(home)
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pool.map(_warm_up, range(processes * 4))
            start = time.perf_counter()
            won = sum(pool.map(work, [home] * processes, chunksize=1))
            seconds = time.perf_counter() - start
    finally:
        shutil.rmtree(home)
    assert won == TASKS, f"{won} winners for {TASKS} fire times"
    return TASKS / seconds


def _warm_up(_: int) -> None:
    time.sleep(0.05)


def _raw_home(home: Path) -> None:
    connection = _connect(home)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "CREATE TABLE runs (task_id TEXT, fire_time TEXT, owner TEXT, PRIMARY KEY (task_id, fire_time)) WITHOUT ROWID"
    )
    connection.close()


def _raw_claims(home: Path) -> int:
    connection, won = _connect(home), 0
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT)
    owner = secrets.token_hex(8)
    for number in range(TASKS):
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection.execute("BEGIN IMMEDIATE")
        won += connection.execute(
            "INSERT INTO runs VALUES (?, '2026-11-22T09:00Z', ?) ON CONFLICT DO NOTHING", (f"{number:012x}", owner)
        ).rowcount
        connection.execute("COMMIT")
        fcntl.flock(lock, fcntl.LOCK_UN)
    connection.close()
    return won


def _connect(home: Path) -> sqlite3.Connection:
    return sqlite3.connect(home / "raw.db", timeout=30, isolation_level=None)


def _our_home(home: Path) -> None:
    store = LocalStore(home)
    tasks = [raw_task(number, "0 9 * * *") for number in range(TASKS)]
    store.tasks.change(lambda _: tasks, now=NOW - timedelta(hours=1))
    store.close()


def _our_claims(home: Path) -> int:
    store, won = LocalStore(home), 0
    owner = Owner(token=secrets.token_hex(8), host=Host("here", "boot"))
    for task_id in store.tasks.due(NOW):
        expected = store.tasks.expectation(task_id)
        assert expected is not None
        move = plan_move(
            expected,
            minute=NOW.replace(second=0),
            now=NOW,
            tick_deadline=timedelta(minutes=5),
            ticked_between=store.ticks.ticked_between,
        )
        if move is not None:
            result = store.runs.claim(expected, move, owner=owner, lease_until=NOW + timedelta(minutes=6), now=NOW)
            won += result.run is not None
    store.close()
    return won
