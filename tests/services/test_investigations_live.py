"""Questions to a real Prometheus, over a stored history of known truth."""

from datetime import timedelta

import pytest

from fakes.told import build, lines
from watchbell.clock import SystemClock
from watchbell.instants import epoch_seconds, floor_minute, format_minute
from watchbell.reports.interface import Verdict
from watchbell.reports.sources.prometheus import Prometheus
from watchbell.reports.wording import moment
from watchbell.tasks import Kind

pytestmark = pytest.mark.service("prometheus", "promtool")

CLOCK = SystemClock()
MINUTE, HOUR = 60, 3600
HIGH = (5 * HOUR, 5 * HOUR - 20 * MINUTE)  # before the end
DOWN = (22 * HOUR, 21 * HOUR)


@pytest.fixture
def day(prometheus_maker):
    """Return a source and the window's end: `load` was 9 for 20 minutes and 1 otherwise, each minute for a day.

    `gone` ended after half of it, and nothing was scraped for an hour at its beginning.
    """
    end = floor_minute(CLOCK.now()) - timedelta(hours=4)
    moments = [(before, int(epoch_seconds(end)) - before) for before in range(24 * HOUR, -MINUTE, -MINUTE)]
    load = [f'load{{job="api"}} {9 if HIGH[1] <= before <= HIGH[0] else 1} {at}' for before, at in moments]
    gone = [f'gone{{job="api"}} 1 {at}' for before, at in moments if before > 12 * HOUR]
    up = [f'up{{job="api"}} 1 {at}' for before, at in moments if not DOWN[1] < before < DOWN[0]]
    metrics = {"load": load, "gone": gone, "up": up}
    backfilled = [line for name, samples in metrics.items() for line in (f"# TYPE {name} gauge", *samples)]
    prometheus_maker.backfill("\n".join([*backfilled, "# EOF\n"]))
    server = prometheus_maker.start()
    return Prometheus(server.url, clock=CLOCK), end


def ask(day, *, hours=20, **query):
    source, end = day
    params = {"queries": [{"name": "load", "promql": "load", "above": 5, **query}]}
    return build(Kind.CUSTOM_INVESTIGATION, source, params=params, window=(end - hours * timedelta(hours=1), end))


def test_questions_at_an_instant_and_over_time_have_their_true_answers(day):
    _, end = day
    now = ask(day)
    assert (now.verdict, lines(now, "load")) == (Verdict.OK, ("0 of 1 series above 5", "load job=api: 1"))
    began = moment(end - timedelta(hours=5), "UTC")
    met = ask(day, for_minutes=20)
    assert met.verdict is Verdict.ATTENTION
    # Each value holds until the next sample, a minute later.
    assert lines(met, "load")[0] == "1 of 1 series above 5 for at least 20 m in the window"
    assert lines(met, "load")[1].startswith("load job=api: last 1, min 1, max 9; beyond for 20 m ")
    assert lines(met, "load")[1].endswith(f" from {began}")
    assert ask(day, for_minutes=22).verdict is Verdict.OK


def test_a_query_that_prometheus_refuses_is_unknown_with_its_own_words(day):
    report = ask(day, promql="sum by (job")
    assert report.verdict is Verdict.UNKNOWN
    assert report.reason.startswith("pipeline unavailable: prometheus: ")
    assert "parse error" in report.reason


@pytest.mark.parametrize("promql", ["load", "vector(0)", "max_over_time(load[24h])"])
def test_an_hour_without_a_scrape_is_no_all_clear_whatever_was_asked(day, promql):
    _, end = day
    looks_back = {} if "[" in promql else {"for_minutes": 22}
    report = ask(day, hours=24, promql=promql, above=10, **looks_back)
    before, after = (format_minute(end - timedelta(seconds=seconds)) for seconds in DOWN)
    assert report.verdict is Verdict.UNKNOWN
    assert report.reason == f"pipeline unavailable: prometheus: no samples between {before} and {after}"
    assert ask(day, hours=20, promql=promql, above=10, **looks_back).verdict is Verdict.OK


def test_a_series_that_ended_within_the_window_is_no_all_clear(day):
    report = ask(day, promql="gone", for_minutes=22)
    assert report.verdict is Verdict.UNKNOWN
    assert "'load' has no data between " in report.reason
    assert ask(day, promql="gone or vector(0)", for_minutes=22).verdict is Verdict.OK
