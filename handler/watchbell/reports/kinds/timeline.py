"""One list in the order of time over everything that sources tell of a window: alerts, silences, restarts, gaps.

A list that is too long loses usual noise first, then the lightest of the incidents that have no row in the table of
incidents, then the middle of the others: of each its beginning and its end stay longest, the heaviest's longest of all.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from watchbell.reports import wording
from watchbell.reports.findings import Findings
from watchbell.reports.interface import Episode, Section, Window

MOST_ROWS = 100
USUAL = "usual"  # the mark of alerts that are usual noise
UNLISTED = "unlisted"  # the mark of those incidents that the table of incidents has no room for
#: How what is left out is told of, by its mark; all others are the numbers of incidents.
_SORTS = {USUAL: "of usual alerts", UNLISTED: "of incidents not listed", "": "of silences and other events"}
_LISTED = "from the middle of incidents"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Entry:
    """Something that happened. `mark` is the number of its incident, UNLISTED or USUAL; `place` is its incident's.

    The heaviest incident has the place 0, as has what belongs to none.
    """

    at: datetime
    event: str
    what: str
    mark: str = ""
    place: int = 0

    @property
    def is_signal(self) -> bool:
        """Say whether an alert began here that is not usual noise."""
        return self.event in ("pending", "firing") and self.mark != USUAL


def entries(findings: Findings, groups: Iterable[tuple[str, Sequence[Episode]]]) -> list[Entry]:
    """Return what happened within the window, oldest first.

    `groups` hold all its episodes, each group with its mark, the heaviest incident first.
    """
    window = findings.window
    found = [
        entry for place, (mark, group) in enumerate(groups) for one in group for entry in _of_alert(one, mark, place)
    ]
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
    """Return the list as a table, with the distance of each entry from the first signal."""
    zero = first_signal(found)
    shown = _shown(found)
    rows = tuple(
        (wording.clock_time(one.at, window.timezone), _offset(one.at, zero), one.event, one.what, one.mark)
        for one in shown
    )
    signal = "the first signal"
    if zero is not None and all(one.at != zero for one in shown):
        signal += f", {wording.clock_time(zero, window.timezone)}"
    lines = [f"Times in {window.timezone}; the offset counts from {signal}."]
    if not found:
        lines = ["No alert and no silence began or ended in this window."]
    if len(shown) < len(found):
        lines.append(f"{wording.shown(len(shown), len(found), 'line')[0]}; left out: {_left_out(found, shown)}")
    columns = ("time", "offset", "", "", "incident")  # what has no name here needs none
    return Section(title="Timeline", lines=tuple(lines), columns=columns if rows else (), rows=rows)


def _shown(found: Sequence[Entry]) -> list[Entry]:
    """Return at most MOST_ROWS of them in their order."""
    if len(found) <= MOST_ROWS:
        return list(found)
    rest = [one for one in found if one.mark != USUAL]
    together: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for one in rest:
        together[one.mark, one.place].append(one)
    depths = [
        (one.mark == UNLISTED, min(number, len(group) - 1 - number), one.place, one)
        for group in together.values()
        for number, one in enumerate(group)
    ]
    return sorted(one for *_, one in sorted(depths)[:MOST_ROWS])


def _left_out(found: Sequence[Entry], shown: Sequence[Entry]) -> str:
    """Return how many of which sort are not shown."""
    missing = Counter(_SORTS.get(one.mark, _LISTED) for one in found)
    missing.subtract(_SORTS.get(one.mark, _LISTED) for one in shown)
    return ", ".join(f"{missing[sort]} {sort}" for sort in (*_SORTS.values(), _LISTED) if missing[sort])


def _of_alert(one: Episode, mark: str, place: int) -> list[Entry]:
    what = wording.alert(one.labels)
    found = [Entry(at=one.start, event="firing", what=what, mark=mark, place=place)]
    if one.active_at is not None and one.active_at < one.start:
        found.append(Entry(at=one.active_at, event="pending", what=what, mark=mark, place=place))
    if one.end is not None:
        found.append(Entry(at=one.end, event="resolved", what=what, mark=mark, place=place))
    return found


def _offset(at: datetime, zero: datetime | None) -> str:
    if zero is None:
        return ""
    seconds = (at - zero).total_seconds()
    return f"{'-' if seconds < 0 else '+'}{wording.duration(abs(seconds))}"
