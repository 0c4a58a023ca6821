"""Equal reads of one source are made once, however many tasks want them. Make one per tick; answers age out anyway."""

import threading
from concurrent.futures import Future
from datetime import datetime

from watchbell.clock import Clock
from watchbell.reports.interface import CoverageStatus, Evidence, Source

KEEP_SECONDS = 300.0
KEEP_FAILURE_SECONDS = 50.0  # the tick of the next minute looks again
Key = tuple[datetime, datetime]


class CachedSource:
    """A source whose reads are shared between threads: who asks second waits for the first answer."""

    def __init__(self, source: Source, *, clock: Clock) -> None:
        self.source = source
        self.name = source.name
        self.required = source.required
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[Key, tuple[float, Future[Evidence]]] = {}

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Read [start, end), or return what an equal read has found within this tick."""
        answer, is_first = self._take((start, end))
        if is_first:
            try:
                answer.set_result(self.source.read(start, end))
            except BaseException as error:
                answer.set_exception(error)
                raise
        return answer.result()

    def _take(self, key: Key) -> tuple[Future[Evidence], bool]:
        now = self._clock.monotonic()
        with self._lock:
            self._answers = {k: kept for k, kept in self._answers.items() if now - kept[0] < _keep_seconds(kept[1])}
            if key in self._answers:
                return self._answers[key][1], False
            answer: Future[Evidence] = Future()
            self._answers[key] = (now, answer)
            return answer, True


def _keep_seconds(answer: Future[Evidence]) -> float:
    if not answer.done():
        return KEEP_SECONDS
    failed = answer.exception() is not None or answer.result().coverage.status is CoverageStatus.FAILED
    return KEEP_FAILURE_SECONDS if failed else KEEP_SECONDS
