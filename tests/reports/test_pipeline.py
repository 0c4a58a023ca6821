"""Failures of the pipeline, kind by kind, and reads that are shared within a tick."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from watchbell.clock import SystemClock
from watchbell.errors import SourceError
from watchbell.reports.interface import Coverage, CoverageStatus, Evidence, ReportRequest, Verdict, Window
from watchbell.reports.pipeline import BuiltinPipeline, build_or_notice
from watchbell.reports.readings import Readings
from watchbell.tasks import Kind

END = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
WINDOW = Window(start=END - timedelta(days=1), end=END, timezone="UTC")


def request(kind):
    return ReportRequest(task_id="t", name="prod", kind=kind, window=WINDOW, params={})


class Broken:
    def __init__(self, error):
        self._error = error

    def build(self, request):
        raise self._error


class Counting:
    """A source that counts its reads; each waits for `gate`."""

    name = "counting"
    required = True

    def __init__(self, error=None, status=CoverageStatus.OK):
        self.status = status
        self.reads = []
        self.gate = threading.Event()
        self.gate.set()
        self._error = error

    def read(self, start, end):
        self.reads.append((start, end))
        self.gate.wait(5)
        if self._error:
            raise self._error
        coverage = Coverage(source=self.name, status=self.status, detail="fine")
        return Evidence(coverage=coverage, covered_from=start)


NOTICED = [Kind.DAILY_SUMMARY, Kind.WEEKLY_AUDIT, Kind.CUSTOM_INVESTIGATION]
RAISED = [Kind.INCIDENT_WINDOW_REPLAY, Kind.SYNTHETIC_RUN]


@pytest.mark.parametrize("kind", NOTICED)
def test_a_failed_pipeline_is_told_to_the_audience(kind):
    report = build_or_notice(Broken(SourceError("prometheus is down")), request(kind))
    assert report.verdict is Verdict.UNKNOWN
    assert report.reason == "pipeline unavailable: prometheus is down"
    assert report.source_error == "prometheus is down"
    assert (report.kind, report.window, report.title[-6:]) == (kind, WINDOW, ": prod")


def test_a_notice_tells_the_audience_no_secret():
    error = SourceError("https://ann:hunter2hunter2@prometheus did not answer")
    report = build_or_notice(Broken(error), request(Kind.DAILY_SUMMARY))
    assert "did not answer" in report.reason
    assert "hunter2" not in str(report)


@pytest.mark.parametrize("kind", NOTICED)
def test_an_unexpected_error_is_told_without_its_text(kind):
    report = build_or_notice(Broken(ValueError("token=s3cret")), request(kind))
    assert report.reason == "pipeline unavailable: building the report failed unexpectedly (ValueError)"


@pytest.mark.parametrize("kind", RAISED)
@pytest.mark.parametrize("error", [SourceError("down"), ZeroDivisionError("s3cret")])
def test_kinds_for_the_operator_raise(kind, error):
    with pytest.raises(SourceError) as raised:
        build_or_notice(Broken(error), request(kind))
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_built_or_says_which_params_it_needs(kind):
    try:
        said = BuiltinPipeline([Counting()]).build(request(kind)).title
    except SourceError as error:
        said = str(error)
    assert said.endswith(": prod") or "set the task's params" in said


def test_two_tasks_of_one_tick_read_each_window_once():
    source = Counting()
    pipeline = BuiltinPipeline([source])
    pipeline.build(request(Kind.DAILY_SUMMARY))
    pipeline.build(request(Kind.WEEKLY_AUDIT))
    assert len(source.reads) == 2  # the window and the one before


def test_a_source_that_raises_is_a_failed_source_and_no_all_clear():
    report = BuiltinPipeline([Counting(error=RuntimeError("s3cret"))]).build(request(Kind.DAILY_SUMMARY))
    assert report.reason == "pipeline unavailable: counting: reading it failed unexpectedly (RuntimeError)"


def test_equal_reads_at_the_same_time_wait_for_the_first():
    source = Counting()
    source.gate.clear()
    readings = Readings([source], clock=SystemClock())
    found = []
    threads = [threading.Thread(target=lambda: found.append(readings.read(WINDOW.start, WINDOW.end))) for _ in range(8)]
    for thread in threads:
        thread.start()
    source.gate.set()
    for thread in threads:
        thread.join()
    assert (len(source.reads), len(found)) == (1, 8)


@pytest.mark.parametrize(
    ("status", "seconds", "reads"),
    [
        (CoverageStatus.OK, 299.0, 1),
        (CoverageStatus.OK, 301.0, 2),
        (CoverageStatus.FAILED, 49.0, 1),
        (CoverageStatus.FAILED, 51.0, 2),
    ],
)
def test_answers_are_kept_for_one_tick_and_failures_not_for_the_next(status, seconds, reads):
    class Later(SystemClock):
        passed = 0.0

        def monotonic(self):
            return self.passed

    clock = Later()
    readings = Readings([source := Counting(status=status)], clock=clock)
    readings.read(WINDOW.start, WINDOW.end)
    clock.passed = seconds
    readings.read(WINDOW.start, WINDOW.end)
    assert len(source.reads) == reads
