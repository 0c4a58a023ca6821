"""Runs probes side by side, each with a hard end: what hangs where no timeout reaches is left behind."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.reports.probes.interface import Outcome, Probe

AT_ONCE = 16
#: Half of a tick's deadline: what has not begun by then does not run in this tick, and the report says so.
RUN_SECONDS = 150.0
#: A probe ends itself at its own timeout, with a better reason; a resolver or a dripping server may not.
GRACE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One probe's outcome; None when it was not run, and why."""

    name: str
    outcome: Outcome | None
    why_not: str = ""


def run_all(probes: Sequence[Probe], clock: Clock, *, run_seconds: float = RUN_SECONDS) -> list[Result]:
    """Run all probes and return their results in the same order."""
    if not probes:
        return []
    until = clock.monotonic() + run_seconds
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(probes))) as pool:
        return list(pool.map(lambda probe: _bounded(probe, clock, until), probes))


def _bounded(probe: Probe, clock: Clock, until: float) -> Result:
    if clock.monotonic() >= until:
        return Result(name=probe.name, outcome=None, why_not="no time was left for it in this run")
    results: list[Result] = []
    # A daemon thread: one that hangs for ever must not keep the process.
    thread = threading.Thread(target=lambda: results.append(_run(probe, clock)), daemon=True)
    thread.start()
    thread.join(probe.timeout_seconds + GRACE_SECONDS)
    late = Outcome(passed=False, detail=f"no complete answer within {probe.timeout_seconds:g} s")
    return (*results, Result(name=probe.name, outcome=late))[0]


def _run(probe: Probe, clock: Clock) -> Result:
    try:
        return Result(name=probe.name, outcome=probe.run(clock))
    except SourceError as error:
        return Result(name=probe.name, outcome=None, why_not=str(error))
    except Exception as error:  # noqa: BLE001  one broken probe must not hide what the others found
        return Result(name=probe.name, outcome=None, why_not=f"the probe itself broke ({type(error).__name__})")
