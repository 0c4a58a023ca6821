"""What the alert log itself shows to be missing, and which windows that spoils.

A lost payload may have told of a window if it came at most `max_gap` before it, within which an alert is told again,
or after it, since what begins shortly before the end is told later.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple


class Flaw(NamedTuple):
    """Why the file cannot vouch for a window: the number of a line, and what is wrong with it."""

    line: int
    what: str


class Group(NamedTuple):
    """A group of alerts as one Alertmanager keeps it; two of them, though a pair, may know different alerts."""

    sender: str
    receiver: str
    key: str


class _CutDown(NamedTuple):
    """Between which instants all payloads of a group were cut down."""

    first: datetime
    last: datetime
    flaw: Flaw


class Flaws:
    """The flaws that spoil [start, end), found while the file is read from its first line to its last."""

    def __init__(self, start: datetime, end: datetime, max_gap: timedelta) -> None:
        self._start = start
        self._max_gap = max_gap
        self._earliest = start - max_gap
        self._latest = end + max_gap
        self._dated: list[Flaw] = []
        self._cut_down: dict[Group, _CutDown] = {}
        self._undated = _Undated(self._earliest, self._latest)

    def pass_by(self, received: datetime) -> None:
        """Take notice of the instant of a line, whatever is in it."""
        self._undated.pass_by(received)

    def add(self, flaw: Flaw, at: datetime | None) -> None:
        """Add what is wrong with a line, of an instant unless that is unknown."""
        if at is None:
            self._undated.add(flaw)
        elif self._earliest <= at < self._latest:
            self._dated.append(flaw)

    def add_cut_down(self, flaw: Flaw, group: Group, at: datetime) -> None:
        """Add that a group was not told whole. It is in doubt from then on until it is, or until it is silent.

        What still fires is told then, or within `max_gap`. What ended in between may never have been told.
        """
        cut = self._cut_down.get(group)
        if cut and at - cut.last > self._max_gap:
            self._end_doubt(cut)
            cut = None
        self._cut_down[group] = _CutDown(min(cut.first, at) if cut else at, at, flaw)

    def tell_whole(self, group: Group, at: datetime) -> None:
        """Take notice that a group was told whole."""
        cut = self._cut_down.get(group)
        if not cut or at < cut.last:
            return
        del self._cut_down[group]
        if at >= self._start:
            self._end_doubt(cut)

    def _end_doubt(self, cut: _CutDown) -> None:
        if self._is_near(cut):
            self._dated.append(cut.flaw)

    def _is_near(self, cut: _CutDown) -> bool:
        return cut.first < self._latest and cut.last >= self._earliest

    def first(self) -> Flaw | None:
        """Return the first line that spoils the window."""
        flaws = [*self._dated, *(cut.flaw for cut in self._cut_down.values() if self._is_near(cut))]
        undated = self._undated.first()
        return min([*flaws, undated] if undated else flaws, default=None)


@dataclass(slots=True)
class _Undated:
    """What is wrong with lines of no known instant: each was written between its neighbours, if their clock is right.

    So one is let off only if all that comes before it and what comes next is older than `earliest`, or if what comes
    before it and all that comes after is as new as `latest`.
    """

    earliest: datetime
    latest: datetime
    _spoils: Flaw | None = None
    _may_be_old: Flaw | None = None
    _may_be_new: Flaw | None = None
    _most: datetime | None = None
    _newest: datetime | None = None

    def add(self, flaw: Flaw) -> None:
        if self._most is None or self._most < self.earliest:
            self._may_be_old = self._may_be_old or flaw
        elif self._newest and self._newest >= self.latest:
            self._may_be_new = self._may_be_new or flaw
        else:
            self._spoils = self._spoils or flaw

    def pass_by(self, received: datetime) -> None:
        if received >= self.earliest:
            self._spoils = self._spoils or self._may_be_old
        if received < self.latest:
            self._spoils = self._spoils or self._may_be_new
        self._may_be_old = None
        self._most = max(self._most or received, received)
        self._newest = received

    def first(self) -> Flaw | None:
        return self._spoils or self._may_be_old
