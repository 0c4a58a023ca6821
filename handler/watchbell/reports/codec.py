"""Reports as JSON: what `cron preview --as json` prints and what a run keeps before anything is sent."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from watchbell.instants import floor_minute, format_instant, format_minute, parse_instant
from watchbell.reports.interface import (
    AlertSummary,
    Coverage,
    CoverageStatus,
    Image,
    Number,
    Report,
    Section,
    Verdict,
    Window,
)
from watchbell.tasks import Kind


def report_to_json(report: Report) -> dict[str, Any]:
    """Return the report in the published shape (design, section 10), with our additions beside it."""
    more: dict[str, Any] = {"images": [_image_to_json(one) for one in report.images]} if report.images else {}
    if report.quiet_before:
        more["quiet_before"] = report.quiet_before
    return {
        "title": report.title,
        "kind": str(report.kind),
        "window": _window_to_json(report.window),
        "verdict": str(report.verdict),
        "reason": report.reason,
        "coverage": [_coverage_to_json(one) for one in report.coverage],
        "numbers": [{"name": one.name, "value": one.value, "previous": one.previous} for one in report.numbers],
        "still_firing": list(report.still_firing),
        "actions": list(report.actions),
        "alerts": [_alert_to_json(one) for one in report.alerts],
        "sections": [_section_to_json(one) for one in report.sections],
        "source_error": report.source_error,
        **more,
    }


def report_from_json(raw: Mapping[str, Any]) -> Report:
    """Return the report that `report_to_json` wrote; raises ValueError when it is not one."""
    try:
        return _report_from_json(raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is not a saved report ({type(error).__name__}: {error})") from error


def _report_from_json(raw: Mapping[str, Any]) -> Report:
    return Report(
        title=raw["title"],
        kind=Kind(raw["kind"]),
        window=_window_from_json(raw["window"]),
        verdict=Verdict(raw["verdict"]),
        reason=raw.get("reason", ""),
        coverage=tuple(_coverage_from_json(one) for one in raw["coverage"]),
        numbers=tuple(Number(name=one["name"], value=one["value"], previous=one["previous"]) for one in raw["numbers"]),
        still_firing=tuple(raw.get("still_firing", ())),
        actions=tuple(raw["actions"]),
        alerts=tuple(_alert_from_json(one) for one in raw["alerts"]),
        sections=tuple(_section_from_json(one) for one in raw["sections"]),
        images=tuple(_image_from_json(one) for one in raw.get("images", ())),
        source_error=raw.get("source_error"),
        quiet_before=raw.get("quiet_before", 0),
    )


def _window_to_json(window: Window) -> dict[str, Any]:
    note = {"note": window.note} if window.note else {}
    ends = {"start": _instant_to_json(window.start), "end": _instant_to_json(window.end)}
    return {**ends, "timezone": window.timezone, **note}


def _window_from_json(raw: Mapping[str, Any]) -> Window:
    return Window(
        start=parse_instant(raw["start"]),
        end=parse_instant(raw["end"]),
        timezone=raw["timezone"],
        note=raw.get("note", ""),
    )


def _instant_to_json(instant: datetime) -> str:
    if instant == floor_minute(instant):
        return format_minute(instant)
    if instant.microsecond == 0:
        return format_instant(instant)
    return f"{format_instant(instant)[:-1]}.{instant.microsecond:06d}Z"


def _coverage_to_json(one: Coverage) -> dict[str, Any]:
    return {
        "source": one.source,
        "status": str(one.status),
        "detail": one.detail,
        "age_seconds": one.age_seconds,
        "required": one.required,
    }


def _coverage_from_json(raw: Mapping[str, Any]) -> Coverage:
    return Coverage(
        source=raw["source"],
        status=CoverageStatus(raw["status"]),
        detail=raw["detail"],
        age_seconds=raw["age_seconds"],
        required=raw.get("required", True),
    )


def _alert_to_json(one: AlertSummary) -> dict[str, Any]:
    return {
        "alertname": one.alertname,
        "labels": dict(one.labels),
        "firings": one.firings,
        "firing_seconds": one.firing_seconds,
        "firing_now": one.firing_now,
    }


def _alert_from_json(raw: Mapping[str, Any]) -> AlertSummary:
    return AlertSummary(
        alertname=raw["alertname"],
        labels=dict(raw["labels"]),
        firings=raw["firings"],
        firing_seconds=raw["firing_seconds"],
        firing_now=raw["firing_now"],
    )


def _section_to_json(one: Section) -> dict[str, Any]:
    return {
        "title": one.title,
        "lines": list(one.lines),
        "columns": list(one.columns),
        "rows": [list(row) for row in one.rows],
    }


def _section_from_json(raw: Mapping[str, Any]) -> Section:
    return Section(
        title=raw["title"],
        lines=tuple(raw["lines"]),
        columns=tuple(raw["columns"]),
        rows=tuple(tuple(row) for row in raw["rows"]),
    )


def _image_to_json(one: Image) -> dict[str, Any]:
    return {"name": one.name, "alt": one.alt, "png_base64": b64encode(one.png).decode("ascii")}


def _image_from_json(raw: Mapping[str, Any]) -> Image:
    return Image(name=raw["name"], alt=raw.get("alt", ""), png=b64decode(raw["png_base64"], validate=True))
