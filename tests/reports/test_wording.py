"""How durations, alerts and lists are written."""

from datetime import timedelta

import pytest

from watchbell.reports.interface import AlertSummary
from watchbell.reports.wording import (
    alert,
    capped,
    count,
    difference,
    duration,
    joined,
    owned,
    percent,
    rule,
    rules,
    setting,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.7, "1 m"),
        (61, "1 m 1 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (12_000, "3 h 20 m"),
        (187_200, "2 d 4 h"),
        (86_700, "1 d"),
        (-5, "0 s"),
        (float("inf"), "unknown"),
        (30 * 86400, "30 d"),
    ],
)
def test_a_duration_has_its_largest_unit_and_the_one_below_it(seconds, text):
    assert duration(seconds) == text


def test_an_alert_is_named_with_its_severity_and_sorted_labels():
    assert alert({"pod": "a", "alertname": "Slow", "severity": "page", "job": "b"}) == "Slow (page) job=b pod=a"


def test_an_alert_with_many_or_long_labels_stays_one_short_line():
    text = alert({"alertname": "Slow\nreally", **{f"label{n}": "x" * 40 for n in range(20)}})
    assert len(text) == 160
    assert "\n" not in text


def test_a_list_says_what_it_leaves_out():
    assert capped(["a", "b", "c"], 2) == ("a", "b", "and 1 more")
    assert capped(["a", "b"], 2) == ("a", "b")


def test_a_capped_list_still_tells_how_long_it_is():
    assert [count(capped(["a"] * number, 2)) for number in range(5)] == [0, 1, 2, 3, 4]


def test_names_on_one_line_say_what_they_leave_out():
    assert joined(["a", "b", "c"], 2) == "a, b and 1 more"
    assert joined(["a", "b"], 2) == "a, b"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.001, "< 1 %"), (0.006, "1 %"), (0.784, "78 %"), (0.999, "> 99 %"), (1, "100 %")],
)
def test_only_nothing_is_0_percent_and_only_all_is_100(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(("before", "text"), [(3, "+4"), (9, "-2"), (7, "±0"), (None, "no data")])
def test_a_difference_to_what_is_not_known_is_no_data(before, text):
    assert difference(7, before) == text


@pytest.mark.parametrize(("seconds", "text"), [(900, "15m"), (5400, "1h30m"), (90, "1m30s"), (0, "0s")])
def test_a_setting_is_written_as_in_a_rule(seconds, text):
    assert setting(timedelta(seconds=seconds)) == text


def summary(alertname="Slow", **labels):
    return AlertSummary(alertname=alertname, labels=labels, firings=1, firing_seconds=1, firing_now=False)


def test_rules_are_named_with_their_teams_where_nothing_else_tells_them_apart():
    several = [summary(severity="page", team="a"), summary(severity="page", team="b"), summary("Down", team="a")]
    assert rules(several) == ["Slow (page) team=a", "Slow (page) team=b", "Down"]
    assert [rule(one) for one in several] == ["Slow (page) team=a", "Slow (page) team=b", "Down team=a"]
    assert rule(summary("")) == "(no alertname)"


def test_an_owner_is_the_team_before_the_owner_label():
    assert owned({"owner": "eva", "team": "payments"}) == ", owner payments"
    assert owned({"owner": "eva"}) == ", owner eva"
    assert owned({"team": ""}) == ""
