"""The layout of a report, the same in every dialect, and how it is made to fit."""

from datetime import UTC, datetime

import pytest

from watchbell.delivery.interface import Stamp
from watchbell.delivery.render import plain
from watchbell.delivery.render.entries import Entry, Style, entries
from watchbell.delivery.render.figures import figure, window_text
from watchbell.delivery.render.split import fit
from watchbell.delivery.render.table import PHONE_WIDTH, Table, table
from watchbell.reports.interface import Coverage, CoverageStatus, Number, Section, Verdict, Window


def full(make_report, **changes):
    return make_report(
        **{
            "coverage": (
                Coverage(source="prometheus", status=CoverageStatus.OK, detail="", age_seconds=12),
                Coverage(
                    source="alert log", status=CoverageStatus.UNPROVEN, detail="no Watchdog entry", required=False
                ),
            ),
            "numbers": (
                Number(name="Alerts", value=12, previous=3),
                Number(name="Firing", value=2, previous=2),
                Number(name="Noisy", value=None, previous=4),
                Number(name="MTTR", value=1234.5, previous=None),
            ),
            "still_firing": ("DiskFull web-1, 2 d", "HighLatency api, 3 h"),
            "actions": ("Grow the disk of web-1", "Silence HighLatency", "Tune the rule", "A fourth one"),
            "sections": (
                Section(title="Alerts", columns=("alert", "n"), rows=(("DiskFull", "3"), ("HighLatency", "12"))),
                Section(title="Silences", lines=("none",)),
            ),
        }
        | changes
    )


def test_a_report_reads_from_its_verdict_to_its_foot(make_report):
    stamp = Stamp(task_id="a1b2c3d4e5f6", fire_time="2026-11-22T09:00Z", late_seconds=190, repeat=True)
    assert plain.message(full(make_report), stamp).splitlines() == [
        "🟡 ATTENTION · Payments digest",
        "Sat 2026-11-21 14:30 – Sun 2026-11-22 14:30 Asia/Kolkata · 2 alerts firing",
        "Coverage 1/2: alert log (optional) UNPROVEN: no Watchdog entry; prometheus ok (data 12 s old)",
        "Alerts 12 (+9) · Firing 2 (±0) · Noisy no data",
        "Still firing (2), oldest: DiskFull web-1, 2 d",
        "→ Grow the disk of web-1",
        "→ Silence HighLatency",
        "→ Tune the rule",
        "",
        "Still firing, oldest first",
        "• DiskFull web-1, 2 d",
        "• HighLatency api, 3 h",
        "",
        "More numbers",
        "MTTR 1,234.5",
        "before: no data",
        "",
        "Alerts",
        "alert         n",
        "DiskFull      3",
        "HighLatency  12",
        "",
        "Silences",
        "none",
        "",
        "task a1b2c3d4e5f6 · 2026-11-22T09:00Z · late by 3 m",
        "This may be a repeat: an earlier attempt may have arrived.",
    ]


@pytest.mark.parametrize("firing", range(9))
@pytest.mark.parametrize("actions", range(5))
def test_the_first_screen_has_at_most_eight_lines_and_nothing_is_said_to_fire_only_once(
    make_report, stamp, firing, actions
):
    report = full(
        make_report,
        still_firing=tuple(f"Alert{number}" for number in range(firing)),
        actions=("Do it",) * actions,
        sections=(),
        numbers=(),
    )
    first_screen, *below = plain.message(report, stamp).split("\n\n")
    assert len(first_screen.splitlines()) <= 8
    text = "\n".join([first_screen, *below])
    assert all(f"Alert{number}" in text for number in range(firing))
    assert ("Still firing" in text) == bool(firing)


def test_a_list_that_leaves_some_out_still_says_how_many_fire(make_report, stamp):
    report = full(make_report, still_firing=(*(f"Alert{number}" for number in range(10)), "and 8 more"))
    assert "\nStill firing (18), oldest: Alert0\n" in plain.message(report, stamp)


def test_figures_that_could_not_be_read_are_one_line_below_the_first_screen(make_report, stamp):
    names = ("a", "b", "c", "d", "e", "f")
    numbers = tuple(Number(name=name, value=1 if name == "e" else None) for name in names)
    text = plain.message(full(make_report, numbers=numbers), stamp)
    assert "\nMore numbers\ne 1\nbefore: no data\nno data: d, f\n" in text


def test_nothing_known_of_before_is_said_once(make_report, stamp):
    numbers = tuple(Number(name=name, value=2) for name in "abc")
    assert "\na 2 · b 2 · c 2 · before: no data\n" in plain.message(full(make_report, numbers=numbers), stamp)
    some = (*numbers[:2], Number(name="c", value=2, previous=1))
    text = plain.message(full(make_report, numbers=some), stamp)
    assert "\na 2 (before: no data) · b 2 (before: no data) · c 2 (+1)\n" in text


def test_a_reason_that_the_second_line_tells_is_not_told_again_beside_the_source(make_report, stamp):
    down = [Coverage(source=name, status=CoverageStatus.FAILED, detail=f"{name} is gone") for name in "ab"]
    report = full(make_report, coverage=tuple(down), reason="pipeline unavailable: a: a is gone (and 1 more problem)")
    assert "\nCoverage 0/2: a FAILED; b FAILED: b is gone\n" in plain.message(report, stamp)


def test_a_punctual_first_message_says_neither_late_nor_repeat(make_report, stamp):
    text = plain.message(full(make_report), stamp)
    assert "late by" not in text
    assert "repeat" not in text


def test_every_source_that_cannot_be_believed_is_named(make_report, stamp):
    down = [Coverage(source=f"source-{n}", status=CoverageStatus.FAILED, detail="x" * 200) for n in range(3)]
    text = plain.message(make_report(coverage=tuple(down)), stamp)
    assert all(f"source-{n} FAILED: xxx" in text for n in range(3))


def test_no_source_at_all_is_said(make_report, stamp):
    text = plain.message(make_report(coverage=(), verdict=Verdict.UNKNOWN), stamp)
    assert "Coverage: no source was read" in text
    assert "❔ UNKNOWN" in text


@pytest.mark.parametrize(
    ("value", "previous", "text"),
    [
        (12, 3, "N 12 (+9)"),
        (3, 12, "N 3 (-9)"),
        (0, 0, "N 0 (±0)"),
        (0, None, "N 0 (before: no data)"),
        (None, 3, "N no data"),
        (None, None, "N no data"),
        (float("nan"), 1, "N no data"),
        (1, float("inf"), "N 1 (before: no data)"),
        (0.25, 0.2, "N 0.25 (+0.05)"),
        (1_234_567, 1_234_566, "N 1,234,567 (+1)"),
        (99.999, 99.999, "N 100 (±0)"),
        (0.00042, 0.0005, "N 0.00042 (-0.00008)"),
        (0.0351, None, "N 0.035 (before: no data)"),
    ],
)
def test_a_number_shows_its_change_and_no_data_is_never_zero(value, previous, text):
    assert figure(Number(name="N", value=value, previous=previous)) == text


@pytest.mark.parametrize(
    ("start", "end", "zone", "text"),
    [
        ((2026, 11, 21, 9), (2026, 11, 22, 9), "UTC", "Sat 2026-11-21 09:00 – Sun 2026-11-22 09:00 UTC"),
        (
            (2026, 10, 24, 7),
            (2026, 10, 25, 8),
            "Europe/Berlin",
            "Sat 2026-10-24 09:00 +0200 – Sun 2026-10-25 09:00 +0100 Europe/Berlin",
        ),
        ((2026, 11, 21, 9), (2026, 11, 22, 9), "No/Such", "Sat 2026-11-21 09:00 – Sun 2026-11-22 09:00 UTC"),
        ((2026, 11, 21, 9), (2026, 11, 22, 9), "../etc", "Sat 2026-11-21 09:00 – Sun 2026-11-22 09:00 UTC"),
    ],
)
def test_a_window_is_shown_on_the_wall_clock_of_its_zone(start, end, zone, text):
    window = Window(start=datetime(*start, tzinfo=UTC), end=datetime(*end, tzinfo=UTC), timezone=zone)
    assert window_text(window) == text


def test_a_table_that_fits_a_phone_is_aligned_numbers_to_the_right():
    made = table(("alert", "n", "time"), [("DiskFull", "3", "2 h"), ("HighLatency", "12", "20 m")])
    assert made == Table("alert         n  time", ("DiskFull      3   2 h", "HighLatency  12  20 m"))


def test_a_table_too_wide_for_a_phone_becomes_records_and_loses_nothing():
    made = table(("alert", "labels", "n"), [("KubePersistentVolumeFillingUp", "namespace=payments", "3")])
    assert made == Table(None, ("KubePersistentVolumeFillingUp\n  labels namespace=payments · n 3",))


@pytest.mark.parametrize("rows", [[()], [("a",)], [("a", "b", "c", "d")], [("", "")], [("a", ""), ()]])
def test_a_table_with_uneven_rows_is_still_a_table(rows):
    made = table(("one", "two"), rows)
    assert len(made.rows) == len(rows)
    assert all(len(line) <= PHONE_WIDTH for row in (made.columns or "", *made.rows) for line in row.splitlines())


A, B, C = "a" * 40, "b" * 40, "c" * 20 + "\n" + "d" * 20
LINES = (
    Entry(Style.HEADLINE, "verdict", kept=True),
    Entry(Style.HEADING, "first", leads=True),
    Entry(Style.LINE, A),
    Entry(Style.LINE, B),
    Entry(Style.HEADING, "second", leads=True),
    Entry(Style.ROW, C),
    Entry(Style.FOOT, "foot", kept=True),
)


@pytest.mark.parametrize(
    ("limit", "shown"),
    [
        (160, ["verdict", "first", A, B, "second", C, "foot"]),
        (150, ["verdict", "first", A, B, "… and 3 more lines left out", "foot"]),
        (120, ["verdict", "first", A, "… and 4 more lines left out", "foot"]),
        (50, ["verdict", "… and 6 more lines left out", "foot"]),
        (0, ["verdict", "… and 6 more lines left out", "foot"]),
    ],
)
def test_whole_entries_are_dropped_from_the_end_and_counted(limit, shown):
    assert [entry.text for entry in fit(LINES, lambda some: len(plain.text(some)) <= limit)] == shown


def test_what_is_kept_is_shortened_only_where_it_would_not_fit_alone():
    lines = (
        Entry(Style.HEADLINE, "verdict", kept=True),
        Entry(Style.LINE, "x" * 300, kept=True),
        Entry(Style.LINE, "y"),
    )
    assert [entry.text for entry in fit(lines, lambda some: len(plain.text(some)) <= 400)] == [
        "verdict",
        "x" * 300,
        "y",
    ]
    [_, kept, _] = fit(lines, lambda some: len(plain.text(some)) <= 250)
    assert kept.text == "x" * 150 + "… (150 more characters)"


def test_a_report_that_fits_is_left_alone_even_where_the_note_would_not_fit():
    short = (Entry(Style.HEADLINE, "verdict", kept=True), *(Entry(Style.LINE, str(n)) for n in range(5)))
    assert fit(short, lambda some: len(plain.text(some)) <= 17) == short


def test_fitting_is_quick_for_a_report_of_many_thousand_lines(make_report, stamp):
    report = full(make_report, sections=(Section(title="All", lines=tuple(f"line {n}" for n in range(20_000))),))
    calls = []

    def fits(some):
        calls.append(len(some))
        return len(plain.text(some)) <= 2000

    shown = fit(entries(report, stamp), fits)
    assert len(plain.text(shown)) <= 2000
    assert len(calls) < 20


@pytest.mark.parametrize("count", [0, 1, 2000])
def test_a_notice_is_a_headline_and_lines_under_the_same_rules(channel, count):
    part = channel.provider.render_lines("For the operator", ["<!channel> @everyone run a1b2 failed"] * count)
    channel.send_part(part)
    [message] = channel.received
    assert message.pings == []
    assert "For the operator" in message.text
    assert ("<!channel> @everyone run a1b2 failed" in message.text) == bool(count)
    assert ("more lines left out" in message.text) == (count == 2000)
