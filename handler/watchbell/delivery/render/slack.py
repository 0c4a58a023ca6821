"""Slack blocks. Plain text objects rather than mrkdwn, which has no escape for `*`, `_` and backticks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from watchbell.delivery.interface import Stamp
from watchbell.delivery.render.entries import Entry, Style
from watchbell.delivery.render.literal import unfenced
from watchbell.delivery.render.split import cut_to_lines, fit, split
from watchbell.reports.interface import Report

#: Slack's limits, with room to spare: 3,000 a section, 150 a header, 50 blocks; about 13,200 in all is undocumented.
LONGEST_SECTION = 2_900
HARD_SECTION = 3_000
LONGEST_HEADER = 150
LONGEST_MESSAGE = 12_000
MOST_BLOCKS = 50

#: Slack cuts a text above 4,000 into several messages.
LONGEST_PLAIN_TEXT = 3_900


def messages(report: Report, stamp: Stamp) -> tuple[dict[str, Any], ...]:
    """Return the fields of each message that the report takes."""
    return tuple(map(_fields, split(report, stamp, _fits)))


def notice(whole: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields of one message with as many of the entries as fit."""
    return _fields(fit(whole, _fits))


def without_markup(body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Return a message as plain text, for when its blocks are not taken, and how many lines that leaves out.

    It has less room than blocks have; what is cut is never the foot, which says what the run was and what may repeat.
    """
    foot = "".join(f"\n{_text_of(block)}" for block in body["blocks"] if block["type"] == "context")
    texts = [_text_of(block) for block in body["blocks"] if block["type"] != "context"]
    plain = "\n".join(text.removeprefix("```\n").removesuffix("\n```") for text in texts)
    shown, left_out = cut_to_lines(plain, lambda some: len(some) + len(foot) <= LONGEST_PLAIN_TEXT)
    rest = {name: value for name, value in body.items() if name != "blocks"}
    return {**rest, "text": shown + foot}, left_out


def _fields(shown: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields of a message that pings nobody and shows no previews.

    The fallback text is for notifications and stays short: with a long one Slack has posted a message several times.
    """
    return {
        "text": escape(shown[0].text),
        "mrkdwn": False,
        "parse": "none",
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": blocks(shown),
    }


def escape(text: str) -> str:
    """Every control sequence of Slack begins with `<`: mentions, broadcasts, links, dates."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def blocks(shown: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return a header for the headline, and sections of lines or of table rows."""
    return [_block(style, texts) for style, run in groupby(shown, key=_look) for texts in _sections(run)]


def _look(entry: Entry) -> Style:
    """Headings stand among the lines: plain text objects know no bold."""
    return Style.LINE if entry.style is Style.HEADING else entry.style


def _sections(run: Iterable[Entry]) -> Iterator[str]:
    """Fill sections with whole entries."""
    filled = ""
    for entry in run:
        heads = entry.style is Style.HEADING
        text = escape(f"▸ {entry.text}" if heads else entry.text)
        space = "\n\n" if heads else "\n"
        if filled and len(filled) + len(space) + len(text) > LONGEST_SECTION:
            yield filled
            filled = text
        else:
            filled = f"{filled}{space}{text}" if filled else text
    yield filled


def _block(style: Style, text: str) -> dict[str, Any]:
    if style is Style.ROW:
        fenced = {"type": "mrkdwn", "text": f"```\n{unfenced(text)}\n```", "verbatim": True}
        return {"type": "section", "text": fenced}
    plain = {"type": "plain_text", "text": text, "emoji": False}
    if style is Style.FOOT:
        return {"type": "context", "elements": [plain]}
    kind = "header" if style is Style.HEADLINE and len(text) <= LONGEST_HEADER else "section"
    return {"type": kind, "text": plain}


def _text_of(block: Mapping[str, Any]) -> str:
    return str((block.get("text") or block["elements"][0])["text"])


def _fits(shown: Sequence[Entry]) -> bool:
    made = blocks(shown)
    lengths = [len(_text_of(block)) for block in made]
    return len(made) <= MOST_BLOCKS and max(lengths) <= HARD_SECTION and sum(lengths) <= LONGEST_MESSAGE
