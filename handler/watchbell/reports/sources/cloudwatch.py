"""Alarm history from AWS CloudWatch, read-only: DescribeAlarmHistory for what happened, DescribeAlarms for now.

An alarm's firing is the time that it spends in the state ALARM, read from its changes of state. Proof of watching:
there are alarms, they were there since the window began, none of them lacked data for long (in INSUFFICIENT_DATA an
alarm sees nothing), and the window is no older than the history that AWS is known to keep.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.instants import format_minute
from watchbell.reports.interface import AlertRule, Coverage, CoverageStatus, Episode, Event, Evidence
from watchbell.reports.sources.cloudwatch_api import CloudWatchApi
from watchbell.reports.sources.http import Deadline

#: AWS keeps alarm history for two weeks at least.
KEPT = timedelta(days=14)
#: Read before the window, to see since when an alarm was firing that ended in it.
LOOK_BACK = timedelta(days=1)
#: An alarm may lack data this long, while it is being made for instance, and still count as watching.
BLIND = timedelta(minutes=15)
ALARM, INSUFFICIENT = "ALARM", "INSUFFICIENT_DATA"
STRANGE = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class _Stay:
    """One stay of an alarm in one state; `end` is None while it lasts."""

    state: str
    start: datetime
    end: datetime | None
    reason: str


class CloudWatch:
    """Reads the alarms of one region, all or those whose names begin alike."""

    def __init__(
        self,
        *,
        clock: Clock,
        name: str = "cloudwatch",
        required: bool = True,
        region: str | None = None,
        name_prefix: str = "",
        allow_insufficient_data: bool = False,
        deadline_seconds: float = 45.0,
        api: CloudWatchApi | None = None,
    ) -> None:
        self.name = name
        self.required = required
        self._clock = clock
        self._prefix = name_prefix
        self._allows_insufficient = allow_insufficient_data
        self._deadline_seconds = deadline_seconds
        self._api = api or CloudWatchApi(region)

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Return the alarms' stays in ALARM that touch [start, end), and whether they watched all of it."""
        deadline = Deadline(self._clock, self._deadline_seconds)
        now = self._clock.now()
        try:
            alarms = self._api.alarms(self._prefix, deadline)
            since = max(start - LOOK_BACK, now - KEPT)
            # Until now rather than `end`: an alarm's state is known now, and from there back by its changes.
            changes = self._mine(self._api.history("StateUpdate", since, now, deadline))
            edits = self._mine(self._api.history("ConfigurationUpdate", since, now, deadline))
            return self._judged(_Past(alarms, changes, edits, since, self._api.region), start, end, now)
        except SourceError as error:
            return Evidence(coverage=self._coverage(CoverageStatus.FAILED, str(error)))
        except STRANGE as error:
            words = f"answered in a shape that is not CloudWatch's ({type(error).__name__})"
            return Evidence(coverage=self._coverage(CoverageStatus.FAILED, words))

    def _mine(self, items: Iterator[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
        found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for item in items:
            if item["AlarmName"].startswith(self._prefix):
                found[item["AlarmName"]].append(item)
        return found

    def _judged(self, past: "_Past", start: datetime, end: datetime, now: datetime) -> Evidence:
        blind = past.blind(start, end)
        problems, watched_from = [], start
        if not past.alarms:
            which = f" whose name begins with {self._prefix}" if self._prefix else ""
            problems.append(f"it has no alarms{which}, so it cannot know of any")
        if start < now - KEPT:
            watched_from = now - KEPT
            problems.append(f"AWS keeps alarm history for {KEPT.days} days; {format_minute(start)} is longer ago")
        if past.alarms and (first := past.first_made) and start < first:
            watched_from = max(watched_from, first)
            problems.append(f"its first alarm was made at {format_minute(first)}")
        if blind and not self._allows_insufficient:
            watched_from = max(watched_from, *(stay.end or end for _, stay in blind))
            more = f" (and {len(blind) - 1} more)" if len(blind) > 1 else ""
            problems.append(f"alarm {blind[0][0]} had insufficient data from {format_minute(blind[0][1].start)}{more}")
        status = CoverageStatus.UNPROVEN if problems else CoverageStatus.OK
        is_covered = bool(past.alarms) and watched_from < end
        return Evidence(
            coverage=self._coverage(status, problems[0] if problems else past.words(), age_seconds=0.0),
            episodes=past.episodes(start, end),
            rules=tuple(map(past.rule, past.alarms)),
            events=past.events(start, end, self.name, blind),
            covered_from=watched_from if is_covered else None,
        )

    def _coverage(self, status: CoverageStatus, detail: str, age_seconds: float | None = None) -> Coverage:
        return Coverage(source=self.name, status=status, detail=detail, age_seconds=age_seconds, required=self.required)


class _Past:
    """What happened to the alarms since an instant, from their state now and their changes until now."""

    def __init__(
        self,
        alarms: Sequence[Mapping[str, Any]],
        changes: Mapping[str, Sequence[Mapping[str, Any]]],
        edits: Mapping[str, Sequence[Mapping[str, Any]]],
        since: datetime,
        region: str,
    ) -> None:
        self.alarms = alarms
        self._edits = edits
        self._region = region
        made = {name: _edited(items, "Create") for name, items in edits.items()}
        known = {alarm["AlarmName"]: alarm for alarm in alarms}
        self._about = {name: str(alarm.get("AlarmDescription") or "") for name, alarm in known.items()}
        self._stays = {}
        for name in sorted({*known, *changes}):
            stays = _stays(changes.get(name, ()), made.get(name) or since)
            gone = _edited(edits.get(name, ()), "Delete")
            self._stays[name] = _until_now(stays, known[name]) if name in known else _until_gone(stays, gone)
        times = [made.get(name) for name in known]
        self.first_made = None if None in times else min(filter(None, times), default=None)

    def episodes(self, start: datetime, end: datetime) -> tuple[Episode, ...]:
        found = [
            Episode(
                labels={"alertname": name, "region": self._region},
                start=stay.start,
                end=stay.end if stay.end and stay.end <= end else None,
                annotations={"summary": stay.reason, "description": self._about.get(name, "")},
            )
            for name, stays in self._stays.items()
            for stay in stays
            if stay.state == ALARM and stay.start < end and (stay.end is None or stay.end >= start)
        ]
        return tuple(sorted(found, key=lambda episode: (episode.start, episode.labels["alertname"])))

    def blind(self, start: datetime, end: datetime) -> list[tuple[str, _Stay]]:
        """Return where an alarm that is still there lacked data for long within the window."""
        return [
            (alarm["AlarmName"], stay)
            for alarm in self.alarms
            for stay in self._stays[alarm["AlarmName"]]
            if stay.state == INSUFFICIENT and min(stay.end or end, end) - max(stay.start, start) > BLIND
        ]

    def events(
        self, start: datetime, end: datetime, source: str, blind: Sequence[tuple[str, _Stay]]
    ) -> tuple[Event, ...]:
        edits = [
            Event(at=item["Timestamp"], source=source, text=str(item.get("HistorySummary") or f"{name} changed"))
            for name, items in self._edits.items()
            for item in items
            if start <= item["Timestamp"] < end
        ]
        lacks = [
            Event(at=max(stay.start, start), until=stay.end, source=source, text=f"{name} had insufficient data")
            for name, stay in blind
        ]
        return tuple(sorted([*edits, *lacks], key=lambda event: event.at))

    def rule(self, alarm: Mapping[str, Any]) -> AlertRule:
        """Return an alarm as a rule; a composite one has no time of its own."""
        return AlertRule(
            name=alarm["AlarmName"],
            group="cloudwatch",
            for_seconds=float(alarm.get("Period") or 0) * float(alarm.get("EvaluationPeriods") or 0),
            keep_firing_seconds=0.0,
            labels={"region": self._region},
            annotations={"description": self._about[alarm["AlarmName"]]},
            health="insufficient data" if alarm["StateValue"] == INSUFFICIENT else "ok",
        )

    def words(self) -> str:
        mute = sum(alarm.get("ActionsEnabled") is False for alarm in self.alarms)
        count = f"{len(self.alarms)} alarm{'' if len(self.alarms) == 1 else 's'} in {self._region}"
        return count + (f", {mute} with actions switched off" if mute else "")


def _edited(items: Sequence[Mapping[str, Any]], what: str) -> datetime | None:
    """Return when an alarm was last made or deleted, if that is within the history that was read."""
    times = [item["Timestamp"] for item in items if json.loads(item["HistoryData"]).get("type") == what]
    return max(times, default=None)


def _stays(changes: Sequence[Mapping[str, Any]], begun: datetime) -> list[_Stay]:
    """Return the stays in each state, oldest first; the first of them may have begun before it is known."""
    told = sorted(((item["Timestamp"], json.loads(item["HistoryData"])) for item in changes), key=itemgetter(0))
    if not told:
        return []
    stays = [_Stay(str(told[0][1]["oldState"]["stateValue"]), min(begun, told[0][0]), told[0][0], "")]
    for (at, data), (end, _) in zip(told, [*told[1:], (None, None)], strict=True):
        new = data["newState"]
        stays.append(_Stay(str(new["stateValue"]), at, end, str(new.get("stateReason") or "")))
    return stays


def _until_now(stays: list[_Stay], alarm: Mapping[str, Any]) -> list[_Stay]:
    """Add the state that the alarm is in, where the history does not tell of it, or not yet."""
    if stays and stays[-1].state == alarm["StateValue"]:
        return stays
    entered = alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"]
    last = [replace(stays[-1], end=max(entered, stays[-1].start))] if stays else []
    return [*stays[:-1], *last, _Stay(str(alarm["StateValue"]), entered, None, str(alarm.get("StateReason") or ""))]


def _until_gone(stays: list[_Stay], gone: datetime | None) -> list[_Stay]:
    """End the last stay of an alarm that is no more."""
    return [*stays[:-1], replace(stays[-1], end=max(gone or stays[-1].start, stays[-1].start))] if stays else []
