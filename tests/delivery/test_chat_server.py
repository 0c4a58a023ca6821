"""The fake is strict, and runs as a process for tests that kill its clients."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import fakes.chat_server
from watchbell.delivery.interface import Delivered, NotSent, Refused, Unknown

SLACK = {"Authorization": "Bearer xoxb-1-abc"}
DISCORD = {
    "Authorization": "Bot DISTINCTIVEdiscordtoken0.abcdef.0123456789012345678901234567",
    "User-Agent": "DiscordBot (https://example.com, 1)",
}
TELEGRAM_PATH = "bot123456789:DISTINCTIVE-telegram-token-0000000/sendMessage"


def section(text, kind="plain_text"):
    return {"type": "section", "text": {"type": kind, "text": text}}


@pytest.mark.parametrize(
    ("headers", "payload", "error"),
    [
        ({}, {"channel": "C1", "text": "x"}, "not_authed"),
        ({"Authorization": "Bearer nonsense"}, {"channel": "C1", "text": "x"}, "invalid_auth"),
        (SLACK, {"channel": "C1"}, "no_text"),
        (SLACK, {"channel": "C1", "text": "x", "txet": "y"}, "invalid_arg_name"),
        (SLACK, {"channel": "C1", "text": "x", "blocks": [section("x" * 3001)]}, "invalid_blocks"),
        (SLACK, {"channel": "C1", "text": "x", "blocks": [section("x")] * 51}, "invalid_blocks"),
        (SLACK, {"channel": "C1", "text": "x", "blocks": [section("x" * 2900)] * 5}, "msg_blocks_too_long"),
        (SLACK, {"channel": "C1", "text": "x", "metadata": {"event_type": 1}}, "invalid_metadata_format"),
    ],
)
def test_slack_says_no_with_200(server, headers, payload, error):
    answer = httpx.post(f"{server.slack_url}/chat.postMessage", headers=headers, json=payload)
    assert answer.status_code == 200
    assert answer.json() == {"ok": False, "error": error}
    assert server.messages == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_wrong_content_type_is_not_taken(server, content_type):
    answer = httpx.post(
        f"{server.slack_url}/chat.postMessage", headers={**SLACK, "Content-Type": content_type}, content=b"{}"
    )
    assert answer.json()["error"] == "invalid_post_type"


@pytest.mark.parametrize(
    "text",
    [
        "<b>open",
        "</b>",
        "<script>x</script>",
        "<b><i>x</b></i>",
        "<code><b>x</b></code>",
        "&nbsp;",
        "",
        " ",
        "x" * 4097,
    ],
)
def test_telegram_refuses_markup_that_is_not_valid(server, text):
    answer = httpx.post(
        f"{server.telegram_url}/{TELEGRAM_PATH}", json={"chat_id": "1", "text": text, "parse_mode": "HTML"}
    )
    assert answer.status_code == 400
    assert answer.json()["ok"] is False
    assert server.messages == []


@pytest.mark.parametrize(
    ("headers", "payload", "status"),
    [
        ({}, {"content": "x"}, 401),
        ({**DISCORD, "User-Agent": "python-httpx/0.28"}, {"content": "x"}, 403),
        (DISCORD, {"content": "x" * 2001}, 400),
        (DISCORD, {"content": " "}, 400),
        (DISCORD, {"content": "x", "nonce": "n" * 26}, 400),
        (DISCORD, {"content": "x", "surprise": 1}, 400),
    ],
)
def test_discord_refuses_what_is_not_documented(server, headers, payload, status):
    answer = httpx.post(f"{server.discord_url}/channels/1100000000000000001/messages", headers=headers, json=payload)
    assert answer.status_code == status
    assert server.messages == []


@pytest.mark.parametrize(
    ("path", "headers", "payload"),
    [
        ("slack/api/chat.postMessage", SLACK, {"channel": "C1", "text": "<!channel>"}),
        ("slack/api/chat.postMessage", SLACK, {"channel": "C1", "text": "x", "blocks": [section("*x*", "mrkdwn")]}),
        (f"telegram/{TELEGRAM_PATH}", {}, {"chat_id": "1", "text": "ask @admin_bot"}),
        ("discord/api/v10/channels/1100000000000000001/messages", DISCORD, {"content": "@everyone"}),
    ],
)
def test_a_message_that_would_ping_says_so(server, path, headers, payload):
    httpx.post(f"http://127.0.0.1:{server.port}/{path}", headers=headers, json=payload)
    assert server.messages[0].pings


def test_slack_posts_a_long_fallback_text_several_times(server):
    httpx.post(f"{server.slack_url}/chat.postMessage", headers=SLACK, json={"channel": "C1", "text": "x" * 8001})
    assert len(server.messages) == 3


@pytest.mark.parametrize(
    ("name", "outcome", "arrived"),
    [
        ("C-FAIL-RESET-BEFORE", Unknown, 0),
        ("C-FAIL-RESET-AFTER", Unknown, 1),
        ("C-FAIL-TRUNCATE", Unknown, 1),
        ("C-FAIL-HTML", Unknown, 0),
        ("C-FAIL-REDIRECT", Unknown, 0),
        ("C-FAIL-429", NotSent, 0),
        ("C-FAIL-503", Unknown, 0),
        ("C-SLOW-50MS", Delivered, 1),
    ],
)
def test_a_magic_chat_id_brings_its_fault_each_time(channel, name, outcome, arrived):
    for part in (1, 2):
        assert type(channel.send(chat_id=name, part=part)) is outcome
    assert len(channel.received) == 2 * arrived


def test_a_magic_chat_id_can_fail_once(channel):
    assert isinstance(channel.send(chat_id="C-FAIL-429-ONCE"), NotSent)
    assert isinstance(channel.send(chat_id="C-FAIL-429-ONCE"), Delivered)


def test_a_magic_chat_id_can_name_a_providers_code(slack, discord):
    assert "invite the app" in slack.send(chat_id="C-ERROR-not_in_channel").error
    assert isinstance(discord.send(chat_id="C-ERROR-50001"), Refused)


def test_as_a_process_it_journals_each_message_before_it_answers(tmp_path):
    journal = tmp_path / "journal.jsonl"
    program = Path(fakes.chat_server.__file__)
    process = subprocess.Popen(
        [sys.executable, program, "--port", "0", "--journal", journal], stdout=subprocess.PIPE, text=True
    )
    try:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        httpx.post(f"{url}/_fault", json={"provider": "slack", "then": "reset", "accept": True})
        for text in ("first", "second"):
            try:
                httpx.post(f"{url}/slack/api/chat.postMessage", headers=SLACK, json={"channel": "C1", "text": text})
            except httpx.ReadError:
                assert text == "first"
        assert [json.loads(line)["text"] for line in journal.read_text().splitlines()] == ["first", "second"]
        assert len(httpx.get(f"{url}/_messages").json()) == 2
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close()
