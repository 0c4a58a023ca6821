"""Do jobs on threads, within the limits of a tick."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from watchbell.errors import LeaseLost, StoreError, TryAgain, WatchbellError
from watchbell.services import Limits

log = logging.getLogger("watchbell")

Job = Callable[[], None]

#: After a request to stop or the deadline, work in hand gets this long to come to its end.
PATIENCE_SECONDS = 25.0
_LOOK_SECONDS = 0.1

#: However many of them sleep.
MOST_THREADS = 64


class Workers:
    """Threads that take one job after the other; a job is begun only by a free thread."""

    def __init__(self, limits: Limits, jobs: Sequence[Job], fail: Callable[[WatchbellError], None]) -> None:
        self._limits = limits
        self._queue = deque(jobs)
        self._fail = fail
        self._pool: list[threading.Thread] = []
        self._is_broken = False

    def work_off(self, at_once: int) -> bool:
        """Work until nothing is left, or time is up; return False when a thread had to be left behind.

        Threads that wait for their turn with a provider do not count, so that one slow chat holds up nobody else; but
        where one job is wanted at a time, it stays alone.
        """
        patience = PATIENCE_SECONDS
        while self._staff(at_once):
            if patience <= 0:
                return False
            self._pool[0].join(_LOOK_SECONDS)
            if self._limits.seconds_left() <= 0:
                patience -= _LOOK_SECONDS
        return True

    @property
    def left_over(self) -> int:
        """How many jobs nobody has begun."""
        return len(self._queue)

    def _staff(self, at_once: int) -> bool:
        """Begin as many threads as there is work and room for; return whether there are any."""
        self._pool = [thread for thread in self._pool if thread.is_alive()]
        most = MOST_THREADS if at_once > 1 else 1
        while self._has_work() and len(self._pool) < most and self._at_work() < at_once:
            thread = threading.Thread(target=self._work, args=(at_once,), daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # a limit of the system: those that there are go on
                if not self._pool:
                    self._is_broken = True
                    self._fail(TryAgain(f"no thread to work on: {error}; raise the limit on processes (ulimit -u)"))
                break
            self._pool.append(thread)
        return bool(self._pool)

    def _has_work(self) -> bool:
        return bool(self._queue) and not self._is_broken and self._limits.seconds_left() > 0

    def _at_work(self) -> int:
        return sum(thread.is_alive() for thread in self._pool) - self._limits.seats.asleep

    def _work(self, at_once: int) -> None:
        while self._has_work() and self._at_work() <= at_once:
            try:
                job = self._queue.popleft()
            except IndexError:
                return
            try:
                job()
            except LeaseLost as lost:
                log.warning("%s", lost)
            except StoreError as error:
                # The others would fail likewise; what they are stays due.
                self._is_broken = True
                self._fail(error)
            except WatchbellError as error:
                self._fail(error)
            except Exception as error:
                log.exception("a bug")
                self._fail(WatchbellError(f"a bug: {type(error).__name__}: {error}"))
