"""Runs by hand, once the command is over: a tick asks about what may have arrived, and sends nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from faults.scene import TASK, Machine, Scene, a_scene, at
from watchbell.attempt import carry_out
from watchbell.claims import MOST_CRASHES, Status
from watchbell.deliveries import Means
from watchbell.delivery.interface import Absent, CannotTell, Delivered, Found, NotSent, Refused, Unknown
from watchbell.errors import StoreError, TryAgain, WatchbellError
from watchbell.stores.dynamodb import DynamoStore
from watchbell.stores.interface import Run
from watchbell.tick import begin

LOST = Unknown("no answer in time")
ASKS = Means(can_ask=True)
FULL = StoreError("the disk is full")
CRON = "0 21 * * *"


@pytest.fixture(params=["local", pytest.param("dynamodb", marks=pytest.mark.service("dynamodb-local"))])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A scene on each store in turn."""
    with a_scene(tmp_path / "home") as opened:
        local = opened.store
        if request.param == "dynamodb":
            opened.store = DynamoStore(request.getfixturevalue("tables"))  # type: ignore[assignment]
        yield opened
        opened.store = local


def run_by_hand(scene: Scene, process: Machine | None = None) -> Run:
    """Do what `cron run` does."""
    process = process or scene.process()
    limits, now = begin(process.services, threading.Event()), scene.clock.now()
    task = scene.store.tasks.find(TASK)
    assert task is not None
    claimed = scene.store.runs.claim_adhoc(
        task,
        f"{now:%Y-%m-%dT%H:%M:%S}.000Z-abcd",
        owner=process.services.owner,
        lease_until=limits.lease_until,
        now=now,
    )
    return carry_out(process.services, limits, claimed)[0]


def lost(scene: Scene, **fields: object) -> Run:
    """Return a run by hand of 09:00:05 whose answer was lost."""
    scene.slack.offers = ASKS
    scene.add(cron=CRON, **fields)
    scene.slack.script["C1"] += [LOST]
    scene.clock.set(at("09:00:05"))
    return run_by_hand(scene)


def now_is(scene: Scene, run: Run) -> Run:
    found = scene.store.runs.find(run.task_id, run.fire_time)
    assert found is not None
    return found


@contextmanager
def breaking(scene: Scene, name: str, error: WatchbellError) -> Iterator[None]:
    """Let a call of the run store fail, also what it writes about a part; intents are written."""
    runs, call = scene.store.runs, getattr(scene.store.runs, name)

    def broken(run: Run, *args: Any, **more: Any) -> None:
        if name == "write_outcome" and args[0].outcome is None:
            call(run, *args, **more)
        else:
            raise error

    setattr(runs, name, broken)
    try:
        yield
    finally:
        setattr(runs, name, call)


def test_it_is_asked_about_when_the_message_must_have_arrived_and_not_earlier(scene: Scene) -> None:
    run = lost(scene)
    assert (run.status, run.exit_code, run.wake_at) == (Status.UNKNOWN, 7, at("09:01:45"))
    scene.tick("09:01:44")
    assert (scene.slack.asked, now_is(scene, run).attempt) == ([], 1)


def test_what_is_found_is_delivered_with_its_id(scene: Scene) -> None:
    run = lost(scene)
    scene.slack.answers += [Found("1700000000.000100")]
    assert scene.tick("09:12").exit_code == 0
    done = now_is(scene, run)
    assert (done.status, done.error, done.wake_at) == (Status.SUCCESS, None, None)
    assert done.parts[0].message_id == "1700000000.000100"
    assert [asked.sent_at for asked in scene.slack.asked] == [at("09:00:05")]
    scene.tick("09:30")
    assert (len(scene.slack.sends), len(scene.slack.asked)) == (1, 1)


@pytest.mark.parametrize("more", [[], ["slack:C2"]])
def test_what_is_provably_missing_is_not_sent_by_a_tick_and_the_error_says_what_sends_it(
    scene: Scene, more: list[str]
) -> None:
    run = lost(scene, targets=more)
    sends = len(scene.slack.sends)
    scene.slack.answers += [Absent()]
    assert scene.tick("09:02").exit_code == 7
    done = now_is(scene, run)
    assert (done.status, done.wake_at) == (Status.PARTIAL if more else Status.FAILED, None)
    assert done.error == f"it did not arrive; `watchbell cron retry {run.id}` sends what is missing"
    scene.tick("09:30")
    assert len(scene.slack.sends) == sends
    assert scene.retry(done).status is Status.SUCCESS
    assert scene.slack.texts("C1")[0] == scene.slack.texts("C1")[1], "it is no repeat"
    assert len(scene.slack.sends) == sends + 1


def test_nothing_follows_a_first_part_that_is_found_later(scene: Scene) -> None:
    scene.slack.parts = 2
    run = lost(scene)
    scene.slack.answers += [Found("171.1")]
    scene.tick("09:02")
    assert (now_is(scene, run).status, now_is(scene, run).wake_at) == (Status.FAILED, None)
    assert "watchbell cron retry" in str(now_is(scene, run).error)
    scene.tick("09:03")
    assert [sent.key.part for sent in scene.slack.sends] == [1]
    assert scene.retry(now_is(scene, run)).status is Status.SUCCESS
    assert [(sent.key.part, sent.first_id) for sent in scene.slack.sends] == [(1, None), (2, "171.1")]


@pytest.mark.parametrize("on_unknown", ["hold", "resend"])
def test_a_question_in_vain_is_asked_again_with_pauses_and_in_the_end_nothing_is_sent(
    scene: Scene, on_unknown: str
) -> None:
    run = lost(scene, on_unknown=on_unknown)
    scene.slack.answers += [CannotTell("missing_scope")] * 5
    for now in ("09:01:45", "09:03:45", "09:13:45", "10:13:45"):
        scene.tick(now)
        assert now_is(scene, run).error == "it may have arrived; slack cannot tell: missing_scope"
    assert now_is(scene, run).wake_at == at("14:13:45")
    scene.tick("14:13:45")
    scene.tick("20:00")
    done = now_is(scene, run)
    assert (done.status, done.wake_at) == (Status.UNKNOWN, None)
    assert (len(scene.slack.asked), len(scene.slack.sends)) == (5, 1)


def test_no_question_is_kept_for_after_the_time_in_which_it_is_delivered(scene: Scene) -> None:
    run = lost(scene, deliver_within_hours=1)
    scene.slack.answers += [CannotTell("busy")] * 5
    for now in ("09:02", "09:04", "09:14"):
        scene.tick(now)
    assert (now_is(scene, run).status, now_is(scene, run).wake_at) == (Status.UNKNOWN, None)


def test_where_nobody_can_tell_it_is_left_as_it_is(scene: Scene) -> None:
    scene.add(cron=CRON, on_unknown="resend")
    scene.slack.script["C1"] += [LOST]
    run = run_by_hand(scene)
    assert (run.status, run.wake_at) == (Status.UNKNOWN, None)
    scene.tick("09:00")
    assert (now_is(scene, run).attempt, len(scene.slack.sends)) == (1, 1)


def test_a_process_that_ends_while_it_asks_is_followed_by_one_that_asks_again(scene: Scene) -> None:
    run = lost(scene)
    scene.slack.answers += [Found("1"), Found("1")]
    asking = scene.process()
    with breaking(scene, "write_outcome", FULL):
        assert scene.tick("09:02", asking).exit_code == 5
    held = now_is(scene, run)
    scene.tick("09:03")
    assert now_is(scene, run) == held, "its owner has not gone"
    scene.gone.add(asking.services.owner.token)
    scene.tick("09:15")
    done = now_is(scene, run)
    assert (done.status, done.crashes, len(scene.slack.asked), len(scene.slack.sends)) == (Status.SUCCESS, 1, 2, 1)


@pytest.mark.parametrize(("answer", "status"), [(Found("1"), Status.SUCCESS), (Absent(), Status.FAILED)])
def test_a_process_that_ends_after_the_answer_is_followed_by_one_that_settles_it(
    scene: Scene, answer: Found | Absent, status: Status
) -> None:
    run = lost(scene)
    scene.slack.answers += [answer]
    asking = scene.process()
    with breaking(scene, "settle", FULL):
        assert scene.tick("09:02", asking).exit_code == 5
    scene.gone.add(asking.services.owner.token)
    scene.tick("09:15")
    assert (now_is(scene, run).status, now_is(scene, run).wake_at) == (status, None)
    assert (len(scene.slack.asked), len(scene.slack.sends)) == (1, 1)


def test_a_question_that_ends_processes_is_given_up(scene: Scene) -> None:
    run = lost(scene)
    with breaking(scene, "write_outcome", FULL):
        for number in range(6):
            asking = scene.process()
            scene.tick(f"09:{10 * number + 2:02}", asking)
            scene.gone.add(asking.services.owner.token)
    done = now_is(scene, run)
    assert (done.status, done.crashes, done.wake_at) == (Status.UNKNOWN, MOST_CRASHES, None)
    assert str(done.error).startswith("its process ended 3 times; ")
    assert len(scene.slack.asked) == MOST_CRASHES


def test_what_a_command_that_was_killed_may_have_sent_is_asked_about(scene: Scene) -> None:
    scene.slack.offers = ASKS
    scene.add(cron=CRON)
    scene.clock.set(at("09:00:05"))
    gone = scene.process()
    with breaking(scene, "write_outcome", FULL), pytest.raises(StoreError):
        run_by_hand(scene, gone)
    (run,) = scene.store.runs.history(TASK, limit=2)
    scene.tick("09:01")
    assert now_is(scene, run) == run, "its owner has not gone"
    scene.gone.add(gone.services.owner.token)
    scene.slack.answers += [Found("1")]
    scene.tick("09:01:30")
    assert (now_is(scene, run).status, now_is(scene, run).wake_at) == (Status.UNKNOWN, at("09:01:45"))
    scene.tick("09:02")
    assert (now_is(scene, run).status, len(scene.slack.sends)) == (Status.SUCCESS, 1)


def test_an_intent_whose_outcome_the_store_was_too_busy_for_is_asked_about(scene: Scene) -> None:
    scene.slack.offers = ASKS
    scene.add(cron=CRON)
    scene.clock.set(at("09:00:05"))
    with breaking(scene, "write_outcome", TryAgain("the store is busy")):
        run = run_by_hand(scene)
    assert (run.status, run.wake_at) == (Status.UNKNOWN, at("09:01:45"))
    scene.slack.answers += [Found("1")]
    scene.tick("09:02")
    assert (now_is(scene, run).status, len(scene.slack.sends)) == (Status.SUCCESS, 1)


def test_missing_credentials_put_the_question_off(scene: Scene) -> None:
    run = lost(scene)
    lacking = scene.process()
    lacking.lacks_tokens = True
    scene.tick("09:02", lacking)
    assert (now_is(scene, run).status, now_is(scene, run).wake_at) == (Status.UNKNOWN, at("09:04"))
    scene.slack.answers += [Found("1")]
    scene.tick("09:04")
    assert (now_is(scene, run).status, len(scene.slack.sends)) == (Status.SUCCESS, 1)


@pytest.mark.parametrize(
    "change", [lambda scene: scene.remove(), lambda scene: scene.edit(paused_until="forever"), lambda scene: None]
)
def test_it_is_asked_about_whatever_has_become_of_its_task(scene: Scene, change: Callable[[Scene], None]) -> None:
    run = lost(scene)
    change(scene)
    scene.slack.answers += [Found("1")]
    scene.tick("09:02")
    assert now_is(scene, run).status is Status.SUCCESS


def test_it_does_not_wait_for_the_task_s_own_run(scene: Scene) -> None:
    """With a queue there may always be one: each tick claims before it looks at what waits."""
    run = lost(scene)
    scene.edit(cron="* * * * *")
    scene.slack.answers += [Found("1")]
    seen: list[Status] = []

    def meanwhile() -> Delivered:
        scene.tick("09:02:30")
        seen.append(now_is(scene, run).status)
        return Delivered("2")

    scene.slack.script["C1"] += [meanwhile]
    scene.tick("09:02")
    assert seen == [Status.SUCCESS]


def test_a_target_that_was_refused_stays_refused_beside_one_that_is_found(scene: Scene) -> None:
    scene.slack.script["C2"] += [Refused("not in channel")]
    run = lost(scene, targets=["slack:C2"])
    scene.slack.answers += [Found("1")]
    scene.tick("09:02")
    done = now_is(scene, run)
    advice = f"`watchbell cron retry {run.id}` sends what is missing"
    assert (done.status, done.error) == (Status.PARTIAL, f"not in channel; {advice}")
    assert sorted(sent.chat_id for sent in scene.slack.sends) == ["C1", "C2"]


def test_what_surely_did_not_arrive_wakes_no_tick(scene: Scene) -> None:
    scene.slack.offers = ASKS
    scene.add(cron=CRON)
    scene.slack.script["C1"] += [NotSent("busy", retry_after=3600)]
    run = run_by_hand(scene)
    assert (run.status, run.wake_at) == (Status.FAILED, None)
