"""Until when silences cover an alert."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from watchbell.errors import SourceError
from watchbell.reports.analysis import matchers
from watchbell.reports.interface import Silence


def silenced_until(labels: Mapping[str, str], silences: Iterable[Silence], at: datetime) -> datetime | None:
    """Return when the last of the silences ends that cover the alert at `at`, None where none does."""
    ends = [one.end for one in silences if one.start <= at < one.end and _covers(one, labels)]
    return max(ends, default=None)


def _covers(silence: Silence, labels: Mapping[str, str]) -> bool:
    try:
        return matchers.all_match(matchers.parse(silence.matchers), labels)
    except SourceError:  # what cannot be read covers nothing
        return False
