"""One real tick over real services, in a process that kills itself at a named step; no product code knows of it.

    python dying_tick.py MINUTE POINT BUILDS    WATCHBELL_HOME and the other variables say the rest

BUILDS is a file that gets one line for each report that is built, so that a test can tell a saved report from a new
one. POINT is one of POINTS, QUEUE_POINTS or TAKING_POINTS, or `never`; "… of part 2" dies of the second such call.
"write 3" dies of the third write to DynamoDB, once that is done and before its answer is heard.
`--shift` sets the clock wrong by so many seconds. `--deliver` carries out these messages of a queue in place of a tick.
`tick_of` and `batch_of` are the same for use within a test's own process.
"""

import argparse
import base64
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from watchbell.batches import BatchResult, run_batch
from watchbell.clock import SystemClock
from watchbell.instants import parse_instant
from watchbell.queueing import Message
from watchbell.reports.interface import Coverage, CoverageStatus, Image, Report, ReportRequest, Section, Verdict
from watchbell.services import Services
from watchbell.settings import load_settings
from watchbell.tick import TickResult, begin, run_tick
from watchbell.wiring import open_services

#: What a tick may die of: the call of the run store around which it happens, and on which side of it.
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
#: What a tick that hands its runs on may die of besides: the call of the queue.
QUEUE_POINTS = {
    "before the messages": ("send", "before"),
    "after the messages": ("send", "after"),
}
#: What whoever takes runs over may die of besides: the call of the run store.
TAKING_POINTS = {
    "before the take-over": ("take_over", "before"),
    "after the take-over": ("take_over", "after"),
}
#: For a tick that dies of a write: so small that each report is saved in several pieces.
PIECE_BYTES = 200

#: One white pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


class Dying:
    """Kills the process around one call of what it stands for."""

    def __init__(self, inner: Any, point: str) -> None:
        self._inner = inner
        point, _, number = point.partition(" of part ")
        self._method, self._side = (POINTS | QUEUE_POINTS | TAKING_POINTS)[point]
        self._left = int(number or 1)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._inner, name)
        return self._around(attribute) if name == self._method else attribute

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
    """A store whose runs die."""

    def __init__(self, store: Any, point: str) -> None:
        self.tasks, self.ticks, self.close = store.tasks, store.ticks, store.close
        self.runs = Dying(store.runs, point)


def dying(services: Services, point: str) -> Services:
    """Return services that kill the process at `point`."""
    if point == "never":
        return services
    if point.startswith("write "):
        die_of_write(int(point.removeprefix("write ")))
        return services
    if point in QUEUE_POINTS:
        queue: Any = Dying(services.queue, point)
        return replace(services, queue=queue)
    store: Any = DyingStore(services.store, point)
    return replace(services, store=store)


def die_of_write(number: int) -> None:
    """Let the clients that are made from now on do so many writes, and hear nothing of the last one."""
    from botocore.httpsession import URLLib3Session

    from fakes.dynamodb_faults import WRITES, operation_of
    from watchbell.stores.dynamodb import connection, runs

    make, session, left = connection.new_client, URLLib3Session(), [number]

    def before_send(request: Any, **_: Any) -> None:
        if operation_of(request) in WRITES:
            left[0] -= 1
            if left[0] == 0:
                session.send(request)
                die()

    def new_client() -> Any:
        client = make()
        client.meta.events.register("before-send.dynamodb", before_send)
        return client

    connection.new_client = new_client
    runs._CHUNK_BYTES = PIECE_BYTES


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
    with _services_of(environ, builds, shift, wrap, console) as services:
        return run_tick(services, minute, begin(services, stop or threading.Event()))


def batch_of(
    environ: Mapping[str, str],
    bodies: Sequence[str],
    builds: Path,
    *,
    shift: timedelta = timedelta(0),
    wrap: Callable[[Services], Services] = lambda services: services,
) -> BatchResult:
    """Carry out one batch of messages, with the same services."""
    messages = {f"message {number}": Message.from_text(body) for number, body in enumerate(bodies)}
    with _services_of(environ, builds, shift, wrap) as services:
        return run_batch(services, messages, begin(services, threading.Event()))


@contextmanager
def _services_of(
    environ: Mapping[str, str],
    builds: Path,
    shift: timedelta,
    wrap: Callable[[Services], Services],
    console: TextIO | None = None,
) -> Iterator[Services]:
    with open_services(load_settings(environ), timer="test", console=console) as services:
        yield wrap(replace(services, pipeline=CountedPipeline(builds), clock=ShiftedClock(shift)))


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("minute", type=parse_instant)
    arguments.add_argument("point")
    arguments.add_argument("builds", type=Path)
    arguments.add_argument("--shift", type=lambda seconds: timedelta(seconds=float(seconds)), default=timedelta(0))
    arguments.add_argument("--deliver", nargs="+", metavar="BODY")
    asked = arguments.parse_args()

    def wrap(services: Services) -> Services:
        return dying(services, asked.point)

    if asked.deliver:
        result = batch_of(os.environ, asked.deliver, asked.builds, shift=asked.shift, wrap=wrap)
        sys.exit(result.exit_code)
    sys.exit(tick_of(os.environ, asked.minute, asked.builds, shift=asked.shift, wrap=wrap).exit_code)


if __name__ == "__main__":
    main()
