"""One real tick over real services, in a process that kills itself at a named step; no product code knows of it.

    python dying_tick.py MINUTE POINT BUILDS    WATCHBELL_HOME and the other variables say the rest

BUILDS is a file that gets one line for each report that is built, so that a test can tell a saved report from a new
one. POINT is one of POINTS, or `never`; "… of part 2" dies of the second such call.
`tick_of` is the same tick for use within a test's own process.
"""

import base64
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from watchbell.clock import SystemClock
from watchbell.instants import parse_instant
from watchbell.reports.interface import Coverage, CoverageStatus, Image, Report, ReportRequest, Section, Verdict
from watchbell.services import Services
from watchbell.settings import load_settings
from watchbell.tick import TickResult, begin, run_tick
from watchbell.wiring import open_services

#: What to die of: the call of the run store around which it happens, and on which side of it.
POINTS = {
    "before the claim": ("claim", "before"),
    "after the claim": ("claim", "after"),
    "after the build": ("save_report", "before"),
    "after the report is saved": ("save_report", "after"),
    "after the intent": ("write_intent", "after"),
    "after the send": ("write_outcome", "before"),
    "after the outcome": ("write_outcome", "after"),
    "before the settling": ("settle", "before"),
    "after the settling": ("settle", "after"),
}


#: One white pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


class DyingRuns:
    """A run store that kills the process around one call."""

    def __init__(self, runs: Any, point: str) -> None:
        self._runs = runs
        point, _, number = point.partition(" of part ")
        self._method, self._side = POINTS[point]
        self._left = int(number or 1)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._runs, name)
        return self._around(method) if name == self._method else method

    def _around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._side == "before":
                die()
            answer = method(*args, **kwargs)
            if self._left == 0:
                die()
            return answer

        return call


class DyingStore:
    """A store whose runs are DyingRuns."""

    def __init__(self, store: Any, point: str) -> None:
        self.tasks, self.ticks, self.close = store.tasks, store.ticks, store.close
        self.runs = DyingRuns(store.runs, point)


class CountedPipeline:
    """Builds reports that say which build they are of.

    A task's params may ask for a fault: `kill`, `sleep` so many seconds, or `hang_while` a file exists; and for a
    report of so many `lines`, or with an image.
    """

    def __init__(self, builds: Path) -> None:
        self._builds = builds

    def build(self, request: ReportRequest) -> Report:
        with self._builds.open("a") as file:
            file.write(f"{request.task_id}\n")
        if request.params.get("kill"):
            die()
        time.sleep(float(request.params.get("sleep", 0)))
        while Path(request.params.get("hang_while", "/nonexistent")).exists():
            time.sleep(0.1)
        number = self._builds.read_text().split().count(request.task_id)
        lines = tuple(f"service-{line} {'is slow ' * 20}" for line in range(request.params.get("lines", 0)))
        return Report(
            title=f"Digest of {request.task_id}",
            kind=request.kind,
            window=request.window,
            verdict=Verdict(request.params.get("verdict", "ATTENTION")),
            reason=f"build {number}",
            coverage=(Coverage(source="test", status=CoverageStatus.OK, detail="", age_seconds=1),),
            sections=(Section(title="Services", lines=lines),) if lines else (),
            images=(Image(name="chart", png=PNG, alt="a chart"),) if request.params.get("image") else (),
        )


class ShiftedClock(SystemClock):
    """The system's clock, set wrong by so much."""

    def __init__(self, shift: timedelta) -> None:
        self._shift = shift

    def now(self) -> datetime:
        return super().now() + self._shift


def tick_of(
    environ: Mapping[str, str],
    minute: datetime,
    builds: Path,
    *,
    shift: timedelta = timedelta(0),
    console: TextIO | None = None,
    wrap: Callable[[Services], Services] = lambda services: services,
    stop: threading.Event | None = None,
) -> TickResult:
    """Run one tick with real services, but for the pipeline; the clock is off by `shift`."""
    with open_services(load_settings(environ), timer="test", console=console) as services:
        services = wrap(replace(services, pipeline=CountedPipeline(builds), clock=ShiftedClock(shift)))
        return run_tick(services, minute, begin(services, stop or threading.Event()))


def main() -> None:
    minute, point, builds = sys.argv[1:]

    def wrap(services: Services) -> Services:
        return services if point == "never" else replace(services, store=DyingStore(services.store, point))

    result = tick_of(os.environ, parse_instant(minute), Path(builds), wrap=wrap)
    sys.exit(result.exit_code)


if __name__ == "__main__":
    main()
