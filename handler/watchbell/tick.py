"""THE SPINE: one tick, start to finish. The idle gate (idle.py) has already sent most ticks home.

record    that this tick ran
refresh   the due index from hand edits
due       find the fire times up to the minute; each is claimed, built, delivered and settled (attempt.py)
waiting   and then those runs of the same task whose retry time has come
recover   runs of dead owners, last and one at a time: one of them may be what ends processes
tell      the operator what went wrong

With a queue (queueing.py) a tick builds and sends nothing itself: what it claims or finds owed it hands on.
"""

import logging
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from watchbell.claims import LEASE_MARGIN, Gap, GapStatus, Status, plan_move
from watchbell.errors import ConfigError, WatchbellError
from watchbell.instants import floor_minute, format_minute
from watchbell.queueing import PATIENCE, Outbox, is_too_late, owed_again_at
from watchbell.recovery import has_ended_a_process, is_for_here
from watchbell.services import Limits, Services
from watchbell.stores.interface import Run, TickRecord
from watchbell.telling.ops import note_gap, note_tasks_file, tell_operator
from watchbell.work import Work, WorkResult
from watchbell.workers import Job

log = logging.getLogger("watchbell")


@dataclass(slots=True, kw_only=True)
class TickResult(WorkResult):
    """What a tick did. `is_complete` says that nothing has broken it off."""

    minute: datetime
    gaps: list[Gap] = field(default_factory=list)
    is_complete: bool = False


def begin(services: Services, stop: threading.Event, *, most: timedelta | None = None) -> Limits:
    """Start the clocks of a tick: its deadline (within `most`), and a lease that no live tick can outlive."""
    now = services.clock.now()
    deadline = services.deadline if most is None else min(services.deadline, most)
    return Limits(
        clock=services.clock,
        started_at=now,
        ends=services.clock.monotonic() + deadline.total_seconds(),
        lease_until=now + deadline + LEASE_MARGIN,
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
        tick.work.off(tick.due_and_waiting(), at_once=services.workers)
        tick.hand_on()
        tick.work.off(tick.recover(), at_once=1)
        tick.hand_on()
        tick.tell()
        tick.prune()
        tick.result.is_complete = True
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
        self.work = Work(services, limits, result)
        self.outbox = Outbox(services.queue, result.fail) if services.queue is not None else None
        self.is_idle = False

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
        owed = self.store.runs.owed(self.clock.now())
        for run in owed:
            if run.status is not Status.RUNNING and not run.crashes:
                waiting[run.task_id].append(run)
        due = self.store.tasks.due(self.result.minute)
        self.is_idle = not owed and not due
        return [self._job_of_task(task_id, waiting.get(task_id, [])) for task_id in dict.fromkeys([*due, *waiting])]

    def recover(self) -> list[Job]:
        """Return one job for each run whose process ended, now or earlier; that of the most ended ones is last."""
        # Only what was owed at the beginning, or has been begun since, can have been abandoned.
        owed = [] if self.is_idle else self.store.runs.owed(self.clock.now())
        crashed = [run for run in owed if has_ended_a_process(self.services, run)]
        return [partial(self._take_up, run) for run in sorted(crashed, key=lambda run: run.crashes)]

    def hand_on(self) -> None:
        """Send the last messages."""
        if self.outbox is not None:
            self.outbox.flush()

    def tell(self) -> None:
        """Let the operator hear of what went wrong, and of what is well again."""
        self.work.note_sources()
        for gap in self.result.gaps:  # again: the run that came after it has taken it for over, and nobody was told
            note_gap(self.services, gap)
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
                if self.outbox is None:
                    self.work.carry_out(run)
                else:
                    self._post(run)
            # Only now: a report that has just been delivered makes older ones stale.
            for owed in waiting:
                self._take_up(owed)

        return job

    def _take_up(self, owed: Run) -> None:
        """Go on with a run that is owed, or with a queue ask somebody else to."""
        if self.outbox is None or is_too_late(owed, self.clock.now()):
            self.work.take_up(owed)
        elif self.limits.seconds_left() > 0 and is_for_here(self.services, owed):
            now = self.clock.now()
            if self.store.runs.enqueue_again(owed, wake_at=owed_again_at(owed, now)):
                self._post(owed)

    def _post(self, run: Run) -> None:
        assert self.outbox is not None
        self.result.runs.append(run)
        log.debug("run %s: handed on, for attempt %d", run.id, run.attempt + 1)
        self.outbox.put(run)

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
            expected,
            move,
            owner=self.services.owner,
            lease_until=self.limits.lease_until,
            now=now,
            queued_until=None if self.outbox is None else now + PATIENCE,
        )
        if claimed.moved:
            self._note_gaps(move.gaps)
        return claimed.run

    def _ticked_between(self, start: datetime, end: datetime) -> bool:
        # This tick and its twins of the same minute are no proof that an earlier fire could have been started.
        return self.store.ticks.ticked_between(start, min(end, floor_minute(self.limits.started_at)))

    def _note_gaps(self, gaps: tuple[Gap, ...]) -> None:
        for gap in gaps:
            if gap.status is GapStatus.MISSED:
                self.result.gaps.append(gap)
                note_gap(self.services, gap)
                first, last = format_minute(gap.first), format_minute(gap.last)
                log.warning("task %s: missed %d, %s to %s: %s", gap.task_id, gap.count, first, last, gap.reason)
