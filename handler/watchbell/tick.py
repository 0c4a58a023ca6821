"""THE SPINE: one tick, start to finish. The idle gate (idle.py) has already sent most ticks home.

record    that this tick ran
refresh   the due index from hand edits
due       find the fire times up to the minute; each is claimed, built, delivered and settled (attempt.py)
waiting   and then those runs of the same task whose retry time has come
recover   runs of dead owners, last and one at a time: one of them may be what ends processes
tell      the operator what went wrong
"""

import logging
import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from watchbell.attempt import carry_out
from watchbell.claims import LEASE_MARGIN, Gap, GapStatus, Status, plan_move
from watchbell.errors import ConfigError, LeaseLost, TryAgain, WatchbellError, worst_exit_code
from watchbell.instants import floor_minute, format_minute
from watchbell.ops import note_gap, note_run, note_sources, note_tasks_file, tell_operator
from watchbell.recovery import is_abandoned, take_up
from watchbell.reports.interface import Coverage
from watchbell.services import Limits, Services
from watchbell.stores.interface import Run, TickRecord
from watchbell.workers import Job, Workers

log = logging.getLogger("watchbell")


@dataclass(slots=True, kw_only=True)
class TickResult:
    """What a tick did. `hung` says that a thread had to be left behind: end the process without waiting for it."""

    minute: datetime
    runs: list[Run] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)
    hung: bool = False

    @property
    def exit_code(self) -> int:
        """Return the one code that the process ends with."""
        return worst_exit_code(self.codes)

    def fail(self, error: WatchbellError) -> None:
        """Count a failure of the tick itself; the same one is told once."""
        self.codes.add(error.exit_code)
        if str(error) not in self.errors:
            self.errors.append(str(error))
            log.error("%s", error)


def begin(services: Services, stop: threading.Event) -> Limits:
    """Start the clocks of a tick: its deadline, and a lease that no live tick can outlive."""
    now = services.clock.now()
    return Limits(
        clock=services.clock,
        started_at=now,
        ends=services.clock.monotonic() + services.deadline.total_seconds(),
        lease_until=now + services.deadline + LEASE_MARGIN,
        stop=stop,
    )


def run_tick(services: Services, minute: datetime, limits: Limits) -> TickResult:
    """Do the work of one UTC minute.

    Never raises for what a task, a source, a provider or the store did: failures are in the result.
    """
    tick = _Tick(services, limits, TickResult(minute=minute))
    try:
        tick.record()
        tick.refresh()
        tick.work_off(tick.due_and_waiting(), at_once=services.workers)
        tick.work_off(tick.recover(), at_once=1)
        tick.tell()
        tick.prune()
    except WatchbellError as error:
        tick.result.fail(error)
    return tick.result


class _Tick:
    """The verbs of one tick."""

    def __init__(self, services: Services, limits: Limits, result: TickResult) -> None:
        self.services = services
        self.store = services.store
        self.clock = services.clock
        self.limits = limits
        self.result = result
        self.in_hand: dict[str, Run] = {}
        self.coverage: dict[str, Coverage] = {}

    def record(self) -> None:
        """Write down that this tick ran, and when it was meant to."""
        machine = self.services.owner.host.machine
        self.store.ticks.record(
            TickRecord(
                minute=self.result.minute,
                ran_at=self.limits.started_at,
                timer=self.services.timer,
                machine=machine,
            )
        )

    def refresh(self) -> None:
        """Index hand edits; what cannot be read is an error, and the last good index goes on firing."""
        errors: tuple[ConfigError, ...]
        try:
            errors = self.store.tasks.refresh(self.result.minute, self.clock.now())
        except ConfigError as unreadable:
            errors = (unreadable,)
        for error in errors:
            self.result.fail(error)
        note_tasks_file(self.services, errors)

    def due_and_waiting(self) -> list[Job]:
        """Return one job for each task that expects a fire up to the minute or has a run whose retry time has come."""
        waiting: defaultdict[str, list[Run]] = defaultdict(list)
        for run in self.store.runs.owed(self.clock.now()):
            if run.status is not Status.RUNNING and not run.crashes:
                waiting[run.task_id].append(run)
        due = self.store.tasks.due(self.result.minute)
        return [self._job_of_task(task_id, waiting.get(task_id, [])) for task_id in dict.fromkeys([*due, *waiting])]

    def recover(self) -> list[Job]:
        """Return one job for each run whose process ended, now or earlier; that of the most ended ones is last."""
        owed = self.store.runs.owed(self.clock.now())
        crashed = [run for run in owed if run.crashes or is_abandoned(self.services, run)]
        return [partial(self._take_up, run) for run in sorted(crashed, key=lambda run: run.crashes)]

    def work_off(self, jobs: list[Job], *, at_once: int) -> None:
        """Do the jobs; what time does not allow stays due or is given back."""
        workers = Workers(self.limits, jobs, self.result.fail)
        hung = not workers.work_off(at_once)
        if hung:
            self.result.hung = True
            self._give_back()
        if workers.left_over or hung:
            left = workers.left_over + len(self.in_hand)
            self.result.fail(TryAgain(f"{left} task(s) or run(s) are left to a later tick"))

    def tell(self) -> None:
        """Let the operator hear of what went wrong, and of what is well again."""
        note_sources(self.services, self.coverage.values())
        tell_operator(self.services, self.limits)

    def prune(self) -> None:
        """Forget history past its time, once a day."""
        now = self.clock.now()
        self.store.runs.prune(now - self.services.keep_history, now)

    def _job_of_task(self, task_id: str, waiting: list[Run]) -> Job:
        def job() -> None:
            while self.limits.seconds_left() > 0:
                run = self._claim(task_id)
                if run is None:
                    break
                self._carry_out(run)
            # Only now: a report that has just been delivered makes older ones stale.
            for owed in waiting:
                self._take_up(owed)

        return job

    def _take_up(self, owed: Run) -> None:
        if self.limits.seconds_left() > 0:
            run = take_up(self.services, self.limits, owed)
            if run is not None:
                self._carry_out(run)

    def _claim(self, task_id: str) -> Run | None:
        """Claim what is due of one task; None when there is nothing (more) for this process to run."""
        expected = self.store.tasks.expectation(task_id)
        if expected is None:
            return None
        now = self.clock.now()
        move = plan_move(
            expected,
            minute=self.result.minute,
            now=now,
            tick_deadline=self.services.deadline,
            ticked_between=self._ticked_between,
        )
        if move is None:
            return None
        claimed = self.store.runs.claim(
            expected, move, owner=self.services.owner, lease_until=self.limits.lease_until, now=now
        )
        if claimed.moved:
            self._note_gaps(move.gaps)
        return claimed.run

    def _ticked_between(self, start: datetime, end: datetime) -> bool:
        # This tick and its twins of the same minute are no proof that an earlier fire could have been started.
        return self.store.ticks.ticked_between(start, min(end, floor_minute(self.limits.started_at)))

    def _carry_out(self, run: Run) -> None:
        """Carry one run out, and take down what became of it."""
        self.in_hand[run.id] = run
        try:
            done, coverage = carry_out(self.services, self.limits, run)
        finally:
            del self.in_hand[run.id]
        self.result.runs.append(done)
        self.result.codes.add(done.exit_code)
        self.coverage.update((entry.source, entry) for entry in coverage)
        note_run(self.services, done)
        _log_run(done)

    def _note_gaps(self, gaps: tuple[Gap, ...]) -> None:
        for gap in gaps:
            if gap.status is GapStatus.MISSED:
                self.result.gaps.append(gap)
                note_gap(self.services, gap)
                first, last = format_minute(gap.first), format_minute(gap.last)
                log.warning("task %s: missed %d, %s to %s: %s", gap.task_id, gap.count, first, last, gap.reason)

    def _give_back(self) -> None:
        """Release what hangs before its first send; what may be in the middle of one is left to recovery."""
        for run in list(self.in_hand.values()):
            current = self.store.runs.find(run.task_id, run.fire_time)
            if current is not None and not current.parts:
                with suppress(LeaseLost):  # it came to its end just now
                    self.store.runs.decline(run, machine=None, until=None, now=self.clock.now())


def _log_run(run: Run) -> None:
    level = logging.INFO if run.status in {Status.SUCCESS, Status.QUIET} else logging.WARNING
    late = max(0, int((run.started_at - run.due_at).total_seconds()))
    why = "".join(f"; {text}" for text in (run.error, run.source_error) if text)
    log.log(level, "run %s: %s, attempt %d, late %d s%s", run.id, run.status, run.attempt, late, why)
