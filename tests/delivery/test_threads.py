"""Where a message stands: below part 1, in the thread or topic that the target names, in a group that has moved."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from watchbell.deliveries import Means
from watchbell.delivery.interface import Delivered, NotSent, Refused, Unknown
from watchbell.delivery.place import (
    Place,
    discord_place,
    is_webhook,
    slack_place,
    telegram_place,
    weaker_promise,
    webhook_name,
)
from watchbell.reports.interface import Section
from watchbell.tasks import Target

MOVED_TO = -1009876543210987


def long_report(channel):
    return replace(channel.report, sections=(Section(title="All", lines=tuple(f"line {n} " * 5 for n in range(400))),))


def sent(channel, chat_id=None):
    outcomes = channel.send_all(long_report(channel), chat_id=chat_id)
    assert len(outcomes) > 1
    assert {type(outcome) for outcome in outcomes} == {Delivered}
    return outcomes[0].message_id, [message.payload for message in channel.received]


def test_slack_puts_the_further_parts_into_the_thread_of_the_first(slack):
    first_id, [first, *others] = sent(slack)
    assert "thread_ts" not in first
    assert [(one["thread_ts"], one["reply_broadcast"]) for one in others] == [(first_id, False)] * len(others)


def test_slack_puts_every_part_into_the_thread_that_the_target_names(slack):
    _, payloads = sent(slack, "C0123ABCD/1700000000.000100")
    assert {one["channel"] for one in payloads} == {"C0123ABCD"}
    assert {one["thread_ts"] for one in payloads} == {"1700000000.000100"}


def test_telegram_replies_to_the_first_part_and_does_not_insist_on_it(telegram):
    first_id, [first, *others] = sent(telegram)
    assert "reply_parameters" not in first
    wanted = {"message_id": int(first_id), "allow_sending_without_reply": True}
    assert [one["reply_parameters"] for one in others] == [wanted] * len(others)


@pytest.mark.parametrize(("topic", "number"), [("/42", 42), ("/1", None), ("", None)])
def test_a_telegram_topic_is_addressed_by_its_number_but_the_general_one_is_not(telegram, topic, number):
    _, payloads = sent(telegram, f"-1001234567890{topic}")
    assert {one["chat_id"] for one in payloads} == {"-1001234567890"}
    assert {one.get("message_thread_id") for one in payloads} == {number}


def test_discord_refers_to_the_first_part_and_pings_nobody(discord):
    first_id, [first, *others] = sent(discord)
    assert "message_reference" not in first
    for one in others:
        assert one["message_reference"] == {"message_id": first_id, "fail_if_not_exists": False}
        assert one["allowed_mentions"] == {"parse": [], "replied_user": False}


@pytest.mark.parametrize("first_id", ["removed", "ok (a webhook gives no id)", "", "12:34", None])
def test_a_first_id_that_is_no_message_is_left_out(channel, first_id):
    outcome = channel.send_part(channel.render()[0], part=2, first_id=first_id)
    assert isinstance(outcome, Delivered)
    assert not {"thread_ts", "reply_parameters", "message_reference"} & set(channel.received[0].payload)


@pytest.mark.parametrize(
    ("place", "chat_id", "says"),
    [
        (slack_place, "C0123ABCD/abc", "C0123ABCD/1700000000.000100"),
        (slack_place, "C0123ABCD/", "C0123ABCD/1700000000.000100"),
        (slack_place, "C0123ABCD/1700000000", "C0123ABCD/1700000000.000100"),
        (slack_place, "C0 123", "C0123ABCD"),
        (slack_place, "https://x.slack.com/archives/C1", "C0123ABCD"),
        (telegram_place, "-100123/abc", "-1001234567890/42"),
        (telegram_place, "-100123/", "-1001234567890/42"),
        (telegram_place, "-100123/0", "-1001234567890/42"),
        (telegram_place, "-100123/4/2", "-1001234567890/42"),
        (telegram_place, "a chat", "-1001234567890"),
        (telegram_place, "https://t.me/channel", "@channel"),
        (discord_place, "1100000000000000001/2", "1100000000000000000"),
        (discord_place, "#general", "1100000000000000000"),
    ],
)
def test_a_malformed_place_is_refused_with_what_to_write(place, chat_id, says):
    refused = place(chat_id)
    assert isinstance(refused, Refused)
    assert says in refused.error


def test_a_malformed_place_reaches_no_server(channel):
    assert isinstance(channel.send(chat_id="C1/2/3"), Refused)
    assert channel.server.requests == []


def test_ordinary_places_are_read():
    assert slack_place("C0123ABCD") == Place("C0123ABCD")
    assert slack_place("#ops") == Place("#ops")
    assert telegram_place("@ops_channel") == Place("@ops_channel")
    assert telegram_place("-1001234567890/42") == Place("-1001234567890", "42")
    assert [is_webhook(chat) for chat in ("webhook", "webhook/ops", "webhooks", "C1")] == [True, True, False, False]
    assert [webhook_name(chat) for chat in ("webhook", "webhook/ops")] == ["", "ops"]


def test_only_a_bot_on_discord_may_repeat_a_send_at_once(channel):
    bots = timedelta(minutes=2) if channel.name == "discord" else timedelta()
    assert channel.provider.means("1100000000000000001").repeat_window == bots
    assert channel.provider.means("webhook/ops") == Means()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("slack:webhook", "cannot be asked"),
        ("slack:webhook/ops", "without a message id"),
        ("discord:webhook", "neither drops a repeat"),
        ("telegram:-100123", "cannot be asked"),
        ("slack:C1", None),
        ("discord:11", None),
        ("console:here", None),
    ],
)
def test_a_weaker_promise_is_said_in_one_line(target, says):
    promise = weaker_promise(Target.parse(target))
    assert promise is None if says is None else says in promise
    assert promise is None or promise.isprintable()


def moved(to=MOVED_TO):
    description = "Bad Request: group chat was upgraded to a supergroup chat"
    body = {"ok": False, "error_code": 400, "description": description, "parameters": {"migrate_to_chat_id": to}}
    return {"status": 400, "body": json.dumps(body)}


def test_a_telegram_group_that_moved_is_followed_once_and_its_new_id_told(telegram):
    telegram.server.fault(**moved())
    outcome = telegram.send()
    [message] = telegram.received
    assert message.chat_id == str(MOVED_TO)
    assert outcome == Delivered(message.id, f"the group is now telegram:{MOVED_TO}: change the task's target")


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        ({"status": 403, "body": '{"ok": false, "description": "Forbidden: bot was kicked"}'}, Refused),
        ({"status": 429, "body": '{"ok": false, "parameters": {"retry_after": 5}}'}, NotSent),
        ({"then": "reset", "accept": True}, Unknown),
        (moved(MOVED_TO - 1), Refused),
    ],
    ids=["refused", "not_sent", "unknown", "moved again"],
)
def test_what_then_goes_wrong_counts_and_the_new_id_is_told_all_the_same(telegram, second, kind):
    telegram.server.fault(**moved())
    telegram.server.fault(**second)
    outcome = telegram.send()
    assert type(outcome) is kind
    assert f"the group is now telegram:{MOVED_TO}" in outcome.error
    assert len(telegram.server.requests) == 2


def refusal(name, code):
    body = {
        "slack": {"ok": False, "error": code},
        "telegram": {"ok": False, "error_code": 400, "description": f"Bad Request: {code}"},
        "discord": {"message": "Invalid", "code": 50035, "errors": {code: {"0": {"_errors": []}}}},
    }[name]
    return {"status": 200 if name == "slack" else 400, "body": json.dumps(body)}


MARKUP = [
    ("slack", "invalid_blocks"),
    ("slack", "invalid_blocks_format"),
    ("slack", "msg_blocks_too_long"),
    ("telegram", "can't parse entities: unsupported start tag"),
    ("discord", "embeds"),
]


@pytest.mark.parametrize(("name", "code"), MARKUP)
def test_markup_that_is_refused_falls_back_once_to_plain_text(open_channel, name, code):
    channel = open_channel(name)
    channel.server.fault(**refusal(name, code))
    outcome = channel.send(report=replace(channel.report, reason="*2* <b> & @everyone `x`"))
    assert isinstance(outcome, Delivered)
    assert "shown as plain text" in outcome.note
    [message] = channel.received
    assert message.pings == []
    assert "Payments digest" in message.text
    assert "*2* <b> & " in message.text
    assert "everyone" in message.text
    assert "Coverage 1/1" in message.text
    assert not {"blocks", "parse_mode", "embeds"} & set(message.payload)


@pytest.mark.parametrize(("name", "code"), MARKUP)
def test_a_second_refusal_is_final(open_channel, name, code):
    channel = open_channel(name)
    channel.server.fault(**refusal(name, code), times=2)
    assert isinstance(channel.send(), Refused)
    assert len(channel.server.requests) == 2


@pytest.mark.parametrize(("name", "code"), MARKUP)
def test_plain_text_that_is_lost_on_the_way_is_unknown(open_channel, name, code):
    channel = open_channel(name)
    channel.server.fault(**refusal(name, code))
    channel.server.fault(then="reset", accept=True)
    assert isinstance(channel.send(), Unknown)


@pytest.mark.parametrize(("name", "code"), MARKUP)
def test_the_plain_text_of_a_long_part_keeps_the_limits_and_counts_what_it_leaves_out(open_channel, name, code):
    channel = open_channel(name)
    channel.server.fault(**refusal(name, code))
    outcome = channel.send_part(channel.render(long_report(channel))[0])
    assert isinstance(outcome, Delivered)
    [message] = channel.received
    left_out = re.findall(r"… and (\d+) more lines left out", message.text)
    assert bool(left_out) == (name != "telegram")
    assert re.findall(r"; (\d+) lines left out$", outcome.note) == left_out


@pytest.mark.parametrize(("name", "code"), MARKUP)
def test_the_plain_text_of_a_long_part_uses_its_room_and_keeps_its_foot(open_channel, name, code):
    channel = open_channel(name)
    channel.stamp = replace(channel.stamp, repeat=True)
    channel.server.fault(**refusal(name, code))
    channel.send_part(channel.render(long_report(channel))[0])
    [message] = channel.received
    assert "task a1b2c3d4e5f6" in message.text
    assert "This may be a repeat" in message.text
    longest = {"slack": 3_900, "telegram": 4_096, "discord": 2_000}[name]
    payload = message.payload
    assert longest - 200 < len(payload.get("content") or payload["text"]) <= longest


def test_discord_without_the_right_to_embed_links_still_gets_the_text(discord):
    discord.server.fault(status=403, body='{"message": "Missing Permissions", "code": 50013}')
    assert "embed links" in discord.send().note


def test_discord_without_the_right_to_read_history_gets_the_part_unlinked(discord):
    discord.server.fault(status=400, body='{"message": "Cannot reply", "code": 160002}')
    outcome = discord.send_part(discord.render()[0], part=2, first_id="123")
    assert "not linked" in outcome.note
    assert "message_reference" not in discord.received[0].payload


@pytest.mark.parametrize("part", [1, 2])
def test_other_refusals_are_not_repeated(channel, part):
    body = {"ok": False, "error": "not_in_channel", "description": "Forbidden", "message": "No", "code": 50001}
    channel.server.fault(status=400, body=json.dumps(body))
    assert isinstance(channel.send(part=part), Refused)
    assert len(channel.server.requests) == 1


def test_a_part_whose_first_part_is_gone_from_slack_is_sent_by_itself(slack):
    slack.server.fault(status=200, body='{"ok": false, "error": "thread_not_found"}')
    outcome = slack.send_part(slack.render()[0], part=2, first_id="1700000000.000100")
    assert "not in the thread" in outcome.note
    assert "thread_ts" not in slack.received[0].payload


def test_what_is_meant_for_a_thread_is_never_posted_into_the_channel(slack):
    slack.server.fault(status=200, body='{"ok": false, "error": "thread_not_found"}')
    assert isinstance(slack.send(chat_id="C0123ABCD/1700000000.000100"), Refused)
    assert slack.received == []


def test_only_the_first_part_makes_a_telephone_ring(telegram, discord):
    _, [first, *others] = sent(telegram)
    assert [one.get("disable_notification") for one in (first, *others)] == [None, *[True] * len(others)]
    before = len(others) + 1
    discord.send_all(long_report(discord))
    payloads = [message.payload for message in discord.received[before:]]
    assert [one.get("flags", 0) & 4096 for one in payloads] == [0, *[4096] * (len(payloads) - 1)]
