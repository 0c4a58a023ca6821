"""A tick that is killed at any step: later ticks finish what it left, and nothing is sent twice or lost unseen.

Real processes die by SIGKILL; what arrived is counted in the chat server's journal.
"""

import io
import signal
from datetime import timedelta
from typing import Any

import pytest

from faults.conftest import Chats, Home, raw_task
from faults.dying_tick import POINTS
from watchbell.claims import Status
from watchbell.stores.interface import Run

TASK = "a1b2c3d4e5f6"
A_MINUTE_LATER = timedelta(seconds=70)
REPEAT = "may be a repeat"

#: Where it dies: (status in the ledger then, arrived then, status after later ticks, arrived, reports built in all)
MATRIX: dict[str, tuple[Status | None, int, Status, int, int]] = {
    "before the claim": (None, 0, Status.SUCCESS, 1, 1),
    "after the claim": (Status.RUNNING, 0, Status.SUCCESS, 1, 1),
    "after the build": (Status.RUNNING, 0, Status.SUCCESS, 1, 2),
    "after the report is saved": (Status.RUNNING, 0, Status.SUCCESS, 1, 1),
    "after the intent": (Status.RUNNING, 0, Status.UNKNOWN, 0, 1),
    "after the send": (Status.RUNNING, 1, Status.UNKNOWN, 1, 1),
    "after the outcome": (Status.RUNNING, 1, Status.SUCCESS, 1, 1),
    "before the settling": (Status.RUNNING, 1, Status.SUCCESS, 1, 1),
    "after the settling": (Status.SUCCESS, 1, Status.SUCCESS, 1, 1),
}


def kill_tick(home: Home, point: str) -> str:
    """Run a tick that dies at `point`; return what it had printed."""
    process = home.start(point)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    return printed


def later_ticks(home: Home) -> None:
    """Run ticks until long after every wait: at once, after a minute, and once more."""
    for shift in (timedelta(0), A_MINUTE_LATER, 3 * A_MINUTE_LATER):
        home.tick(shift=shift)


def assert_whole_ledger(home: Home) -> None:
    """Each expected minute has exactly one row, and nothing is still owed."""
    runs = [run.fire_time for run in home.history(TASK)]
    assert runs == [home.at]
    assert sum(gap.count for gap in home.gaps(TASK)) == 0
    assert home.settled(TASK).wake_at is None


def test_the_matrix_names_every_point() -> None:
    assert MATRIX.keys() == POINTS.keys()


@pytest.mark.parametrize("point", MATRIX)
def test_a_tick_killed_at_any_step_is_finished_by_later_ones(home: Home, chats: Chats, chat: str, point: str) -> None:
    status_then, arrived_then, status_later, arrived_later, built = MATRIX[point]
    home.add(raw_task(TASK, f"slack:{chat}"))

    kill_tick(home, point)
    run = home.run(TASK)
    assert (run.status if run else None) == status_then
    assert len(chats.texts(chat)) == arrived_then

    later_ticks(home)
    assert home.settled(TASK).status is status_later
    assert len(chats.texts(chat)) == arrived_later
    assert home.built(TASK) == built
    assert_whole_ledger(home)


@pytest.mark.parametrize("provider", ["telegram", "discord"])
@pytest.mark.parametrize("point", ["after the intent", "after the send"])
def test_a_message_that_may_have_arrived_is_held_and_never_sent_again(
    home: Home, chats: Chats, chat: str, point: str, provider: str
) -> None:
    home.add(raw_task(TASK, f"{provider}:{chat}"))
    kill_tick(home, point)
    arrived = len(chats.texts(chat))
    later_ticks(home)

    run = home.settled(TASK)
    assert run.status is Status.UNKNOWN
    assert run.exit_code == 7
    assert run.parts[0].error == "the process ended before the answer came"
    assert len(chats.texts(chat)) == arrived == (point == "after the send")


@pytest.mark.parametrize("provider", ["slack", "telegram"])
@pytest.mark.parametrize(("point", "arrived"), [("after the intent", 1), ("after the send", 2)])
def test_where_the_task_says_resend_it_is_sent_once_more_and_marked(
    home: Home, chats: Chats, chat: str, point: str, arrived: int, provider: str
) -> None:
    home.add(raw_task(TASK, f"{provider}:{chat}", on_unknown="resend"))
    kill_tick(home, point)
    home.tick()
    assert len(chats.texts(chat)) == arrived - 1, "not before a minute has passed"
    later_ticks(home)

    assert home.settled(TASK).status is Status.SUCCESS
    texts = chats.texts(chat)
    assert [REPEAT in text for text in texts] == [False] * (arrived - 1) + [True]
    assert all("build 1" in text for text in texts)


@pytest.mark.parametrize("point", ["after the intent", "after the send"])
def test_discord_is_sent_the_repeat_under_the_same_nonce_and_shows_one_message(
    home: Home, chats: Chats, chat: str, point: str
) -> None:
    home.add(raw_task(TASK, f"discord:{chat}", on_unknown="resend"))
    kill_tick(home, point)
    later_ticks(home)

    assert home.settled(TASK).status is Status.SUCCESS
    assert len(chats.texts(chat)) == 1


@pytest.mark.parametrize(
    ("point", "status", "printed_then", "printed_later"),
    [
        ("after the claim", Status.SUCCESS, 0, 1),
        ("after the intent", Status.UNKNOWN, 0, 0),
        ("after the send", Status.UNKNOWN, 1, 0),
        ("after the outcome", Status.SUCCESS, 1, 0),
    ],
)
def test_the_console_is_treated_like_any_other_provider(
    home: Home, point: str, status: Status, printed_then: int, printed_later: int
) -> None:
    home.add(raw_task(TASK, "console:log"))
    assert kill_tick(home, point).count("build 1") == printed_then
    console = io.StringIO()
    home.tick(console=console)
    home.tick(console=console, shift=A_MINUTE_LATER)
    assert home.settled(TASK).status is status
    assert console.getvalue().count("build 1") == printed_later


@pytest.mark.parametrize(("on_unknown", "arrived"), [("hold", 1), ("resend", 2)])
def test_dying_again_and_again_after_the_send_never_sends_more_than_that(
    home: Home, chats: Chats, chat: str, on_unknown: str, arrived: int
) -> None:
    home.add(raw_task(TASK, f"slack:{chat}", on_unknown=on_unknown))
    kill_tick(home, "after the send")
    if on_unknown == "resend":
        home.tick()
        _make_wait_over(home)
        kill_tick(home, "after the send")
    later_ticks(home)
    later_ticks(home)

    assert len(chats.texts(chat)) == arrived
    assert home.settled(TASK).status is Status.UNKNOWN


def _make_wait_over(home: Home) -> None:
    """Let the minute that an unknown send waits for its repeat be over, without waiting for it."""
    import sqlite3

    with sqlite3.connect(home.path / "scheduler.db") as connection:
        connection.execute("UPDATE parts SET intent_at = intent_at - 100")
        connection.execute("UPDATE runs SET wake_at = wake_at - 100")
    connection.close()


def test_two_targets_are_told_apart_after_a_crash(home: Home, chats: Chats, chat: str) -> None:
    """The first target's fate is unknown, the second was never begun: only the second is sent to."""
    first, second = f"C{chat}", f"D{chat}"
    home.add(raw_task(TASK, f"slack:{first}-SLOW-2000MS", targets=[f"slack:{second}"]))
    kill_tick(home, "after the outcome")  # the fast one's
    run = home.settled(TASK)
    assert {part.target: part.outcome for part in run.parts} == {
        f"slack:{first}-SLOW-2000MS": None,
        f"slack:{second}": "delivered",
    }
    later_ticks(home)
    outcomes = {part.target: part.outcome for part in home.settled(TASK).parts}
    assert outcomes == {f"slack:{first}-SLOW-2000MS": "unknown", f"slack:{second}": "delivered"}
    assert len(chats.texts(second)) == 1
    assert len(chats.texts(f"{first}-SLOW-2000MS")) <= 1
    assert home.settled(TASK).status is Status.UNKNOWN


def test_a_tick_killed_in_hand_is_taken_over_exactly_once_by_eight_at_once(home: Home, chats: Chats, chat: str) -> None:
    home.add(raw_task(TASK, f"slack:{chat}"))
    kill_tick(home, "after the report is saved")
    ticks = [home.start() for _ in range(8)]
    codes = [_end(tick) for tick in ticks]

    run = home.settled(TASK)
    assert (run.status, run.attempt, run.crashes) == (Status.SUCCESS, 2, 1)
    assert len(chats.texts(chat)) == 1
    assert codes == [0] * 8


def _end(tick: Any) -> int:
    tick.communicate(timeout=60)
    return int(tick.returncode)


def test_a_run_of_the_ledger_is_told_whole(home: Home, chat: str) -> None:
    home.add(raw_task(TASK, f"slack:{chat}"))
    kill_tick(home, "after the claim")
    home.tick()
    run: Run = home.settled(TASK)
    assert (run.attempt, run.crashes, run.owner) == (2, 1, None)
    assert run.finished_at is not None
