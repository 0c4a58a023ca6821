"""The built-in pipeline, and what its failure means for each kind of report (contract, rows 13 to 17)."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from watchbell.clock import Clock, SystemClock
from watchbell.errors import SourceError, WatchbellError
from watchbell.reports import collector
from watchbell.reports.analysis.hours import DEFAULT_HOURS, Hours
from watchbell.reports.interface import Pipeline, Querier, Report, ReportRequest, Source
from watchbell.reports.kinds.material import Material, notice
from watchbell.reports.readings import READ_SECONDS, Readings
from watchbell.tasks import Kind

#: Kinds whose failure is delivered as a notice. The others raise: the operator should know, not the audience.
#: The contract is silent on custom_investigation; who asked a question is told that it could not be answered.
TITLES_OF_NOTICES: Mapping[Kind, str] = {
    Kind.DAILY_SUMMARY: "Daily summary",
    Kind.WEEKLY_AUDIT: "Weekly audit",
    Kind.CUSTOM_INVESTIGATION: "Custom investigation",
}

#: Kinds that are about alerts over time.
ILLUSTRATED = frozenset({Kind.DAILY_SUMMARY, Kind.WEEKLY_AUDIT, Kind.INCIDENT_WINDOW_REPLAY})


class BuiltinPipeline:
    """Builds reports from the configured sources. Make one per tick: equal reads within it are made once."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        clock: Clock | None = None,
        hours: Hours = DEFAULT_HOURS,
        charts: bool = False,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._clock = clock or SystemClock()
        self._hours = hours
        self._charts = charts
        self._readings = Readings(sources, clock=self._clock, read_seconds=read_seconds)
        self._queriers = [source for source in sources if isinstance(source, Querier)]

    def build(self, request: ReportRequest) -> Report:
        """Build the report; raises SourceError when it cannot."""
        material = self.material(request)
        with collector.held():
            report = _builder(request.kind)(material)
            return illustrated(report, material) if self._charts and request.kind in ILLUSTRATED else report

    def material(self, request: ReportRequest) -> Material:
        """Return all that there is to answer a request with; whoever asks, equal reads are made once."""
        return Material(
            request=request,
            readings=self._readings,
            queriers=self._queriers,
            clock=self._clock,
            hours=self._hours,
        )


def illustrated(report: Report, material: Material) -> Report:
    """Return the report with its charts, of what has been read for it: a replay does not look at the window before."""
    from watchbell.reports.charts import illustrate

    findings = material.findings()
    compares = report.kind is not Kind.INCIDENT_WINDOW_REPLAY and findings.is_proven
    return illustrate(report, findings, material.previous_findings() if compares else None)


def _builder(kind: Kind) -> Callable[[Material], Report]:
    # A tick builds one or two kinds; the others need not be loaded.
    build: Callable[[Material], Report] = import_module(f"watchbell.reports.kinds.{kind.value}").build
    return build


def build_or_notice(pipeline: Pipeline, request: ReportRequest) -> Report:
    """Build the report, or the notice that stands in for it; raises SourceError for kinds that have no notice.

    A notice has the verdict UNKNOWN and a reason that begins with "pipeline unavailable: "; where a configured pipeline
    failed it has what the sources say besides.
    """
    try:
        return pipeline.build(request)
    except SourceError as error:
        failure = error
    except WatchbellError as error:
        failure = SourceError(str(error))
    except Exception as error:  # noqa: BLE001  whatever broke, the audience hears that there is no report
        # NOTE: only the type: the text of a foreign error may hold a secret.
        failure = SourceError(f"building the report failed unexpectedly ({type(error).__name__})")
        failure.__cause__ = error
    title = TITLES_OF_NOTICES.get(request.kind)
    if title is None:
        raise failure
    return notice(request, title, failure)
