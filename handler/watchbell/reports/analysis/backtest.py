"""What another `for` or `keep_firing_for` would have done to the firings of a rule, computed from those it had.

`for`: a firing would not have come had its condition held no longer than the new `for`; it held from the start of
pending to the end of the firing, less a `keep_firing_for`. Each firing that remains comes later by the difference.
`keep_firing_for`: a firing would have been one with that before it, of the same alert, had its condition begun to hold
again within that time. It delays none, and each firing ends that much later.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from watchbell.reports.analysis.flaps import with_predecessors
from watchbell.reports.analysis.rule_rows import RuleRow
from watchbell.reports.findings import ended_before
from watchbell.reports.interface import Episode, Window

#: Fewer firings than these say nothing about the next one.
FEWEST = 10
#: What a setting must have spared of the firings to be worth a change.
WORTH = 0.5
#: The smallest that is worth it is proposed. Whatever lasts for over a quarter of an hour is no noise to wait away.
FOR_STEPS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15))
KEEP_STEPS = tuple(timedelta(minutes=minutes) for minutes in (2, 5, 10, 15, 30))
#: A firing as long as this was surely one that somebody had to know of.
LONG = timedelta(minutes=30)

ROUNDING = timedelta(seconds=1)


class Setting(StrEnum):
    """What of a rule is to be changed, as it is written there."""

    FOR = "for"
    KEEP_FIRING_FOR = "keep_firing_for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A setting and what it would have done: it spares `spared` of the `tested` firings that began in the window.

    `delay` is by how much later each of the others comes, `long_delayed` how many of those lasted over LONG.
    """

    setting: Setting
    value: timedelta
    current: timedelta
    spared: int
    tested: int
    delay: timedelta
    long_delayed: int


def suggest(row: RuleRow, window: Window) -> Suggestion | None:
    """Return a `keep_firing_for`, which loses and delays no firing, or else a `for` that would have been worth it.

    None where the rule is not known or not surely one rule, where fewer than FEWEST firings can be tested, or where
    no setting would have spared a share of WORTH.
    """
    settings = {(maker.for_seconds, maker.keep_firing_seconds) for maker in row.makers}
    if len(settings) != 1:
        return None
    hold, keep = (timedelta(seconds=seconds) for seconds in settings.pop())
    # With a `keep_firing_for` it cannot be told how long a condition held, so then no other `for` is tried.
    return _try_keep(row.episodes, window, keep) or (None if keep else _try_for(row.episodes, window, hold))


def _try_for(episodes: Iterable[Episode], window: Window, hold: timedelta) -> Suggestion | None:
    tested = [episode for episode in episodes if episode.start >= window.start and episode.active_at is not None]
    for value in _longer(FOR_STEPS, hold, len(tested)):
        remaining = [one for one in tested if _held_longer(one, value, window)]
        spared = len(tested) - len(remaining)
        if spared >= WORTH * len(tested):
            return Suggestion(
                setting=Setting.FOR,
                value=value,
                current=hold,
                spared=spared,
                tested=len(tested),
                delay=value - hold,
                long_delayed=sum(_end(one, window) - one.start > LONG for one in remaining),
            )
    return None


def _held_longer(episode: Episode, value: timedelta, window: Window) -> bool:
    """One that still fires may go on for as long as it likes.

    Prometheus tells the start of pending in whole seconds, rounded down: what is longer by less than one is not longer.
    """
    if episode.active_at is None or not ended_before(episode, window.end):
        return True
    return _end(episode, window) - episode.active_at >= value + ROUNDING


def _try_keep(episodes: Sequence[Episode], window: Window, keep: timedelta) -> Suggestion | None:
    pairs = [pair for pair in with_predecessors(episodes) if pair[0].start >= window.start]
    for value in _longer(KEEP_STEPS, keep, len(pairs)):
        joined = sum(_resumes_within(value - keep, one, before) for one, before in pairs)
        if joined >= WORTH * len(pairs):
            return Suggestion(
                setting=Setting.KEEP_FIRING_FOR,
                value=value,
                current=keep,
                spared=joined,
                tested=len(pairs),
                delay=timedelta(0),
                long_delayed=0,
            )
    return None


def _resumes_within(pause: timedelta, episode: Episode, before: Episode | None) -> bool:
    """Its condition holds again from `active_at` on; where that is not told, later, when it fires again."""
    if before is None or before.end is None:
        return False
    return (episode.active_at or episode.start) - before.end <= pause


def _longer(steps: Iterable[timedelta], current: timedelta, tested: int) -> Iterable[timedelta]:
    return (value for value in steps if value > current) if tested >= FEWEST else ()


def _end(episode: Episode, window: Window) -> datetime:
    return episode.end if episode.end is not None and episode.end < window.end else window.end
