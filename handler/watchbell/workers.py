"""Do jobs on threads, within the limits of a tick."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from watchbell.errors import LeaseLost, StoreError, WatchbellError
from watchbell.services import Limits

log = logging.getLogger("watchbell")

Job = Callable[[], None]

#: After a request to stop or the deadline, work in hand gets this long to come to its end.
PATIENCE_SECONDS = 25.0
_LOOK_SECONDS = 0.1


class Workers:
    """Threads that take one job after the other; a job is begun only by a free thread."""

    def __init__(self, limits: Limits, jobs: Sequence[Job], fail: Callable[[WatchbellError], None]) -> None:
        self._limits = limits
        self._queue = deque(jobs)
        self._fail = fail

    def work_off(self, threads: int) -> bool:
        """Work until nothing is left, or time is up; return False when a thread had to be left behind."""
        pool = [threading.Thread(target=self._work, daemon=True) for _ in range(min(threads, len(self._queue)))]
        for thread in pool:
            thread.start()
        patience = PATIENCE_SECONDS
        for thread in pool:
            while thread.is_alive() and patience > 0:
                thread.join(_LOOK_SECONDS)
                if self._limits.seconds_left() <= 0:
                    patience -= _LOOK_SECONDS
        return not any(thread.is_alive() for thread in pool)

    @property
    def left_over(self) -> int:
        """How many jobs nobody has begun."""
        return len(self._queue)

    def _work(self) -> None:
        while self._limits.seconds_left() > 0:
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
                self._fail(error)
                return
            except WatchbellError as error:
                self._fail(error)
            except Exception as error:
                log.exception("a bug")
                self._fail(WatchbellError(f"a bug: {type(error).__name__}: {error}"))
