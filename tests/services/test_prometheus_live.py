"""Alerts that a real Prometheus really fires and a real Alertmanager really holds, with rules evaluated each second."""

from datetime import timedelta

import httpx
import pytest

from watchbell.clock import SystemClock
from watchbell.errors import SourceError
from watchbell.instants import format_instant
from watchbell.reports.interface import CoverageStatus, ReportRequest, Verdict, Window
from watchbell.reports.pipeline import BuiltinPipeline, build_or_notice
from watchbell.reports.sources.alertmanager import Alertmanager
from watchbell.reports.sources.prometheus import Prometheus
from watchbell.tasks import Kind

pytestmark = pytest.mark.service("prometheus", "alertmanager")

CLOCK = SystemClock()
SHORT = timedelta(minutes=4)  # younger than the largest gap that proof of watching tolerates

SWITCHED = """\
groups:
  - name: switched
    interval: 1s
    rules:
      - {{alert: Watchdog, expr: vector(1), labels: {{severity: none}}}}
      - {{alert: Switched, expr: vector({value}) > 0, for: 2s, labels: {{severity: page, team: web}}}}
"""

#: Two series on the left for one on the right: refused at each evaluation, once there is a sample of `up`.
FAILING = """\
groups:
  - name: failing
    interval: 1s
    rules:
      - {alert: Watchdog, expr: vector(1)}
      - {alert: Clash, expr: '(up or label_replace(up, "job", "y", "", "")) * on(instance) up'}
"""


def firing(server):
    answer = httpx.get(f"{server.url}/api/v1/alerts").json()["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in answer if alert["state"] == "firing"}


def held(alertmanager):
    return {alert["labels"]["alertname"] for alert in httpx.get(f"{alertmanager.url}/api/v2/alerts").json()}


def daily(sources, length=SHORT):
    now = CLOCK.now()
    window = Window(start=now - length, end=now, timezone="UTC")
    request = ReportRequest(task_id="t", name="", kind=Kind.DAILY_SUMMARY, window=window, params={})
    return build_or_notice(BuiltinPipeline(sources), request)


def test_an_alert_that_fires_and_resolves_is_in_the_report_with_its_true_times(
    prometheus_maker, alertmanager, wait_for
):
    prometheus_maker.rules(SWITCHED.format(value=0))
    server = prometheus_maker.start(alertmanager.url)
    sources = [Prometheus(server.url, clock=CLOCK), Alertmanager(alertmanager.url, clock=CLOCK)]
    wait_for(lambda: "Watchdog" in firing(server), "the heartbeat to fire")
    wait_for(lambda: daily(sources).verdict is Verdict.OK, "a first sample")

    prometheus_maker.rules(SWITCHED.format(value=1))
    asked = CLOCK.now()
    server.reload()
    wait_for(lambda: "Switched" in firing(server), "the alert to fire")
    wait_for(lambda: "Switched" in held(alertmanager), "Alertmanager to hold it")
    began = CLOCK.now()
    report = daily(sources)
    assert report.verdict is Verdict.DEGRADED
    assert [(n.name, n.value) for n in report.numbers[:3]] == [("new", 1), ("resolved", 0), ("still firing", 1)]
    assert [one.status for one in report.coverage] == [CoverageStatus.OK, CoverageStatus.OK]
    assert report.still_firing[0].startswith("Switched (page): for ")

    prometheus_maker.rules(SWITCHED.format(value=0))
    server.reload()
    wait_for(lambda: "Switched" not in firing(server), "the alert to resolve")
    ended = CLOCK.now()
    (episode,) = sources[0].read(asked - SHORT, CLOCK.now() + timedelta(seconds=2)).episodes
    assert asked + timedelta(seconds=2) <= episode.start <= began
    assert began - timedelta(seconds=1.5) <= episode.end <= ended + timedelta(seconds=1.5)


def test_a_failing_rule_and_a_young_server_are_no_proof(prometheus_maker, wait_for):
    prometheus_maker.rules(FAILING)
    server = prometheus_maker.start()
    source = Prometheus(server.url, clock=CLOCK)
    wait_for(lambda: "is failing" in source.read(CLOCK.now() - SHORT, CLOCK.now()).coverage.detail, "the rule to fail")
    evidence = source.read(CLOCK.now() - SHORT, CLOCK.now())
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert "rule Clash is failing" in evidence.coverage.detail
    day = source.read(CLOCK.now() - timedelta(days=1), CLOCK.now())
    assert "(and 1 more)" in day.coverage.detail


def test_a_server_without_rules_is_no_proof(prometheus_maker):
    prometheus_maker.rules("groups: []")
    report = daily([Prometheus(prometheus_maker.start().url, clock=CLOCK)])
    assert report.verdict is Verdict.UNKNOWN
    reason = "pipeline unavailable: prometheus: it has no alerting rules, so it cannot know of any alert"
    assert report.reason.startswith(reason)


def test_a_server_that_started_within_the_window_is_no_proof_but_shows_what_fires(prometheus, wait_for):
    sources = [Prometheus(prometheus.url, clock=CLOCK)]
    wait_for(lambda: daily(sources).still_firing != (), "the alert to fire")
    report = daily(sources, timedelta(days=1))
    assert report.verdict is Verdict.UNKNOWN
    assert "no samples between" in report.reason
    assert report.numbers[0].value is None
    assert report.still_firing[0].startswith("AlwaysFiring (critical)")


def test_a_server_that_is_down_is_a_failed_source(prometheus):
    source = Prometheus(prometheus.url, clock=CLOCK)
    prometheus.stop()
    report = daily([source])
    assert report.verdict is Verdict.UNKNOWN
    assert report.source_error == f"prometheus: cannot connect to {prometheus.url}: connection refused"


def test_a_question_is_answered_and_a_wrong_one_refused(prometheus, wait_for):
    source = Prometheus(prometheus.url, clock=CLOCK)
    wait_for(lambda: source.ask("up == 1", CLOCK.now()) != [], "the first scrape")
    assert source.ask("1 + 1", CLOCK.now()) == [({}, 2.0)]
    with pytest.raises(SourceError, match=r"400: .*parse error"):
        source.ask("sum(", CLOCK.now())


def test_alertmanager_tells_what_fires_and_what_is_silenced(alertmanager, wait_for):
    now = CLOCK.now()
    raised = [
        {"labels": {"alertname": name, "pod": "a"}, "startsAt": format_instant(now - timedelta(hours=3))}
        for name in ("Slow", "Watchdog")
    ]
    httpx.post(f"{alertmanager.url}/api/v2/alerts", json=raised).raise_for_status()
    silence = {
        "matchers": [{"name": "pod", "value": "a|b", "isRegex": True, "isEqual": True}],
        "startsAt": format_instant(now - timedelta(minutes=1)),
        "endsAt": format_instant(now + timedelta(hours=2)),
        "createdBy": "eva",
        "comment": "being mended",
    }
    httpx.post(f"{alertmanager.url}/api/v2/silences", json=silence).raise_for_status()
    source = Alertmanager(alertmanager.url, clock=CLOCK)
    wait_for(lambda: source.read(now, CLOCK.now()).silences != (), "the silence to be in force")
    evidence = source.read(now - timedelta(days=1), CLOCK.now() + timedelta(seconds=1))
    assert evidence.coverage.status is CoverageStatus.OK
    assert [(e.labels["alertname"], e.end) for e in evidence.episodes] == [("Slow", None)]
    assert abs(evidence.episodes[0].start - (now - timedelta(hours=3))) < timedelta(seconds=1)
    assert [(s.matchers, s.created_by) for s in evidence.silences] == [('pod=~"a|b"', "eva")]
    assert evidence.covered_from is None
