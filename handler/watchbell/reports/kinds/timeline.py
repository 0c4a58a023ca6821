"""One list in the order of time over everything that sources tell of a window: alerts, silences, restarts, gaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from watchbell.reports import wording
from watchbell.reports.findings import Findings
from watchbell.reports.interface import Episode, Section, Window

MOST_ROWS = 100
USUAL = "usual"  # the mark of alerts that are usual noise


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Entry:
    """Something that happened. `mark` is the number of its incident, or USUAL."""

    at: datetime
    event: str
    what: str
    mark: str = ""

    @property
    def is_signal(self) -> bool:
        """Say whether an alert began here that is not usual noise."""
        return self.event in ("pending", "firing") and self.mark != USUAL


def entries(findings: Findings, groups: Mapping[str, Sequence[Episode]]) -> list[Entry]:
    """Return what happened within the window, oldest first; `groups` hold all its episodes, by their mark."""
    window = findings.window
    found = [entry for mark, group in groups.items() for one in group for entry in _of_alert(one, mark)]
    for silence in findings.silences:
        what = wording.silence(silence, window.timezone)
        found += [Entry(at=silence.start, event="silenced", what=what)]
        found += [Entry(at=silence.end, event="silence ended", what=what)]
    for event in findings.events:
        lasting = f", for {wording.duration((event.until - event.at).total_seconds())}" if event.until else ""
        found.append(Entry(at=event.at, event=event.source, what=wording.shortened(event.text + lasting)))
    return sorted(one for one in found if window.start <= one.at < window.end)


def first_signal(found: Sequence[Entry]) -> datetime | None:
    """Return when the first alert began that is not usual noise, or else the first of any."""
    signals = [one.at for one in found if one.is_signal]
    return min(signals or [one.at for one in found if one.event in ("pending", "firing")], default=None)


def timeline(found: Sequence[Entry], window: Window) -> Section:
    """Return the list as a table, with the distance of each entry from the first signal; usual noise yields first."""
    zero = first_signal(found)
    shown = [one for one in found if one.mark != USUAL] if len(found) > MOST_ROWS else list(found)
    rows = tuple(
        (wording.clock_time(one.at, window.timezone), _offset(one.at, zero), one.event, one.what, one.mark)
        for one in shown[:MOST_ROWS]
    )
    lines = [f"Times in {window.timezone}; the offset counts from the first signal."]
    if not found:
        lines = ["No alert and no silence began or ended in this window."]
    if len(found) > len(shown):
        lines.append(f"Left out: {wording.many(len(found) - len(shown), 'line')} of usual alerts")
    lines += wording.shown(len(rows), len(shown), "line")
    columns = ("time", "offset", "", "", "incident")  # what has no name here needs none
    return Section(title="Timeline", lines=tuple(lines), columns=columns if rows else (), rows=rows)


def _of_alert(one: Episode, mark: str) -> list[Entry]:
    what = wording.alert(one.labels)
    found = [Entry(at=one.start, event="firing", what=what, mark=mark)]
    if one.active_at is not None and one.active_at < one.start:
        found.append(Entry(at=one.active_at, event="pending", what=what, mark=mark))
    if one.end is not None:
        found.append(Entry(at=one.end, event="resolved", what=what, mark=mark))
    return found


def _offset(at: datetime, zero: datetime | None) -> str:
    if zero is None:
        return ""
    seconds = (at - zero).total_seconds()
    return f"{'-' if seconds < 0 else '+'}{wording.duration(abs(seconds))}"
