"""Text from alerts and labels appears literally and does nothing: asserted on what each server received."""

import json
import re
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.chat_server import discord_message, slack_message, telegram_message
from watchbell.delivery.interface import Delivered
from watchbell.delivery.render import discord as discord_dialect
from watchbell.delivery.render import html, plain
from watchbell.delivery.render import slack as slack_dialect
from watchbell.delivery.render import telegram as telegram_dialect
from watchbell.delivery.render.literal import MARK, literal
from watchbell.delivery.render.split import shortened
from watchbell.reports.interface import Coverage, CoverageStatus, Number, Section

TOKENS = {
    "slack": "xoxb-1-abc",
    "telegram": "123456789:AAE-abcdefghijklmnopqrstuvwxyz_0123",
    "discord": "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789",
}

HOSTILE = {
    "broadcast": "<!channel> <!here> <@U012AB3CD> <!subteam^S1|x> <https://evil.example|click> <#C1>",
    "everyone": "@everyone @here @admin_bot <@123456> <@&99> <t:1>",
    "html": "<b>bold</b> <a href='https://evil.example'>x</a> &lt; &amp; &apos; </pre></code>",
    "markdown": "*_~ **b** __u__ ~~s~~ ||spoiler|| [x](https://evil.example) # h > q - li",
    "backticks": "` `` ``` ```` `````",
    "placeholders": "{0} %s {} \\1 \\g<0> $x ${x}",
}
INVISIBLE = {
    "right to left": "user\u202egnp.exe \u2066x\u2069 \u200f",
    "ansi": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b1m",
    "controls": "a\x00b\rc\nd\te\x7f\x85 \u2028",
    "zero width": "pay\u200bload\ufeff \u2060\u00ad",
    "surrogates": "\ud800 \udfff",
    "noncharacters": "\uffff \U0010ffff",
}


def report_full_of(text, report):
    return replace(
        report,
        title=text[:60],
        reason=text[:60],
        coverage=(Coverage(source=text[:20], status=CoverageStatus.FAILED, detail=text[:60]),),
        numbers=(Number(name=text[:20], value=1, previous=2),),
        still_firing=(text,),
        actions=(text,),
        sections=(
            Section(title=text[:60], lines=(text,), columns=("alert", text[:10]), rows=((text, "1"), ("x", text))),
        ),
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_appears_literally_and_pings_nobody(channel, kind):
    text = HOSTILE[kind]
    assert isinstance(channel.send(report=report_full_of(text, channel.report)), Delivered)
    [message] = channel.received
    assert message.pings == []
    shown = re.sub(r"\s+", " ", message.text).replace("\N{MODIFIER LETTER GRAVE ACCENT}", "`")  # a fence in a block
    assert shown.count(text) >= 3


@pytest.mark.parametrize("kind", INVISIBLE)
def test_what_cannot_be_seen_does_not_act(channel, kind):
    assert isinstance(channel.send(report=report_full_of(INVISIBLE[kind], channel.report)), Delivered)
    [message] = channel.received
    assert all(character.isprintable() or character in f"\n{MARK}" for character in message.text)


def test_a_long_annotation_is_shortened_with_a_count_and_the_rest_survives(channel):
    report = replace(
        report_full_of("A" * 5000, channel.report),
        sections=(Section(title="Alerts", lines=("A" * 5000, "the last line")),),
    )
    assert isinstance(channel.send(report=report), Delivered)
    [message] = channel.received
    assert "A" * 100 in message.text
    assert "(4,600 more characters)" in message.text
    assert "the last line" in message.text


@pytest.mark.parametrize("character", ["&", "<", "*", "`", "@", "\U0001f6a8", "\\", "x"])
def test_the_worst_report_still_fits_with_verdict_coverage_and_what_still_fires(channel, character):
    filler = character * 5000
    report = replace(
        report_full_of(filler, channel.report),
        title=filler,
        reason=filler,
        still_firing=(filler,) * 50,
        actions=(filler,) * 5,
        numbers=(Number(name=filler, value=1, previous=2),) * 9,
        sections=(Section(title=filler, lines=(filler,) * 50, columns=(filler,) * 5, rows=((filler,) * 5,) * 50),),
    )
    assert {type(outcome) for outcome in channel.send_all(report)} == {Delivered}
    assert [message.pings for message in channel.received] == [[]] * len(channel.received)
    shown = channel.received[0].text
    assert "ATTENTION" in shown
    assert "Asia/Kolkata" in shown
    assert "Coverage 0/1" in shown
    assert "Still firing (50)" in shown
    assert "task a1b2c3d4e5f6" in shown
    assert "task a1b2c3d4e5f6" in channel.received[-1].text


def test_the_fallback_text_for_slacks_notifications_is_short_and_has_no_markup(slack):
    slack.send(report=report_full_of(HOSTILE["broadcast"], slack.report))
    payload = slack.received[0].payload
    assert len(payload["text"]) < 1000
    assert "<" not in payload["text"]
    assert payload["mrkdwn"] is False
    assert "link_names" not in payload


def test_literal_leaves_ordinary_text_of_any_language_alone():
    text = "Zahlung fehlgeschlagen · 支払い失敗 · פג · ओम · 🚨 naïve"
    assert literal(text).replace(MARK, "") == text


def test_marks_that_are_piled_up_do_not_cover_other_lines():
    assert literal("a" + "\u0301" * 150 + "b" + "\u20dd" * 9) == "a" + "\u0301" * 4 + "b" + "\u20dd" * 4
    spoken = "e\u0302\u0323 \u05e9\u05c1\u05b8\u05bd \u0e17\u0e35\u0e48 1\ufe0f\u20e3"
    assert literal(spoken).replace(MARK, "") == spoken


#: Letters and figures that run from right to left: Hebrew, Arabic, Arabic figures.
RIGHT_TO_LEFT = ["\u05d0", "\u0634", "\u0663", "\u05e9\u05b8", "\u05d0 \u05d1", "(\u05d0)"]
LOOSE_FIGURE = re.compile(r"[\u0590-\u08ff][^\w\u200e]*[-+\d(]")


def report_beside(letters, report):
    """Figures beside a label that ends with such letters, in every place that a report has."""
    label = f"checkout{letters}"
    return replace(
        report,
        title=f"{label} 7",
        reason=f"{label} 3 times",
        coverage=(Coverage(source=label, status=CoverageStatus.FAILED, detail=f"{label} 5 times"),),
        numbers=tuple(Number(name=label, value=value, previous=9) for value in range(5)),
        still_firing=tuple(f"{label} 2 d, {letters} 3 h" for _ in range(9)),
        sections=(
            Section(title=label, lines=(f"{label} {'x' * 380}{letters} 12",), columns=("alert", "firings", letters)),
            Section(title="T", columns=("alert", "n", letters), rows=((label, "5", "12"), ("checkout", "5", "12"))),
            Section(title="W", columns=("alert", "n", letters), rows=((label, "5", "x" * 40),)),
        ),
    )


@pytest.mark.parametrize("letters", RIGHT_TO_LEFT)
def test_figures_stay_where_they_are_beside_a_label_that_runs_from_right_to_left(channel, letters):
    assert {type(outcome) for outcome in channel.send_all(report_beside(letters, channel.report))} == {Delivered}
    for message in channel.received:
        assert letters in message.text.replace(MARK, "")
        assert not LOOSE_FIGURE.findall(message.text)


@pytest.mark.parametrize("letters", RIGHT_TO_LEFT)
def test_figures_stay_where_they_are_in_plain_text_and_on_a_page(make_report, stamp, letters):
    report = report_beside(letters, make_report())
    assert not LOOSE_FIGURE.findall(plain.message(report, stamp))
    assert not LOOSE_FIGURE.findall(html.page(report, stamp))


def test_columns_stay_aligned_below_a_label_that_runs_from_right_to_left(make_report, stamp):
    report = report_beside("\u05d0", make_report())
    [columns, *rows] = plain.message(report, stamp).split("\nT\n")[1].replace(MARK, "").splitlines()[:3]
    assert columns.startswith("alert      n  ")
    assert rows == ["checkout\u05d0  5  12", "checkout   5  12"]


def test_a_text_that_is_made_literal_again_stays_the_same():
    once = literal("p99\u05d0 3 (\u0634\u0639 5) \u200e\u200f")
    assert literal(once) == once
    assert once.count(MARK) == 4
    assert shortened(literal("\u05d0" * 50), 20).endswith(f"{MARK}… (32 more characters)")


def test_bodies_are_plain_json(channel):
    [part] = channel.provider.render(report_full_of(HOSTILE["html"], channel.report), channel.stamp)
    assert json.loads(json.dumps(part.body)) == part.body


@given(st.text(alphabet=st.characters() | st.sampled_from("<>&*_~`@\\|[]()#\n\u202e"), max_size=80), st.integers(1, 60))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_the_text_each_dialect_is_accepted_and_pings_nobody(make_report, stamp, text, count):
    report = replace(report_full_of(text, make_report()), still_firing=(text,) * count)
    for body in slack_dialect.messages(report, stamp):
        assert slack_message({"Authorization": f"Bearer {TOKENS['slack']}"}, {**body, "channel": "C1"})[1] == []
    for body in telegram_dialect.messages(report, stamp):
        assert telegram_message(TOKENS["telegram"], body)[1] == []
    headers = {"Authorization": f"Bot {TOKENS['discord']}", "User-Agent": "DiscordBot (https://example.com, 1)"}
    for body in discord_dialect.messages(report, stamp):
        assert discord_message(headers, "1100000000000000001", body)[1] == []


def test_telegrams_html_reads_as_the_plain_text(telegram):
    report = report_full_of(HOSTILE["html"], telegram.report)
    [part] = telegram.provider.render(report, telegram.stamp)
    assert unescape(re.sub(r"<[^>]*>", "", part.body["text"])) == plain.message(report, telegram.stamp)


#: What Telegram's clients turn into links and commands in bare text.
LIVE = [
    "https://evil.example",
    "HTTP://evil",
    "evil.example",
    "evil-.ws/x",
    "t.me/evil",
    "tg://user?id=1",
    "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
    "x.\u092d\u093e\u0930\u0924",
    "10.0.0.5:9100",
    "/start",
    "(/start",
    "#tag",
    "$TAG",
]


def outside_code(body):
    return unescape(re.sub(r"<[bi]>|</[bi]>", "", re.sub(r"<(code|pre)>.*?</\1>", "", body["text"], flags=re.DOTALL)))


@pytest.mark.parametrize("text", LIVE)
def test_telegram_makes_no_link_of_text_from_outside(make_report, stamp, text):
    [body] = telegram_dialect.messages(report_full_of(text, make_report()), stamp)
    assert body["text"].count(text) >= 6
    assert text not in outside_code(body)
    assert text not in telegram_dialect.without_markup(body)["text"]
    assert text not in telegram_dialect.pingless(f"a caption: {text}")


def test_ordinary_lines_stay_plain_in_telegram(make_report, stamp):
    lines = (
        "p99 0.25 s (+0.05), .5 of 1/2, 89 % · v1.2.3 · 1,234.5 · 3.5h",
        "for 1 d 2 h, since 21 Nov 20:37 UTC (Asia/Kolkata). Then it was over... and/or not: see above; a-b_c",
        "costs $ 5, # 3, 5 / 7, 2026-11-22T09:00Z, 09:00\u201317:00, e.g. this, \u00b10",
    )
    report = make_report(sections=(Section(title="Lines 1.5", lines=lines),), actions=("Look at it",))
    [body] = telegram_dialect.messages(report, stamp)
    assert "<code>" not in body["text"]


@pytest.mark.parametrize("label", ["DiskFull", "web.example", "\u05d0"])
def test_the_runbook_that_a_report_offers_stays_a_link(make_report, stamp, label):
    link = "https://wiki.example/runbooks/disk?full=1&x=2#top"
    report = make_report(actions=(f"Look at {label} (critical), owner {label}; runbook: {link}",))
    [body] = telegram_dialect.messages(report, stamp)
    assert link in outside_code(body)
    assert "web.example" not in outside_code(body)
    assert link in telegram_dialect.without_markup(body)["text"]


@pytest.mark.parametrize("link", ["tg://user?id=1", "https://ann@evil.example", "https://evil.example /start"])
def test_what_is_no_address_of_a_page_is_no_runbook(make_report, stamp, link):
    [body] = telegram_dialect.messages(make_report(actions=(f"Look at it; runbook: {link}",)), stamp)
    assert link not in outside_code(body)
    assert link not in telegram_dialect.without_markup(body)["text"]


def test_many_lines_that_could_be_links_keep_telegrams_limit_on_entities(make_report, stamp):
    sections = (Section(title="All", lines=tuple(f"a{n}.example" for n in range(300))),)
    bodies = telegram_dialect.messages(make_report(sections=sections), stamp)
    assert all(body["text"].count("</") <= 100 for body in bodies)
    assert not any(".example" in outside_code(body) for body in bodies)
    assert sum(body["text"].count(".example") for body in bodies) == 300
    repeated = telegram_dialect.messages(make_report(sections=sections), replace(stamp, repeat=True, late_seconds=7500))
    assert [body["text"].split("\n<i>")[0] for body in repeated] == [body["text"].split("\n<i>")[0] for body in bodies]
