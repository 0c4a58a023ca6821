"""Markdown from elsewhere as sections of plain lines. Its markup structures them and is otherwise gone.

Headings begin sections, tables become tables, code stays as its lines; emphasis is dropped, a link shows its address.
The lines are untrusted text like any other: whoever renders a report escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watchbell.reports.interface import Section

if TYPE_CHECKING:
    from markdown_it.token import Token

MOST_TITLE = 150
CONTINUED = " (continued)"


@dataclass(slots=True)
class _Open:
    """The section that is being filled."""

    title: str
    is_headed: bool  # by a heading of the text
    lines: list[str] = field(default_factory=list)
    rows: list[tuple[str, ...]] = field(default_factory=list)  # the first one holds the columns

    def closed(self) -> tuple[Section, ...]:
        if not self.lines and not self.rows:
            return (Section(title=self.title),) if self.is_headed else ()
        columns, *rows = self.rows or [()]
        return (Section(title=self.title, lines=tuple(self.lines), columns=columns, rows=tuple(rows)),)


def sections_of(text: str, *, untitled: str) -> tuple[Section, ...]:
    """Return the sections of a Markdown text; what stands before the first heading is titled `untitled`."""
    from markdown_it import MarkdownIt

    reader = _Reader(untitled)
    for token in MarkdownIt("commonmark", {"html": False}).enable("table").parse(text):
        reader.take(token)
    return reader.sections()


def lines_of(text: str) -> tuple[str, ...]:
    """Return a Markdown text as plain lines, headings and tables too."""
    lines: list[str] = []
    for section in sections_of(text, untitled=""):
        lines += [section.title] if section.title and not section.title.endswith(CONTINUED) else []
        lines += [*section.lines, *(" | ".join(row) for row in (section.columns, *section.rows) if row)]
    return tuple(lines)


class _Reader:
    """Takes the tokens one by one. A table, and text after a table, begin a section of their own."""

    def __init__(self, untitled: str) -> None:
        self._done: list[Section] = []
        self._open = _Open(untitled, is_headed=False)
        self._inside: list[str] = []  # the blocks around the present token
        self._marker = ""  # of the list item whose first line is still to come

    def take(self, token: Token) -> None:
        """Take the next token."""
        block = token.type.removesuffix("_open").removesuffix("_close")
        if token.nesting == 1:
            self._begin(block, token)
        elif token.nesting == -1:
            self._inside.pop()
        elif token.type == "inline":
            self._text(_plain(token))
        elif token.type in ("fence", "code_block"):
            self._add(token.content.rstrip("\n").split("\n"))

    def sections(self) -> tuple[Section, ...]:
        """Return all sections, the last one closed."""
        return (*self._done, *self._open.closed())

    def _begin(self, block: str, token: Token) -> None:
        self._inside.append(block)
        if block == "list_item":
            self._marker = f"{token.info}{token.markup} " if token.info else "- "
        elif block == "table" and self._open.rows:
            self._go_on()
        elif block == "tr":
            self._open.rows.append(())

    def _text(self, lines: list[str]) -> None:
        around = self._inside[-1]
        if around == "heading":
            self._next(" ".join(" ".join(lines).split())[:MOST_TITLE], is_headed=True)
        elif around in ("th", "td"):
            self._open.rows[-1] += (" ".join(lines).strip(),)
        else:
            self._add(lines)

    def _add(self, lines: list[str]) -> None:
        if self._open.rows:
            self._go_on()
        depth = self._inside.count("list_item")
        indent = "  " * max(0, depth - 1) + "> " * self._inside.count("blockquote")
        for line in lines:
            marker = self._marker if depth else ""
            follow = "  " if depth and not marker else ""
            self._open.lines.append((indent + (marker or follow) + line).rstrip())
            self._marker = ""

    def _go_on(self) -> None:
        self._next(self._open.title.removesuffix(CONTINUED) + CONTINUED, is_headed=False)

    def _next(self, title: str, *, is_headed: bool) -> None:
        self._done += self._open.closed()
        self._open = _Open(title, is_headed)


def _plain(token: Token) -> list[str]:
    """Return the text of one inline token, a line for each of its own."""
    text = ""
    links: list[str] = []
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            text += "\n"
        elif child.type == "link_open":
            links.append(str(child.attrGet("href") or ""))
        elif child.type == "link_close":
            address = links.pop()
            text += "" if text.endswith(address) else f" ({address})"
        else:
            text += child.content  # also the description of a picture
    return text.split("\n")
