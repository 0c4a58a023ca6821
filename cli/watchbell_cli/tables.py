"""Text in columns, within a width; pure. Cells may have several lines; what is too wide is wrapped, never cut."""

import re
import unicodedata
from collections.abc import Sequence

_GAP = "  "
_NARROWEST = 6
_BREAK_AFTER = re.compile(r"(?<=[\s:/,;@_=.-])")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the lines of a table whose heads are `columns`."""
    cleaned = [[[clean(line) for line in cell.split("\n")] for cell in row] for row in rows]
    heads = [[column] for column in columns]
    widths = _fitted([max(map(_widest, column)) for column in zip(heads, *cleaned, strict=True)], width)
    return [line for row in [heads, *cleaned] for line in _row(row, widths)]


def fields(pairs: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Return `name  value` lines, the values below each other."""
    left = max(text_width(name) for name, _ in pairs)
    rows = [([name], [clean(line) for line in value.split("\n")]) for name, value in pairs]
    return [line for row in rows for line in _row(row, (left, max(_NARROWEST, width - left - len(_GAP))))]


def clean(text: str) -> str:
    """Return text in which nothing steers a terminal: control and direction characters are spelled out."""
    return "".join(character if character.isprintable() else _spelled(character) for character in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def text_width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _widest(lines: Sequence[str]) -> int:
    return max((text_width(line) for line in lines), default=0)


def _fitted(widths: Sequence[int], width: int) -> list[int]:
    """Return widths that fit: the widest column gives way first."""
    fitted = list(widths)
    while sum(fitted) + len(_GAP) * (len(fitted) - 1) > width and max(fitted) > _NARROWEST:
        fitted[fitted.index(max(fitted))] -= 1
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
    """Return a line in pieces of at most `width` columns, broken after spaces and punctuation where possible."""
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
    """Return a line cut where it may break; what is wider than a line of its own is cut anywhere."""
    words: list[str] = []
    for word in _BREAK_AFTER.split(line):
        while text_width(word.rstrip()) > width:
            cut = _fitting(word, width)
            words.append(word[:cut])
            word = word[cut:]
        words.append(word)
    return words


def _fitting(word: str, width: int) -> int:
    """Return how many characters of a word fit into `width` columns: at least one."""
    taken = 0
    for number, character in enumerate(word):
        taken += _columns(character)
        if taken > width:
            return max(1, number)
    return len(word)
