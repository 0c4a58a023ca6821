"""What a report is, and what a source and a pipeline promise. Provider-neutral: nothing here knows a chat dialect.

A source reads a monitoring system and always answers with evidence and one coverage entry; it never raises for what
the system did. A pipeline turns a request into a report, or raises SourceError.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from watchbell.tasks import Kind


class Verdict(StrEnum):
    """The headline. OK needs every required source to have answered and to have proved that it was watching."""

    OK = "OK"
    ATTENTION = "ATTENTION"
    DEGRADED = "DEGRADED"
    UNKNOWN = "UNKNOWN"


class CoverageStatus(StrEnum):
    """How far one source can be believed."""

    OK = "ok"  # answered, and proved that it was watching the whole window
    UNPROVEN = "unproven"  # answered, but without proof that it was watching
    FAILED = "failed"  # did not answer, or with something that cannot be used


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time a report is about: [start, end) in UTC, shown in `timezone`; `note` says why it begins where it does."""

    start: datetime
    end: datetime
    timezone: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What one source contributed. `age_seconds` is the age of its newest data at the window's end, if known."""

    source: str
    status: CoverageStatus
    detail: str
    age_seconds: float | None = None
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A headline figure; None means "no data", never 0."""

    name: str
    value: float | None
    previous: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSummary:
    """One alert rule over the window: `firings` began inside it, `firing_seconds` is time firing inside it."""

    alertname: str
    labels: Mapping[str, str]
    firings: int
    firing_seconds: float
    firing_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One block below the headline: lines of text, and optionally a table (all cells are text)."""

    title: str
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture beside the text, a chart for instance; `alt` says in words what it shows."""

    name: str
    png: bytes = field(repr=False)
    alt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found. Every text in it is untrusted and is escaped by whoever renders it."""

    title: str
    kind: Kind
    window: Window
    verdict: Verdict
    reason: str  # one line behind the verdict, e.g. "2 alerts firing" or "pipeline unavailable: …"
    coverage: tuple[Coverage, ...] = ()
    numbers: tuple[Number, ...] = ()
    still_firing: tuple[str, ...] = ()  # one line each, oldest first
    actions: tuple[str, ...] = ()  # at most three
    alerts: tuple[AlertSummary, ...] = ()
    sections: tuple[Section, ...] = ()
    images: tuple[Image, ...] = ()
    source_error: str | None = None  # kept in the ledger beside a delivered notice
    quiet_before: int = 0  # how many reports in a row before this one were quiet, hence not sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One alert firing without a break; `end` is None while it still fires.

    `active_at` is when its condition began to hold (the start of pending), where the source tells.
    """

    labels: Mapping[str, str]
    start: datetime
    end: datetime | None
    annotations: Mapping[str, str] = field(default_factory=dict)
    active_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A silence that was in force at some time of the window, or is now: [start, end)."""

    id: str
    matchers: str
    created_by: str
    comment: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """An alerting rule as it stands now: what an audit of hygiene, and a back-test of its `for`, start from."""

    name: str
    group: str
    for_seconds: float
    keep_firing_seconds: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    health: str = "ok"
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something else that a source saw happen, such as a restart, a reload of rules, or a gap in its samples."""

    at: datetime
    source: str
    text: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a source found in [start, end). `covered_from` is the instant from which it provably watched."""

    coverage: Coverage
    episodes: tuple[Episode, ...] = ()
    silences: tuple[Silence, ...] = ()
    rules: tuple[AlertRule, ...] = ()
    events: tuple[Event, ...] = ()
    covered_from: datetime | None = None


class Source(Protocol):
    """A monitoring system."""

    name: str
    required: bool

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Read what happened in [start, end); a failure is a coverage entry, never an exception or an empty answer."""


@runtime_checkable
class Querier(Source, Protocol):
    """A source that also answers PromQL questions."""

    def ask(self, promql: str, at: datetime) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series at `at`; raises SourceError."""

    def ask_range(
        self, promql: str, start: datetime, end: datetime, *, step: timedelta
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Return labels and (Unix seconds, value) points of each series over [start, end]; raises SourceError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """What a pipeline is asked for. `params` hold no credentials any more.

    `previous` is the task's last scheduled report of this kind that was settled with a verdict other than UNKNOWN, if
    there is one: what "changed since" is measured against.
    """

    task_id: str
    name: str
    kind: Kind
    window: Window
    params: Mapping[str, Any]
    previous: Report | None = None


class Pipeline(Protocol):
    """Whatever builds reports."""

    def build(self, request: ReportRequest) -> Report:
        """Build the report; raises SourceError when it cannot, and for nothing else that a source did."""
