"""Puts questions to every source that speaks PromQL, and says in lines what came back."""

from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil, isfinite, isnan

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds, from_epoch_seconds
from watchbell.reports import wording
from watchbell.reports.analysis.questions import Points, Query, SeriesAnswer, at_once, each_series_once, over_time
from watchbell.reports.interface import Querier, Section, Window
from watchbell.reports.kinds.scraping import LONGEST_HOLE, Scraping, Vouching, last_hole, scraping_of, span

MOST_SERIES = 10
AT_ONCE = 4
#: For all questions together: a tick has a deadline.
ASKING_SECONDS = 120.0
FINEST_STEP = timedelta(seconds=15)
#: Points for one series over the window; Prometheus allows 11,000.
MOST_POINTS = 5_000
#: A stretch of `for_minutes` must hold at least so many steps to be seen.
STEPS_IN_STRETCH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one query brought. `problem` is why it cannot be judged; `remarks` are what was not looked at."""

    query: Query
    section: Section
    met: int = 0
    value: float | None = None
    problem: str | None = None
    is_past: bool = False  # whether the problem is over by the end of the window
    remarks: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()  # source and error
    unproven: tuple[tuple[str, str], ...] = ()  # source, and why its answer is no proof


@dataclass(frozen=True, slots=True)
class _Series:
    """One series of one source, and its points over the window."""

    answer: SeriesAnswer
    points: Points = ()


@dataclass(frozen=True, slots=True)
class _Heard:
    """What one source said to one question, and what is wrong with it."""

    source: str
    required: bool
    series: tuple[_Series, ...] = ()
    failed: str | None = None
    unproven: str | None = None
    gap: str | None = None
    remark: str | None = None
    is_past: bool = False  # whether what is unproven, or the gap, is over by the end of the window

    @property
    def troubles(self) -> list[str]:
        return [f"{self.source}: {why}" for why in (self.failed, self.unproven, self.gap) if why]


@dataclass(frozen=True, slots=True)
class _Asking:
    """What all questions of a report have in common."""

    queriers: Sequence[Querier]
    window: Window
    is_over: Callable[[], bool]
    scraping: Mapping[str, Scraping]
    vouches: Vouching


def answer_all(
    queries: Sequence[Query], queriers: Sequence[Querier], window: Window, clock: Clock, vouches: Vouching
) -> list[Answer]:
    """Ask all questions, some at a time, and return what came back in their order."""
    until = clock.monotonic() + ASKING_SECONDS
    put = {one.name: [query for query in queries if query.source in (None, one.name)] for one in queriers}
    asked = [one for one in queriers if put[one.name]]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        scraping = pool.map(lambda one: scraping_of(one, put[one.name], window, clock), asked)
        asking = _Asking(
            queriers=queriers,
            window=window,
            is_over=lambda: clock.monotonic() > until,
            scraping={one.source: one for one in scraping},
            vouches=vouches,
        )
        return list(pool.map(lambda query: _answer(query, asking), queries))


def _answer(query: Query, asking: _Asking) -> Answer:
    """Ask one question; whatever goes wrong is in the answer."""
    try:
        asked = _to_ask(query, asking.queriers)
        step = _step(query, asking.window)
    except SourceError as error:
        return _unanswered(query, str(error))
    heard = [_hear(one, query, step, asking) for one in asked]
    found = [series.answer for one in heard for series in one.series]
    known = [one for one in each_series_once(found) if one.has_value or one.most is not None]
    # What nobody proves is no answer, also where all who gave it are optional.
    is_proven = any(one.series and not one.troubles for one in heard)
    troubled = [one for one in heard if one.troubles and (one.required or (one.series and not is_proven))]
    troubles = [why for one in troubled for why in one.troubles]
    problem = next(iter(troubles), None) or _nothing_known(query, asked, bool(found), bool(known))
    remarks = [f"{query.name}: {one.source} has no such series" for one in heard if not (one.series or one.failed)]
    remarks += [f"{query.name}: {trouble}" for one in heard if not one.required for trouble in one.troubles]
    remarks += [f"{query.name}: {one.source}: {one.remark}" for one in heard if one.remark]
    answer = _unanswered(query, problem or "no data")
    if known:
        values = [value for one in known for value in (one.value, one.least, one.most) if value is not None]
        worst = query.worst(values)
        answer = Answer(
            query=query,
            section=_section(query, known, asking.window, problem, step),
            met=sum(one.is_met for one in known),
            value=worst if worst is not None and isfinite(worst) else None,
            problem=problem,
        )
    return replace(
        answer,
        is_past=bool(troubled) and bool(known) and all(one.is_past for one in troubled),
        remarks=tuple(remarks),
        failed=tuple((one.source, one.failed) for one in heard if one.failed),
        unproven=tuple((one.source, one.unproven) for one in heard if one.unproven),
    )


def _hear(querier: Querier, query: Query, step: timedelta | None, asking: _Asking) -> _Heard:
    """Put the question to one source."""
    window = asking.window
    try:
        if asking.is_over():
            raise SourceError(f"not asked: {query.name} came after {ASKING_SECONDS:g} s of other questions")
        series = _ask(querier, query, window, step)
    except SourceError as error:
        return _Heard(querier.name, querier.required, failed=str(error))
    end = epoch_seconds(window.end)
    heard = _Heard(querier.name, querier.required, tuple(series))
    if doubt := asking.scraping[querier.name].doubt(query, window, asking.vouches):
        return replace(heard, unproven=doubt.why, is_past=doubt.until < end)
    if not series or step is None:
        return heard
    if gap := _without_data(series, window, step):
        return replace(heard, gap=_no_data(query, gap), is_past=gap[1] < end)
    return replace(heard, remark=_without_number(series, window, step))


def _to_ask(query: Query, queriers: Sequence[Querier]) -> list[Querier]:
    if not queriers:
        raise SourceError("no Prometheus is configured to ask; set WATCHBELL_PROMETHEUS_URL")
    asked = [one for one in queriers if query.source in (None, one.name)]
    if not asked:
        names = ", ".join(one.name for one in queriers)
        raise SourceError(f"{query.name}: there is no source {query.source!r} that answers PromQL, only {names}")
    return asked


def _step(query: Query, window: Window) -> timedelta | None:
    """Return the distance of points to ask for, or None where one value will do."""
    if query.for_minutes is None:
        return None
    wanted = timedelta(minutes=query.for_minutes) / STEPS_IN_STRETCH
    needed = timedelta(seconds=ceil((window.end - window.start).total_seconds() / MOST_POINTS))
    if needed > wanted:
        least = needed.total_seconds() * STEPS_IN_STRETCH / 60
        raise SourceError(f"{query.name}: over so long a window for_minutes must be at least {least:.1f}")
    return max(needed, min(FINEST_STEP, wanted))


def _ask(querier: Querier, query: Query, window: Window, step: timedelta | None) -> list[_Series]:
    if step is None:
        return [_Series(at_once(query, labels, value)) for labels, value in querier.ask(query.promql, window.end)]
    found = querier.ask_range(query.promql, window.start, window.end, step=step)
    return [
        _Series(over_time(query, labels, points, step=step.total_seconds()), points)
        for labels, points in found
        if points
    ]


def _without_data(series: Sequence[_Series], window: Window, step: timedelta) -> tuple[float, float] | None:
    """Return when a question over the window had no answer: one series may come and go, not all of them."""
    return _last_gap({at for one in series for at, _ in one.points}, window, step)


def _no_data(query: Query, gap: tuple[float, float]) -> str:
    cure = "where that means 0, add `or vector(0)`, or `last_over_time(…[30m])` where it comes seldom"
    return f"{query.name!r} has no data between {span(*gap)}; {cure}"


def _without_number(series: Sequence[_Series], window: Window, step: timedelta) -> str | None:
    """Say when the answer was NaN only, as that of a ratio is where nothing happens."""
    found = _last_gap({at for one in series for at, value in one.points if not isnan(value)}, window, step)
    return f"nothing but NaN between {span(*found)}" if found else None


def _last_gap(times: Set[float], window: Window, step: timedelta) -> tuple[float, float] | None:
    return last_hole(times, epoch_seconds(window.start), epoch_seconds(window.end), _lateness(step))


def _lateness(step: timedelta | None) -> float:
    """Return how many seconds without a point are none too many."""
    return max(LONGEST_HOLE.total_seconds(), 2 * step.total_seconds() if step else 0.0)


def _nothing_known(query: Query, asked: Sequence[Querier], has_series: bool, has_values: bool) -> str | None:
    names = ", ".join(one.name for one in asked)
    if not has_series:
        return f"{names}: the query {query.name!r} found no series; is its promql right?"
    return None if has_values else f"{names}: the query {query.name!r} found no number, only NaN"


def _unanswered(query: Query, problem: str) -> Answer:
    section = Section(title=wording.shortened(query.name), lines=("no data", wording.shortened(problem)))
    return Answer(query=query, section=section, problem=problem)


def _section(
    query: Query, known: list[SeriesAnswer], window: Window, problem: str | None, step: timedelta | None
) -> Section:
    met = [one for one in known if one.is_met]
    sign = 1.0 if query.above is None else -1.0
    shown = sorted(met or known, key=lambda one: (sign * _decisive(query, one), sorted(one.labels.items())))
    lines = [f"{len(met)} of {len(known)} series {_threshold(query)}"]
    if problem:
        lines.append(wording.shortened(f"only in part: {problem}"))
    late = epoch_seconds(window.end) - _lateness(step)
    return Section(
        title=wording.shortened(query.name),
        lines=(*lines, *wording.capped([_line(one, window, late) for one in shown], MOST_SERIES)),
    )


def _decisive(query: Query, one: SeriesAnswer) -> float:
    value = query.worst([value for value in (one.value, one.least, one.most) if value is not None])
    return 0.0 if value is None else value


def _threshold(query: Query) -> str:
    sides = [("above", query.above), ("below", query.below)]
    said = " or ".join(f"{side} {limit:g}" for side, limit in sides if limit is not None)
    if query.for_minutes is None:
        return said
    return f"{said} for at least {wording.duration(query.for_minutes * 60)} in the window"


def _line(one: SeriesAnswer, window: Window, late: float) -> str:
    name = _series(one)
    if one.last_at is None or one.least is None or one.most is None:
        return f"{name}: {one.value:g}"
    line = f"{name}: last {one.value:g}, min {one.least:g}, max {one.most:g}"
    if one.last_at < late:
        line += f", no data since {wording.moment(from_epoch_seconds(one.last_at), window.timezone)}"
    if one.stretch:
        lasting = wording.duration(one.stretch[1] - one.stretch[0])
        line += f"; beyond for {lasting} from {wording.moment(from_epoch_seconds(one.stretch[0]), window.timezone)}"
    return line


def _series(one: SeriesAnswer) -> str:
    labels = {name: value for name, value in one.labels.items() if name != "__name__"}
    if "alertname" in labels:
        return wording.alert(labels)
    shown = " ".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return wording.shortened(" ".join(filter(None, (one.labels.get("__name__", ""), shown)))) or "value"
