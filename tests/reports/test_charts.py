"""The charts: what they show is what was found, and the pictures can be read, are small and always the same."""

import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from fakes.told import LONG_AGO, Told, episode
from watchbell.reports.charts import drawing, illustrate
from watchbell.reports.charts.plan import MOST_ROWS, Weight, axis, rates, timeline
from watchbell.reports.charts.sparkline import sparkline
from watchbell.reports.findings import Findings, find
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
from watchbell.reports.pipeline import BuiltinPipeline
from watchbell.tasks import Kind

END = datetime(2026, 11, 22, 9, tzinfo=UTC)
HOSTILE = (
    "$\\frac{1}{0}$",
    "$",
    "\\",
    "a\nb\tc",
    "\u202egnp",
    "\ud800",
    "\x00\x1b[31m",
    "证书",
    "🔥",
    "",
    "W" * 500,
    "%s {0}",
)


def window(hours: float = 24, timezone: str = "UTC", end: datetime = END) -> Window:
    return Window(start=end - timedelta(hours=hours), end=end, timezone=timezone)


def found(*episodes: Episode, of: Window | None = None, proven: bool = True) -> Findings:
    of = of or window()
    status = CoverageStatus.OK if proven else CoverageStatus.FAILED
    coverage = Coverage(source="told", status=status, detail="as told")
    return find(of, [Evidence(coverage=coverage, episodes=episodes, covered_from=of.start - timedelta(days=900))])


def fired(start: float, end: float | None, name: str = "Slow", **labels: str) -> Episode:
    """An episode that began so many hours after the start of the day before END."""
    zero = END - timedelta(hours=24)
    return Episode(
        labels={"alertname": name, **labels},
        start=zero + timedelta(hours=start),
        end=None if end is None else zero + timedelta(hours=end),
    )


def report_of(findings: Findings) -> Report:
    return Report(
        title="Digest", kind=Kind.DAILY_SUMMARY, window=findings.window, verdict=Verdict.ATTENTION, reason="as told"
    )


def test_the_timeline_has_a_row_for_each_rule_the_longest_firing_time_first() -> None:
    line = timeline(
        found(
            fired(0, 1, "Short", severity="info"),
            fired(6, 12, "Long", severity="critical"),
            fired(18, None, "Still", severity="warning", team="shop"),
        )
    )
    assert line is not None
    told = [(row.name, row.weight, row.bars, row.figures, row.firing_now) for row in line.rows]
    assert told == [
        ("Long (critical)", Weight.URGENT, ((0.25, 0.5),), "1 firing, 6 h", False),
        ("Still (warning) shop", Weight.WARNING, ((0.75, 1.0),), "1 firing, 6 h", True),
        ("Short (info)", Weight.OTHER, ((0.0, 0.042),), "1 firing, 1 h", False),
    ]


def test_a_long_list_of_rules_is_cut_and_says_so() -> None:
    line = timeline(found(*(fired(1, 2 + number / 100, f"Rule{number}") for number in range(40))))
    assert line is not None
    assert (len(line.rows), line.more, line.rows[0].name) == (MOST_ROWS, 40 - MOST_ROWS, "Rule39")


def test_what_began_before_the_window_is_no_firing_of_it() -> None:
    findings = found(fired(-30, 6, "Old"))
    line = timeline(findings)
    assert line is not None
    assert (line.rows[0].figures, line.rows[0].bars) == ("6 h", ((0.0, 0.25),))
    assert rates(findings, None) is None


def test_the_shortest_firing_can_be_seen_wherever_it_is() -> None:
    line = timeline(found(*(fired(at, at + 0.0001) for at in (0, 11.9999, 23.9999))))
    assert line is not None
    assert len(line.rows[0].bars) == 3
    assert all(end - start >= 0.004 - 1e-9 and end <= 1 for start, end in line.rows[0].bars)


@given(
    st.lists(st.tuples(st.floats(-50, 23.999), st.floats(0, 60), st.sampled_from("ABC")), min_size=1, max_size=60),
    st.sampled_from([1, 2.5, 24, 71, 100, 24 * 7, 24 * 40, 24 * 366]),
)
@settings(max_examples=150, deadline=None)
def test_nothing_is_lost_or_counted_twice(spans: list[tuple[float, float, str]], hours: float) -> None:
    findings = found(*(fired(start, start + length, name) for start, length, name in spans), of=window(hours))
    counts = rates(findings, None)
    assert sum(counts.counts if counts else ()) == len(findings.new)
    line = timeline(findings)
    assert [row.name for row in (line.rows if line else ())] == [rule.alertname for rule in findings.rules]
    for row in line.rows if line else ():
        assert row.bars
        edges = [edge for bar in row.bars for edge in bar]
        assert edges == sorted(edges)
        assert 0 <= edges[0] < edges[-1] <= 1
        assert all(before[1] < after[0] for before, after in pairwise(row.bars))


@pytest.mark.parametrize(
    ("hours", "step", "number", "last"),
    [
        (2, "10 minutes", 12, 1 / 12),
        (24, "hour", 24, 1 / 24),
        (24.5, "hour", 25, 0.5 / 24.5),
        (72, "hour", 72, 1 / 72),
        (24 * 7, "day", 7, 1 / 7),
        (24 * 30, "day", 30, 1 / 30),
        (24 * 366, "week", 53, 2 / 366),
    ],
)
def test_firings_are_counted_in_steps_that_fit_the_window(hours: float, step: str, number: int, last: float) -> None:
    counts = rates(found(fired(23.9, 24), of=window(hours)), None)
    assert counts is not None
    assert (counts.title, len(counts.counts), counts.counts[-1]) == (f"Firings per {step}", number, 1)
    assert sum(counts.widths) == pytest.approx(1)
    assert counts.widths[-1] == pytest.approx(last)


def test_the_window_before_is_counted_step_by_step_where_it_is_known() -> None:
    now = found(fired(0.5, 1), fired(23.5, 24))
    before = window(end=END - timedelta(hours=24))
    counts = rates(now, found(fired(-23.5, -23), fired(-23.4, -23, "Other"), fired(5, 6), of=before))
    assert counts is not None
    assert counts.previous is not None
    assert (counts.counts[0], counts.counts[23], counts.previous[0], sum(counts.previous)) == (1, 1, 2, 2)
    unknown = rates(now, found(of=before, proven=False))
    assert unknown is not None
    assert unknown.previous is None


def test_ticks_stand_at_round_times_of_the_zone_also_where_its_clocks_change() -> None:
    berlin = axis(Window(start=datetime(2026, 3, 28, 12, tzinfo=UTC), end=datetime(2026, 3, 30, 12, tzinfo=UTC),
                         timezone="Europe/Berlin"))  # fmt: skip
    assert [text for _, text in berlin.ticks] == ["29 Mar", "12:00", "30 Mar", "12:00"]
    # Midnight is 11 hours after the start, then 22:00 UTC; noon on the short day is 22 hours after the start.
    assert [round(48 * at) for at, _ in berlin.ticks] == [11, 22, 34, 46]
    kolkata = axis(window(24, "Asia/Kolkata"))
    assert [text for _, text in kolkata.ticks] == ["18:00", "22 Nov", "06:00", "12:00"]


@given(st.floats(0.02, 24 * 366), st.sampled_from(["UTC", "Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe"]))
@settings(max_examples=100, deadline=None)
def test_there_are_never_more_ticks_than_a_phone_has_room_for(hours: float, timezone: str) -> None:
    ticks = axis(window(hours, timezone)).ticks
    assert len(ticks) <= 8
    assert all(0 <= at <= 1 for at, _ in ticks)
    assert [at for at, _ in ticks] == sorted({at for at, _ in ticks})
    assert ticks or hours < 0.1


def _busy(names: tuple[str, ...] = ("HighErrorRate", "DiskFull"), number: int = 300) -> Findings:
    severities = ("critical", "warning", "info")
    episodes = [
        fired(24 * n / number, 24 * n / number + 0.2, names[n % len(names)] or f"R{n}", severity=severities[n % 3])
        for n in range(number)
    ]
    return found(*episodes, fired(20, None, names[0], severity="critical"))


def _pictures(findings: Findings) -> list[bytes]:
    line, counts = timeline(findings), rates(findings, found(fired(-5, -4), of=window(end=END - timedelta(days=1))))
    assert line is not None
    assert counts is not None
    return [drawing.draw_timeline(line), drawing.draw_rates(counts)]


def _chunks(png: bytes) -> list[str]:
    names, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        content = png[at + 4 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length]) == (crc32(content),)
        names.append(content[:4].decode())
        at += 12 + length
    return names


def test_a_picture_is_small_and_holds_nothing_but_the_picture() -> None:
    for png in _pictures(_busy(tuple(f"SomeRuleWithAName{number}" for number in range(40)), 2_000)):
        assert len(png) < 200_000
        assert set(_chunks(png)) == {"IHDR", "PLTE", "IDAT", "IEND"}
        picture = Picture.open(BytesIO(png))
        assert picture.width == 1012
        assert picture.width + picture.height <= 10_000
        assert "transparency" not in picture.info


def test_equal_charts_are_equal_bytes_also_from_another_process_and_from_many_threads() -> None:
    here = _pictures(_busy())
    drawing.draw_timeline.cache_clear()
    drawing.draw_rates.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(_pictures, [_busy()] * 4)) == [here] * 4
    script = (
        "import sys; from hashlib import sha256; from reports.test_charts import _busy, _pictures\n"
        "print(*(sha256(one).hexdigest() for one in _pictures(_busy())))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [sha256(one).hexdigest() for one in here]


def test_any_name_can_be_drawn_and_none_is_markup() -> None:
    for png in _pictures(_busy(HOSTILE, 40)):
        _chunks(png)
    # What is no markup is not laid out: each of these characters is drawn as it is.
    assert _pictures(_busy(("$x$",), 3))[0] != _pictures(_busy(("x",), 3))[0]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def test_bars_stand_where_the_alert_fired() -> None:
    findings = found(fired(6, 12, "A", severity="critical"), fired(18, 21, "B", severity="warning"))
    picture = Picture.open(BytesIO(_pictures(findings)[0])).convert("RGB")
    margin = round(0.14 * 230)
    wide = picture.width - 2 * margin
    for weight, start, end in ((Weight.URGENT, 0.25, 0.5), (Weight.WARNING, 0.75, 0.875)):
        wanted = _rgb(drawing.COLOURS[weight])
        close = [
            x
            for x in range(picture.width)
            if sum(max(abs(a - b) for a, b in zip(picture.getpixel((x, y)), wanted, strict=True)) < 24
                   for y in range(picture.height)) > 12
        ]  # fmt: skip
        assert abs(close[0] - margin - start * wide) < 4
        assert abs(close[-1] - margin - end * wide) < 4


def _words_below(png: bytes) -> list[tuple[int, int]]:
    """Return where the labels of the time begin and end, in dots: what lies apart by more than a space is another."""
    picture = Picture.open(BytesIO(png)).convert("RGB")
    ground = _rgb(drawing.PAPER)
    rows = range(picture.height - round(0.33 * 230), picture.height - round(0.19 * 230))
    inked = [
        x
        for x in range(5, picture.width - 5)
        if any(max(abs(a - b) for a, b in zip(picture.getpixel((x, y)), ground, strict=True)) > 60 for y in rows)
    ]
    words: list[tuple[int, int]] = []
    for x in inked:
        if words and x - words[-1][1] <= 0.09 * 230:
            words[-1] = (words[-1][0], x)
        else:
            words.append((x, x))
    return words


@pytest.mark.parametrize("hours", [6, 24, 7 * 24, 30 * 24])
@pytest.mark.parametrize("timezone", ["America/New_York", "UTC"])
@pytest.mark.parametrize("minute", [0, 5, 21 * 60])
def test_labels_of_the_time_lie_apart_and_within_the_picture(hours: int, timezone: str, minute: int) -> None:
    of = window(hours, timezone, END.replace(hour=0) + timedelta(minutes=minute))
    findings = found(Episode(labels={"alertname": "A"}, start=of.start, end=of.end), of=of)
    line, counts = timeline(findings), rates(findings, None)
    assert line is not None
    assert counts is not None
    ticks = len(line.axis.ticks)
    for png in (drawing.draw_timeline(line), drawing.draw_rates(counts)):
        words = _words_below(png)
        assert max(0, ticks - 2) <= len(words) <= ticks
        assert all(last - first < 0.5 * 230 for first, last in words)
        assert words[0][0] >= 0.04 * 230
        assert words[-1][1] <= Picture.open(BytesIO(png)).width - 0.04 * 230


def _luminance(colour: str) -> float:
    parts = [value / 255 for value in _rgb(colour)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_letters_and_bars_stand_out_from_their_ground() -> None:
    for letters in (drawing.INK, drawing.FAINT, *drawing.COLOURS.values()):
        assert _contrast(letters, drawing.PAPER) >= 4.5
    for bars in drawing.COLOURS.values():
        assert _contrast(bars, drawing.TRACK) >= 3


def test_only_what_is_proven_is_drawn() -> None:
    blind = found(fired(1, 2), proven=False)
    assert illustrate(report_of(blind), blind, None) == report_of(blind)
    calm = found()
    assert illustrate(report_of(calm), calm, None) == report_of(calm)


def test_a_chart_that_cannot_be_drawn_costs_no_report(caplog: pytest.LogCaptureFixture) -> None:
    findings = found(fired(1, 2), of=window(24, "No/Zone"))
    assert illustrate(report_of(findings), findings, None) == report_of(findings)
    assert "could not be drawn" in caplog.text


def test_pictures_say_in_words_what_they_show() -> None:
    findings = found(*(fired(1, 2 + number, f"Rule{number}") for number in range(5)), fired(20, None, "Now"))
    before = found(fired(-5, -4), of=window(end=END - timedelta(days=1)))
    line, counts = illustrate(report_of(findings), findings, before).images
    assert line.alt == (
        "When alerts fired, worst first. Rule4: 1 firing, 5 h; Now: 1 firing, 4 h, fires now; "
        "Rule3: 1 firing, 4 h; and 3 more"
    )
    assert counts.alt == "Firings per hour: 6 in this window, 1 in the one before"


def test_without_a_plotting_library_a_line_of_text_stands_for_the_charts() -> None:
    script = """
import sys
class Without:
    def __init__(self, finder): self.finder = finder
    def find_spec(self, name, *more):
        return None if name.partition(".")[0] in ("matplotlib", "PIL") else self.finder.find_spec(name, *more)
sys.meta_path[:] = map(Without, sys.meta_path)
from datetime import UTC, datetime, timedelta
from watchbell.reports.charts import illustrate
from watchbell.reports.findings import find
from watchbell.reports.interface import *
from watchbell.tasks import Kind
end = datetime(2026, 11, 22, 9, tzinfo=UTC)
window = Window(start=end - timedelta(hours=24), end=end, timezone="UTC")
coverage = Coverage(source="told", status=CoverageStatus.OK, detail="")
episodes = tuple(Episode(labels={"alertname": "A"}, start=end - timedelta(hours=h), end=end) for h in (1, 1, 1, 5))
findings = find(window, [Evidence(coverage=coverage, episodes=episodes, covered_from=window.start)])
report = Report(title="", kind=Kind.DAILY_SUMMARY, window=window, verdict=Verdict.OK, reason="")
made = illustrate(report, findings, None)
assert made.images == ()
print(made.sections[0].title, *made.sections[0].lines, sep="|")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Firings per hour, in time|▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁")
    assert done.stdout.rstrip().endswith("in this window")


def test_a_line_of_text_fits_a_phone_and_any_firing_shows_in_it() -> None:
    episodes = [fired(1.2, 2)] + [fired(20.5, 21, name=f"Rule{number}") for number in range(500)]
    counts = rates(found(*episodes, of=window(72)), found(of=window(72, end=END - timedelta(hours=72))))
    assert counts is not None
    section = sparkline(counts)
    assert section.title == "Firings per hour, in time"
    now, before = (line.split(" ")[0] for line in section.lines)
    assert (len(now), before) == (36, "▁" * 36)
    assert (now.count("█"), now.count("▂"), now.count("▁")) == (1, 1, 34)


@pytest.mark.parametrize("kind", [Kind.DAILY_SUMMARY, Kind.WEEKLY_AUDIT, Kind.INCIDENT_WINDOW_REPLAY])
def test_kinds_about_alerts_have_charts_and_read_nothing_more_for_them(kind: Kind) -> None:
    def built(*, charts: bool) -> tuple[Report, int]:
        source = Told(episode(3, 4), episode(20, None))
        request = ReportRequest(task_id="t", name="", kind=kind, window=window(24, "Asia/Kolkata"), params={})
        report = BuiltinPipeline([source], charts=charts).build(request)
        return report, len(set(source.reads))

    plain, reads_without = built(charts=False)
    with_charts, reads_with = built(charts=True)
    assert (plain.images, reads_with) == ((), reads_without)
    assert [image.name for image in with_charts.images] == ["firing-timeline", "firings-over-time"]


def test_a_notice_has_no_charts() -> None:
    source = Told(episode(3, 4), status=CoverageStatus.FAILED, since=LONG_AGO)
    request = ReportRequest(task_id="t", name="", kind=Kind.DAILY_SUMMARY, window=window(), params={})
    assert BuiltinPipeline([source], charts=True).build(request).images == ()
