"""Runs that are handed on through a queue, where the tick or whoever carries them out is killed at any step.

The store is in DynamoDB. A queue hands a message of a dead function out again: here each comes three times.
"""

import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from fakes.sqs import FakeSqs
from faults.conftest import Chats, Home, raw_task
from faults.dying_tick import QUEUE_POINTS, TAKING_POINTS, batch_of
from faults.test_crash_matrix import A_MINUTE_LATER, MATRIX, TASK, assert_whole_ledger, kill_tick
from watchbell.claims import Status
from watchbell.queueing import PATIENCE

pytestmark = pytest.mark.service("dynamodb-local")

SECOND = timedelta(seconds=1)

#: Where a tick that hands on dies: (status in the ledger then, messages in the queue then).
HANDING_ON: dict[str, tuple[Status | None, int]] = {
    "before the claim": (None, 0),
    "after the claim": (Status.QUEUED, 0),
    "before the messages": (Status.QUEUED, 0),
    "after the messages": (Status.QUEUED, 1),
}
#: Where whoever carries the run out dies: (status then, arrived then, reports built in all), later as without a queue.
CARRYING_OUT: dict[str, tuple[Status | None, int, int]] = {
    "before the take-over": (Status.QUEUED, 0, 1),
    "after the take-over": (Status.RUNNING, 0, 1),
} | {point: (then, arrived, built) for point, (then, arrived, _, _, built) in MATRIX.items() if "claim" not in point}


class Line:
    """A home whose ticks hand on, and the queue."""

    def __init__(self, home: Home, sqs: FakeSqs) -> None:
        self.home = home
        self.sqs = sqs

    def deliver(self, *bodies: str, shift: timedelta = timedelta(0)) -> None:
        """Carry out what waits in the queue besides these messages; each comes three times."""
        waiting, self.sqs.bodies = [*bodies, *self.sqs.bodies], []
        for _ in range(3 if waiting else 0):
            batch_of(self.home.environ, waiting, self.home.builds, shift=shift)

    def later(self, *bodies: str) -> None:
        """Go on until long after every wait; `bodies` are handed out again."""
        self.home.tick()
        self.deliver(*bodies)
        gone = self.home.until_gone(TASK)
        for shift in (gone + PATIENCE + SECOND, gone + PATIENCE + A_MINUTE_LATER, gone + 3 * PATIENCE):
            self.home.tick(shift=shift)
            self.deliver(shift=shift)


@pytest.fixture
def line(cloud_home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    with FakeSqs() as sqs:
        for name, value in sqs.environ.items():
            monkeypatch.setenv(name, value)
        cloud_home.environ |= sqs.environ
        yield Line(cloud_home, sqs)


def test_the_matrix_names_every_point() -> None:
    assert QUEUE_POINTS.keys() < HANDING_ON.keys()
    assert TAKING_POINTS.keys() < CARRYING_OUT.keys()
    assert HANDING_ON.keys() | CARRYING_OUT.keys() == MATRIX.keys() | QUEUE_POINTS.keys() | TAKING_POINTS.keys()


@pytest.mark.parametrize("point", HANDING_ON)
def test_a_tick_killed_while_it_hands_on_costs_no_report_and_none_comes_twice(
    line: Line, chats: Chats, chat: str, point: str
) -> None:
    status_then, messages_then = HANDING_ON[point]
    line.home.add(raw_task(TASK, f"slack:{chat}"))
    kill_tick(line.home, point)
    run = line.home.run(TASK)
    assert (run.status if run else None, len(line.sqs.bodies)) == (status_then, messages_then)

    line.later()
    run = line.home.settled(TASK)
    assert (run.status, run.attempt, run.crashes) == (Status.SUCCESS, 1, 0)
    assert (len(chats.texts(chat)), line.home.built(TASK)) == (1, 1)
    assert_whole_ledger(line.home)


def killed_delivery(line: Line, point: str) -> str:
    """Hand one run on, and let whoever carries it out die at `point`; return the message."""
    line.home.tick()
    (body,) = line.sqs.bodies
    line.sqs.bodies = []
    kill_tick(line.home, point, deliver=[body])
    return body


@pytest.mark.parametrize("point", CARRYING_OUT)
def test_whoever_carries_out_and_is_killed_at_any_step_is_followed_by_another(
    line: Line, chats: Chats, chat: str, point: str
) -> None:
    status_then, arrived_then, built = CARRYING_OUT[point]
    line.home.add(raw_task(TASK, f"slack:{chat}"))
    body = killed_delivery(line, point)
    held = line.home.settled(TASK)
    assert (held.status, len(chats.texts(chat))) == (status_then, arrived_then)
    if held.status is Status.RUNNING:
        line.home.tick()
        line.deliver(body)
        assert (line.home.settled(TASK), len(chats.texts(chat))) == (held, arrived_then), "its lease has not ended"

    line.later(body)
    assert line.home.settled(TASK).status is Status.SUCCESS
    assert (len(chats.texts(chat)), line.home.built(TASK)) == (1, built)
    assert_whole_ledger(line.home)


@pytest.mark.parametrize(("point", "arrived"), [("after the intent", 0), ("after the send", 1)])
def test_what_may_have_arrived_is_held_where_nobody_can_tell(
    line: Line, chats: Chats, chat: str, point: str, arrived: int
) -> None:
    line.home.add(raw_task(TASK, f"telegram:{chat}"))
    body = killed_delivery(line, point)
    line.later(body)
    run = line.home.settled(TASK)
    assert (run.status, run.wake_at, run.parts[0].outcome) == (Status.UNKNOWN, None, "unknown")
    assert len(chats.texts(chat)) == arrived


def test_a_function_that_dies_of_every_attempt_ends_in_a_failed_run_that_was_never_sent(
    line: Line, chats: Chats, chat: str
) -> None:
    line.home.add(raw_task(TASK, f"slack:{chat}", params={"kill": True}))
    line.home.tick()
    shift, died = timedelta(0), 0
    while line.sqs.bodies:
        bodies, line.sqs.bodies = line.sqs.bodies, []
        died += _carried_out(line.home, bodies, shift) == -signal.SIGKILL
        shift = max(shift, line.home.until_gone(TASK))
        line.home.tick(shift=shift)

    run = line.home.settled(TASK)
    assert (died, run.status, run.error) == (3, Status.FAILED, "its process ended 3 times")
    assert chats.texts(chat) == []
    assert_whole_ledger(line.home)


def _carried_out(home: Home, bodies: list[str], shift: timedelta) -> int:
    process: Any = home.start(shift=shift, deliver=bodies)
    process.communicate(timeout=60)
    return int(process.returncode)
