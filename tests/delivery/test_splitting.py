"""A report in several messages: nothing lost, nothing twice, in order, and every message within its limits."""

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.chat_server import discord_message, slack_message, telegram_message
from watchbell.delivery.discord import Discord
from watchbell.delivery.interface import Delivered
from watchbell.delivery.render import plain
from watchbell.delivery.render.entries import Style, details, entries
from watchbell.delivery.render.split import MOST_PARTS, split
from watchbell.delivery.slack import Slack
from watchbell.delivery.telegram import Telegram
from watchbell.reports.interface import Number, Section

TOKENS = {
    "slack": "xoxb-1-abc",
    "telegram": "123456789:AAE-abcdefghijklmnopqrstuvwxyz_0123",
    "discord": "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789",
}
PROVIDERS = {"slack": Slack(), "telegram": Telegram(), "discord": Discord()}
MARK = re.compile("¤(\\d+)¤")


def shown(name, body):
    """What a reader sees, by the strict fake, which refuses what breaks a limit or the markup."""
    if name == "slack":
        return slack_message({"Authorization": f"Bearer {TOKENS[name]}"}, {**body, "channel": "C1"})
    if name == "telegram":
        return telegram_message(TOKENS[name], body)
    headers = {"Authorization": f"Bot {TOKENS[name]}", "User-Agent": "DiscordBot (https://example.com, 1)"}
    return discord_message(headers, "1100000000000000001", body)


def marks(texts):
    return [int(number) for text in texts for number in MARK.findall(text)]


hostile = st.text(
    alphabet=st.characters(exclude_characters="¤") | st.sampled_from("<>&*_~`@\\|[]()#\n\u202e🚨"), max_size=120
) | st.sampled_from(["```", "</pre>", "<!channel>", "@everyone", "&" * 300, "🚨" * 300, "`" * 300, "@a " * 100])


@st.composite
def sections(draw):
    """Sections whose every line and row begins with a mark that counts up."""
    count = iter(range(10**6))

    def marked(text):
        return f"¤{next(count)}¤ {text}"

    made = []
    for _ in range(draw(st.integers(0, 5))):
        texts = draw(st.lists(hostile, min_size=1, max_size=6))
        lines = tuple(marked(texts[n % len(texts)]) for n in range(draw(st.integers(0, 40))))
        columns = tuple(draw(st.lists(hostile, max_size=4)))
        width = max(1, len(columns))
        rows = tuple(
            (marked(texts[n % len(texts)]), *(texts[(n + m) % len(texts)] for m in range(1, width)))
            for n in range(draw(st.integers(0, 30)))
        )
        made.append(Section(title=draw(hostile), lines=lines, columns=columns, rows=rows))
    return tuple(made), next(count)


@pytest.mark.parametrize("name", PROVIDERS)
@given(made=sections(), title=hostile)
@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
def test_every_entry_appears_exactly_once_and_in_order(name, make_report, stamp, made, title):
    report = make_report(title=title, sections=made[0])
    parts = PROVIDERS[name].render(report, stamp)
    assert parts == PROVIDERS[name].render(report, stamp)
    visible = [shown(name, part.body) for part in parts]
    assert all(pings == [] for _, pings in visible)
    found = marks(text for text, _ in visible)
    assert found == list(range(len(found)))
    missing = made[1] - len(found)
    assert missing == 0 or (len(parts) == MOST_PARTS and "more line" in visible[-1][0])


def long_report(make_report, rows=1000):
    return make_report(
        numbers=tuple(Number(name=f"N{n}", value=n, previous=n) for n in range(6)),
        still_firing=tuple(f"Alert{n} for {n} h" for n in range(60)),
        actions=("Grow the disk",),
        sections=(
            Section(title="Alerts", columns=("alert", "n"), rows=tuple((f"Alert{n}", str(n)) for n in range(rows))),
            Section(title="Silences", lines=tuple(f"silence {n} by ann@example.com" for n in range(150))),
        ),
    )


def test_parts_are_numbered_and_each_can_be_traced(channel):
    report = long_report(lambda **changes: replace(channel.report, **changes))
    outcomes = channel.send_all(report)
    assert 1 < len(outcomes) < MOST_PARTS
    assert {type(outcome) for outcome in outcomes} == {Delivered}
    texts = [message.text for message in channel.received]
    for number, text in enumerate(texts, start=1):
        assert f"ATTENTION · Payments digest ({number}/{len(texts)})" in text.splitlines()[0]
        assert "task a1b2c3d4e5f6 · 2026-11-22T09:00Z" in text
        assert ("continued" in text.splitlines()[-1]) == (number < len(texts))
    assert "Coverage 1/1" in texts[0]
    assert not any("Coverage" in text for text in texts[1:])
    assert all(message.pings == [] for message in channel.received)


def test_a_table_that_goes_on_repeats_its_heading_and_its_columns(channel):
    report = long_report(lambda **changes: replace(channel.report, **changes))
    channel.send_all(report)
    texts = [message.text for message in channel.received]
    begun = next(n for n, text in enumerate(texts) if re.search(r"^alert +n$", text, re.MULTILINE))
    assert "Alert999" not in texts[begun], "the table spans messages"
    heading, columns = re.search(r"(Alerts \(continued\))[*`\s]*\n(alert +n)\n", texts[begun + 1]).groups()
    assert texts[begun + 1].index(heading) < 120
    assert columns in texts[begun]


def test_a_heading_or_a_column_row_never_stands_last(make_report, stamp):
    report = long_report(make_report)
    for limit in range(600, 2000, 37):
        for part in split(report, stamp, lambda some, limit=limit: len(plain.text(some)) <= limit):
            last = [entry for entry in part if entry.style is not Style.FOOT][-1]
            assert not last.leads


@pytest.mark.parametrize("changes", [{"late_seconds": 7500}, {"repeat": True}, {"late_seconds": 10**7, "repeat": True}])
def test_a_late_or_repeated_send_makes_the_same_parts(channel, changes):
    report = long_report(lambda **more: replace(channel.report, **more))
    for rows in range(0, 1000, 97):
        report = long_report(lambda **more: replace(channel.report, **more), rows)
        plainly = [shown(channel.name, part.body)[0] for part in channel.provider.render(report, channel.stamp)]
        later = channel.provider.render(report, replace(channel.stamp, **changes))
        for before, after in zip(plainly, [shown(channel.name, part.body)[0] for part in later], strict=True):
            assert before.splitlines()[:-1] == after.splitlines()[: len(before.splitlines()) - 1]


def test_a_possible_repeat_is_said_in_the_very_part_that_may_be_one(channel):
    report = long_report(lambda **changes: replace(channel.report, **changes))
    for part in channel.provider.render(report, replace(channel.stamp, repeat=True)):
        assert "This may be a repeat" in shown(channel.name, part.body)[0]


def test_beyond_ten_parts_the_rest_is_counted(channel):
    report = replace(
        channel.report, sections=(Section(title="All", lines=tuple(f"¤{n}¤ line" for n in range(20_000))),)
    )
    parts = channel.provider.render(report, channel.stamp)
    texts = [shown(channel.name, part.body)[0] for part in parts]
    assert len(parts) == MOST_PARTS
    found = marks(texts)
    assert found == list(range(len(found)))
    assert f"… and {20_000 - len(found)} more lines left out" in texts[-1]
    assert "task a1b2c3d4e5f6" in texts[-1]


def test_the_last_part_says_nothing_is_left_out_where_nothing_is(make_report, stamp):
    report = make_report(sections=(Section(title="All", lines=tuple(f"line {n}" for n in range(200))),))
    lines = [entry.text for entry in details(report)]
    for limit in (500, 700, 900):
        parts = split(report, stamp, lambda some, limit=limit: len(plain.text(some)) <= limit)
        held = [entry.text for part in parts for entry in part]
        assert [text for text in held if text in lines] == lines or len(parts) == MOST_PARTS
        assert any("left out" in text for text in held) == (set(lines) - set(held) != set())


def test_a_single_part_has_no_number(channel):
    [part] = channel.render()
    assert "(1/1)" not in shown(channel.name, part.body)[0]


def test_a_row_too_long_for_any_message_is_shortened_with_a_count(channel):
    report = replace(channel.report, sections=(Section(title="Wide", rows=(("&" * 120,) * 60, ("last",))),))
    texts = [shown(channel.name, part.body)[0] for part in channel.render(report)]
    assert re.search(r"& … \(|&… \([\d,]+ more characters\)", "\n".join(texts))
    assert "last" in texts[-1]


def test_splitting_a_very_long_report_is_quick(make_report, stamp):
    report = make_report(sections=(Section(title="All", lines=tuple(f"line {n}" for n in range(20_000))),))
    seen = 0

    def fits(some):
        nonlocal seen
        seen += len(some)
        return len(plain.text(some)) <= 4000

    assert len(split(report, stamp, fits)) == MOST_PARTS
    assert seen < 30 * len(entries(report, stamp))


def test_the_console_gets_the_whole_in_one_piece(make_report, stamp):
    assert "line 19999" in plain.message(
        make_report(sections=(Section(title="All", lines=tuple(f"line {n}" for n in range(20_000))),)), stamp
    )
