"""A report of several messages, whose tick dies or whose provider fails in the middle: whole in the end, and once.

Real processes and the chat server; test_means.py has the same rules without waiting.
"""

import re
from datetime import timedelta

import pytest

from faults.conftest import Chats, Home, raw_task
from faults.test_crash_matrix import ASKED_AFTER, TASK, kill_tick
from watchbell.claims import Status

PROVIDERS = ("slack", "telegram", "discord")
LINES = {"slack": 200, "telegram": 60, "discord": 60}  # three messages each


def heads(chats: Chats, chat: str) -> list[str]:
    """Return the `(1/3)` of each message that a reader sees."""
    return [re.findall(r"\(\d/\d\)", text.partition("\n")[0])[0] for text in chats.texts(chat)]


def long_report(home: Home, provider: str, chat: str) -> None:
    home.add(raw_task(TASK, f"{provider}:{chat}", params={"lines": LINES[provider]}))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_tick_killed_between_two_parts_is_finished_from_the_next_part_on(
    home: Home, chats: Chats, chat: str, provider: str
) -> None:
    long_report(home, provider, chat)
    kill_tick(home, "after the outcome of part 1")
    assert len(chats.texts(chat)) == 1
    home.tick()

    run = home.settled(TASK)
    assert run.status is Status.SUCCESS
    of = run.parts[0].of
    assert of > 1
    assert heads(chats, chat) == [f"({number}/{of})" for number in range(1, of + 1)]
    if provider == "slack":
        assert chats.threads(chat) == ["", *[chats.ids(chat)[0]] * (of - 1)]


@pytest.mark.parametrize("point", ["after the intent", "after the send"])
@pytest.mark.parametrize("provider", ["slack", "discord"])
def test_a_tick_killed_at_the_second_part_leaves_a_whole_report_without_doubles(
    home: Home, chats: Chats, chat: str, provider: str, point: str
) -> None:
    """On Slack the part is looked for in the thread of the first."""
    long_report(home, provider, chat)
    kill_tick(home, f"{point} of part 2")
    home.tick()
    home.tick(shift=ASKED_AFTER)

    run = home.settled(TASK)
    assert run.status is Status.SUCCESS
    assert heads(chats, chat) == [f"({part.part}/{part.of})" for part in run.parts]
    assert [part.message_id for part in run.parts] == chats.ids(chat)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_second_part_that_is_not_taken_now_is_sent_by_a_later_tick_as_a_reply(
    home: Home, chats: Chats, chat: str, provider: str
) -> None:
    chats.fault(chat_id=chat, delay_ms=1)  # the first part is taken
    chats.fault(chat_id=chat, status=429, body="{}", headers={"Retry-After": "3000"})
    long_report(home, provider, chat)
    process = home.start()  # which forgets the wait that it was told
    process.communicate(timeout=60)
    assert process.returncode == 75
    assert heads(chats, chat) == [f"(1/{home.settled(TASK).parts[0].of})"]
    home.tick(shift=timedelta(seconds=3010))

    run = home.settled(TASK)
    assert run.status is Status.SUCCESS
    assert heads(chats, chat) == [f"({part.part}/{part.of})" for part in run.parts]
    assert home.built(TASK) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_tick_killed_while_it_sends_the_image_leaves_the_report_delivered_and_no_second_image(
    home: Home, chats: Chats, chat: str, provider: str
) -> None:
    home.add(raw_task(TASK, f"{provider}:{chat}", params={"image": True}))
    kill_tick(home, "after the send of part 2")
    arrived = len(chats.texts(chat))
    home.tick()
    assert home.settled(TASK).status is Status.SUCCESS
    assert len(chats.texts(chat)) == arrived == 2
