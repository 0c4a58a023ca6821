"""A source whose labels do not say where they come from, such as one of several clusters: what it tells gets more.

Prometheus adds its `external_labels` to what it sends to others, and to nothing that is asked of it: without them equal
alerts of two clusters are one. What the source says itself stands. Alerting rules stay as they are written there: by
their labels it is told which of them made an alert.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from watchbell.errors import SourceError
from watchbell.reports.analysis import matchers
from watchbell.reports.interface import Evidence, Querier, Silence, Source


def labelled(source: Source, labels: Mapping[str, str]) -> Source:
    """Return the source with labels added to what it tells; it can be asked questions if it could before."""
    return LabelledQuerier(source, labels) if isinstance(source, Querier) else Labelled(source, labels)


class Labelled:
    """Adds labels to alerts, and to what silences match: an Alertmanager silences the alerts that it is told of."""

    def __init__(self, source: Source, labels: Mapping[str, str]) -> None:
        self.name = source.name
        self.required = source.required
        self._source = source
        self._labels = dict(labels)

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Return what the source tells, with the labels."""
        found = self._source.read(start, end)
        # A matcher of what its alerts call otherwise would match none of them.
        sure = {
            name: value
            for name, value in self._labels.items()
            if all(one.labels.get(name, value) == value for one in found.episodes)
        }
        return replace(
            found,
            episodes=tuple(replace(one, labels={**self._labels, **one.labels}) for one in found.episodes),
            silences=tuple(_only_here(one, sure) for one in found.silences),
        )


class LabelledQuerier(Labelled):
    """Adds labels to the answers of questions, too."""

    _source: Querier

    def __init__(self, source: Querier, labels: Mapping[str, str]) -> None:
        super().__init__(source, labels)

    def ask(self, promql: str, at: datetime) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series at `at`; raises SourceError."""
        return [({**self._labels, **labels}, value) for labels, value in self._source.ask(promql, at)]

    def ask_range(
        self, promql: str, start: datetime, end: datetime, *, step: timedelta
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Return labels and (Unix seconds, value) points of each series over [start, end]; raises SourceError."""
        found = self._source.ask_range(promql, start, end, step=step)
        return [({**self._labels, **labels}, points) for labels, points in found]


def _only_here(silence: Silence, labels: Mapping[str, str]) -> Silence:
    try:
        said = {one.name for one in matchers.split(silence.matchers)}
    except SourceError:  # what nobody can read is shown as it stands
        return silence
    more = [str(matchers.Matcher(name, "=", value)) for name, value in labels.items() if name not in said]
    return replace(silence, matchers=", ".join([silence.matchers, *more]))
