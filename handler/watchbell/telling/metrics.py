"""What the ledger says, as a Prometheus text file for the node exporter's textfile collector.

Everything is a gauge about the last 24 hours or about now, and named so: the ledger forgets after a time, and a count
of its rows would then fall, which a counter must not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

from watchbell.atomic_file import replace_file
from watchbell.claims import LIVE, GapStatus, Status
from watchbell.deliveries import FIRST_IMAGE
from watchbell.errors import ConfigError, DamagedReport
from watchbell.instants import MINUTE, epoch_seconds, floor_minute
from watchbell.stores.interface import Run, Store

RECENT = timedelta(hours=24)
_PAGE = 200
#: So many of the newest reports are looked through for what their sources said.
_REPORTS = 20
_OUTCOMES = ("delivered", "refused", "not_sent", "unknown")
#: The collector runs as another user; there are no secrets in it.
_MODE = 0o644

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Family:
    """One metric with its samples."""

    name: str
    help: str
    samples: dict[Labels, float] = field(default_factory=dict)

    def add(self, value: float, **labels: str) -> None:
        """Add to the sample with these labels."""
        key = tuple(sorted(labels.items()))
        self.samples[key] = self.samples.get(key, 0.0) + value


def write_metrics(path: Path, store: Store, *, now: datetime, exit_code: int) -> None:
    """Replace the file; raises ConfigError where it cannot be written, StoreError where the store cannot be read."""
    text = to_text(collect(store, now=now, exit_code=exit_code))
    try:
        replace_file(path, text.encode(), mode=_MODE)
    except OSError as error:
        raise ConfigError(f"the metrics file {path} cannot be written: {error.strerror}") from error


def collect(store: Store, *, now: datetime, exit_code: int) -> list[Family]:
    """Read what is worth knowing from the store."""
    since = now - RECENT
    newest = store.runs.newest()
    runs = [run for task_id, run in newest.items() if run.due_at >= since for run in _since(store, task_id, since)]
    return [
        *_ticks(store, now, exit_code),
        *_runs(runs),
        _deliveries(runs),
        *_gaps(store, since),
        *_tasks(newest),
        _sources(store, newest.values()),
    ]


def to_text(families: Iterable[Family]) -> str:
    """Return the text format, version 0.0.4."""
    lines = []
    for family in families:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} gauge"]
        for labels, value in sorted(family.samples.items()):
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
            lines.append(f"{family.name}{{{inside}}} {value:.17g}" if inside else f"{family.name} {value:.17g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    plain = text.encode("utf-8", "replace").decode()
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _since(store: Store, task_id: str, since: datetime) -> Iterator[Run]:
    before: datetime | None = None
    while True:
        page = store.runs.history(task_id, limit=_PAGE, before=before)
        yield from (run for run in page if run.due_at >= since)
        if len(page) < _PAGE or page[-1].due_at < since:
            return
        before = page[-1].due_at


def _ticks(store: Store, now: datetime, exit_code: int) -> Iterator[Family]:
    records = [record for record in store.ticks.records(now - RECENT) if record.ran_at <= now]
    last = Family("watchbell_last_tick_timestamp_seconds", "When the newest tick ran.")
    last.add(epoch_seconds(max((record.ran_at for record in records), default=now)))
    yield last
    ended = Family("watchbell_last_tick_exit_code", "How the newest tick ended: 0, or the exit code of its failure.")
    ended.add(exit_code)
    yield ended
    count = Family("watchbell_recent_ticks", "Ticks that ran in the last 24 hours.")
    count.add(len(records))
    yield count
    minutes = {floor_minute(record.ran_at) for record in records}
    lost = Family("watchbell_recent_lost_ticks", "Minutes without a tick, since the first one of the last 24 hours.")
    lost.add(max(0, (floor_minute(now) - min(minutes)) // MINUTE + 1 - len(minutes)) if minutes else 0)
    yield lost
    lags = [max(0.0, (record.ran_at - record.minute).total_seconds()) for record in records]
    yield _spread("watchbell_recent_tick_lag_seconds", "How long after their minute ticks of 24 hours began.", lags)


def _runs(runs: Sequence[Run]) -> Iterator[Family]:
    by_status = Family("watchbell_recent_runs", "Runs that were due in the last 24 hours, by status.")
    for status in Status:
        by_status.add(0, status=str(status))
    for run in runs:
        by_status.add(1, status=str(run.status))
    yield by_status
    late = [max(0.0, (run.started_at - run.due_at).total_seconds()) for run in runs if not run.adhoc]
    yield _spread("watchbell_recent_run_lateness_seconds", "How late scheduled runs of 24 hours began.", late)


def _spread(name: str, text: str, values: Sequence[float]) -> Family:
    """Return median, 95th percentile and maximum; no samples where there are no values."""
    family, ordered = Family(name, text), sorted(values)
    if ordered:
        family.add(ordered[(len(ordered) - 1) // 2], stat="median")
        family.add(ordered[ceil(0.95 * len(ordered)) - 1], stat="p95")
        family.add(ordered[-1], stat="max")
    return family


def _deliveries(runs: Sequence[Run]) -> Family:
    """A delivery is as good as its worst part; images do not count."""
    family = Family("watchbell_recent_deliveries", "Deliveries of runs due in the last 24 hours, by worst part.")
    for run in runs:
        worst: defaultdict[str, int] = defaultdict(int)
        for part in run.parts:
            if part.part < FIRST_IMAGE:
                rank = _OUTCOMES.index(part.outcome) if part.outcome in _OUTCOMES else _OUTCOMES.index("unknown")
                worst[part.target] = max(worst[part.target], rank)
        for target, rank in worst.items():
            family.add(1, provider=target.partition(":")[0], outcome=_OUTCOMES[rank])
    return family


def _gaps(store: Store, since: datetime) -> Iterator[Family]:
    missed = Family("watchbell_recent_missed_fires", "Fire times missed in ranges that end in the last 24 hours.")
    skipped = Family("watchbell_recent_skipped_fires", "Fire times skipped in ranges that end in the last 24 hours.")
    missed.add(0, reason="no tick")
    skipped.add(0, reason="paused")
    for task_id in store.runs.known_task_ids():
        for gap in store.runs.gaps(task_id, limit=_PAGE):
            if gap.last >= since:
                (missed if gap.status is GapStatus.MISSED else skipped).add(gap.count, reason=gap.reason)
    return iter((missed, skipped))


def _tasks(newest: Mapping[str, Run]) -> Iterator[Family]:
    waiting = Family("watchbell_open_runs", "Newest runs of tasks that are not settled yet, by status.")
    open_ones = Counter(run.status for run in newest.values())
    for status in (*LIVE, Status.WAITING, Status.UNKNOWN):
        waiting.add(open_ones[status], status=str(status))
    yield waiting
    fired = Family("watchbell_task_last_run_timestamp_seconds", "When the newest run of each task was due.")
    well = Family("watchbell_task_last_run_well", "Whether the newest run of each task ended as success or quiet.")
    for task_id, run in newest.items():
        fired.add(epoch_seconds(run.due_at), task=task_id)
        well.add(run.status in {Status.SUCCESS, Status.QUIET}, task=task_id)
    yield fired
    yield well


def _sources(store: Store, newest: Iterable[Run]) -> Family:
    """What the newest report that read a source found of it."""
    family = Family("watchbell_source_covered", "Whether the newest report found the source provably watching.")
    reported = sorted((run for run in newest if run.verdict), key=lambda run: run.started_at, reverse=True)
    for run in reported[:_REPORTS]:
        try:
            saved = store.runs.saved_report(run.task_id, run.fire_time) or {}
        except DamagedReport:
            continue  # whoever wants to send or show it hears of that
        for entry in saved.get("coverage", ()):
            _note_coverage(family, entry)
    return family


def _note_coverage(family: Family, entry: Mapping[str, Any]) -> None:
    labels = (("source", str(entry.get("source", ""))),)
    if labels not in family.samples:
        family.samples[labels] = float(entry.get("status") == "ok")
