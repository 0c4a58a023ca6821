"""Makes text from outside harmless before any dialect sees it: what cannot be seen must not act."""

#: Invisible joiners and spacers; without them the text reads the same.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff"))

#: A longer value is shortened, with a count, so that one annotation cannot push everything else off the page.
LONGEST_VALUE = 400

_FENCE, _LOOKS_LIKE_IT = "```", "\N{MODIFIER LETTER GRAVE ACCENT}" * 3


def unfenced(text: str) -> str:
    """Return text that can stand in a code block, where only another fence means anything; its length stays."""
    return text.replace(_FENCE, _LOOKS_LIKE_IT)


def literal(text: str, longest: int = LONGEST_VALUE) -> str:
    """Return `text` as one printable line: controls, escape sequences and direction overrides become a visible mark."""
    visible = "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text.translate(_INVISIBLE)
    ).strip()
    if len(visible) <= longest:
        return visible
    return f"{visible[:longest]}… ({len(visible) - longest:,} more characters)"
