"""What a tick is given to work with; wiring makes it, tests make their own."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchbell.clock import Clock
from watchbell.delivery.interface import Provider
from watchbell.queueing import Queue
from watchbell.reports.interface import Pipeline
from watchbell.stores.interface import Owner, Store
from watchbell.tasks import Target, Task
from watchbell.timers import machine_name

#: (target, task or None for the operator's own) -> its credentials; raises CredentialError, ConfigError or TryAgain.
ResolveCredentials = Callable[[Target, Task | None], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The store, the ways to build and to deliver, the clock, and who this process is."""

    store: Store
    pipeline: Pipeline
    providers: Mapping[str, Provider]
    credentials: ResolveCredentials
    clock: Clock
    owner: Owner
    is_gone: Callable[[Owner], bool]  # whether an owner on this machine's boot has ended
    timer: str  # what started this process: cron, systemd, …
    queue: Queue | None = None  # where a tick leaves what it claims for others to carry out
    workers: int = 8
    deadline: timedelta = timedelta(minutes=5)
    keep_history: timedelta = timedelta(days=400)
    ops_target: Target | None = None

    @property
    def machine(self) -> str:
        """What counts as this machine: what one pod of a CronJob cannot do, none of them can."""
        return machine_name(self.owner.host.machine)


class Seats:
    """Counts who of those at work only sleeps; meanwhile others may be begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.asleep = 0

    def leave(self) -> None:
        """Sleep from now on."""
        with self._lock:
            self.asleep += 1

    def take(self) -> None:
        """Be at work again, at once: a place within a provider's rates waits for nobody."""
        with self._lock:
            self.asleep -= 1


class SharedSeat(Seats):
    """The seat of one run that is sent to several targets at the same time: it is left while all of them sleep."""

    def __init__(self, seats: Seats, sharers: int) -> None:
        super().__init__()
        self._seats = seats
        self._sharers = sharers

    def leave(self) -> None:
        """Sleep, or have ended."""
        with self._lock:
            self.asleep += 1
            if self.asleep == self._sharers:
                self._seats.leave()

    def take(self) -> None:
        with self._lock:
            if self.asleep == self._sharers:
                self._seats.take()
            self.asleep -= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long this process may go on. `stop` is set when it is asked to end: then nothing new begins."""

    clock: Clock
    started_at: datetime
    ends: float  # on the monotonic clock
    lease_until: datetime
    stop: threading.Event = field(default_factory=threading.Event)
    seats: Seats = field(default_factory=Seats)

    def seconds_left(self) -> float:
        """Return the seconds until the deadline; 0 when it has passed or an end was asked for."""
        if self.stop.is_set():
            return 0.0
        return max(0.0, self.ends - self.clock.monotonic())

    def wait(self, seconds: float) -> bool:
        """Sleep unless the deadline comes first; return whether the whole pause was slept."""
        if seconds >= self.seconds_left():
            return False
        self.seats.leave()
        try:
            return not self.clock.wait(self.stop, seconds)
        finally:
            self.seats.take()
