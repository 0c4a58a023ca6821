"""Puts questions to every source that speaks PromQL, and says in lines what came back."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil, isfinite

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds, from_epoch_seconds
from watchbell.reports import wording
from watchbell.reports.analysis.questions import Query, SeriesAnswer, at_once, each_series_once, over_time
from watchbell.reports.interface import Section, Window
from watchbell.reports.kinds.material import Querier

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
    remarks: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()  # source and error


def answer_all(queries: Sequence[Query], queriers: Sequence[Querier], window: Window, clock: Clock) -> list[Answer]:
    """Ask all questions, some at a time, and return what came back in their order."""
    until = clock.monotonic() + ASKING_SECONDS
    if not queries:
        return []
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(queries))) as pool:
        return list(
            pool.map(lambda query: _answer(query, queriers, window, lambda: clock.monotonic() > until), queries)
        )


def _answer(query: Query, queriers: Sequence[Querier], window: Window, is_over: Callable[[], bool]) -> Answer:
    """Ask one question; whatever goes wrong is in the answer."""
    try:
        asked = _to_ask(query, queriers)
        step = _step(query, window)
    except SourceError as error:
        return _unanswered(query, str(error))
    found: list[SeriesAnswer] = []
    failed: list[tuple[str, str]] = []
    remarks = []
    for querier in asked:
        try:
            if is_over():
                raise SourceError(f"not asked: {query.name} came after {ASKING_SECONDS:g} s of other questions")
            series = _ask(querier, query, window, step)
        except SourceError as error:
            failed.append((querier.name, str(error)))
            continue
        found += series
        if not series:
            remarks.append(f"{query.name}: {querier.name} has no such series")
    required = [f"{name}: {why}" for name, why in failed if _is_required(asked, name)]
    remarks += [f"{query.name}: {name}: {why}" for name, why in failed if not _is_required(asked, name)]
    known = [one for one in each_series_once(found) if one.has_value or one.most is not None]
    problem = next(iter(required), None) or _nothing_known(query, asked, bool(found), bool(known))
    if not known:
        return replace(_unanswered(query, problem or "no data"), failed=tuple(failed), remarks=tuple(remarks))
    values = [value for one in known for value in (one.value, one.least, one.most) if value is not None]
    worst = query.worst(values)
    return Answer(
        query=query,
        section=_section(query, known, window, problem, step),
        met=sum(one.is_met for one in known),
        value=worst if worst is not None and isfinite(worst) else None,
        problem=problem,
        remarks=tuple(remarks),
        failed=tuple(failed),
    )


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


def _ask(querier: Querier, query: Query, window: Window, step: timedelta | None) -> list[SeriesAnswer]:
    if step is None:
        return [at_once(query, labels, value) for labels, value in querier.ask(query.promql, window.end)]
    found = querier.ask_range(query.promql, window.start, window.end, step=step)
    return [over_time(query, labels, points, step=step.total_seconds()) for labels, points in found if points]


def _is_required(asked: Sequence[Querier], name: str) -> bool:
    return any(one.required for one in asked if one.name == name)


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
    late = epoch_seconds(window.end) - max(300.0, 2 * step.total_seconds() if step else 0.0)
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
