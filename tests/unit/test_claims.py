"""What to run, what was missed, how it ended: the rules of claims.py, which no sequence of ticks and edits breaks."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchbell.claims import (
    CLOCK_SKEW,
    MOST_CAUGHT_UP,
    NO_TICK,
    OVERLAP,
    PAST_GRACE,
    Expectation,
    Gap,
    GapStatus,
    Host,
    Move,
    gap_between,
    grace_of,
    owner_is_gone,
    plan_move,
    reindex,
    same_fires,
)
from watchbell.instants import MINUTE, floor_minute
from watchbell.tasks import Task, task_from_json

DEADLINE = timedelta(minutes=5)


def at(text: str) -> datetime:
    """Return `HH:MM[:SS]` of an ordinary Sunday, or a whole instant."""
    return datetime.fromisoformat(text if "T" in text else f"2026-11-22T{text}+00:00").astimezone(UTC)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def task(cron: str = "0 * * * *", **fields: Any) -> Task:
    return task_from_json(
        {"id": "a1b2c3d4e5f6", "kind": "daily_summary", "cron": cron, "provider": "console", "chat_id": "stdout"}
        | fields
    )


def move(
    of: Task,
    first: str | None,
    now: str,
    *,
    minute: str | None = None,
    ticked: bool = True,
    live: bool = False,
    paused_from: str | None = None,
) -> Move | None:
    """Plan for a task that expects `first`, at `now`."""
    expected = Expectation(
        task=of,
        revision=1,
        next_fire=at(first) if first else None,
        live_run=live,
        paused_from=at(paused_from) if paused_from else None,
    )
    return plan_move(
        expected,
        minute=at(minute) if minute else floor_minute(at(now)),
        now=at(now),
        tick_deadline=DEADLINE,
        ticked_between=lambda start, end: ticked,
    )


def missed(first: str, last: str, count: int, reason: str = PAST_GRACE) -> Gap:
    return Gap(
        task_id="a1b2c3d4e5f6",
        status=GapStatus.MISSED,
        reason=reason,
        first=at(first),
        last=at(last),
        count=count,
    )


def skipped(first: str, last: str, count: int, reason: str) -> Gap:
    return replace(missed(first, last, count, reason), status=GapStatus.SKIPPED)


class TestGrace:
    @pytest.mark.parametrize(
        ("cron", "fields", "expected"),
        [
            ("0 * * * *", {}, minutes(30)),
            ("*/20 * * * *", {}, minutes(10)),
            ("* * * * *", {}, minutes(7)),
            ("*/14 * * * *", {}, minutes(7)),
            ("0 9 * * *", {}, timedelta(hours=3)),
            ("0 9 1 1 *", {}, timedelta(hours=3)),
            ("0 9 * * *", {"grace_minutes": 1}, minutes(1)),
            ("0 9 * * *", {"grace_minutes": 2000}, minutes(2000)),
            ("0 9 * * *", {"catch_up": "all"}, timedelta(hours=24)),
            ("* * * * *", {"catch_up": "all"}, timedelta(hours=24)),
            ("0 9 * * *", {"catch_up": "all", "grace_minutes": 90}, minutes(90)),
            ("0 9 * * *", {"catch_up": "none"}, minutes(2)),
            ("0 9 * * *", {"catch_up": "none", "grace_minutes": 90}, minutes(2)),
        ],
    )
    def test_grace_is_the_tasks_own_or_half_the_distance_within_bounds(
        self, cron: str, fields: dict[str, Any], expected: timedelta
    ) -> None:
        of = task(cron, **fields)
        fire = of.schedule.next_fire(at("08:59"))
        assert fire is not None
        assert grace_of(of, fire, DEADLINE) == expected

    def test_a_longer_tick_deadline_makes_the_shortest_grace_longer(self) -> None:
        assert grace_of(task("* * * * *"), at("09:00"), timedelta(minutes=15)) == minutes(17)

    def test_the_last_fire_of_the_calendar_has_the_longest_default_grace(self) -> None:
        of = task("0 0 29 2 1")
        last = of.schedule.last_fire(datetime(9999, 12, 30, tzinfo=UTC))
        assert last is not None
        assert grace_of(of, last, DEADLINE) == timedelta(hours=3)


class TestLatest:
    def test_nothing_happens_before_the_fire_time(self) -> None:
        assert move(task(), "09:00", "08:59:59") is None

    def test_a_task_that_expects_nothing_is_left_alone(self) -> None:
        assert move(task(), None, "12:00") is None

    def test_the_fire_of_this_minute_runs_and_the_next_is_expected(self) -> None:
        assert move(task(), "09:00", "09:00:02") == Move(fire=at("09:00"), gaps=(), next_fire=at("10:00"))

    def test_of_several_fires_only_the_newest_runs(self) -> None:
        assert move(task(), "09:00", "12:10") == Move(
            fire=at("12:00"), gaps=(missed("09:00", "11:00", 3),), next_fire=at("13:00")
        )

    def test_the_last_instant_of_the_grace_still_runs(self) -> None:
        planned = move(task(), "09:00", "09:30:00")
        assert planned is not None
        assert planned.fire == at("09:00")

    def test_one_second_past_the_grace_it_is_missed(self) -> None:
        assert move(task(), "09:00", "09:30:01") == Move(
            fire=None, gaps=(missed("09:00", "09:00", 1),), next_fire=at("10:00")
        )

    def test_a_minute_ahead_of_the_clock_runs_its_fire(self) -> None:
        planned = move(task(), "09:00", "08:58:30", minute="09:00")
        assert planned is not None
        assert planned.fire == at("09:00")

    def test_a_late_tick_looks_no_further_than_its_own_minute(self) -> None:
        planned = move(task("*/5 * * * *"), "09:00", "09:10:30", minute="09:05")
        assert planned == Move(fire=at("09:05"), gaps=(missed("09:00", "09:00", 1),), next_fire=at("09:10"))

    def test_a_clock_set_back_finds_nothing_to_do(self) -> None:
        assert move(task(), "10:00", "08:15") is None

    def test_without_any_tick_the_reason_is_that_there_was_none(self) -> None:
        planned = move(task(), "09:00", "12:10", ticked=False)
        assert planned is not None
        assert [gap.reason for gap in planned.gaps] == [NO_TICK]

    def test_the_question_whether_there_was_a_tick_spans_the_gap_and_its_last_grace(self) -> None:
        asked: list[tuple[datetime, datetime]] = []
        plan_move(
            Expectation(task=task(), revision=1, next_fire=at("09:00")),
            minute=at("12:10"),
            now=at("12:10"),
            tick_deadline=DEADLINE,
            ticked_between=lambda start, end: bool(asked.append((start, end))),
        )
        assert asked == [(at("09:00"), at("11:30"))]

    def test_the_last_fire_of_the_calendar_leaves_nothing_expected(self) -> None:
        of = task("0 0 30 12 *")
        last = of.schedule.last_fire(datetime(9999, 12, 30, tzinfo=UTC))
        assert last is not None
        planned = plan_move(
            Expectation(task=of, revision=1, next_fire=last),
            minute=last,
            now=last,
            tick_deadline=DEADLINE,
            ticked_between=lambda start, end: True,
        )
        assert planned == Move(fire=last, gaps=(), next_fire=of.schedule.next_fire(last))


class TestNone:
    def test_two_minutes_late_still_runs(self) -> None:
        planned = move(task(catch_up="none"), "09:00", "09:02:00")
        assert planned is not None
        assert planned.fire == at("09:00")

    def test_later_than_two_minutes_is_missed(self) -> None:
        assert move(task(catch_up="none"), "09:00", "09:02:01") == Move(
            fire=None, gaps=(missed("09:00", "09:00", 1),), next_fire=at("10:00")
        )


class TestAll:
    def test_the_oldest_within_grace_runs_first(self) -> None:
        assert move(task(catch_up="all"), "09:00", "12:10") == Move(fire=at("09:00"), gaps=(), next_fire=at("10:00"))

    def test_what_is_past_its_grace_is_missed_and_the_rest_runs(self) -> None:
        assert move(task(catch_up="all", grace_minutes=90), "09:00", "12:10") == Move(
            fire=at("11:00"), gaps=(missed("09:00", "10:00", 2),), next_fire=at("12:00")
        )

    def test_at_most_fifty_are_caught_up(self) -> None:
        planned = move(task("* * * * *", catch_up="all"), "09:00", "12:00:30")
        assert planned is not None
        assert planned.fire == at("12:00") - (MOST_CAUGHT_UP - 1) * MINUTE
        assert planned.gaps == (missed("09:00", "11:10", 131),)

    def test_all_of_them_too_late_is_one_row(self) -> None:
        planned = move(task(catch_up="all", grace_minutes=5), "09:00", "12:10")
        assert planned == Move(fire=None, gaps=(missed("09:00", "12:00", 4),), next_fire=at("13:00"))


class TestOverlap:
    def test_a_fire_waits_for_the_previous_run(self) -> None:
        assert move(task(), "10:00", "10:00:02", live=True) is None

    def test_a_fire_that_still_waits_when_its_grace_ends_is_missed(self) -> None:
        assert move(task(), "10:00", "10:30:01", live=True) == Move(
            fire=None, gaps=(missed("10:00", "10:00", 1, OVERLAP),), next_fire=at("11:00")
        )

    def test_only_the_newest_goes_on_waiting(self) -> None:
        assert move(task("* * * * *"), "10:00", "10:03:02", live=True) == Move(
            fire=None, gaps=(missed("10:00", "10:02", 3, OVERLAP),), next_fire=at("10:03")
        )

    def test_with_catch_up_all_every_fire_within_grace_goes_on_waiting(self) -> None:
        assert move(task("* * * * *", catch_up="all"), "10:00", "10:03:02", live=True) is None

    def test_it_runs_once_the_previous_run_has_ended(self) -> None:
        planned = move(task(), "10:00", "10:20", live=False)
        assert planned == Move(fire=at("10:00"), gaps=(), next_fire=at("11:00"))


class TestPause:
    def test_a_pause_that_ended_by_itself_writes_its_row_with_the_first_move(self) -> None:
        of = task(paused_until="2026-11-22T11:30Z")
        assert move(of, "12:00", "12:00:01", paused_from="08:41") == Move(
            fire=at("12:00"), gaps=(skipped("09:00", "11:00", 3, "paused"),), next_fire=at("13:00")
        )

    def test_a_pause_that_ends_at_a_fire_time_does_not_skip_that_fire(self) -> None:
        of = task(paused_until="2026-11-22T11:00Z")
        outcome = reindex(None, of, at("08:41"))
        assert (outcome.next_fire, outcome.paused_from) == (at("11:00"), at("08:41"))
        planned = move(of, "11:00", "11:00:01", paused_from="08:41")
        assert planned is not None
        assert planned.gaps == (skipped("09:00", "10:00", 2, "paused"),)

    def test_a_pause_that_ends_within_a_minute_skips_that_minute(self) -> None:
        outcome = reindex(None, task(paused_until="2026-11-22T11:00:01Z"), at("08:41"))
        assert outcome.next_fire == at("12:00")

    def test_a_pause_and_what_was_missed_after_it_are_two_rows(self) -> None:
        of = task(paused_until="2026-11-22T10:30Z")
        planned = move(of, "11:00", "13:10", paused_from="08:41")
        assert planned is not None
        assert planned.gaps == (skipped("09:00", "10:00", 2, "paused"), missed("11:00", "12:00", 2))

    def test_a_pause_row_is_not_lost_while_a_run_is_live(self) -> None:
        of = task(paused_until="2026-11-22T10:30Z")
        assert move(of, "11:00", "11:00:10", paused_from="08:41", live=True) is None

    def test_a_pause_without_an_end_expects_nothing(self) -> None:
        outcome = reindex(None, task(paused_until="forever"), at("08:41"))
        assert (outcome.next_fire, outcome.paused_from) == (None, at("08:41"))

    def test_a_pause_over_before_the_task_is_indexed_is_none(self) -> None:
        outcome = reindex(None, task(paused_until="2026-11-22T08:00Z"), at("08:41"))
        assert (outcome.next_fire, outcome.paused_from) == (at("09:00"), None)

    def test_a_pause_until_the_end_of_the_calendar_expects_nothing(self) -> None:
        outcome = reindex(None, task(paused_until="9999-12-31T23:59:59Z"), at("08:41"))
        assert outcome.next_fire is None
        old = Expectation(
            task=task(paused_until="9999-12-31T23:59:59Z"), revision=1, next_fire=None, paused_from=at("08:41")
        )
        assert reindex(old, task(), at("10:41")).gaps == (skipped("09:00", "10:00", 2, "paused"),)


class TestReindex:
    @pytest.mark.parametrize(
        ("new", "reason", "next_fire"),
        [
            (None, "removed", None),
            (task(enabled=False), "disabled", None),
            (task(paused_until="forever"), "paused", None),
            (task("30 * * * *"), "edited", "12:30"),
            (task(timezone="Asia/Kathmandu"), "edited", "12:15"),
        ],
    )
    def test_what_the_old_definition_owed_is_skipped_with_the_change_as_its_reason(
        self, new: Task | None, reason: str, next_fire: str | None
    ) -> None:
        old = Expectation(task=task(), revision=1, next_fire=at("09:00"))
        outcome = reindex(old, new, at("12:05"))
        assert outcome.gaps == (skipped("09:00", "12:00", 4, reason),)
        assert outcome.next_fire == (at(next_fire) if next_fire else None)

    def test_a_disabled_task_owed_nothing(self) -> None:
        old = Expectation(task=task(enabled=False), revision=1, next_fire=None)
        assert reindex(old, task(), at("12:05")).gaps == ()

    def test_a_fire_at_the_very_start_belongs_to_the_new_definition(self) -> None:
        old = Expectation(task=task(), revision=1, next_fire=at("09:00"))
        outcome = reindex(old, task("0,1 * * * *"), at("09:00"))
        assert (outcome.gaps, outcome.next_fire) == ((), at("09:00"))

    def test_resuming_writes_the_pause_up_to_now(self) -> None:
        old = Expectation(task=task(paused_until="forever"), revision=1, next_fire=None, paused_from=at("08:41"))
        outcome = reindex(old, task(), at("11:31"))
        assert outcome.gaps == (skipped("09:00", "11:00", 3, "paused"),)
        assert outcome.next_fire == at("12:00")

    @pytest.mark.parametrize(
        ("fields", "same"),
        [
            ({"chat_id": "other"}, True),
            ({"grace_minutes": 9}, True),
            ({"catch_up": "all"}, True),
            ({"params": {"x": 1}}, True),
            ({"cron": "1 * * * *"}, False),
            ({"timezone": "Europe/Berlin"}, False),
            ({"enabled": False}, False),
            ({"paused_until": "forever"}, False),
        ],
    )
    def test_only_schedule_enabling_and_pause_decide_which_fires_are_expected(
        self, fields: dict[str, Any], same: bool
    ) -> None:
        assert same_fires(task(), task(**fields)) is same

    def test_a_gap_without_fires_is_no_row(self) -> None:
        assert gap_between(task(), at("09:01"), at("09:59"), GapStatus.MISSED, NO_TICK) == ()
        assert gap_between(task(), at("09:00"), at("09:00"), GapStatus.MISSED, NO_TICK) == ()
        assert gap_between(task(), at("11:00"), at("09:00"), GapStatus.MISSED, NO_TICK) == ()


class TestClockChanges:
    """A gap over the day of a clock change counts the fires that day really has."""

    def test_a_job_in_the_skipped_hour_is_caught_up_where_the_fire_rule_puts_it(self) -> None:
        of = task("30 2 * * *", timezone="Europe/Berlin")  # 2026-03-29 has no 02:30; it fires at 03:00+02:00
        planned = move(of, "2026-03-28T02:30+01:00", "2026-03-29T03:10+02:00")
        assert planned is not None
        assert planned.fire == at("2026-03-29T03:00+02:00")
        assert planned.gaps == (missed("2026-03-28T02:30+01:00", "2026-03-28T02:30+01:00", 1),)
        assert planned.next_fire == at("2026-03-30T02:30+02:00")

    def test_a_job_in_the_repeated_hour_runs_once(self) -> None:
        of = task("30 2 * * *", timezone="Europe/Berlin")  # 02:30 comes twice on 2026-10-25
        first = move(of, "2026-10-25T02:30+02:00", "2026-10-25T02:30:01+02:00")
        assert first is not None
        assert (first.fire, first.next_fire) == (at("2026-10-25T02:30+02:00"), at("2026-10-26T02:30+01:00"))
        assert move(of, "2026-10-26T02:30+01:00", "2026-10-25T02:30:01+01:00") is None

    @pytest.mark.parametrize(("day", "fires"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
    def test_an_hourly_task_misses_as_many_fires_as_the_day_has_hours(self, day: str, fires: int) -> None:
        of = task("0 */1 * * *", timezone="Europe/Berlin", catch_up="none")
        midnight = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=of.schedule._zone.info)  # type: ignore[attr-defined]
        end = (midnight + timedelta(days=1)).astimezone(UTC)
        (gap,) = gap_between(of, midnight.astimezone(UTC), end, GapStatus.MISSED, NO_TICK)
        assert gap.count == fires

    def test_the_grace_of_a_fire_before_the_change_is_measured_in_real_time(self) -> None:
        of = task("0 0,4 * * *", timezone="Europe/Berlin")
        assert grace_of(of, at("2026-03-29T00:00+01:00"), DEADLINE) == minutes(90)
        assert grace_of(of, at("2026-10-25T00:00+02:00"), DEADLINE) == minutes(150)

    def test_a_spread_schedule_keeps_its_minute(self) -> None:
        of = task("H H * * *")
        fire = of.schedule.next_fire(at("08:00"))
        assert fire is not None
        planned = move(of, fire.isoformat(), (fire + timedelta(seconds=5)).isoformat())
        assert planned is not None
        assert (planned.fire, planned.next_fire) == (fire, fire + timedelta(days=1))


@dataclass
class Ledger:
    """One task's due index, runs and gaps in memory: what a store does around `plan_move` and `reindex`."""

    expected: Expectation | None = None
    runs: list[datetime] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    covered: Counter[datetime] = field(default_factory=Counter)
    versions: list[tuple[Task, datetime, datetime | None]] = field(default_factory=list)
    ticks: list[datetime] = field(default_factory=list)
    live: bool = False

    def change(self, new: Task | None, start: datetime) -> None:
        """Change the definition; what is settled stays settled."""
        start = max([start, *(fire + MINUTE for fire in self.covered)])
        old = self.expected
        if old is not None and new is not None and same_fires(old.task, new):
            self.expected = replace(old, task=new)
            return
        outcome = reindex(old, new, start)
        if old is not None:
            self._record(old.task, outcome.gaps)
            self.versions[:] = [(of, since, until or start) for of, since, until in self.versions]
        if new is not None and new.enabled:
            self.versions.append((new, start, None))
        self.expected = new and Expectation(
            task=new, revision=1, next_fire=outcome.next_fire, paused_from=outcome.paused_from
        )

    def tick(self, minute: datetime, now: datetime) -> None:
        """Claim one fire after another until nothing is left to claim, as a tick does."""
        while self.expected is not None:
            planned = plan_move(
                replace(self.expected, live_run=self.live),
                minute=minute,
                now=now,
                tick_deadline=DEADLINE,
                ticked_between=lambda start, end: any(start <= ran < end for ran in self.ticks),
            )
            if planned is None:
                break
            of = self.expected.task
            self._record(of, planned.gaps)
            self.expected = replace(self.expected, next_fire=planned.next_fire, paused_from=None)
            if planned.fire is None:
                break
            assert planned.fire <= minute
            assert now - planned.fire <= grace_of(of, planned.fire, DEADLINE)
            assert not self.live
            self.runs.append(planned.fire)
            self.covered[planned.fire] += 1
            self.live = True
            if of.catch_up == "all":
                self.live = False  # it ends at once, and the next of them follows in the same tick
        self.ticks.append(now)

    def _record(self, of: Task, gaps: tuple[Gap, ...]) -> None:
        for gap in gaps:
            fires = list(of.schedule.fires(gap.first, gap.last + MINUTE))
            assert (fires[0], fires[-1], len(fires)) == (gap.first, gap.last, gap.count)
            self.covered.update(fires)
            self.gaps.append(gap)

    def expected_fires(self) -> Counter[datetime]:
        """Recompute from the versions of the schedule what had to be covered, as `cron audit` does."""
        return Counter(
            fire for of, since, until in self.versions for fire in of.schedule.fires(since, max(since, until or since))
        )


CRONS = ("*/7 * * * *", "* * * * *", "0 * * * *", "H H/2 * * *", "*/30 1-2 * * *", "30 2 * * *")
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago")
DAYS = ("2026-03-28T22:00Z", "2026-10-24T22:00Z", "2026-04-04T12:00Z", "2026-09-05T20:00Z", "2026-11-22T08:00Z")

definitions = st.fixed_dictionaries(
    {
        "cron": st.sampled_from(CRONS),
        "timezone": st.sampled_from(ZONES),
        "catch_up": st.sampled_from(["latest", "all", "none"]),
        "grace_minutes": st.sampled_from([None, 1, 30, 600]),
        "enabled": st.sampled_from([True, True, True, False]),
    }
)
passing = st.sampled_from([-90_000, -3600, -61, 0, 1, 20, 60, 61, 300, 1800, 3600, 7200, 40_000, 100_000])
ticks = st.tuples(st.just("tick"), passing, st.sampled_from([0, 0, 0, 1, 2, -1, -7, -60]))
steps = ticks | st.one_of(
    ticks,
    st.tuples(st.just("ended"), passing, st.none()),
    st.tuples(st.just("edit"), passing, definitions),
    st.tuples(st.just("pause"), passing, st.sampled_from([None, -60, 3, 90, 3000])),
    st.tuples(st.just("resume"), passing, st.none()),
    st.tuples(st.just("remove"), passing, st.none()),
)


class TestEveryFireTimeIsSettledOnce:
    @settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(day=st.sampled_from(DAYS), first=definitions, sequence=st.lists(steps, min_size=12, max_size=30))
    def test_whatever_ticks_come_and_whatever_is_edited(
        self, day: str, first: dict[str, Any], sequence: list[tuple[str, int, Any]]
    ) -> None:
        """Late, doubled, missing, out of order, clock stepped back, paused, edited, removed, added again."""
        now = at(day)
        ledger, fields = Ledger(), first
        ledger.change(task(**fields), floor_minute(now) + MINUTE)
        for verb, seconds, value in sequence:
            now += timedelta(seconds=seconds)
            if verb == "tick":
                ledger.tick(floor_minute(now) + minutes(value), now)
            elif verb == "ended":
                ledger.live = False
            elif verb == "remove":
                ledger.change(None, floor_minute(now) + MINUTE)
            else:
                fields = edited(fields, verb, value, now)
                ledger.change(task(**fields), floor_minute(now) + MINUTE)
        ledger.change(None, floor_minute(now) + MINUTE)  # settles whatever is still expected up to now
        assert ledger.covered == ledger.expected_fires()
        assert len(ledger.runs) == len(set(ledger.runs))


def edited(fields: dict[str, Any], verb: str, value: Any, now: datetime) -> dict[str, Any]:
    if verb == "pause":
        until = "forever" if value is None else (now + minutes(value)).isoformat()
        return fields | {"paused_until": until}
    if verb == "resume":
        return fields | {"paused_until": None, "enabled": True}
    return value | {"paused_until": fields.get("paused_until")}


HERE = Host("here", "boot 2")
LEASE = at("09:06")


class TestOwners:
    @pytest.mark.parametrize(
        ("owner", "lock_is_free", "now", "gone"),
        [
            (HERE, True, "09:00", True),
            (HERE, False, "23:00", False),
            (Host("a container here", "boot 2"), True, "09:00", True),
            (Host("a container here", "boot 2"), False, "23:00", False),
            (Host("here", "boot 1"), False, "09:00", True),
            (Host("there", "boot 7"), True, "09:06:59", False),
            (Host("there", "boot 7"), True, "09:07:00", False),
            (Host("there", "boot 7"), False, "09:07:01", True),
        ],
    )
    def test_the_lock_tells_on_this_boot_and_the_lease_elsewhere(
        self, owner: Host, lock_is_free: bool, now: str, gone: bool
    ) -> None:
        assert (
            owner_is_gone(
                owner_host=owner, lease_until=LEASE, here=HERE, lock_is_free=lambda: lock_is_free, now=at(now)
            )
            is gone
        )

    def test_the_lease_of_another_machine_is_believed_a_minute_longer(self) -> None:
        assert timedelta(seconds=60) == CLOCK_SKEW

    def test_a_clock_set_forward_takes_nothing_from_a_process_that_lives_here(self) -> None:
        assert not owner_is_gone(
            owner_host=HERE, lease_until=LEASE, here=HERE, lock_is_free=lambda: False, now=LEASE + timedelta(days=365)
        )

    @pytest.mark.parametrize("owner", ["laptop", "elsewhere"])
    @pytest.mark.parametrize(("after", "gone"), [(timedelta(), False), (CLOCK_SKEW, False), (CLOCK_SKEW * 1.1, True)])
    def test_on_a_store_that_machines_share_only_leases_tell(self, owner: str, after: timedelta, gone: bool) -> None:
        here = Host(machine="laptop", boot="")
        there = Host(machine=owner, boot="")
        for free in (True, False):
            assert (
                owner_is_gone(
                    owner_host=there,
                    lease_until=LEASE,
                    here=here,
                    lock_is_free=lambda free=free: free,
                    now=LEASE + after,
                )
                is gone
            )
