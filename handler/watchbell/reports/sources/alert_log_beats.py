"""The heartbeats in the alert log: until when somebody watched, as far as they tell. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchbell.instants import format_minute
from watchbell.reports import wording
from watchbell.reports.sources.alert_log_lines import Alert

LabelKey = tuple[tuple[str, str], ...]

#: One that begins so soon before another stops has taken its place: Alertmanager misses an alert whose rule or labels
#: were changed only some minutes after the new one fires.
SUCCESSION = timedelta(minutes=10)


@dataclass(slots=True)
class Heartbeats:
    """When heartbeats came, which there were, and when Alertmanager missed one."""

    beats: list[datetime] = field(default_factory=list)
    _begun: set[tuple[LabelKey, datetime]] = field(default_factory=set)
    _stops: dict[LabelKey, set[datetime]] = field(default_factory=dict)

    def add(self, alert: Alert, received: datetime) -> None:
        """Add what one payload says of a heartbeat."""
        key = tuple(sorted(alert.labels.items()))
        self._begun.add((key, alert.start))
        if alert.end is None:
            self.beats.append(received)
        else:
            self._stops.setdefault(key, set()).add(min(alert.end, received))

    def coverage(self, start: datetime, end: datetime, max_gap: timedelta) -> tuple[datetime | None, str]:
        """Return since when they prove that someone watched until `end`, and what spoils the proof of [start, end)."""
        relevant = sorted(beat for beat in self.beats if beat >= start - max_gap)
        at_most = f"(at most {max_gap.total_seconds() / 3600:g} h apart is proof)"
        stops = self._stopped()
        covered_from: datetime | None = None
        gap = ""
        before: datetime | None = None
        for beat in [*relevant, None]:
            following = beat or end
            if before is None:
                covered_from = following if following > start else start
                gap = f"no heartbeat before {format_minute(following)} {at_most}" if following > start else ""
            else:
                stop = min((one for one in stops if before <= one[0] < following), default=None)
                silent_from = stop[0] if stop else before
                is_gap = stop is not None or following - before > max_gap
                if is_gap and silent_from < end and following > start:
                    covered_from = following
                    between = f"{format_minute(silent_from)} and {format_minute(following)}"
                    gap = _stop_told(*stop, beat) if stop else f"no heartbeat between {between} {at_most}"
            before = following
        if not gap and not any(beat >= start for beat in relevant):
            return None, f"no heartbeat in the window itself, let it be repeated more often {at_most}"
        return (covered_from if covered_from and covered_from < end else None), gap

    def _stopped(self) -> list[tuple[datetime, LabelKey]]:
        """Return what stopped, and when; one whose place another took has not."""
        stops = [(at, key) for key, times in self._stops.items() for at in times]
        return [(at, key) for at, key in stops if not self._has_heir(key, at)]

    def _has_heir(self, key: LabelKey, stop: datetime) -> bool:
        """Say whether another began shortly before, and had not stopped itself: a crash ends all at once."""
        return any(
            other != key
            and stop - SUCCESSION <= begun <= stop
            and not any(begun <= end <= stop for end in self._stops.get(other, ()))
            for other, begun in self._begun
        )


def _stop_told(stop: datetime, key: LabelKey, beat: datetime | None) -> str:
    then = f"the next heartbeat came at {format_minute(beat)}" if beat else "no heartbeat has come since"
    return f"{wording.alert(dict(key))} was resolved at {format_minute(stop)}; {then}"
