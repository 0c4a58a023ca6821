"""What is different from the last report, told from its facts and never from its text."""

from dataclasses import dataclass
from datetime import datetime

from watchbell.reports.findings import Findings, rule_key
from watchbell.reports.interface import AlertSummary, Report, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Alert rules that fire now and did not at the end of the last report's window, and the other way round.

    `gone` is None where the sources cannot be believed: what they do not show may fire all the same.
    """

    since: datetime
    verdict_before: Verdict
    verdict: Verdict
    come: tuple[AlertSummary, ...]
    gone: tuple[AlertSummary, ...] | None
    still: int


def changes(findings: Findings, verdict: Verdict, previous: Report) -> Changes:
    """Compare what fires at the end of the window with what fired at the end of the last report's."""
    now = {_key(rule): rule for rule in findings.rules if rule.firing_now}
    then = {_key(rule): rule for rule in previous.alerts if rule.firing_now}
    gone = tuple(rule for key, rule in then.items() if key not in now)
    return Changes(
        since=previous.window.end,
        verdict_before=previous.verdict,
        verdict=verdict,
        come=tuple(rule for key, rule in now.items() if key not in then),
        gone=gone if findings.is_proven else None,
        still=len(now.keys() & then.keys()),
    )


def _key(rule: AlertSummary) -> tuple[str, str, str]:
    return rule_key({**rule.labels, "alertname": rule.alertname})
