"""A source that tells exactly what a test gives it, and reports built from such sources over one fixed day."""

from datetime import UTC, datetime, timedelta

from watchbell.clock import SystemClock
from watchbell.errors import SourceError
from watchbell.reports.interface import (
    Coverage,
    CoverageStatus,
    Episode,
    Evidence,
    Report,
    ReportRequest,
    Silence,
    Window,
)
from watchbell.reports.pipeline import BuiltinPipeline
from watchbell.tasks import Kind

END = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
START = END - timedelta(days=1)


def hour(hours: float) -> datetime:
    """Return an instant by its distance from the window's start."""
    return START + timedelta(hours=hours)


LONG_AGO = hour(-48)


class Told:
    """Saw these episodes and events, in every window asked for; answers questions out of `answers`, by their text."""

    def __init__(self, *episodes, silences=(), events=(), status=CoverageStatus.OK, since=LONG_AGO, **more):
        self.name = more.get("name", "told")
        self.required = more.get("required", True)
        self.asked = []
        self.reads = []
        self._episodes, self._silences, self._events = episodes, silences, events
        self._status, self._since = status, since
        self._answers = more.get("answers") or {}
        self._rules = tuple(more.get("rules") or ())
        self._down = more.get("down")  # from and to which hour it was not scraping

    def read(self, start, end):
        self.reads.append((start, end))
        status = self._status if self._since <= start else CoverageStatus.UNPROVEN
        coverage = Coverage(source=self.name, status=status, detail="as told", required=self.required)
        return Evidence(
            coverage=coverage,
            episodes=self._episodes,
            silences=self._silences,
            rules=self._rules,
            events=tuple(one for one in self._events if start <= one.at < end),
            covered_from=max(self._since, start),
        )

    def ask(self, promql, at):
        return self._answer(promql)

    def ask_range(self, promql, start, end, *, step):
        if promql.startswith("max(max_over_time(") and promql not in self._answers:
            return scraped(start, end, step, self._down)
        found = self._answer(promql)
        return found(start, end, step) if callable(found) else found

    def _answer(self, promql):
        self.asked.append(promql)
        if promql not in self._answers:
            raise SourceError("no such metric")
        return self._answers[promql]


def scraped(start, end, step, down=None):
    """Return what tells that a target was scraped at each step, but between two hours of the window."""
    times = [start + step * n for n in range(int((end - start) / step) + 1)]
    kept = [at.timestamp() for at in times if not down or not hour(down[0]) < at < hour(down[1])]
    return [({}, [(at, 1.0) for at in kept])] if kept else []


class Ageing(SystemClock):
    """Passes a minute whenever somebody looks."""

    def __init__(self):
        self._seconds = 0.0

    def monotonic(self):
        self._seconds += 60
        return self._seconds


def episode(start, end, alertname="Slow", *, pending=None, annotations=None, **labels) -> Episode:
    """Return an episode; times are hours from the window's start."""
    return Episode(
        labels={"alertname": alertname, **labels},
        start=hour(start),
        end=None if end is None else hour(end),
        annotations=annotations or {},
        active_at=None if pending is None else hour(pending),
    )


def silence(matchers: str, start: float, end: float, name: str = "1") -> Silence:
    return Silence(
        id=name, matchers=matchers, created_by="eva", comment="being mended", start=hour(start), end=hour(end)
    )


def build(kind: Kind, *sources, params=None, previous=None, name="", timezone="UTC", window=(START, END)) -> Report:
    """Return the report of the built-in pipeline."""
    asked = Window(start=window[0], end=window[1], timezone=timezone)
    request = ReportRequest(task_id="t", name=name, kind=kind, window=asked, params=params or {}, previous=previous)
    return BuiltinPipeline(sources).build(request)


def lines(report: Report, title: str) -> tuple[str, ...]:
    return section(report, title).lines


def section(report: Report, title: str):
    return next(one for one in report.sections if one.title == title)


def titles(report: Report) -> list[str]:
    return [one.title for one in report.sections]
