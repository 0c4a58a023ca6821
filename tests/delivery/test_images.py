"""An image beside the text: checked first, sent below the report, and never at the text's cost."""

import json

import pytest

from fakes.pictures import png
from watchbell.delivery.images import LARGEST_IMAGE, caption, file_name, problem
from watchbell.delivery.interface import AttachesImages, Delivered, Envelope, NotSent, Refused, SendKey, Unknown
from watchbell.reports.codec import report_from_json, report_to_json
from watchbell.reports.interface import Image

KEY = SendKey(task_id="a1b2c3d4e5f6", fire_time="2026-11-22T09:00Z", target="x", part=1001)


CHART = Image(name="alerts per hour", png=png(), alt="Alerts per hour: 3, 1, 4")
FIRST = {"slack": "1700000000.000100", "telegram": "17", "discord": "1100000000000000017"}


def attach(channel, image=CHART, *, chat_id=None, first_id=None, seconds=5.0, credentials=None):
    chats = {"slack": "C0123ABCD", "telegram": "-1001234567890", "discord": "1100000000000000001"}
    envelope = Envelope(
        chat_id=chat_id or chats[channel.name],
        key=KEY,
        credentials=credentials or {"bot_token": channel.token},
        first_id=first_id,
    )
    return channel.provider.attach(image, envelope, seconds)


def test_an_image_arrives_with_its_name_and_what_it_shows(channel):
    assert isinstance(channel.provider, AttachesImages)
    outcome = attach(channel)
    assert isinstance(outcome, Delivered)
    assert outcome.message_id
    [message] = channel.received
    assert message.files == ["alerts-per-hour.png"]
    assert message.pings == []
    if channel.name != "slack":
        assert "Alerts per hour" in message.text


def test_an_image_stands_below_the_report(channel):
    attach(channel, first_id=FIRST[channel.name])
    payload = channel.received[0].payload
    below = {
        "slack": lambda: payload["thread_ts"],
        "telegram": lambda: str(json.loads(payload["reply_parameters"])["message_id"]),
        "discord": lambda: payload["message_reference"]["message_id"],
    }[channel.name]()
    assert below == FIRST[channel.name]


def test_an_image_goes_into_the_thread_or_topic_of_the_target(slack, telegram):
    attach(slack, chat_id="C0123ABCD/1700000000.000100")
    attach(telegram, chat_id="-1001234567890/42")
    assert slack.received[0].payload["thread_ts"] == "1700000000.000100"
    assert telegram.received[1].payload["message_thread_id"] == "42"


def test_slack_gets_the_bytes_without_the_token(slack):
    attach(slack)
    asked, put, shared = slack.server.requests
    assert asked["payload"]["length"] == str(len(CHART.png))
    assert asked["payload"]["alt_txt"] == CHART.alt
    assert "Authorization" not in put["headers"]
    assert shared["payload"]["channel_id"] == "C0123ABCD"


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("fault", [{"then": "reset", "accept": True}, {"status": 500, "body": "<html>"}])
def test_slack_shows_nothing_before_the_last_step_so_a_failure_there_is_not_sent(slack, before, fault):
    for _ in range(before):
        slack.server.fault()
    slack.server.fault(**fault)
    assert isinstance(attach(slack), NotSent)
    assert slack.received == []


def test_slacks_last_step_may_have_shown_the_image(slack):
    for _ in range(2):
        slack.server.fault()
    slack.server.fault(then="reset", accept=True)
    assert isinstance(attach(slack), Unknown)
    assert len(slack.received) == 1


@pytest.mark.parametrize("body", ['{"ok": true}', '{"ok": true, "upload_url": "file:///etc/passwd", "file_id": "F1"}'])
def test_slack_without_a_usable_place_is_not_sent(slack, body):
    slack.server.fault(status=200, body=body)
    assert isinstance(attach(slack), NotSent)
    assert len(slack.server.requests) == 1


def test_discord_takes_a_repeat_of_an_image_for_the_same_message(discord):
    discord.server.fault(then="reset", accept=True)
    assert isinstance(attach(discord), Unknown)
    assert attach(discord) == Delivered(discord.received[0].id)
    assert len(discord.received) == 1


def test_a_discord_webhook_takes_images_and_a_slack_webhook_none(discord, slack):
    url = f"http://127.0.0.1:{discord.server.port}/discord/api/webhooks/1100000000000000001/t0k"
    assert isinstance(attach(discord, chat_id="webhook", credentials={"webhook_url": url}), Delivered)
    assert isinstance(attach(slack, chat_id="webhook", credentials={"webhook_url": url}), Refused)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (Image(name="x", png=b"GIF89a" + b"x" * 40), "not a PNG"),
        (Image(name="x", png=b""), "not a PNG"),
        (Image(name="x", png=png(0, 5)), "not a PNG"),
        (Image(name="x", png=png(padding=LARGEST_IMAGE)), "bytes"),
    ],
    ids=["gif", "empty", "flat", "large"],
)
def test_an_image_that_no_provider_takes_is_refused_before_anything_is_sent(channel, image, says):
    outcome = attach(channel, image)
    assert isinstance(outcome, Refused)
    assert says in outcome.error
    assert channel.server.requests == []


@pytest.mark.parametrize("shape", [(9_000, 1_001), (2_100, 100)])
def test_telegrams_limits_on_the_shape_are_kept(telegram, shape):
    assert isinstance(attach(telegram, Image(name="x", png=png(*shape))), Refused)
    assert telegram.server.requests == []
    assert problem("Slack", Image(name="x", png=png(*shape))) is None


def test_a_hostile_image_name_and_text_do_no_harm(channel):
    image = Image(name='../../"x"\r\nX-Evil: 1 <b>', png=png(), alt="@everyone <!channel> *x* \u202e" + "y" * 5000)
    assert isinstance(attach(channel, image), Delivered)
    [message] = channel.received
    assert message.pings == []
    assert set(message.files[0]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_time_is_not_sent(channel, seconds):
    assert isinstance(attach(channel, seconds=seconds), NotSent)


def test_names_and_captions():
    assert file_name(Image(name="", png=b"")) == "image.png"
    assert file_name(Image(name="chart.png", png=b"")) == "chart.png"
    assert file_name(Image(name="日本", png=b"")) == "image.png"
    assert caption(Image(name="n", png=b""), 100) == "n"


def test_a_saved_report_keeps_its_images_and_one_without_looks_as_before(make_report):
    report = make_report(images=(CHART,))
    assert report_from_json(json.loads(json.dumps(report_to_json(report)))) == report
    assert "images" not in report_to_json(make_report())
    assert repr(CHART.png) not in repr(report)


@pytest.mark.parametrize("broken", [{"name": "x"}, {"name": "x", "png_base64": "%%%"}, "x"])
def test_a_broken_saved_image_is_an_error(make_report, broken):
    with pytest.raises(ValueError):
        report_from_json(report_to_json(make_report()) | {"images": [broken]})
