"""A tick killed on DynamoDB: its lease alone tells that it is gone, and its death may come at any of its requests."""

import signal
from datetime import timedelta
from itertools import count

import pytest

from fakes.dynamodb import new_tables
from faults.conftest import Chats, Home, raw_task
from faults.test_crash_matrix import MAY_BE_THERE, TASK, assert_whole_ledger, kill_tick, later_ticks
from watchbell.claims import Status

pytestmark = pytest.mark.service("dynamodb-local")

JUST_BEFORE = timedelta(seconds=20)


@pytest.mark.parametrize(("point", "arrived"), [("after the claim", 0), ("after the intent", 0), ("after the send", 1)])
def test_what_a_dead_owner_held_is_left_alone_until_a_minute_after_its_lease(
    cloud_home: Home, chats: Chats, chat: str, point: str, arrived: int
) -> None:
    cloud_home.add(raw_task(TASK, f"slack:{chat}"))
    kill_tick(cloud_home, point)
    held = cloud_home.settled(TASK)

    cloud_home.tick()
    cloud_home.tick(shift=cloud_home.until_gone(TASK) - JUST_BEFORE)
    assert (cloud_home.settled(TASK), len(chats.texts(chat))) == (held, arrived)

    cloud_home.tick(shift=cloud_home.until_gone(TASK))
    run = cloud_home.settled(TASK)
    assert (run.status, run.attempt, run.crashes, len(chats.texts(chat))) == (Status.SUCCESS, 2, 1, 1)


@pytest.mark.parametrize("provider", ["slack", "discord"])
@pytest.mark.parametrize("point", MAY_BE_THERE)
def test_by_then_a_provider_that_can_tell_is_asked_at_once(
    cloud_home: Home, chats: Chats, chat: str, provider: str, point: str
) -> None:
    """Discord has long forgotten the nonce; it is the marker that is looked for, in a channel that can be read."""
    cloud_home.add(raw_task("b1b2c3d4e5f6", f"{provider}:{chat}"))
    cloud_home.tick()
    cloud_home.add(raw_task(TASK, f"{provider}:{chat}"))
    kill_tick(cloud_home, point)
    cloud_home.tick(shift=cloud_home.until_gone(TASK))

    (part,) = cloud_home.settled(TASK).parts
    assert (cloud_home.settled(TASK).status, part.questions) == (Status.SUCCESS, 0)
    assert part.attempts == (1 if point == "after the send" else 2), "what is found is not sent again"
    assert [part.message_id] == chats.ids(chat)[1:]


@pytest.mark.timeout(300)
def test_a_tick_killed_at_any_write_between_its_being_done_and_the_answer_is_finished_by_later_ones(
    cloud_home: Home, chats: Chats, chat: str
) -> None:
    """The claim, each piece of the report, its name in the run, the intent, the outcome, the end, all there are."""
    states = []
    for number in count(1):
        home, room = cloud_home, f"{chat}{number:03}"
        home.environ["WATCHBELL_STORE"] = f"dynamodb:{new_tables()}"
        home.builds.unlink(missing_ok=True)
        home.add(raw_task(TASK, f"slack:{room}"))
        process = home.start(f"write {number}")
        _, errors = process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, errors

        states.append(state := state_of(home))
        built = home.built(TASK)
        later_ticks(home)
        assert home.settled(TASK).status is Status.SUCCESS, (number, state)
        assert len(chats.texts(room)) == 1, (number, state)
        assert home.built(TASK) == built + (state in ("unclaimed", "claimed")), (number, state)
        assert_whole_ledger(home)

    in_order = list(dict.fromkeys(states))
    assert in_order == ["unclaimed", "claimed", "saved", "intent", "delivered", "settled"]
    assert states.count("claimed") >= 3, "a report whose pieces are written is none until the run names them"


def state_of(home: Home) -> str:
    """Return how far a run has come, by what everybody can read."""
    run = home.run(TASK)
    if run is None:
        return "unclaimed"
    if run.status is not Status.RUNNING:
        return "settled"
    with home.store() as store:
        saved = store.runs.saved_report(TASK, run.fire_time)
    if not run.parts:
        return "saved" if saved else "claimed"
    return run.parts[0].outcome or "intent"
