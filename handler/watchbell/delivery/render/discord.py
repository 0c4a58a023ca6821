"""Discord's content and embed: the headline as content, for notifications, and the rest as the text of one embed.

Lines are escaped markdown, tables stand in code blocks. Nothing in an embed pings or unfolds a link.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from watchbell.delivery.interface import Stamp
from watchbell.delivery.render.entries import Entry, Style
from watchbell.delivery.render.literal import unfenced
from watchbell.delivery.render.split import cut_to_lines, fit, split, utf16_units
from watchbell.reports.interface import Report, Verdict

#: Discord's limits; an embed counts its footer as well, up to 6,000 in all.
LONGEST_CONTENT = 2_000
LONGEST_DESCRIPTION = 4_096
LONGEST_FOOTER = 1_900

#: The line that `marked` adds takes less.
_MARKER_LINE = "\n-# ref {}"
_MARKER_ROOM = 40

SUPPRESS_EMBEDS = 1 << 2
SUPPRESS_NOTIFICATIONS = 1 << 12

#: Emphasis, code, spoilers, quotes, mentions, links, and colons that begin a link's `://` or a `:name:`.
_ANYWHERE = re.compile(r"[\\*_~`|<>\[\]@]|:(?=[^\s\d]|\d+:)")
#: Headings, small print and lists; after a number it is the dot that makes one.
_AT_THE_START = re.compile(r"^(\d*)([-#+.)])")

_COLOURS = {
    Verdict.OK: 0x2ECC71,
    Verdict.ATTENTION: 0xF1C40F,
    Verdict.DEGRADED: 0xE74C3C,
    Verdict.UNKNOWN: 0x95A5A6,
}


def messages(report: Report, stamp: Stamp) -> tuple[dict[str, Any], ...]:
    """Return the fields of each message that the report takes; only the first makes a telephone ring."""
    first, *others = (_fields(shown, _COLOURS[report.verdict]) for shown in split(report, stamp, _fits))
    return (first, *({**fields, "flags": SUPPRESS_NOTIFICATIONS} for fields in others))


def notice(whole: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields of one message with as many of the entries as fit."""
    return _fields(fit(whole, _fits), _COLOURS[Verdict.UNKNOWN])


def marked(body: Mapping[str, Any], marker: str) -> dict[str, Any]:
    """Return the body with its send's marker in small print, to search for: Discord does not keep a nonce."""
    return {**body, "content": body["content"] + _MARKER_LINE.format(marker)}


def pictured(shows: str, marker: str) -> dict[str, Any]:
    """Return the fields of a message that holds one file, which is uploaded beside them."""
    attachment = {"id": 0, "description": shows}
    body = {"content": escape(shows), "allowed_mentions": {"parse": []}, "attachments": [attachment]}
    return marked({**body, "flags": SUPPRESS_NOTIFICATIONS}, marker)


def without_markup(body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Return a marked message without its embed, for when that is not taken, and how many lines that leaves out.

    It is one code block, which has less room; what is cut is never the footer.
    """
    [embed] = body["embeds"]

    def content(description: str) -> str:
        block = "\n".join(filter(None, (description, embed["footer"]["text"])))
        return f"{body['content']}\n```\n{unfenced(block)}\n```"

    plain = _unescaped(embed["description"])
    shown, left_out = cut_to_lines(plain, lambda some: utf16_units(content(some)) <= LONGEST_CONTENT)
    rest = {name: value for name, value in body.items() if name != "embeds"}
    return {**rest, "content": content(shown), "flags": body.get("flags", 0) | SUPPRESS_EMBEDS}, left_out


def escape(text: str) -> str:
    """Return one line that markdown leaves alone; only what means something where it stands is escaped."""
    return _AT_THE_START.sub(r"\1\\\2", _ANYWHERE.sub(r"\\\g<0>", text))


def _unescaped(description: str) -> str:
    """Return a description as plain text; in its code blocks nothing was escaped."""
    pieces = description.split("```")
    pieces[::2] = [re.sub(r"\\(.)", r"\1", re.sub(r"(?m)^\*\*(.*)\*\*$", r"\1", piece)) for piece in pieces[::2]]
    pieces[1::2] = [piece.strip("\n") for piece in pieces[1::2]]
    return "".join(pieces)


def _fields(shown: Sequence[Entry], colour: int) -> dict[str, Any]:
    """Return the fields of a message that mentions nobody."""
    content, description, footer = _texts(shown)
    embed = {"description": description, "footer": {"text": footer}, "color": colour}
    return {
        "content": content,
        "allowed_mentions": {"parse": []},
        "embeds": [embed] if description or footer else [],
    }


def _texts(shown: Sequence[Entry]) -> tuple[str, str, str]:
    first, *others = shown
    body = [entry for entry in others if entry.style is not Style.FOOT]
    description = "\n".join(_block(style, list(run)) for style, run in groupby(body, key=lambda entry: entry.style))
    footer = "\n".join(entry.text for entry in others if entry.style is Style.FOOT)
    return f"**{escape(first.text)}**", description, footer


def _block(style: Style, run: Sequence[Entry]) -> str:
    if style is Style.ROW:
        return "```\n{}\n```".format(unfenced("\n".join(entry.text for entry in run)))
    if style is Style.HEADING:
        return "\n".join(f"\n**{escape(entry.text)}**" for entry in run)
    return "\n".join(escape(entry.text) for entry in run)


def _fits(shown: Sequence[Entry]) -> bool:
    content, description, footer = map(utf16_units, _texts(shown))
    return content <= LONGEST_CONTENT - _MARKER_ROOM and description <= LONGEST_DESCRIPTION and footer <= LONGEST_FOOTER
