"""Was Prometheus watching? What its own samples say over a window, and what they tell of restarts and reloads.

Proof of watching is an absence of holes in what it scraped, of rule groups that did not evaluate, and of time without
any rules. What Prometheus says of itself (restarts, reloads, rules) is there only where it scrapes itself, as nearly
all do.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from watchbell.instants import epoch_seconds, format_minute, from_epoch_seconds
from watchbell.reports.interface import Event
from watchbell.reports.sources.alert_history import holes
from watchbell.reports.sources.prometheus_api import Session, number

STEP = timedelta(minutes=1)
#: Restarts and reloads are values that stay: looking at them just within the look-back of five minutes is enough.
STORY_STEP = timedelta(minutes=4)
#: The configuration is also loaded at each start; a reload this soon after one is none.
STARTING_SECONDS = 120.0

#: What shows that a target was scraped, the cheapest first; the next is asked for only where one before has a hole.
#: ALERTS is no such sign: rules are evaluated, and find nothing, also where every target is down or there is none.
#: (timestamp() would give exact times, and takes Prometheus 2.42 thirty times as long.)
SIGNS = ("prometheus_build_info", "up")
STARTED = "process_start_time_seconds"
RELOADED = "prometheus_config_last_reload_success_timestamp_seconds"
RELOAD_FAILED = "prometheus_config_last_reload_successful"
STORY = f'({{__name__=~"{STARTED}|{RELOADED}"}} or {RELOAD_FAILED} == 0) and on (job, instance) prometheus_build_info'
FAILURES = (
    "sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[5m])) > 0 or "
    "sum by (rule_group) (increase(prometheus_rule_group_iterations_missed_total[5m])) > 0"
)
FAILURES_SECONDS = 240.0
RULE_GROUPS = "count(prometheus_rule_group_iterations_total)"
#: It scraped itself and had no rules: they were lost by a reload, or there were none yet.
WITHOUT_RULES = f"count(prometheus_build_info) unless {RULE_GROUPS}"

Stretch = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Story:
    """What Prometheus says of its own life, and of the life of those that it scrapes: (Unix seconds, who, what)."""

    starts: tuple[float, ...]
    told: tuple[tuple[float, str, str], ...]

    @classmethod
    def read(cls, session: Session, start: datetime, end: datetime) -> "Story":
        """Ask for [start, end]; raises SourceError, and what a strange shape raises."""
        values: dict[str, dict[str, set[float]]] = defaultdict(lambda: defaultdict(set))
        for series in session.points(STORY, _first_step(start, end, STORY_STEP), end, STORY_STEP):
            for one in series:
                name = str(one["metric"].get("__name__", ""))
                told = {float(at if name == RELOAD_FAILED else value) for at, value in one["values"]}
                values[name][str(one["metric"].get("instance", ""))] |= told
        starts = values[STARTED]
        events = [(at, who, "started") for who, times in starts.items() for at in times]
        events += [
            (at, who, "reloaded its configuration and rules")
            for who, times in values[RELOADED].items()
            for at in times
            if not any(0 <= at - begun <= STARTING_SECONDS for begun in starts.get(who, ()))
        ]
        events += [
            (first, who, "could not reload its configuration or rules")
            for who, times in values[RELOAD_FAILED].items()
            for first, _ in _stretches(times, STORY_STEP.total_seconds())
        ]
        return cls(tuple(sorted(at for times in starts.values() for at in times)), tuple(sorted(events)))

    def events(self, start: datetime, end: datetime, source: str) -> list[Event]:
        """Return what happened within [start, end)."""
        return [
            Event(at=_at(at), source=source, text=" ".join(f"Prometheus {who} {what}".split()))
            for at, who, what in self.told
            if epoch_seconds(start) <= at < epoch_seconds(end)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What Prometheus's own samples say: `unwatched` are the stretches (Unix seconds) without proof, oldest first."""

    unwatched: tuple[Stretch, ...]
    problems: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    newest: float | None = None


def prove(
    session: Session,
    start: datetime,
    end: datetime,
    story: Story,
    *,
    source: str,
    groups: Collection[str],
    max_gap: timedelta,
    now: datetime,
) -> Proof:
    """Look at the samples of [start, end]; raises SourceError, and what a strange shape raises."""
    first, last, longest = epoch_seconds(start), epoch_seconds(end), max_gap.total_seconds()
    times = _sampled(session, start, end, max_gap)
    gaps = holes(times, first, last, longest) if times else [(first, last)]
    failures = _failures(session, start, end, groups)
    # A single evaluation may fail: what lasts no longer than a hole may last is told, and spoils nothing.
    lasting = [(group, (max(a, first), b)) for group, (a, b) in failures if b - a - FAILURES_SECONDS > longest]
    ruleless = [(a, b) for a, b in _without_rules(session, start, end, now) if b - a > longest]
    problems = [f"no samples between {_span(*gap)}" for gap in gaps[::-1]]
    problems += [f"it had no rules between {_span(*stretch)}" for stretch in ruleless[::-1]]
    problems += [f"rule group {group} was not evaluated between {_span(*stretch)}" for group, stretch in lasting]
    told = [Event(at=_at(a), until=_at(b), source=source, text="no samples") for a, b in gaps]
    told += [
        Event(at=_at(a), until=_at(b), source=source, text=f"rule group {group} failed or missed evaluations")
        for group, (a, b) in failures
    ]
    told += [Event(at=_at(a), until=_at(b), source=source, text="no rules") for a, b in ruleless]
    return Proof(
        unwatched=tuple(sorted([*gaps, *ruleless, *(stretch for _, stretch in lasting)])),
        problems=tuple(problems),
        events=(*told, *story.events(start, end, source)),
        newest=max(times, default=None),
    )


def _sampled(session: Session, start: datetime, end: datetime, max_gap: timedelta) -> set[float]:
    """Return the steps of the window with a target that was scraped in the step before them."""
    step = min(STEP, max(timedelta(seconds=1), (end - start) / 4))
    milliseconds = int(step.total_seconds() * 1000) - 1  # both ends of a range may count
    times: set[float] = set()
    missing = [(epoch_seconds(start), epoch_seconds(end))]
    for sign in SIGNS:
        question = f"max(max_over_time({sign}[{milliseconds}ms])) > 0"
        for since, until in missing:
            for series in session.points(question, _at(since), _at(until), step):
                times.update(float(at) for one in series for at, _ in one["values"])
        missing = holes(times, epoch_seconds(start), epoch_seconds(end), max_gap.total_seconds()) if times else missing
        if not missing:
            break
    return times


def _failures(session: Session, start: datetime, end: datetime, groups: Collection[str]) -> list[tuple[str, Stretch]]:
    """Return when groups of this server's rules failed to evaluate or missed their turn, as seen every four minutes."""
    found: dict[str, list[float]] = defaultdict(list)
    step = timedelta(seconds=FAILURES_SECONDS)
    for series in session.points(FAILURES, _first_step(start, end, step), end, step):
        for one in series:
            if (group := str(one["metric"].get("rule_group", ""))) in groups:
                found[group.rpartition(";")[2]] += [float(at) for at, _ in one["values"]]
    return [
        (group, (first - FAILURES_SECONDS, last))
        for group, times in sorted(found.items())
        for first, last in _stretches(times, FAILURES_SECONDS)
        if last > epoch_seconds(start)
    ]


def is_there(session: Session, promql: str, at: datetime) -> bool:
    """Say whether a question has any answer; raises SourceError, and what a strange shape raises."""
    return bool(session.ask("/api/v1/query", {"query": promql, "time": number(at)})["result"])


def _without_rules(session: Session, start: datetime, end: datetime, now: datetime) -> list[Stretch]:
    """Return when it scraped itself and had no rules, as seen every four minutes.

    Where another program evaluates the rules (a ruler beside the store), nobody tells of rules at any time.
    """
    times: list[float] = []
    step = timedelta(seconds=FAILURES_SECONDS)
    for series in session.points(WITHOUT_RULES, _first_step(start, end, step), end, step):
        times += [float(at) for one in series for at, _ in one["values"]]
    if not times or not any(is_there(session, RULE_GROUPS, at) for at in (end, now)):
        return []
    return _stretches(times, FAILURES_SECONDS)


def _first_step(start: datetime, end: datetime, step: timedelta) -> datetime:
    """Return from where steps lead to `end`: what happened last must be seen."""
    return end - step * ceil((end - start) / step)


def _stretches(times: Iterable[float], step: float) -> list[Stretch]:
    """Join times that follow each other at a distance of a step."""
    joined: list[Stretch] = []
    for at in sorted(times):
        if joined and at - joined[-1][1] <= 1.5 * step:
            joined[-1] = joined[-1][0], at
        else:
            joined.append((at, at))
    return joined


def _at(seconds: float) -> datetime:
    return from_epoch_seconds(seconds)


def _span(before: float, after: float) -> str:
    return f"{format_minute(_at(before))} and {format_minute(_at(after))}"
