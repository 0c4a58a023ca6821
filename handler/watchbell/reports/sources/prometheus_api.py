"""Asking Prometheus: one session for each read, with its deadline, in pieces that the server is willing to answer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from math import ceil
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, NamedTuple, TypeVar

from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds, parse_instant
from watchbell.reports.sources.alert_history import Samples
from watchbell.reports.sources.http import AnswerTooLarge, Coming, Deadline, JsonReader

#: Prometheus refuses a range of more than 11,000 steps.
MOST_STEPS = 10_000
CHUNK = timedelta(days=1)
SMALLEST_CHUNK = timedelta(minutes=10)
PARTIAL = "some of its storage nodes did not answer"
#: Up to 2.53 Prometheus puts among the warnings what it thinks of a question, beside what is wrong with an answer.
REMARKS = ("PromQL info:", "PromQL warning:")

Series = list[dict[str, Any]]
Answer = TypeVar("Answer")


class _Begun(NamedTuple):
    """The samples of [since, until), on their way."""

    since: datetime
    until: datetime
    answer: Coming


@dataclass(slots=True)
class Session:
    """One read: its deadline, and the warnings that make its answers partial ones.

    Raises SourceError for what the server did; KeyError, TypeError or ValueError where an answer has a strange shape.
    """

    reader: JsonReader
    deadline: Deadline
    warnings: list[str] = field(default_factory=list)

    def get(self, path: str, params: Mapping[str, str]) -> Any:
        """Return the data of an answer to GET."""
        return self._data(self.reader.get(path, params, self.deadline))

    def ask(self, path: str, form: Mapping[str, str]) -> Any:
        """Return the data of an answer to POST."""
        return self._data(self.reader.post(path, form, self.deadline))

    def loaded(self) -> datetime | None:
        """Return when the asked server loaded the rules that it has now; None where it does not say."""
        try:
            told = self.get("/api/v1/status/runtimeinfo", {})
            return parse_instant(told["lastConfigTime"]) if told["reloadConfigSuccess"] is True else None
        except (SourceError, KeyError, TypeError, ValueError, AttributeError):
            return None

    def _data(self, answer: Any) -> Any:
        if not isinstance(answer, dict) or "data" not in answer:
            raise TypeError("no data")
        if answer.get("status") != "success":
            raise SourceError(f"{self.reader.address} answered without saying that it was a success")
        texts = [" ".join(str(text).split())[:200] for text in answer.get("warnings") or ()]
        self.warnings += [text for text in texts if not text.startswith(REMARKS)]
        if answer.get("isPartial"):  # VictoriaMetrics' cluster says so without a warning
            self.warnings.append(PARTIAL)
        return answer["data"]

    def samples(self, selector: str, start: datetime, end: datetime) -> Iterator[list[Samples]]:
        """Yield the raw samples of [start, end), chunk after chunk; the next is fetched while one is being read."""

        def ask(since: datetime, until: datetime) -> _Begun:
            seconds = ceil((until - since).total_seconds())
            # One millisecond before the end: windows are half open, range selectors are not.
            form = {"query": f"{selector}[{seconds}s]", "time": number(until - timedelta(milliseconds=1))}
            return _Begun(since, until, self.reader.begin("/api/v1/query", form, self.deadline))

        def read(begun: _Begun) -> list[Samples]:
            return list(map(_samples, self._data(begun.answer.parsed(_flattened))["result"]))

        for begun in _ahead(begun for a, b in _chunks(start, end) for begun in _in_pieces(ask, a, b)):
            try:
                yield read(begun)
            except AnswerTooLarge:
                yield from _in_pieces(lambda a, b: read(ask(a, b)), begun.since, begun.until)

    def points(self, promql: str, start: datetime, end: datetime, step: timedelta) -> Iterator[Series]:
        """Yield the values at each step of [start, end], in as many pieces as it takes."""

        def query(since: datetime, until: datetime) -> Series:
            times = {"start": number(since), "end": number(until), "step": f"{step.total_seconds():.3f}"}
            found: Series = self.ask("/api/v1/query_range", {"query": promql, **times})["result"]
            return found

        since = start
        while since <= end:
            until = min(end, since + step * MOST_STEPS)
            yield from _in_pieces(query, since, until, step)
            since += step * (MOST_STEPS + 1)


def _flattened(body: bytes) -> bytes:
    """Make `[[1,"a"],[2,"b"]]` of an answer `[[1,"a",2,"b"]]`: a million pairs are a million lists to make and drop.

    Within a text, a label's for instance, JSON writes a quote as \\": where such a one looks like the end of a pair,
    the answer stays as it is, and means the same.
    """
    return body if b'\\"],[' in body else body.replace(b'"],[', b'",')


def _samples(raw: dict[str, Any]) -> Samples:
    pairs = raw["values"]
    flat = pairs[0] if len(pairs) == 1 else list(chain.from_iterable(pairs))
    times, values = flat[0::2], flat[1::2]
    if len(times) != len(values) or not isinstance(times[0], int | float):
        raise ValueError("samples are pairs of a time and a value")
    return Samples(raw["metric"], times, values)


def _in_pieces(
    query: Callable[[datetime, datetime], Answer], start: datetime, end: datetime, step: timedelta | None = None
) -> Iterator[Answer]:
    """Yield the answers, halving the range while the answer is too large; a grid of steps is kept."""
    try:
        answer = query(start, end)
    except AnswerTooLarge:
        if end - start <= max(SMALLEST_CHUNK, step or SMALLEST_CHUNK):
            raise
    else:
        yield answer
        return
    middle = start + ((end - start) / 2 if step is None else step * ((end - start) // step // 2))
    yield from _in_pieces(query, start, middle, step)
    yield from _in_pieces(query, middle if step is None else middle + step, end, step)


def _ahead(answers: Iterator[_Begun]) -> Iterator[_Begun]:
    """Yield the answers, and ask for the following one meanwhile."""
    handed: Queue[_Begun | Exception | None] = Queue(1)
    is_left = Event()

    def fetch() -> None:
        try:
            for answer in answers:
                handed.put(answer)
                if is_left.is_set():
                    return _drop(handed)
            handed.put(None)
        except Exception as error:  # noqa: BLE001  raised again where the answers are read
            handed.put(error)

    # A daemon thread: one that hangs for ever must not keep the process.
    Thread(target=fetch, daemon=True).start()
    try:
        while (found := handed.get()) is not None:
            if isinstance(found, Exception):
                raise found
            yield found
    finally:
        is_left.set()
        _drop(handed)


def _drop(handed: "Queue[_Begun | Exception | None]") -> None:
    with suppress(Empty):
        if isinstance(dropped := handed.get_nowait(), _Begun):
            dropped.answer.leave()


def _chunks(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        yield start, min(start + CHUNK, end)
        start += CHUNK


def number(instant: datetime) -> str:
    """Return an instant as the API takes it."""
    return f"{epoch_seconds(instant):.3f}"
