"""No promise is broken by what may happen between a client and DynamoDB."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.conftest import START, add, at, claim, claimed, expectation, new_owner, plan, raw_task, replace_task
from contracts.test_store_races import ids, part
from fakes.dynamodb import new_tables
from fakes.dynamodb_faults import BROKEN, FAULTS, IN_CONFLICT, LOST, THROTTLED, UNREACHABLE, WELL, Faults
from watchbell.claims import Status, plan_move
from watchbell.errors import LeaseLost, StoreError, TryAgain
from watchbell.instants import MINUTE, format_minute
from watchbell.stores.dynamodb import DynamoStore
from watchbell.stores.dynamodb.connection import new_client
from watchbell.stores.interface import Run, Settlement, TickRecord

pytestmark = pytest.mark.service("dynamodb-local")

TASK = "a1b2c3d4e5f6"
FIRE = "2026-11-22T09:00Z"
LEASE = timedelta(minutes=6)
WRITES = ("TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem")
REQUESTS = (*WRITES, "GetItem", "BatchGetItem", "Query", "Scan")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore would wait for seconds between its tries."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def faults(tables: str) -> Iterator[tuple[DynamoStore, Faults]]:
    client = new_client()
    yield DynamoStore(tables, client=client), Faults(client)
    client.close()


@pytest.fixture
def store(faults: tuple[DynamoStore, Faults]) -> DynamoStore:
    return faults[0]


@pytest.fixture
def fault(faults: tuple[DynamoStore, Faults]) -> Faults:
    return faults[1]


def found(store: DynamoStore) -> Run:
    run = store.runs.find(TASK, FIRE)
    assert run is not None
    return run


def a_run(store: DynamoStore) -> Run:
    add(store, raw_task())
    return claimed(store, at("09:00:01"))


def a_report(store: DynamoStore, run: Run) -> None:
    store.runs.save_report(run, {"title": "x"}, verdict="OK", source_error=None)


def do_claim(store: DynamoStore) -> Callable[[], Any]:
    add(store, raw_task())
    return lambda: (claim(store, at("13:00:02")).moved, len(store.runs.gaps(TASK, limit=9)))


def do_queue(store: DynamoStore) -> Callable[[], Any]:
    add(store, raw_task())
    expected, move = plan(store, at("09:00:01"))
    arguments = {"owner": new_owner(), "lease_until": at("09:06"), "now": at("09:00:01")}
    return lambda: store.runs.claim(expected, move, queued_until=at("09:02"), **arguments).run.status  # type: ignore[union-attr, arg-type]


def do_adhoc(store: DynamoStore) -> Callable[[], Any]:
    add(store, raw_task())
    task = expectation(store).task
    fire_time = "2026-11-22T08:59:59.123Z-ab12"
    times = {"lease_until": at("09:06"), "now": at("08:59:59")}
    return lambda: store.runs.claim_adhoc(task, fire_time, owner=new_owner(), **times).attempt


def do_take_over(store: DynamoStore) -> Callable[[], Any]:
    run = a_run(store)
    store.runs.write_intent(run, part(1))

    def act() -> Any:
        taken = store.runs.take_over(run, owner=new_owner(), lease_until=at("09:36"), now=at("09:30"), crashed=True)
        assert taken is not None
        return taken.attempt, taken.crashes, [state.outcome for state in taken.parts], expectation(store).live_run

    return act


def do_report(store: DynamoStore) -> Callable[[], Any]:
    run = a_run(store)

    def act() -> Any:
        a_report(store, run)
        return store.runs.saved_report(TASK, FIRE), found(store).verdict

    return act


def do_send(store: DynamoStore) -> Callable[[], Any]:
    run = a_run(store)

    def act() -> Any:
        assert store.runs.write_intent(run, part(1)) is None
        store.runs.write_outcome(run, replace(part(1), outcome="delivered", message_id="m1"))
        return [(state.outcome, state.message_id) for state in found(store).parts]

    return act


def do_settle(store: DynamoStore) -> Callable[[], Any]:
    run = a_run(store)

    def act() -> Any:
        store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("09:00:09"))
        return found(store).status, found(store).finished_at, expectation(store).live_run

    return act


def do_decline(store: DynamoStore) -> Callable[[], Any]:
    run = a_run(store)

    def act() -> Any:
        store.runs.decline(run, machine="here", until=at("09:30"), now=at("09:00:05"))
        return found(store).status, found(store).declined_by

    return act


def do_enqueue_again(store: DynamoStore) -> Callable[[], Any]:
    add(store, raw_task())
    expected, move = plan(store, at("09:00:01"))
    arguments = {"owner": new_owner(), "lease_until": at("09:06"), "now": at("09:00:01")}
    run = store.runs.claim(expected, move, queued_until=at("09:02"), **arguments).run  # type: ignore[arg-type]
    assert run is not None
    return lambda: (store.runs.enqueue_again(run, wake_at=at("09:05")), found(store).wake_at)


def do_change(store: DynamoStore) -> Callable[[], Any]:
    add(store, raw_task(), raw_task("bbbb"))

    def act() -> Any:
        replace_task(store, at("11:10"), cron="15 * * * *")
        store.tasks.change_one("bbbb", lambda raw: None, now=at("11:10"))
        store.tasks.change_one("cccc", lambda raw: raw_task("cccc"), now=at("11:10"))
        gaps = [(gap.reason, gap.count) for task_id in (TASK, "bbbb") for gap in store.runs.gaps(task_id, limit=9)]
        versions = [len(store.runs.schedule_versions(task_id)) for task_id in (TASK, "bbbb", "cccc")]
        return gaps, versions, sorted(task.id for task in store.tasks.listing().tasks), expectation(store).revision

    return act


def do_notices(store: DynamoStore) -> Callable[[], Any]:
    def act() -> Any:
        store.ticks.raise_notice("x", "x is failed", START)
        told = [notice.key for notice in store.ticks.notices_to_tell(START)]
        store.ticks.clear_notice("x", START)
        told += [f"no {notice.key}" for notice in store.ticks.notices_to_tell(START)]
        return told + [notice.key for notice in store.ticks.notices_to_tell(START)]

    return act


def do_ticks(store: DynamoStore) -> Callable[[], Any]:
    record = TickRecord(minute=at("09:00"), ran_at=at("09:00:03"), timer="cron", machine="one")

    def act() -> Any:
        store.ticks.record(record)
        return store.ticks.records(START)

    return act


def do_look(store: DynamoStore) -> Callable[[], Any]:
    run = a_run(store)
    return lambda: (
        [owed.id for owed in store.runs.owed(at("09:01"))],
        store.tasks.due(at("10:00")),
        [one.id for one in store.runs.history(TASK, limit=5)],
        run.id,
    )


ACTS = (
    do_claim, do_queue, do_adhoc, do_take_over, do_report, do_send, do_settle, do_decline, do_enqueue_again, do_change,
    do_notices, do_ticks, do_look,
)  # fmt: skip


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_one_fault_at_each_kind_of_request_changes_nothing(tables: str, act: Any) -> None:
    """Promises 2, 3, 4 and 8: what was done is done once, and is known to be one's own."""
    client = new_client()
    fault = Faults(client)
    answers = []
    for kind in (WELL, *FAULTS):
        ready = act(DynamoStore(new_tables(), client=client))
        fault.once(kind, REQUESTS)
        answers.append(ready())
        fault.none()
    client.close()
    writes = act is not do_look
    assert {kind for _, kind in fault.met} == set(FAULTS) - (set() if writes else {IN_CONFLICT})
    assert answers == [answers[0]] * len(answers)


@pytest.mark.parametrize("kind", [THROTTLED, BROKEN, UNREACHABLE])
def test_what_could_not_be_asked_for_at_all_is_busy_not_empty_and_works_later(
    store: DynamoStore, fault: Faults, kind: str
) -> None:
    """Promise 7."""
    add(store, raw_task())
    expected, move = plan(store, at("09:00:01"))
    owner = new_owner()
    fault.always(kind, REQUESTS)
    calls: list[Callable[[], Any]] = [
        lambda: store.runs.claim(expected, move, owner=owner, lease_until=at("09:06"), now=at("09:00:01")),
        lambda: store.tasks.due(at("09:00")),
        lambda: store.tasks.listing(),
        lambda: store.runs.owed(at("09:00")),
        lambda: store.runs.history(TASK, limit=1),
    ]
    for call in calls:
        with pytest.raises(TryAgain, match=r"busy|no answer in time"):
            call()
    fault.none()
    assert claimed(store, at("09:00:02"), owner).owner == owner


def test_a_conflict_that_does_not_end_is_busy_not_lost(
    store: DynamoStore, fault: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchbell.stores.dynamodb.connection._FIRST_PAUSE_SECONDS", 0.0001)
    add(store, raw_task())
    fault.always(IN_CONFLICT, WRITES)
    with pytest.raises(TryAgain, match="are busy"):
        claim(store, at("09:00:01"))
    fault.none()
    assert claim(store, at("09:00:02")).moved


def test_a_claim_whose_every_answer_was_lost_is_found_to_be_ones_own_when_it_is_tried_again(
    store: DynamoStore, fault: Faults
) -> None:
    """Promise 4."""
    add(store, raw_task())
    expected, move = plan(store, at("09:00:01"))
    owner = new_owner()

    def again() -> Any:
        return store.runs.claim(expected, move, owner=owner, lease_until=at("09:06"), now=at("09:00:01"))

    fault.always(LOST, WRITES)
    with pytest.raises(TryAgain, match="may have been done"):
        again()
    fault.none()
    result = again()
    assert (result.moved, result.run) == (False, found(store))
    assert found(store).owner == owner


def test_an_outcome_that_could_not_be_written_leaves_the_intent(store: DynamoStore, fault: Faults) -> None:
    """Promise 3: whoever takes the run over learns that it may have been sent."""
    run = a_run(store)
    store.runs.write_intent(run, part(1))
    fault.always(THROTTLED, WRITES)
    with pytest.raises(TryAgain):
        store.runs.write_outcome(run, part(1, "delivered"))
    fault.none()
    taken = store.runs.take_over(run, owner=new_owner(), lease_until=at("09:36"), now=at("09:30"), crashed=True)
    assert taken is not None
    assert [state.outcome for state in taken.parts] == ["unknown"]
    with pytest.raises(LeaseLost):
        store.runs.write_outcome(run, part(1, "delivered"))


def work(store: DynamoStore, is_over: Callable[[], bool], seed: int, sent: list[str]) -> None:
    """Claim and carry out one fire after another, take up what others had to leave, whatever the network does."""
    owner, chance = new_owner(), random.Random(seed)
    while not is_over():
        try:
            step(store, owner, chance, sent)
        except (TryAgain, LeaseLost):
            continue


def step(store: DynamoStore, owner: Any, chance: random.Random, sent: list[str]) -> None:
    expected = expectation(store, chance.choice(ids(4)))
    assert expected.next_fire is not None
    now = expected.next_fire
    run: Run | None = None
    if expected.live_run:
        owed = [one for one in store.runs.owed(now) if one.task_id == expected.task.id and one.status is Status.RUNNING]
        gone = [one for one in owed if one.owner == owner]  # this thread has given it up: an answer was lost
        if gone:
            times: dict[str, datetime] = {"lease_until": now + LEASE, "now": now}
            run = store.runs.take_over(gone[0], owner=owner, crashed=True, **times)
    else:
        move = plan_move(
            expected, minute=now, now=now, tick_deadline=timedelta(minutes=5), ticked_between=lambda start, end: True
        )
        if move is not None:
            run = store.runs.claim(expected, move, owner=owner, lease_until=now + LEASE, now=now).run
    if run is None:
        return
    if not run.parts:
        a_report(store, run)
        store.runs.write_intent(run, part(1))
        sent.append(run.id)
    if not run.parts or run.parts[0].outcome != "delivered":
        store.runs.write_outcome(run, part(1, "delivered", "m1"))
    store.runs.settle(run, Settlement(status=Status.SUCCESS), now=now)


def test_a_storm_of_faults_loses_no_fire_and_sends_nothing_twice(store: DynamoStore, fault: Faults) -> None:
    """Promises 1 to 4, 8 and 9."""
    add(store, *(raw_task(task_id, "* * * * *") for task_id in ids(4)))
    fault.at_random(0.2, seed=11)
    sent: list[str] = []
    begun = time.monotonic()

    def is_over() -> bool:
        """After eight seconds, or more where a busy machine has got little done by then."""
        seconds = time.monotonic() - begun
        return seconds > 60 or (seconds > 8 and len(fault.met) > 100 and len(sent) > 20)

    threads = [threading.Thread(target=work, args=(store, is_over, seed, sent)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fault.none()
    assert len(fault.met) > 100
    assert len(sent) == len(set(sent)) > 20
    for task_id in ids(4):
        runs = store.runs.history(task_id, limit=100_000)
        expected = expectation(store, task_id)
        assert expected.next_fire is not None
        wanted = [format_minute(fire) for fire in expected.task.schedule.fires(START + MINUTE, expected.next_fire)]
        assert sorted(run.fire_time for run in runs) == wanted
        assert len([run for run in runs if run.status is Status.RUNNING]) <= 1


def test_a_lost_connection_never_reads_as_no_tasks(tables: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 7."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    store = DynamoStore(tables)
    with pytest.raises((TryAgain, StoreError), match="no answer in time"):
        store.tasks.listing()
