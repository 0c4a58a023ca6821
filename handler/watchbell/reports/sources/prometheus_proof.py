"""Was Prometheus watching? What its own samples say over a window, and what they tell of restarts and reloads.

Proof of watching is an absence of holes in what it scraped, of rule groups that did not evaluate, and of time without
any rules. What Prometheus says of itself (restarts, reloads, rules) is there only where it scrapes itself, as nearly
all do.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchbell.instants import epoch_seconds, format_minute, from_epoch_seconds
from watchbell.reports.interface import Event
from watchbell.reports.sources.alert_history import holes
from watchbell.reports.sources.prometheus_api import Session, number
from watchbell.reports.sources.prometheus_groups import Failure, Groups
from watchbell.reports.sources.prometheus_rules import Group
from watchbell.reports.sources.prometheus_steps import Stretch, first_step, longest_hole, stretches

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


@dataclass(frozen=True, slots=True)
class Story:
    """What Prometheus says of its own life, and of the life of those that it scrapes: (Unix seconds, who, what)."""

    starts: tuple[float, ...]
    told: tuple[tuple[float, str, str], ...]

    @classmethod
    def read(cls, session: Session, start: datetime, end: datetime) -> "Story":
        """Ask for [start, end]; raises SourceError, and what a strange shape raises."""
        values: dict[str, dict[str, set[float]]] = defaultdict(lambda: defaultdict(set))
        for series in session.points(STORY, first_step(start, end, STORY_STEP), end, STORY_STEP):
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
            for first, _ in stretches(times, 1.5 * STORY_STEP.total_seconds())
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
    groups: Mapping[str, Group],
    max_gap: timedelta,
    now: datetime,
) -> Proof:
    """Look at the samples of [start, end]; raises SourceError, and what a strange shape raises."""
    first, longest = epoch_seconds(start), max_gap.total_seconds()
    times, gaps = sampled(session, start, end, max_gap)
    history = Groups.read(session, start, end, now, groups)
    failures = history.failures(session, start, end)
    # A single evaluation may fail: what lasts no longer than a hole may last is told, and spoils nothing.
    lasting = [one for one in failures if one.lasted > longest]
    ruleless = [(who, (a, b)) for who, (a, b) in history.without_alerting(session, start, end) if b - a > longest]
    missing = history.missing(start, end, longest)
    but = ", or only groups that now just record" if history.recording else ""
    problems = [f"no samples between {_span(*gap)}" for gap in gaps[::-1]]
    problems += [f"{who} had no rules between {_span(*stretch)}{but}" for who, stretch in ruleless[::-1]]
    problems += [_words(one) for one in lasting]
    problems += [f"rule group {group} was missing between {_span(*stretch)}" for group, stretch in missing]
    told = [Event(at=_at(a), until=_at(b), source=source, text="no samples") for a, b in gaps]
    told += [
        Event(at=_at(a), until=_at(b), source=source, text=f"rule group {one.group} failed or missed evaluations")
        for one in failures
        for a, b in [one.stretch]
    ]
    told += [Event(at=_at(a), until=_at(b), source=source, text="no rules") for _, (a, b) in ruleless]
    told += [
        Event(at=_at(a), until=_at(b), source=source, text=f"rule group {group} was missing")
        for group, (a, b) in missing
    ]
    unproven = [stretch for _, stretch in [*ruleless, *missing]]
    unproven += [(max(one.stretch[0], first), one.stretch[1]) for one in lasting]
    return Proof(
        unwatched=tuple(sorted([*gaps, *unproven])),
        problems=tuple(problems),
        events=(*told, *story.events(start, end, source)),
        newest=max(times, default=None),
    )


def sampled(session: Session, start: datetime, end: datetime, max_gap: timedelta) -> tuple[set[float], list[Stretch]]:
    """Return the steps of the window with a target that was scraped in the step before them, and the holes."""
    step = min(STEP, max(timedelta(seconds=1), (end - start) / 4))
    milliseconds = int(step.total_seconds() * 1000) - 1  # both ends of a range may count
    times: set[float] = set()
    everything = (epoch_seconds(start), epoch_seconds(end))
    missing = [everything]
    for sign in SIGNS:
        question = f"max(max_over_time({sign}[{milliseconds}ms])) > 0"
        for since, until in missing:
            for series in session.points(question, _at(since), _at(until), step):
                times.update(float(at) for one in series for at, _ in one["values"])
        missing = holes(times, *everything, longest_hole(times, step, max_gap)) if times else missing
        if not missing:
            break
    return times, missing


def is_there(session: Session, promql: str, at: datetime) -> bool:
    """Say whether a question has any answer; raises SourceError, and what a strange shape raises."""
    return bool(session.ask("/api/v1/query", {"query": promql, "time": number(at)})["result"])


def _words(failure: Failure) -> str:
    since = f", and {failure.since}" if failure.since else ""
    # Seen every few minutes: one that failed each time, or every tenth time.
    what = "failed or missed evaluations again and again"
    return f"rule group {failure.group} {what} between {_span(*failure.stretch)}{since}"


def _at(seconds: float) -> datetime:
    return from_epoch_seconds(seconds)


def _span(before: float, after: float) -> str:
    return f"{format_minute(_at(before))} and {format_minute(_at(after))}"
