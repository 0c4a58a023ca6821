"""Telegram's HTML: three characters to escape, and lines with an `@` as code, because an escaped name still pings."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from watchbell.delivery.interface import Stamp
from watchbell.delivery.render import plain
from watchbell.delivery.render.entries import Entry, Style, entries, fit
from watchbell.reports.interface import Report

#: In UTF-16 units, after Telegram has taken the tags out: what is left is the plain text.
LONGEST_TEXT = 4_096


def message(report: Report, stamp: Stamp) -> dict[str, Any]:
    """Return the fields of a message with as much of the report as fits."""
    return fields(entries(report, stamp))


def fields(whole: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields of a message without link previews."""
    shown = fit(whole, lambda some: utf16_units(plain.text(some)) <= LONGEST_TEXT)
    return {"text": html(shown), "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}


def utf16_units(text: str) -> int:
    """Return the length as Telegram counts it: what lies beyond the basic plane counts twice."""
    return len(text.encode("utf-16-le")) // 2


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
