"""What is wrong with the alerting itself, as far as the sources tell of it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from watchbell.reports.analysis.ownership import runbook_of
from watchbell.reports.analysis.rule_rows import RuleRow
from watchbell.reports.findings import Findings
from watchbell.reports.interface import AlertRule, Episode, Silence

#: An alert that fires for longer, or for longer than a shorter window, is one that nobody acts on.
STUCK = timedelta(days=7)
OLD_SILENCE = timedelta(days=30)
#: A rule that did not fire in so long a window may be of no use; of a shorter one that is no wonder.
LONG_WINDOW = timedelta(days=28)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hygiene:
    """What to tidy up; an empty part says only that nothing of it is known. Names are sorted, each once."""

    stuck: tuple[Episode, ...]  # oldest first
    old_silences: tuple[Silence, ...]
    failing: tuple[AlertRule, ...]
    without_owner: tuple[str, ...]  # of those that fired: owners are labels, and those may come from the series
    without_runbook: tuple[str, ...]
    did_not_fire: tuple[str, ...]


def tidy(findings: Findings, rows: Sequence[RuleRow], heartbeats: Collection[str]) -> Hygiene:
    """Return what the window and the rules as they stand show; `heartbeats` fire always and need nobody."""
    window = findings.window
    rules = [rule for rule in findings.alert_rules if rule.name not in heartbeats]
    oldest_start = window.end - min(STUCK, window.end - window.start)
    return Hygiene(
        stuck=tuple(episode for episode in findings.still_firing if episode.start < oldest_start),
        old_silences=tuple(
            one for one in findings.silences if one.start <= window.end < one.end and one.end - one.start > OLD_SILENCE
        ),
        failing=tuple(rule for rule in rules if rule.health not in ("ok", "unknown") or rule.last_error),
        without_owner=_names(row.summary.alertname for row in rows if row.owner is None),
        without_runbook=_names(
            [rule.name for rule in rules if runbook_of(rule.annotations) is None]
            + [row.summary.alertname for row in rows if row.knows_runbook and row.runbook is None]
        ),
        did_not_fire=_did_not_fire(findings, rows, rules),
    )


def _did_not_fire(findings: Findings, rows: Sequence[RuleRow], rules: Sequence[AlertRule]) -> tuple[str, ...]:
    """Known only where the whole of a long window was watched."""
    if not findings.is_proven or findings.window.end - findings.window.start < LONG_WINDOW:
        return ()
    fired = {row.summary.alertname for row in rows}
    return _names(rule.name for rule in rules if rule.name not in fired)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
