"""Webhooks: weaker variants of Slack and Discord. The URL is the credential, the answer all the evidence there is."""

import re
from dataclasses import replace

import pytest

from watchbell.delivery import slack_webhook
from watchbell.delivery.answers import Answer
from watchbell.delivery.discord_webhook import address as discord_address
from watchbell.delivery.interface import CannotTell, Delivered, Envelope, NotSent, Refused, SendKey, Unknown
from watchbell.delivery.slack_webhook import OK_WITHOUT_ID
from watchbell.reports.interface import Section
from watchbell.secrets.redaction import redact

PATHS = {
    "slack": "/slack/services/T0123/B0123/DISTINCTIVE-webhook",
    "discord": "/discord/api/webhooks/1100000000000000001/DISTINCTIVE-webhook",
}


@pytest.fixture(params=sorted(PATHS))
def webhook(request, open_channel):
    return open_channel(request.param)


def url_of(channel):
    return f"http://127.0.0.1:{channel.server.port}{PATHS[channel.name]}"


def send(channel, *, report=None, url=None, part=None, first_id=None, seconds=5.0):
    rendered = part or channel.render(report)[0]
    key = SendKey(task_id="a1b2c3d4e5f6", fire_time="2026-11-22T09:00Z", target=f"{channel.name}:webhook", part=1)
    credentials = {"webhook_url": url_of(channel) if url is None else url}
    envelope = Envelope(chat_id="webhook", key=key, credentials=credentials, first_id=first_id)
    return channel.provider.send(rendered, envelope, seconds)


def test_a_report_arrives_and_pings_nobody(webhook):
    outcome = send(webhook, report=replace(webhook.report, reason="<!channel> @everyone"))
    [message] = webhook.received
    assert message.pings == []
    assert "<!channel> @everyone" in message.text
    assert outcome == Delivered(OK_WITHOUT_ID if webhook.name == "slack" else message.id)


def test_no_token_is_sent_and_nothing_that_webhooks_do_not_know(webhook):
    send(webhook)
    [request] = webhook.server.requests
    assert "Authorization" not in request["headers"]
    assert not {"metadata", "channel", "nonce", "enforce_nonce"} & set(request["payload"])


def test_every_part_arrives_side_by_side(webhook):
    lines = tuple(f"line {n} " * 5 for n in range(400))
    parts = webhook.render(replace(webhook.report, sections=(Section(title="All", lines=lines),)))
    outcomes = [send(webhook, part=part, first_id="1700000000.000100") for part in parts]
    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert len(webhook.received) == len(parts) > 1
    assert not any("thread_ts" in one.payload or "message_reference" in one.payload for one in webhook.received)


def test_discord_waits_for_the_message_and_names_the_version(open_channel):
    channel = open_channel("discord")
    send(channel, url=f"{url_of(channel)}?thread_id=77")
    [request] = channel.server.requests
    assert request["path"].partition("?")[0] == PATHS["discord"].replace("/api/", "/api/v10/")
    assert set(request["path"].partition("?")[2].split("&")) == {"wait=true", "thread_id=77"}
    assert channel.received[0].chat_id == "77"


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com/api/webhooks/1/T0k",
        "https://discord.com/api/v9/webhooks/1/T0k/",
        "https://discord.com/api/v10/webhooks/1/T0k?wait=false",
    ],
)
def test_every_form_of_a_discord_url_becomes_the_same(url):
    assert discord_address({"webhook_url": url}) == "https://discord.com/api/v10/webhooks/1/T0k?wait=true"


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://h/api/webhooks/1/s3cr3t", "http://[s3cr3t", "https://s3cr3t"])
def test_an_unusable_url_is_refused_and_not_shown(webhook, url):
    outcome = send(webhook, url=url)
    assert isinstance(outcome, Refused)
    assert "s3cr3t" not in repr(outcome)
    assert webhook.server.requests == []


def test_a_token_in_place_of_a_url_is_refused(webhook):
    key = SendKey(task_id="t", fire_time="f", target="x", part=1)
    envelope = Envelope(chat_id="webhook", key=key, credentials={"bot_token": webhook.token})
    outcome = webhook.provider.send(webhook.render()[0], envelope, 5)
    assert isinstance(outcome, Refused)
    assert "integrations.json" in outcome.error


SLACK = [
    (400, "invalid_payload", Refused),
    (400, "user_not_found", Refused),
    (400, "invalid_blocks", Refused),
    (400, "no_text", Refused),
    (403, "action_prohibited", Refused),
    (403, "invalid_token", Refused),
    (403, "posting_to_general_channel_denied", Refused),
    (404, "channel_not_found", Refused),
    (404, "no_team", Refused),
    (404, "no_service", Refused),
    (410, "channel_is_archived", Refused),
    (400, "something_new", Refused),
    (500, "rollup_error", Unknown),
    (500, "something_new", Unknown),
    (503, "<html>", Unknown),
    (400, "<html>blocked by the proxy</html>", Unknown),
    (400, "No", Unknown),
    (200, "nok", Unknown),
    (200, "", Unknown),
    (200, "<html>Sign in to the hotel's network</html>", Unknown),
    (302, "ok", Unknown),
    (429, "", NotSent),
]


@pytest.mark.parametrize(("status", "body", "expected"), SLACK)
def test_every_answer_of_a_slack_webhook_has_its_outcome(status, body, expected):
    outcome = slack_webhook.outcome(Answer(status, {"retry-after": "30"}, body.encode()))
    assert type(outcome) is expected
    if body in slack_webhook.CODES:
        assert body in outcome.error
    if status == 429:
        assert outcome.retry_after == 30


def test_an_answer_that_was_lost_is_unknown():
    assert isinstance(slack_webhook.outcome(Answer(200, {}, None)), Unknown)
    assert slack_webhook.outcome(Answer(200, {}, b"ok\n")) == Delivered(OK_WITHOUT_ID)


def test_blocks_that_a_slack_webhook_refuses_become_plain_text(open_channel):
    channel = open_channel("slack")
    channel.server.fault(status=400, body="invalid_blocks")
    outcome = send(channel)
    assert "shown as plain text" in outcome.note
    assert "blocks" not in channel.received[0].payload


def test_what_a_slack_webhook_shows_as_plain_text_keeps_its_foot_and_the_note_tells_what_is_cut(open_channel):
    channel = open_channel("slack")
    channel.stamp = replace(channel.stamp, repeat=True)
    channel.server.fault(status=400, body="invalid_blocks")
    long = replace(channel.report, sections=(Section(title="All", lines=tuple(f"line {n} " * 9 for n in range(90))),))
    outcome = send(channel, report=long)
    [message] = channel.received
    assert "This may be a repeat" in message.text
    assert re.findall(r"(\d+) more lines left out", message.text) == re.findall(r"(\d+) lines left out", outcome.note)


@pytest.mark.parametrize("fault", [{"then": "reset", "accept": True}, {"then": "truncate", "accept": True}])
def test_what_may_have_arrived_is_unknown_and_a_repeat_is_a_second_message(webhook, fault):
    webhook.server.fault(**fault)
    assert isinstance(send(webhook), Unknown)
    send(webhook)
    assert len(webhook.received) == 2


def test_a_discord_webhook_that_is_gone_says_so(open_channel):
    channel = open_channel("discord")
    for code in (10015, 50027):
        channel.server.fault(status=404, body=f'{{"message": "Unknown Webhook", "code": {code}}}')
        assert "the webhook is gone" in send(channel).error


def test_a_webhook_cannot_be_asked(webhook):
    key = SendKey(task_id="t", fire_time="f", target="x", part=1)
    envelope = Envelope(chat_id="webhook", key=key, credentials={"webhook_url": url_of(webhook)})
    answer = webhook.provider.find(envelope, None, 5)
    assert isinstance(answer, CannotTell)


@pytest.mark.parametrize("advice", sorted({meaning.advice for meaning in slack_webhook.CODES.values()}))
def test_our_own_words_are_not_taken_for_secrets(advice):
    assert redact(f"Slack webhook: no_service: {advice}") == f"Slack webhook: no_service: {advice}"
