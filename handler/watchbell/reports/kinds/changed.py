"""What a report says of the one before it."""

from collections.abc import Sequence

from watchbell.reports import wording
from watchbell.reports.analysis.changes import Changes, changes
from watchbell.reports.findings import Findings
from watchbell.reports.interface import AlertSummary, ReportRequest, Section, Verdict

MOST_NAMES = 5


def changed(findings: Findings, verdict: Verdict, request: ReportRequest) -> tuple[Section, ...]:
    """Return what is different from the task's last report; nothing where there is none to compare with."""
    if request.previous is None:
        return ()
    found = changes(findings, verdict, request.previous)
    until = wording.moment(found.since, findings.window.timezone)
    return (Section(title=f"Changed since the last report (up to {until})", lines=_lines(found)),)


def _lines(found: Changes) -> tuple[str, ...]:
    lines = []
    if found.verdict is not found.verdict_before:
        lines.append(f"Verdict {found.verdict}, was {found.verdict_before}")
    if found.come:
        lines.append(f"Now firing: {_names(found.come)}")
    if found.gone is None:
        lines.append("What no longer fires is not known")
    elif found.gone:
        lines.append(f"No longer firing: {_names(found.gone)}")
    if lines:
        return tuple(lines)
    return (f"Nothing: the same {wording.many(found.still, 'alert rule')} still firing" if found.still else "Nothing",)


def _names(rules: Sequence[AlertSummary]) -> str:
    return wording.joined([wording.rule(rule) for rule in rules], MOST_NAMES)
