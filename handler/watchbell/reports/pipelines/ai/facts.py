"""What a model is given: the report's findings as JSON, and tools that read the same sources. Nothing here can write.

Everything in it is data from elsewhere: `<` is written as an escape, so that no text can close the block it stands in.
"""

import json
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from watchbell.errors import SourceError
from watchbell.instants import format_instant, from_epoch_seconds, parse_instant
from watchbell.reports.codec import report_to_json
from watchbell.reports.interface import Report
from watchbell.reports.kinds.material import Material
from watchbell.reports.pipelines.ai.figures import KnownFigures
from watchbell.secrets.redaction import redact, redact_json

MOST_ENTRIES = 100
MOST_SERIES = 20
MOST_POINTS = 60
#: Of the findings, and of one answer of a tool.
LONGEST_FACTS = 60_000
LONGEST_ANSWER = 20_000


def facts_of(report: Report) -> dict[str, Any]:
    """Return the findings of a report as JSON, long lists capped, secrets masked, with the counts that a text needs."""
    facts: dict[str, Any] = redact_json(report_to_json(replace(report, images=())))
    window = report.window
    for section in facts["sections"]:
        section["rows"] = section["rows"][:MOST_ENTRIES]
    counts = {
        "alert_rules_that_fired": len(report.alerts),
        "alert_rules_firing_now": sum(one.firing_now for one in report.alerts),
        "sources": len(report.coverage),
    }
    facts["alerts"] = facts["alerts"][:MOST_ENTRIES]
    hours = (window.end - window.start).total_seconds() / 3600
    return facts | {"window_hours": hours, "counts": counts}


def as_data(value: Any) -> str:
    """Return JSON in which nothing can be taken for the end of a block."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


class Instruments:
    """The tools of one run, called from several threads; `known` learns every figure that they answer with."""

    def __init__(self, material: Material, known: KnownFigures) -> None:
        self._material = material
        self._known = known
        self._lock = threading.Lock()

    def tools(self) -> list[Callable[..., str]]:
        """Return the functions that a model may call; their docstrings are what it is told of them."""
        reading: list[Callable[..., str]] = [self.list_alerts, self.list_silences]
        return [*reading, self.query, self.query_range] if self._material.queriers else reading

    def list_alerts(self) -> str:
        """List the alerts that fired in the report's window: labels, annotations, start, and end where it has ended."""
        return self._answer(self._alerts)

    def list_silences(self) -> str:
        """List the silences that were in force in the report's window."""
        return self._answer(self._silences)

    def query(self, promql: str) -> str:
        """Ask Prometheus for the value of a PromQL expression at the end of the report's window."""
        return self._answer(lambda: self._query(promql), names=promql)

    def query_range(self, promql: str, start: str, end: str) -> str:
        """Ask Prometheus for a PromQL expression over a time within or shortly before the report's window.

        Start and end are UTC instants such as 2026-11-22T09:00Z.
        """
        return self._answer(lambda: self._query_range(promql, start, end), names=promql)

    def _answer(self, work: Callable[[], dict[str, Any]], *, names: str = "") -> str:
        """Return an answer as data; what goes wrong is an answer too, so that the model can try something else."""
        try:
            found = redact_json(work())
        except (SourceError, ValueError) as error:
            return as_data({"error": redact(error)})
        text = as_data(found)
        if len(text) > LONGEST_ANSWER:
            return as_data({"error": "the answer is too long; ask for less"})
        with self._lock:
            self._known.learn(found)
            self._known.learn_names(names)
        return text

    def _alerts(self) -> dict[str, Any]:
        episodes = self._material.findings().episodes
        alerts = [
            {
                "labels": dict(one.labels),
                "annotations": dict(one.annotations),
                "start": format_instant(one.start),
                "end": format_instant(one.end) if one.end else None,
                "lasted_seconds": (one.end - one.start).total_seconds() if one.end else None,
            }
            for one in episodes[-MOST_ENTRIES:]
        ]
        return {"alerts": alerts, "count": len(episodes), "left_out": len(episodes) - len(alerts)}

    def _silences(self) -> dict[str, Any]:
        silences = self._material.findings().silences
        shown = [
            {
                "matchers": one.matchers,
                "comment": one.comment,
                "start": format_instant(one.start),
                "end": format_instant(one.end),
            }
            for one in silences[:MOST_ENTRIES]
        ]
        return {"silences": shown, "count": len(silences)}

    def _query(self, promql: str) -> dict[str, Any]:
        series = self._material.queriers[0].ask(promql, self._material.request.window.end)
        shown = [{"labels": labels, "value": _value(value)} for labels, value in series[:MOST_SERIES]]
        return {"series": shown, "count": len(series)}

    def _query_range(self, promql: str, start: str, end: str) -> dict[str, Any]:
        first, last = self._within_reach(parse_instant(start), parse_instant(end))
        step = timedelta(seconds=max(15, math.ceil((last - first).total_seconds() / (MOST_POINTS - 1))))
        series = self._material.queriers[0].ask_range(promql, first, last, step=step)
        shown = [
            {
                "labels": labels,
                "points": [[format_instant(from_epoch_seconds(at)), _value(value)] for at, value in points],
            }
            for labels, points in series[:MOST_SERIES]
        ]
        return {"series": shown, "count": len(series), "step_seconds": step.total_seconds()}

    def _within_reach(self, start: datetime, end: datetime) -> tuple[datetime, datetime]:
        window = self._material.request.window
        earliest = window.start - (window.end - window.start)
        if not earliest <= start < end <= window.end:
            raise ValueError(f"ask for times from {format_instant(earliest)} to {format_instant(window.end)}")
        return start, end


def _value(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
