"""What verdict a report from elsewhere may carry. The rule: nobody else's word makes a window OK by itself.

A text has no verdict of its own: it has that of the configured sources, and where those say OK it is ATTENTION, for
the text may know what they do not, and `skip_if_quiet` would swallow it. A report in JSON has the verdict that it
claims, but OK only with coverage that proves it and nothing in it that says otherwise, and never a better one than the
configured sources have.
"""

from dataclasses import replace

from watchbell.reports import wording
from watchbell.reports.findings import judge
from watchbell.reports.interface import CoverageStatus, Number, Report, ReportRequest, Section, Verdict
from watchbell.reports.kinds.material import Material, headline, number

MOST_FIRING = 10
#: Numbers, by the names that our own reports have for them and near ones, that no OK can have above 0 or without data.
BAD_NUMBERS = {"still firing", "firing", "failing", "failed", "not run", "unknown", "thresholds crossed"}
#: From the best to the worst.
_ORDER = (Verdict.OK, Verdict.ATTENTION, Verdict.DEGRADED, Verdict.UNKNOWN)


def title_of(request: ReportRequest) -> str:
    """Return `Daily summary: prod`."""
    return headline(str(request.kind).replace("_", " ").capitalize(), request)


def own_account(material: Material) -> Report:
    """Return what the configured sources say of the window, as a report without sections."""
    findings = material.findings()
    request = material.request
    window = request.window
    verdict, reason = judge(findings)
    firing = [wording.still_firing(episode, window.end, window.timezone) for episode in findings.still_firing]
    figures = {"new": findings.new, "resolved": findings.resolved, "still firing": findings.still_firing}
    return Report(
        title=title_of(request),
        kind=request.kind,
        window=window,
        verdict=verdict,
        reason=reason,
        coverage=findings.coverage,
        numbers=tuple(number(name, len(found), None, is_known=findings.is_proven) for name, found in figures.items()),
        still_firing=wording.capped(firing, MOST_FIRING),
        alerts=findings.rules,
    )


def report_of_text(sections: tuple[Section, ...], request: ReportRequest, own: Report | None, *, name: str) -> Report:
    """Return the report that shows a text by the pipeline `name` below what our own sources say."""
    if own is None:
        return Report(
            title=title_of(request),
            kind=request.kind,
            window=request.window,
            verdict=Verdict.UNKNOWN,
            reason=f"written by {name}; no source of ours vouches for it",
            sections=sections,
        )
    verdict, reason = own.verdict, f"{own.reason}; the text below is by {name}"
    if own.verdict is Verdict.OK:
        verdict, reason = Verdict.ATTENTION, f"read the text by {name}, which nobody judged; no alert fired"
    return replace(own, verdict=verdict, reason=reason, sections=sections)


def vouched(claimed: Report, own: Report | None, *, name: str) -> Report:
    """Return the report that the pipeline `name` gave, with a verdict that can be believed and all coverage."""
    report = claimed
    if claimed.verdict is Verdict.OK and (doubt := _doubt(claimed)):
        report = replace(claimed, verdict=Verdict.UNKNOWN, reason=f"{name} says OK {doubt}")
    report = replace(report, coverage=tuple(replace(one, source=f"{name}: {one.source}") for one in claimed.coverage))
    if own is None:
        return report
    if _ORDER.index(own.verdict) > _ORDER.index(report.verdict):
        report = replace(report, verdict=own.verdict, reason=f"{own.reason}; {name} says {claimed.verdict}")
    return replace(
        report,
        coverage=own.coverage + report.coverage,
        still_firing=report.still_firing or own.still_firing,
    )


def _doubt(claimed: Report) -> str:
    """Return why an OK cannot be believed; an empty text when it can."""
    required = [one for one in claimed.coverage if one.required]
    if not required or any(one.status is not CoverageStatus.OK for one in required):
        return "without coverage that proves it"
    if claimed.still_firing or any(one.firing_now for one in claimed.alerts):
        return "while alerts still fire in its own report"
    if claimed.source_error:
        return "and tells of a source that failed"
    if bad := next(filter(_is_bad, claimed.numbers), None):
        figure = wording.NO_DATA if bad.value is None else f"{bad.value:g}"
        return f"while its own report has {wording.shortened(bad.name)} {figure}"
    return ""


def _is_bad(figure: Number) -> bool:
    """Say whether a number is against an OK; `Still_firing` and `still firing` are one."""
    name = " ".join(figure.name.lower().replace("_", " ").split())
    return name in BAD_NUMBERS and (figure.value is None or figure.value > 0)
