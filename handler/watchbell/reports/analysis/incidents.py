"""Alerts grouped into incidents, by overlap in time and common labels. It orders and groups; it claims no cause.

The rule: two alerts belong together when one begins while the other fires, or within five minutes after, and both have
the same name, or the same value of `service`, `job`, `namespace` or `instance`; an incident is whatever hangs together
so. An alert with none of these labels goes by its `cluster`, too. Alerts that fired through the whole window would tie
everything together, so they are grouped only among themselves.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from watchbell.errors import SourceError
from watchbell.reports.analysis import matchers
from watchbell.reports.findings import RuleKey, firing_seconds, is_urgent, rule_key
from watchbell.reports.interface import Episode, Silence, Window

GROUPING_LABELS = ("service", "job", "namespace", "instance")
NEAR = timedelta(minutes=5)
#: A longer stretch of an incident in which no alert began or ended is pointed out.
LONG_QUIET = timedelta(minutes=10)
#: An alert is usual noise when it fired at least so often in the time before …
USUAL_FIRINGS = 3
#: … and fires no more than so many times as often now.
USUAL_FACTOR = 2.0

Place = tuple[str, str]
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Episodes that hang together, oldest first; `recovered` is None while one of them still fires."""

    episodes: tuple[Episode, ...]
    first_symptom: datetime
    recovered: datetime | None
    peak: int  # most alerts that fired at one time within the window
    silences: tuple[Silence, ...]  # in force meanwhile, and matching one of its alerts
    quiet: tuple[Span, ...]  # stretches over LONG_QUIET between two of its signals; of one alert there are none
    firing_seconds: float  # of all its alerts together, within the window
    is_urgent: bool  # one of its alerts is
    fires_throughout: bool  # nothing of it began or ended in the window


def incidents(episodes: Iterable[Episode], silences: Sequence[Silence], window: Window) -> tuple[Incident, ...]:
    """Return the incidents of the window, the first symptom first."""
    ordered = sorted(episodes, key=_order)
    throughout = [one for one in ordered if _fires_throughout(one, window)]
    others = [one for one in ordered if not _fires_throughout(one, window)]
    found = [_incident(group, silences, window) for some in (others, throughout) for group in _groups(some)]
    return tuple(sorted(found, key=lambda one: (one.first_symptom, _order(one.episodes[0]))))


def weightiest_first(found: Iterable[Incident]) -> list[Incident]:
    """Return what still fires first, then what is urgent, then what fired longest; of equals the older one.

    What fired all through the window and is not urgent tells little of the window: it comes after what is urgent.
    """
    return sorted(found, key=_weight, reverse=True)


def _weight(one: Incident) -> tuple[bool, bool, float]:
    is_live = one.recovered is None and (one.is_urgent or not one.fires_throughout)
    return is_live, one.is_urgent, one.firing_seconds


def usual(now: Sequence[Episode], before: Sequence[Episode], ratio: float) -> set[RuleKey]:
    """Return the alert rules that fire at their usual rate; urgent ones never count as usual.

    `now` and `before` are episodes that began in the two stretches; `ratio` is the length of the first to the second.
    """
    firings, earlier = (Counter(rule_key(one.labels) for one in some) for some in (now, before))
    urgent = {rule_key(one.labels) for one in now if is_urgent(one.labels)}
    return {
        key
        for key, count in firings.items()
        if earlier[key] >= USUAL_FIRINGS and count <= USUAL_FACTOR * max(1.0, earlier[key] * ratio)
    } - urgent


def place(labels: Collection[Place]) -> set[Place]:
    """Return what an alert is grouped by: labels and their values."""
    known = dict(labels)
    found = {(name, known[name]) for name in GROUPING_LABELS if known.get(name)}
    if not found and known.get("cluster"):
        found = {("cluster", known["cluster"])}
    if not found or known.get("alertname"):
        found.add(("alertname", known.get("alertname", "")))
    return found


def _groups(episodes: Sequence[Episode]) -> list[list[Episode]]:
    """Return the connected components, one sweep over time for each place."""
    parent = list(range(len(episodes)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    open_until: dict[Place, tuple[datetime | None, int]] = {}
    for number, one in enumerate(episodes):
        for key in place(one.labels.items()):
            end, last = open_until.get(key, (None, -1))
            is_near = last >= 0 and (end is None or one.start <= end + NEAR)
            if is_near:
                parent[root(number)] = root(last)
            later = None if one.end is None or (is_near and end is None) else max(one.end, end or one.end)
            open_until[key] = (later, number)
    groups: dict[int, list[Episode]] = defaultdict(list)
    for number, one in enumerate(episodes):
        groups[root(number)].append(one)
    return list(groups.values())


def _incident(group: list[Episode], silences: Sequence[Silence], window: Window) -> Incident:
    first = min(one.active_at or one.start for one in group)
    ends = [one.end for one in group if one.end is not None and one.end < window.end]
    recovered = max(ends) if len(ends) == len(group) else None
    until = recovered or window.end
    in_force = [one for one in silences if one.start < until and one.end > first and _silences(one, group)]
    return Incident(
        episodes=tuple(group),
        first_symptom=first,
        recovered=recovered,
        peak=_peak(group, window),
        silences=tuple(in_force),
        quiet=_quiet(group) if len(group) > 1 else (),
        firing_seconds=sum(firing_seconds(one, window) for one in group),
        is_urgent=any(is_urgent(one.labels) for one in group),
        fires_throughout=all(_fires_throughout(one, window) for one in group),
    )


def _peak(group: Sequence[Episode], window: Window) -> int:
    """Return the most alerts at one time; one that ends as another begins is not counted with it."""
    steps = [(max(one.start, window.start), 1) for one in group]
    steps += [(one.end, -1) for one in group if one.end is not None]
    firing = peak = 0
    for _, step in sorted(steps):
        firing += step
        peak = max(peak, firing)
    return peak


def _quiet(group: Sequence[Episode]) -> tuple[Span, ...]:
    ordered = sorted({at for one in group for at in (one.active_at, one.start, one.end) if at is not None})
    return tuple((a, b) for a, b in pairwise(ordered) if b - a > LONG_QUIET)


def _silences(silence: Silence, group: Sequence[Episode]) -> bool:
    try:
        wanted = matchers.parse(silence.matchers)
    except SourceError:
        return True  # better one too many than one that is kept back
    return any(matchers.all_match(wanted, one.labels) for one in group)


def _fires_throughout(episode: Episode, window: Window) -> bool:
    return episode.start <= window.start and (episode.end is None or episode.end >= window.end)


def _order(episode: Episode) -> tuple[datetime, bool, list[tuple[str, str]]]:
    return episode.start, episode.end is None, sorted(episode.labels.items())
