"""Histories of known truth, stored in a real Prometheus: what the reports say of them is the truth.

Evaluations are aligned to the clock or not, the server was restarted, samples are missing, a series was relabelled.
"""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from reports.histories import DAY, TrueHistory, TrueRule, flapping, random_history
from watchbell.clock import SystemClock
from watchbell.instants import floor_minute
from watchbell.reports import wording
from watchbell.reports.interface import CoverageStatus, Report, ReportRequest, Window
from watchbell.reports.pipeline import BuiltinPipeline
from watchbell.reports.sources.prometheus import Prometheus
from watchbell.tasks import Kind

pytestmark = pytest.mark.service("prometheus", "promtool")

CLOCK = SystemClock()


def recent(seed: int, **shape) -> TrueHistory:
    """A history that ends four hours ago; promtool wants three at least."""
    return random_history(seed, end=floor_minute(CLOCK.now()) - timedelta(hours=4), **shape)


@pytest.fixture
def serve(prometheus_maker, wait_for):
    def start(history: TrueHistory) -> Prometheus:
        prometheus_maker.rules(history.rule_file())
        prometheus_maker.backfill(history.openmetrics())
        source = Prometheus(prometheus_maker.start().url, clock=CLOCK)
        now = CLOCK.now()
        early = "not been evaluated", "no samples of ALERTS"
        wait_for(
            lambda: not any(one in source.read(now, CLOCK.now()).coverage.detail for one in early),
            "the first evaluations to be stored",
        )
        return source

    return start


def build(source: Prometheus, kind: Kind, window: Window) -> Report:
    request = ReportRequest(task_id="t", name="", kind=kind, window=window, params={})
    report = BuiltinPipeline([source]).build(request)
    assert [one.status for one in report.coverage] == [CoverageStatus.OK], report.coverage
    return report


def agrees_day(report: Report, history: TrueHistory, window: Window) -> None:
    before = replace(window, start=window.start - timedelta(days=1), end=window.start)
    now, then = history.counts(window), history.counts(before)
    assert {one.name: (one.value, one.previous) for one in report.numbers[:3]} == {k: (now[k], then[k]) for k in now}
    pages, pages_before = history.pages(window), history.pages(before)
    parts = ("business", "off", "sleep", "hours")
    assert [(one.value, one.previous) for one in report.numbers[3:]] == [(pages[p], pages_before[p]) for p in parts]
    agrees_alerts(report, history, window)


def agrees_alerts(report: Report, history: TrueHistory, window: Window) -> None:
    truth = history.by_rule(window)
    told = {(a.alertname, a.labels.get("team", ""), a.labels.get("severity", "")): a for a in report.alerts}
    assert {key: (a.firings, a.firing_now) for key, a in told.items()} == {
        key: (one.firings, one.firing_now) for key, one in truth.items()
    }
    assert {key: a.firing_seconds for key, a in told.items()} == pytest.approx(
        {key: one.seconds for key, one in truth.items()}, abs=0.01
    )


def agrees_week(report: Report, history: TrueHistory, window: Window) -> None:
    agrees_alerts(report, history, window)
    truth = history.by_rule(window)
    assert [one.value for one in report.numbers[3:]] == [
        sum(one.asleep for one in truth.values()),
        sum(one.flaps for one in truth.values()),
    ]
    details = next(one for one in report.sections if one.title == "Each rule in detail")
    longest = sorted(truth, key=lambda key: -truth[key].seconds)
    assert [(row[1], row[3], row[4], row[5], row[6], row[7]) for row in details.rows] == [
        (
            wording.duration(truth[key].seconds),
            wording.percent(truth[key].flaps / truth[key].firings) if truth[key].firings else "",
            str(truth[key].asleep),
            "" if truth[key].median is None else wording.duration(truth[key].median),
            str(truth[key].instances),
            key[1] or "none",
        )
        for key in longest
    ]


@pytest.mark.parametrize(
    ("seed", "days", "interval", "phase", "zone"),
    [(1, 6, 60, 0, "Europe/Berlin"), (2, 4, 30, 11.375, "Asia/Kolkata")],
)
def test_days_and_the_whole_are_told_as_they_were(serve, seed, days, interval, phase, zone):
    history = recent(seed, days=days, interval=interval, phase=phase, restarts=3)
    source = serve(history)
    for back in range(2):
        day = history.window(back=back, timezone=zone)
        agrees_day(build(source, Kind.DAILY_SUMMARY, day), history, day)
    week = history.window(days=days - 1, timezone=zone)
    agrees_week(build(source, Kind.WEEKLY_AUDIT, week), history, week)


def test_missing_samples_within_a_firing_change_no_number(serve):
    history = recent(3, days=3, restarts=0)
    history.add(TrueRule(name="Long"), [(DAY, 2.5 * DAY)])
    history.alerts = [one for one in history.alerts if one.rule.name in ("Long", "CertExpiring")]
    history.firings()
    history.lose(2.2 * DAY, 2.2 * DAY + 230)
    day = history.window()
    agrees_day(build(serve(history), Kind.DAILY_SUMMARY, day), history, day)


def test_a_suggestion_is_what_the_stored_series_would_have_done(serve):
    history = TrueHistory(end=floor_minute(CLOCK.now()) - timedelta(hours=4), days=4, phase=8.25)
    rule = TrueRule(name="Flappy", hold=60)
    alert = history.add(rule, [(a, b) for a, b in flapping(random.Random(4), history.seconds) if int(a) % 3 == 0])
    report = build(serve(history), Kind.WEEKLY_AUDIT, history.window(days=4 - 1 / 24))
    (line,) = next(one for one in report.sections if one.title.startswith("What another setting")).lines
    value = {"for: 2m": 120, "for: 5m": 300, "for: 10m": 600}[line.split(": ", 1)[1].split(" (")[0]]
    new = [one for one in history.firings_of(alert) if one.start >= 3600]
    again = {one.active_at for one in history.firings_of(alert, hold=value)}
    removed = sum(one.active_at not in again for one in new if one.end is not None)
    assert f"removed {removed} of {len(new)} firings, and delayed the other {len(new) - removed} by " in line
