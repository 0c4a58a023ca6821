"""Was a source that answers questions scraping for as long as a question is about?

An answer alone is no proof: `… or vector(0)` has one also where nothing was scraped, and a series that stops looks like
one that stayed low. Which alerting rules there are does not matter here: the questions are none.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds, format_minute, from_epoch_seconds
from watchbell.reports.analysis.looking_back import look_back
from watchbell.reports.analysis.questions import Query
from watchbell.reports.interface import CoverageStatus, Event, Querier, Window
from watchbell.reports.kinds.material import Material
from watchbell.reports.sources.alert_history import holes
from watchbell.reports.sources.prometheus_proof import SIGNS
from watchbell.reports.sources.prometheus_steps import longest_hole

STEP = timedelta(minutes=1)
#: What Prometheus looks back for a value, and the longest hole that spoils nothing.
LONGEST_HOLE = timedelta(minutes=5)
NEVER = f"it has neither {' nor '.join(SIGNS)} to prove that it was scraping"

#: Whether a source, by its name, vouches for a stretch (Unix seconds) by its own account.
Vouching = Callable[[str, float, float], bool]


class Doubt(NamedTuple):
    """Why an answer is no proof, and until when (Unix seconds)."""

    why: str
    until: float


@dataclass(frozen=True, slots=True)
class Scraping:
    """When one source was scraping (Unix seconds), or why that is not known.

    `has_signs` is False for a server to which everything is pushed: nothing there tells of scraping at any time.
    """

    source: str
    times: frozenset[float] = frozenset()
    has_signs: bool = True
    problem: str | None = None

    def doubt(self, query: Query, window: Window, vouches: Vouching) -> Doubt | None:
        """Return why an answer to the question is no proof; None where it is."""
        since, until = epoch_seconds(asked_from(query, window)), epoch_seconds(window.end)
        found = Doubt(self.problem, until) if self.problem else self._hole(since, until, is_instant=_is_instant(query))
        return None if found is None or vouches(self.source, since, until) else found

    def _hole(self, since: float, until: float, *, is_instant: bool) -> Doubt | None:
        if not self.has_signs:
            return None if is_instant else Doubt(NEVER, until)  # a value at the window's end stands for itself
        found = last_hole(self.times, since, until, longest_hole(self.times, STEP, LONGEST_HOLE))
        if found is None and any(since <= at <= until for at in self.times):
            return None
        first, last = found or (since, until)
        return Doubt(f"no samples between {span(first, last)}", last)


def asked_from(query: Query, window: Window) -> datetime:
    """Return from when on a question looks at samples: at most the whole window, at least the last few minutes."""
    if query.for_minutes is not None:
        return window.start
    return max(min(window.start, window.end - LONGEST_HOLE), window.end - max(LONGEST_HOLE, look_back(query.promql)))


def _is_instant(query: Query) -> bool:
    return query.for_minutes is None and look_back(query.promql) <= LONGEST_HOLE


def scraping_of(querier: Querier, queries: Sequence[Query], window: Window, clock: Clock) -> Scraping:
    """Ask a source when it was scraping, as far back as these questions look."""
    since = min(asked_from(query, window) for query in queries)
    try:
        times = _signs(querier, since, window.end)
        # One that was down all the time has its signs again, now that it answers.
        has_signs = bool(times) or any(querier.ask(sign, clock.now()) for sign in SIGNS)
    except SourceError as error:
        return Scraping(querier.name, problem=f"cannot tell whether it was scraping: {error}")
    return Scraping(querier.name, frozenset(times), has_signs)


def _signs(querier: Querier, since: datetime, end: datetime) -> set[float]:
    """Return the minutes in which a target was scraped; the next sign is asked for where those before have holes."""
    times: set[float] = set()
    first, last = epoch_seconds(since), epoch_seconds(end)
    missing = [(first, last)]
    for sign in SIGNS:
        question = f"max(max_over_time({sign}[{int(STEP.total_seconds() * 1000) - 1}ms])) > 0"
        begin, over = (from_epoch_seconds(at) for at in (missing[0][0], missing[-1][1]))
        for _, points in querier.ask_range(question, begin, over, step=STEP):
            times.update(at for at, _ in points)
        missing = holes(times, first, last, longest_hole(times, STEP, LONGEST_HOLE)) if times else missing
        if not missing:
            break
    return times


def last_hole(times: Collection[float], since: float, until: float, longest: float) -> tuple[float, float] | None:
    """Return the last stretch of more than `longest` seconds without a sample, if there is one."""
    return next(reversed(holes(times, since, until, longest)), None)


def span(first: float, last: float) -> str:
    """Return `2026-11-22T17:09Z and 2026-11-22T21:11Z`."""
    return " and ".join(format_minute(from_epoch_seconds(at)) for at in (first, last))


def vouching(material: Material) -> Vouching:
    """Return how to ask a source for its own account, where a hole longer than ours may be allowed for it."""
    window = material.request.window

    def vouches(source: str, since: float, until: float) -> bool:
        if since < epoch_seconds(window.start):
            return False
        return any(
            one.coverage.source == source
            and one.coverage.status is CoverageStatus.OK
            # Of a pair, one may stand in for the alerts of the other, but not for what it answered here.
            and not any(_overlaps(event, since, until) for event in one.events)
            for one in material.readings.read(window.start, window.end)
        )

    return vouches


def _overlaps(event: Event, since: float, until: float) -> bool:
    return event.until is not None and epoch_seconds(event.at) < until and epoch_seconds(event.until) > since
