"""The daily summary: every number agrees with a history of known truth, and what it says beside the numbers."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.histories import DAY, END, TrueHistory, TrueRule, random_history
from watchbell.delivery.render.entries import FIRST_SCREEN_LINES, first_screen
from watchbell.reports import wording
from watchbell.reports.analysis.hours import Hours
from watchbell.reports.findings import find
from watchbell.reports.interface import (
    AlertSummary,
    Coverage,
    CoverageStatus,
    Evidence,
    Report,
    ReportRequest,
    Silence,
    Verdict,
    Window,
)
from watchbell.reports.pipeline import BuiltinPipeline
from watchbell.tasks import Kind

ZONES = ("UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe")
PAGES = {"business": "pages in business hours", "off": "pages in off hours", "sleep": "pages in sleep hours"}


def build(source, window: Window, *, kind: Kind = Kind.DAILY_SUMMARY, previous: Report | None = None, **more) -> Report:
    request = ReportRequest(task_id="t", name="", kind=kind, window=window, params={}, previous=previous)
    return BuiltinPipeline([source], **more).build(request)


def numbers(report: Report) -> dict[str, tuple[float | None, float | None]]:
    return {one.name: (one.value, one.previous) for one in report.numbers}


def section(report: Report, title: str):
    return next((one for one in report.sections if one.title.startswith(title)), None)


@given(
    seed=st.integers(0, 10**6),
    interval=st.sampled_from([15, 60]),
    phase=st.sampled_from([0, 17, 8.25]),
    hours_back=st.integers(0, 24),
    zone=st.sampled_from(ZONES),
)
@settings(max_examples=30, deadline=None)
def test_every_number_agrees_with_the_truth(seed, interval, phase, hours_back, zone):
    history = random_history(seed, days=4, interval=interval, phase=phase)
    window = history.window(back=hours_back / 24, timezone=zone)
    before = replace(window, start=window.start - timedelta(days=1), end=window.start)
    report = build(history, window)

    now, then = history.counts(window), history.counts(before)
    pages, pages_before = history.pages(window), history.pages(before)
    assert numbers(report) == {
        **{name: (now[name], then[name]) for name in now},
        **{name: (pages[part], pages_before[part]) for part, name in PAGES.items()},
        "hours with a page": (pages["hours"], pages_before["hours"]),
    }
    truth = history.by_rule(window)
    told = {(a.alertname, a.labels.get("team", ""), a.labels.get("severity", "")): a for a in report.alerts}
    assert {key: (a.firings, a.firing_now) for key, a in told.items()} == {
        key: (one.firings, one.firing_now) for key, one in truth.items()
    }
    assert {key: a.firing_seconds for key, a in told.items()} == pytest.approx(
        {key: one.seconds for key, one in truth.items()}
    )
    longest = sorted(truth.values(), key=lambda one: -one.seconds)[:5]
    assert [row[1:] for row in section(report, "Top by firing time").rows] == [
        (str(one.firings), wording.duration(one.seconds)) for one in longest
    ]
    assert len(report.still_firing) == min(now["still firing"], 11)
    assert len(list(first_screen(report))) <= FIRST_SCREEN_LINES


def paged(*starts: float, severity: str = "critical", **labels: str) -> TrueHistory:
    """Alerts of ten minutes that begin so many hours before the end of the history."""
    history = TrueHistory(days=3)
    rule = TrueRule(name="Down", labels={"severity": severity} if severity else {})
    history.add(rule, [(history.seconds - hours * 3600, history.seconds - hours * 3600 + 600) for hours in starts])
    return history


def test_pages_are_those_of_urgent_alerts_only():
    assert numbers(build(paged(1, 2), TrueHistory().window()))["pages in off hours"] == (0, 0)
    assert numbers(build(paged(0.5), TrueHistory().window()))["pages in business hours"] == (1, 0)
    warned = build(paged(0.5, severity="warning"), TrueHistory().window())
    assert numbers(warned)["pages in business hours"] == (0, 0)


def test_a_quiet_day_had_no_pages():
    assert numbers(build(TrueHistory(), TrueHistory().window()))["pages in sleep hours"] == (0, 0)


def test_two_pages_in_one_hour_disrupt_one_hour():
    assert numbers(build(paged(0.9, 0.5), TrueHistory().window()))["hours with a page"] == (1, 0)


def test_hours_are_those_of_the_settings():
    night = Hours(business=(0, 60), awake=(0, 120))
    report = build(paged(8.5, 7.5, 6.5), TrueHistory().window(), hours=night)  # 00:30, 01:30 and 02:30 on Monday
    assert [numbers(report)[name][0] for name in PAGES.values()] == [1, 1, 1]


def test_without_severity_labels_pages_are_said_to_be_not_available():
    report = build(paged(1, severity=""), TrueHistory().window())
    assert [name for name in numbers(report) if "page" in name] == []
    assert section(report, "Pages").lines == (
        "n/a: no alert has a severity label, so what paged somebody cannot be told",
    )


def test_a_source_that_cannot_be_believed_has_no_numbers_but_shows_what_it_knows():
    history = paged(1)
    report = build(history, history.window(days=4))  # it began three days ago
    assert report.verdict is Verdict.UNKNOWN
    assert report.reason.startswith("1 alert fired; for the rest pipeline unavailable: ")
    assert {one.value for one in report.numbers} == {None}
    assert section(report, "New").lines


def firing(**labels: str) -> TrueHistory:
    history = TrueHistory(days=3)
    rule = TrueRule(name="Down", labels={"severity": "page", **labels})
    history.add(rule, [(history.seconds - 5 * 3600, history.seconds * 2)], pod="web-1")
    return history


def silence(matchers: str, start: float, end: float, number: int = 1) -> Silence:
    at = (END + timedelta(hours=start), END + timedelta(hours=end))
    return Silence(id=str(number), matchers=matchers, created_by="eva", comment="", start=at[0], end=at[1])


def test_what_still_fires_is_told_with_its_owner_and_the_end_of_its_silence():
    history = firing(team="payments")
    history.silences = [
        silence('alertname="Down", pod=~"web-.*"', -1, 30, 1),
        silence('pod="web-2"', -1, 40, 2),
        silence('pod="web-1"', 1, 50, 3),  # not in force yet
        silence("(", -1, 60, 4),
    ]
    report = build(history, history.window())
    assert report.still_firing == (
        "Down (page) pod=web-1: for 5 h, since 23 Nov 04:00 UTC, owner payments, silenced until 24 Nov 15:00 UTC",
    )


def test_an_owner_beside_a_team_stays_a_label():
    (line,) = build(firing(team="payments", owner="eva"), TrueHistory().window()).still_firing
    assert line.startswith("Down (page) owner=eva pod=web-1: for 5 h")
    assert line.endswith(", owner payments")


def test_an_alert_that_came_and_went_often_is_one_line():
    report = build(paged(5, 4, 3, 0.1), TrueHistory().window())
    assert section(report, "New").lines == (
        "Down (critical): 4 times, from 23 Nov 04:00 UTC to 23 Nov 08:54 UTC, still firing",
    )
    assert section(report, "Resolved").lines == ("Down (critical): 3 times, the last at 23 Nov 06:10 UTC",)


def test_what_is_silenced_is_looked_at_last():
    history = firing()
    history.add(TrueRule(name="Open"), [(history.seconds - 600, 2 * history.seconds)])
    history.silences = [silence('alertname="Down"', -1, 90)]
    assert build(history, history.window()).actions == ("Look at Open",)


def test_an_action_says_how_many_more_are_urgent_and_not_silenced():
    history = firing()
    for name, severity in (("Worse", "critical"), ("Slow", "warning"), ("Known", "page")):
        history.add(TrueRule(name=name, labels={"severity": severity}), [(history.seconds - 60, 2 * history.seconds)])
    history.silences = [silence('alertname="Known"', -1, 90)]
    assert build(history, history.window()).actions == ("Look at Down (page) pod=web-1, and 1 more urgent",)


def test_an_action_names_the_owner():
    assert build(firing(team="payments"), TrueHistory().window()).actions == (
        "Look at Down (page) pod=web-1 team=payments, owner payments",
    )


@pytest.mark.parametrize(
    ("start", "end", "is_told"), [(-1, 24, True), (-1, 24.1, False), (-1, 0, False), (1, 2, False), (-900, 1, True)]
)
def test_silences_that_expire_within_a_day_of_the_window_are_told(start, end, is_told):
    history = TrueHistory(days=3)
    history.silences = [silence('a="b"', start, end)]
    assert (section(build(history, history.window()), "Silences that end within 24 hours") is not None) is is_told


def changes(source, previous: Report) -> tuple[str, ...]:
    return section(build(source, TrueHistory().window(), previous=previous), "Changed since the last report").lines


def earlier(source: TrueHistory, back: float = 1) -> Report:
    return build(source, source.window(back=back))


def test_nothing_is_said_of_changes_without_a_report_before():
    assert section(build(firing(), TrueHistory().window()), "Changed since") is None


def test_changes_are_told_from_what_fired_and_not_from_the_text():
    history = firing()
    history.add(TrueRule(name="Gone"), [(history.seconds - 1.5 * DAY, history.seconds - 0.5 * DAY)])
    history.add(TrueRule(name="Stays"), [(history.seconds - 1.5 * DAY, history.seconds * 2)])
    rewritten = replace(earlier(history), title="x", still_firing=("y",), sections=())
    assert changes(history, rewritten) == (
        "Verdict DEGRADED, was ATTENTION",
        "Now firing: Down (page)",
        "No longer firing: Gone",
    )
    assert section(build(history, history.window(), previous=rewritten), "Changed").title == (
        "Changed since the last report (up to 22 Nov 09:00 UTC)"
    )


def test_an_unchanged_report_says_so_in_one_line():
    history = firing()
    assert changes(history, earlier(history, back=0.1)) == ("Nothing: the same 1 alert rule still firing",)
    assert changes(TrueHistory(), earlier(TrueHistory())) == ("Nothing",)


def test_what_a_blind_source_no_longer_shows_is_not_said_to_be_over():
    class Blind:
        name, required = "blind", True

        def read(self, start: datetime, end: datetime) -> Evidence:
            return Evidence(coverage=Coverage(source="blind", status=CoverageStatus.FAILED, detail="is down"))

    history = firing()
    assert changes(Blind(), earlier(history, back=0.1)) == (
        "Verdict UNKNOWN, was DEGRADED",
        "What no longer fires is not known",
    )


def test_many_changes_are_capped():
    rules = tuple(
        AlertSummary(alertname=f"A{n}", labels={"alertname": f"A{n}"}, firings=1, firing_seconds=1, firing_now=True)
        for n in range(8)
    )
    previous = replace(earlier(TrueHistory()), alerts=rules)
    assert changes(TrueHistory(), previous) == ("No longer firing: A0, A1, A2, A3, A4 and 3 more",)


def test_findings_of_the_same_history_are_the_same_however_it_is_ordered():
    history = random_history(5, days=2)
    window = history.window()
    first = find(window, [history.read(window.start, window.end)])
    history.alerts.reverse()
    assert find(window, [history.read(window.start, window.end)]) == first
