"""A tick that is killed at any step: later ticks finish what it left, and nothing is sent twice or lost unseen.

Real processes die by SIGKILL; what arrived is counted in the chat server's journal. With the store in DynamoDB a dead
owner is known to be gone by its lease alone, so there the clocks of later ticks are put forward past it.
"""

import io
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from faults.conftest import Chats, Home, raw_task
from faults.dying_tick import POINTS
from watchbell.claims import Status
from watchbell.instants import MINUTE
from watchbell.stores.interface import Run

TASK = "a1b2c3d4e5f6"
A_MINUTE_LATER = timedelta(seconds=70)
#: From when on Slack is asked about a message, after its intent.
ASKED_AFTER = timedelta(seconds=110)
REPEAT = "may be a repeat"
MAY_BE_THERE = ("after the intent", "after the send")

#: Where it dies: (status in the ledger then, arrived then, status after later ticks, arrived, reports built in all)
#: on Slack, which is asked what became of a message.
MATRIX: dict[str, tuple[Status | None, int, Status, int, int]] = {
    "before the claim": (None, 0, Status.SUCCESS, 1, 1),
    "after the claim": (Status.RUNNING, 0, Status.SUCCESS, 1, 1),
    "after the build": (Status.RUNNING, 0, Status.SUCCESS, 1, 2),
    "after the report is saved": (Status.RUNNING, 0, Status.SUCCESS, 1, 1),
    "after the intent": (Status.RUNNING, 0, Status.SUCCESS, 1, 1),
    "after the send": (Status.RUNNING, 1, Status.SUCCESS, 1, 1),
    "after the outcome": (Status.RUNNING, 1, Status.SUCCESS, 1, 1),
    "before the settling": (Status.RUNNING, 1, Status.SUCCESS, 1, 1),
    "after the settling": (Status.SUCCESS, 1, Status.SUCCESS, 1, 1),
}


def kill_tick(home: Home, point: str, **options: Any) -> str:
    """Run a tick that dies at `point`; return what it had printed."""
    process = home.start(point, **options)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    return printed


def later_ticks(home: Home) -> None:
    """Run ticks until long after every wait: at once, when the owner is gone, after a minute, and once more."""
    home.tick()
    gone = home.until_gone(TASK)
    for shift in (*([gone] if gone else []), gone + A_MINUTE_LATER, gone + 3 * A_MINUTE_LATER):
        home.tick(shift=shift)


def assert_whole_ledger(home: Home) -> None:
    """Each expected minute has exactly one row, the next one has none yet, and nothing is still owed."""
    runs = [run.fire_time for run in home.history(TASK)]
    assert runs == [home.at]
    assert sum(gap.count for gap in home.gaps(TASK)) == 0
    assert home.next_fire(TASK) == home.minute + MINUTE
    assert home.settled(TASK).wake_at is None


def test_the_matrix_names_every_point() -> None:
    assert MATRIX.keys() == POINTS.keys()


@pytest.mark.parametrize("point", MATRIX)
def test_a_tick_killed_at_any_step_is_finished_by_later_ones(
    any_home: Home, chats: Chats, chat: str, point: str
) -> None:
    home = any_home
    status_then, arrived_then, status_later, arrived_later, built = MATRIX[point]
    home.add(raw_task(TASK, f"slack:{chat}"))

    kill_tick(home, point)
    run = home.run(TASK)
    assert (run.status if run else None) == status_then
    assert home.next_fire(TASK) == (home.minute + MINUTE if run else home.minute)
    assert len(chats.texts(chat)) == arrived_then

    later_ticks(home)
    assert home.settled(TASK).status is status_later
    assert len(chats.texts(chat)) == arrived_later
    assert home.built(TASK) == built
    assert_whole_ledger(home)


@pytest.mark.parametrize("point", MAY_BE_THERE)
def test_telegram_cannot_be_asked_so_what_may_have_arrived_is_held(
    any_home: Home, chats: Chats, chat: str, point: str
) -> None:
    home = any_home
    home.add(raw_task(TASK, f"telegram:{chat}"))
    kill_tick(home, point)
    arrived = len(chats.texts(chat))
    later_ticks(home)

    run = home.settled(TASK)
    assert (run.status, run.exit_code, run.wake_at) == (Status.UNKNOWN, 7, None)
    assert run.parts[0].error == "the process ended before the answer came"
    assert len(chats.texts(chat)) == arrived == (point == "after the send")


@pytest.mark.parametrize(("point", "arrived"), [("after the intent", 1), ("after the send", 2)])
def test_where_the_task_says_resend_telegram_is_sent_it_once_more_and_marked(
    any_home: Home, chats: Chats, chat: str, point: str, arrived: int
) -> None:
    home = any_home
    home.add(raw_task(TASK, f"telegram:{chat}", on_unknown="resend"))
    kill_tick(home, point)
    home.tick()
    assert len(chats.texts(chat)) == arrived - 1, "not before a minute has passed"
    later_ticks(home)

    assert home.settled(TASK).status is Status.SUCCESS
    texts = chats.texts(chat)
    assert [REPEAT in text for text in texts] == [False] * (arrived - 1) + [True]
    assert all("build 1" in text for text in texts)


@pytest.mark.parametrize("on_unknown", ["hold", "resend"])
@pytest.mark.parametrize("point", MAY_BE_THERE)
def test_discord_is_sent_the_same_nonce_by_the_next_tick_and_shows_one_message(
    home: Home, chats: Chats, chat: str, point: str, on_unknown: str
) -> None:
    home.add(raw_task(TASK, f"discord:{chat}", on_unknown=on_unknown))
    kill_tick(home, point)
    home.tick()

    (part,) = home.settled(TASK).parts
    assert (home.settled(TASK).status, part.repeats, part.attempts) == (Status.SUCCESS, 0, 2)
    (text,) = chats.texts(chat)
    assert REPEAT not in text
    assert part.message_id == chats.ids(chat)[0]


@pytest.mark.parametrize("on_unknown", ["hold", "resend"])
@pytest.mark.parametrize("point", MAY_BE_THERE)
def test_slack_is_asked_once_the_message_must_have_arrived_and_shows_one(
    home: Home, chats: Chats, chat: str, point: str, on_unknown: str
) -> None:
    home.add(raw_task(TASK, f"slack:{chat}", on_unknown=on_unknown))
    kill_tick(home, point)
    arrived = len(chats.texts(chat))
    home.tick()
    run = home.settled(TASK)
    (part,) = run.parts
    assert part.intent_at is not None
    assert (run.status, run.wake_at) == (Status.UNKNOWN, part.intent_at + timedelta(seconds=100))
    assert len(chats.texts(chat)) == arrived, "it is not sent again before Slack was asked"

    home.tick(shift=ASKED_AFTER)
    (part,) = home.settled(TASK).parts
    assert (home.settled(TASK).status, part.questions) == (Status.SUCCESS, 0)
    assert part.attempts == (1 if point == "after the send" else 2), "what is found is not sent again"
    assert [part.message_id] == chats.ids(chat)
    assert REPEAT not in chats.texts(chat)[0]


@pytest.mark.parametrize(("on_unknown", "arrived"), [("hold", [False]), ("resend", [False, True])])
def test_slack_that_does_not_let_itself_be_asked_is_asked_again_and_then_the_task_decides(
    any_home: Home, chats: Chats, chat: str, on_unknown: str, arrived: list[bool]
) -> None:
    home = any_home
    home.add(raw_task(TASK, f"slack:{chat}", on_unknown=on_unknown))
    kill_tick(home, "after the send")
    chats.deny(chat, "history")
    home.tick()
    shifted = max(ASKED_AFTER, home.until_gone(TASK))
    pauses = [timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=4)]
    for asked, pause in enumerate(pauses, 1):
        home.tick(shift=shifted)
        run = home.settled(TASK)
        assert (run.status, run.parts[0].questions) == (Status.UNKNOWN, asked)
        assert "missing_scope" in (run.error or "")
        assert [REPEAT in text for text in chats.texts(chat)] == [False]
        shifted += pause + timedelta(seconds=10)
    home.tick(shift=shifted)

    run = home.settled(TASK)
    assert run.status is (Status.UNKNOWN if on_unknown == "hold" else Status.SUCCESS)
    assert [REPEAT in text for text in chats.texts(chat)] == arrived
    assert_whole_ledger(home)


@pytest.mark.parametrize("target", ["slack:webhook", "discord:webhook"])
@pytest.mark.parametrize(("on_unknown", "arrived"), [("hold", [False]), ("resend", [False, True])])
def test_a_webhook_neither_drops_a_repeat_nor_can_be_asked_so_the_task_decides(
    home: Home, chats: Chats, on_unknown: str, arrived: list[bool], target: str
) -> None:
    chat = f"12{abs(hash((on_unknown, target))) % 10**16:016}"
    home.environ |= chats.webhooks(chat)
    home.add(raw_task(TASK, target, on_unknown=on_unknown))
    kill_tick(home, "after the send")
    later_ticks(home)

    assert [REPEAT in text for text in chats.texts(chat)] == arrived
    assert home.settled(TASK).status is (Status.UNKNOWN if on_unknown == "hold" else Status.SUCCESS)


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
    any_home: Home, chats: Chats, chat: str, on_unknown: str, arrived: int
) -> None:
    home = any_home
    home.add(raw_task(TASK, f"telegram:{chat}", on_unknown=on_unknown))
    kill_tick(home, "after the send")
    if on_unknown == "resend":
        home.tick()
        kill_tick(home, "after the send", shift=max(A_MINUTE_LATER, home.until_gone(TASK)))
    later_ticks(home)
    later_ticks(home)

    assert len(chats.texts(chat)) == arrived
    assert home.settled(TASK).status is Status.UNKNOWN


@pytest.mark.parametrize("provider", ["slack", "discord"])
def test_dying_at_every_send_shows_one_message_where_the_provider_can_help(
    any_home: Home, chats: Chats, chat: str, provider: str
) -> None:
    """Processes die after the send, after its repeat and after the question: one message, found in the end."""
    home = any_home
    home.add(raw_task(TASK, f"{provider}:{chat}"))
    kill_tick(home, "after the send")
    if provider == "slack":
        home.tick()
    asked = ASKED_AFTER if provider == "slack" else timedelta(0)
    kill_tick(home, "after the send", shift=max(asked, home.until_gone(TASK)))
    gone = home.until_gone(TASK)
    home.tick(shift=gone + timedelta(minutes=4))
    home.tick(shift=gone + timedelta(minutes=5))

    assert home.settled(TASK).status is Status.SUCCESS
    assert chats.ids(chat) == [part.message_id for part in home.settled(TASK).parts]


def test_two_targets_are_told_apart_after_a_crash(any_home: Home, chats: Chats, chat: str) -> None:
    """The first target's fate is unknown, the second was sent to: only the first is asked about."""
    home = any_home
    first, second = f"C{chat}", f"D{chat}"
    home.add(raw_task(TASK, f"slack:{first}-SLOW-2000MS", targets=[f"slack:{second}"]))
    kill_tick(home, "after the outcome")  # the fast one's
    run = home.settled(TASK)
    assert {part.target: part.outcome for part in run.parts} == {
        f"slack:{first}-SLOW-2000MS": None,
        f"slack:{second}": "delivered",
    }
    _wait_until(lambda: bool(chats.texts(f"{first}-SLOW-2000MS")))
    later_ticks(home)
    outcomes = {part.target: part.outcome for part in home.settled(TASK).parts}
    assert outcomes == {f"slack:{first}-SLOW-2000MS": "delivered", f"slack:{second}": "delivered"}
    assert len(chats.texts(second)) == 1
    assert len(chats.texts(f"{first}-SLOW-2000MS")) == 1
    assert home.settled(TASK).status is Status.SUCCESS


def _wait_until(is_true: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_tick_killed_in_hand_is_taken_over_exactly_once_by_eight_at_once(
    any_home: Home, chats: Chats, chat: str
) -> None:
    home = any_home
    home.add(raw_task(TASK, f"slack:{chat}"))
    kill_tick(home, "after the report is saved")
    ticks = [home.start(shift=home.until_gone(TASK)) for _ in range(8)]
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
