"""From raw samples of ALERTS and ALERTS_FOR_STATE to episodes. Pure; fetching samples is prometheus.py's business.

The value of ALERTS_FOR_STATE is the time at which the alert became active. It is written at each evaluation beside
ALERTS, so firing samples with the same value are one episode, whatever holes lie between them, and a new value is a
new episode, however close, unless the server was restarted in between. An episode lasts from its first firing sample
to one evaluation after its last.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, pairwise
from operator import itemgetter
from statistics import median
from typing import NamedTuple

from watchbell.instants import epoch_seconds, from_epoch_seconds
from watchbell.reports.interface import Episode

DEFAULT_INTERVAL_SECONDS = 60.0
NOT_LABELS = ("__name__", "alertstate")
#: This many distances between samples of one alert name are enough to know how often its rule is evaluated.
SPACINGS_SEEN = 200
#: As long as Alertmanager takes an alert without news for still firing (`resolve_timeout`).
LONGEST_RESTART_SECONDS = 300.0
#: A process's start time is told this much too early: Linux counts it from its boot time in whole seconds.
START_SECONDS_EARLY = 1.0
LabelKey = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFacts:
    """What the rules API says of all rules with one alert name."""

    interval_seconds: float
    hold_seconds: float
    last_evaluation: float | None


class Samples(NamedTuple):
    """The samples of one series in the order of time: Unix seconds, and the values beside them as texts."""

    labels: Mapping[str, str]
    times: Sequence[float]
    values: Sequence[str]


@dataclass(slots=True)
class _Run:
    """Firing samples of one alert that belong together."""

    active_at: float | None
    first: float
    last: float
    since: float | None = None  # the value of the first of them, where a restart changed it


@dataclass(slots=True)
class AlertHistory:
    """Takes in samples, chunk after chunk in the order of time, and keeps only the bounds of each episode."""

    rules: Mapping[str, RuleFacts] = field(default_factory=dict)
    restarts: Sequence[float] = ()  # when the server was started, oldest first
    _keys: dict[LabelKey, LabelKey] = field(default_factory=dict)
    _runs: dict[LabelKey, list[_Run]] = field(default_factory=lambda: defaultdict(list))
    _spacing: dict[str, Counter[float]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, series: Iterable[Samples]) -> None:
        """Take in the series of one chunk; samples already known from the chunk before count once."""
        firing: dict[LabelKey, Sequence[float]] = {}
        states: dict[LabelKey, list[_Run]] = {}
        for one in series:
            key = self._key(one.labels)
            if one.labels["__name__"] == "ALERTS_FOR_STATE":
                states[key] = _stretches(one)
            else:
                firing[key] = one.times
        for key, times in firing.items():
            runs = self._runs[key]
            times = times[bisect_right(times, runs[-1].last) :] if runs else times
            if times:
                self._extend(key, runs, times, states.get(key, []))

    def _key(self, labels: Mapping[str, str]) -> LabelKey:
        """Return the labels of the alert itself; each chunk has the same ones again."""
        items = tuple(labels.items())
        if (known := self._keys.get(items)) is None:
            known = tuple(sorted((name, str(value)) for name, value in items if name not in NOT_LABELS))
            self._keys[items] = known
        return known

    def _extend(self, key: LabelKey, runs: list[_Run], times: Sequence[float], states: list[_Run]) -> None:
        alertname = dict(key).get("alertname", "")
        found = _firing(times, states)
        if found is None:  # some samples have no state beside them: each has to be looked at
            found = [_Run(_state_at(at, states), float(at), float(at)) for at in times]
        self._learn_spacing(alertname, times, found)
        rule = self.rules.get(alertname)
        nearness = 2.5 * max(rule.interval_seconds if rule else 0.0, DEFAULT_INTERVAL_SECONDS)
        for new in found:
            run = runs[-1] if runs else None
            if run and (_is_same(run, new, nearness) or self._is_restart_between(run.last, new.first)):
                self._spacing[alertname][round(new.first - run.last, 3)] += 1
                run.since = run.active_at if run.since is None else run.since
                run.last = new.last
                run.active_at = run.active_at if new.active_at is None else new.active_at
            else:
                runs.append(new)

    def _is_restart_between(self, before: float, after: float) -> bool:
        """Say whether a new value means only that the server forgot the old one, as it does for a short `for`."""
        index = bisect_right(self.restarts, before - START_SECONDS_EARLY)
        return index < len(self.restarts) and self.restarts[index] <= after <= before + LONGEST_RESTART_SECONDS

    def _learn_spacing(self, alertname: str, times: Sequence[float], runs: list[_Run]) -> None:
        spacing = self._spacing[alertname]
        for run in runs:
            if spacing.total() >= SPACINGS_SEEN:
                return
            inside = times[bisect_left(times, run.first) : bisect_right(times, run.last)]
            spacing.update(round(after - before, 3) for before, after in pairwise(inside))

    def episodes(
        self,
        start: datetime,
        end: datetime,
        *,
        read_from: datetime,
        without_labels: Collection[str] = (),
    ) -> tuple[Episode, ...]:
        """Return the episodes that touch [start, end); samples were read from `read_from` on."""
        found: list[tuple[datetime, list[tuple[str, str]], Episode]] = []
        first, last = epoch_seconds(read_from), epoch_seconds(end)
        for key, runs in self._runs.items():
            alertname = dict(key).get("alertname", "")
            interval = self._interval(alertname)
            labels = {name: value for name, value in key if name not in without_labels}
            order = sorted(labels.items())
            for run in runs:
                begin, over = _bounds(run, interval, self.rules.get(alertname), first, last)
                if begin < end and (over is None or over >= start):
                    since = run.active_at if run.since is None else run.since
                    active_at = None if since is None else min(begin, from_epoch_seconds(since))
                    found.append((begin, order, Episode(labels=labels, start=begin, end=over, active_at=active_at)))
        return tuple(episode for _, _, episode in sorted(found, key=itemgetter(0, 1)))

    def _interval(self, alertname: str) -> float:
        """How far apart evaluations are: as the samples show, else as the rule says, else as other alerts show."""
        if spacing := self._spacing.get(alertname):
            return min(spacing, key=lambda seconds: (-spacing[seconds], seconds))
        if alertname in self.rules:
            return self.rules[alertname].interval_seconds
        others = [seconds for counter in self._spacing.values() for seconds in counter.elements()]
        return median(others) if others else DEFAULT_INTERVAL_SECONDS


def _stretches(state: Samples) -> list[_Run]:
    """Return the stretches of ALERTS_FOR_STATE samples that follow each other with one value, pending ones too."""
    found, first = [], 0
    for value, same in groupby(state.values):
        after = first + len(list(same))
        found.append(_Run(float(value), float(state.times[first]), float(state.times[after - 1])))
        first = after
    return found


def _firing(times: Sequence[float], states: list[_Run]) -> list[_Run] | None:
    """Return each stretch as far as it was firing, looking at its bounds only; None where a sample is in none."""
    found, done = [], 0
    for state in states:
        first = bisect_left(times, state.first, done)
        if first != done:
            return None
        done = bisect_right(times, state.last, first)
        if done > first:
            found.append(_Run(state.active_at, float(times[first]), float(times[done - 1])))
    return found if done == len(times) else None


def _state_at(at: float, states: list[_Run]) -> float | None:
    return next((state.active_at for state in states if state.first <= at <= state.last), None)


def _is_same(run: _Run, new: _Run, nearness: float) -> bool:
    if new.active_at is None or run.active_at is None:
        return new.first - run.last <= nearness  # without ALERTS_FOR_STATE only nearness can tell
    return new.active_at == run.active_at


def _bounds(
    run: _Run, interval: float, rule: RuleFacts | None, read_from: float, end: float
) -> tuple[datetime, datetime | None]:
    begin = run.first
    was_cut = run.first - read_from <= 1.5 * interval
    since = run.active_at if run.since is None else run.since
    if was_cut and since is not None:
        # It fired before the first sample read: since it became active plus the rule's `for`.
        begin = min(run.first, since + (rule.hold_seconds if rule else 0.0))
    over = run.last + interval
    # Not over before an evaluation that no longer had it has been completed, and so is readable.
    known = rule is None or rule.last_evaluation is None or rule.last_evaluation > run.last + interval / 2
    is_over = over < end and known
    return from_epoch_seconds(begin), from_epoch_seconds(over) if is_over else None


def holes(times: Iterable[float], start: float, end: float, max_gap_seconds: float) -> list[tuple[float, float]]:
    """Return the stretches of [start, end) longer than `max_gap_seconds` in which no sample lies."""
    inside = [start, *sorted(at for at in times if start < at < end), end]
    return [(before, after) for before, after in pairwise(inside) if after - before > max_gap_seconds]
