"""Telegram's HTML: three characters to escape, and as code the lines that would do something without any markup."""

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

#: What pings, or is turned into a link, whatever is escaped: names, addresses with a scheme or like `host.example`,
#: four numbers with dots, commands and tags. Matched is the one character without which nothing happens.
_LIVE = re.compile(
    r"@"
    r"|(?<=:)/(?=/)"
    r"|(?<=\S)\.(?=[^\W\d_][a-zA-Z\u0080-\U0010ffff])"
    r"|(?<=\d)\.(?=\d+\.\d+\.\d)"
    r"|(?<![\w/])[/#$](?=\w)"
)

#: The one link that a report offers: the runbook of the alert to look at.
_OFFERED = re.compile(r"(→ .*)(; runbook: https?://[^\s@]+)")

#: From a character of ASCII to its fullwidth look-alike.
_FULLWIDTH = ord("\N{FULLWIDTH COMMERCIAL AT}") - ord("@")


def messages(report: Report, stamp: Stamp) -> tuple[dict[str, Any], ...]:
    """Return the fields of each message that the report takes; only the first makes a telephone ring."""
    first, *others = map(_fields, split(report, stamp, _fits))
    return (first, *({**fields, "disable_notification": True} for fields in others))


def notice(whole: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields of one message with as many of the entries as fit."""
    return _fields(fit(whole, _fits))


def without_markup(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as plain text, for when its HTML is not taken."""
    lines = unescape(re.sub(r"<[^>]*>", "", body["text"])).split("\n")
    text = "\n".join(pingless(said) + link for said, link in map(_offered, lines))
    return {**{name: value for name, value in body.items() if name != "parse_mode"}, "text": text}


def pingless(text: str) -> str:
    """Return text in which no name is mentioned and no link is made, where no tag can prevent it; its length stays."""
    return _LIVE.sub(lambda found: chr(ord(found[0]) + _FULLWIDTH), text)


def _offered(line: str) -> tuple[str, str]:
    """Return what a line says, and with what link it ends that is offered on purpose."""
    found = None if "@" in line else _OFFERED.fullmatch(line)
    return (found[1], found[2]) if found else (line, "")


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
    texts = [entry.text for entry in run]
    if style is Style.ROW:
        return "<pre>{}</pre>".format(escape("\n".join(texts)))
    if style is Style.LINE:
        return "\n".join(_inert(said) + escape(link) for said, link in map(_offered, texts))
    if style is Style.FOOT:
        return "\n<i>{}</i>".format(escape("\n".join(texts)))
    space = "\n" if style is Style.HEADING else ""
    return "\n".join(space + _inert(text, "<b>{}</b>") for text in texts)


def _inert(text: str, otherwise: str = "{}") -> str:
    """Return a line as code, in which nothing is done, where it would do something; or else in another form."""
    return ("<code>{}</code>" if _LIVE.search(text) else otherwise).format(escape(text))
