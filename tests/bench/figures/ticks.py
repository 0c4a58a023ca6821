"""A busy minute: 5,000 tasks due at once, built from one shared read, delivered to the console, all on record."""

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from figures.figure import Figure
from figures.home import BIN, home_with, raw_task

TASKS = 5_000
BUDGET_SECONDS = 20.0


def figures() -> Iterator[Figure]:
    with home_with(TASKS, lambda number: raw_task(number, "* * * * *")) as (home, environ):
        now = datetime.now(UTC)
        watchdog = {"status": "firing", "labels": {"alertname": "Watchdog"}, "startsAt": "2026-01-01T00:00:00Z"}
        lines = [
            json.dumps(
                {
                    "received_at": (now - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "payload": {"version": "4", "alerts": [watchdog]},
                }
            )
            for hours in range(60, -1, -1)
        ]
        (home / "alerts.jsonl").write_text("\n".join(lines) + "\n")
        minute = (now + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%MZ")
        start = time.perf_counter()
        done = subprocess.run(
            [BIN / "watchbell", "tick", "--at", minute, "--json"],
            env=environ,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - start
        runs = json.loads(done.stdout)["runs"]
    delivered = sum(run["status"] == "success" for run in runs)
    yield Figure(
        name=f"{TASKS:,} tasks due in one minute: delivered and recorded",
        ours=str(delivered),
        peer=str(TASKS),
        ratio=delivered / TASKS,
        budget=1.0,
        at_least=True,
    )
    yield Figure(
        name=f"{TASKS:,} tasks due in one minute (s)",
        ours=f"{seconds:.1f} s",
        peer="",
        ratio=seconds,
        budget=BUDGET_SECONDS,
    )
