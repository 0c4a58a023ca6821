"""A whole idle tick through the installed command, against a bare interpreter that does nothing."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from figures.figure import Figure
from figures.home import BIN, home_with

PAIRS = 50


def figures() -> Iterator[Figure]:
    by_count = {}
    for count in (10, 10_000, 100_000):
        with home_with(count) as (home, environ):
            _settle(home, environ)
            bare, idle = _pairs(environ)
            by_count[count] = idle / bare
            yield Figure(
                name=f"idle tick ÷ bare python, {count:,} tasks",
                ours=f"{idle * 1e3:.1f} ms",
                peer=f"{bare * 1e3:.1f} ms",
                ratio=idle / bare,
                budget=2.0,
            )
            memory = _peak_kilobytes(environ)
            yield Figure(
                name=f"peak memory of an idle tick, {count:,} tasks (MB)",
                ours=f"{memory / 1024:.1f} MB",
                peer="",
                ratio=memory / 1024,
                budget=16.0,
            )
    yield Figure(
        name="idle tick, 100,000 tasks ÷ 10 tasks",
        ours=f"{by_count[100_000]:.2f}",
        peer=f"{by_count[10]:.2f}",
        ratio=by_count[100_000] / by_count[10],
        budget=1.15,
    )


def _settle(home: Path, environ: Mapping[str, str]) -> None:
    """Tick twice: the first indexes the file; from then on the gate is on its own."""
    for _ in range(2):
        subprocess.run([BIN / "watchbell", "tick"], env=environ, stdin=subprocess.DEVNULL, check=True)
    assert not (home / "scheduler_tasks.json.tmp").exists()


def _pairs(environ: Mapping[str, str]) -> tuple[float, float]:
    """Return the median seconds of each, taken in turns."""
    bare, idle = [], []
    for _ in range(PAIRS):
        bare.append(_seconds([sys.executable, "-c", "pass"], environ))
        idle.append(_seconds([BIN / "watchbell", "tick"], environ))
    return statistics.median(bare), statistics.median(idle)


def _seconds(command: list[str | Path], environ: Mapping[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def _peak_kilobytes(environ: Mapping[str, str]) -> int:
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", measure, BIN / "watchbell", "tick"]
    return int(subprocess.run(command, env=environ, check=True, capture_output=True).stdout)
