"""From evidence to facts with numbers. Pure: no reading, no clock, no text beyond the reason of the verdict.

Windows are half open, so that an episode is counted once over windows that tile the time:
new        it began in [start, end)
resolved   it ended in [start, end)
still      it began before end, and had not ended before it
Hence still firing at the start + new - resolved = still firing at the end.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from watchbell.reports.interface import (
    AlertRule,
    AlertSummary,
    Coverage,
    CoverageStatus,
    Episode,
    Event,
    Evidence,
    Silence,
    Verdict,
    Window,
)
from watchbell.reports.wording import many

#: An alert whose `severity` label is one of these, in any case, makes a window DEGRADED while it fires.
URGENT_SEVERITIES = ("critical", "page")

NO_SOURCE = "no source is configured, so nothing was looked at"
NO_HISTORY = "no source keeps a history, so alerts that came and went are not known"

LabelKey = tuple[tuple[str, str], ...]
RuleKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What happened in one window. `problems` are why it cannot be vouched for; none means full proof."""

    window: Window
    coverage: tuple[Coverage, ...]
    episodes: tuple[Episode, ...]
    new: tuple[Episode, ...]
    resolved: tuple[Episode, ...]
    still_firing: tuple[Episode, ...]  # oldest first
    rules: tuple[AlertSummary, ...]  # longest firing time first
    silences: tuple[Silence, ...]  # the first to end comes first
    alert_rules: tuple[AlertRule, ...]  # of all sources, as they stand now, by name
    events: tuple[Event, ...]  # oldest first
    problems: tuple[str, ...]  # the worst first
    is_past: bool  # whether all that is not known is over, so that no source can tell of it any more

    @property
    def is_proven(self) -> bool:
        return not self.problems

    @property
    def problem(self) -> str:
        """The worst problem in one line, with how many more there are."""
        more = f" (and {many(len(self.problems) - 1, 'more problem')})" if len(self.problems) > 1 else ""
        return self.problems[0] + more if self.problems else ""

    @property
    def source_error(self) -> str | None:
        """All problems, for the ledger."""
        return "; ".join(self.problems) or None


def find(window: Window, evidence: Sequence[Evidence]) -> Findings:
    """Return the facts of `window`, each episode counted once however many sources saw it."""
    touching = [e for e in merge_episodes(evidence) if e.start < window.end and not ended_before(e, window.start)]
    return Findings(
        window=window,
        coverage=tuple(one.coverage for one in evidence),
        episodes=tuple(touching),
        new=tuple(e for e in touching if e.start >= window.start),
        resolved=tuple(e for e in touching if ended_before(e, window.end)),
        still_firing=tuple(e for e in touching if not ended_before(e, window.end)),
        rules=summarise_rules(touching, window),
        silences=_unique_silences(evidence),
        alert_rules=_unique_rules(evidence),
        events=tuple(sorted((e for one in evidence for e in one.events), key=lambda e: (e.at, e.source, e.text))),
        problems=problems_of(window, evidence),
        is_past=_is_past(window, evidence),
    )


def problems_of(window: Window, evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """Return why the evidence is no proof of what happened in the window, naming each source; empty when it is."""
    if not evidence:
        return (NO_SOURCE,)
    problems = tuple(
        f"{one.coverage.source}: {one.coverage.detail}"
        for status in (CoverageStatus.FAILED, CoverageStatus.UNPROVEN)
        for one in evidence
        if one.coverage.required and one.coverage.status is status
    )
    if not problems and not any(_covers(one, window) for one in evidence):
        return (NO_HISTORY,)
    return problems


def _is_past(window: Window, evidence: Sequence[Evidence]) -> bool:
    """Say whether each source that is no proof is one only of an earlier part of the window, and watches again."""
    ill = [one for one in evidence if one.coverage.required and one.coverage.status is not CoverageStatus.OK]
    return bool(ill) and all(
        one.coverage.status is CoverageStatus.UNPROVEN
        and one.covered_from is not None
        and window.start < one.covered_from < window.end
        for one in ill
    )


def judge(findings: Findings, *, doubt: str = "") -> tuple[Verdict, str]:
    """Return the verdict and the line of reason behind it; `doubt` stands before the problem where there is one."""
    seen = fired(findings)
    if not findings.is_proven:
        return Verdict.UNKNOWN, reason_of_unknown(seen, doubt + findings.problem)
    if any(is_urgent(episode.labels) for episode in findings.still_firing):
        return Verdict.DEGRADED, seen
    if findings.still_firing:
        return Verdict.ATTENTION, seen
    if seen:
        return Verdict.ATTENTION, f"{seen}, none fires now"
    return Verdict.OK, "no incidents"


def fired(findings: Findings) -> str:
    """Return `2 alerts firing, 1 of them urgent` or `3 alerts fired`, which needs no proof; nothing where none did."""
    if findings.still_firing:
        urgent = sum(is_urgent(episode.labels) for episode in findings.still_firing)
        firing = f"{many(len(findings.still_firing), 'alert')} firing"
        return f"{firing}, {urgent} of them urgent" if urgent else firing
    return f"{many(len(findings.episodes), 'alert')} fired" if findings.new or findings.resolved else ""


def reason_of_unknown(seen: str, problem: str) -> str:
    """Return why it is not known, behind what was seen all the same: that something is wrong needs no proof."""
    return f"{seen}; for the rest {problem}" if seen else problem


def is_urgent(labels: Mapping[str, str]) -> bool:
    """Say whether the labels ask for someone at once."""
    return labels.get("severity", "").lower() in URGENT_SEVERITIES


def firing_seconds(episode: Episode, window: Window) -> float:
    """Return how long the episode fired inside the window."""
    end = window.end if episode.end is None else min(episode.end, window.end)
    return max(0.0, (end - max(episode.start, window.start)).total_seconds())


def rule_key(labels: Mapping[str, str]) -> RuleKey:
    """Return what tells alert rules apart: one name often stands for two severities, or for two teams."""
    return labels.get("alertname", ""), labels.get("team", ""), labels.get("severity", "")


def by_rule(episodes: Iterable[Episode]) -> dict[RuleKey, list[Episode]]:
    """Return the episodes of each alert rule, in the order given."""
    groups: dict[RuleKey, list[Episode]] = defaultdict(list)
    for episode in episodes:
        groups[rule_key(episode.labels)].append(episode)
    return groups


def summarise_rules(episodes: Iterable[Episode], window: Window) -> tuple[AlertSummary, ...]:
    """Return one summary for each alert rule, the longest firing time first."""
    summaries = [_summary(key[0], group, window) for key, group in by_rule(episodes).items()]
    return tuple(
        sorted(summaries, key=lambda s: (-s.firing_seconds, -s.firings, s.alertname, sorted(s.labels.items())))
    )


def _summary(alertname: str, episodes: list[Episode], window: Window) -> AlertSummary:
    common = set(episodes[0].labels.items()).intersection(*(episode.labels.items() for episode in episodes))
    return AlertSummary(
        alertname=alertname,
        labels=dict(sorted(common)),
        firings=sum(window.start <= episode.start < window.end for episode in episodes),
        firing_seconds=sum(firing_seconds(episode, window) for episode in episodes),
        firing_now=any(not ended_before(episode, window.end) for episode in episodes),
    )


def merge_episodes(evidence: Sequence[Evidence]) -> tuple[Episode, ...]:
    """Return the episodes of all sources, each once, oldest first, whatever the order of the sources.

    Two sources see one alert when the labels of one are part of the other's (Prometheus adds `external_labels` on
    the way to Alertmanager) and their times overlap.
    """
    by_source = [[(_key(episode.labels), episode) for episode in one.episodes] for one in evidence]
    names = _canonical_labels([{key for key, _ in episodes} for episodes in by_source])
    groups: dict[LabelKey, list[list[Episode]]] = defaultdict(list)
    for episodes in by_source:
        own: dict[LabelKey, list[Episode]] = defaultdict(list)
        for key, episode in episodes:
            name = names[key]
            own[name].append(episode if name == key else replace(episode, labels=dict(name)))
        for name, group in own.items():
            groups[name].append(_join_overlapping(group))
    merged = [(name, episode) for name, group in groups.items() for episode in _merge_sources(group)]
    return tuple(episode for _, episode in sorted(merged, key=lambda one: (*_order(one[1]), one[0])))


def _canonical_labels(by_source: list[set[LabelKey]]) -> dict[LabelKey, LabelKey]:
    """Map each label set to the smallest one that stands for it: the largest part of it that another source has."""
    homes: dict[LabelKey, set[int]] = defaultdict(set)
    namesakes: dict[str, list[LabelKey]] = defaultdict(list)
    for number, keys in enumerate(by_source):
        for key in keys:
            if key not in homes:
                namesakes[dict(key).get("alertname", "")].append(key)
            homes[key].add(number)
    if sum(map(bool, by_source)) < 2:
        return {key: key for key in homes}
    parts: dict[LabelKey, LabelKey] = {}
    for alike in namesakes.values():
        for key in alike:
            others = [k for k in alike if len(k) < len(key) and homes[k].isdisjoint(homes[key])]
            smaller = [k for k in others if set(k) < set(key)]
            parts[key] = max(smaller, key=lambda k: (len(k), k), default=key)
    return {key: _follow(parts, key) for key in parts}


def _follow(parts: Mapping[LabelKey, LabelKey], key: LabelKey) -> LabelKey:
    while parts[key] != key:
        key = parts[key]
    return key


def _merge_sources(sources: list[list[Episode]]) -> list[Episode]:
    """Merge what several sources say of one alert; where they differ in detail, the finer account wins."""
    if len(sources) == 1:
        return sources[0]
    merged = []
    for joint in _join_overlapping([episode for episodes in sources for episode in episodes]):
        accounts = [[e for e in episodes if _belongs(e, joint)] for episodes in sources]
        finest = max(accounts, key=lambda account: (len(account), [_order(e) for e in account]))
        told = [replace(episode, annotations=episode.annotations or joint.annotations) for episode in finest]
        told[0] = replace(told[0], start=joint.start, active_at=joint.active_at)
        told[-1] = replace(told[-1], end=joint.end)
        merged += told
    return merged


def _join_overlapping(episodes: list[Episode]) -> list[Episode]:
    joined: list[Episode] = []
    for episode in sorted(episodes, key=_order):
        if joined and _belongs(episode, joined[-1]):
            last = joined[-1]
            end = None if last.end is None or episode.end is None else max(last.end, episode.end)
            active_at = min(filter(None, (last.active_at, episode.active_at)), default=None)
            annotations = last.annotations or episode.annotations
            joined[-1] = replace(last, end=end, annotations=annotations, active_at=active_at)
        else:
            joined.append(episode)
    return joined


def _belongs(episode: Episode, joint: Episode) -> bool:
    """Say whether the episode, not older than the joint one, begins within it; touching is not overlapping."""
    if episode.start == joint.start:
        return True
    return joint.start < episode.start and (joint.end is None or episode.start < joint.end)


def ended_before(episode: Episode, instant: datetime) -> bool:
    """Say whether the episode was over by then; one that ends at the instant fired until it."""
    return episode.end is not None and episode.end < instant


def _covers(evidence: Evidence, window: Window) -> bool:
    is_ok = evidence.coverage.status is CoverageStatus.OK
    return is_ok and evidence.covered_from is not None and evidence.covered_from <= window.start


def _unique_silences(evidence: Sequence[Evidence]) -> tuple[Silence, ...]:
    silences = {silence.id: silence for one in evidence for silence in one.silences}
    return tuple(sorted(silences.values(), key=lambda silence: (silence.end, silence.id)))


def _unique_rules(evidence: Sequence[Evidence]) -> tuple[AlertRule, ...]:
    """Two servers of a pair have the same rules."""
    rules = {_rule_order(rule): rule for one in evidence for rule in one.rules}
    return tuple(rules[key] for key in sorted(rules))


def _rule_order(rule: AlertRule) -> tuple[str, str, LabelKey, LabelKey, float, float, str, str]:
    labels, annotations = _key(rule.labels), _key(rule.annotations)
    lengths = rule.for_seconds, rule.keep_firing_seconds
    return rule.name, rule.group, labels, annotations, *lengths, rule.health, rule.last_error


def _key(labels: Mapping[str, str]) -> LabelKey:
    return tuple(sorted(labels.items()))


def _order(episode: Episode) -> tuple[datetime, bool, datetime, datetime, LabelKey]:
    """Order episodes of equal labels."""
    active_at = episode.active_at or episode.start
    return episode.start, episode.end is None, episode.end or episode.start, active_at, _key(episode.annotations)
