"""Alert history from Prometheus, read-only: the raw samples of ALERTS and ALERTS_FOR_STATE, and proof of watching.

Raw samples (a range selector in an instant query) rather than a grid: they are exact with and without stale markers.
Proof: there are alerting rules, all healthy and evaluated lately, and its own samples have no hole over the window.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds, format_minute, from_epoch_seconds, parse_instant
from watchbell.reports.interface import Coverage, CoverageStatus, Episode, Evidence
from watchbell.reports.sources.alert_history import AlertHistory, RuleFacts, holes
from watchbell.reports.sources.heartbeats import HEARTBEATS, is_heartbeat
from watchbell.reports.sources.http import AnswerTooLarge, Deadline, JsonReader

MAX_GAP = timedelta(minutes=5)
CHUNK = timedelta(days=1)
SMALLEST_CHUNK = timedelta(minutes=10)
MARGIN = timedelta(minutes=10)  # read before the window, to see what already fired
PROOF_STEP = timedelta(minutes=1)
PROOF_CHUNK = PROOF_STEP * 10_000  # Prometheus refuses more than 11,000 steps
LATE_EVALUATION = timedelta(minutes=5)

ALERT_SAMPLES = '{__name__=~"ALERTS|ALERTS_FOR_STATE",alertstate!="pending"}'
NEWEST_SAMPLE = "max(timestamp(up) or timestamp(prometheus_build_info) or timestamp(ALERTS))"


class Prometheus:
    """Reads one Prometheus or anything that speaks its query API and its rules API."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        name: str = "prometheus",
        required: bool = True,
        bearer_token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        headers: Mapping[str, str] | None = None,
        deadline_seconds: float = 60.0,
        max_gap: timedelta = MAX_GAP,
        heartbeats: Collection[str] = HEARTBEATS,
        replica_labels: Collection[str] = ("replica", "prometheus_replica", "__replica__"),
        reader: JsonReader | None = None,
    ) -> None:
        self.name = name
        self.required = required
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._max_gap = max_gap
        self._heartbeats = heartbeats
        self._replica_labels = replica_labels
        self._reader = reader or JsonReader(
            url, bearer_token=bearer_token, username=username, password=password, headers=headers
        )

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Return the alert episodes that touch [start, end), and whether Prometheus watched all of it."""
        session = _Session(self._reader, Deadline(self._clock, self._deadline_seconds))
        try:
            rules = self._rules(session)
            episodes = self._episodes(session, start, end, rules)
        except (SourceError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            detail = str(error) if isinstance(error, SourceError) else self._unknown_shape(error)
            return Evidence(coverage=self._coverage(CoverageStatus.FAILED, detail))
        return self._proven(session, start, end, rules, episodes)

    def ask(self, promql: str, at: datetime) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series that an instant query gives; raises SourceError."""
        session = _Session(self._reader, Deadline(self._clock, self._deadline_seconds))
        try:
            data = session.ask("/api/v1/query", {"query": promql, "time": _number(at)})
            if data["resultType"] == "scalar":
                return [({}, float(data["result"][1]))]
            found = [(dict(one["metric"]), float(one["value"][1])) for one in data["result"]]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise SourceError(self._unknown_shape(error)) from None
        if session.warnings:
            raise SourceError(f"{self._reader.address} answered only in part: {session.warnings[0]}")
        return found

    def ask_range(
        self, promql: str, start: datetime, end: datetime, *, step: timedelta
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Return labels and (Unix seconds, value) points of each series over [start, end]; raises SourceError."""
        session = _Session(self._reader, Deadline(self._clock, self._deadline_seconds))
        times = {"start": _number(start), "end": _number(end), "step": f"{step.total_seconds():.3f}"}
        try:
            series = session.ask("/api/v1/query_range", {"query": promql, **times})["result"]
            found = [
                (dict(one["metric"]), [(float(at), float(value)) for at, value in one["values"]]) for one in series
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(self._unknown_shape(error)) from None
        if session.warnings:
            raise SourceError(f"{self._reader.address} answered only in part: {session.warnings[0]}")
        return found

    def _rules(self, session: "_Session") -> "_Rules":
        answer = self._reader.get("/api/v1/rules", {"type": "alert"}, session.deadline)
        return _Rules.parse(session.data(answer)["groups"])

    def _episodes(self, session: "_Session", start: datetime, end: datetime, rules: "_Rules") -> tuple[Episode, ...]:
        longest = max((rule.interval_seconds for rule in rules.facts.values()), default=0.0)
        read_from = start - max(MARGIN, timedelta(seconds=3 * longest))
        history = AlertHistory(rules.facts)
        for chunk_start, chunk_end in _chunks(read_from, end, CHUNK):
            for series in session.in_pieces(_alert_samples, chunk_start, chunk_end):
                history.add(series)
        found = history.episodes(start, end, read_from=read_from, without_labels=self._replica_labels)
        return tuple(episode for episode in found if not is_heartbeat(episode.labels, self._heartbeats))

    def _proven(
        self, session: "_Session", start: datetime, end: datetime, rules: "_Rules", episodes: tuple[Episode, ...]
    ) -> Evidence:
        problems = rules.problems(self._clock.now())
        is_trusted = not problems
        covered_from, age = None, None
        try:
            times = _newest_samples(session, start, end)
            gaps = holes(times, epoch_seconds(start), epoch_seconds(end), self._max_gap.total_seconds())
            problems += [_no_samples(*gaps[-1])] if gaps else []
            since = gaps[-1][1] if gaps else epoch_seconds(start)
            covered_from = from_epoch_seconds(since) if since < epoch_seconds(end) else None
            age = epoch_seconds(end) - max(times) if times else None
        except SourceError as error:
            problems.append(str(error))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            problems.append(self._unknown_shape(error))
        if session.warnings:
            problems.insert(0, f"answered only in part: {session.warnings[0]}")
            is_trusted = False
        status = CoverageStatus.UNPROVEN if problems else CoverageStatus.OK
        detail = problems[0] if problems else f"{_count(rules.count, 'alerting rule')}, healthy; no hole in its samples"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return Evidence(
            coverage=self._coverage(status, detail + more, age),
            episodes=episodes,
            covered_from=covered_from if is_trusted else None,
        )

    def _coverage(self, status: CoverageStatus, detail: str, age_seconds: float | None = None) -> Coverage:
        age = None if age_seconds is None else max(0.0, age_seconds)
        return Coverage(source=self.name, status=status, detail=detail, age_seconds=age, required=self.required)

    def _unknown_shape(self, error: Exception) -> str:
        return f"{self._reader.address} answered in a shape that is not Prometheus's ({type(error).__name__})"


@dataclass(slots=True)
class _Session:
    """One read: its deadline, and the warnings that make its answers partial ones."""

    reader: JsonReader
    deadline: Deadline
    warnings: list[str] = field(default_factory=list)

    def ask(self, path: str, form: Mapping[str, str]) -> Any:
        return self.data(self.reader.post(path, form, self.deadline))

    def data(self, answer: Any) -> Any:
        if not isinstance(answer, dict) or "data" not in answer:
            raise TypeError("no data")
        self.warnings += [" ".join(str(text).split())[:200] for text in answer.get("warnings") or ()]
        return answer["data"]

    def in_pieces(
        self, query: Callable[["_Session", datetime, datetime], Any], start: datetime, end: datetime
    ) -> Iterator[Any]:
        """Yield the answers for [start, end), halving the range while the answer is too large."""
        try:
            answer = query(self, start, end)
        except AnswerTooLarge:
            if end - start <= SMALLEST_CHUNK:
                raise
        else:
            yield answer
            return
        middle = start + (end - start) / 2
        yield from self.in_pieces(query, start, middle)
        yield from self.in_pieces(query, middle, end)


@dataclass(slots=True)
class _Rules:
    """The alerting rules: what each alert name needs to know, and whether they work."""

    facts: dict[str, RuleFacts] = field(default_factory=dict)
    count: int = 0
    failing: list[str] = field(default_factory=list)
    evaluations: list[tuple[str, float, datetime]] = field(default_factory=list)  # name, interval, when

    @classmethod
    def parse(cls, groups: list[dict[str, Any]]) -> "_Rules":
        rules = cls()
        for group in groups:
            for raw in group["rules"]:
                if raw.get("type", "alerting") == "alerting":
                    rules._take(raw, float(group.get("interval") or 60.0))
        return rules

    def _take(self, raw: dict[str, Any], interval: float) -> None:
        name = str(raw["name"])
        evaluated = parse_instant(raw["lastEvaluation"])
        self.count += 1
        self.evaluations.append((name, interval, evaluated))
        if raw["health"] != "ok" or raw.get("lastError"):
            self.failing.append(_failing(name, raw))
        hold = float(raw.get("duration") or 0.0)
        known = self.facts.get(name) or RuleFacts(
            interval_seconds=interval, hold_seconds=hold, last_evaluation=epoch_seconds(evaluated)
        )
        self.facts[name] = RuleFacts(
            interval_seconds=max(known.interval_seconds, interval),
            hold_seconds=max(known.hold_seconds, hold),
            last_evaluation=min(known.last_evaluation or 0.0, epoch_seconds(evaluated)),
        )

    def problems(self, now: datetime) -> list[str]:
        """Say what speaks against trusting the rules as they are now."""
        if not self.count:
            return ["it has no alerting rules, so it cannot know of any alert"]
        late = [
            f"rule {name} was last evaluated at {format_minute(at)}"
            for name, interval, at in self.evaluations
            if now - at > max(LATE_EVALUATION, timedelta(seconds=3 * interval)) and at.year > 1
        ]
        return sorted(self.failing) + sorted(late)


def _failing(name: str, raw: Mapping[str, Any]) -> str:
    if raw["health"] == "unknown":
        return f"rule {name} has not been evaluated yet"
    reason = " ".join(str(raw.get("lastError") or "no reason given").split())[:200]
    return f"rule {name} is failing: {reason}"


def _alert_samples(session: _Session, start: datetime, end: datetime) -> Any:
    seconds = ceil((end - start).total_seconds())
    # One millisecond before `end`: windows are half open, range selectors are not.
    at = end - timedelta(milliseconds=1)
    return session.ask("/api/v1/query", {"query": f"{ALERT_SAMPLES}[{seconds}s]", "time": _number(at)})["result"]


def _newest_samples(session: _Session, start: datetime, end: datetime) -> list[float]:
    """Return when Prometheus stored something, as seen once a minute over the window."""
    times: set[float] = set()
    for chunk_start, chunk_end in _chunks(start, end, PROOF_CHUNK):
        for series in session.in_pieces(_newest, chunk_start, chunk_end):
            times.update(float(value) for one in series for _, value in one["values"])
    return sorted(times)


def _newest(session: _Session, start: datetime, end: datetime) -> Any:
    step = min(PROOF_STEP, max(timedelta(seconds=1), (end - start) / 4))
    form = {
        "query": NEWEST_SAMPLE,
        "start": _number(start),
        "end": _number(end),
        "step": f"{step.total_seconds():.3f}",
    }
    return session.ask("/api/v1/query_range", form)["result"]


def _chunks(start: datetime, end: datetime, length: timedelta) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        yield start, min(start + length, end)
        start += length


def _number(instant: datetime) -> str:
    return f"{epoch_seconds(instant):.3f}"


def _no_samples(before: float, after: float) -> str:
    first, last = from_epoch_seconds(before), from_epoch_seconds(after)
    return f"no samples between {format_minute(first)} and {format_minute(last)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
