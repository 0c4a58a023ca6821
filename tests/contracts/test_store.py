"""The promises of stores/interface.py, by their numbers, on every backend."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts.conftest import (
    START,
    Backend,
    add,
    at,
    claim,
    claimed,
    expectation,
    new_owner,
    plan,
    raw_task,
    replace_task,
)
from watchbell.claims import GapStatus, Move, Status
from watchbell.deliveries import PartState
from watchbell.errors import DamagedReport, LeaseLost
from watchbell.stores.interface import Settlement, Store, TickRecord
from watchbell.stores.report_body import pack

TASK = "a1b2c3d4e5f6"
PART = PartState(target="console:stdout", part=1, of=1, outcome=None, intent_at=at("09:00:05"))
DELIVERED = replace(PART, outcome="delivered", message_id="m1")


def take_over(store: Store, run, now, *, crashed=True, owner=None):  # type: ignore[no-untyped-def]
    return store.runs.take_over(
        run, owner=owner or new_owner(), lease_until=now + timedelta(minutes=6), now=now, crashed=crashed
    )


class TestClaims:
    def test_one_claim_wins_and_the_loser_learns_who_holds_it_until_when(self, backend: Backend) -> None:
        """Promise 1."""
        one, two = backend.open(), backend.open()
        add(one, raw_task())
        expected, move = plan(two, at("09:00:10"))
        won = claimed(one, at("09:00:01"))
        lost = two.runs.claim(expected, move, owner=new_owner(), lease_until=at("09:06:10"), now=at("09:00:10"))
        assert lost.run is None
        assert not lost.moved
        assert lost.holder is not None
        assert (lost.holder.owner, lost.holder.lease_until) == (won.owner, at("09:06:01"))

    def test_a_claim_whose_answer_was_lost_is_recognised_by_its_token(self, store: Store) -> None:
        """Promise 4."""
        add(store, raw_task())
        owner = new_owner()
        expected, move = plan(store, at("09:00:01"))
        for _ in range(2):
            again = store.runs.claim(expected, move, owner=owner, lease_until=at("09:06:01"), now=at("09:00:01"))
            assert again.run is not None
            assert again.run.owner == owner

    def test_a_claim_moves_the_next_fire_time_and_nothing_else_does(self, store: Store) -> None:
        """Promise 8."""
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        assert expectation(store).next_fire == at("10:00")
        store.runs.save_report(run, {"title": "x"}, verdict="OK", source_error=None)
        store.runs.write_intent(run, PART)
        store.runs.write_outcome(run, DELIVERED)
        store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("09:00:09"))
        assert expectation(store).next_fire == at("10:00")
        assert store.tasks.due(at("09:59")) == []
        assert store.tasks.due(at("10:00")) == [TASK]

    def test_a_claim_on_an_edited_task_changes_nothing(self, store: Store) -> None:
        """Promise 8: the revision is part of the condition, also where the schedule stayed the same."""
        add(store, raw_task())
        expected, move = plan(store, at("09:00:01"))
        replace_task(store, at("09:00:02"), chat_id="elsewhere")
        result = store.runs.claim(expected, move, owner=new_owner(), lease_until=at("09:06"), now=at("09:00:03"))
        assert (result.run, result.holder, result.moved) == (None, None, False)
        assert expectation(store).next_fire == at("09:00")

    def test_a_run_keeps_the_definition_it_was_claimed_with_but_no_credentials(self, store: Store) -> None:
        """Promise 8."""
        add(store, raw_task(params={"bot_token": "123456:secret", "question": "why"}, their_field=7))
        run = claimed(store, at("09:00:01"))
        replace_task(store, at("09:00:02"), kind="weekly_audit")
        found = store.runs.find(TASK, "2026-11-22T09:00Z")
        assert found is not None
        assert found.definition["kind"] == "daily_summary"
        assert found.definition["their_field"] == 7
        assert found.definition["params"] == {"question": "why"}
        assert "secret" not in json.dumps(run.definition)

    def test_what_a_claim_skips_over_is_in_the_ledger(self, store: Store) -> None:
        """Promise 8."""
        add(store, raw_task())
        run = claimed(store, at("13:00:02"))
        assert run.fire_time == "2026-11-22T13:00Z"
        (gap,) = store.runs.gaps(TASK, limit=10)
        assert (gap.status, gap.reason, gap.count) == (GapStatus.MISSED, "no tick", 4)
        assert (gap.first, gap.last) == (at("09:00"), at("12:00"))

    def test_a_task_has_at_most_one_live_scheduled_run(self, backend: Backend) -> None:
        """Promise 9: also when the other claim came in between looking and claiming."""
        store = backend.open()
        add(store, raw_task(cron="* * * * *"))
        run = claimed(store, at("08:31:01"))
        assert expectation(store).live_run
        blind = store.runs.claim(
            replace(expectation(store), live_run=False),
            Move(fire=at("08:32"), gaps=(), next_fire=at("08:33")),
            owner=new_owner(),
            lease_until=at("08:38"),
            now=at("08:32:01"),
        )
        assert not blind.moved
        assert blind.run is None
        store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("08:32:30"))
        assert claimed(store, at("08:33:01")).fire_time == "2026-11-22T08:33Z"

    def test_an_adhoc_run_neither_blocks_nor_takes_a_fire_time(self, store: Store) -> None:
        """Promise 9."""
        add(store, raw_task())
        task = expectation(store).task
        adhoc = store.runs.claim_adhoc(
            task,
            "2026-11-22T08:59:59.123Z-ab12",
            owner=new_owner(),
            lease_until=at("09:06"),
            now=at("08:59:59"),
        )
        assert adhoc.adhoc
        assert expectation(store).next_fire == at("09:00")
        assert not expectation(store).live_run
        assert claimed(store, at("09:00:01")).fire_time == "2026-11-22T09:00Z"


class TestTakeOver:
    def test_a_dead_claim_is_taken_over_exactly_once_and_the_attempt_grows(self, backend: Backend) -> None:
        """Promise 2."""
        one, two, three = backend.open(), backend.open(), backend.open()
        add(one, raw_task())
        dead = claimed(one, at("09:00:01"))
        (seen_by_two,) = two.runs.owed(at("09:10"))
        (seen_by_three,) = three.runs.owed(at("09:10"))
        taken = take_over(two, seen_by_two, at("09:10"))
        assert taken is not None
        assert (taken.attempt, taken.crashes) == (dead.attempt + 1, 1)
        assert take_over(three, seen_by_three, at("09:10")) is None

    @pytest.mark.parametrize("write", ["report", "intent", "outcome", "settle", "decline"])
    def test_the_old_owner_changes_nothing_and_is_told_so(self, store: Store, write: str) -> None:
        """Promise 2."""
        add(store, raw_task())
        old = claimed(store, at("09:00:01"))
        new = take_over(store, old, at("09:10"))
        writes = {
            "report": lambda: store.runs.save_report(old, {"title": "late"}, verdict="OK", source_error=None),
            "intent": lambda: store.runs.write_intent(old, PART),
            "outcome": lambda: store.runs.write_outcome(old, DELIVERED),
            "settle": lambda: store.runs.settle(old, Settlement(status=Status.SUCCESS), now=at("09:10:01")),
            "decline": lambda: store.runs.decline(old, machine=None, until=None, now=at("09:10:01")),
        }
        with pytest.raises(LeaseLost, match="no longer holds it"):
            writes[write]()
        assert store.runs.find(TASK, old.fire_time) == new
        assert store.runs.saved_report(TASK, old.fire_time) is None

    def test_a_settled_run_takes_no_more_writes_of_its_owner(self, store: Store) -> None:
        """Promise 2: settling gives the run up."""
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("09:00:09"))
        with pytest.raises(LeaseLost):
            store.runs.write_intent(run, PART)

    def test_an_intent_without_an_outcome_becomes_unknown(self, store: Store) -> None:
        """Promise 2: the old owner may have sent it."""
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        store.runs.write_intent(run, PART)
        taken = take_over(store, run, at("09:10"))
        assert taken is not None
        assert [part.outcome for part in taken.parts] == ["unknown"]

    def test_a_declined_run_can_be_taken_at_once_without_counting_as_a_crash(self, store: Store) -> None:
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        store.runs.decline(run, machine="here", until=at("09:30"), now=at("09:00:05"))
        (owed,) = store.runs.owed(at("09:00:05"))
        assert (owed.status, owed.declined_by, owed.declined_until) == (Status.WAITING, "here", at("09:30"))
        taken = take_over(store, owed, at("09:00:06"), crashed=False)
        assert taken is not None
        assert (taken.attempt, taken.crashes, taken.status) == (2, 0, Status.RUNNING)


class TestDurability:
    def test_report_intent_and_outcome_are_seen_by_others_when_the_call_returns(self, backend: Backend) -> None:
        """Promise 3."""
        one, two = backend.open(), backend.open()
        add(one, raw_task())
        run = claimed(one, at("09:00:01"))
        one.runs.save_report(run, {"title": "x", "rows": ["ü"] * 1000}, verdict="ATTENTION", source_error="late")
        assert two.runs.saved_report(TASK, run.fire_time) == {"title": "x", "rows": ["ü"] * 1000}
        assert one.runs.write_intent(run, PART) is None
        found = two.runs.find(TASK, run.fire_time)
        assert found is not None
        assert (found.verdict, found.source_error) == ("ATTENTION", "late")
        assert found.parts == (PART,)
        one.runs.write_outcome(run, DELIVERED)
        found = two.runs.find(TASK, run.fire_time)
        assert found is not None
        assert found.parts == (DELIVERED,)

    @pytest.mark.parametrize("keep", [0, 10], ids=["gone", "cut off"])
    def test_a_damaged_report_is_an_error_that_names_the_run(self, backend: Backend, keep: int) -> None:
        """Promise 7."""
        store = backend.open()
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        store.runs.save_report(run, {"title": "x"}, verdict="OK", source_error=None)
        backend.damage_report(run, pack({"title": "x"})[:keep])
        with pytest.raises(DamagedReport, match=f"{run.id} is damaged"):
            backend.open().runs.saved_report(TASK, run.fire_time)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"enabled": False}, "the task was disabled"),
            ({"paused_until": "forever"}, "the task was paused"),
            ({"paused_until": "2026-11-22T12:00Z"}, "the task was paused"),
            ({"paused_until": "2026-11-22T08:00Z"}, None),
            ({"chat_id": "elsewhere"}, None),
        ],
    )
    def test_stopping_a_task_stops_sends_that_have_no_intent_yet(
        self, store: Store, change: dict[str, object], reason: str | None
    ) -> None:
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        replace_task(store, at("09:00:02"), **change)
        assert store.runs.write_intent(run, PART) == reason
        found = store.runs.find(TASK, run.fire_time)
        assert found is not None
        assert len(found.parts) == (0 if reason else 1)

    def test_removing_a_task_stops_its_sends_and_keeps_its_history(self, store: Store) -> None:
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        store.tasks.change(lambda tasks: [], now=at("09:00:02"))
        assert store.runs.write_intent(run, PART) == "the task was removed"
        assert [run.fire_time for run in store.runs.history(TASK, limit=5)] == ["2026-11-22T09:00Z"]
        assert TASK in store.runs.known_task_ids()

    def test_an_adhoc_run_sends_for_a_paused_task(self, store: Store) -> None:
        add(store, raw_task(paused_until="forever"))
        run = store.runs.claim_adhoc(
            expectation(store).task,
            "2026-11-22T08:59:59.123Z-ab12",
            owner=new_owner(),
            lease_until=at("09:06"),
            now=at("08:59:59"),
        )
        assert store.runs.write_intent(run, PART) is None


class TestOwed:
    def test_running_runs_are_owed_at_once_and_waiting_ones_from_their_retry_time(self, store: Store) -> None:
        """Promise 5."""
        add(store, raw_task("aaaa"), raw_task("bbbb"), raw_task("cccc"))
        claimed(store, at("09:00:01"), task_id="aaaa")
        waiting = claimed(store, at("09:00:01"), task_id="bbbb")
        store.runs.settle(waiting, Settlement(status=Status.WAITING, wake_at=at("09:20")), now=at("09:00:05"))
        settled = claimed(store, at("09:00:01"), task_id="cccc")
        store.runs.settle(settled, Settlement(status=Status.FAILED, exit_code=7), now=at("09:00:05"))
        assert [run.task_id for run in store.runs.owed(at("09:19:59"))] == ["aaaa"]
        assert [run.task_id for run in store.runs.owed(at("09:20:00"))] == ["aaaa", "bbbb"]

    def test_an_unknown_run_with_a_retry_owed_stays_among_what_is_owed(self, store: Store) -> None:
        """Promise 5."""
        add(store, raw_task())
        run = claimed(store, at("09:00:01"))
        store.runs.settle(run, Settlement(status=Status.UNKNOWN, wake_at=at("09:01")), now=at("09:00:05"))
        assert [owed.id for owed in store.runs.owed(at("09:01"))] == [run.id]

    def test_what_is_due_comes_longest_due_first(self, store: Store) -> None:
        """Promise 5."""
        add(store, raw_task("aaaa", "0 10 * * *"), raw_task("bbbb", "0 9 * * *"), raw_task("cccc", "0 11 * * *"))
        assert store.tasks.due(at("10:30")) == ["bbbb", "aaaa"]


class TestHistory:
    def test_history_is_newest_first_and_paged(self, store: Store) -> None:
        """Promise 6."""
        add(store, raw_task())
        for hour in (9, 10, 11, 12):
            run = claimed(store, at(f"{hour:02}:00:01"))
            store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at(f"{hour:02}:00:02"))
        first = [run.fire_time[11:16] for run in store.runs.history(TASK, limit=3)]
        assert first == ["12:00", "11:00", "10:00"]
        rest = store.runs.history(TASK, limit=3, before=at("10:00"))
        assert [run.fire_time[11:16] for run in rest] == ["09:00"]
        assert store.runs.newest()[TASK].fire_time == "2026-11-22T12:00Z"

    def test_history_past_its_time_is_forgotten_but_never_what_is_owed(self, store: Store) -> None:
        """Promise 6."""
        add(store, raw_task("aaaa"), raw_task("bbbb"))
        old = claimed(store, at("09:00:01"), task_id="aaaa")
        store.runs.save_report(old, {"title": "x"}, verdict="OK", source_error=None)
        store.runs.settle(old, Settlement(status=Status.SUCCESS), now=at("09:00:02"))
        owed = claimed(store, at("09:00:01"), task_id="bbbb")
        store.runs.settle(owed, Settlement(status=Status.WAITING, wake_at=at("10:00")), now=at("09:00:02"))
        store.runs.prune(at("09:30"), START + timedelta(days=1))
        assert store.runs.find("aaaa", old.fire_time) is None
        assert store.runs.saved_report("aaaa", old.fire_time) is None
        assert store.runs.find("bbbb", owed.fire_time) is not None

    def test_delivered_since_sees_only_later_delivered_scheduled_runs(self, store: Store) -> None:
        add(store, raw_task())
        early = claimed(store, at("09:00:01"))
        store.runs.settle(early, Settlement(status=Status.WAITING, wake_at=at("09:30")), now=at("09:00:02"))
        quiet = claimed(store, at("10:00:01"))
        store.runs.settle(quiet, Settlement(status=Status.QUIET), now=at("10:00:02"))
        late = claimed(store, at("11:00:01"))
        assert not store.runs.delivered_since(TASK, early.fire_time)
        store.runs.settle(late, Settlement(status=Status.SUCCESS), now=at("11:00:02"))
        assert store.runs.delivered_since(TASK, early.fire_time)
        assert not store.runs.delivered_since(TASK, late.fire_time)


class TestDefinitions:
    def test_a_new_task_never_fires_for_the_past_nor_for_the_minute_that_has_begun(self, store: Store) -> None:
        add(store, raw_task(cron="0 9 * * *"), now=at("09:00:20"))
        assert expectation(store).next_fire == at("09:00") + timedelta(days=1)

    def test_an_edit_that_keeps_the_schedule_keeps_the_next_fire_time(self, store: Store) -> None:
        add(store, raw_task())
        before = expectation(store)
        replace_task(store, at("09:30"), chat_id="elsewhere")
        after = expectation(store)
        assert after.next_fire == before.next_fire == at("09:00")
        assert after.revision > before.revision
        assert str(after.task.targets[0]) == "console:elsewhere"

    def test_a_new_schedule_settles_what_the_old_one_owed_and_starts_after_the_edit(self, store: Store) -> None:
        add(store, raw_task())
        replace_task(store, at("11:10:30"), cron="15 * * * *")
        assert expectation(store).next_fire == at("11:15")
        (gap,) = store.runs.gaps(TASK, limit=5)
        assert (gap.status, gap.reason) == (GapStatus.SKIPPED, "edited")
        assert (gap.first, gap.last, gap.count) == (at("09:00"), at("11:00"), 3)

    def test_resuming_a_pause_writes_one_skipped_row(self, store: Store) -> None:
        add(store, raw_task())
        replace_task(store, at("08:40"), paused_until="forever")
        assert store.tasks.due(at("12:00")) == []
        replace_task(store, at("11:30"), paused_until=None)
        assert expectation(store).next_fire == at("12:00")
        (gap,) = store.runs.gaps(TASK, limit=5)
        assert (gap.status, gap.reason, gap.count) == (GapStatus.SKIPPED, "paused", 3)

    def test_a_pause_with_an_end_resumes_by_itself_and_writes_its_row_then(self, store: Store) -> None:
        add(store, raw_task())
        replace_task(store, at("08:40"), paused_until="2026-11-22T10:30Z")
        assert expectation(store).next_fire == at("11:00")
        assert claimed(store, at("11:00:01")).fire_time == "2026-11-22T11:00Z"
        (gap,) = store.runs.gaps(TASK, limit=5)
        assert (gap.reason, gap.first, gap.last, gap.count) == ("paused", at("09:00"), at("10:00"), 2)

    def test_a_disabled_task_expects_nothing_and_leaves_no_rows(self, store: Store) -> None:
        add(store, raw_task())
        replace_task(store, at("08:40"), enabled=False)
        replace_task(store, at("12:40"), enabled=True)
        assert expectation(store).next_fire == at("13:00")
        assert store.runs.gaps(TASK, limit=5) == []

    def test_what_a_change_raises_leaves_everything_as_it_was(self, store: Store) -> None:
        """Promise 6."""
        add(store, raw_task())

        def change(tasks: list[dict[str, object]]) -> list[dict[str, object]]:
            tasks.clear()
            raise ValueError("changed my mind")

        with pytest.raises(ValueError, match="changed my mind"):
            store.tasks.change(change, now=at("08:40"))
        assert [task.id for task in store.tasks.listing().tasks] == [TASK]

    def test_unknown_fields_survive_every_change(self, store: Store) -> None:
        """Promise 7."""
        add(store, raw_task(their_field={"deep": [1, None]}))
        replace_task(store, at("08:40"), cron="5 * * * *")
        assert store.tasks.listing().tasks[0].raw["their_field"] == {"deep": [1, None]}

    def test_the_old_schedule_of_a_removed_task_never_fires_again_when_it_is_added_anew(self, store: Store) -> None:
        add(store, raw_task())
        expected, move = plan(store, at("09:00:01"))
        store.tasks.change(lambda tasks: [], now=at("09:00:02"))
        add(store, raw_task(), now=at("09:00:03"))
        result = store.runs.claim(expected, move, owner=new_owner(), lease_until=at("09:06"), now=at("09:00:04"))
        assert (result.run, result.moved) == (None, False)
        assert expectation(store).next_fire == at("10:00")


class TestTicksAndNotices:
    def test_ticks_are_remembered_by_when_they_ran_and_where(self, store: Store) -> None:
        store.ticks.record(TickRecord(minute=at("09:00"), ran_at=at("09:00:03"), timer="cron", machine="one"))
        assert store.ticks.ticked_between(at("09:00"), at("09:01"))
        assert not store.ticks.ticked_between(at("09:00:04"), at("10:00"))
        assert store.ticks.other_machines("two", at("08:55"))
        assert not store.ticks.other_machines("one", at("08:55"))
        assert not store.ticks.other_machines("two", at("09:01"))

    def test_a_condition_is_told_once_then_daily_then_its_recovery(self, store: Store) -> None:
        def told(moment):  # type: ignore[no-untyped-def]
            return [(notice.key, notice.recovered) for notice in store.ticks.notices_to_tell(moment)]

        store.ticks.raise_notice("source:x", "x is failed", START)
        assert told(START) == [("source:x", False)]
        store.ticks.raise_notice("source:x", "x is failed", START + timedelta(hours=5))
        assert told(START + timedelta(hours=5)) == []
        assert told(START + timedelta(days=1)) == [("source:x", False)]
        store.ticks.clear_notice("source:x", START + timedelta(hours=30))
        assert told(START + timedelta(hours=30)) == [("source:x", True)]
        assert told(START + timedelta(days=9)) == []

    def test_a_condition_that_ended_before_it_was_told_is_not_told(self, store: Store) -> None:
        store.ticks.raise_notice("source:x", "x is failed", START)
        store.ticks.clear_notice("source:x", START)
        assert store.ticks.notices_to_tell(START + timedelta(days=2)) == []

    def test_a_condition_that_ended_untold_and_comes_again_is_told(self, store: Store) -> None:
        store.ticks.raise_notice("source:x", "x is failed", START)
        store.ticks.clear_notice("source:x", START)
        store.ticks.raise_notice("source:x", "x is failed", START)
        [notice] = store.ticks.notices_to_tell(START)
        store.ticks.notice_not_told([notice], START)
        store.ticks.clear_notice("source:x", START)
        store.ticks.raise_notice("source:x", "x is failed", START + timedelta(hours=2))
        assert [n.key for n in store.ticks.notices_to_tell(START + timedelta(hours=2))] == ["source:x"]

    def test_a_condition_that_comes_and_goes_is_told_at_most_hourly(self, store: Store) -> None:
        told = []
        for minute in range(180):
            now = START + timedelta(minutes=minute)
            (store.ticks.clear_notice if minute % 2 else lambda key, now: store.ticks.raise_notice(key, "x", now))(
                "source:x", now
            )
            told += [(minute, notice.recovered) for notice in store.ticks.notices_to_tell(now)]
        assert told == [(0, False), (1, True), (62, False), (63, True), (124, False), (125, True)]

    def test_a_condition_that_nobody_sees_any_more_is_forgotten(self, store: Store) -> None:
        store.ticks.raise_notice("source:gone", "x", START)
        assert len(store.ticks.notices_to_tell(START)) == 1
        assert len(store.ticks.notices_to_tell(START + timedelta(days=8))) == 1
        assert store.ticks.notices_to_tell(START + timedelta(days=10)) == []
        assert store.ticks.notices_to_tell(START + timedelta(days=30)) == []

    def test_what_did_not_reach_the_operator_is_owed_again_soon(self, store: Store) -> None:
        store.ticks.raise_notice("source:x", "x is failed", START)
        notices = store.ticks.notices_to_tell(START)
        store.ticks.notice_not_told(notices, START)
        assert store.ticks.notices_to_tell(START + timedelta(minutes=1)) == []
        assert [n.key for n in store.ticks.notices_to_tell(START + timedelta(minutes=6))] == ["source:x"]

    def test_what_one_message_has_no_room_for_stays_owed(self, store: Store) -> None:
        keys = [f"task:{number}" for number in range(5)]
        for number, key in enumerate(keys):
            store.ticks.raise_notice(key, "it failed", START + timedelta(seconds=number))
        now = START + timedelta(minutes=1)
        told = [[notice.key for notice in store.ticks.notices_to_tell(now, most=2)] for _ in range(4)]
        assert told == [keys[:2], keys[2:4], keys[4:], []]

    def test_a_tick_of_a_year_of_three_digits_is_remembered_as_any_other(self, store: Store) -> None:
        minute = datetime(999, 1, 1, tzinfo=UTC)
        store.ticks.record(TickRecord(minute=minute, ran_at=at("09:00:03"), timer="cron", machine="one"))
        assert [record.minute for record in store.ticks.records(at("08:55"))] == [minute]

    def test_a_recovery_that_did_not_reach_the_operator_is_owed_again(self, store: Store) -> None:
        store.ticks.raise_notice("source:x", "x is failed", START)
        store.ticks.notices_to_tell(START)
        store.ticks.clear_notice("source:x", START)
        store.ticks.notice_not_told(store.ticks.notices_to_tell(START), START)
        again = store.ticks.notices_to_tell(START + timedelta(minutes=6))
        assert [(notice.key, notice.recovered) for notice in again] == [("source:x", True)]


def test_claim_returns_nothing_to_run_when_only_gaps_were_written(store: Store) -> None:
    add(store, raw_task(cron="0 9 * * *", catch_up="none"))
    result = claim(store, at("09:30"))
    assert (result.run, result.moved) == (None, True)
    assert [gap.count for gap in store.runs.gaps(TASK, limit=5)] == [1]


def test_the_range_that_a_fire_time_fell_into_can_be_looked_up(store: Store) -> None:
    add(store, raw_task())
    claimed(store, at("13:00:02"))
    found = store.runs.gap_at(TASK, at("10:00"))
    assert found is not None
    assert (found.first, found.last) == (at("09:00"), at("12:00"))
    assert store.runs.gap_at(TASK, at("13:00")) is None
    assert store.runs.gap_at("bbbb", at("10:00")) is None


def test_gaps_are_paged_by_the_fire_time_they_end_with(store: Store) -> None:
    add(store, raw_task())
    for hour in (10, 12, 14):
        run = claimed(store, at(f"{hour}:00:01"))
        store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at(f"{hour}:00:02"))
    assert [gap.last for gap in store.runs.gaps(TASK, limit=2)] == [at("13:00"), at("11:00")]
    assert [gap.last for gap in store.runs.gaps(TASK, limit=9, before=at("11:00"))] == [at("09:00")]


def test_the_ledger_says_from_when_on_it_is_whole(store: Store) -> None:
    assert store.runs.ledger_starts() is None
    add(store, raw_task())
    assert store.runs.ledger_starts() == at("08:31")
    add(store, raw_task("bbbb"), now=at("12:00"))
    assert store.runs.ledger_starts() == at("08:31")


def test_every_version_of_a_schedule_is_kept_with_its_from_and_to(store: Store) -> None:
    add(store, raw_task())
    replace_task(store, at("10:10"), cron="30 * * * *")
    replace_task(store, at("11:10"), chat_id="elsewhere")
    replace_task(store, at("12:10"), enabled=False)
    replace_task(store, at("13:10"), enabled=True)
    found = [(version.cron, version.start, version.end) for version in store.runs.schedule_versions(TASK)]
    assert found == [
        ("0 * * * *", at("08:31"), at("10:11")),
        ("30 * * * *", at("10:11"), at("12:11")),
        ("30 * * * *", at("13:11"), None),
    ]


def test_ticks_are_listed_in_the_order_they_ran(store: Store) -> None:
    for minute, ran_at in (("09:01", "09:01:02"), ("09:00", "09:01:30"), ("09:02", "09:02:01")):
        store.ticks.record(TickRecord(minute=at(minute), ran_at=at(ran_at), timer="cron", machine="one"))
    assert [record.minute for record in store.ticks.records(at("09:01:10"))] == [at("09:00"), at("09:02")]
