"""The replay of a window: begins and ends of alerts and silences in the order of time. It claims no cause."""

from datetime import datetime

from watchbell.reports import wording
from watchbell.reports.findings import Findings, judge
from watchbell.reports.interface import Report, Section
from watchbell.reports.kinds.daily_summary import alert_numbers, still_firing_lines
from watchbell.reports.kinds.material import Material, headline, refuse_failed

TITLE = "Incident window replay"
MOST_ROWS = 100


def build(material: Material) -> Report:
    """Build the replay; raises SourceError when a required source did not answer."""
    findings = material.findings()
    refuse_failed(findings)
    request = material.request
    verdict, reason = judge(findings)
    return Report(
        title=headline(TITLE, request),
        kind=request.kind,
        window=request.window,
        verdict=verdict,
        reason=reason,
        coverage=findings.coverage,
        numbers=alert_numbers(findings, None),
        still_firing=still_firing_lines(findings),
        alerts=findings.rules,
        sections=(_timeline(findings),),
        source_error=findings.source_error,
    )


def _timeline(findings: Findings) -> Section:
    window = findings.window
    events = sorted(_events(findings))
    rows = tuple((wording.clock_time(at, window.timezone), what, name) for at, what, name in events)
    lines = [f"Times in {window.timezone}."]
    if not rows:
        lines.append("No alert and no silence began or ended in this window.")
    if len(rows) > MOST_ROWS:
        lines.append(f"and {len(rows) - MOST_ROWS} more events")
    return Section(title="Timeline", lines=tuple(lines), columns=("time", "event", "what"), rows=rows[:MOST_ROWS])


def _events(findings: Findings) -> list[tuple[datetime, str, str]]:
    window = findings.window
    events = [(episode.start, "began", wording.alert(episode.labels)) for episode in findings.episodes]
    events += [(e.end, "ended", wording.alert(e.labels)) for e in findings.episodes if e.end is not None]
    for silence in findings.silences:
        name = wording.silence(silence, window.timezone)
        events += [(silence.start, "silenced", name), (silence.end, "silence ended", name)]
    return [event for event in events if window.start <= event[0] < window.end]
