"""One real tick over real services in a process of its own, in simulated time; no product code knows of it.

    python simulated_tick.py MINUTE TIMELINE      WATCHBELL_HOME and the other variables say the rest

TIMELINE is the state of the chat server's timeline. Whatever reads a clock in the product goes by it: the tick, its
leases and pauses, the pace of the providers, and what they compare with the server's dates. Only the HTTP client waits
in real time, and so the seconds that a request may take are divided by the timeline's speed on their way to it.
"""

import logging
import os
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fakes.chat.timeline import Timeline
from watchbell.delivery.discord import Discord
from watchbell.delivery.interface import Envelope, Part, Provider
from watchbell.delivery.slack import Slack
from watchbell.delivery.telegram import Telegram
from watchbell.instants import parse_instant
from watchbell.reports.interface import Coverage, CoverageStatus, Report, ReportRequest, Section, Verdict
from watchbell.settings import load_settings
from watchbell.tick import begin, run_tick
from watchbell.wiring import open_services


class SimulatedClock:
    """The product's clock, which shows a timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._timeline.now(), UTC)

    def monotonic(self) -> float:
        return self._timeline.now()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return self._timeline.wait(event, seconds)


def hastened(kind: Any, speed: float) -> Any:
    """Return a provider's class whose requests get as many real seconds as theirs are worth."""

    class Hastened(kind):
        def send(self, part: Part, envelope: Envelope, seconds: float) -> Any:
            return super().send(part, envelope, seconds / speed)

        def find(self, envelope: Envelope, sent_at: datetime, seconds: float) -> Any:
            return super().find(envelope, sent_at, seconds / speed)

    return Hastened


def providers(environ: Any, timeline: Timeline) -> dict[str, Provider]:
    clock = SimulatedClock(timeline)
    kinds = {"slack": Slack, "telegram": Telegram, "discord": Discord}
    return {
        name: hastened(kind, timeline.speed)(environ[f"WATCHBELL_{name.upper()}_API_URL"], clock=clock)
        for name, kind in kinds.items()
    }


class NumberedPipeline:
    """Builds reports of as many numbered lines as the task's params say, so that none can go missing unseen."""

    def build(self, request: ReportRequest) -> Report:
        lines = numbered_lines(int(request.params.get("lines", 0)))
        return Report(
            title=f"Digest of {request.task_id}",
            kind=request.kind,
            window=request.window,
            verdict=Verdict.ATTENTION,
            reason="chaos",
            coverage=(Coverage(source="test", status=CoverageStatus.OK, detail="", age_seconds=1),),
            sections=(Section(title="Lines", lines=lines),) if lines else (),
        )


def numbered_lines(count: int) -> tuple[str, ...]:
    return tuple(f"line {number:04} goes on and on until it has the length of a usual one" for number in range(count))


def main() -> None:
    minute, state = sys.argv[1:]
    timeline = Timeline.of(state)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    with open_services(load_settings(os.environ), timer="test") as services:
        services = replace(
            services,
            pipeline=NumberedPipeline(),
            clock=SimulatedClock(timeline),
            providers=providers(os.environ, timeline),
        )
        result = run_tick(services, parse_instant(minute), begin(services, threading.Event()))
    os._exit(result.exit_code)  # as the command does it: a send that hangs does not keep the process


if __name__ == "__main__":
    main()
