"""The examples in docs/reports.md, as the program makes them of a history that is written here."""

from datetime import datetime, timedelta

from reports.histories import DAY, END, RUNBOOK, TrueHistory, TrueRule
from watchbell.delivery.interface import Stamp
from watchbell.delivery.render.plain import message
from watchbell.reports.interface import Report, ReportRequest, Silence
from watchbell.reports.pipeline import BuiltinPipeline
from watchbell.tasks import Kind

MINUTE = 60
HOUR = 3600
ZONE = "Europe/London"

LATENCY = TrueRule(
    name="HighLatency",
    hold=2 * MINUTE,
    labels={"severity": "page", "team": "checkout"},
    annotations={"runbook_url": f"{RUNBOOK}/latency"},
)
QUEUE = TrueRule(name="QueueBacklog", labels={"severity": "warning", "team": "orders"})
DISK = TrueRule(
    name="DiskFilling",
    labels={"severity": "warning", "team": "storage"},
    annotations={"runbook_url": f"{RUNBOOK}/disk"},
)
CERTIFICATE = TrueRule(name="CertExpiring", labels={"severity": "warning"})
BACKUP = TrueRule(name="BackupLate", labels={"severity": "warning", "team": "storage"})


def history() -> TrueHistory:
    """Three weeks: latency that blinks, a queue that flaps, a disk that filled up, and a certificate nobody renews."""
    made = TrueHistory(days=21)
    end = made.seconds
    # Four minutes of latency every four hours, and twice in the last week for longer.
    blinks = [(at, at + 4 * MINUTE) for at in range(HOUR, int(end) - 6 * HOUR, 4 * HOUR)]
    outages = [(end - 2.6 * DAY, end - 2.6 * DAY + 55 * MINUTE), (end - 5.5 * HOUR, end - 4 * HOUR)]
    made.add(LATENCY, [*blinks, *outages], instance="shop-1:8080")
    # On each of the last ten days a queue that runs full and empty for two hours.
    bursts = [end - day * DAY + 6 * HOUR + number * 13 * MINUTE for day in range(1, 11) for number in range(9)]
    made.add(QUEUE, [(at, at + 9 * MINUTE) for at in bursts], instance="orders-2:9100")
    made.add(DISK, [(end - 3 * HOUR, 2 * end)], instance="db-1:9100")
    made.add(CERTIFICATE, [(end - 11 * DAY, 2 * end)], instance="edge-1:443")
    made.add(BACKUP, [(end - 30 * HOUR, end - 26 * HOUR), (end - 9 * DAY, end - 8.5 * DAY)], instance="db-1:9100")
    made.silences = [
        _silence('alertname="CertExpiring"', "renewal is ordered", END - timedelta(days=9), END + timedelta(hours=8)),
        _silence('alertname="OldJob"', "moved", END - timedelta(days=80), END + timedelta(days=90)),
    ]
    return made


def _silence(matchers: str, comment: str, start: datetime, end: datetime) -> Silence:
    return Silence(id=matchers, matchers=matchers, created_by="eva", comment=comment, start=start, end=end)


def example(kind: Kind, days: float) -> str:
    """Return the report of the last `days` days as text, told after another of the day, or days, before."""
    previous = _build(kind, days, back=days, previous=None)
    report = _build(kind, days, back=0, previous=previous)
    return message(report, Stamp(task_id="3f9c2a7b1d04", fire_time="2026-11-23T09:00Z"))


def _build(kind: Kind, days: float, *, back: float, previous: Report | None) -> Report:
    window = history().window(days=days, back=back, timezone=ZONE)
    request = ReportRequest(task_id="", name="shop", kind=kind, window=window, params={}, previous=previous)
    return BuiltinPipeline([history()]).build(request)
