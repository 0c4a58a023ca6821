"""The weekly audit: one row per alert rule, the noisiest by firing time first, against the window before."""

from watchbell.reports import wording
from watchbell.reports.findings import Findings, judge, rule_key
from watchbell.reports.interface import AlertSummary, Report, Section
from watchbell.reports.kinds.daily_summary import alert_numbers, still_firing_lines
from watchbell.reports.kinds.material import Material, headline

TITLE = "Weekly audit"
MOST_RULES = 20
NOISY_FIRINGS = 5
NO_DATA = "no data"


def build(material: Material) -> Report:
    """Build the audit; a source that cannot be believed makes it a notice that still shows what is known."""
    findings = material.findings()
    previous = material.previous_findings() if findings.is_proven else None
    request = material.request
    verdict, reason = judge(findings)
    return Report(
        title=headline(TITLE, request),
        kind=request.kind,
        window=request.window,
        verdict=verdict,
        reason=reason if findings.is_proven else f"pipeline unavailable: {reason}",
        coverage=findings.coverage,
        numbers=alert_numbers(findings, previous),
        still_firing=still_firing_lines(findings),
        actions=_actions(findings),
        alerts=findings.rules,
        sections=_sections(findings, previous),
        source_error=findings.source_error,
    )


def _actions(findings: Findings) -> tuple[str, ...]:
    actions = [f"First make this report whole: {findings.problem}"] if findings.problem else []
    noisiest = sorted(findings.rules, key=lambda rule: -rule.firings)
    actions += [
        f"Quieten {wording.alert(rule.labels)}: it fired {rule.firings} times; mend the cause or lengthen its `for`"
        for rule in noisiest
        if rule.firings >= NOISY_FIRINGS
    ]
    return tuple(actions[:3])


def _sections(findings: Findings, previous: Findings | None) -> tuple[Section, ...]:
    if findings.is_proven and not findings.rules:
        return (Section(title="No incidents", lines=("No alert fired in this window, and none fires now.",)),)
    if not findings.rules:
        return ()
    before = _firings_before(previous)
    shown = findings.rules[:MOST_RULES]
    more = len(findings.rules) - len(shown)
    table = Section(
        title="Alert rules by firing time",
        lines=(f"and {wording.many(more, 'rule')} more",) if more else (),
        columns=("alert", "severity", "firings", "before", "firing time", "share"),
        rows=tuple(_row(rule, findings, before) for rule in shown),
    )
    return (table,)


def _firings_before(previous: Findings | None) -> dict[tuple[str, str], int] | None:
    if previous is None or not previous.is_proven:
        return None
    return {rule_key({**rule.labels, "alertname": rule.alertname}): rule.firings for rule in previous.rules}


def _row(rule: AlertSummary, findings: Findings, before: dict[tuple[str, str], int] | None) -> tuple[str, ...]:
    total = sum(one.firing_seconds for one in findings.rules)
    share = f"{100 * rule.firing_seconds / total:.0f} %" if total else "0 %"
    then = NO_DATA if before is None else str(before.get(rule_key({**rule.labels, "alertname": rule.alertname}), 0))
    severity = rule.labels.get("severity", "")
    return rule.alertname, severity, str(rule.firings), then, wording.duration(rule.firing_seconds), share
