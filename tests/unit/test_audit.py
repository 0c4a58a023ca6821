"""The audit of the ledger: what is accounted for once is clean, and nothing else is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unit.test_claims import (
    DAYS,
    DEADLINE,
    at,
    definitions,
    edited,
    minutes,
    missed,
    skipped,
    steps,
    task,
)
from unit.test_claims import (
    Ledger as Simulation,
)
from watchbell.audit import NEVER_RECORDED, NO_TICK_SINCE, Audit, Ledger, Period, Started, Version, audit
from watchbell.claims import Expectation, Gap, grace_of
from watchbell.instants import MINUTE, floor_minute
from watchbell.tasks import Task

HOURLY = task()


def ledger(runs: list[str], *gaps: Gap, of: Task = HOURLY, next_fire: str | None = "13:00", **expected: Any) -> Ledger:
    """A task that fires hourly since 08:30, and what is in its ledger."""
    return Ledger(
        task_id=of.id,
        versions=[Version(schedule=of.schedule, start=at("08:30"), end=None)],
        runs=[Started(fire=at(fire), started_at=at(fire) + timedelta(seconds=2)) for fire in runs],
        gaps=gaps,
        expected=Expectation(task=of, revision=1, next_fire=at(next_fire) if next_fire else None, **expected),
    )


def audited(
    of: Ledger, now: str = "12:30", start: str = "00:00", ticked: Callable[[datetime, datetime], bool] | None = None
) -> Audit:
    grace = HOURLY if of.expected is None else of.expected.task
    return audit(
        of,
        Period(start=at(start), now=at(now)),
        grace=lambda fire: grace_of(grace, fire, DEADLINE),
        ticked_between=ticked or (lambda start, end: True),
    )


ALL = ["09:00", "10:00", "11:00", "12:00"]


def test_a_ledger_in_which_every_fire_has_its_run_is_whole() -> None:
    found = audited(ledger(ALL))
    assert found.is_whole
    assert (found.expected, found.ran, found.late, found.pending) == (4, 4, 0, [])


def test_ranges_account_for_the_fires_without_a_run_by_their_reason() -> None:
    found = audited(ledger(["12:00"], missed("09:00", "10:00", 2, "no tick"), skipped("11:00", "11:00", 1, "edited")))
    assert found.is_whole
    assert (dict(found.missed), dict(found.skipped), found.ran) == ({"no tick": 2}, {"edited": 1}, 1)


def test_fires_that_nothing_accounts_for_are_holes_joined_where_they_are_neighbours() -> None:
    found = audited(ledger(["11:00"], next_fire="13:00"))
    assert not found.is_whole
    assert [(hole.first, hole.last, hole.count, hole.why) for hole in found.holes] == [
        (at("09:00"), at("10:00"), 2, NEVER_RECORDED),
        (at("12:00"), at("12:00"), 1, NEVER_RECORDED),
    ]


def test_a_fire_with_a_run_and_a_range_is_a_twin_and_so_are_two_ranges() -> None:
    found = audited(ledger(ALL, missed("10:00", "10:00", 1)))
    assert [twin.fire for twin in found.twins] == [at("10:00")]
    found = audited(ledger(["11:00", "12:00"], missed("09:00", "10:00", 2), missed("10:00", "10:00", 1)))
    assert [twin.fire for twin in found.twins] == [at("10:00")]
    assert not found.is_whole


def test_two_runs_of_one_fire_time_are_a_twin() -> None:
    assert [twin.fire for twin in audited(ledger([*ALL, "11:00"])).twins] == [at("11:00")]


def test_a_run_that_nothing_expected_is_listed() -> None:
    found = audited(ledger([*ALL, "10:30"]))
    assert [one.fire for one in found.unexpected] == [at("10:30")]


def test_a_range_whose_count_the_schedule_denies_is_listed() -> None:
    found = audited(ledger(["12:00"], missed("09:00", "11:00", 7)))
    assert [one.fire for one in found.unexpected] == [at("09:00")]
    assert "counts 7, the schedule says 3" in found.unexpected[0].what


def test_what_is_due_and_within_its_grace_is_pending_and_no_hole() -> None:
    found = audited(ledger(ALL[:3], next_fire="12:00"), now="12:20")
    assert (found.is_whole, found.pending) == (True, [at("12:00")])


def test_what_no_tick_has_settled_after_its_grace_is_a_hole() -> None:
    found = audited(ledger(ALL[:2], next_fire="11:00"), now="12:40")
    assert [(hole.first, hole.why) for hole in found.holes] == [
        (at("11:00"), NO_TICK_SINCE),
        (at("12:00"), NO_TICK_SINCE),
    ][:1]
    assert found.holes[0].count == 2


def test_what_waits_for_a_run_that_is_still_at_work_is_pending() -> None:
    found = audited(ledger(ALL[:2], next_fire="11:00", live_run=True), now="12:40")
    assert (found.is_whole, found.pending) == (True, [at("11:00"), at("12:00")])


def test_a_pause_that_goes_on_has_no_row_yet_and_no_hole() -> None:
    of = task(paused_until="forever")
    found = audited(ledger(ALL[:1], of=of, next_fire=None, paused_from=at("09:30")))
    assert (found.is_whole, dict(found.skipped)) == (True, {"paused, still": 3})


def test_what_a_removed_task_left_open_is_a_hole() -> None:
    of = replace(ledger(ALL[:2]), expected=None)
    ended = replace(of, versions=[replace(of.versions[0], end=at("11:30"))])
    assert [(hole.first, hole.count) for hole in audited(ended).holes] == [(at("11:00"), 1)]


def test_nothing_before_the_period_is_looked_at_and_a_range_across_its_start_counts_in_part() -> None:
    found = audited(ledger(["12:00"], missed("09:00", "11:00", 3)), start="10:30")
    assert (found.is_whole, found.expected, dict(found.missed)) == (True, 2, {"past grace": 1})


def test_a_run_ahead_of_the_clock_is_expected() -> None:
    assert audited(ledger([*ALL, "13:00"], next_fire="14:00"), now="12:59").is_whole


@pytest.mark.parametrize(("ticked", "caught_up"), [(True, 0), (False, 1)])
def test_a_late_run_was_caught_up_if_no_tick_ran_at_its_time(ticked: bool, caught_up: int) -> None:
    of = ledger(ALL)
    late = replace(of.runs[0], started_at=at("09:09"))
    found = audited(replace(of, runs=[late, *of.runs[1:]]), ticked=lambda start, end: ticked)
    assert (found.ran, found.late, found.caught_up) == (4, 1, caught_up)


def simulated(day: str, first: dict[str, Any], sequence: list[tuple[str, int, Any]]) -> tuple[Simulation, datetime]:
    """Let ticks, edits and pauses happen to one task; return its ledger and the time at the end."""
    now, simulation, fields = at(day), Simulation(), first
    simulation.change(task(**fields), floor_minute(now) + MINUTE)
    for verb, seconds, value in sequence:
        now += timedelta(seconds=seconds)
        if verb == "tick":
            simulation.tick(floor_minute(now) + minutes(value), now)
        elif verb == "ended":
            simulation.live = False
        elif verb == "remove":
            simulation.change(None, floor_minute(now) + MINUTE)
        else:
            fields = edited(fields, verb, value, now)
            simulation.change(task(**fields), floor_minute(now) + MINUTE)
    return simulation, now


def of_simulation(simulation: Simulation) -> Ledger:
    return Ledger(
        task_id=HOURLY.id,
        versions=[Version(schedule=of.schedule, start=since, end=until) for of, since, until in simulation.versions],
        runs=[Started(fire=fire, started_at=fire) for fire in simulation.runs],
        gaps=simulation.gaps,
        expected=simulation.expected and replace(simulation.expected, live_run=simulation.live),
    )


class TestWhateverHappens:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        day=st.sampled_from(DAYS), first=definitions, sequence=st.lists(steps, min_size=8, max_size=24), data=st.data()
    )
    def test_the_ledger_is_whole_and_any_row_taken_away_or_doubled_is_found(
        self, day: str, first: dict[str, Any], sequence: list[tuple[str, int, Any]], data: st.DataObject
    ) -> None:
        simulation, now = simulated(day, first, sequence)
        simulation.change(None, floor_minute(now) + MINUTE)  # settles whatever is still expected up to now
        whole = of_simulation(simulation)
        latest = max([now, *simulation.covered]) + timedelta(days=1)
        period = Period(start=at(day) - timedelta(days=60), now=latest)

        def found(of: Ledger) -> Audit:
            return audit(of, period, grace=lambda fire: timedelta(0), ticked_between=lambda start, end: True)

        clean = found(whole)
        assert clean.is_whole
        assert clean.ran + clean.missed.total() + clean.skipped.total() == clean.expected
        if whole.runs:
            lost = data.draw(st.integers(0, len(whole.runs) - 1))
            fewer = replace(whole, runs=[*whole.runs[:lost], *whole.runs[lost + 1 :]])
            assert [hole.first for hole in found(fewer).holes] == [whole.runs[lost].fire]
            doubled = replace(whole, runs=[*whole.runs, whole.runs[lost]])
            assert [twin.fire for twin in found(doubled).twins] == [whole.runs[lost].fire]
        if whole.gaps:
            lost = data.draw(st.integers(0, len(whole.gaps) - 1))
            fewer = replace(whole, gaps=[*whole.gaps[:lost], *whole.gaps[lost + 1 :]])
            assert sum(hole.count for hole in found(fewer).holes) == whole.gaps[lost].count

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(day=st.sampled_from(DAYS), first=definitions, sequence=st.lists(steps, min_size=8, max_size=24))
    def test_while_a_task_lives_nothing_before_its_next_fire_is_open(
        self, day: str, first: dict[str, Any], sequence: list[tuple[str, int, Any]]
    ) -> None:
        simulation, now = simulated(day, first, sequence)
        of = of_simulation(simulation)
        found = audit(
            of,
            Period(start=at(day) - timedelta(days=60), now=now),
            grace=lambda fire: timedelta(days=9999),
            ticked_between=lambda start, end: True,
        )
        assert found.is_whole
        next_fire = of.expected.next_fire if of.expected else None
        assert all(next_fire is not None and fire >= next_fire for fire in found.pending)
