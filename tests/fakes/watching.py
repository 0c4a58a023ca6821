"""A source that knows what to say: evidence and answers to queries are given, reads are counted."""

from datetime import UTC, datetime, timedelta

from fakes.told import scraped
from watchbell.errors import SourceError
from watchbell.reports.interface import Coverage, CoverageStatus, Episode, Evidence, ReportRequest, Window
from watchbell.tasks import Kind

END = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
WINDOW = Window(start=END - timedelta(days=1), end=END, timezone="UTC")


class Watching:
    """Watched the whole window, unless its status says otherwise."""

    name = "prometheus"
    required = True

    def __init__(self, *episodes, status=CoverageStatus.OK, values=None):
        self.episodes = episodes
        self.status = status
        self.values = values or {}
        self.reads = []

    def read(self, start, end):
        self.reads.append((start, end))
        coverage = Coverage(source=self.name, status=self.status, detail=f"it is {self.status}")
        return Evidence(coverage=coverage, episodes=tuple(self.episodes), covered_from=start)

    def ask(self, promql, at):
        if promql not in self.values:
            raise SourceError(f"unknown metric in {promql}")
        return [({"service": "checkout"}, self.values[promql])]

    def ask_range(self, promql, start, end, *, step):
        if promql.startswith("max(max_over_time("):
            return scraped(start, end, step)
        return [(labels, [(end.timestamp(), value)]) for labels, value in self.ask(promql, end)]


def episode(alertname="HighErrorRate", *, minutes=30, annotations=None, **labels):
    """An alert that began at 03:00 and fired for `minutes`, or fires still (None)."""
    start = END - timedelta(hours=6)
    end = None if minutes is None else start + timedelta(minutes=minutes)
    return Episode(labels={"alertname": alertname, **labels}, start=start, end=end, annotations=annotations or {})


def request(kind=Kind.DAILY_SUMMARY, **params):
    return ReportRequest(task_id="0123456789ab", name="prod", kind=kind, window=WINDOW, params=params)
