"""What the charts show, in fractions of the window and in counts. Pure; how it looks is the drawing's business."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from itertools import pairwise
from zoneinfo import ZoneInfo

from watchbell.reports import wording
from watchbell.reports.findings import Findings, by_rule, is_urgent, rule_key
from watchbell.reports.interface import AlertSummary, Episode, Window

MOST_ROWS = 15
#: A timeline is drawn in so many columns; what is shorter than `_NARROWEST` of them would not be seen.
_COLUMNS = 1_000
_NARROWEST = 4

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: The longest window that is counted in steps of this length, and what a step is called.
_STEPS = (
    (3 * _HOUR, 10 * _MINUTE, "10 minutes"),
    (3 * _DAY, _HOUR, "hour"),
    (62 * _DAY, _DAY, "day"),
    (timedelta.max, 7 * _DAY, "week"),
)
_MOST_TICKS = 7
_BETWEEN_TICKS = (
    *(5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 61 * _DAY),
)


class Weight(Enum):
    """How much an alert asks for; the colour of its bars."""

    URGENT = auto()
    WARNING = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One alert rule: when it fired, as (start, end) fractions of the window."""

    name: str
    figures: str
    weight: Weight
    bars: tuple[tuple[float, float], ...]
    firing_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The time of a window: (fraction, text) of each tick, on the wall clock of its zone."""

    ticks: tuple[tuple[float, str], ...]
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One row for each alert rule, the longest firing time first; `more` are left out."""

    rows: tuple[Row, ...]
    more: int
    axis: Axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How many firings began in each step of the window, and of the one before where that is known.

    `widths` is the share of the window that each step takes: the last one may be cut short.
    """

    step: str
    counts: tuple[int, ...]
    previous: tuple[int, ...] | None
    widths: tuple[float, ...]
    axis: Axis

    @property
    def title(self) -> str:
        return f"Firings per {self.step}"


def timeline(findings: Findings) -> Timeline | None:
    """Return the timeline, or None when nothing fired."""
    if not findings.rules:
        return None
    episodes = by_rule(findings.episodes)
    shown = findings.rules[:MOST_ROWS]
    rows = tuple(
        _row(rule, episodes.get(rule_key({**rule.labels, "alertname": rule.alertname}), ()), findings.window)
        for rule in shown
    )
    return Timeline(rows=rows, more=len(findings.rules) - len(shown), axis=axis(findings.window))


def rates(findings: Findings, previous: Findings | None) -> Rates | None:
    """Return the counts, or None when nothing began in either window."""
    window = findings.window
    length = window.end - window.start
    step, name = next((step, name) for longest, step, name in _STEPS if length <= longest)
    number = -(-length // step)
    counts = _counts(findings.new, window.start, step, number)
    before = None
    if previous is not None and previous.is_proven:
        before = _counts(previous.new, previous.window.start, step, number)
    if not any(counts) and not any(before or ()):
        return None
    edges = [min(index * step, length) / length for index in range(number + 1)]
    widths = tuple(end - start for start, end in pairwise(edges))
    return Rates(step=name, counts=counts, previous=before, widths=widths, axis=axis(window))


def axis(window: Window) -> Axis:
    """Return at most seven ticks at round times of the window's wall clock."""
    zone = ZoneInfo(window.timezone)
    length = window.end - window.start
    between = next((one for one in _BETWEEN_TICKS if length / one <= _MOST_TICKS), _BETWEEN_TICKS[-1])
    local = window.start.astimezone(zone)
    # On the wall clock, so that ticks stay at midnight when the clocks change.
    wall = datetime(local.year, local.month, local.day)  # noqa: DTZ001
    ticks = []
    for _ in range(_MOST_TICKS + _DAY // min(between, _DAY) + 2):
        at = wall.replace(tzinfo=zone).astimezone(UTC)
        if window.start <= at <= window.end:
            ticks.append(((at - window.start) / length, _tick_text(wall, between)))
        wall += between
    return Axis(ticks=tuple(ticks), timezone=window.timezone)


def _tick_text(wall: datetime, between: timedelta) -> str:
    return f"{wall:%H:%M}" if between < _DAY and (wall.hour or wall.minute) else f"{wall:%d %b}"


def _row(rule: AlertSummary, episodes: Sequence[Episode], window: Window) -> Row:
    severity, team = (wording.shortened(rule.labels.get(label, "")) for label in ("severity", "team"))
    name = wording.shortened(rule.alertname or "(no alertname)")
    firing = wording.duration(rule.firing_seconds)
    weight = Weight.WARNING if severity.lower() == "warning" else Weight.OTHER
    return Row(
        name=" ".join(filter(None, (name, severity and f"({severity})", team))),
        figures=f"{wording.many(rule.firings, 'firing')}, {firing}" if rule.firings else firing,
        weight=Weight.URGENT if is_urgent(rule.labels) else weight,
        bars=_bars(episodes, window),
        firing_now=rule.firing_now,
    )


def _bars(episodes: Iterable[Episode], window: Window) -> tuple[tuple[float, float], ...]:
    """Return where the rule fired, as far as a picture can tell: what touches in it is one bar."""
    spans = sorted(_span(episode, window) for episode in episodes)
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple((start / _COLUMNS, end / _COLUMNS) for start, end in joined)


def _span(episode: Episode, window: Window) -> tuple[int, int]:
    length = window.end - window.start
    ended = window.end if episode.end is None else min(episode.end, window.end)
    start = int(_COLUMNS * ((max(episode.start, window.start) - window.start) / length))
    end = -int(-_COLUMNS * ((ended - window.start) / length) // 1)
    start = min(start, _COLUMNS - _NARROWEST)
    return start, max(end, start + _NARROWEST)


def _counts(episodes: Iterable[Episode], start: datetime, step: timedelta, number: int) -> tuple[int, ...]:
    counts = [0] * number
    for episode in episodes:
        counts[min((episode.start - start) // step, number - 1)] += 1
    return tuple(counts)
