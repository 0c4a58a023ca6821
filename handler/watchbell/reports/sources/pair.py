"""Several instances of Prometheus that watch the same: proof from one is enough for any instant.

For the pairs that are run so that one may be down. A stretch of the window is watched when at least one of them has
samples of it, works, and answered in full. Their alerts are the sum of what each saw, so that an alert which one of
them missed is not missing; the coverage entry says what is wrong with any of them.

A question that looks back is answered by the one that was scraping whenever any of them was: what several of them prove
together, no other one knows.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import reduce
from math import isclose, isnan
from typing import TypeVar

from watchbell.errors import SourceError
from watchbell.instants import epoch_seconds, format_minute, from_epoch_seconds
from watchbell.reports.analysis.looking_back import farthest_look_back
from watchbell.reports.interface import AlertRule, Coverage, CoverageStatus, Evidence, Source
from watchbell.reports.sources.prometheus import Prometheus, Watch
from watchbell.reports.sources.prometheus_steps import Stretch
from watchbell.reports.sources.unreadable import Unreadable, UnreadableQuerier

#: So long a hole is none, as for a single one; a question that looks back no further is one about now.
LONGEST_HOLE = timedelta(minutes=5)
#: The values of two that watch the same are never quite the same.
ALIKE = 0.1
MOST_REACH = timedelta(days=92)

Member = TypeVar("Member")
Found = TypeVar("Found")
Values = list[tuple[dict[str, str], float]]
Series = list[tuple[dict[str, str], list[tuple[float, float]]]]
Queriers = Prometheus | UnreadableQuerier


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
        """Return the answer of the one that knows most, if need be of one that has data; raises SourceError.

        One that was down until a while ago answers, and knows less than the other of a time before.
        """
        members = self._queriers
        told = self._side_by_side(members, lambda one: _tried(one, lambda: one.ask(promql, at)))
        problems = [found for found in told if isinstance(found, str)]
        self._refuse(problems)
        answers = {number: found for number, found in enumerate(told) if not isinstance(found, str)}
        if (reach := min(farthest_look_back(promql), MOST_REACH)) > LONGEST_HOLE and len(members) > 1:
            lost = self._lost(at - reach, at)
            spared = LONGEST_HOLE.total_seconds()
            least = min(lost[number] for number in answers)
            if least > spared and (problems or not _are_alike(answers.values())):
                raise SourceError(
                    f"{self.name}: its members do not answer alike, and none of them was scraping all the time that"
                    f" {promql!r} asks about{''.join(f'; {one}' for one in problems)}"
                )
            answers = {number: found for number, found in answers.items() if lost[number] <= least + spared}
        return next((found for found in answers.values() if found), [])

    def ask_range(
        self, promql: str, start: datetime, end: datetime, *, step: timedelta
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Return what the members know together, of each point what the one says that knows most; raises SourceError.

        So a stretch in which one of them was down is there, as it is for alerts.
        """
        problems = []
        known: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
        members = self._queriers
        if (reach := min(farthest_look_back(promql), MOST_REACH)) > LONGEST_HOLE and len(members) > 1:
            lost = self._lost(start - reach, end)
            members = [member for _, _, member in sorted(zip(lost, range(len(lost)), members, strict=True))]
        for found in self._side_by_side(
            members, lambda one: _tried(one, lambda: one.ask_range(promql, start, end, step=step))
        ):
            if isinstance(found, str):
                problems.append(found)
                continue
            for labels, points in found:
                series = known.setdefault(tuple(sorted(labels.items())), {})
                series.update({at: value for at, value in points if at not in series})
        self._refuse(problems)
        return [(dict(labels), sorted(points.items())) for labels, points in known.items()]

    def _lost(self, start: datetime, end: datetime) -> list[float]:
        """Return of each member for how many seconds it was not scraping while another was."""
        everything: Sequence[Stretch] = [(epoch_seconds(start), epoch_seconds(end))]

        def holes(member: Queriers) -> Sequence[Stretch]:
            if not isinstance(member, Prometheus):
                return everything
            found = _tried(member, lambda: member.unsampled(start, end))
            return everything if isinstance(found, str) else found

        found = self._side_by_side(self._queriers, holes)
        common: Sequence[Stretch] = reduce(_both, found, everything)
        return [_length(one) - _length(common) for one in found]

    @property
    def _queriers(self) -> list[Queriers]:
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


def _tried(member: Queriers, question: Callable[[], Found]) -> Found | str:
    """Return what a member answers, or why it does not."""
    try:
        return question()
    except SourceError as error:
        return f"{member.name}: {error}"
    except Exception as error:  # noqa: BLE001  one that breaks its promise must not take the others with it
        return f"{member.name}: asking it failed unexpectedly ({type(error).__name__})"


def _length(stretches: Iterable[Stretch]) -> float:
    return sum(last - first for first, last in stretches)


def _are_alike(answers: Iterable[Values]) -> bool:
    """Say whether all know the same series with about the same values."""
    first, *others = ({tuple(sorted(labels.items())): value for labels, value in one} for one in answers)
    return all(
        first.keys() == other.keys() and all(_is_close(value, other[key]) for key, value in first.items())
        for other in others
    )


def _is_close(one: float, other: float) -> bool:
    return isclose(one, other, rel_tol=ALIKE) or (isnan(one) and isnan(other))


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
