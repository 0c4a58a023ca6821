"""The embedded source: a JSON-lines file of Alertmanager webhook payloads (v4), one a line, oldest first.

A line is the payload itself, or `{"received_at": INSTANT, "payload": {…}}`, which is what `append` writes. A bare
payload counts as received at the latest instant that its alerts name.

Absence of alerts proves nothing, so the file must show a heartbeat: an always-firing alert such as Watchdog, again and
again, never further apart than `max_gap`. Alertmanager repeats a firing alert after `repeat_interval` (4 h unless
changed) plus at most one `group_interval` (5 m), hence the default of 5 hours. A heartbeat that is resolved says that
Prometheus has stopped: from then until the next one nobody watched, unless another heartbeat began shortly before,
as where the rule or its labels were changed.

Nor do heartbeats prove anything where the file itself shows that something is missing: a line that cannot be read, a
payload that the receiver refused (`{"received_at": INSTANT, "refused": REASON}`), or one that Alertmanager cut down to
`max_alerts` (its `truncatedAlerts` is not 0).
"""

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from watchbell.atomic_file import sync_folder
from watchbell.errors import StoreError, UsageError
from watchbell.instants import format_instant, format_minute
from watchbell.reports.interface import Coverage, CoverageStatus, Episode, Evidence
from watchbell.reports.sources.alert_log_beats import Heartbeats, LabelKey
from watchbell.reports.sources.alert_log_flaws import Flaw, Flaws
from watchbell.reports.sources.alert_log_lines import (
    Alert,
    Entry,
    complaint,
    entry_of,
    in_short,
    received_at,
    refusal_of,
)
from watchbell.reports.sources.heartbeats import HEARTBEATS, is_heartbeat

MAX_GAP = timedelta(hours=5)
#: An alert without news for this long is taken for gone; no `repeat_interval` in use comes near.
LOOK_BACK = timedelta(days=7)
MAX_LINE_BYTES = 16 * 1024 * 1024


def append(path: Path, payload: object, received_at: datetime) -> int:
    """Add one payload, durable on return, and return how many alerts it held.

    Raises UsageError when it is no Alertmanager payload or too large, StoreError when it cannot be written.
    """
    try:
        entry = entry_of({"received_at": format_instant(received_at), "payload": payload})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"this is not an Alertmanager webhook payload: {in_short(complaint(error))}") from None
    line = _line(received_at, payload=payload)
    if len(line) > MAX_LINE_BYTES:
        raise UsageError(
            f"this payload would take {len(line)} bytes in the alert log, where a line has at most {MAX_LINE_BYTES}; "
            "send smaller groups (group_by: ['...'] in Alertmanager)"
        )
    _append_line(path, line)
    return len(entry.alerts)


def append_refusal(path: Path, reason: str, received_at: datetime) -> None:
    """Note, durable on return, that a payload was refused, so that nobody vouches for that time.

    Raises StoreError when it cannot be written.
    """
    _append_line(path, _line(received_at, refused=in_short(reason)))


class AlertLog:
    """Rebuilds alert episodes from the file; reads it line by line, whatever its size."""

    def __init__(
        self,
        path: Path,
        *,
        name: str = "alert log",
        required: bool = True,
        max_gap: timedelta = MAX_GAP,
        heartbeats: Collection[str] = HEARTBEATS,
    ) -> None:
        self.name = name
        self.required = required
        self._path = path
        self._max_gap = max_gap
        self._heartbeats = heartbeats

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Return the episodes that touch [start, end), and whether a heartbeat covers it."""
        flaws = Flaws(start, end, self._max_gap)
        story = _Story(start - max(LOOK_BACK, self._max_gap), self._heartbeats, flaws)
        try:
            with self._path.open("rb") as lines:
                for number, line in _lines(lines):
                    story.add(number, line)
        except FileNotFoundError:
            return self._evidence(
                CoverageStatus.FAILED,
                f"there is no {self._path}; feed Alertmanager's webhook to `watchbell alerts record`, "
                "or set WATCHBELL_PROMETHEUS_URL",
            )
        except OSError as error:
            return self._evidence(CoverageStatus.FAILED, f"cannot read {self._path}: {error.strerror}")
        return self._judge(story, start, end)

    def _judge(self, story: "_Story", start: datetime, end: datetime) -> Evidence:
        covered_from, gap = story.heard.coverage(start, end, self._max_gap)
        beats = [beat for beat in story.heard.beats if beat < end]
        age = (end - max(beats)).total_seconds() if beats else None
        reasons = [self._without_proof(story, gap)] if gap else []
        flaw = story.flaws.first()
        if flaw:
            reasons.append(f"line {flaw.line} of {self._path} {flaw.what}")
        if reasons:
            status, detail = CoverageStatus.UNPROVEN, "; ".join(reasons)
        else:
            status, detail = CoverageStatus.OK, f"last heartbeat {format_minute(max(beats))}"
        if story.torn:
            detail += f"; {story.torn} torn line left out"
        # Of what is lost nobody knows until when it spoils the proof.
        found = {"episodes": story.episodes(start, end), "covered_from": None if flaw else covered_from}
        return self._evidence(status, detail, age_seconds=age, **found)

    def _without_proof(self, story: "_Story", gap: str) -> str:
        if not story.count:
            return f"{self._path} has no recent entry; is Alertmanager's webhook set up?"
        if not story.heard.beats:
            hours = f"{self._max_gap.total_seconds() / 3600:g} h"
            return "no heartbeat: route an always-firing alert such as Watchdog here, repeated at least every " + hours
        return gap

    def _evidence(
        self, status: CoverageStatus, detail: str, *, age_seconds: float | None = None, **found: Any
    ) -> Evidence:
        coverage = Coverage(
            source=self.name, status=status, detail=detail, age_seconds=age_seconds, required=self.required
        )
        return Evidence(coverage=coverage, **found)


@dataclass(slots=True)
class _Life:
    """What the file says of one alert that began at one instant."""

    end: datetime | None
    annotations: Mapping[str, str]


@dataclass(slots=True)
class _Story:
    """The file, read line by line: who fired when, when a heartbeat came, what is missing."""

    since: datetime  # what is older is not looked at
    heartbeats: Collection[str]
    flaws: Flaws
    lives: dict[LabelKey, dict[datetime, _Life]] = field(default_factory=dict)
    heard: Heartbeats = field(default_factory=Heartbeats)
    torn: int = 0
    count: int = 0

    def add(self, number: int, line: bytes) -> None:
        received = received_at(line)
        if received:
            self.flaws.pass_by(received)
        if (received and received < self.since) or not line.strip():
            return
        is_cut = len(line) == MAX_LINE_BYTES and not line.endswith(b"\n")
        try:
            raw = None if is_cut else json.loads(line)
            refused = refusal_of(raw)
            entry = None if refused else entry_of(raw)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            # A torn line was never acknowledged: its sender repeats it.
            if received and not is_cut and not line.rstrip().endswith(b"}"):
                self.torn += 1
            else:
                self.flaws.add(Flaw(number, "cannot be read; mend or remove it"), received)
            return
        if entry:
            self._take(number, entry)
        else:
            self.flaws.add(Flaw(number, f"says that a payload was refused: {refused}"), received)

    def _take(self, number: int, entry: "Entry") -> None:
        if entry.is_dated:
            self.flaws.pass_by(entry.received)
        if entry.left_out:
            self._take_cut_down(number, entry)
        elif entry.is_dated:
            self.flaws.tell_whole(entry.group, entry.received)
        if entry.received >= self.since:
            self.count += 1
            for alert in entry.alerts:
                self._tell(alert, entry.received)

    def _take_cut_down(self, number: int, entry: "Entry") -> None:
        left_out = f"says that Alertmanager left out {entry.left_out} alert(s)"
        advice = "use group_by: ['...'], or raise max_alerts"
        if not entry.is_dated:
            self.flaws.add(Flaw(number, f"{left_out}: {advice}"), None)
        elif entry.received >= self.since:
            flaw = Flaw(number, f"{left_out} at {format_minute(entry.received)}: {advice}")
            self.flaws.add_cut_down(flaw, entry.group, entry.received)

    def _tell(self, alert: "Alert", received: datetime) -> None:
        if is_heartbeat(alert.labels, self.heartbeats):
            self.heard.add(alert, received)
            return
        lives = self.lives.setdefault(tuple(sorted(alert.labels.items())), {})
        life = lives.setdefault(alert.start, _Life(None, alert.annotations))
        end = received if alert.end is not None and alert.end < alert.start else alert.end
        life.end = life.end or end

    def episodes(self, start: datetime, end: datetime) -> tuple[Episode, ...]:
        found: list[Episode] = []
        for key, lives in self.lives.items():
            begins = sorted(lives)
            for begin, following in zip(begins, [*begins[1:], None], strict=True):
                # It cannot begin anew without having ended: the news of that was lost.
                over = lives[begin].end or following
                if begin < end and (over is None or over >= start):
                    over = None if over is None or over > end else over
                    found.append(Episode(labels=dict(key), start=begin, end=over, annotations=lives[begin].annotations))
        return tuple(sorted(found, key=lambda episode: (episode.start, sorted(episode.labels.items()))))


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines, none longer than the limit: of a longer one only its beginning, which cannot be read."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        yield number, line
        while not line.endswith(b"\n") and (line := file.readline(MAX_LINE_BYTES)):
            pass


def _line(received_at: datetime, **content: object) -> bytes:
    entry = {"received_at": format_instant(received_at), **content}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _append_line(path: Path, line: bytes) -> None:
    try:
        _write_line(path, line)
    except OSError as error:
        raise StoreError(f"cannot write the alert log {path}: {error.strerror}") from error


def _write_line(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line  # a writer died in the middle of the last line
        try:
            written = os.write(handle, line)
            if written != len(line):
                raise OSError(0, "the disk is full")
            os.fsync(handle)
        except OSError:
            with suppress(OSError):
                os.ftruncate(handle, size)  # half a line would only be torn
            raise
    finally:
        os.close(handle)
    if not size:
        sync_folder(path.parent)
