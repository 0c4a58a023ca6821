"""How often people were paged, and at which hours. A page is an alert of an urgent severity that began to fire."""

from collections import Counter
from dataclasses import dataclass

from watchbell.reports.analysis.hours import Hours, Part, distinct_hours
from watchbell.reports.findings import Findings, is_urgent


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Pages by the part of the week in which they began, and in how many different hours any did."""

    business: int
    off: int
    sleep: int
    disrupted_hours: int


def count_pages(findings: Findings, hours: Hours) -> Pages | None:
    """Return the pages of the window; None where alerts fired and no label or rule tells of severities."""
    if findings.episodes and not _tells_severities(findings):
        return None
    zone = findings.window.timezone
    paged = [episode.start for episode in findings.new if is_urgent(episode.labels)]
    parts = Counter(hours.part_of(start, zone) for start in paged)
    return Pages(
        business=parts[Part.BUSINESS],
        off=parts[Part.OFF],
        sleep=parts[Part.SLEEP],
        disrupted_hours=distinct_hours(paged, zone),
    )


def _tells_severities(findings: Findings) -> bool:
    told = (*(one.labels for one in findings.episodes), *(rule.labels for rule in findings.alert_rules))
    return any(labels.get("severity") for labels in told)
