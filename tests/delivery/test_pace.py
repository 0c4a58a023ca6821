"""The pace of sends: under the documented rates whatever the order, and not much slower than they allow."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.chat.api import Place as Caller
from fakes.chat.rates import Rates
from fakes.chat_server import ChatServer
from watchbell.delivery import pace as module
from watchbell.delivery.answers import Answer
from watchbell.delivery.discord import Discord
from watchbell.delivery.interface import Delivered, Envelope, NotSent, SendKey
from watchbell.delivery.pace import DISCORD, LONGEST_WAIT_SECONDS, SLACK, TELEGRAM, Pace, digest_of, shared
from watchbell.delivery.slack import Slack
from watchbell.delivery.telegram import Telegram

GROUP = "-1001234567890"
TOKEN = "123456789:DISTINCTIVE-telegram-token-0000000"
LIMITS = {"slack": SLACK, "telegram": TELEGRAM, "discord": DISCORD}


def least(count, *rates):
    """Return the least seconds in which `count` messages fit into sliding windows of (how many, seconds)."""
    times = []
    for number in range(count):
        before = [times[number - many] + seconds for many, seconds in rates if number >= many]
        times.append(max(before, default=0.0))
    return times[-1]


def test_sixty_messages_into_a_group_leave_as_fast_as_twenty_a_minute_allow():
    pace = Pace(TELEGRAM)
    places = [pace.reserve("bot", GROUP, 0.0) for _ in range(60)]
    minimum = least(60, (1, 1), (20, 60))
    assert minimum == 139
    assert minimum <= places[-1] <= 1.2 * least(60, (20, 60)), "even where a whole burst is allowed at once"
    assert all(later - earlier >= 60 for earlier, later in zip(places, places[20:], strict=False))


def test_three_hundred_messages_to_one_bot_stay_below_every_rate_and_near_the_minimum():
    """At real rates, in simulated time, each up to 90 ms late: the server never says 429."""
    chats = [GROUP] * 60 + [str(1000 + number % 60) for number in range(240)]
    fate = random.Random(7)
    fate.shuffle(chats)
    pace, rates = Pace(TELEGRAM), Rates()
    places = sorted((pace.reserve("bot", chat, 0.0) + fate.uniform(0, 0.09), chat) for chat in chats)
    for moment, chat in places:
        rates.admit("telegram", Caller("bot", chat), 1000.0 + moment)
    assert places[-1][0] <= 1.2 * least(60, (1, 1), (20, 60))
    without_group = [moment for moment, chat in places if chat != GROUP]
    assert without_group[-1] <= 1.2 * least(300, (30, 1))


@pytest.mark.parametrize(
    ("name", "chat_id", "count", "rates"),
    [
        ("slack", "C1", 20, [(1, 1)]),
        ("slack", "webhook", 20, [(1, 1)]),
        ("telegram", "1234", 20, [(1, 1)]),
        ("discord", "1100000000000000001", 40, [(5, 5)]),
        ("discord", "webhook/ops", 70, [(5, 2), (30, 60)]),
    ],
)
def test_one_chat_gets_its_messages_nearly_as_fast_as_documented(name, chat_id, count, rates):
    pace, server = Pace(LIMITS[name]), Rates()
    places = [pace.reserve("bot", chat_id, 0.0) for _ in range(count)]
    for place in places:
        kind = "webhook" if chat_id.startswith("webhook") else "send"
        server.admit(name, Caller("bot", chat_id, kind), 1000.0 + place)
    assert places[-1] <= 1.2 * least(count, *rates)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(["slack", "telegram", "discord"]),
    sends=st.lists(
        st.tuples(st.sampled_from(["1", "2", "-3", "-4"]), st.sampled_from("ab"), st.floats(0, 3)),
        max_size=60,
    ),
)
def test_in_whatever_order_and_whenever_asked_no_place_is_above_a_documented_rate(name, sends):
    pace, rates, now, places = Pace(LIMITS[name]), Rates(), 0.0, []
    for chat, bot, pause in sends:
        now += pause
        places.append((now + pace.reserve(bot, chat, now), chat, bot))
    for moment, chat, bot in sorted(places):
        rates.admit(name, Caller(bot, chat), 1000.0 + moment)


def test_a_topic_and_a_thread_count_as_their_chat():
    pace = Pace(TELEGRAM)
    assert pace.reserve("bot", GROUP, 0.0) == 0
    assert pace.reserve("bot", f"{GROUP}/42", 0.0) >= 1


def test_a_busy_chat_does_not_delay_another():
    pace = Pace(TELEGRAM)
    assert [pace.reserve("bot", GROUP, 0.0) for _ in range(60)][-1] > 120
    assert pace.reserve("bot", "1234", 0.0) == 0


def test_a_place_further_ahead_than_the_caller_can_wait_is_not_taken():
    pace = Pace(SLACK)
    pace.reserve("bot", "C1", 0.0)
    first = pace.reserve("bot", "C1", 0.0, within=0.5)
    assert first > 0.5
    assert pace.reserve("bot", "C1", 0.0, within=5) == first
    assert pace.reserve("bot", "C1", 0.0) > first
    waits = [pace.reserve("bot", "C2", 0.0) for _ in range(400)]
    assert waits[-1] == waits[-2] > LONGEST_WAIT_SECONDS, "nobody waits longer than a tick"


def test_two_bots_do_not_share_places_and_a_token_is_not_kept():
    pace = Pace(SLACK)
    one, other = (digest_of({"bot_token": f"xoxb-{name}-token"}) for name in ("one", "other"))
    assert pace.reserve(one, "C1", 0.0) == pace.reserve(other, "C1", 0.0) == 0
    assert "xoxb" not in repr(vars(pace))


def test_provider_objects_of_one_process_share_their_places_and_those_of_another_server_do_not():
    url = "http://127.0.0.1:9/once"
    credentials = {"bot_token": "xoxb-1-shared"}
    assert Slack(url).reserve("C1", credentials) == 0
    assert Slack(f"{url}/").reserve("C1", credentials) > 0.5
    assert Slack("http://127.0.0.1:9/twice").reserve("C1", credentials) == 0
    assert shared("Slack", url, SLACK) is shared("Slack", url, SLACK)


def test_a_reservation_does_not_sleep():
    provider, credentials = Telegram("http://127.0.0.1:9/sleepless"), {"bot_token": TOKEN}
    started = time.monotonic()
    assert [provider.reserve(GROUP, credentials) for _ in range(60)][-1] > 100
    assert time.monotonic() - started < 1


def answered(status=429, body=b"{}", **headers):
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_a_wait_that_was_told_delays_later_places_of_the_chat_alone():
    pace = Pace(SLACK)
    pace.learn("bot", "C1", answered(), NotSent("", retry_after=7.5), 100.0)
    assert pace.reserve("bot", "C1", 100.0) == 7.5
    assert pace.reserve("bot", "C2", 100.0) == 0


@pytest.mark.parametrize(
    "answer",
    [
        answered(x_ratelimit_scope="global"),
        answered(x_ratelimit_global="true"),
        answered(body=b"<html>Cloudflare</html>"),
    ],
)
def test_a_wait_for_all_delays_the_whole_bot(answer):
    pace = Pace(DISCORD)
    pace.learn("bot", "1", answer, NotSent("", retry_after=7.5), 100.0)
    assert pace.reserve("bot", "2", 100.0) == 7.5
    assert pace.reserve("another", "2", 100.0) == 0


def test_three_chats_told_to_wait_at_once_mean_the_whole_bot():
    pace = Pace(TELEGRAM)
    for number, chat in enumerate(("1", "2", "3")):
        assert pace.reserve("bot", "9", 100.0 + 2 * number) == 0
        pace.learn("bot", chat, answered(), NotSent("", retry_after=30), 100.0)
    assert pace.reserve("bot", "9", 110.0) == 20


def test_an_empty_bucket_is_waited_out_and_its_size_is_learnt():
    pace, headers = Pace(DISCORD), {"x_ratelimit_limit": "2"}
    first = answered(200, x_ratelimit_remaining="1", x_ratelimit_reset_after="10.0", **headers)
    pace.learn("bot", "1", first, Delivered("1"), 100.0)
    assert [pace.reserve("bot", "1", 100.0) for _ in range(3)] == [0, 0, pytest.approx(10.3)]
    last = answered(200, x_ratelimit_remaining="0", x_ratelimit_reset_after="40.0", **headers)
    pace.learn("bot", "2", last, Delivered("1"), 100.0)
    assert pace.reserve("bot", "2", 100.0) == pytest.approx(40.1)


@pytest.mark.parametrize("number", ["", "many", "nan", "-1", "1e300"])
def test_headers_that_make_no_sense_teach_nothing(number):
    pace = Pace(DISCORD)
    names = ("x_ratelimit_limit", "x_ratelimit_remaining", "x_ratelimit_reset_after")
    pace.learn("bot", "1", answered(200, **dict.fromkeys(names, number)), Delivered("1"), 100.0)
    assert pace.reserve("bot", "1", 100.0) == 0


def test_chats_of_long_ago_are_forgotten():
    pace = Pace(TELEGRAM)
    for number in range(3_000):
        pace.reserve("bot", str(number), number * 10.0)
    assert len(pace._lines) <= module._MANY_LINES + 2


@pytest.mark.parametrize(
    ("name", "status", "headers", "body", "seconds"),
    [
        ("slack", 429, {"Retry-After": "3"}, '{"ok": false, "error": "ratelimited"}', 3),
        ("slack", 200, {"Retry-After": "3"}, '{"ok": false, "error": "ratelimited"}', 3),
        ("slack", 429, {"Retry-After": "2.5"}, "<p>slow down</p>", 2.5),
        ("slack", 429, {"Retry-After": "Sun, 22 Nov 2026 09:00:40 GMT", "Date": "Sun, 22 Nov 2026 09:00:00 GMT"},
         "", 40),
        ("telegram", 429, {}, '{"ok": false, "error_code": 429, "parameters": {"retry_after": 9}}', 9),
        ("telegram", 429, {"Retry-After": "9"}, "<html>nginx</html>", 9),
        ("discord", 429, {"Retry-After": "1"}, '{"message": "", "retry_after": 0.35, "global": false}', 1),
        ("discord", 429, {}, '{"message": "", "retry_after": 64.57, "global": false}', 64.57),
        ("discord", 429, {"X-RateLimit-Scope": "shared", "X-RateLimit-Reset-After": "64.57", "X-RateLimit-Limit": "5",
                          "X-RateLimit-Remaining": "0", "Retry-After": "1337"},
         '{"message": "", "retry_after": 1336.57, "global": false}', 1337),
        ("discord", 429, {"X-RateLimit-Scope": "global", "X-RateLimit-Global": "true", "Retry-After": "65"},
         '{"message": "", "retry_after": 64.57, "global": true}', 65),
        ("discord", 429, {"Retry-After": "30"}, "<html>Error 1015</html>", 30),
        ("discord", 403, {}, '{"code": 20016, "message": "slow mode", "retry_after": 12.5}', 12.5),
    ],
)  # fmt: skip
def test_each_form_of_wait_is_told_exactly_and_obeyed_by_later_places(
    open_channel, name, status, headers, body, seconds
):
    channel = open_channel(name)
    channel.server.fault(status=status, headers=headers, body=body)
    outcome = channel.send()
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after == seconds
    chat_id = {"slack": "C0123ABCD", "telegram": GROUP, "discord": "1100000000000000001"}[name]
    wait = channel.provider.reserve(chat_id, {"bot_token": channel.token}, within=10_000)
    assert seconds - 0.5 < wait <= seconds
    others = channel.provider.reserve("4711", {"bot_token": channel.token}, within=10_000)
    assert others == 0 or (others > 1 and (headers.get("X-RateLimit-Global") or "<" in body or not body))


def test_discords_buckets_are_kept_by_the_headers_of_a_real_server():
    with ChatServer(rates=10.0) as server:
        provider = Discord(server.discord_url, pace=Pace(DISCORD, speed=10.0))
        elapsed = send_all(provider, ["1100000000000000001"] * 20, {"bot_token": f"{'d' * 24}.abcdef.{'0' * 30}"})
        assert server.stats()["429s"] == 0
        assert server.stats()["posted"] == {"discord": 20}
    assert elapsed < 3 * (5 * 1.02 / 10 + 0.1) + 1.5


def send_all(provider, chats, credentials):
    """Send one message to each of `chats` at once, each from a thread of its own; return how long it took."""
    part = provider.render_lines("Digest", ["all is well"])
    idle = threading.Event()

    def send(numbered):
        number, chat = numbered
        idle.wait(provider.reserve(chat, credentials))
        key = SendKey(task_id=f"{number:012x}", fire_time="2026-11-22T09:00Z", target=f"x:{chat}", part=1)
        return provider.send(part, Envelope(chat_id=chat, key=key, credentials=credentials), 20)

    started = time.monotonic()
    with ThreadPoolExecutor(len(chats)) as pool:
        outcomes = list(pool.map(send, enumerate(chats)))
    elapsed = time.monotonic() - started
    provider._api.close()
    assert {type(outcome) for outcome in outcomes} <= {Delivered, NotSent}
    return elapsed


@pytest.mark.timeout(300)
def test_three_hundred_sends_through_one_bot_meet_no_429_and_take_little_longer_than_they_must():
    """60 of them go into one group. Both sides share a clock that runs faster."""
    chats = [GROUP] * 60 + [str(1000 + number % 60) for number in range(240)]
    random.Random(3).shuffle(chats)
    for speed in (15.0, 15.0, 5.0, 2.0):  # a machine that is busy elsewhere stalls threads: less so in a slower time
        longest = 1.2 * least(60, (1, 1), (20, 60)) / speed
        with ChatServer(rates=speed) as server:
            provider = Telegram(server.telegram_url, pace=Pace(TELEGRAM, speed=speed, slack_seconds=0.9 / speed))
            elapsed = send_all(provider, chats, {"bot_token": TOKEN})
            stats = server.stats()
        if stats["429s"] == 0 and elapsed <= longest:
            break
    assert stats["429s"] == 0
    assert stats["posted"] == {"telegram": 300}
    assert elapsed <= longest
