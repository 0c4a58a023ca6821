"""What Prometheus says of its alerting rules (/api/v1/rules): what they are, and whether they work now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from watchbell.instants import epoch_seconds, format_minute, parse_instant
from watchbell.reports.interface import AlertRule
from watchbell.reports.sources.alert_history import RuleFacts

LATE_EVALUATION = timedelta(minutes=5)
DEFAULT_INTERVAL_SECONDS = 60.0


@dataclass(slots=True)
class Rules:
    """The alerting rules: what each alert name needs to know, and whether they work."""

    facts: dict[str, RuleFacts] = field(default_factory=dict)
    rules: list[AlertRule] = field(default_factory=list)
    groups: set[str] = field(default_factory=set)  # as the label rule_group names them: FILE;GROUP
    failing: list[str] = field(default_factory=list)
    firing: list[str] = field(default_factory=list)  # names of rules that fire now
    evaluations: list[tuple[str, float, datetime]] = field(default_factory=list)  # name, interval, when

    @classmethod
    def parse(cls, groups: list[dict[str, Any]]) -> "Rules":
        """Take in the groups of the rules API; raises KeyError, TypeError or ValueError for another shape."""
        rules = cls()
        for group in groups:
            interval = float(group.get("interval") or DEFAULT_INTERVAL_SECONDS)
            for raw in group["rules"]:
                if raw.get("type", "alerting") == "alerting":
                    rules._take(raw, str(group.get("name", "")), interval)
                    rules.groups.add(f"{group.get('file', '')};{group.get('name', '')}")
        return rules

    @property
    def longest_interval(self) -> float:
        """Return the seconds between evaluations of the slowest rule."""
        return max((fact.interval_seconds for fact in self.facts.values()), default=0.0)

    def problems(self, now: datetime) -> list[str]:
        """Say what speaks against trusting the rules as they are now."""
        if not self.rules:
            return ["it has no alerting rules, so it cannot know of any alert"]
        late = [
            f"rule {name} was last evaluated at {format_minute(at)}"
            for name, interval, at in self.evaluations
            if now - at > max(LATE_EVALUATION, timedelta(seconds=3 * interval)) and at.year > 1
        ]
        return sorted(self.failing) + sorted(late)

    def _take(self, raw: dict[str, Any], group: str, interval: float) -> None:
        rule = _rule(raw, group)
        evaluated = parse_instant(raw["lastEvaluation"])
        self.rules.append(rule)
        self.evaluations.append((rule.name, interval, evaluated))
        if rule.health != "ok" or rule.last_error:
            self.failing.append(_failing(rule))
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


def _rule(raw: dict[str, Any], group: str) -> AlertRule:
    return AlertRule(
        name=str(raw["name"]),
        group=group,
        for_seconds=float(raw.get("duration") or 0.0),
        keep_firing_seconds=float(raw.get("keepFiringFor") or 0.0),
        labels=_texts(raw.get("labels")),
        annotations=_texts(raw.get("annotations")),
        health=str(raw["health"]),
        last_error=" ".join(str(raw.get("lastError") or "").split())[:200],
    )


def _texts(raw: Any) -> Mapping[str, str]:
    return {str(name): str(value) for name, value in (raw or {}).items()}


def _failing(rule: AlertRule) -> str:
    if rule.health == "unknown":
        return f"rule {rule.name} has not been evaluated yet"
    return f"rule {rule.name} is failing: {rule.last_error or 'no reason given'}"
