"""All sources read side by side, once for each stretch of time, however many tasks of a tick want it."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime

from watchbell.clock import Clock
from watchbell.reports.interface import Coverage, CoverageStatus, Evidence, Source

#: Longer than any source's own deadline: what is cut off here hangs where no timeout reaches, such as in a resolver.
READ_SECONDS = 75.0
#: Make one Readings per tick; in a process that lives on, what was read ages out all the same …
KEEP_SECONDS = 300.0
#: … and after a failure the tick of the next minute looks again.
KEEP_FAILURE_SECONDS = 50.0

Answer = Future[Sequence[Evidence]]


class Readings:
    """What the sources say, shared between threads: who asks second waits for the first answer."""

    def __init__(self, sources: Sequence[Source], *, clock: Clock, read_seconds: float = READ_SECONDS) -> None:
        self._sources = sources
        self._clock = clock
        self._read_seconds = read_seconds
        self._lock = threading.Lock()
        self._answers: dict[tuple[datetime, datetime], tuple[float, Answer]] = {}

    def read(self, start: datetime, end: datetime) -> Sequence[Evidence]:
        """Return one entry for each source over [start, end), in their order."""
        answer, is_first = self._take(start, end)
        if is_first:
            try:
                answer.set_result(self._read_all(start, end))
            except BaseException as error:
                answer.set_exception(error)
                raise
        return answer.result()

    def _take(self, start: datetime, end: datetime) -> tuple[Answer, bool]:
        now = self._clock.monotonic()
        with self._lock:
            known = self._answers.get((start, end))
            if known is not None and now - known[0] < _keep_seconds(known[1]):
                return known[1], False
            self._answers = {k: kept for k, kept in self._answers.items() if now - kept[0] < KEEP_SECONDS}
            answer: Answer = Future()
            self._answers[start, end] = (now, answer)
            return answer, True

    def _read_all(self, start: datetime, end: datetime) -> Sequence[Evidence]:
        """Read side by side, so that one slow source costs its own time only."""
        answers: dict[int, Evidence] = {}

        def read(number: int, source: Source) -> None:
            answers[number] = _read_one(source, start, end)

        # Daemon threads: one that hangs for ever must not keep the process.
        threads = [
            threading.Thread(target=read, args=(number, source), daemon=True)
            for number, source in enumerate(self._sources)
        ]
        for thread in threads:
            thread.start()
        until = self._clock.monotonic() + self._read_seconds
        for thread in threads:
            thread.join(max(0.0, until - self._clock.monotonic()))
        late = f"did not answer within {self._read_seconds:g} s"
        return [answers.get(number) or _failed(source, late) for number, source in enumerate(self._sources)]


def _keep_seconds(answer: Answer) -> float:
    if not answer.done():
        return KEEP_SECONDS
    if answer.exception() is not None:
        return 0.0
    failed = any(evidence.coverage.status is CoverageStatus.FAILED for evidence in answer.result())
    return KEEP_FAILURE_SECONDS if failed else KEEP_SECONDS


def _read_one(source: Source, start: datetime, end: datetime) -> Evidence:
    try:
        return source.read(start, end)
    except Exception as error:  # noqa: BLE001  a source that breaks its promise must not read as an all-clear
        return _failed(source, f"reading it failed unexpectedly ({type(error).__name__})")


def _failed(source: Source, detail: str) -> Evidence:
    coverage = Coverage(source=source.name, status=CoverageStatus.FAILED, detail=detail, required=source.required)
    return Evidence(coverage=coverage)
