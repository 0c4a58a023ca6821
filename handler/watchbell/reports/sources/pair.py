"""Several instances of Prometheus that watch the same: proof from one is enough for any instant.

For the pairs that are run so that one may be down. A stretch of the window is watched when at least one of them has
samples of it, works, and answered in full. Their alerts are the sum of what each saw, so that an alert which one of
them missed is not missing; the coverage entry says what is wrong with any of them.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import TypeVar

from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds, format_minute, from_epoch_seconds
from watchbell.reports.interface import AlertRule, Coverage, CoverageStatus, Evidence, Source
from watchbell.reports.sources.prometheus import Prometheus, Watch
from watchbell.reports.sources.prometheus_steps import Stretch
from watchbell.reports.sources.unreadable import Unreadable, UnreadableQuerier

Member = TypeVar("Member")
Found = TypeVar("Found")
Series = list[tuple[dict[str, str], list[tuple[float, float]]]]


class Pair:
    """Reads its members side by side and answers as one source."""

    def __init__(self, members: Sequence[Source], *, name: str) -> None:
        self.name = name
        self.required = any(member.required for member in members)
        self._members = members

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Return what the members saw together, and whether at least one of them watched at each instant."""
        watches = self._watch(start, end)
        everything = (epoch_seconds(start), epoch_seconds(end))
        all_of_it: tuple[Stretch, ...] = (everything,)
        unwatched = reduce(_both, (watch.unwatched for watch in watches), all_of_it)
        since = max((over for _, over in unwatched), default=everything[0])
        found = [watch.evidence for watch in watches]
        return Evidence(
            coverage=self._coverage(found, unwatched),
            episodes=tuple(episode for one in found for episode in one.episodes),
            rules=_once([rule for one in found for rule in one.rules]),
            events=tuple(event for one in found for event in one.events),
            covered_from=from_epoch_seconds(since) if since < everything[1] else None,
        )

    def ask(self, promql: str, at: datetime) -> list[tuple[dict[str, str], float]]:
        """Return the answer of the first member that has data, else an empty one; raises SourceError when none answers.

        One that was down until a while ago answers, and has none.
        """
        problems = []
        for member in self._queriers:
            try:
                if found := member.ask(promql, at):
                    return found
            except SourceError as error:
                problems.append(f"{member.name}: {error}")
        self._refuse(problems)
        return []

    def ask_range(
        self, promql: str, start: datetime, end: datetime, *, step: timedelta
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Return what the members know together, of each point the first one's; raises SourceError when none answers.

        So a stretch in which one of them was down is there, as it is for alerts.
        """
        problems = []
        known: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
        for found in self._side_by_side(self._queriers, lambda one: _answer(one, promql, start, end, step)):
            if isinstance(found, str):
                problems.append(found)
                continue
            for labels, points in found:
                series = known.setdefault(tuple(sorted(labels.items())), {})
                series.update({at: value for at, value in points if at not in series})
        self._refuse(problems)
        return [(dict(labels), sorted(points.items())) for labels, points in known.items()]

    @property
    def _queriers(self) -> list[Prometheus | UnreadableQuerier]:
        return [member for member in self._members if isinstance(member, Prometheus | UnreadableQuerier)]

    def _refuse(self, problems: Sequence[str]) -> None:
        """Raise SourceError when nobody answered."""
        if len(problems) == len(self._queriers):
            raise SourceError("; ".join(problems) or f"{self.name} cannot be asked")

    def _watch(self, start: datetime, end: datetime) -> list[Watch]:
        return self._side_by_side(self._members, lambda member: _watch(member, start, end))

    def _side_by_side(self, members: Sequence[Member], work: Callable[[Member], Found]) -> list[Found]:
        """Return what `work`, which never raises, returns for each member."""
        found: dict[int, Found] = {}

        def do(index: int) -> None:
            found[index] = work(members[index])

        # Daemons: what hangs for ever must not keep the process.
        threads = [threading.Thread(target=do, args=(index,), daemon=True) for index in range(len(members))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [found[index] for index in range(len(members))]

    def _coverage(self, found: Sequence[Evidence], unwatched: Sequence[Stretch]) -> Coverage:
        lame = [one.coverage for one in found if one.coverage.status is not CoverageStatus.OK]
        troubles = "; ".join(f"{coverage.source}: {coverage.detail}" for coverage in lame)
        ages = [one.coverage.age_seconds for one in found if one.coverage.age_seconds is not None]
        if not unwatched:
            status = CoverageStatus.OK
            whole = next((one.coverage.detail for one in found if one.coverage.status is CoverageStatus.OK), "")
            detail = f"{whole or 'together they watched all of it'}" + (f" (but {troubles})" if troubles else "")
        elif all(coverage.status is CoverageStatus.FAILED for coverage in lame) and len(lame) == len(found):
            status, detail = CoverageStatus.FAILED, troubles
        else:
            first, last = (format_minute(from_epoch_seconds(at)) for at in unwatched[-1])
            status, detail = CoverageStatus.UNPROVEN, f"none watched between {first} and {last}: {troubles}"
        return Coverage(
            source=self.name,
            status=status,
            detail=detail,
            age_seconds=min(ages, default=None),
            required=self.required,
        )


def _answer(
    member: Prometheus | UnreadableQuerier, promql: str, start: datetime, end: datetime, step: timedelta
) -> Series | str:
    """Return what a member answers, or why it does not."""
    try:
        return member.ask_range(promql, start, end, step=step)
    except SourceError as error:
        return f"{member.name}: {error}"
    except Exception as error:  # noqa: BLE001  one that breaks its promise must not take the others with it
        return f"{member.name}: asking it failed unexpectedly ({type(error).__name__})"


def _watch(member: Source, start: datetime, end: datetime) -> Watch:
    try:
        if isinstance(member, Prometheus):
            return member.watch(start, end)
        evidence = member.read(start, end)  # one that stands for settings which cannot be had
    except Exception as error:  # noqa: BLE001  one that breaks its promise must not take the others with it
        detail = f"reading it failed unexpectedly ({type(error).__name__})"
        evidence = Unreadable(detail, name=member.name, required=member.required).read(start, end)
    return Watch(evidence=evidence, unwatched=((epoch_seconds(start), epoch_seconds(end)),))


def _both(one: Sequence[Stretch], other: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """Return the stretches that lie in both."""
    cuts = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return tuple(sorted({(first, last) for first, last in cuts if first < last}))


def _once(rules: Sequence[AlertRule]) -> tuple[AlertRule, ...]:
    """Return each rule once: the members of a pair have the same ones."""
    found = {(rule.name, rule.group, rule.for_seconds, tuple(sorted(rule.labels.items()))): rule for rule in rules}
    return tuple(found.values())
