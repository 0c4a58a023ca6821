"""How durations, alerts and lists are written."""

import pytest

from watchbell.reports.wording import alert, capped, duration


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
        (30 * 86400, "30 d"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds, text):
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
