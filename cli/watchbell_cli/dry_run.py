"""`watchbell tick --dry-run`: print what a tick would send."""

import json
import os
from datetime import datetime
from typing import Any

import click

from watchbell.idle import timer_name
from watchbell.instants import format_minute
from watchbell.rehearsal import Rehearsed, rehearse
from watchbell.reports.codec import report_to_json
from watchbell.secrets.redaction import redact_json
from watchbell.settings import Settings
from watchbell.wiring import open_services


def show_tick(settings: Settings, minute: datetime, *, as_json: bool) -> int:
    """Print the runs that a tick of `minute` would do, and return the exit code it would have for their reports."""
    with open_services(settings, timer=timer_name(os.environ)) as services:
        rehearsed = list(rehearse(services, minute))
    if as_json:
        runs = [_to_json(one) for one in rehearsed]
        click.echo(json.dumps({"minute": format_minute(minute), "dry_run": True, "runs": runs}, indent=2))
    else:
        _print(rehearsed, minute)
    return 6 if any(one.error for one in rehearsed) else 0


def _print(rehearsed: list[Rehearsed], minute: datetime) -> None:
    if not rehearsed:
        click.echo(f"nothing is due at {format_minute(minute)}", err=True)
    for one in rehearsed:
        click.echo(f"would run {one.task.id} ({one.task.kind}), fire time {format_minute(one.fire_time)}", err=True)
        if one.error:
            click.echo(f"  it would fail: {one.error}", err=True)
        elif not one.messages:
            click.echo("  it would be quiet: all is well, and the task asks for silence then", err=True)
        for target, parts in one.messages:
            for part in parts:
                click.echo(f"  would send to {target} (part {part.number} of {part.of}):", err=True)
                click.echo(_readable(redact_json(dict(part.body))))


def _readable(body: dict[str, Any]) -> str:
    """Return plain text as such, anything else as the JSON that would be sent."""
    return str(body["text"]) if body.keys() == {"text"} else json.dumps(body, indent=2, ensure_ascii=False)


def _to_json(one: Rehearsed) -> dict[str, Any]:
    report = report_to_json(one.report) if one.report is not None else None
    return {
        "task_id": one.task.id,
        "fire_time": format_minute(one.fire_time),
        "error": one.error,
        "report": redact_json(report),
        "messages": [
            {"target": target, "parts": [redact_json(dict(part.body)) for part in parts]}
            for target, parts in one.messages
        ],
    }
