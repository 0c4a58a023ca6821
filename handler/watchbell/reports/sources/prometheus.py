"""Alert history from Prometheus, read-only: the raw samples of ALERTS and ALERTS_FOR_STATE, and proof of watching.

Raw samples (a range selector in an instant query) rather than a grid: they are exact with and without stale markers.
Proof: there are alerting rules, they and the recording rules that they read are healthy and were evaluated lately,
what fires now is stored, targets were scraped over the window without a hole, and in no longer time were there no
alerting rules, or a group of them that was not evaluated.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Unpack

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds, from_epoch_seconds
from watchbell.reports.interface import Coverage, CoverageStatus, Episode, Evidence
from watchbell.reports.sources.access import Access
from watchbell.reports.sources.alert_history import AlertHistory
from watchbell.reports.sources.heartbeats import HEARTBEATS, is_heartbeat
from watchbell.reports.sources.http import Deadline, JsonReader
from watchbell.reports.sources.prometheus_api import Session, number
from watchbell.reports.sources.prometheus_proof import Proof, Story, is_there, prove, sampled
from watchbell.reports.sources.prometheus_rules import Rules
from watchbell.reports.sources.prometheus_steps import Stretch
from watchbell.reports.wording import many

DEADLINE_SECONDS = 60.0
MAX_GAP = timedelta(minutes=5)
MARGIN = timedelta(minutes=10)  # read before the window, to see what already fired
REPLICA_LABELS = ("replica", "prometheus_replica", "__replica__")
#: What an answer of a strange shape raises somewhere; all of it is caught where a read begins.
STRANGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)

ALERTS_STORED = 'count(ALERTS{alertstate="firing"})'
ALERT_SAMPLES = '{__name__=~"ALERTS|ALERTS_FOR_STATE",alertstate!="pending"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Evidence, and the stretches of the window (Unix seconds) that it is no proof for."""

    evidence: Evidence
    unwatched: tuple[Stretch, ...]


class Prometheus:
    """Reads one Prometheus or anything that speaks its query API and its rules API."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        name: str = "prometheus",
        required: bool = True,
        deadline_seconds: float = DEADLINE_SECONDS,
        max_gap: timedelta = MAX_GAP,
        heartbeats: Collection[str] = HEARTBEATS,
        replica_labels: Collection[str] = REPLICA_LABELS,
        reader: JsonReader | None = None,
        **access: Unpack[Access],
    ) -> None:
        self.name = name
        self.required = required
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._max_gap = max_gap
        self._heartbeats = heartbeats
        self._replica_labels = replica_labels
        self._reader = reader or JsonReader(url, **access)

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Return the alert episodes that touch [start, end), and whether Prometheus watched all of it."""
        return self.watch(start, end).evidence

    def watch(self, start: datetime, end: datetime) -> Watch:
        """Do as `read`, and tell which stretches nothing vouches for."""
        session = self._session()
        everything = (epoch_seconds(start), epoch_seconds(end))
        try:
            rules = Rules.parse(session.get("/api/v1/rules", {"exclude_alerts": "true"})["groups"])
            story = Story.read(session, start, end)
            found = self._episodes(session, start, end, rules, story)
            loaded = session.loaded() if rules.waiting else None
            problems = rules.problems(self._clock.now(), loaded)
            problems += [] if found else self._not_stored(session, rules)
        except (SourceError, *STRANGE) as error:
            coverage = self._coverage(CoverageStatus.FAILED, self._words(error))
            return Watch(evidence=Evidence(coverage=coverage), unwatched=(everything,))
        is_trusted = not problems
        proof = Proof(unwatched=(everything,))
        try:
            proof = prove(
                session,
                start,
                end,
                story,
                source=self.name,
                groups=rules.groups,
                max_gap=self._max_gap,
                now=self._clock.now(),
            )
        except (SourceError, *STRANGE) as error:
            problems.append(self._words(error))
        problems += proof.problems
        if session.warnings:
            problems.insert(0, f"answered only in part: {session.warnings[0]}")
            is_trusted = False
        unwatched = proof.unwatched if is_trusted else (everything,)
        evidence = Evidence(
            coverage=self._judged(problems, rules, proof, end),
            episodes=tuple(one for one in found if not is_heartbeat(one.labels, self._heartbeats)),
            rules=tuple(rules.rules),
            events=proof.events,
            covered_from=_covered_from(unwatched, *everything),
        )
        return Watch(evidence=evidence, unwatched=unwatched)

    def ask(self, promql: str, at: datetime) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series that an instant query gives; raises SourceError."""
        session = self._session()
        try:
            data = session.ask("/api/v1/query", {"query": promql, "time": number(at)})
            if data["resultType"] == "scalar":
                return [({}, float(data["result"][1]))]
            found = [(dict(one["metric"]), float(one["value"][1])) for one in data["result"]]
        except STRANGE as error:
            raise SourceError(self._words(error)) from None
        self._refuse_parts(session)
        return found

    def ask_range(
        self, promql: str, start: datetime, end: datetime, *, step: timedelta
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Return labels and (Unix seconds, value) points of each series over [start, end]; raises SourceError.

        A range of any length: what is more than a server gives at once is asked for in pieces.
        """
        if step <= timedelta(0):
            raise ValueError("step must be longer than nothing")
        session = self._session()
        found: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = defaultdict(list)
        try:
            for series in session.points(promql, start, end, step):
                for one in series:
                    points = [(float(at), float(value)) for at, value in one["values"]]
                    found[tuple(sorted(one["metric"].items()))] += points
        except STRANGE as error:
            raise SourceError(self._words(error)) from None
        self._refuse_parts(session)
        return [(dict(labels), points) for labels, points in found.items()]

    def unsampled(self, start: datetime, end: datetime) -> list[Stretch]:
        """Return the holes of [start, end] in which no target was scraped; raises SourceError."""
        session = self._session()
        try:
            _, holes = sampled(session, start, end, self._max_gap)
        except STRANGE as error:
            raise SourceError(self._words(error)) from None
        self._refuse_parts(session)
        return holes

    def _session(self) -> Session:
        return Session(self._reader, Deadline(self._clock, self._deadline_seconds))

    def _refuse_parts(self, session: Session) -> None:
        if session.warnings:
            raise SourceError(f"{self._reader.address} answered only in part: {session.warnings[0]}")

    def _episodes(
        self, session: Session, start: datetime, end: datetime, rules: Rules, story: Story
    ) -> tuple[Episode, ...]:
        read_from = start - max(MARGIN, timedelta(seconds=3 * rules.longest_interval))
        history = AlertHistory(rules.facts, story.starts)
        for series in session.samples(ALERT_SAMPLES, read_from, end):
            history.add(series)
        return history.episodes(start, end, read_from=read_from, without_labels=self._replica_labels)

    def _not_stored(self, session: Session, rules: Rules) -> list[str]:
        """Say whether what fires is not where it is looked for: another tenant, a ruler that stores nothing."""
        if not rules.firing or is_there(session, ALERTS_STORED, self._clock.now()):
            return []
        return [f"rule {rules.firing[0]} fires, but no samples of ALERTS are stored where this address reads"]

    def _judged(self, problems: list[str], rules: Rules, proof: Proof, end: datetime) -> Coverage:
        age = None if proof.newest is None else max(0.0, epoch_seconds(end) - proof.newest)
        if not problems:
            detail = f"{many(len(rules.rules), 'alerting rule')}, healthy; no hole in its samples"
            return self._coverage(CoverageStatus.OK, detail, age)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return self._coverage(CoverageStatus.UNPROVEN, problems[0] + more, age)

    def _coverage(self, status: CoverageStatus, detail: str, age_seconds: float | None = None) -> Coverage:
        return Coverage(source=self.name, status=status, detail=detail, age_seconds=age_seconds, required=self.required)

    def _words(self, error: Exception) -> str:
        if isinstance(error, SourceError):
            return str(error)
        return f"{self._reader.address} answered in a shape that is not Prometheus's ({type(error).__name__})"


def _covered_from(unwatched: tuple[Stretch, ...], start: float, end: float) -> datetime | None:
    since = max((over for _, over in unwatched), default=start)
    return from_epoch_seconds(since) if since < end else None
