"""From raw samples of ALERTS and ALERTS_FOR_STATE to episodes. Pure; fetching samples is prometheus.py's business.

The value of ALERTS_FOR_STATE is the time at which the alert became active. It is written at each evaluation beside
ALERTS, so firing samples with the same value are one episode, whatever holes lie between them, and a new value is a
new episode, however close. An episode lasts from its first firing sample to one evaluation after its last.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any

from watchbell.instants import epoch_seconds, from_epoch_seconds
from watchbell.reports.interface import Episode

DEFAULT_INTERVAL_SECONDS = 60.0
NOT_LABELS = ("__name__", "alertstate")
LabelKey = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFacts:
    """What the rules API says of all rules with one alert name."""

    interval_seconds: float
    hold_seconds: float
    last_evaluation: float | None


@dataclass(slots=True)
class _Run:
    """Firing samples of one alert that belong together."""

    active_at: float | None
    first: float
    last: float


@dataclass(slots=True)
class AlertHistory:
    """Takes in samples, chunk after chunk in the order of time, and keeps only the bounds of each episode."""

    rules: Mapping[str, RuleFacts] = field(default_factory=dict)
    _runs: dict[LabelKey, list[_Run]] = field(default_factory=lambda: defaultdict(list))
    _spacing: dict[str, Counter[float]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, series: Iterable[Mapping[str, Any]]) -> None:
        """Take in the series of one chunk; samples already known from the chunk before count once."""
        firing: dict[LabelKey, list[float]] = {}
        active_at: dict[LabelKey, dict[float, float]] = {}
        for one in series:
            labels = one["metric"]
            key = tuple(sorted((name, str(value)) for name, value in labels.items() if name not in NOT_LABELS))
            if labels["__name__"] == "ALERTS_FOR_STATE":
                active_at[key] = {float(at): float(value) for at, value in one["values"]}
            else:
                firing[key] = [float(at) for at, _ in one["values"]]
        for key, times in firing.items():
            self._extend(key, times, active_at.get(key, {}))

    def _extend(self, key: LabelKey, times: list[float], active_at: Mapping[float, float]) -> None:
        runs = self._runs[key]
        alertname = dict(key).get("alertname", "")
        spacing = self._spacing[alertname]
        rule = self.rules.get(alertname)
        nearness = 2.5 * max(rule.interval_seconds if rule else 0.0, DEFAULT_INTERVAL_SECONDS)
        for at in times:
            run = runs[-1] if runs else None
            active = active_at.get(at)
            if run and at <= run.last:
                continue
            if run and _is_same(run, at, active, nearness):
                spacing[round(at - run.last, 3)] += 1
                run.last = at
                run.active_at = run.active_at if active is None else active
            else:
                runs.append(_Run(active, at, at))

    def episodes(
        self,
        start: datetime,
        end: datetime,
        *,
        read_from: datetime,
        without_labels: Collection[str] = (),
    ) -> tuple[Episode, ...]:
        """Return the episodes that touch [start, end); samples were read from `read_from` on."""
        found: list[Episode] = []
        for key, runs in self._runs.items():
            alertname = dict(key).get("alertname", "")
            interval = self._interval(alertname)
            labels = {name: value for name, value in key if name not in without_labels}
            for run in runs:
                begin, over = _bounds(
                    run, interval, self.rules.get(alertname), epoch_seconds(read_from), epoch_seconds(end)
                )
                if begin < end and (over is None or over >= start):
                    active_at = None if run.active_at is None else min(begin, from_epoch_seconds(run.active_at))
                    found.append(Episode(labels=labels, start=begin, end=over, active_at=active_at))
        return tuple(sorted(found, key=lambda episode: (episode.start, sorted(episode.labels.items()))))

    def _interval(self, alertname: str) -> float:
        """How far apart evaluations are: as the samples show, else as the rule says, else as other alerts show."""
        if spacing := self._spacing.get(alertname):
            return min(spacing, key=lambda seconds: (-spacing[seconds], seconds))
        if alertname in self.rules:
            return self.rules[alertname].interval_seconds
        others = [seconds for counter in self._spacing.values() for seconds in counter.elements()]
        return median(others) if others else DEFAULT_INTERVAL_SECONDS


def _is_same(run: _Run, at: float, active: float | None, nearness: float) -> bool:
    if active is None or run.active_at is None:
        return at - run.last <= nearness  # without ALERTS_FOR_STATE only nearness can tell
    return active == run.active_at


def _bounds(
    run: _Run, interval: float, rule: RuleFacts | None, read_from: float, end: float
) -> tuple[datetime, datetime | None]:
    begin = run.first
    was_cut = run.first - read_from <= 1.5 * interval
    if was_cut and run.active_at is not None:
        # It fired before the first sample read: since it became active plus the rule's `for`.
        begin = min(run.first, run.active_at + (rule.hold_seconds if rule else 0.0))
    over = run.last + interval
    # Not over before an evaluation that no longer had it has been completed, and so is readable.
    known = rule is None or rule.last_evaluation is None or rule.last_evaluation > run.last + interval / 2
    is_over = over < end and known
    return from_epoch_seconds(begin), from_epoch_seconds(over) if is_over else None


def holes(times: Iterable[float], start: float, end: float, max_gap_seconds: float) -> list[tuple[float, float]]:
    """Return the stretches of [start, end) longer than `max_gap_seconds` in which no sample lies."""
    inside = [start, *sorted(at for at in times if start < at < end), end]
    return [(before, after) for before, after in pairwise(inside) if after - before > max_gap_seconds]
