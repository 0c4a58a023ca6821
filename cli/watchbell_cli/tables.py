"""Text in columns, within a width; pure. Cells may have several lines; what is too wide is wrapped, never cut."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from itertools import zip_longest

from watchbell.delivery.render.literal import MARK

_GAP = "  "
_NARROWEST = 6
_NOTE_INDENT = 4
_BREAK = re.compile(r"(?<=[:/,;@=])|(?<=\w[-_.])(?=\w)")


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    flexible: Collection[int] = (),
    notes: Sequence[Sequence[str]] = (),
) -> list[str]:
    """Return the lines of a table whose heads are `columns`.

    The `flexible` columns give way before the others. `notes` holds for each row the lines that go below it, across
    the whole width.
    """
    cleaned = [[[clean(line) for line in cell.split("\n")] for cell in row] for row in rows]
    heads = [[column] for column in columns]
    widths = [max(map(_widest, column)) for column in zip(heads, *cleaned, strict=True)]
    widths = _fitted(_fitted(widths, width, flexible), width, range(len(widths)))
    lines = _row(heads, widths)
    for row, below in zip_longest(cleaned, notes, fillvalue=()):
        lines += _row(row, widths)
        lines += [" " * _NOTE_INDENT + part for note in below for part in wrap(clean(note), width - _NOTE_INDENT)]
    return lines


def fields(pairs: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Return `name  value` lines, the values below each other."""
    left = max(text_width(name) for name, _ in pairs)
    rows = [([name], [clean(line) for line in value.split("\n")]) for name, value in pairs]
    return [line for row in rows for line in _row(row, (left, max(_NARROWEST, width - left - len(_GAP))))]


def clean(text: str) -> str:
    """Return text in which nothing steers a terminal: control and direction characters are spelled out.

    The mark that reports put beside right-to-left letters stays: it keeps figures where they stand.
    """
    return "".join(
        character if character.isprintable() or character == MARK else _spelled(character) for character in text
    )


def _spelled(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def text_width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character == MARK:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _widest(lines: Sequence[str]) -> int:
    return max((text_width(line) for line in lines), default=0)


def _fitted(widths: Sequence[int], width: int, flexible: Collection[int]) -> list[int]:
    """Return widths that fit, if the flexible columns can give enough: the widest of them gives way first."""
    fitted = list(widths)
    excess = sum(fitted) + len(_GAP) * (len(fitted) - 1) - width
    for _ in range(excess):
        widest = max(flexible, key=fitted.__getitem__, default=None)
        if widest is None or fitted[widest] <= _NARROWEST:
            break
        fitted[widest] -= 1
    return fitted


def _row(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    wrapped = [[part for line in cell for part in wrap(line, width)] for cell, width in zip(cells, widths, strict=True)]
    lines = []
    for number in range(max(map(len, wrapped))):
        texts = [cell[number] if number < len(cell) else "" for cell in wrapped]
        padded = (text + " " * (width - text_width(text)) for text, width in zip(texts, widths, strict=True))
        lines.append(_GAP.join(padded).rstrip())
    return lines


def wrap(line: str, width: int) -> list[str]:
    """Return a line in pieces of at most `width` columns, broken at spaces, or after punctuation in a long word."""
    if text_width(line) <= width:
        return [line]
    pieces, current = [], ""
    for word in _words(line, width):
        if current and text_width(current + word.rstrip()) > width:
            pieces.append(current.rstrip())
            current = ""
        current += word
    return [*pieces, current.rstrip()]


def _words(line: str, width: int) -> list[str]:
    words: list[str] = []
    for word in re.findall(r"\S+\s*|^\s+", line):
        if text_width(word.rstrip()) <= width:
            words.append(word)
            continue
        for piece in _BREAK.split(word):
            words += _cut(piece, width)
    return words


def _cut(piece: str, width: int) -> list[str]:
    """Return what is wider than a line cut wherever the line ends."""
    cut: list[str] = []
    while text_width(piece.rstrip()) > width:
        fitting = _fitting(piece, width)
        cut.append(piece[:fitting])
        piece = piece[fitting:]
    return [*cut, piece]


def _fitting(word: str, width: int) -> int:
    """Return how many characters of a word fit into `width` columns: at least one."""
    taken = 0
    for number, character in enumerate(word):
        taken += _columns(character)
        if taken > width:
            return max(1, number)
    return len(word)
