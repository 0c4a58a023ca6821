"""Every fault on the way to a provider, over real HTTP, and what each one proves."""

import json
import socket
import time
from contextlib import ExitStack, suppress
from datetime import timedelta

import pytest

from watchbell.clock import SystemClock
from watchbell.delivery import http
from watchbell.delivery.answers import Answer
from watchbell.delivery.interface import Delivered, NotSent, Refused, Unknown
from watchbell.delivery.slack import Slack


def test_a_message_that_arrives_is_delivered_with_the_providers_id(channel):
    outcome = channel.send()
    [message] = channel.received
    assert outcome == Delivered(message.id)
    assert message.pings == []


@pytest.mark.parametrize(
    ("fault", "arrived"),
    [
        ({"then": "reset"}, 0),
        ({"then": "reset", "accept": True}, 1),
        ({"then": "truncate", "accept": True}, 1),
        ({"status": 502, "body": "<html>Bad Gateway</html>"}, 0),
        ({"status": 502, "body": "<html>Bad Gateway</html>", "accept": True}, 1),
        ({"status": 500, "body": "{}"}, 0),
        ({"status": 200, "body": "<html>Sign in to the hotel's network</html>"}, 0),
        ({"status": 200, "body": "{}"}, 0),
        ({"status": 403, "body": "<html>Blocked by the proxy</html>"}, 0),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, 0),
        ({"status": 408, "body": "{}"}, 0),
    ],
    ids=lambda value: "" if isinstance(value, int) else "-".join(str(part) for part in value.values())[:40],
)
def test_what_may_have_arrived_is_unknown(channel, fault, arrived):
    channel.server.fault(**fault)
    assert isinstance(channel.send(), Unknown)
    assert len(channel.received) == arrived
    assert len(channel.server.requests) == 1, "nothing is repeated or redirected behind our back"


@pytest.mark.parametrize(
    "fault",
    [
        {"then": "hang"},
        {"then": "hang", "accept": True},
        {"then": "drip", "accept": True},
        {"then": "drip_headers", "accept": True},
    ],
    ids=str,
)
def test_a_slow_answer_ends_at_the_total_deadline_as_unknown(slack, fault):
    slack.server.fault(**fault, seconds=20)
    started = time.monotonic()
    assert isinstance(slack.send(seconds=0.25), Unknown)
    assert time.monotonic() - started < 1


def test_a_slow_but_timely_answer_is_delivered(slack):
    slack.server.fault(delay_ms=200)
    assert isinstance(slack.send(), Delivered)


@pytest.mark.parametrize("header", [None, "7", "30"])
def test_a_429_is_not_sent_and_carries_the_providers_wait(channel, header):
    channel.server.fault(status=429, body="<html>Cloudflare</html>", headers={"Retry-After": header} if header else {})
    outcome = channel.send()
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after == (float(header) if header else None)
    assert channel.received == []


@pytest.mark.parametrize(
    ("name", "body", "seconds"),
    [
        ("slack", {"ok": False, "error": "ratelimited"}, 2),
        ("telegram", {"ok": False, "error_code": 429, "parameters": {"retry_after": 9}}, 9),
        ("discord", {"message": "slow down", "retry_after": 64.57, "global": False}, 64.57),
        ("discord", {"message": "slow down", "retry_after": 0.3, "global": True}, 2),
    ],
)
def test_the_longest_wait_that_an_answer_names_counts(open_channel, name, body, seconds):
    channel = open_channel(name)
    channel.server.fault(status=429, body=json.dumps(body), headers={"Retry-After": "2"})
    said = f"{name.capitalize()}: too many messages, again in {seconds:g} s at the earliest"
    assert channel.send() == NotSent(said, retry_after=seconds)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "Sun, 22 Nov 2026 09:00:40 GMT", "date": "Sun, 22 Nov 2026 09:00:00 GMT"}, 40),
        ({"retry-after": "Sun, 22 Nov 2026 08:00:00 GMT", "date": "Sun, 22 Nov 2026 09:00:00 GMT"}, 0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:40 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e300"}, 30 * 24 * 3600),
        ({}, None),
    ],
)
def test_a_wait_may_be_a_date_and_nonsense_is_no_wait(headers, seconds):
    assert Answer(429, headers, b"{}").retry_after() == seconds


def test_a_closed_port_is_not_sent(channel):
    channel.server.__exit__()
    outcome = channel.send()
    assert isinstance(outcome, NotSent)
    assert "refused" in outcome.error


@pytest.mark.parametrize(
    "url",
    ["http://no-such-host.invalid", "ftp://127.0.0.1", "127.0.0.1", "http://[broken", "http://127.0.0.1:99999"],
)
def test_an_unusable_api_url_is_not_sent(slack, url):
    slack.provider = Slack(url)
    assert isinstance(slack.send(), NotSent)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SSL_CERT_FILE", "/no/such/file"),
        ("HTTP_PROXY", "http://me:pass-word@[broken"),
        ("ALL_PROXY", "socks5://me:pass-word@127.0.0.1:1"),
        ("HTTP_PROXY", "http://me:pass-word@127.0.0.1:1"),
    ],
)
def test_an_unusable_environment_is_not_sent_and_not_quoted(slack, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    outcome = slack.send()
    assert isinstance(outcome, NotSent)
    assert "pass-word" not in outcome.error
    assert slack.server.requests == []


def test_a_server_that_does_not_speak_tls_is_not_sent(channel):
    provider = type(channel.provider)(f"https://127.0.0.1:{channel.server.port}")
    channel.provider = provider
    assert isinstance(channel.send(), NotSent)


def test_a_request_that_was_frozen_while_it_connected_never_leaves(slack, monkeypatch):
    """A laptop sleeps for an hour: the clock of its time-outs may have stood still, but its lease is over."""
    resolve = socket.getaddrinfo
    woken = SystemClock().now() + timedelta(hours=1)

    def sleep(*args, **named):
        monkeypatch.setattr(SystemClock, "now", lambda self: woken)
        return resolve(*args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", sleep)
    assert isinstance(slack.send(), NotSent)
    assert slack.server.requests == []


def test_a_connection_that_does_not_come_about_is_given_up_for_good():
    """A full backlog drops the SYN. Once given up, the request must not leave when there is room again."""
    received = b""
    with socket.socket() as listener, ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        api = http.ChatApi("Slack", "http://{}:{}".format(*listener.getsockname()))
        assert isinstance(api.post("/late", headers={}, fields={}, seconds=0.4), NotSent)
        listener.settimeout(1.5)
        with suppress(TimeoutError):
            while True:
                accepted, _ = listener.accept()
                accepted.settimeout(0.3)
                with accepted, suppress(TimeoutError):
                    received += accepted.recv(1000)
    assert received == b""


def test_no_time_left_is_not_sent(channel):
    assert isinstance(channel.send(seconds=0), NotSent)
    assert channel.server.requests == []


@pytest.mark.parametrize("token", ["line\nbreak", "caf\u00e9", "\x00"])
def test_a_token_that_cannot_stand_in_a_request_is_not_sent_and_not_shown(channel, token):
    outcome = channel.send(token=token)
    if channel.name == "telegram":  # it is quoted into the path there
        assert isinstance(outcome, Refused)
    else:
        assert isinstance(outcome, NotSent)
    assert token not in repr(outcome)
    assert channel.received == []


def test_a_revoked_token_is_refused_with_what_to_do(channel):
    outcome = channel.send(token=channel.token.replace("DISTINCTIVE", "REVOKED----"))
    assert isinstance(outcome, Refused)
    assert f"{channel.name.upper()}_BOT_TOKEN" in outcome.error


def test_an_endless_answer_is_cut_off(channel):
    channel.server.fault(status=200, body="[" + "0," * http.LONGEST_ANSWER)
    assert isinstance(channel.send(), Unknown)


def test_each_send_has_a_connection_of_its_own(channel):
    for part in (1, 2, 3):
        assert isinstance(channel.send(part=part), Delivered)
    assert {request["headers"].get("Connection") for request in channel.server.requests} <= {"keep-alive", "close"}
    pool = channel.provider._api._client._transport._pool
    assert pool.connections == []


def test_discord_takes_a_repeat_within_minutes_for_the_same_message(discord):
    discord.server.fault(then="reset", accept=True)
    assert isinstance(discord.send(), Unknown)
    assert discord.send() == Delivered(discord.received[0].id)
    assert len(discord.received) == 1


def test_discords_message_carries_its_key_where_a_search_can_find_it(discord):
    discord.send()
    payload = discord.received[0].payload
    assert payload["enforce_nonce"] is True
    assert len(payload["nonce"]) == 24
    assert payload["content"].endswith(f"-# ref {payload['nonce']}")


def test_slacks_message_carries_its_key_as_metadata(slack):
    slack.send()
    metadata = slack.received[0].payload["metadata"]
    assert metadata["event_type"] == "watchbell_delivery"
    assert len(metadata["event_payload"]["key"]) == 24


def test_threads_share_one_client(channel):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda part: channel.send(part=part), range(24)))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert len({message.id for message in channel.received}) == 24
