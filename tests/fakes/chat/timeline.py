"""The time that a server goes by. It may run faster than real time, and a test may skip some of it."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Timeline:
    """Seconds since 1970, from `begins` (now) on `speed` times as fast as real time.

    It hangs on the system's monotonic clock, so that processes told its `state` see the same time.
    """

    def __init__(self, begins: float | None = None, speed: float = 1.0) -> None:
        self.speed = speed
        self._origin = time.monotonic()
        self._begins = time.time() if begins is None else begins
        self._actions: list[tuple[float, int, Callable[[], object]]] = []
        self._number = itertools.count()
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, state: str) -> "Timeline":
        """Return the timeline of another process, as it stood then."""
        timeline = cls()
        timeline.speed, timeline._origin, timeline._begins = map(float, state.split())
        return timeline

    @property
    def state(self) -> str:
        """What another process needs to see the same time, until some is skipped."""
        return f"{self.speed!r} {self._origin!r} {self._begins!r}"

    def now(self) -> float:
        return self._begins + (time.monotonic() - self._origin) * self.speed

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set, or `seconds` of this time have passed; return whether it is set."""
        return event.wait(max(0.0, seconds) / self.speed)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something in so many seconds, in a thread of the timeline's own."""
        with self._changed:
            heapq.heappush(self._actions, (self.now() + seconds, next(self._number), action))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._changed.notify()

    def skip(self, seconds: float) -> None:
        """Pass over some time; what falls due in it is done at its own moment, before this returns."""
        with self._changed:
            target = self.now() + seconds
            while self._actions and self._actions[0][0] <= target:
                due, _, action = heapq.heappop(self._actions)
                self._begins += max(0.0, due - self.now())
                action()
            self._begins += max(0.0, target - self.now())
            self._changed.notify()

    def _work(self) -> None:
        with self._changed:
            while True:
                due = self._actions[0][0] if self._actions else None
                if due is None or due > self.now():
                    self._changed.wait(None if due is None else (due - self.now()) / self.speed)
                    continue
                heapq.heappop(self._actions)[2]()
