"""A figure in a generated text is shown only when the findings have it, as the same sort of figure."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbell.reports.pipelines.ai.figures import KnownFigures

FACTS = {
    "window": {"start": "2026-11-21T09:00Z", "end": "2026-11-22T09:00Z"},
    "window_hours": 24.0,
    "numbers": [{"name": "new", "value": 7, "previous": 4}, {"name": "resolved", "value": None}],
    "alerts": [{"labels": {"instance": "node-3:9100"}, "firings": 41, "firing_seconds": 7800.0, "firing_now": True}],
    "lines": [
        "HighErrorRate: for 3 h 20 m, since 22 Nov 07:40:12 UTC",
        "disk is 93% full on 10.0.0.17:9100, 1,250 requests failed, p99 high; tried twice",
        "offset -12",
    ],
    "series": [{"value": 0.8412}, {"value": 1234.56}],
}


@pytest.fixture
def known():
    figures = KnownFigures()
    figures.learn(FACTS)
    return figures


@pytest.mark.parametrize(
    "text",
    [
        "no figure at all",
        "7 alerts began, 4 in the window before",
        "seven alerts began",
        "It fired 41 times.",
        "fired for 2 h 10 m",
        "for 2 hours and 10 minutes",
        "130 minutes in all",
        "7800 seconds, 7,800 s",
        "over 24 hours",
        "the 24-hour window",
        "since 07:40 (07:40:12) on 22 Nov",
        "since Nov 22, and on November 22nd 2026",
        "from 2026-11-21T09:00Z to 2026-11-22 09:00.",
        "3 h 20 m on node-3:9100",
        "the disk is 93 % full, 93 percent",
        "1250 requests, or 1,250",
        "p99 of 0.8412 s, that is 0.84 s",
        "84% of all",
        "at 10.0.0.17:9100",
        "1234.6 requests, some 1235",
        "One of the alerts",
        "tried twice",
        "(-12)",
    ],
)
def test_a_figure_of_the_findings_may_be_said(known, text):
    assert known.unsupported(text) == []


@pytest.mark.parametrize(
    ("text", "unsupported"),
    [
        ("22 alerts fired", ["22"]),  # a date's day
        ("9 alerts fired, 40 of them twice", ["9", "40"]),  # an hour, a minute
        ("it fired for 41 minutes", ["41 minutes"]),
        ("7 hours long", ["7 hours"]),
        ("7 seconds", ["7 seconds"]),
        ("for 3 h", ["3 h"]),  # a part of 3 h 20 m
        ("for 20 m", ["20 m"]),
        ("at 08:40", ["08:40"]),
        ("on 21 Dec", ["21 Dec"]),
        ("on 2026-11-20", ["2026-11-20"]),
        ("41% of them", ["41%"]),
        ("100% of them", ["100%"]),
        ("3 alerts", ["3"]),  # of node-3
        ("on node-4:9100", ["node-4:9100"]),
        ("p95 is high", ["p95"]),
        ("at 10.0.0.18:9100", ["10.0.0.18:9100"]),
        ("0.9 s, 0.85 s", ["0.9 s", "0.85 s"]),
        ("1 of them; 0 remain", ["1", "0"]),
        ("eight alerts, twenty-one hosts", ["8", "21"]),
        ("zero failures", ["0"]),
        ("dozens of alerts, half of them new", ["dozens", "half"]),
        ("5xx errors rose 3x", ["5xx", "3x"]),
        ("-7 alerts", ["-7"]),
        ("٣٣ alerts", ["٣٣"]),
        ("41.5 alerts, 411 alerts, 4 1", ["41.5", "411", "1"]),
        ("1e3 requests", ["1e3"]),
    ],
)
def test_a_figure_that_is_not_in_the_findings_is_found_out(known, text, unsupported):
    assert known.unsupported(text) == unsupported


def test_nothing_is_known_at_first():
    assert KnownFigures().unsupported("7 alerts at 09:00") == ["7", "09:00"]


PIECES = [
    "22",
    " ",
    "Nov",
    "2026-11-22",
    "T09:00Z",
    "7",
    "h",
    " m",
    "%",
    "1,250",
    "-",
    "12th",
    "p99",
    ".",
    "e5",
    ":",
    "twenty-",
    "one",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=12).map("".join))
def test_a_text_bears_itself_out_whatever_is_in_it(text):
    figures = KnownFigures()
    figures.learn({"said": text})
    assert figures.unsupported(text) == []


def test_a_long_word_takes_no_long_time():
    began = time.monotonic()
    KnownFigures().learn(["a." * 30_000, "1" * 4_000, "x" * 60_000, "1:" * 30_000, "9 m " * 15_000])
    assert time.monotonic() - began < 10
