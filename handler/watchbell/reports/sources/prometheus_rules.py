"""What Prometheus says of its rules (/api/v1/rules): what the alerting ones are, and whether they work now.

An alert over a series that a recording rule makes sees nothing, and is healthy, while the recording rule fails: so
those count that some alerting rule reads, itself or by way of another. Of what nobody alerts on nothing is wanted.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from watchbell.instants import epoch_seconds, format_minute, parse_instant
from watchbell.reports.interface import AlertRule
from watchbell.reports.sources.alert_history import RuleFacts
from watchbell.reports.wording import duration

LATE_EVALUATION = timedelta(minutes=5)
#: So far the clock of another host may be ahead of ours.
TOLERATED_SKEW = timedelta(minutes=2)
DEFAULT_INTERVAL_SECONDS = 60.0
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of rules as it is today; it `matters` where alerts are missed while it is not evaluated."""

    interval_seconds: float
    has_alerts: bool
    matters: bool


@dataclass(slots=True)
class Rules:
    """The alerting rules: what each alert name needs to know, and whether they work."""

    facts: dict[str, RuleFacts] = field(default_factory=dict)
    rules: list[AlertRule] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)  # as the label rule_group names them: FILE;GROUP
    failing: list[str] = field(default_factory=list)
    waiting: list[tuple[str, float]] = field(default_factory=list)  # not evaluated yet: what is said of it, interval
    firing: list[str] = field(default_factory=list)  # names of rules that fire now
    evaluations: list[tuple[str, float, datetime]] = field(default_factory=list)  # name, interval, when

    @classmethod
    def parse(cls, groups: list[dict[str, Any]]) -> "Rules":
        """Take in the groups of the rules API; raises KeyError, TypeError or ValueError for another shape."""
        rules = cls()
        wanted = _wanted(raw for group in groups for raw in group["rules"])
        for group in groups:
            interval = float(group.get("interval") or DEFAULT_INTERVAL_SECONDS)
            alerting = [raw for raw in group["rules"] if _is_alerting(raw)]
            recording = [raw for raw in group["rules"] if not _is_alerting(raw) and str(raw.get("name")) in wanted]
            for raw in alerting:
                rules._take(raw, str(group.get("name", "")), interval)
            for raw in recording:
                rules._take_recording(raw, interval)
            rules.groups[f"{group.get('file', '')};{group.get('name', '')}"] = Group(
                interval_seconds=interval, has_alerts=bool(alerting), matters=bool(alerting or recording)
            )
        return rules

    @property
    def longest_interval(self) -> float:
        """Return the seconds between evaluations of the slowest rule."""
        return max((fact.interval_seconds for fact in self.facts.values()), default=0.0)

    def problems(self, now: datetime, loaded: datetime | None) -> list[str]:
        """Say what speaks against trusting the rules as they are now, and were last `loaded`, where that is known."""
        if not self.rules:
            return ["it has no alerting rules, so it cannot know of any alert"]
        late = [
            f"{name} was last evaluated at {format_minute(at)}"
            for name, interval, at in self.evaluations
            if now - at > max(LATE_EVALUATION, timedelta(seconds=3 * interval)) and at.year > 1
        ]
        return self._ahead(now) + sorted(self.failing + self._overdue(now, loaded)) + sorted(late)

    def _overdue(self, now: datetime, loaded: datetime | None) -> list[str]:
        """Say what should have been evaluated by now: after each start and reload a slow group waits for its turn."""
        since = None if loaded is None else now - loaded
        return [
            text
            for text, interval in self.waiting
            if since is None
            or timedelta(seconds=interval) <= LATE_EVALUATION
            or since > timedelta(seconds=interval) + LATE_EVALUATION
        ]

    def _ahead(self, now: datetime) -> list[str]:
        """Say whether it has seen what is the future here: then the window ends before what is known to it."""
        ahead = max((at - now for _, _, at in self.evaluations), default=timedelta())
        if ahead <= TOLERATED_SKEW:
            return []
        return [f"its clock is {duration(ahead.total_seconds())} ahead of ours"]

    def _take(self, raw: dict[str, Any], group: str, interval: float) -> None:
        rule = _rule(raw, group)
        evaluated = parse_instant(raw["lastEvaluation"])
        self.rules.append(rule)
        self.evaluations.append((f"rule {rule.name}", interval, evaluated))
        if rule.health != "ok" or rule.last_error:
            self._doubt(f"rule {rule.name}", rule.health, rule.last_error, interval)
        if raw.get("state") == "firing":
            self.firing.append(rule.name)
        known = self.facts.get(rule.name) or RuleFacts(
            interval_seconds=interval, hold_seconds=rule.for_seconds, last_evaluation=epoch_seconds(evaluated)
        )
        self.facts[rule.name] = RuleFacts(
            interval_seconds=max(known.interval_seconds, interval),
            hold_seconds=max(known.hold_seconds, rule.for_seconds),
            last_evaluation=min(known.last_evaluation or 0.0, epoch_seconds(evaluated)),
        )

    def _take_recording(self, raw: dict[str, Any], interval: float) -> None:
        name, health = f"recording rule {raw['name']}", str(raw.get("health", "ok"))
        error = _last_error(raw)
        if health in ("err", "unknown") or error:  # vmalert has other words for what is no fault
            self._doubt(name, health, error, interval)
        if raw.get("lastEvaluation"):
            self.evaluations.append((name, interval, parse_instant(raw["lastEvaluation"])))

    def _doubt(self, name: str, health: str, last_error: str, interval: float) -> None:
        if health == "unknown" and not last_error:
            self.waiting.append((f"{name} has not been evaluated yet", interval))
        else:
            self.failing.append(f"{name} is failing: {last_error or 'no reason given'}")


def _is_alerting(raw: Mapping[str, Any]) -> bool:
    return bool(raw.get("type", "alerting") == "alerting")


def _wanted(rules: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the names of the recorded series that alerting rules read, themselves or by way of other recorded ones.

    All of them where that cannot be told: a rule that does not show its query, or that asks for names by a pattern.
    """
    rules = list(rules)
    recorded: dict[str, list[str]] = defaultdict(list)
    for raw in rules:
        if not _is_alerting(raw):
            recorded[str(raw.get("name"))].append(str(raw.get("query") or ""))
    odd = {name for name in recorded if not NAME.fullmatch(name)}
    unread, queries = set(recorded), [str(raw.get("query") or "") for raw in rules if _is_alerting(raw)]
    while queries and unread:
        query = queries.pop()
        if not query or "__name__" in query:
            found = set(unread)
        else:
            found = unread & {*NAME.findall(query), *(name for name in odd if name in query)}
        unread -= found
        queries += [query for name in found for query in recorded[name]]
    return set(recorded) - unread


def _rule(raw: dict[str, Any], group: str) -> AlertRule:
    return AlertRule(
        name=str(raw["name"]),
        group=group,
        for_seconds=float(raw.get("duration") or 0.0),
        keep_firing_seconds=float(raw.get("keepFiringFor") or 0.0),
        labels=_texts(raw.get("labels")),
        annotations=_texts(raw.get("annotations")),
        health=str(raw["health"]),
        last_error=_last_error(raw),
    )


def _texts(raw: Any) -> Mapping[str, str]:
    return {str(name): str(value) for name, value in (raw or {}).items()}


def _last_error(raw: Mapping[str, Any]) -> str:
    return " ".join(str(raw.get("lastError") or "").split())[:200]
