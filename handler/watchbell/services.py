"""What a tick is given to work with; wiring.py makes it, tests make their own."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchbell.clock import Clock
from watchbell.delivery.interface import Provider
from watchbell.reports.interface import Pipeline
from watchbell.stores.interface import Owner, Store
from watchbell.tasks import Target, Task

#: (target, task or None for the operator's own) -> its credentials; raises CredentialError or ConfigError.
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
    workers: int = 8
    deadline: timedelta = timedelta(minutes=5)
    keep_history: timedelta = timedelta(days=400)
    ops_target: Target | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long this process may go on. `stop` is set when it is asked to end: then nothing new begins."""

    clock: Clock
    started_at: datetime
    ends: float  # on the monotonic clock
    lease_until: datetime
    stop: threading.Event = field(default_factory=threading.Event)

    def seconds_left(self) -> float:
        """Return the seconds until the deadline; 0 when it has passed or an end was asked for."""
        if self.stop.is_set():
            return 0.0
        return max(0.0, self.ends - self.clock.monotonic())

    def wait(self, seconds: float) -> bool:
        """Sleep unless the deadline comes first; return whether the whole pause was slept."""
        if seconds >= self.seconds_left():
            return False
        return not self.clock.wait(self.stop, seconds)
