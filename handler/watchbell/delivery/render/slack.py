"""Slack blocks. Plain text objects rather than mrkdwn, which has no escape for `*`, `_` and backticks."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from watchbell.delivery.interface import Stamp
from watchbell.delivery.render.entries import Entry, Style, entries, fit
from watchbell.delivery.render.literal import unfenced
from watchbell.reports.interface import Report

#: Slack's limits, with room to spare: 3,000 a section, 150 a header, 50 blocks; about 13,200 in all is undocumented.
LONGEST_SECTION = 2_900
HARD_SECTION = 3_000
LONGEST_HEADER = 150
LONGEST_MESSAGE = 12_000
MOST_BLOCKS = 50


def message(report: Report, stamp: Stamp) -> dict[str, Any]:
    """Return the fields of a message with as much of the report as fits."""
    return fields(entries(report, stamp))


def fields(whole: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields of a message that pings nobody and shows no previews.

    The fallback text is for notifications and stays short: with a long one Slack has posted a message several times.
    """
    shown = fit(whole, _fits)
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
        text = escape(f"▸ {entry.text}" if entry.style is Style.HEADING else entry.text)
        if filled and len(filled) + 1 + len(text) > LONGEST_SECTION:
            yield filled
            filled = text
        else:
            filled = f"{filled}\n{text}" if filled else text
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


def _fits(shown: Sequence[Entry]) -> bool:
    made = blocks(shown)
    lengths = [len((block.get("text") or block["elements"][0])["text"]) for block in made]
    return len(made) <= MOST_BLOCKS and max(lengths) <= HARD_SECTION and sum(lengths) <= LONGEST_MESSAGE
