"""After an outcome that is unknown: asking Slack and Discord, over real HTTP, and what counts as proof."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from watchbell.deliveries import Means
from watchbell.delivery.asking import MOST_PAGES, PAGE_LENGTH
from watchbell.delivery.interface import Absent, CannotTell, Delivered, Envelope, Found, SendKey, Unknown

CHATS = {"slack": "C0123ABCD", "discord": "1100000000000000001", "telegram": "-1001234567890"}
SEND = {"slack": "/chat.postMessage", "discord": "/messages"}


@pytest.fixture(params=["slack", "discord"])
def told(request, open_channel):
    """Each provider that can be asked, in turn."""
    return open_channel(request.param)


def ask(channel, *, chat_id=None, part=1, sent_at=None, token=None, seconds=5.0, first_id=None):
    chat_id = chat_id or CHATS[channel.name]
    key = SendKey(task_id="a1b2c3d4e5f6", fire_time="2026-11-22T09:00Z", target=f"{channel.name}:{chat_id}", part=part)
    credentials = {"bot_token": token or channel.token}
    envelope = Envelope(chat_id=chat_id, key=key, credentials=credentials, first_id=first_id)
    return channel.provider.find(envelope, sent_at or datetime.now(UTC) - timedelta(seconds=2), seconds)


def fill(channel, count, text="other talk"):
    for _ in range(count):
        channel.server.say(channel.name, CHATS[channel.name], text)


def test_a_message_whose_answer_was_lost_is_found(told):
    told.server.fault(then="reset", accept=True)
    assert isinstance(told.send(), Unknown)
    assert ask(told) == Found(told.received[0].id)


def test_a_message_that_never_arrived_is_absent(told):
    fill(told, 1)
    told.server.fault(then="reset")
    assert isinstance(told.send(), Unknown)
    assert ask(told) == Absent()


def test_a_message_that_arrives_late_is_found_once_it_is_there(told):
    fill(told, 1)
    told.server.fault(then="reset", accept_after=1.5)
    assert isinstance(told.send(), Unknown)
    assert ask(told) == Absent(), "which is why the caller asks no earlier than the send could still arrive"
    until = time.monotonic() + 20
    while len(told.received) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert ask(told) == Found(told.received[-1].id)


def test_another_part_another_run_or_another_chat_is_not_the_message(told):
    told.send(part=1)
    assert ask(told, part=2) == Absent()
    assert isinstance(ask(told, part=1), Found)


def test_the_whole_history_is_read_page_by_page(told):
    told.send()
    fill(told, 2 * PAGE_LENGTH + 50)
    assert ask(told) == Found(told.received[0].id)
    reads = [request for request in told.server.requests if not request["path"].endswith(SEND[told.name])]
    assert len(reads) == (3 if told.name == "slack" else 1), "Discord begins with the oldest"
    told.server.requests.clear()
    assert ask(told, part=2) == Absent()
    assert len(told.server.requests) == 3


def test_a_history_without_end_is_given_up(told):
    for _ in range(MOST_PAGES * PAGE_LENGTH + 1):
        told.server.say(told.name, CHATS[told.name], "x")
    answer = ask(told, seconds=20)
    assert isinstance(answer, CannotTell)
    assert "2,000 messages" in answer.why


@pytest.mark.parametrize(
    "fault",
    [
        {"then": "reset"},
        {"then": "truncate", "accept": True},
        {"then": "hang", "seconds": 2},
        {"then": "drip", "accept": True, "seconds": 2},
        {"status": 502, "body": "<html>Bad Gateway</html>"},
        {"status": 500, "body": "{}"},
        {"status": 500, "body": '{"ok": true, "messages": []}'},
        {"status": 500, "body": "[]"},
        {"status": 200, "body": "<html>Sign in to the hotel's network</html>"},
        {"status": 200, "body": "{}"},
        {"status": 200, "body": "[1, 2]"},
        {"status": 200, "body": '{"ok": true}'},
        {"status": 200, "body": '{"ok": true, "messages": [], "has_more": true}'},
        {"status": 200, "body": '[{"id": 7}]'},
        {"status": 302, "headers": {"Location": "/elsewhere"}},
        {"status": 304},
        {"status": 403, "body": "<html>Blocked by the proxy</html>"},
        {"status": 429, "headers": {"Retry-After": "30"}},
    ],
    ids=lambda fault: "-".join(str(part) for part in fault.values())[:40],
)
@pytest.mark.parametrize("page", [1, 2])
def test_a_question_that_fails_on_any_page_proves_nothing(told, fault, page):
    fill(told, PAGE_LENGTH + 1)
    for _ in range(page - 1):
        told.server.fault()
    told.server.fault(**fault)
    answer = ask(told, seconds=0.5 if "seconds" in fault else 5)
    assert isinstance(answer, CannotTell)
    assert told.token not in answer.why


def test_a_wait_that_was_asked_for_is_told(told):
    told.server.fault(status=429, body="{}", headers={"Retry-After": "30"})
    assert "again in 30 s" in ask(told).why


def test_a_closed_port_proves_nothing(told):
    told.server.__exit__()
    assert isinstance(ask(told), CannotTell)


def test_no_time_left_proves_nothing(told):
    assert isinstance(ask(told, seconds=0), CannotTell)


def test_a_revoked_token_proves_nothing_and_says_what_to_do(told):
    answer = ask(told, token=told.token.replace("DISTINCTIVE", "REVOKED----"))
    assert isinstance(answer, CannotTell)
    assert f"{told.name.upper()}_BOT_TOKEN" in answer.why


@pytest.mark.parametrize(
    ("name", "right", "advice"),
    [
        ("slack", "history", "channels:history"),
        ("slack", "membership", "invite the app"),
        ("slack", "view", "invite the app"),
        ("discord", "history", "read its message history"),
        ("discord", "view", "read its message history"),
        ("discord", "membership", "check the channel id"),
    ],
)
def test_without_the_right_to_read_nothing_is_proved_and_the_operator_hears_what_to_do(
    open_channel, name, right, advice
):
    channel = open_channel(name)
    assert isinstance(channel.send(), Delivered)
    channel.server.deny(CHATS[name], right)
    answer = ask(channel)
    assert isinstance(answer, CannotTell)
    assert advice in answer.why


@pytest.mark.parametrize("ahead", [timedelta(minutes=-20), timedelta(seconds=-50), timedelta(minutes=20)])
def test_clocks_that_differ_do_not_hide_a_message(told, ahead):
    """The server's clock runs ahead of ours, or behind it."""
    told.server.room.clock_ahead = ahead.total_seconds()
    told.send()
    fill(told, 1)
    assert isinstance(ask(told), Found)
    assert ask(told, part=2) == Absent()


def test_an_answer_without_a_date_proves_no_absence_but_shows_what_is_there(told):
    told.send()
    for part, kind in ((1, Found), (2, CannotTell)):
        told.server.fault(then="undated")
        assert isinstance(ask(told, part=part), kind)


def test_a_clock_set_back_since_proves_nothing(told):
    fill(told, 1)
    answer = ask(told, sent_at=datetime.now(UTC) + timedelta(minutes=5))
    assert isinstance(answer, CannotTell)
    assert "set back" in answer.why


def test_slack_is_asked_in_the_thread_where_a_further_part_would_be(slack):
    first = slack.send(part=1)
    slack.server.fault(then="reset", accept=True)
    [rendered] = slack.provider.render(slack.report, slack.stamp)
    key = SendKey(task_id="a1b2c3d4e5f6", fire_time="2026-11-22T09:00Z", target="slack:C0123ABCD", part=2)
    credentials = {"bot_token": slack.token}
    envelope = Envelope(chat_id="C0123ABCD", key=key, credentials=credentials, first_id=first.message_id)
    lost = slack.provider.send(rendered, envelope, 5)
    assert isinstance(lost, Unknown)
    assert ask(slack, part=2, first_id=first.message_id) == Found(slack.received[1].id)
    assert ask(slack, part=2) == Absent(), "the channel's history has no replies"
    assert ask(slack, part=3, first_id=first.message_id) == Absent()


def test_slack_is_asked_in_the_thread_that_is_the_target(slack):
    parent = slack.server.say("slack", "C0123ABCD", "the incident")
    chat_id = f"C0123ABCD/{parent.id}"
    slack.send(chat_id=chat_id)
    assert ask(slack, chat_id=chat_id) == Found(slack.received[1].id)
    assert ask(slack, chat_id=chat_id, part=2) == Absent()


def test_a_thread_that_is_gone_proves_nothing(slack):
    answer = ask(slack, chat_id="C0123ABCD/1700000000.000100")
    assert isinstance(answer, CannotTell)
    assert "thread" in answer.why


def test_a_part_that_stands_alone_because_its_thread_is_gone_is_found_in_the_channel(slack):
    slack.send(part=2)
    gone = "1700000000.000100"
    assert ask(slack, part=2, first_id=gone) == Found(slack.received[0].id)
    assert isinstance(ask(slack, part=3, first_id=gone), CannotTell)
    assert isinstance(ask(slack, part=2, chat_id=f"C0123ABCD/{gone}"), CannotTell)


def test_a_thread_without_its_first_message_may_not_be_whole(slack):
    slack.server.fault(status=200, body='{"ok": true, "messages": [], "has_more": false}')
    assert isinstance(ask(slack, chat_id="C0123ABCD/1700000000.000100"), CannotTell)


@pytest.mark.parametrize("more", [{}, {"event_payload": {}}, {"event_payload": {"key": 7}}], ids=str)
def test_metadata_held_back_proves_nothing(slack, more):
    message = {"ts": "1.000001", "metadata": {"event_type": "watchbell_delivery"} | more}
    slack.server.fault(status=200, body=json.dumps({"ok": True, "messages": [message]}))
    assert isinstance(ask(slack), CannotTell)


@pytest.mark.parametrize("chat_id", ["webhook", "webhook/ops"])
def test_webhooks_cannot_be_asked(told, chat_id):
    assert isinstance(ask(told, chat_id=chat_id), CannotTell)
    assert told.server.requests == []


def test_telegram_cannot_be_asked(telegram):
    assert isinstance(ask(telegram), CannotTell)
    assert telegram.provider.means("-1001") == Means()


def test_an_empty_channel_on_discord_is_no_proof(discord):
    assert isinstance(ask(discord), CannotTell)


def test_an_older_message_on_discord_proves_the_right_to_read(discord):
    discord.server.room.clock_ahead = -3600
    fill(discord, 1)
    discord.server.room.clock_ahead = 0
    assert ask(discord) == Absent()
    discord.server.deny(CHATS["discord"], "history")
    assert isinstance(ask(discord), CannotTell)


OWN_ID = "42424242424242424242"
TOKEN = f"{base64.b64encode(OWN_ID.encode()).decode().rstrip('=')}.abcdef.{'x' * 30}"


def discord_page(**message):
    return json.dumps(
        [{"id": "99", "author": {"id": OWN_ID}, "content": "", "embeds": [], "attachments": []} | message]
    )


def test_own_messages_without_text_on_discord_are_no_proof(discord):
    discord.server.fault(status=200, body=discord_page())
    answer = ask(discord, token=TOKEN)
    assert isinstance(answer, CannotTell)
    assert "holds back" in answer.why


def test_what_others_wrote_may_be_hidden(discord):
    discord.server.fault(status=200, body=discord_page(author={"id": "7"}))
    assert ask(discord, token=TOKEN) == Absent()


def test_a_marker_that_somebody_else_posted_is_no_proof(discord):
    target = f"discord:{CHATS['discord']}"
    key = SendKey(task_id="a1b2c3d4e5f6", fire_time="2026-11-22T09:00Z", target=target, part=1)
    discord.server.fault(status=200, body=discord_page(author={"id": "7"}, content=key.digest()))
    assert isinstance(ask(discord, token=TOKEN), CannotTell)


def test_discord_takes_a_repeat_within_the_window_and_is_searched_after_it(discord):
    discord.server.fault(then="reset", accept=True)
    assert isinstance(discord.send(), Unknown)
    assert discord.send() == Delivered(discord.received[0].id)
    discord.server.room.nonce_seconds = 0
    assert ask(discord) == Found(discord.received[0].id)
    assert len(discord.received) == 1


def test_a_repeat_of_what_was_deleted_on_discord_is_delivered_and_posts_nothing(discord):
    discord.send()
    discord.server.room.remove(discord.received[0].id)
    assert isinstance(discord.send(), Delivered)
    assert len(discord.received) == 1
