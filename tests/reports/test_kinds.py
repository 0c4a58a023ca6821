"""What each kind of report says, from evidence that is told in full."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from fakes import told
from fakes.told import START, Told, episode, hour, lines
from watchbell.reports.interface import Section, Silence, Verdict
from watchbell.tasks import Kind

build = partial(told.build, timezone="Asia/Kolkata")
SILENCE = Silence(id="1", matchers='pod="a"', created_by="eva", comment="being mended", start=hour(1), end=hour(30))


def test_daily_summary_shows_numbers_against_the_window_before():
    report = build(
        Kind.DAILY_SUMMARY,
        Told(episode(-20, -10), episode(-5, 2), episode(3, 4), episode(20, None, severity="critical")),
        name="prod",
    )
    assert report.title == "Daily summary: prod"
    assert (report.verdict, report.reason) == (Verdict.DEGRADED, "1 alert firing, 1 of them urgent")
    assert [(n.name, n.value, n.previous) for n in report.numbers[:3]] == [
        ("new", 2, 2),
        ("resolved", 2, 1),
        ("still firing", 1, 1),
    ]
    assert report.source_error is None


def test_daily_summary_writes_times_in_the_task_s_zone_and_the_oldest_first():
    report = build(Kind.DAILY_SUMMARY, Told(episode(20, None, "Late"), episode(-50, None, "Early", pod="a")))
    assert report.still_firing == (
        "Early pod=a: for 3 d 2 h, since 19 Nov 12:30 IST",
        "Late: for 4 h, since 22 Nov 10:30 IST",
    )
    assert lines(report, "New") == ("Late: since 22 Nov 10:30 IST, still firing",)


def test_daily_summary_lists_are_capped_and_say_how_many_more():
    report = build(Kind.DAILY_SUMMARY, Told(*(episode(n / 10, None, pod=f"{n:03}") for n in range(200))))
    assert len(report.still_firing) == 11
    assert report.still_firing[-1] == "and 190 more"
    assert lines(report, "New")[-1] == "and 190 more"


def test_daily_summary_without_alerts_says_no_incidents():
    report = build(Kind.DAILY_SUMMARY, Told())
    assert (report.verdict, report.reason) == (Verdict.OK, "no incidents")
    assert report.sections == (
        Section(title="No incidents", lines=("No alert fired in this window, and none fires now.",)),
    )


def test_daily_summary_without_proof_of_the_window_before_has_no_data_for_it():
    report = build(Kind.DAILY_SUMMARY, Told(episode(-30, -25), since=START))
    assert report.verdict is Verdict.OK
    assert {n.previous for n in report.numbers} == {None}


def test_daily_summary_names_at_most_three_things_to_do():
    noisy = [episode(n, n + 0.1, "Flappy") for n in range(5)]
    urgent = episode(1, None, "Down", severity="page", annotations={"runbook_url": "https://runbooks.example/down"})
    report = build(Kind.DAILY_SUMMARY, Told(*noisy, urgent, silences=(SILENCE,)))
    assert report.actions == (
        "Look at Down (page); runbook: https://runbooks.example/down",
        "Quieten Flappy: it fired 5 times; mend the cause, or see what the weekly audit suggests",
        'Renew or drop this silence: pod="a" until 22 Nov 20:30 IST, by eva: being mended',
    )
    assert lines(report, "Silences that end within 24 hours") == (
        'pod="a" until 22 Nov 20:30 IST, by eva: being mended',
    )


def test_daily_summary_without_a_source_is_no_all_clear():
    report = build(Kind.DAILY_SUMMARY)
    assert report.verdict is Verdict.UNKNOWN
    assert report.reason == "pipeline unavailable: no source is configured, so nothing was looked at"


@pytest.mark.parametrize("kind", [Kind.DAILY_SUMMARY, Kind.WEEKLY_AUDIT])
def test_the_same_input_gives_the_same_report(kind):
    episodes = [episode(n % 7, n % 7 + 1, pod=str(n)) for n in range(30)]
    assert build(kind, Told(*episodes)) == build(kind, Told(*reversed(episodes)))


def test_weekly_audit_has_one_row_for_each_rule_with_the_firings_before():
    report = build(
        Kind.WEEKLY_AUDIT,
        Told(episode(-20, -19), episode(1, 2, pod="a"), episode(1, 3, pod="b"), episode(5, 6, "Down", severity="page")),
    )
    assert report.sections[0].rows == (("Slow", "2", "75 %"), ("Down (page)", "1", "25 %"))
    assert [row[:3] for row in report.sections[1].rows] == [("Slow", "3 h", "+1"), ("Down (page)", "1 h", "+1")]


def test_weekly_audit_without_proof_of_the_window_before_says_once_that_no_change_is_known():
    report = build(Kind.WEEKLY_AUDIT, Told(episode(1, 2), since=START))
    assert report.sections[1].rows[0][:3] == ("Slow", "1 h", "")
    assert report.sections[1].lines == ("The change is not known: nothing vouches for the window before.",)


def test_weekly_audit_without_alerts_says_no_incidents():
    report = build(Kind.WEEKLY_AUDIT, Told())
    assert (report.verdict, report.sections[0].title) == (Verdict.OK, "No incidents")


@pytest.mark.parametrize("timezone", ["Asia/Kolkata", "America/New_York", "UTC"])
@pytest.mark.parametrize("kind", [Kind.DAILY_SUMMARY, Kind.WEEKLY_AUDIT, Kind.INCIDENT_WINDOW_REPLAY])
def test_a_silence_for_ever_and_an_alert_without_a_beginning_spoil_no_report(kind, timezone):
    for_ever = replace(SILENCE, end=datetime.max.replace(tzinfo=UTC))
    always = replace(episode(1, None, pod="a"), start=datetime.min.replace(tzinfo=UTC))
    report = told.build(kind, Told(episode(2, None), always, silences=(for_ever,)), timezone=timezone)
    assert report.verdict is Verdict.ATTENTION
