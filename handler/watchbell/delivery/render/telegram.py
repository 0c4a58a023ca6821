"""Telegram's HTML: three characters to escape, and lines with an `@` as code, because an escaped name still pings."""

import re
from collections.abc import Mapping, Sequence
from html import unescape
from itertools import groupby
from typing import Any

from watchbell.delivery.interface import Stamp
from watchbell.delivery.render import plain
from watchbell.delivery.render.entries import Entry, Style
from watchbell.delivery.render.split import fit, split, utf16_units
from watchbell.reports.interface import Report

#: In UTF-16 units, after Telegram has taken the tags out: what is left is the plain text.
LONGEST_TEXT = 4_096

#: Telegram ignores the formatting beyond about 100.
MOST_ENTITIES = 90


def messages(report: Report, stamp: Stamp) -> tuple[dict[str, Any], ...]:
    """Return the fields of each message that the report takes; only the first makes a telephone ring."""
    first, *others = map(_fields, split(report, stamp, _fits))
    return (first, *({**fields, "disable_notification": True} for fields in others))


def notice(whole: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields of one message with as many of the entries as fit."""
    return _fields(fit(whole, _fits))


def without_markup(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as plain text, for when its HTML is not taken."""
    text = pingless(unescape(re.sub(r"<[^>]*>", "", body["text"])))
    return {**{name: value for name, value in body.items() if name != "parse_mode"}, "text": text}


def pingless(text: str) -> str:
    """Return text in which no name is mentioned, where no tag can prevent it; its length stays."""
    return text.replace("@", "\N{FULLWIDTH COMMERCIAL AT}")


def _fields(shown: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields of a message without link previews."""
    return {"text": html(shown), "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}


def _fits(shown: Sequence[Entry]) -> bool:
    return utf16_units(plain.text(shown)) <= LONGEST_TEXT and html(shown).count("</") <= MOST_ENTITIES


def html(shown: Sequence[Entry]) -> str:
    """Return entries as lines; neighbouring rows share one block. No tag spans an entry of another style."""
    return "\n".join(_block(style, list(run)) for style, run in groupby(shown, key=lambda entry: entry.style))


def escape(text: str) -> str:
    """Nothing else may be escaped: `&apos;` is an error to Telegram."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _block(style: Style, run: Sequence[Entry]) -> str:
    lines = [escape(entry.text) for entry in run]
    if style is Style.ROW:
        return "<pre>{}</pre>".format("\n".join(lines))
    if style is Style.LINE:
        return "\n".join(f"<code>{line}</code>" if "@" in line else line for line in lines)
    if style is Style.FOOT:
        return "\n<i>{}</i>".format("\n".join(lines))
    space = "\n" if style is Style.HEADING else ""
    return "\n".join(f"{space}<code>{line}</code>" if "@" in line else f"{space}<b>{line}</b>" for line in lines)
