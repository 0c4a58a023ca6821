"""What every kind of report is made of: the request, and the facts found in what the sources say."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.reports import wording
from watchbell.reports.analysis.hours import DEFAULT_HOURS, Hours
from watchbell.reports.findings import Findings, find
from watchbell.reports.interface import (
    CoverageStatus,
    Number,
    Querier,
    Report,
    ReportRequest,
    Section,
    Verdict,
    Window,
)
from watchbell.reports.readings import Readings
from watchbell.reports.wording import MAKE_WHOLE
from watchbell.secrets.redaction import redact

UNAVAILABLE = "pipeline unavailable: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One request with everything to answer it."""

    request: ReportRequest
    readings: Readings
    queriers: Sequence[Querier]
    clock: Clock
    hours: Hours = DEFAULT_HOURS
    found: dict[Window, Findings] = field(default_factory=dict, repr=False, compare=False)  # so far

    def findings(self) -> Findings:
        """Read all sources over the window of the request."""
        return self._find(self.request.window)

    def previous_findings(self) -> Findings:
        """Read all sources over the window of the same length before it."""
        window = self.request.window
        return self._find(replace(window, start=window.start - (window.end - window.start), end=window.start))

    def _find(self, window: Window) -> Findings:
        if window not in self.found:
            self.found[window] = find(window, self.readings.read(window.start, window.end))
        return self.found[window]


def headline(title: str, request: ReportRequest) -> str:
    """Return the title of a report, with the task's name where it has one."""
    return f"{title}: {request.name}" if request.name else title


def number(name: str, value: float, previous: float | None, *, is_known: bool) -> Number:
    """Return a figure, or "no data" (None) where the value is not proven."""
    return Number(name=name, value=value if is_known else None, previous=previous if is_known else None)


class Unbuilt(SourceError):
    """A configured pipeline built no report; what the sources say (None where there are none) is known all the same."""

    def __init__(self, message: str, *, account: Report | None, action: str) -> None:
        super().__init__(message)
        self.account = account
        self.action = action


def notice(request: ReportRequest, title: str, failure: SourceError) -> Report:
    """Return the report that says why there is none, and where it is known, what the sources say without it."""
    reason = redact(failure)
    bare = Report(
        title=headline(title, request),
        kind=request.kind,
        window=request.window,
        verdict=Verdict.UNKNOWN,
        reason=f"{UNAVAILABLE}{reason}",
        actions=(failure.action if isinstance(failure, Unbuilt) else MAKE_WHOLE,),
        source_error=reason,
    )
    account = failure.account if isinstance(failure, Unbuilt) else None
    if account is None:
        return bare
    short = wording.shortened(reason)
    return replace(
        bare,
        reason=f"{UNAVAILABLE}{short}; the sources say {account.verdict}: {account.reason}",
        coverage=account.coverage,
        numbers=account.numbers,
        still_firing=account.still_firing,
        actions=bare.actions if _is_whole(account) else (*bare.actions, MAKE_WHOLE),
        alerts=account.alerts,
        sections=(Section(title="Why there is no more", lines=(reason,)),) if short != reason else (),
    )


def _is_whole(account: Report) -> bool:
    return all(one.status is CoverageStatus.OK for one in account.coverage if one.required)


def refuse_failed(findings: Findings) -> None:
    """Raise SourceError when a required source did not answer at all, or there is none."""
    failed = any(one.required and one.status is CoverageStatus.FAILED for one in findings.coverage)
    if failed or not findings.coverage:
        raise SourceError(findings.problem)
