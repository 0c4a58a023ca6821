"""Runs in hand: carried out on threads within the limits, noted, and given back when there is no time left for them."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from watchbell.attempt import carry_out
from watchbell.claims import Status
from watchbell.errors import DeliveryError, LeaseLost, TryAgain, WatchbellError, worst_exit_code
from watchbell.instants import format_minute
from watchbell.queueing import is_too_late
from watchbell.recovery import take_up
from watchbell.reports.interface import Coverage
from watchbell.services import Limits, Services
from watchbell.stores.interface import Run, Settlement
from watchbell.telling.ops import note_run, note_sources
from watchbell.workers import Job, Workers

log = logging.getLogger("watchbell")


@dataclass(slots=True, kw_only=True)
class WorkResult:
    """What was done. `hung` says that a thread had to be left behind: end the process without waiting for it."""

    runs: list[Run] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)
    hung: bool = False

    @property
    def exit_code(self) -> int:
        """Return the one code that the process ends with."""
        return worst_exit_code(self.codes)

    def fail(self, error: WatchbellError) -> None:
        """Count a failure of the work itself, not of a run; the same one is told once."""
        self.codes.add(error.exit_code)
        if str(error) not in self.errors:
            self.errors.append(str(error))
            log.error("%s", error)


class Work:
    """What one process does with runs, from taking them up to noting what became of them."""

    def __init__(self, services: Services, limits: Limits, result: WorkResult) -> None:
        self._services = services
        self._limits = limits
        self._result = result
        self._in_hand: dict[str, Run] = {}
        self._coverage: dict[str, Coverage] = {}

    def off(self, jobs: Sequence[Job], *, at_once: int) -> None:
        """Do the jobs; what time does not allow stays due or is given back."""
        workers = Workers(self._limits, jobs, self._result.fail)
        hung = not workers.work_off(at_once)
        if hung:
            self._result.hung = True
            if self._limits.stop.is_set():
                self._give_back()
        if workers.left_over or hung:
            left = workers.left_over + len(self._in_hand)
            self._result.fail(TryAgain(f"{left} task(s) or run(s) are left to a later tick"))

    def take_up(self, owed: Run) -> None:
        """Start a new attempt of a run that is owed, and carry it out, if it is for this process and there is time."""
        if self._limits.seconds_left() <= 0:
            return
        run = take_up(self._services, self._limits, owed)
        if run is None:
            return
        now = self._services.clock.now()
        if is_too_late(owed, now):
            why = f"nobody took it from the queue before {format_minute(run.deliver_until)}"
            settlement = Settlement(status=Status.FAILED, error=why, exit_code=DeliveryError.exit_code)
            self._services.store.runs.settle(run, settlement, now=now)
            self._note(self._services.store.runs.find(run.task_id, run.fire_time) or run)
        else:
            self.carry_out(run)

    def carry_out(self, run: Run) -> None:
        """Carry one claimed run out, and take down what became of it."""
        self._in_hand[run.id] = run
        try:
            done, coverage = carry_out(self._services, self._limits, run)
        finally:
            del self._in_hand[run.id]
        self._coverage.update((entry.source, entry) for entry in coverage)
        self._note(done)

    def _note(self, done: Run) -> None:
        self._result.runs.append(done)
        self._result.codes.add(done.exit_code)
        note_run(self._services, done)
        _log_run(done)

    def note_sources(self) -> None:
        """Remember for the operator which sources could be believed."""
        note_sources(self._services, self._coverage.values())

    def _give_back(self) -> None:
        """Release what somebody who wants this process to end has cut short, before its first send.

        All else is left to recovery: what may be in the middle of a send, and what hung by itself past the deadline.
        That counts as a process that ended over it, so that it is done alone, and not for ever again.
        """
        for run in list(self._in_hand.values()):
            current = self._services.store.runs.find(run.task_id, run.fire_time)
            if current is not None and not current.parts:
                with suppress(LeaseLost):  # it came to its end just now
                    self._services.store.runs.decline(run, machine=None, until=None, now=self._services.clock.now())


def _log_run(run: Run) -> None:
    level = logging.INFO if run.status in {Status.SUCCESS, Status.QUIET} else logging.WARNING
    late = max(0, int((run.started_at - run.due_at).total_seconds()))
    why = "".join(f"; {text}" for text in (run.error, run.source_error) if text)
    log.log(level, "run %s: %s, attempt %d, late %d s%s", run.id, run.status, run.attempt, late, why)
