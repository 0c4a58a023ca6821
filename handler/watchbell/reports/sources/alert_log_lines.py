"""What a line of the alert log says: a payload of Alertmanager's webhook (v4), or why one was refused. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from watchbell.instants import parse_instant
from watchbell.reports.sources.alert_log_flaws import Group
from watchbell.reports.sources.heartbeats import NAMELESS

_RECEIVED = re.compile(rb'\{"received_at": ?"([^"]{10,40})"')
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Alert:
    labels: Mapping[str, str]
    start: datetime
    end: datetime | None
    annotations: Mapping[str, str]


class Entry(NamedTuple):
    """A payload; one that is not dated came at that instant or later."""

    received: datetime
    is_dated: bool
    alerts: list[Alert]
    left_out: int
    group: Group


def received_at(line: bytes) -> datetime | None:
    """Return the instant of a line from its first bytes, without parsing the rest."""
    head = _RECEIVED.match(line)
    try:
        return parse_instant(head[1].decode("ascii", "replace")) if head else None
    except ValueError:
        return None


def refusal_of(raw: Any) -> str:
    """Return why the payload was refused of which this line is all that is left; nothing if it is none such."""
    if not isinstance(raw, dict) or "refused" not in raw or "payload" in raw:
        return ""
    return in_short(str(raw["refused"])) or "it is not said why"


def entry_of(raw: Any) -> Entry:
    is_dated = isinstance(raw, dict) and "payload" in raw
    payload = raw["payload"] if is_dated else raw
    alerts = _alerts(payload)
    received = parse_instant(raw["received_at"]) if is_dated else max(alert.end or alert.start for alert in alerts)
    group = Group(*(str(payload.get(name)) for name in ("externalURL", "receiver", "groupKey")))
    return Entry(received, is_dated, alerts, _left_out(payload), group)


def _left_out(payload: Mapping[str, Any]) -> int:
    number = payload.get("truncatedAlerts") or 0
    if not isinstance(number, int) or not 0 <= number < 2**64:
        raise ValueError("`truncatedAlerts` must be a number of alerts")
    return number


def _alerts(payload: Any) -> list[Alert]:
    if not isinstance(payload, dict):
        raise TypeError("a JSON object was expected")
    alerts = payload.get("alerts")
    if not isinstance(alerts, list) or not alerts:
        raise TypeError("`alerts` must be a list with at least one alert")
    return [_alert(raw) for raw in alerts]


def _alert(raw: Any) -> Alert:
    status = raw["status"]
    if status not in ("firing", "resolved"):
        raise ValueError(f"an alert's status is firing or resolved, not {status!r}")
    if not isinstance(raw["labels"], dict):
        raise ValueError("an alert's labels must be an object")
    return Alert(
        labels={"alertname": NAMELESS} | {str(name): str(value) for name, value in raw["labels"].items()},
        start=parse_instant(raw["startsAt"]),
        end=parse_instant(raw["endsAt"]) if status == "resolved" else None,  # 0001-01-01 while it fires
        annotations={str(name): str(value) for name, value in (raw.get("annotations") or {}).items()},
    )


def in_short(reason: str) -> str:
    return " ".join(reason.split())[:_LONGEST_REASON]


def complaint(error: Exception) -> str:
    return f"an alert has no {error}" if isinstance(error, KeyError) else str(error)
