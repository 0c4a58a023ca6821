"""What a store promises. Every backend is proven against these numbers by tests/contracts/test_store.py.

 1. Of any number of concurrent claims on one (task, fire time) exactly one wins; a loser learns who holds it, and
    until when.
 2. An expired or dead claim is taken over exactly once; the attempt number grows; the old owner's later writes change
    nothing and tell it so (LeaseLost).
 3. A saved report, an intent and an outcome are durable before the call returns.
 4. A claim whose answer was lost is recognised as one's own by its token.
 5. What is owed (live claims, waiting runs by retry time) and what is due are found by an index, never by a scan.
 6. History is newest first, paged, and kept for a set time; definitions survive a crash at any instant: whole old or
    whole new, never empty.
 7. An unreadable store is an error, never an empty list, and is never overwritten; a newer schema is refused, an older
    one migrated in one transaction; unknown attributes of a task survive.
 8. The claim transaction alone moves a task's next fire time (besides changing the task): it is conditional on that
    time and on the task's revision, inserts the run with a copy of the definition, and writes the rows it skips over.
    A change of a task never reopens what is settled: it counts from after the newest row of the ledger at the earliest.
 9. A task has at most one live (running or queued) scheduled run; ad-hoc runs neither wait for it nor take its fire
    times.

All times are aware datetimes in UTC and come in as arguments; a clock tells a store no more than how old what it keeps
in memory is. Every call raises StoreError when
the store cannot be used, and TryAgain when it is only busy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from watchbell.claims import Expectation, Gap, Host, Move, Status
from watchbell.deliveries import PartState
from watchbell.errors import TaskError
from watchbell.tasks import Task

RawTask = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """One process that may claim; `token` is random, so two processes never share it."""

    token: str
    host: Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The record of one (task, fire time). `attempt` fences: it only grows, and every write of an owner carries it.

    A `queued` run has attempt 0: nobody works on it, and its `wake_at` is when its message is to be sent again.
    """

    task_id: str
    fire_time: str  # a minute, or for an ad-hoc run an instant with a random suffix
    adhoc: bool
    status: Status
    attempt: int
    crashes: int
    owner: Owner | None
    lease_until: datetime
    wake_at: datetime | None
    due_at: datetime  # the fire time, or the instant of an ad-hoc run
    deliver_until: datetime  # how long sending is retried
    started_at: datetime
    finished_at: datetime | None
    definition: Mapping[str, Any] = field(repr=False)  # the task as it was claimed, without credentials
    verdict: str | None = None
    error: str | None = None
    exit_code: int = 0
    source_error: str | None = None
    declined_by: str | None = None  # the machine that cannot run it
    declined_until: datetime | None = None  # from when on that machine settles it all the same
    parts: tuple[PartState, ...] = ()

    @property
    def id(self) -> str:
        """The name of the run on the command line, in JSON and in logs."""
        return f"{self.task_id}@{self.fire_time}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """What a claim transaction did: `run` was won, or `holder` has it; `moved` when the next fire time was moved."""

    moved: bool
    run: Run | None = None
    holder: Run | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How an attempt ended. `wake_at` keeps the run among what is owed."""

    status: Status
    wake_at: datetime | None = None
    error: str | None = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All definitions that can be used, in their order, and what is wrong with the others."""

    tasks: tuple[Task, ...]
    errors: tuple[TaskError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleVersion:
    """What a task was expected to do from `start` on, until `end` (None: it still is)."""

    task_id: str
    cron: str
    timezone: str
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TickRecord:
    """One invocation: the minute it was meant for, when it really ran, and what started it."""

    minute: datetime
    ran_at: datetime
    timer: str
    machine: str


#: No message has room for more of them; what is left is told a minute later.
MOST_NOTICES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One condition that the operator hears of: once, then daily, then of the recovery."""

    key: str
    detail: str
    since: datetime
    recovered: bool


class TaskStore(Protocol):
    """Definitions, and the index of what each of them expects next."""

    def listing(self) -> Listing:
        """Return all tasks; raises ConfigError when the definitions cannot be read at all."""

    def change(self, change: Callable[[list[RawTask]], list[RawTask]], *, now: datetime) -> None:
        """Replace the raw definitions by `change(definitions)`, atomically among all writers, and index the result.

        Whatever `change` raises leaves everything as it was.
        """

    def change_one(self, task_id: str, change: Callable[[RawTask | None], RawTask | None], *, now: datetime) -> None:
        """Replace one raw definition by `change(definition)`, atomically, without touching the others.

        None stands for no definition, before and after: so this adds, edits and removes. Whatever `change` raises
        leaves everything as it was. `change` may be called again, on what somebody else has written meanwhile.
        """

    def find(self, task_id: str) -> Task | None:
        """Return one task by its whole id, None when there is none that can be used."""

    def refresh(self, minute: datetime, now: datetime) -> tuple[TaskError, ...]:
        """Index what was edited by hand; return what is wrong with single tasks.

        Raises ConfigError when the definitions cannot be read: the last good index then stays in force.
        """

    def expectation(self, task_id: str) -> Expectation | None:
        """Return what the index holds of a task (its last good definition)."""

    def due(self, minute: datetime) -> list[str]:
        """Return the ids of tasks that expect a fire at or before `minute`, longest due first."""


class RunStore(Protocol):
    """Claims, runs and the ledger."""

    def claim(
        self,
        expected: Expectation,
        move: Move,
        *,
        owner: Owner,
        lease_until: datetime,
        now: datetime,
        queued_until: datetime | None = None,
    ) -> ClaimResult:
        """Carry out `move` if the task is still as `expected`: the only way in which a next fire time moves on.

        With `queued_until` the run is inserted as queued, to be taken over by whoever gets its message, and owed from
        that time on in case nobody does.
        """

    def claim_adhoc(self, task: Task, fire_time: str, *, owner: Owner, lease_until: datetime, now: datetime) -> Run:
        """Insert an ad-hoc run, which takes no fire time of the schedule."""

    def owed(self, now: datetime) -> list[Run]:
        """Return runs to look at: every running one, and those whose `wake_at` has come; oldest first."""

    def enqueue_again(self, run: Run, *, wake_at: datetime) -> bool:
        """Owe a run not before `wake_at`, for somebody else is about to be asked to take it over.

        Changes nothing else. False when the run is no longer as it was seen (its attempt, status and `wake_at`):
        somebody was faster.
        """

    def take_over(
        self,
        run: Run,
        *,
        owner: Owner,
        lease_until: datetime,
        now: datetime,
        crashed: bool,
        deliver_until: datetime | None = None,
    ) -> Run | None:
        """Start a new attempt of `run` as it was seen; None when somebody else was faster.

        Intents without an outcome become `unknown`, for the old owner may have sent them. With `deliver_until` the
        operator gives the run a new life: its crashes are forgotten. A queued run starts only now (`started_at`).
        """

    def save_report(self, run: Run, report: Mapping[str, Any], *, verdict: str, source_error: str | None) -> None:
        """Keep the report before anything of it is sent; raises LeaseLost."""

    def saved_report(self, task_id: str, fire_time: str) -> dict[str, Any] | None:
        """Return the report of a run, or None when it has none."""

    def write_intent(self, run: Run, part: PartState) -> str | None:
        """Record that `part` is about to be sent; raises LeaseLost.

        Returns why it must not be sent (the task was removed, paused or disabled meanwhile), and then records nothing.
        """

    def write_outcome(self, run: Run, part: PartState) -> None:
        """Record what became of a part; raises LeaseLost."""

    def settle(self, run: Run, settlement: Settlement, *, now: datetime) -> None:
        """End this attempt; raises LeaseLost."""

    def decline(self, run: Run, *, machine: str | None, until: datetime | None, now: datetime) -> None:
        """Give an unsent run back at once; `machine` does not take it again before `until`. Raises LeaseLost."""

    def delivered_since(self, task_id: str, fire_time: str) -> bool:
        """Return whether a later scheduled run of the task has been delivered; one that was quiet has not."""

    def find(self, task_id: str, fire_time: str) -> Run | None:
        """Return one run with its parts."""

    def history(self, task_id: str, *, limit: int, before: datetime | None = None) -> list[Run]:
        """Return a page of runs that were due before `before`, newest first."""

    def gaps(self, task_id: str, *, limit: int, before: datetime | None = None) -> list[Gap]:
        """Return a page of ranges of missed and skipped fire times that ended before `before`, newest first."""

    def gap_at(self, task_id: str, minute: datetime) -> Gap | None:
        """Return the range that a fire time falls into."""

    def schedule_versions(self, task_id: str) -> list[ScheduleVersion]:
        """Return every version of a task's schedule that the ledger still covers, oldest first."""

    def ledger_starts(self) -> datetime | None:
        """Return the minute from which on the ledger is whole; what was before it is not known."""

    def known_task_ids(self) -> list[str]:
        """Return every task id with a definition or a history."""

    def newest(self) -> Mapping[str, Run]:
        """Return the newest run of each task."""

    def prune(self, before: datetime, now: datetime) -> None:
        """Forget settled history older than `before`; does nothing when it has been done this UTC day."""


class TickStore(Protocol):
    """Records of ticks, and what the operator has been told."""

    def record(self, record: TickRecord) -> None:
        """Record one invocation."""

    def records(self, since: datetime) -> list[TickRecord]:
        """Return the ticks that ran since then, oldest first."""

    def ticked_between(self, start: datetime, end: datetime) -> bool:
        """Return whether any tick ran in [start, end)."""

    def other_machines(self, here: str, since: datetime) -> bool:
        """Return whether a tick ran on another machine since then."""

    def remember_settings(self, state: str) -> None:
        """Record which settings this tick has read, so that the idle gate notices a change."""

    def raise_notice(self, key: str, detail: str, now: datetime) -> None:
        """Record that a condition holds; it is told at once if it is new."""

    def clear_notice(self, key: str, now: datetime) -> None:
        """Record that a condition no longer holds; its recovery is told if it was told itself."""

    def notices_to_tell(self, now: datetime, *, most: int = MOST_NOTICES) -> list[Notice]:
        """Return what the operator is owed now, and count it as told for a day; beyond `most` it stays owed."""

    def notice_not_told(self, notices: list[Notice], now: datetime) -> None:
        """Owe these again in a few minutes: the message surely did not arrive."""


class Store(Protocol):
    """Everything a tick and the command line need."""

    @property
    def tasks(self) -> TaskStore:
        """Definitions."""

    @property
    def runs(self) -> RunStore:
        """Claims and the ledger."""

    @property
    def ticks(self) -> TickStore:
        """Ticks and notices."""

    def close(self) -> None:
        """Let go of files and connections; the store is not used again."""
