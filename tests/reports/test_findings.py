"""From evidence to numbers: what counts as new, resolved and still firing, once each, and which verdict follows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.told import Told, build, hour
from watchbell.reports.findings import NO_HISTORY, NO_SOURCE, find, judge, merge_episodes
from watchbell.reports.interface import AlertRule, Coverage, CoverageStatus, Episode, Evidence, Verdict, Window
from watchbell.reports.wording import MAKE_WHOLE
from watchbell.tasks import Kind

NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAY = Window(start=NINE - timedelta(days=1), end=NINE, timezone="UTC")


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def episode(start: float, end: float | None, **labels: str) -> Episode:
    """Return an episode in minutes after the day's start."""
    return Episode(
        labels={"alertname": "Slow", **labels},
        start=DAY.start + minutes(start),
        end=None if end is None else DAY.start + minutes(end),
    )


def seen(*episodes: Episode, name: str = "prometheus", status: str = "ok", required: bool = True) -> Evidence:
    coverage = Coverage(source=name, status=CoverageStatus(status), detail="as told", required=required)
    return Evidence(coverage=coverage, episodes=episodes, covered_from=DAY.start - timedelta(days=30))


def test_numbers_follow_the_half_open_window():
    findings = find(
        DAY,
        [
            seen(
                episode(0, 10, case="began at the start"),
                episode(-10, 0, case="ended at the start"),
                episode(-10, -1, case="ended before"),
                episode(1430, 1440, case="ends at the end"),
                episode(1440, None, case="begins at the end"),
                episode(-10, None, case="fires throughout"),
            )
        ],
    )
    cases = [[e.labels["case"] for e in part] for part in (findings.new, findings.resolved, findings.still_firing)]
    assert cases == [
        ["began at the start", "ends at the end"],
        ["ended at the start", "began at the start"],
        ["fires throughout", "ends at the end"],
    ]


def test_firing_seconds_are_clipped_to_the_window_and_summed_per_rule():
    findings = find(DAY, [seen(episode(-60, 30, pod="a"), episode(1410, None, pod="b"), episode(10, 20, pod="c"))])
    (rule,) = findings.rules
    assert (rule.firings, rule.firing_seconds, rule.firing_now) == (2, (30 + 30 + 10) * 60, True)
    assert rule.labels == {"alertname": "Slow"}


def test_one_name_with_two_severities_is_two_rules():
    findings = find(DAY, [seen(episode(0, 10, severity="warning"), episode(20, 25, severity="critical"))])
    assert [(r.labels["severity"], r.firings) for r in findings.rules] == [("warning", 1), ("critical", 1)]


def test_two_sources_that_see_one_alert_count_it_once():
    prometheus = seen(episode(10, None, pod="a"), episode(20, None))
    alertmanager = seen(episode(11, None, pod="a", cluster="eu"), name="alertmanager")
    assert merge_episodes([prometheus, alertmanager]) == (episode(10, None, pod="a"), episode(20, None))


def test_alerts_of_one_source_are_never_merged_for_part_labels():
    both = seen(episode(10, 30), episode(10, 30, pod="a"))
    assert len(find(DAY, [both]).new) == 2


def test_equal_labels_at_another_time_stay_two_episodes():
    first, second = seen(episode(10, 20)), seen(episode(20, 30), name="alert log")
    assert merge_episodes([first, second]) == (episode(10, 20), episode(20, 30))


def test_finer_account_wins_where_sources_differ():
    coarse = seen(episode(10, 50), name="alert log")
    fine = seen(episode(11, 20), episode(30, 49))
    assert merge_episodes([coarse, fine]) == (episode(10, 20), episode(30, 50))


def test_an_alert_that_one_source_still_sees_firing_still_fires():
    merged = merge_episodes([seen(episode(10, 50)), seen(episode(10, None), name="alertmanager")])
    assert merged == (episode(10, None),)


@pytest.mark.parametrize(
    ("evidence", "verdict", "reason"),
    [
        ([], Verdict.UNKNOWN, NO_SOURCE),
        ([seen()], Verdict.OK, "no incidents"),
        ([seen(episode(1, 2))], Verdict.ATTENTION, "1 alert fired, none fires now"),
        ([seen(episode(1, None, severity="warning"))], Verdict.ATTENTION, "1 alert firing"),
        ([seen(episode(1, None, severity="critical"))], Verdict.DEGRADED, "1 alert firing, 1 of them urgent"),
        ([seen(episode(1, None, severity="PAGE"))], Verdict.DEGRADED, "1 alert firing, 1 of them urgent"),
        ([seen(episode(1, 2, severity="critical"))], Verdict.ATTENTION, "1 alert fired, none fires now"),
        ([seen(status="failed")], Verdict.UNKNOWN, "prometheus: as told"),
        ([seen(), seen(status="unproven", name="am")], Verdict.UNKNOWN, "am: as told"),
        ([seen(), seen(status="failed", name="am", required=False)], Verdict.OK, "no incidents"),
        ([seen(status="failed", required=False)], Verdict.UNKNOWN, NO_HISTORY),
        (
            [seen(episode(1, None, severity="page"), status="unproven")],
            Verdict.UNKNOWN,
            "1 alert firing, 1 of them urgent; for the rest prometheus: as told",
        ),
        ([seen(episode(1, 2), status="unproven")], Verdict.UNKNOWN, "1 alert fired; for the rest prometheus: as told"),
    ],
)
def test_verdict_needs_proof_of_every_required_source(evidence, verdict, reason):
    assert judge(find(DAY, evidence)) == (verdict, reason)


def test_a_source_without_history_proves_nothing_about_the_window():
    coverage = Coverage(source="alertmanager", status=CoverageStatus.OK, detail="ready")
    findings = find(DAY, [Evidence(coverage=coverage)])
    assert judge(findings) == (Verdict.UNKNOWN, NO_HISTORY)


def test_many_distinct_alerts_of_two_sources_merge_quickly():
    first = seen(*(episode(n % 1000, n % 1000 + 5, pod=str(n)) for n in range(3000)))
    second = seen(*(episode(0, 1, node=str(n), alertname=f"N{n % 50}") for n in range(3000)), name="other")
    assert len(merge_episodes([first, second])) == 6000


starts = st.integers(-2000, 3000)
lengths = st.one_of(st.none(), st.integers(0, 1500))
label_sets = st.fixed_dictionaries({}, optional={k: st.sampled_from("ab") for k in ("pod", "cluster")})


@st.composite
def histories(draw) -> Evidence:
    drawn = draw(st.lists(st.tuples(starts, lengths, label_sets), max_size=8))
    return seen(*(episode(s, None if length is None else s + length, **labels) for s, length, labels in drawn))


@given(st.lists(histories(), min_size=1, max_size=3), st.randoms())
def test_merging_does_not_depend_on_the_order_of_sources(evidence, random):
    shuffled = random.sample(evidence, len(evidence))
    assert merge_episodes(shuffled) == merge_episodes(evidence)


@given(histories())
def test_reading_the_same_history_twice_changes_nothing(history):
    assert merge_episodes([history, history]) == merge_episodes([history])


@given(histories())
def test_firing_seconds_never_exceed_the_window_for_each_episode(history):
    findings = find(DAY, [history])
    assert all(rule.firing_seconds >= 0 for rule in findings.rules)
    assert sum(rule.firing_seconds for rule in findings.rules) <= 86400 * len(findings.episodes)


@given(histories(), st.lists(st.integers(-1999, 2999), min_size=1, max_size=6, unique=True))
def test_windows_that_tile_the_time_count_each_episode_once(history, cuts):
    edges = [-5000, *sorted(cuts), 9000]
    windows = [
        Window(start=DAY.start + minutes(a), end=DAY.start + minutes(b), timezone="UTC") for a, b in pairwise(edges)
    ]
    parts = [find(window, [history]) for window in windows]
    episodes = merge_episodes([history])
    assert sum(len(part.new) for part in parts) == len(episodes)
    assert sum(len(part.resolved) for part in parts) == sum(e.end is not None for e in episodes)
    for before, after in pairwise(parts):
        assert len(before.still_firing) + len(after.new) - len(after.resolved) == len(after.still_firing)
    firing = sum(rule.firing_seconds for part in parts for rule in part.rules)
    whole = find(Window(start=windows[0].start, end=windows[-1].end, timezone="UTC"), [history])
    assert firing == pytest.approx(sum(rule.firing_seconds for rule in whole.rules))


def pending(start: float, end: float | None, active: float | None, **labels: str) -> Episode:
    active_at = None if active is None else DAY.start + minutes(active)
    return replace(episode(start, end, **labels), active_at=active_at)


def test_the_start_of_pending_survives_merging_and_the_earliest_account_of_it_wins():
    told = seen(pending(10, 30, 5), pending(40, 50, 38))
    untold = seen(episode(11, 29), episode(40, 51), name="alert log")
    assert merge_episodes([untold, told]) == (pending(10, 30, 5), pending(40, 51, 38))
    replica = seen(pending(12, 30, 4), name="replica")
    assert merge_episodes([told, replica])[0] == pending(10, 30, 4)


def test_rules_of_one_name_differ_by_team_and_severity():
    labels = [{"team": "a"}, {"team": "b"}, {"team": "b", "severity": "page"}]
    findings = find(DAY, [seen(*(episode(n, n + 9 - n, **one) for n, one in enumerate(labels)))])
    assert [rule.labels for rule in findings.rules] == [{"alertname": "Slow", **one} for one in labels]


def test_equal_rules_of_two_servers_are_one_rule():
    rules = tuple(
        AlertRule(name=name, group="g", for_seconds=60, keep_firing_seconds=0, labels={}, annotations={})
        for name in ("B", "A")
    )
    pair = [replace(seen(name=name), rules=rules) for name in ("one", "two")]
    assert [rule.name for rule in find(DAY, pair).alert_rules] == ["A", "B"]


@pytest.mark.parametrize(
    ("sources", "is_past"),
    [
        ([Told(since=hour(5))], True),
        ([Told(since=hour(5)), Told(), Told(status=CoverageStatus.FAILED, required=False)], True),
        ([Told(since=hour(5)), Told(status=CoverageStatus.FAILED)], False),
        ([Told(since=hour(5)), Told(status=CoverageStatus.UNPROVEN)], False),  # whatever it lacks, it still does
        ([Told(since=hour(24))], False),  # it does not watch at the end either
        ([], False),
    ],
)
@pytest.mark.parametrize("kind", [Kind.DAILY_SUMMARY, Kind.WEEKLY_AUDIT, Kind.CUSTOM_INVESTIGATION])
def test_nothing_is_to_be_made_whole_where_every_source_watches_again(kind, sources, is_past):
    report = build(kind, *sources, params={"alerts": ["severity=critical"]})
    assert report.verdict is Verdict.UNKNOWN
    assert report.actions == (() if is_past else (MAKE_WHOLE,))
