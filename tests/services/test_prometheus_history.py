"""Days of backfilled history with known truth, read from a real Prometheus: every number is compared with the truth.

Backfilled series have no stale markers, so a grid of points would stretch each firing by five minutes.
"""

import random
from datetime import datetime, timedelta

import pytest

from watchbell.clock import SystemClock
from watchbell.instants import epoch_seconds, floor_minute, format_minute
from watchbell.reports.interface import CoverageStatus, ReportRequest, Verdict, Window
from watchbell.reports.pipeline import BuiltinPipeline
from watchbell.reports.sources.prometheus import Prometheus
from watchbell.tasks import Kind

pytestmark = pytest.mark.service("prometheus", "promtool")

CLOCK = SystemClock()
MINUTE = 60
DAY = 86400
DAYS = 8


class History:
    """Alerts of known truth, sampled each minute, ending four hours ago (promtool wants three at least)."""

    def __init__(self, seed: int = 1) -> None:
        self.end = floor_minute(CLOCK.now()) - timedelta(hours=4)
        self.start = self.end - timedelta(days=DAYS)
        self.truth: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self.holes: list[tuple[int, int]] = []
        self._random = random.Random(seed)

    def flap(self, alertname: str, pod: str) -> None:
        """Fire and rest at random."""
        at, episodes = 0, []
        while True:
            begin = at + self._random.randint(1, 600) * MINUTE
            at = begin + self._random.randint(1, 120) * MINUTE
            if at > DAYS * DAY:
                break
            episodes.append((begin, at))
        self.truth[alertname, pod] = episodes

    def openmetrics(self) -> str:
        zero = int(epoch_seconds(self.start))
        lines = ["# TYPE ALERTS gauge"]
        for (name, pod), episodes in self.truth.items():
            labels = f'alertname="{name}",pod="{pod}",severity="warning"'
            lines += [f'ALERTS{{{labels},alertstate="firing"}} 1 {zero + t}' for t, _ in self._samples(episodes)]
        lines.append("# TYPE ALERTS_FOR_STATE gauge")
        for (name, pod), episodes in self.truth.items():
            labels = f'alertname="{name}",pod="{pod}",severity="warning"'
            lines += [f"ALERTS_FOR_STATE{{{labels}}} {zero + begin} {zero + t}" for t, begin in self._samples(episodes)]
        lines.append("# TYPE up gauge")
        lines += [f'up{{job="app"}} 1 {zero + t}' for t in range(0, DAYS * DAY, MINUTE) if not self._is_lost(t)]
        return "\n".join([*lines, "# EOF\n"])

    def _samples(self, episodes: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(t, a) for a, b in episodes for t in range(a, b, MINUTE) if not self._is_lost(t)]

    def _is_lost(self, t: int) -> bool:
        return any(a <= t < b for a, b in self.holes)

    def expected(self, window: Window) -> dict[str, tuple[int, float]]:
        """Return the true firings and firing seconds of each alert name in the window."""
        first, last = (epoch_seconds(t) - epoch_seconds(self.start) for t in (window.start, window.end))
        found: dict[str, tuple[int, float]] = {}
        for (name, _), episodes in self.truth.items():
            firings, seconds = found.get(name, (0, 0.0))
            firings += sum(first <= a < last for a, _ in episodes)
            seconds += sum(max(0.0, min(b, last) - max(a, first)) for a, b in episodes)
            found[name] = firings, seconds
        return {name: figures for name, figures in found.items() if figures != (0, 0.0)}


@pytest.fixture
def history():
    return History()


def window(history: History, end: datetime | None = None, days: float = 1) -> Window:
    end = end or history.end
    return Window(start=end - timedelta(days=days), end=end, timezone="UTC")


def build(server, kind: Kind, window: Window):
    request = ReportRequest(task_id="t", name="", kind=kind, window=window, params={})
    return BuiltinPipeline([Prometheus(server.url, clock=CLOCK)]).build(request)


def numbers(report):
    return {one.alertname: (one.firings, one.firing_seconds) for one in report.alerts}


RULES = "groups: [{name: g, interval: 1s, rules: [{alert: Watchdog, expr: vector(1)}]}]"


@pytest.fixture
def serve(prometheus_maker, wait_for):
    def start(history: History):
        prometheus_maker.rules(RULES)
        prometheus_maker.backfill(history.openmetrics())
        server = prometheus_maker.start()
        source = Prometheus(server.url, clock=CLOCK)
        now = CLOCK.now()
        early = "not been evaluated", "no samples of ALERTS"
        wait_for(
            lambda: not any(one in source.read(now, CLOCK.now()).coverage.detail for one in early),
            "the first evaluations to be stored",
        )
        return server

    return start


def test_every_day_and_the_whole_week_agree_with_the_truth(serve, history):
    for name in ("Slow", "Flappy", "Down"):
        for pod in "abc":
            history.flap(name, pod)
    server = serve(history)
    for back in range(6):
        day = window(history, history.end - timedelta(days=back))
        report = build(server, Kind.DAILY_SUMMARY, day)
        assert report.coverage[0].status is CoverageStatus.OK
        assert numbers(report) == history.expected(day)
        assert report.numbers[0].previous == sum(
            firings for firings, _ in history.expected(window(history, day.start)).values()
        )
    week = window(history, days=7)
    report = build(server, Kind.WEEKLY_AUDIT, week)
    assert numbers(report) == history.expected(week)
    assert report.numbers[0].previous is None  # the week before was not watched


def test_a_hole_is_named_and_splits_no_episode(serve, history):
    history.truth["Slow", "a"] = [(7 * DAY + 3600, 7 * DAY + 5 * 3600)]
    history.holes = [(7 * DAY + 2 * 3600, 7 * DAY + 3 * 3600)]
    server = serve(history)
    report = build(server, Kind.DAILY_SUMMARY, window(history))
    last_before, first_after = (
        format_minute(history.start + timedelta(seconds=t)) for t in (history.holes[0][0] - MINUTE, history.holes[0][1])
    )
    assert report.verdict is Verdict.UNKNOWN
    why = f"pipeline unavailable: prometheus: no samples between {last_before} and {first_after}"
    assert report.reason == f"1 alert fired; for the rest {why}"
    assert numbers(report) == {"Slow": (1, 4 * 3600)}
    half = window(history, days=0.5)
    assert build(server, Kind.DAILY_SUMMARY, half).verdict is Verdict.OK


def test_an_alert_that_fired_before_the_window_is_not_new_and_has_its_whole_age(serve, history):
    history.truth["Slow", "a"] = [(2 * DAY, 8 * DAY)]
    server = serve(history)
    report = build(server, Kind.DAILY_SUMMARY, window(history))
    assert numbers(report) == {"Slow": (0, DAY)}
    assert [(n.name, n.value, n.previous) for n in report.numbers[:3]] == [
        ("new", 0, 0),
        ("resolved", 0, 0),
        ("still firing", 1, 1),
    ]
    assert report.still_firing[0].startswith("Slow (warning) pod=a: for 6 d, since ")


def test_no_alert_in_a_watched_window_is_no_incidents(serve, history):
    history.truth["Slow", "a"] = [(3600, 7200)]
    report = build(serve(history), Kind.DAILY_SUMMARY, window(history))
    assert (report.verdict, report.reason) == (Verdict.OK, "no incidents")
