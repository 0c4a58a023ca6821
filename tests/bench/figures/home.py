"""A throw-away home with many tasks."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
YEARLY = "{minute} 0 1 1 *"


def raw_task(number: int, cron: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"{number:012x}",
        "kind": "daily_summary",
        "cron": cron,
        "timezone": "UTC",
        "provider": "console",
        "chat_id": "stdout",
        "window_hours": 24,
        "enabled": True,
        "params": {},
        "created_at": "2026-11-22T09:00:00Z",
        **fields,
    }


@contextmanager
def home_with(count: int, make: Callable[[int], dict[str, Any]] | None = None) -> Iterator[tuple[Path, dict[str, str]]]:
    """Give a home whose file holds `count` tasks (not yet indexed), and the environment of a process in it."""
    home = Path(tempfile.mkdtemp(prefix="watchbell-bench-"))
    try:
        tasks = [(make or _yearly)(number) for number in range(count)]
        (home / "scheduler_tasks.json").write_text(json.dumps(tasks))
        os.utime(home / "scheduler_tasks.json", (1, 1))
        yield home, {"PATH": "/usr/bin:/bin", "HOME": str(home), "WATCHBELL_HOME": str(home), "LANG": "C.UTF-8"}
    finally:
        shutil.rmtree(home)


def _yearly(number: int) -> dict[str, Any]:
    return raw_task(number, YEARLY.format(minute=number % 60))
