"""The weekly audit: every number agrees with a history of known truth, and each suggestion with a second evaluation
of the same history under the suggested setting."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.histories import DAY, END, RUNBOOK, TrueHistory, TrueRule, random_history
from watchbell.delivery.render.entries import FIRST_SCREEN_LINES, first_screen
from watchbell.delivery.render.table import PHONE_WIDTH, table
from watchbell.reports import wording
from watchbell.reports.analysis.backtest import FEWEST, Setting, suggest
from watchbell.reports.analysis.hours import DEFAULT_HOURS
from watchbell.reports.analysis.pareto import pareto
from watchbell.reports.analysis.rule_rows import rule_rows
from watchbell.reports.findings import find, rule_key
from watchbell.reports.interface import (
    AlertRule,
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

SLOW = TrueRule(name="Slow")
MINUTE = 60
HOUR = 3600


def build(source, window: Window) -> Report:
    request = ReportRequest(task_id="t", name="", kind=Kind.WEEKLY_AUDIT, window=window, params={})
    return BuiltinPipeline([source]).build(request)


def section(report: Report, title: str):
    return next((one for one in report.sections if one.title.startswith(title)), None)


def lines(report: Report, title: str) -> tuple[str, ...]:
    found = section(report, title)
    return found.lines if found else ()


def rows_of(source, window: Window):
    return rule_rows(find(window, [source.read(window.start, window.end)]), None, DEFAULT_HOURS)


shapes = st.fixed_dictionaries(
    {"seed": st.integers(0, 10**6), "interval": st.sampled_from([15, 60]), "phase": st.sampled_from([0, 17, 8.25])}
)


@given(shape=shapes, zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"]))
@settings(max_examples=15, deadline=None)
def test_every_number_agrees_with_the_truth(shape, zone):
    history = random_history(days=5, **shape)
    window = history.window(days=2, timezone=zone)
    before = replace(window, start=window.start - timedelta(days=2), end=window.start)
    report = build(history, window)
    truth, then = history.by_rule(window), history.by_rule(before)

    asleep, flaps = (
        tuple(float(sum(getattr(one, name) for one in facts.values())) for facts in (truth, then))
        for name in ("asleep", "flaps")
    )
    counts, counts_before = history.counts(window), history.counts(before)
    assert {one.name: (one.value, one.previous) for one in report.numbers} == {
        **{name: (counts[name], counts_before[name]) for name in counts},
        "firings in sleep hours": asleep,
        "flaps": flaps,
    }
    longest = sorted(truth, key=lambda key: -truth[key].seconds)
    total = sum(one.seconds for one in truth.values())
    noise, details = section(report, "Alert rules by firing time").rows, section(report, "Each rule in detail").rows
    assert [row[1:] for row in noise] == [
        (str(truth[key].firings), wording.percent(truth[key].seconds / total)) for key in longest
    ]
    assert [row[1:7] for row in details] == [_cells(truth[key], then.get(key)) for key in longest]
    assert [row[7] for row in details] == [team or "none" for _, team, _ in longest]
    assert len(list(first_screen(report))) <= FIRST_SCREEN_LINES


def _cells(one, then) -> tuple[str, ...]:
    return (
        wording.duration(one.seconds),
        wording.difference(one.firings, then.firings if then else 0),
        wording.percent(one.flaps / one.firings) if one.firings else "",
        str(one.asleep),
        "" if one.median is None else wording.duration(one.median),
        str(one.instances),
    )


@given(shape=shapes)
@settings(max_examples=15, deadline=None)
def test_a_suggestion_agrees_with_an_evaluation_under_the_suggested_setting(shape):
    history = random_history(restarts=0, days=2, **shape)
    window = history.window(days=1.5)
    first = history.offset(window.start)
    for row in rows_of(history, window):
        suggestion = suggest(row, window)
        if suggestion is None:
            continue
        assert (suggestion.tested, row.firings) == (row.firings, row.firings)
        value = suggestion.value.total_seconds()
        alerts = [one for one in history.alerts if rule_key(one.labels) == rule_key(row.summary.labels)]
        spared, long_delayed = 0, 0
        for alert in alerts:
            new = [one for one in history.firings_of(alert) if one.start >= first]
            if suggestion.setting is Setting.FOR:
                again = {one.active_at: one for one in history.firings_of(alert, hold=value)}
                # One that still fires when the history ends might have reached the new `for` later.
                missing = [one for one in new if one.active_at not in again and one.end is not None]
                remaining = [one for one in new if one not in missing]
                spared += len(missing)
                long_delayed += sum((one.end or history.seconds) - one.start > 30 * MINUTE for one in remaining)
                delays = {again[one.active_at].start - one.start for one in remaining if one.active_at in again}
                assert delays <= {suggestion.delay.total_seconds()}
            else:
                begun = {one.start for one in history.firings_of(alert, keep=value)}
                before = [one for one in history.firings_of(alert) if one.start < first and not one.ends_before(first)]
                # What was over before the window is not in it, so its first firing follows nothing that is known.
                spared += sum(one.start not in begun for one in (new if before else new[1:]))
        if suggestion.setting is Setting.FOR:
            assert (suggestion.spared, suggestion.long_delayed) == (spared, long_delayed)
        else:  # conditions that held for less than `for` prolong a firing too, and leave no episode to count
            assert suggestion.spared == spared if not alerts[0].rule.hold else suggestion.spared <= spared


def repeated(
    count: int, length: float, pause: float, *, rule: TrueRule = SLOW, long: int = 0, phase: float = 0
) -> TrueHistory:
    """A condition that holds `count` times for `length` seconds with a `pause` between, then `long` times an hour."""
    history = TrueHistory(days=8, phase=phase)
    at = history.seconds - 6 * DAY
    spans = []
    for number in range(count + long):
        held = length if number < count else HOUR
        spans.append((at, at + held))
        at += held + pause
    history.add(rule, spans)
    return history


def said(history: TrueHistory) -> tuple[str, ...]:
    return lines(build(history, history.window(days=7)), "What another setting would have done")


def test_a_longer_for_is_suggested_with_what_it_spares_and_what_it_delays():
    assert said(repeated(41, 8 * MINUTE, 40 * MINUTE, long=3, rule=TrueRule(name="Slow", hold=5 * MINUTE))) == (
        (
            "Slow: for: 10m (now 5m) would have removed 41 of 44 firings, and delayed the other 3 by 5 m, "
            "3 of which lasted over 30 m"
        ),
    )


def test_keep_firing_for_is_suggested_where_firings_follow_each_other_closely():
    assert said(repeated(40, 20 * MINUTE, 4 * MINUTE)) == (
        (
            "Slow: keep_firing_for: 5m (now none) would have joined 39 of 40 firings to the one before; "
            "none begins later, each ends 5 m later"
        ),
    )


def test_what_loses_and_delays_no_firing_is_preferred():
    assert "keep_firing_for" in said(repeated(40, 4 * MINUTE, 4 * MINUTE))[0]
    assert "for: 5m" in said(repeated(40, 4 * MINUTE, 40 * MINUTE))[0]


def test_no_firing_of_over_a_quarter_of_an_hour_is_called_noise():
    assert said(repeated(40, 16 * MINUTE, 40 * MINUTE)) == ()


def test_the_smallest_setting_that_spares_half_is_suggested():
    assert "for: 10m (now none) would have removed all 40 firings" in said(repeated(40, 9 * MINUTE, HOUR))[0]


@pytest.mark.parametrize("phase", [0, 8.25])
def test_a_condition_that_held_exactly_as_long_as_the_setting_would_not_have_fired(phase):
    history = repeated(40, 5 * MINUTE, HOUR, phase=phase)  # true at five evaluations, hence for four minutes
    assert "for: 5m (now none) would have removed all 40 firings" in said(history)[0]
    assert history.firings_of(history.alerts[0], hold=300) == []


def test_a_pause_exactly_as_long_as_the_setting_would_have_been_bridged():
    history = repeated(40, 20 * MINUTE, 5 * MINUTE)
    assert "keep_firing_for: 5m (now none) would have joined 39 of 40 firings" in said(history)[0]
    assert len(history.firings_of(history.alerts[0], keep=300)) == 1


def test_what_still_fires_may_last_and_is_not_called_short():
    history = repeated(20, 4 * MINUTE, HOUR)
    history.add(SLOW, [(history.seconds - 60, 2 * history.seconds)], pod="new")
    assert said(history)[0].endswith("would have removed 20 of 21 firings, and delayed the other 1 by 5 m")


def test_nothing_is_suggested_for_alerts_that_last():
    assert said(repeated(20, 2 * HOUR, 4 * HOUR)) == ()


def test_too_few_firings_suggest_nothing():
    assert said(repeated(FEWEST - 1, 2 * MINUTE, HOUR)) == ()
    assert said(repeated(FEWEST, 2 * MINUTE, HOUR)) != ()


def test_nothing_is_suggested_where_the_rule_is_not_surely_known():
    class Ruleless(TrueHistory):
        def rules(self):
            return ()

    history = Ruleless(days=8)
    history.alerts = repeated(40, 2 * MINUTE, HOUR).alerts
    assert said(history) == ()
    twin = repeated(40, 2 * MINUTE, HOUR)
    twin.add(TrueRule(name="Slow", hold=120), [])
    assert said(twin) == ()  # two rules make this alert, and they wait for different times


def test_a_rule_that_keeps_firing_already_may_be_told_to_do_so_for_longer():
    history = repeated(40, 20 * MINUTE, 12 * MINUTE, rule=TrueRule(name="Slow", keep=300))
    (line,) = said(history)
    assert line.startswith("Slow: keep_firing_for: 15m (now 5m) would have joined 39 of 40 firings to the one before")
    assert line.endswith("each ends 10 m later")
    assert len(history.firings_of(history.alerts[0], keep=600)) == 40


def test_a_rule_that_keeps_firing_already_is_not_told_to_wait_longer():
    history = repeated(40, 2 * MINUTE, HOUR, rule=TrueRule(name="Slow", keep=300))
    assert said(history) == ()


def test_the_first_thing_to_do_is_what_another_setting_spares():
    rule = TrueRule(name="Slow", labels={"team": "checkout"})
    history = repeated(40, 4 * MINUTE, 40 * MINUTE, rule=rule)
    assert build(history, history.window(days=7)).actions == (
        "Quieten Slow team=checkout, owner checkout: for: 5m (now none) would have removed all 40 firings",
    )


def test_a_few_rules_that_made_most_of_the_noise_are_counted():
    assert pareto([60, 10, 20, 5, 5]) is not None
    found = pareto([60, 10, 20, 5, 5])
    assert (found.rules, found.of_rules, found.firings, found.of_firings) == (2, 5, 80, 100)
    assert pareto([7]) is None
    assert pareto([1, 1, 0]) is None
    assert pareto([1, 1, 1, 1, 1, 1]) is None
    assert pareto([]) is None


def test_the_share_of_the_few_is_told():
    history = repeated(40, 4 * MINUTE, HOUR)
    history.add(TrueRule(name="Rare"), [(7 * DAY, 7 * DAY + HOUR)])
    report = build(history, history.window(days=7))
    assert lines(report, "Alert rules by firing time") == ("1 of 2 rules made 98 % of 41 firings",)


def hygiene(history: TrueHistory, days: float = 7) -> tuple[str, ...]:
    return lines(build(history, history.window(days=days)), "To tidy up")


GOOD = {"labels": {"team": "a"}, "annotations": {"runbook_url": RUNBOOK}}


@pytest.mark.parametrize(
    ("since_days", "window_days", "is_stuck"), [(7.1, 30, True), (6.9, 30, False), (1.1, 1, True), (0.9, 1, False)]
)
def test_an_alert_is_stuck_after_a_week_or_a_shorter_window(since_days, window_days, is_stuck):
    history = TrueHistory(days=40)
    history.add(TrueRule(name="Stuck", **GOOD), [(history.seconds - since_days * DAY, 2 * history.seconds)])
    told = [line for line in hygiene(history, window_days) if line.startswith("Stuck: ")]
    assert bool(told) is is_stuck
    actions = build(history, history.window(days=window_days)).actions
    assert any(action.startswith("Mend, silence or delete Stuck team=a, owner a") for action in actions) is is_stuck


def test_silences_of_more_than_thirty_days_are_told():
    history = TrueHistory(days=8)
    for number, (start, end) in enumerate([(-31, 0.1), (-1, 31), (-1, 28), (-40, -1)]):
        at = (END + timedelta(days=start), END + timedelta(days=end))
        history.silences.append(
            Silence(id=str(number), matchers=f'n="{number}"', created_by="eva", comment="", start=at[0], end=at[1])
        )
    assert [line.partition(" until")[0] for line in hygiene(history)] == [
        'Silenced for over 30 d: n="0"',
        'Silenced for over 30 d: n="1"',
    ]


def test_missing_owners_and_runbooks_are_told():
    history = TrueHistory(days=8)
    for rule in (TrueRule(name="Good", **GOOD), TrueRule(name="Poor"), TrueRule(name="Runbook", labels={"owner": "b"})):
        history.add(rule, [(7 * DAY, 7 * DAY + HOUR)])
    history.add(TrueRule(name="Silent"), [])
    history.add(TrueRule(name="Watchdog"), [])
    assert hygiene(history) == ("No owner (label team or owner): Poor", "No runbook: Poor, Runbook, Silent")
    rows = section(build(history, history.window(days=7)), "Each rule in detail").rows
    assert {row[0]: row[7:] for row in rows} == {
        "Good": ("a", "yes"),
        "Poor": ("none", "none"),
        "Runbook": ("b", "none"),
    }


def test_a_runbook_that_no_source_tells_of_is_no_data_and_not_missing():
    class Ruleless(TrueHistory):
        def rules(self):
            return ()

    history = Ruleless(days=8)
    history.add(TrueRule(name="Slow"), [(7 * DAY, 7 * DAY + HOUR)])
    report = build(history, history.window(days=7))
    assert section(report, "Each rule in detail").rows[0][8] == "no data"
    assert not [line for line in hygiene(history) if "runbook" in line]


@pytest.mark.parametrize(("annotations", "told"), [({"runbook": RUNBOOK}, "yes"), ({"summary": "slow"}, "none")])
def test_a_runbook_may_be_told_by_the_alert_itself(annotations, told):
    class Annotated(TrueHistory):
        def read(self, start, end):
            evidence = super().read(start, end)
            episodes = tuple(replace(one, annotations=annotations) for one in evidence.episodes)
            return replace(evidence, episodes=episodes, rules=())

    history = Annotated(days=8)
    history.add(SLOW, [(7 * DAY, 7 * DAY + HOUR)])
    assert section(build(history, history.window(days=7)), "Each rule in detail").rows[0][8] == told


def test_that_a_rule_did_not_fire_is_only_said_of_a_long_watched_window():
    history = TrueHistory(days=40)
    history.add(TrueRule(name="Silent", **GOOD), [])
    assert hygiene(history, 7) == ()
    assert hygiene(history, 28) == ("Did not fire in these 28 d: Silent",)
    assert hygiene(history, 60) == ()  # it was watched for forty


def test_failing_rules_are_told_with_their_error():
    class Failing:
        name, required = "prometheus", True

        def read(self, start, end):
            rule = AlertRule(
                name="Bad",
                group="g",
                for_seconds=0,
                keep_firing_seconds=0,
                labels={},
                annotations={"runbook": RUNBOOK},
                health="err",
                last_error="many-to-many matching",
            )
            coverage = Coverage(source="prometheus", status=CoverageStatus.UNPROVEN, detail="rule Bad is failing")
            return Evidence(coverage=coverage, rules=(rule,), covered_from=start)

    report = build(Failing(), TrueHistory().window(days=7))
    assert report.verdict is Verdict.UNKNOWN
    assert lines(report, "To tidy up") == ("Rule failing: Bad: many-to-many matching",)


def test_every_list_is_capped_and_says_how_much_it_leaves_out():
    history = TrueHistory(days=9)
    for number in range(30):
        history.add(TrueRule(name=f"Rule{number:02}"), [(HOUR, 2 * history.seconds)])
        at = (END - timedelta(days=40), END + timedelta(days=1))
        history.silences.append(
            Silence(id=str(number), matchers=f'n="{number:02}"', created_by="", comment="", start=at[0], end=at[1])
        )
    report = build(history, history.window(days=7))
    assert lines(report, "Alert rules by firing time") == ("Shown: 20 of 30 rules",)
    assert lines(report, "Each rule in detail") == (
        "Shown: 10 of 30 rules",
        "The change is not known: nothing vouches for the window before.",
    )
    assert {row[2] for row in section(report, "Each rule in detail").rows} == {""}
    tidy = lines(report, "To tidy up")
    assert tidy[5] == "and 25 more that are stuck"
    assert tidy[11] == "and 25 more old silences"
    assert tidy[12].endswith("Rule07 and 22 more")


def test_the_first_table_fits_on_a_phone():
    history = repeated(40, 4 * MINUTE, HOUR, rule=TrueRule(name="HighErrorRate", labels={"severity": "page"}))
    noise = section(build(history, history.window(days=7)), "Alert rules by firing time")
    made = table(noise.columns, noise.rows)
    assert made.columns is not None
    assert max(map(len, (made.columns, *made.rows))) <= PHONE_WIDTH


def test_an_audit_of_a_window_without_proof_has_no_numbers():
    history = repeated(20, 2 * MINUTE, HOUR)
    report = build(history, history.window(days=9))
    assert (report.verdict, {one.value for one in report.numbers}) == (Verdict.UNKNOWN, {None})
    assert report.reason.startswith("20 alerts fired; for the rest pipeline unavailable: ")
    assert section(report, "Alert rules by firing time").rows


def test_the_same_history_gives_the_same_report_in_any_order():
    history = random_history(7, days=5)
    first = build(history, history.window(days=4))
    history.alerts.reverse()
    assert build(history, history.window(days=4)) == first
