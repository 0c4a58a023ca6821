"""What every kind of report is made of: the request, the sources read side by side, and the facts found in them."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, runtime_checkable

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.reports.findings import Findings, find
from watchbell.reports.interface import (
    Coverage,
    CoverageStatus,
    Evidence,
    Number,
    Report,
    ReportRequest,
    Source,
    Verdict,
    Window,
)

#: Longer than any source's own deadline: what is cut off here hangs where no timeout reaches, such as in a resolver.
READ_SECONDS = 75.0


@runtime_checkable
class Querier(Protocol):
    """A source that also answers PromQL questions."""

    name: str

    def ask(self, promql: str, at: datetime) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series at `at`; raises SourceError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One request with everything to answer it."""

    request: ReportRequest
    sources: Sequence[Source]
    queriers: Sequence[Querier]
    clock: Clock
    read_seconds: float = READ_SECONDS

    def findings(self) -> Findings:
        """Read all sources over the window of the request."""
        return self._find(self.request.window)

    def previous_findings(self) -> Findings:
        """Read all sources over the window of the same length before it."""
        window = self.request.window
        return self._find(replace(window, start=window.start - (window.end - window.start), end=window.start))

    def _find(self, window: Window) -> Findings:
        return find(window, self._read_all(window.start, window.end))

    def _read_all(self, start: datetime, end: datetime) -> list[Evidence]:
        """Read side by side, so that one slow source costs its own time only."""
        answers: dict[int, Evidence] = {}

        def read(number: int, source: Source) -> None:
            answers[number] = _read_one(source, start, end)

        # Daemon threads: one that hangs for ever must not keep the process.
        threads = [
            threading.Thread(target=read, args=(number, source), daemon=True)
            for number, source in enumerate(self.sources)
        ]
        for thread in threads:
            thread.start()
        until = self.clock.monotonic() + self.read_seconds
        for thread in threads:
            thread.join(max(0.0, until - self.clock.monotonic()))
        late = f"did not answer within {self.read_seconds:g} s"
        return [answers.get(number) or _failed(source, late) for number, source in enumerate(self.sources)]


def _read_one(source: Source, start: datetime, end: datetime) -> Evidence:
    try:
        return source.read(start, end)
    except Exception as error:  # noqa: BLE001  a source that breaks its promise must not read as an all-clear
        return _failed(source, f"reading it failed unexpectedly ({type(error).__name__})")


def _failed(source: Source, detail: str) -> Evidence:
    coverage = Coverage(source=source.name, status=CoverageStatus.FAILED, detail=detail, required=source.required)
    return Evidence(coverage=coverage)


def headline(title: str, request: ReportRequest) -> str:
    """Return the title of a report, with the task's name where it has one."""
    return f"{title}: {request.name}" if request.name else title


def number(name: str, value: float, previous: float | None, *, is_known: bool) -> Number:
    """Return a figure, or "no data" (None) where the value is not proven."""
    return Number(name=name, value=value if is_known else None, previous=previous if is_known else None)


def notice(request: ReportRequest, title: str, reason: str) -> Report:
    """Return the report that says only why there is none."""
    return Report(
        title=headline(title, request),
        kind=request.kind,
        window=request.window,
        verdict=Verdict.UNKNOWN,
        reason=f"pipeline unavailable: {reason}",
        actions=(f"First make this report whole: {reason}",),
        source_error=reason,
    )


def refuse_failed(findings: Findings) -> None:
    """Raise SourceError when a required source did not answer at all, or there is none."""
    failed = any(one.required and one.status is CoverageStatus.FAILED for one in findings.coverage)
    if failed or not findings.coverage:
        raise SourceError(findings.problem)
