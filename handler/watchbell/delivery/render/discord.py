"""Discord's content: a bold headline, and the rest in one code block, where neither markdown nor links take effect."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from watchbell.delivery.interface import Stamp
from watchbell.delivery.render import plain
from watchbell.delivery.render.entries import Entry, entries, fit
from watchbell.delivery.render.literal import unfenced
from watchbell.reports.interface import Report

#: Discord's limit, less the line that `marked` adds.
LONGEST_CONTENT = 2_000
_MARKER_LINE = "\n-# ref {}"
_MARKER_ROOM = 40

SUPPRESS_EMBEDS = 1 << 2


def message(report: Report, stamp: Stamp) -> dict[str, Any]:
    """Return the fields of a message with as much of the report as fits."""
    return fields(entries(report, stamp))


def fields(whole: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields of a message that mentions nobody and shows no previews."""
    shown = fit(whole, lambda some: len(_content(some)) <= LONGEST_CONTENT - _MARKER_ROOM)
    return {"content": _content(shown), "allowed_mentions": {"parse": []}, "flags": SUPPRESS_EMBEDS}


def marked(body: Mapping[str, Any], marker: str) -> dict[str, Any]:
    """Return the body with its send's marker in small print, to search for: Discord does not keep a nonce."""
    return {**body, "content": body["content"] + _MARKER_LINE.format(marker)}


def escape(text: str) -> str:
    """Return text that markdown leaves alone."""
    return re.sub(r"([\\*_~`|<>\[\]()#:@+-])", r"\\\1", text)


def _content(shown: Sequence[Entry]) -> str:
    first, *others = shown
    return f"**{escape(first.text)}**\n```\n{unfenced(plain.text(others))}\n```"
