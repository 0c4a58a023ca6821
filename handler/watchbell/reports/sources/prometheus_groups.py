"""What became of the groups of rules over a window: when they failed or were missing, and when there were none at all.

Prometheus tells it of itself, where it is scraped, and others that are scraped too tell the same of themselves. Which
groups are whose is known by their names: a server is ours that has groups of today's rules, and one that evaluates now
what is in no rule of ours is another. What our own server had and has no longer counts: it may have been renamed.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Any

from watchbell.instants import epoch_seconds
from watchbell.reports.sources.prometheus_api import Session
from watchbell.reports.sources.prometheus_rules import Group
from watchbell.reports.sources.prometheus_steps import Stretch, first_step, stretches

STEP = timedelta(minutes=4)
#: So often a window, and what was before it, is looked at to know who had which groups: all of them every four minutes
#: would be too much.
GLANCES = 96
LOOK_BACK = timedelta(days=1)
#: A minute more than a step: the samples before and after a failure have to be within one range. Much more would make
#: one long failure of two short ones.
FAILURES = " or ".join(
    f"increase({counter}[5m]) > 0"
    for counter in ("prometheus_rule_evaluation_failures_total", "prometheus_rule_group_iterations_missed_total")
)
#: Rules that were loaded just now may not be in its samples yet: then a time without them has only just ended.
LOADED_BEFORE = timedelta(minutes=10)
ITERATIONS = "prometheus_rule_group_iterations_total"
INTERVAL = 'max(prometheus_rule_group_interval_seconds{{rule_group="{group}"}})'
#: Who runs: what is left of the labels without the version. While one starts it has no rules yet, and does not watch:
#: the other of a pair sees that, and its own samples have a hole.
RUNNING = (
    "count without (branch, goarch, goos, goversion, revision, tags, version) (prometheus_build_info{instances}) "
    "unless prometheus_config_last_reload_success_timestamp_seconds == 0"
)
WITHOUT_RULES = f"({RUNNING}) unless count without (rule_group) ({ITERATIONS}{{groups}})"

Server = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A group that failed, or missed its turns, over a stretch; `lasted` is about how long, in seconds."""

    group: str
    stretch: Stretch
    lasted: float
    since: str  # what became of the group


@dataclass(slots=True)
class Groups:
    """The groups of today's rules, and the servers that have them."""

    today: Mapping[str, Group]
    ours: set[Server]
    others: set[Server]
    seen: Mapping[Server, Mapping[str, set[float]]]  # when which group was there, at a glance now and then

    @classmethod
    def read(
        cls, session: Session, start: datetime, end: datetime, now: datetime, today: Mapping[str, Group]
    ) -> "Groups":
        """Ask who had which groups from before `start` until now; raises SourceError, and what strange shapes raise."""
        since, until = start - min(LOOK_BACK, end - start), max(end, now)
        step = max(STEP, timedelta(seconds=ceil((until - since).total_seconds() / GLANCES)))
        seen: dict[Server, dict[str, set[float]]] = defaultdict(lambda: defaultdict(set))
        for series in session.points(ITERATIONS, first_step(since, until, step), until, step):
            for one in series:
                seen[_server(one)][_group(one)].update(float(at) for at, _ in one["values"])
        latest = epoch_seconds(until - step / 2)
        alive = {
            server: {group for group, times in groups.items() if max(times) > latest} for server, groups in seen.items()
        }
        alerting = {name for name, group in today.items() if group.has_alerts}
        ours = {server for server, groups in seen.items() if groups.keys() & alerting}
        strangers = {server for server in seen if alive[server] - today.keys()}
        # Right after a change of rules its last samples are of the old ones, and make it look like a stranger.
        if not any(alive[server] for server in ours - strangers):
            strangers -= ours
        return cls(today, ours - strangers, strangers, seen)

    def failures(self, session: Session, start: datetime, end: datetime) -> list[Failure]:
        """Return when groups of ours failed or missed their turn, as seen every four minutes."""
        found: dict[str, list[float]] = defaultdict(list)
        for series in session.points(FAILURES, first_step(start, end, STEP), end, STEP):
            for one in series:
                if self._counts(_group(one), _server(one)):
                    found[_group(one)] += [float(at) for at, _ in one["values"]]
        failures = [
            one
            for group, times in sorted(found.items())
            for one in self._joined(group, times, self._interval(session, group, min(times)), epoch_seconds(end))
        ]
        return [one for one in failures if one.stretch[1] > epoch_seconds(start)]

    def without_alerting(self, session: Session, start: datetime, end: datetime) -> list[tuple[str, Stretch]]:
        """Return who of ours ran and evaluated no group that may alert, and when, as seen every four minutes.

        Where another program evaluates the rules (a ruler beside the store), nobody tells of rules at any time. What
        is evaluated no longer counts as a group that alerts: nobody knows any more that it did not. Who is without to
        the end is not who was asked, or tells no more of its rules, for today's are evaluated.
        """
        if not self.ours:
            return []
        instances = sorted({dict(server).get("instance", "") for server in self.ours})
        question = WITHOUT_RULES.format(
            instances=f'{{instance=~"{_any_of(instances)}"}}',
            groups=f'{{rule_group!~"[^;]*;({_any_of(self.recording)})"}}' if self.recording else "",
        )
        times: dict[Server, list[float]] = defaultdict(list)
        for series in session.points(question, first_step(start, end, STEP), end, STEP):
            for one in series:
                if (server := _server(one)) in self.ours:
                    times[server] += [float(at) for at, _ in one["values"]]
        distance, last = 1.5 * STEP.total_seconds(), epoch_seconds(end)
        found = [(server, one) for server, told in sorted(times.items()) for one in stretches(told, distance)]
        to_the_end = [(server, one) for server, one in found if self._tells_no_more(server, one, last)]
        # (Thanos does not tell since when: it has the rules of several, and none of one that lost its own.)
        if to_the_end and (loaded := session.loaded()) and loaded <= end - LOADED_BEFORE:
            found = [one for one in found if one not in to_the_end]
        return [(self._who(server), stretch) for server, stretch in found]

    def _tells_no_more(self, server: Server, stretch: Stretch, end: float) -> bool:
        """Say whether a stretch without rules lasts to the end of the window, and nothing tells that it ever ended."""
        recording = set(self.recording)
        had = (times for group, times in self.seen[server].items() if _bare(group) not in recording)
        return stretch[1] > end - STEP.total_seconds() and max(set().union(*had)) <= stretch[0]

    def _who(self, server: Server) -> str:
        """Return by what a server is told from the others of ours: all labels that differ."""
        if len(self.ours) == 1:
            return "it"
        shared = set.intersection(*(set(one) for one in self.ours))
        return " ".join(text for label, text in server if (label, text) not in shared) or "it"

    def missing(self, start: datetime, end: datetime, longest: float) -> list[tuple[str, Stretch]]:
        """Return which groups of today were missing, and are back, while the same server evaluated others, and when.

        What is missing at a single glance may have been so for a moment only. A group goes by its name without the
        file. One that was never there before is new, and one that has not come back was removed.
        """
        first, last = epoch_seconds(start), epoch_seconds(end)
        found: set[tuple[str, Stretch]] = set()
        for server in self.ours:
            there: dict[str, set[float]] = defaultdict(set)
            for name, times in self.seen[server].items():
                there[_bare(name)] |= times
            glances = sorted(set().union(*there.values()))
            for group in {_bare(name) for name, one in self.today.items() if one.matters} & there.keys():
                for before, after in pairwise(sorted(there[group])):
                    without = glances[bisect_right(glances, before) : bisect_left(glances, after)]
                    if without and without[-1] - without[0] > longest and before < last and after > first:
                        found.add((group, (max(before, first), min(after, last))))
        return sorted(found)

    @property
    def recording(self) -> list[str]:
        """Return the names (without their files, which change) that only groups without alerting rules have."""
        alerting = {_bare(name) for name, group in self.today.items() if group.has_alerts}
        return sorted({_bare(name) for name in self.today} - alerting)

    def _counts(self, group: str, server: Server) -> bool:
        """Say whether alerts may have been missed where this group of this server failed."""
        if group in self.today:
            return self.today[group].matters and server not in self.others
        namesakes = self._namesakes(group)
        return server in self.ours and (not namesakes or any(one.matters for one in namesakes))

    def _joined(self, group: str, times: Iterable[float], interval: float, end: float) -> list[Failure]:
        step = STEP.total_seconds()
        # A slow group fails once an interval, and its last failure is over with the evaluation after it.
        return [
            Failure(
                group=_bare(group),
                stretch=(first - step, min(end, last + max(0.0, interval - step))),
                lasted=last - first,
                since=self._since(group),
            )
            for first, last in stretches(times, max(1.5 * step, interval + 1.25 * step))
        ]

    def _since(self, group: str) -> str:
        if group in self.today:
            return ""
        return "was moved to another file since" if self._namesakes(group) else "is gone now"

    def _interval(self, session: Session, group: str, at: float) -> float:
        """Return how far apart evaluations of a group are; of one that is gone, as it told then."""
        known = [self.today[group]] if group in self.today else self._namesakes(group)
        if known:
            return max(one.interval_seconds for one in known)
        told = session.ask("/api/v1/query", {"query": INTERVAL.format(group=_quoted(group)), "time": f"{at:.3f}"})[
            "result"
        ]
        return float(told[0]["value"][1]) if told else max(one.interval_seconds for one in self.today.values())

    def _namesakes(self, group: str) -> list[Group]:
        """Return the groups of today with the same name in another file: an operator gives files new names."""
        return [one for name, one in self.today.items() if _bare(name) == _bare(group)]


def _server(series: Mapping[str, Any]) -> Server:
    labels = series["metric"].items()
    return tuple(sorted((str(name), str(value)) for name, value in labels if name not in ("__name__", "rule_group")))


def _group(series: Mapping[str, Any]) -> str:
    return str(series["metric"].get("rule_group", ""))


def _bare(group: str) -> str:
    return group.rpartition(";")[2]


def _any_of(texts: Iterable[str]) -> str:
    """Return a pattern of these texts, to stand within double quotes."""
    return _quoted("|".join(re.escape(text) for text in texts))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
