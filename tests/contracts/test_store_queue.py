"""What every store does for queued runs: claimed as queued, taken over once, owed again if nobody came."""

from datetime import datetime, timedelta

import pytest

from contracts.conftest import START, Backend, add, at, claim, claimed, expectation, new_owner, plan, raw_task
from watchbell.claims import Move, Status
from watchbell.deliveries import PartState
from watchbell.errors import LeaseLost
from watchbell.stores.interface import ClaimResult, Owner, Run, Settlement, Store, TickRecord
from watchbell.timers import machine_name

TASK = "a1b2c3d4e5f6"
FIRE = "2026-11-22T09:00Z"


def queue(store: Store, now: datetime, owner: Owner | None = None) -> ClaimResult:
    expected, move = plan(store, now)
    return store.runs.claim(
        expected,
        move,
        owner=owner or new_owner(),
        lease_until=now + timedelta(minutes=6),
        now=now,
        queued_until=now + timedelta(minutes=2),
    )


def queued(store: Store, now: datetime) -> Run:
    run = queue(store, now).run
    assert run is not None
    return run


def take(store: Store, run: Run, now: datetime, owner: Owner | None = None) -> Run | None:
    return store.runs.take_over(
        run, owner=owner or new_owner(), lease_until=now + timedelta(minutes=6), now=now, crashed=False
    )


def found(store: Store) -> Run:
    run = store.runs.find(TASK, FIRE)
    assert run is not None
    return run


@pytest.fixture
def run(store: Store) -> Run:
    add(store, raw_task())
    return queued(store, at("09:00:01"))


def test_a_queued_run_has_no_attempt_yet_and_moves_the_next_fire_time(store: Store, run: Run) -> None:
    assert (run.status, run.attempt, run.crashes) == (Status.QUEUED, 0, 0)
    assert found(store) == run
    assert expectation(store).next_fire == at("10:00")
    assert store.tasks.due(at("09:59")) == []


def test_a_queued_run_is_owed_from_the_time_on_by_which_somebody_should_have_taken_it(store: Store, run: Run) -> None:
    assert store.runs.owed(at("09:02")) == []
    assert [(owed.id, owed.status) for owed in store.runs.owed(at("09:02:01"))] == [(run.id, Status.QUEUED)]


def test_a_queued_run_is_live(store: Store, run: Run) -> None:
    """Promise 9: also when the other claim looked before."""
    expected = expectation(store)
    assert expected.live_run
    blind = store.runs.claim(
        expected,
        Move(fire=at("10:00"), gaps=(), next_fire=at("11:00")),
        owner=new_owner(),
        lease_until=at("10:06"),
        now=at("10:00:01"),
    )
    assert (blind.run, blind.moved) == (None, False)
    taken = take(store, run, at("10:00:02"))
    assert taken is not None
    store.runs.settle(taken, Settlement(status=Status.SUCCESS), now=at("10:00:03"))
    assert not expectation(store).live_run
    assert claimed(store, at("10:00:04")).fire_time == "2026-11-22T10:00Z"


def test_a_queued_run_is_taken_over_exactly_once_and_starts_then(backend: Backend) -> None:
    """Promise 2: of any number of messages for it one is carried out."""
    one, two = backend.open(), backend.open()
    add(one, raw_task())
    run = queued(one, at("09:00:01"))
    taken = take(one, run, at("09:00:30"))
    assert taken is not None
    assert (taken.status, taken.attempt, taken.crashes) == (Status.RUNNING, 1, 0)
    assert (taken.started_at, taken.lease_until) == (at("09:00:30"), at("09:06:30"))
    assert take(two, run, at("09:00:31")) is None
    assert found(two).owner == taken.owner


def test_who_has_queued_a_run_does_not_hold_it(store: Store, run: Run) -> None:
    assert take(store, run, at("09:00:30")) is not None
    for write in (
        lambda: store.runs.save_report(run, {"title": "x"}, verdict="OK", source_error=None),
        lambda: store.runs.write_intent(run, PartState(target="console:stdout", part=1, of=1, outcome=None)),
        lambda: store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("09:00:40")),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert found(store).status is Status.RUNNING


def test_a_queued_claim_whose_answer_was_lost_is_recognised_by_its_token(store: Store) -> None:
    """Promise 4."""
    add(store, raw_task())
    owner = new_owner()
    expected, move = plan(store, at("09:00:01"))
    for _ in range(2):
        again = store.runs.claim(
            expected, move, owner=owner, lease_until=at("09:06"), now=at("09:00:01"), queued_until=at("09:02:01")
        )
        assert again.run is not None
        assert (again.run.owner, again.run.status) == (owner, Status.QUEUED)


def test_a_loser_learns_of_the_queued_run(backend: Backend) -> None:
    """Promise 1."""
    one, two = backend.open(), backend.open()
    add(one, raw_task())
    expected, move = plan(two, at("09:00:10"))
    won = queued(one, at("09:00:01"))
    lost = two.runs.claim(expected, move, owner=new_owner(), lease_until=at("09:06:10"), now=at("09:00:10"))
    assert (lost.run, lost.moved) == (None, False)
    assert lost.holder is not None
    assert (lost.holder.id, lost.holder.status) == (won.id, Status.QUEUED)


def test_what_nobody_took_is_owed_again_later_by_one_of_those_who_saw_it(backend: Backend) -> None:
    one, two = backend.open(), backend.open()
    add(one, raw_task())
    queued(one, at("09:00:01"))
    (seen_by_one,), (seen_by_two,) = one.runs.owed(at("09:03")), two.runs.owed(at("09:03"))
    assert one.runs.enqueue_again(seen_by_one, wake_at=at("09:05"))
    assert not two.runs.enqueue_again(seen_by_two, wake_at=at("09:05"))
    assert one.runs.owed(at("09:04:59")) == []
    (again,) = one.runs.owed(at("09:05"))
    assert (again.status, again.attempt, again.started_at) == (Status.QUEUED, 0, at("09:00:01"))
    assert take(two, again, at("09:05:01")) is not None


def test_what_somebody_took_meanwhile_is_not_put_off(store: Store, run: Run) -> None:
    taken = take(store, run, at("09:02:30"))
    assert taken is not None
    assert not store.runs.enqueue_again(run, wake_at=at("09:30"))
    assert found(store).wake_at == taken.wake_at


def test_a_message_sent_before_the_run_was_put_off_still_takes_it(store: Store, run: Run) -> None:
    """A message names the run and its attempt; when it is owed again has nothing to do with it."""
    (owed,) = store.runs.owed(at("09:03"))
    assert store.runs.enqueue_again(owed, wake_at=at("09:05"))
    assert take(store, run, at("09:03:10")) is not None


def test_a_run_that_waits_for_a_retry_can_be_put_off_too(store: Store) -> None:
    add(store, raw_task())
    run = claimed(store, at("09:00:01"))
    store.runs.settle(run, Settlement(status=Status.WAITING, wake_at=at("09:10")), now=at("09:00:09"))
    (waiting,) = store.runs.owed(at("09:10"))
    assert store.runs.enqueue_again(waiting, wake_at=at("09:12"))
    assert store.runs.owed(at("09:11:59")) == []
    (again,) = store.runs.owed(at("09:12"))
    assert (again.status, again.attempt) == (Status.WAITING, 1)


def test_a_queued_run_is_in_the_history_and_the_newest_of_its_task(store: Store, run: Run) -> None:
    assert [one.id for one in store.runs.history(TASK, limit=5)] == [run.id]
    assert store.runs.newest()[TASK].status is Status.QUEUED


def test_a_queued_run_is_not_forgotten_however_old_it_is(store: Store, run: Run) -> None:
    later = START + timedelta(days=500)
    store.runs.prune(later, later)
    assert found(store).status is Status.QUEUED


def test_a_removed_task_leaves_its_queued_run_as_it_is(store: Store, run: Run) -> None:
    """Its sends are withheld when it is carried out; until then it stays owed."""
    store.tasks.change(lambda tasks: [], now=at("09:00:30"))
    (owed,) = store.runs.owed(at("09:03"))
    assert take(store, owed, at("09:03")) is not None


def test_a_claim_without_a_queue_runs_at_once(store: Store) -> None:
    add(store, raw_task())
    result = claim(store, at("09:00:01"))
    assert result.run is not None
    assert (result.run.status, result.run.attempt) == (Status.RUNNING, 1)


@pytest.mark.parametrize("machine", ["queue:runs", "queue:runs-20261122", "pod-29384756-x7kq2"])
def test_what_counts_as_one_machine_is_no_other_machine_to_itself(store: Store, machine: str) -> None:
    """Else it would leave to others what nobody else can do."""
    tick = TickRecord(minute=at("09:00"), ran_at=at("09:00:01"), timer="test", machine=machine)
    store.ticks.record(tick)
    assert not store.ticks.other_machines(machine_name(machine), at("08:50"))
    assert store.ticks.other_machines("laptop", at("08:50"))
