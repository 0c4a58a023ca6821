"""Questions with thresholds, and what the answers mean. Values in, values out.

A series meets a query that has no `for_minutes` when its value lies beyond a threshold, and one that has it when it lay
beyond for so long without a break: from the first to the last of points that follow each other. A point that is
missing, or not a number, breaks the stretch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from watchbell.errors import SourceError
from watchbell.reports.params import Fields

FIELDS = ("name", "promql", "above", "below", "for_minutes", "source")
MOST_MINUTES = 31 * 24 * 60

Labels = Mapping[str, str]
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question: PromQL, and which values meet it. `source` names the only source to ask."""

    name: str
    promql: str
    above: float | None
    below: float | None
    for_minutes: float | None = None
    source: str | None = None

    def is_beyond(self, value: float) -> bool:
        """Say whether the value lies beyond a threshold; what is not a number does not."""
        over = self.above is not None and value > self.above
        return over or (self.below is not None and value < self.below)

    def worst(self, values: Sequence[float]) -> float | None:
        """Return the value that the question is most about: the greatest, or the least if that is what it asks."""
        known = [value for value in values if not isnan(value)]
        if not known:
            return None
        return min(known) if self.above is None else max(known)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAnswer:
    """One series: its value at the end, over a window also its bounds, and the longest stretch beyond a threshold.

    `stretch` is (from, to) in Unix seconds; None where no point lay beyond.
    """

    labels: Labels
    value: float
    is_met: bool
    least: float | None = None
    most: float | None = None
    last_at: float | None = None
    stretch: tuple[float, float] | None = None

    @property
    def has_value(self) -> bool:
        return not isnan(self.value)


def parse_queries(raw: Sequence[Any]) -> list[Query]:
    """Return the queries of `params.queries`; raises SourceError that names the wrong field."""
    queries = [_query(Fields(one, f"params.queries[{number}]", FIELDS)) for number, one in enumerate(raw)]
    seen: set[str] = set()
    for number, query in enumerate(queries):
        if query.name in seen:
            raise SourceError(f"params.queries[{number}].name repeats {query.name!r}; answers are known by their name")
        seen.add(query.name)
    return queries


def _query(fields: Fields) -> Query:
    promql = fields.text("promql")
    if promql is None:
        raise SourceError(f'{fields.path} needs a "promql" text')
    above, below, minutes = (fields.number(name) for name in ("above", "below", "for_minutes"))
    if above is None and below is None:
        raise SourceError(f'{fields.path} needs a threshold: "above" or "below" with a number')
    if minutes is not None and not 0 < minutes <= MOST_MINUTES:
        raise SourceError(
            f"{fields.path}.for_minutes must be a number of minutes up to {MOST_MINUTES}, not {minutes:g}"
        )
    return Query(
        name=fields.text("name") or promql,
        promql=promql,
        above=above,
        below=below,
        for_minutes=minutes,
        source=fields.text("source"),
    )


def at_once(query: Query, labels: Labels, value: float) -> SeriesAnswer:
    """Judge one value."""
    return SeriesAnswer(labels=labels, value=value, is_met=query.is_beyond(value))


def over_time(query: Query, labels: Labels, points: Points, *, step: float) -> SeriesAnswer:
    """Judge a series on a grid of `step` seconds; `points` are not empty."""
    known = [value for _, value in points if not isnan(value)]
    stretch = longest_stretch(query, points, step=step)
    lasted = stretch[1] - stretch[0] if stretch else -1.0
    last_at, last = points[-1]
    return SeriesAnswer(
        labels=labels,
        value=last,
        is_met=lasted >= (query.for_minutes or 0.0) * 60,
        least=min(known, default=None),
        most=max(known, default=None),
        last_at=last_at,
        stretch=stretch,
    )


def longest_stretch(query: Query, points: Points, *, step: float) -> tuple[float, float] | None:
    """Return the longest unbroken stretch beyond a threshold, the first of equals."""
    longest: tuple[float, float] | None = None
    begin = previous = None
    for at, value in points:
        if not query.is_beyond(value):
            begin = None
            continue
        if begin is None or previous is None or at - previous > 1.5 * step:
            begin = at
        previous = at
        if longest is None or at - begin > longest[1] - longest[0]:
            longest = (begin, at)
    return longest


def each_series_once(answers: Sequence[SeriesAnswer]) -> list[SeriesAnswer]:
    """Return each series once, by the account that meets the query where several sources know it."""
    found: dict[tuple[tuple[str, str], ...], SeriesAnswer] = {}
    for one in answers:
        key = tuple(sorted(one.labels.items()))
        known = found.get(key)
        if known is None or (one.is_met, one.has_value) > (known.is_met, known.has_value):
            found[key] = one
    return list(found.values())
