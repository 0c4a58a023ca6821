"""Alerts that come and go faster than anybody can act: what counts as a flap, and for how many firings it is true."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from watchbell.reports.findings import ended_before
from watchbell.reports.interface import Episode, Window

#: A firing this short was over before anybody could look …
SHORT = timedelta(minutes=5)
#: … and one this soon after the same alert was resolved says that it was not.
SOON = timedelta(minutes=15)

AlertKey = tuple[tuple[str, str], ...]


def flaps(episodes: Iterable[Episode], window: Window) -> int:
    """Return how many firings that began in the window lasted less than SHORT, or began within SOON of a resolve.

    What happens after the window's end is not known in it, and a resolve before its start is not either.
    """
    return sum(
        _is_short(episode, window) or _follows_soon(episode, before)
        for episode, before in with_predecessors(episodes)
        if window.start <= episode.start < window.end
    )


def with_predecessors(episodes: Iterable[Episode]) -> list[tuple[Episode, Episode | None]]:
    """Return each episode with the one before it of the same alert, oldest first within an alert."""
    alerts: dict[AlertKey, list[Episode]] = defaultdict(list)
    for episode in episodes:
        alerts[tuple(sorted(episode.labels.items()))].append(episode)
    pairs: list[tuple[Episode, Episode | None]] = []
    for history in alerts.values():
        history.sort(key=_start)
        pairs += zip(history, [None, *history], strict=False)
    return pairs


def _start(episode: Episode) -> datetime:
    return episode.start


def _is_short(episode: Episode, window: Window) -> bool:
    has_ended = ended_before(episode, window.end)
    return has_ended and episode.end is not None and episode.end - episode.start < SHORT


def _follows_soon(episode: Episode, before: Episode | None) -> bool:
    return before is not None and before.end is not None and episode.start - before.end <= SOON
