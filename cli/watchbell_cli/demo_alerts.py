"""The made-up alert history of the demo: two days of Alertmanager webhook payloads, with a heartbeat."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from watchbell.instants import format_instant
from watchbell.reports.sources.alert_log import append

_HEARTBEAT_HOURS = range(0, 50, 4)


class Firing(NamedTuple):
    """One alert: it began so many hours ago and ended so many hours ago (None: it still fires)."""

    alertname: str
    severity: str
    team: str
    instance: str
    summary: str
    began: float
    ended: float | None


_FIRINGS = (
    # Flapping: short and often, worse than the day before.
    *(
        Firing(
            "HighRequestLatency",
            "warning",
            "checkout",
            "checkout-api-2",
            "p99 latency above 1.5 s",
            began=hours,
            ended=hours - 0.2,
        )
        for hours in (41.5, 30.1, 21.4, 19.8, 13.2, 9.5, 6.3, 2.9)
    ),
    # Long: most of the night.
    Firing("DiskWillFillIn4Hours", "critical", "storage", "db-1", "/var/lib/postgresql fills up", 15.5, 9.0),
    # Still firing.
    Firing("CertificateExpiresSoon", "warning", "platform", "edge-1", "api.example.com expires in 6 days", 26.0, None),
    Firing("QueueBacklog", "critical", "payments", "worker-3", "12,400 messages wait in payouts", 1.4, None),
    Firing("TargetDown", "critical", "payments", "ledger-7", "the ledger exporter is down", 37.0, 36.2),
)


def write_history(path: Path, end: datetime) -> int:
    """Write the 48 hours before `end`, oldest first; return how many payloads they are."""
    messages = sorted(_messages(end), key=lambda message: message[0])
    for received_at, payload in messages:
        append(path, payload, received_at)
    return len(messages)


def _messages(end: datetime) -> Iterator[tuple[datetime, dict[str, Any]]]:
    watchdog = Firing("Watchdog", "none", "platform", "prometheus-0", "alerting works", 72.0, None)
    for hours in _HEARTBEAT_HOURS:
        yield end - timedelta(hours=hours), _payload(watchdog, end, ended=None)
    for firing in _FIRINGS:
        yield end - timedelta(hours=firing.began), _payload(firing, end, ended=None)
        if firing.ended is not None:
            yield end - timedelta(hours=firing.ended), _payload(firing, end, ended=firing.ended)


def _payload(firing: Firing, end: datetime, *, ended: float | None) -> dict[str, Any]:
    status = "firing" if ended is None else "resolved"
    labels = {
        "alertname": firing.alertname,
        "instance": firing.instance,
        "severity": firing.severity,
        "team": firing.team,
    }
    alert = {
        "status": status,
        "labels": labels,
        "annotations": {"summary": firing.summary},
        "startsAt": format_instant(end - timedelta(hours=firing.began)),
        "endsAt": "0001-01-01T00:00:00Z" if ended is None else format_instant(end - timedelta(hours=ended)),
        "generatorURL": "http://prometheus.example.com/graph",
    }
    return {
        "version": "4",
        "receiver": "watchbell",
        "status": status,
        "groupLabels": {"alertname": firing.alertname},
        "commonLabels": labels,
        "commonAnnotations": alert["annotations"],
        "externalURL": "http://alertmanager.example.com",
        "alerts": [alert],
    }
