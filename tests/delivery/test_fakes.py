"""The fakes refuse what the real APIs refuse: reading back, rights, nonces, rates, and faults at random."""

import json
import subprocess
import sys
import time
from collections import Counter
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

import fakes.chat_server
from fakes.chat.api import Place, Refusal
from fakes.chat.faults import LIMIT_FORMS, MAGIC, Chaos
from fakes.chat.rates import Rates
from fakes.chat_server import SAMPLE_TOKENS, ChatServer
from watchbell.delivery.interface import Unknown

SLACK = {"Authorization": f"Bearer {SAMPLE_TOKENS['SLACK_BOT_TOKEN']}"}
DISCORD = {
    "Authorization": f"Bot {SAMPLE_TOKENS['DISCORD_BOT_TOKEN']}",
    "User-Agent": "DiscordBot (https://example.com, 1)",
}
TELEGRAM = f"bot{SAMPLE_TOKENS['TELEGRAM_BOT_TOKEN']}"
CHANNEL = "1100000000000000001"


def slack_read(server, method="conversations.history", headers=SLACK, **query):
    url = f"{server.slack_url}/{method}"
    return httpx.get(url, headers=headers, params={"channel": "C1"} | query).json()


def slack_post(server, text="x", **fields):
    payload = {"channel": "C1", "text": text} | fields
    return httpx.post(f"{server.slack_url}/chat.postMessage", headers=SLACK, json=payload)


def discord_read(server, path="", **query):
    return httpx.get(f"{server.discord_url}/channels/{CHANNEL}/messages{path}", headers=DISCORD, params=query)


def discord_post(server, channel=CHANNEL, **fields):
    payload = {"content": "x", "allowed_mentions": {"parse": []}} | fields
    return httpx.post(f"{server.discord_url}/channels/{channel}/messages", headers=DISCORD, json=payload)


def telegram_post(server, chat_id="1", method="sendMessage", **fields):
    return httpx.post(f"{server.telegram_url}/{TELEGRAM}/{method}", json={"chat_id": chat_id, "text": "x"} | fields)


def test_slack_shows_metadata_only_to_those_who_ask_for_it(server):
    metadata = {"event_type": "watchbell_delivery", "event_payload": {"key": "k"}}
    slack_post(server, metadata=metadata)
    [message] = slack_read(server)["messages"]
    assert message["metadata"] == {"event_type": "watchbell_delivery"}
    [message] = slack_read(server, include_all_metadata="true")["messages"]
    assert message["metadata"] == metadata


def test_slacks_history_is_newest_first_paged_and_without_replies(server):
    first, second = (slack_post(server).json()["ts"] for _ in range(2))
    reply = slack_post(server, thread_ts=first).json()["ts"]
    page = slack_read(server, limit=1)
    assert [message["ts"] for message in page["messages"]] == [second]
    assert page["has_more"]
    page = slack_read(server, limit=1, cursor=page["response_metadata"]["next_cursor"])
    assert [message["ts"] for message in page["messages"]] == [first]
    assert not page["has_more"]
    thread = slack_read(server, "conversations.replies", ts=first)["messages"]
    assert [message["ts"] for message in thread] == [first, reply]


def test_slacks_bounds_are_open_unless_said_otherwise(server):
    ts = slack_post(server).json()["ts"]
    assert slack_read(server, oldest=ts)["messages"] == slack_read(server, latest=ts)["messages"] == []
    assert len(slack_read(server, oldest=ts, inclusive="true")["messages"]) == 1


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"headers": {}}, "not_authed"),
        ({"headers": {"Authorization": "Bearer xoxb-REVOKED"}}, "token_revoked"),
        ({"limit": 1000}, "invalid_limit"),
        ({"oldest": "yesterday"}, "invalid_ts_oldest"),
        ({"channel": "#ops"}, "channel_not_found"),
        ({"method": "conversations.replies", "ts": "1.000001"}, "thread_not_found"),
    ],
)
def test_slack_refuses_reads_that_are_not_in_order(server, query, error):
    assert slack_read(server, **query) == {"ok": False, "error": error}


@pytest.mark.parametrize(
    ("right", "error"), [("history", "missing_scope"), ("membership", "not_in_channel"), ("view", "channel_not_found")]
)
def test_slack_names_the_right_that_is_missing(server, right, error):
    server.deny("C1", right)
    assert slack_read(server)["error"] == error
    server.allow("C1", right)
    assert slack_read(server)["ok"]


def test_discord_shows_an_empty_list_to_those_who_may_not_read(server):
    message_id = discord_post(server).json()["id"]
    assert discord_read(server, f"/{message_id}").json()["author"]["bot"] is True
    server.deny(CHANNEL, "history")
    assert discord_read(server).status_code == 200
    assert discord_read(server).json() == []
    assert discord_read(server, f"/{message_id}").json()["code"] == 50013
    server.deny(CHANNEL, "view")
    assert discord_read(server).json()["code"] == 50001


def test_discord_pages_begin_with_the_oldest_after_and_show_the_newest_first(server):
    ids = [discord_post(server).json()["id"] for _ in range(5)]
    page = discord_read(server, after=ids[0], limit=2).json()
    assert [message["id"] for message in page] == [ids[2], ids[1]]
    assert [message["id"] for message in discord_read(server, limit=2).json()] == [ids[4], ids[3]]
    assert [message["id"] for message in discord_read(server, before=ids[1]).json()] == [ids[0]]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"after": 1, "before": 2}])
def test_discord_refuses_reads_that_are_not_in_order(server, query):
    assert discord_read(server, **query).json()["code"] == 50035


def test_discord_hides_what_others_wrote_and_keeps_no_nonce(server):
    server.say("discord", CHANNEL, "secret talk")
    discord_post(server, nonce="abc", enforce_nonce=True)
    own, other = discord_read(server).json()
    assert other["content"] == ""
    assert own["content"] == "x"
    assert "nonce" not in own


def test_discords_nonce_counts_for_its_author_channel_and_time_alone():
    with ChatServer(nonce_seconds=120) as server:
        first = discord_post(server, nonce="abc", enforce_nonce=True).json()["id"]
        assert discord_post(server, nonce="abc", enforce_nonce=True).json()["id"] == first
        assert discord_post(server, nonce="abc").json()["id"] != first, "not enforced, only echoed"
        assert discord_post(server, "1100000000000000002", nonce="abc", enforce_nonce=True).json()["id"] != first
        server.room.nonce_seconds = 0
        assert discord_post(server, nonce="abc", enforce_nonce=True).json()["id"] != first


def test_a_repeat_of_a_deleted_message_is_an_unknown_message(server):
    server.room.remove(discord_post(server, nonce="abc", enforce_nonce=True).json()["id"])
    assert discord_post(server, nonce="abc", enforce_nonce=True).json()["code"] == 10008


def test_a_discord_webhook_takes_no_nonce_and_is_silent_unless_asked_to_wait(server):
    url = f"{server.discord_url}/webhooks/1200000000000000001/token-of-a-webhook"
    agent = {"User-Agent": DISCORD["User-Agent"]}
    assert httpx.post(url, headers=agent, json={"content": "x"}).status_code == 204
    assert httpx.post(url, params={"wait": "true"}, headers=agent, json={"content": "x"}).json()["id"]
    assert httpx.post(url, headers=agent, json={"content": "x", "nonce": "1"}).json()["code"] == 50035


def test_a_slack_webhook_says_ok_and_nothing_else(server):
    url = f"{server.url}/slack/services/T0/B0/abcdef"
    answer = httpx.post(url, json={"text": "x"})
    assert (answer.status_code, answer.text) == (200, "ok")
    answer = httpx.post(url, json={"text": "x", "metadata": {}})
    assert (answer.status_code, answer.text) == (400, "invalid_payload")
    assert httpx.post(f"{server.url}/slack/services/T0", json={"text": "x"}).status_code == 404


def test_telegram_lets_nothing_be_read_and_its_general_topic_not_be_addressed(server):
    assert telegram_post(server, method="getChatHistory").status_code == 404
    assert "thread not found" in telegram_post(server, message_thread_id=1).json()["description"]
    assert "chat not found" in telegram_post(server, "somewhere").json()["description"]
    server.deny("-5", "membership")
    assert telegram_post(server, "-5").status_code == 403


@pytest.mark.parametrize(
    ("name", "kind", "chat_id", "free", "wait"),
    [
        ("slack", "send", "C1", 3, 3),
        ("slack", "webhook", "hook", 3, 3),
        ("slack", "read", "C1", 50, 60),
        ("telegram", "send", "1", 3, 3),
        ("discord", "send", CHANNEL, 5, 5),
        ("discord", "webhook", "hook", 5, 2),
    ],
)
def test_one_too_many_is_told_to_wait_until_there_is_room(name, kind, chat_id, free, wait):
    rates, caller = Rates(), Place("bot", chat_id, kind)
    for _ in range(free):
        rates.admit(name, caller, 100.0)
    with pytest.raises(Refusal) as refused:
        rates.admit(name, caller, 100.0)
    assert refused.value.headers["Retry-After"] == str(wait)
    rates.admit(name, caller, 100.0 + wait)


@pytest.mark.parametrize(
    ("name", "chats", "pause", "free"),
    [
        ("telegram", ["-7"] * 21, 1.5, 20),  # twenty a minute in one group
        ("telegram", [str(number) for number in range(31)], 0.0, 30),  # thirty a second for the bot
        ("discord", [str(number) for number in range(51)], 0.0, 50),
    ],
)
def test_the_wider_limits_are_enforced_as_well(name, chats, pause, free):
    rates = Rates()
    for number, chat in enumerate(chats[:free]):
        rates.admit(name, Place("bot", chat), 100.0 + number * pause)
    with pytest.raises(Refusal):
        rates.admit(name, Place("bot", chats[free]), 100.0 + free * pause)


def test_each_provider_says_429_in_its_own_way():
    with ChatServer(rates=1.0) as server:
        slack = [slack_post(server) for _ in range(4)][-1]
        telegram = [telegram_post(server) for _ in range(4)][-1]
        discord = [discord_post(server) for _ in range(6)]
        assert server.stats()["429s"] == 3
    assert (slack.status_code, slack.json()) == (429, {"ok": False, "error": "ratelimited"})
    assert slack.headers["Retry-After"] == "3"
    assert telegram.json()["parameters"] == {"retry_after": 3}
    assert telegram.json()["description"] == "Too Many Requests: retry after 3"
    assert [answer.headers["X-RateLimit-Remaining"] for answer in discord] == ["4", "3", "2", "1", "0", "0"]
    assert 4 < float(discord[0].headers["X-RateLimit-Reset-After"]) <= 5
    assert discord[5].headers["X-RateLimit-Scope"] == "user"
    assert 0 < discord[5].json()["retry_after"] <= 5
    assert discord[5].json()["global"] is False


@pytest.mark.parametrize(("name", "form"), [(name, form) for name, forms in LIMIT_FORMS.items() for form in forms])
def test_every_form_of_429_can_be_had_by_a_chats_name(server, name, form):
    chat_id = f"C-FAIL-429-{form.upper()}"
    post = {"slack": slack_post, "telegram": telegram_post, "discord": discord_post}[name]
    answer = post(server, channel=chat_id) if name != "telegram" else post(server, chat_id)
    assert answer.status_code == 429
    waits = {
        "date": lambda: (parsedate_to_datetime(answer.headers["Retry-After"])
                         - parsedate_to_datetime(answer.headers["Date"])).total_seconds(),
    }  # fmt: skip
    assert waits.get(form, lambda: float(answer.headers["Retry-After"]))() == 2
    if form == "shared":
        assert answer.json()["retry_after"] > float(answer.headers["X-RateLimit-Reset-After"])
    if form == "global":
        assert answer.json()["global"] is True
        assert answer.headers["X-RateLimit-Global"] == "true"
    if form == "cloudflare":
        assert answer.text.startswith("<html>")


def test_chaos_fails_its_share_in_every_way_and_the_same_way_again():
    for name in LIMIT_FORMS:
        fates = [[Chaos(0.3, seed).fault(name, str(chat)).name for chat in range(2_000)] for seed in (7, 7, 8)]
        assert fates[0] == fates[1] != fates[2]
        counts = Counter(fates[0])
        assert 0.65 < counts[""] / 2_000 < 0.75
        forms = {f"429-{form}" for form in LIMIT_FORMS[name]}
        late = {"RESET-LATE", "HANG-LATE", "DRIP-HEADERS", "500-AFTER", "429-no-hint", "SLOW", "REFUSED"}
        assert set(counts) - {""} == set(MAGIC) | forms | late


def test_chaos_over_http_loses_answers_and_counts_what_it_did(tmp_path):
    journal = tmp_path / "journal.jsonl"
    with ChatServer(journal=str(journal), chaos=Chaos(1.0, 7, hang_seconds=0.2)) as server:
        for number in range(24):
            try:
                slack_post(server, channel=f"C{number}", metadata={"event_type": "e", "event_payload": {"key": "k"}})
            except httpx.HTTPError:
                continue
        time.sleep(1.7)
        stats = server.stats()
    assert sum(stats["faults"].values()) == stats["requests"] == 24
    assert 0 < stats["posted"]["slack"] == len(journal.read_text().splitlines()) < 24
    assert stats["duplicates"] == {}


def test_messages_with_one_marker_in_one_chat_are_counted_as_duplicates(channel):
    for part in (1, 2):
        channel.send(part=part)
    assert channel.server.stats()["duplicates"] == ({"telegram": 1} if channel.name == "telegram" else {})
    channel.server.room.nonce_seconds = 0
    channel.send(part=1)
    assert channel.server.stats()["duplicates"] == {channel.name: 2 if channel.name == "telegram" else 1}


def test_a_message_can_arrive_after_its_sender_gave_up(channel):
    channel.server.fault(then="reset", accept_after=1.5)
    assert isinstance(channel.send(), Unknown)
    assert channel.received == []
    until = time.monotonic() + 20
    while not channel.received and time.monotonic() < until:
        time.sleep(0.05)
    assert len(channel.received) == 1


def test_by_hand_it_prints_what_points_a_shell_at_it(tmp_path):
    command = [
        sys.executable,
        "-P",
        fakes.chat_server.__file__,
        "--exports",
        "--rates",
        "--chaos",
        "0.0",
        "--seed",
        "7",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline().split() for _ in range(8)]
        settings = dict(line[1].split("=", 1) for line in lines)
        assert {line[0] for line in lines} == {"export"}
        urls = {f"WATCHBELL_{name}_API_URL" for name in ("SLACK", "TELEGRAM", "DISCORD")}
        assert set(settings) == set(SAMPLE_TOKENS) | urls | {"SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL"}
        url = settings["WATCHBELL_SLACK_API_URL"]
        assert httpx.post(f"{url}/chat.postMessage", headers=SLACK, json={"channel": "C1", "text": "x"}).json()["ok"]
        stats = httpx.get(f"{url.removesuffix('/slack/api')}/_stats").json()
        assert stats == {"requests": 1, "429s": 0, "posted": {"slack": 1}, "duplicates": {}, "faults": {}}
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close()


def test_the_controls_work_over_http(server):
    httpx.post(f"{server.url}/_deny", json={"chat_id": "C1", "right": "history"})
    assert slack_read(server)["error"] == "missing_scope"
    httpx.post(f"{server.url}/_allow", json={"chat_id": "C1", "right": "history"})
    httpx.post(f"{server.url}/_say", json={"provider": "slack", "chat_id": "C1", "text": "hello"})
    assert [message["text"] for message in slack_read(server)["messages"]] == ["hello"]
    httpx.post(f"{server.url}/_remove", json={"message_id": server.messages[0].id})
    assert slack_read(server)["messages"] == []
    assert httpx.get(f"{server.url}/_nothing").status_code == 404


def test_each_fake_is_a_module_that_can_be_read_in_one_go():
    folder = Path(fakes.chat_server.__file__).parent / "chat"
    assert {len(path.read_text().splitlines()) < 350 for path in folder.glob("*.py")} == {True}
    assert json.dumps(SAMPLE_TOKENS).isascii()


REFUSED = {
    "a text that is none": (slack_post, {"text": 5}, "invalid_arguments"),
    "a thread that is no text": (slack_post, {"thread_ts": 12}, "invalid_arguments"),
    "a name of metadata with blanks": (
        slack_post,
        {"metadata": {"event_type": "Bad Type!", "event_payload": {}}},
        "invalid_metadata_format",
    ),
    "a kind of text that there is not": (
        slack_post,
        {"blocks": [{"type": "section", "text": {"type": "html", "text": "x"}}]},
        "invalid_blocks",
    ),
    "more elements than a context may have": (
        slack_post,
        {"blocks": [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}]},
        "invalid_blocks",
    ),
    "a bare sign in HTML": (telegram_post, {"text": "a < b", "parse_mode": "HTML"}, "can't parse entities"),
    "a quote in a quote": (
        telegram_post,
        {"text": "<blockquote>a<blockquote>b</blockquote></blockquote>", "parse_mode": "HTML"},
        "can't parse entities",
    ),
    "a topic that is no number": (telegram_post, {"message_thread_id": "abc"}, "message thread not found"),
    "a reply that is no object": (telegram_post, {"reply_parameters": "zz"}, "object expected"),
    "components beside content": (discord_post, {"flags": 1 << 15}, "flags"),
    "an embed without anything": (discord_post, {"content": "", "embeds": [{}]}, "empty message"),
    "mentions allowed twice": (
        discord_post,
        {"allowed_mentions": {"parse": ["users"], "users": ["1"]}},
        "allowed_mentions",
    ),
    "a nonce that is an object": (discord_post, {"nonce": {}}, "nonce"),
    "a colour beyond all": (discord_post, {"embeds": [{"title": "x", "color": 1 << 24}]}, "embeds"),
}


@pytest.mark.parametrize(("post", "fields", "words"), REFUSED.values(), ids=REFUSED)
def test_what_the_real_ones_refuse_is_refused(server, post, fields, words):
    assert words in post(server, **fields).text
    assert server.messages == []


def test_a_webhook_of_discord_can_be_looked_at(server):
    found = httpx.get(f"{server.discord_url}/webhooks/1200000000000000001/token-of-a-webhook").json()
    assert (found["id"], found["type"]) == ("1200000000000000001", 1)
