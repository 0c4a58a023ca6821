"""The first tick after the tasks file changed: what indexing costs for each task in the file."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from figures.figure import Figure
from figures.home import home_with

from watchbell.stores.local import LocalStore

COUNT = 100_000
BUDGET_MICROSECONDS = 20.0
#: A new or lost database: every definition is checked and every next fire time computed, once.
FIRST_BUDGET_MICROSECONDS = 60.0


def figures() -> Iterator[Figure]:
    with home_with(COUNT) as (home, _):
        decode = _best(lambda: json.loads((home / "scheduler_tasks.json").read_bytes()))
        store = LocalStore(home)
        try:
            yield _figure("all tasks new", _refresh(store), decode, FIRST_BUDGET_MICROSECONDS)
            _touch(home, changed=0)
            yield _figure("nothing really changed", _refresh(store), decode)
            _touch(home, changed=1)
            yield _figure("one task changed", _refresh(store), decode)
        finally:
            store.close()


def _figure(what: str, seconds: float, decode: float, budget: float = BUDGET_MICROSECONDS) -> Figure:
    each = seconds / COUNT * 1e6
    return Figure(
        name=f"index {COUNT:,} tasks, {what} (µs a task; peer: json.loads alone)",
        ours=f"{each:.1f} µs",
        peer=f"{decode / COUNT * 1e6:.1f} µs",
        ratio=each,
        budget=budget,
    )


def _refresh(store: LocalStore) -> float:
    now = datetime.now(UTC)
    start = time.perf_counter()
    assert store.tasks.refresh(now.replace(second=0, microsecond=0), now) == ()
    return time.perf_counter() - start


def _touch(home: Path, *, changed: int) -> None:
    path = home / "scheduler_tasks.json"
    tasks = json.loads(path.read_bytes())
    for task in tasks[:changed]:
        task["cron"] = "30 12 24 12 *"
    path.write_text(json.dumps(tasks))
    os.utime(path, ns=(time.time_ns(), time.time_ns()))


def _best(call: object) -> float:
    assert callable(call)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
