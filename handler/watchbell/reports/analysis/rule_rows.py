"""One row for each alert rule: how often it fired, how long, when, for whom, and how much of it was of no use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from watchbell.reports.analysis.flaps import flaps
from watchbell.reports.analysis.hours import Hours, Part
from watchbell.reports.analysis.ownership import RuleBook, owner_of, runbook_of
from watchbell.reports.findings import Findings, RuleKey, by_rule, ended_before, rule_key
from watchbell.reports.interface import AlertRule, AlertSummary, Episode


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """What one alert rule did in the window; None where it is not known, or where there is nothing to measure.

    `episodes` touch the window; `firings` began in it, and `flaps` and `sleep_firings` are of those; `share` is of all
    firing time; `median_seconds` is the whole length of those firings that were over at the window's end.
    """

    summary: AlertSummary
    episodes: tuple[Episode, ...]
    share: float
    flaps: int
    sleep_firings: int
    previous_firings: int | None
    median_seconds: float | None
    instances: int
    owner: str | None
    runbook: str | None
    knows_runbook: bool
    makers: tuple[AlertRule, ...]

    @property
    def firings(self) -> int:
        return self.summary.firings

    @property
    def flap_score(self) -> float | None:
        """The share of the firings that were flaps."""
        return self.flaps / self.firings if self.firings else None


def rule_rows(findings: Findings, previous: Findings | None, hours: Hours) -> tuple[RuleRow, ...]:
    """Return a row for each rule that fired in the window, the longest firing time first.

    `previous` are the findings of the window before, None where they are not proven.
    """
    episodes = by_rule(findings.episodes)
    before = {_key_of(rule): rule.firings for rule in previous.rules} if previous is not None else None
    book = RuleBook(findings.alert_rules)
    total = sum(rule.firing_seconds for rule in findings.rules)
    return tuple(_row(rule, episodes[_key_of(rule)], findings, total, before, book, hours) for rule in findings.rules)


def _key_of(rule: AlertSummary) -> RuleKey:
    return rule_key({**rule.labels, "alertname": rule.alertname})


def _row(
    rule: AlertSummary,
    episodes: list[Episode],
    findings: Findings,
    total: float,
    before: Mapping[RuleKey, int] | None,
    book: RuleBook,
    hours: Hours,
) -> RuleRow:
    window = findings.window
    new = [episode for episode in episodes if episode.start >= window.start]
    over = [one for one in new if ended_before(one, window.end)]
    lengths = [(one.end - one.start).total_seconds() for one in over if one.end is not None]
    makers = book.makers_of(rule.labels)
    told = [*(maker.annotations for maker in makers), *(one.annotations for one in episodes if one.annotations)]
    return RuleRow(
        summary=rule,
        episodes=tuple(episodes),
        share=rule.firing_seconds / total if total else 0.0,
        flaps=flaps(episodes, window),
        sleep_firings=sum(hours.part_of(one.start, window.timezone) is Part.SLEEP for one in new),
        previous_firings=None if before is None else before.get(_key_of(rule), 0),
        median_seconds=median(lengths) if lengths else None,
        instances=_instances(episodes),
        owner=owner_of(rule.labels),
        runbook=next(filter(None, map(runbook_of, told)), None),
        knows_runbook=bool(told),
        makers=makers,
    )


def _instances(episodes: Sequence[Episode]) -> int:
    """How many different things the rule fired for: values of `instance`, or else different sets of labels."""
    named = {episode.labels["instance"] for episode in episodes if "instance" in episode.labels}
    return len(named or {tuple(sorted(episode.labels.items())) for episode in episodes})
