"""Makes text from outside harmless before any dialect sees it: what cannot be seen must not act."""

import re
from unicodedata import bidirectional, category

#: The only invisible character that is left in a text, and only where it is put here: it takes no room.
MARK = "\N{LEFT-TO-RIGHT MARK}"

#: Invisible joiners and spacers, and marks that are not ours; without them the text reads the same.
_INVISIBLE = dict.fromkeys(map(ord, f"\u00ad\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff{MARK}"))

#: A longer value is shortened, with a count, so that one annotation cannot push everything else off the page.
LONGEST_VALUE = 400

#: So many marks over or below one letter are more than any language needs; a pile of them covers other lines.
MOST_MARKS = 4

#: Letters and figures by where they run: to the right, to the left, or over and below another; the rest is "-".
_KINDS = {"L": ">", "EN": ">", "R": "<", "AL": "<", "AN": "<", "NSM": "+"}
_RUN_TO_THE_LEFT = re.compile(r"<(?:[<+-]*<)?\+*")

_FENCE, _LOOKS_LIKE_IT = "```", "\N{MODIFIER LETTER GRAVE ACCENT}" * 3


def unfenced(text: str) -> str:
    """Return text that can stand in a code block, where only another fence means anything; its length stays."""
    return text.replace(_FENCE, _LOOKS_LIKE_IT)


def literal(text: str, longest: int = LONGEST_VALUE) -> str:
    """Return `text` as one printable line: controls, escape sequences and direction overrides become a visible mark."""
    visible = "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in _without_piles(text.translate(_INVISIBLE))
    ).strip()
    if len(visible) > longest:
        visible = f"{visible[:longest]}… ({len(visible) - longest:,} more characters)"
    return _hemmed(visible)


def _hemmed(text: str) -> str:
    """Return the text with each run of right-to-left letters between marks: beside one, figures would change places.

    A run ends before a figure even where that belongs to it: figures stand where they were put, whatever is beside.
    """
    if text.isascii():
        return text
    kinds = "".join(_KINDS.get(bidirectional(character), "-") for character in text)
    pieces: list[str] = []
    end = 0  # of the run before
    for run in _RUN_TO_THE_LEFT.finditer(kinds):
        pieces += (text[end : run.start()], MARK, text[slice(*run.span())], MARK)
        end = run.end()
    return "".join((*pieces, text[end:]))


def _without_piles(text: str) -> str:
    """Return the text without the marks in a row that are too many."""
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if category(character) in ("Mn", "Me") else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)
