"""Reports as JSON: the published shape, and back without loss."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbell.reports.codec import report_from_json, report_to_json
from watchbell.reports.interface import (
    AlertSummary,
    Coverage,
    CoverageStatus,
    Number,
    Report,
    Section,
    Verdict,
    Window,
)
from watchbell.tasks import Kind

text = st.text(max_size=20)
texts = st.lists(text, max_size=3).map(tuple)
number = st.floats(allow_nan=False, allow_infinity=False)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
reports = st.builds(
    Report,
    title=text,
    kind=st.sampled_from(Kind),
    window=st.builds(Window, start=instants, end=instants, timezone=text),
    verdict=st.sampled_from(Verdict),
    reason=text,
    coverage=st.lists(
        st.builds(
            Coverage,
            source=text,
            status=st.sampled_from(CoverageStatus),
            detail=text,
            age_seconds=st.none() | number,
            required=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    numbers=st.lists(
        st.builds(Number, name=text, value=st.none() | number, previous=st.none() | number), max_size=3
    ).map(tuple),
    still_firing=texts,
    actions=texts,
    alerts=st.lists(
        st.builds(
            AlertSummary,
            alertname=text,
            labels=st.dictionaries(text, text, max_size=2),
            firings=st.integers(0, 99),
            firing_seconds=number,
            firing_now=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    sections=st.lists(
        st.builds(Section, title=text, lines=texts, columns=texts, rows=st.lists(texts, max_size=2).map(tuple)),
        max_size=2,
    ).map(tuple),
    source_error=st.none() | text,
)


@given(reports)
def test_a_report_survives_the_way_to_json_and_back(report):
    assert report_from_json(json.loads(json.dumps(report_to_json(report)))) == report


def test_the_published_shape_is_kept():
    window = Window(
        start=datetime(2026, 11, 21, 9, tzinfo=UTC), end=datetime(2026, 11, 22, 9, tzinfo=UTC), timezone="Asia/Kolkata"
    )
    report = Report(
        title="Daily summary",
        kind=Kind.DAILY_SUMMARY,
        window=window,
        verdict=Verdict.OK,
        reason="no incidents",
        coverage=(Coverage(source="prometheus", status=CoverageStatus.OK, detail="fine", age_seconds=3.5),),
        numbers=(Number(name="new", value=None),),
        alerts=(AlertSummary(alertname="A", labels={}, firings=1, firing_seconds=60, firing_now=False),),
        sections=(Section(title="New", columns=("a",), rows=(("1",),)),),
    )
    assert report_to_json(report) == {
        "title": "Daily summary",
        "kind": "daily_summary",
        "window": {"start": "2026-11-21T09:00Z", "end": "2026-11-22T09:00Z", "timezone": "Asia/Kolkata"},
        "verdict": "OK",
        "reason": "no incidents",
        "coverage": [{"source": "prometheus", "status": "ok", "detail": "fine", "age_seconds": 3.5, "required": True}],
        "numbers": [{"name": "new", "value": None, "previous": None}],
        "still_firing": [],
        "actions": [],
        "alerts": [{"alertname": "A", "labels": {}, "firings": 1, "firing_seconds": 60, "firing_now": False}],
        "sections": [{"title": "New", "lines": [], "columns": ["a"], "rows": [["1"]]}],
        "source_error": None,
    }


@pytest.mark.parametrize("raw", [{}, {"window": None}, {"window": {"start": 1}}])
def test_what_is_no_report_is_refused(raw):
    with pytest.raises(ValueError, match="not a saved report"):
        report_from_json(raw)


def test_what_a_window_says_of_itself_and_the_silence_before_are_kept() -> None:
    window = Window(
        start=datetime(2026, 11, 21, tzinfo=UTC), end=datetime(2026, 11, 22, tzinfo=UTC), timezone="UTC", note="since"
    )
    report = Report(title="", kind=Kind.DAILY_SUMMARY, window=window, verdict=Verdict.OK, reason="", quiet_before=3)
    shape = report_to_json(report)
    assert (shape["window"]["note"], shape["quiet_before"]) == ("since", 3)
    assert report_from_json(shape) == report
    bare = report_to_json(replace(report, window=replace(window, note=""), quiet_before=0))
    assert set(bare["window"]) == {"start", "end", "timezone"}
    assert "quiet_before" not in bare
