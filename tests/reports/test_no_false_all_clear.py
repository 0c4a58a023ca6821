"""The first promise: whatever a required source does wrong, no kind of report has the verdict OK."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchbell.errors import SourceError
from watchbell.reports.interface import (
    Coverage,
    CoverageStatus,
    Episode,
    Evidence,
    Report,
    ReportRequest,
    Verdict,
    Window,
)
from watchbell.reports.pipeline import BuiltinPipeline, build_or_notice
from watchbell.tasks import Kind

END = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
WINDOW = Window(start=END - timedelta(days=1), end=END, timezone="Europe/London")
PARAMS = {
    Kind.CUSTOM_INVESTIGATION: {
        "alerts": ['alertname=~".*"'],
        "queries": [{"name": "up", "promql": "up", "below": 1}],
    }
}


class Source:
    """Answers as told; a source that is asked for more than it can do fails as real ones do."""

    required = True

    def __init__(self, name: str, how: str) -> None:
        self.name = name
        self.how = how

    def read(self, start, end):
        if self.how == "raises":
            raise RuntimeError("boom")
        if self.how == "answers nothing":
            return None
        healthy = {"healthy", "fires", "has no history"}
        status = CoverageStatus(self.how) if self.how not in healthy else CoverageStatus.OK
        firing = Episode(labels={"alertname": "Down"}, start=start, end=None)
        return Evidence(
            coverage=Coverage(source=self.name, status=status, detail=self.how),
            episodes=(firing,) if self.how == "fires" else (),
            covered_from=None if self.how == "has no history" else start,
        )

    def ask(self, promql, at):
        if self.how in ("healthy", "fires"):
            return [({"job": "api"}, 1.0)]
        raise SourceError(self.how)

    def ask_range(self, promql, start, end, *, step):
        return [(labels, [(end.timestamp(), value)]) for labels, value in self.ask(promql, end)]


FAILURES = st.sampled_from(["failed", "unproven", "raises", "answers nothing"])
OTHERS = st.lists(st.sampled_from(["healthy", "fires", "has no history"]), max_size=3)


def verdict(kind: Kind, sources: list[Source]) -> Verdict | None:
    """Return the verdict, None where there is no report and the run fails."""
    request = ReportRequest(task_id="t", name="", kind=kind, window=WINDOW, params=PARAMS.get(kind, {}))
    try:
        report: Report = build_or_notice(BuiltinPipeline(sources, read_seconds=5), request)
    except SourceError:
        return None
    return report.verdict


#: What reports are made from alert histories; a synthetic run asks for probes and is made from those.
FROM_HISTORY = [kind for kind in Kind if kind is not Kind.SYNTHETIC_RUN]


@pytest.mark.parametrize("kind", FROM_HISTORY)
@given(failure=FAILURES, others=OTHERS, place=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_a_required_source_that_fails_in_any_way_is_no_all_clear(kind, failure, others, place):
    how = [*others]
    how.insert(min(place, len(others)), failure)
    sources = [Source(f"s{number}", one) for number, one in enumerate(how)]
    assert verdict(kind, sources) in (Verdict.UNKNOWN, None)


@pytest.mark.parametrize("kind", Kind)
@given(how=st.lists(st.one_of(FAILURES, st.just("has no history")), max_size=3))
@settings(max_examples=20, deadline=None)
def test_without_a_source_that_can_tell_there_is_no_all_clear(kind, how):
    sources = [Source(f"s{number}", one) for number, one in enumerate(how)]
    assert verdict(kind, sources) in (Verdict.UNKNOWN, None)


@pytest.mark.parametrize("kind", FROM_HISTORY)
def test_healthy_sources_without_alerts_are_an_all_clear(kind):
    assert verdict(kind, [Source("s", "healthy")]) is Verdict.OK


@pytest.mark.parametrize("kind", FROM_HISTORY)
def test_an_alert_that_fires_is_none(kind):
    assert verdict(kind, [Source("s", "healthy"), Source("t", "fires")]) is Verdict.ATTENTION
