"""Regular expressions that always come to an end, for patterns and texts that come from outside.

`re` tries one way after another, and for a pattern like (a|a)*b there are more of them than anybody can wait for; it
cannot be interrupted either. Here all ways are followed side by side, one character after the other, so that the time
is bounded by the length of the pattern times that of the text. As in Prometheus' RE2, there is no look-around and
there are no back references. What one character has to be is asked of `re`.

RE2's own library has no wheels for musl and older systems, and would be the one dependency that needs a compiler there;
`regex` can be stopped after a time, but takes all memory for nested counts.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from watchbell.errors import SourceError

MOST_REPEATS = 1000  # as in RE2
#: So many parts a pattern may have once its counted repeats are written out.
MOST_PARTS = 5_000

_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
_GROUP = re.compile(r"\((?:\?P<\w+>|\?(?P<on>[ims]*)(?:-(?P<off>[ims]+))?(?P<whole>[:)])|(?!\?))")
_REPEAT = re.compile(r"(?:(?P<sign>[*+?])|\{(?P<least>\d+)\}|\{(?P<from>\d*),(?P<to>\d*)\})\??")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[^xuUN1-9])", re.DOTALL)
_SIGNS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_WIDTHLESS = ("^", "$", r"\A", r"\Z", r"\b", r"\B")


@dataclass(frozen=True, slots=True)
class _One:
    """One character, or none at a certain place, as `re` judges it."""

    test: re.Pattern[str]
    is_wide: bool


@dataclass(frozen=True, slots=True)
class _Row:
    parts: "tuple[_Part, ...]"


@dataclass(frozen=True, slots=True)
class _Choice:
    ways: "tuple[_Part, ...]"


@dataclass(frozen=True, slots=True)
class _Repeat:
    part: "_Part"
    least: int
    most: int | None


_Part = _One | _Row | _Choice | _Repeat


@dataclass(slots=True)
class _State:
    """Where a match can stand: before one character to come, or where it goes on in several ways."""

    one: _One | None
    following: list[int]


class Pattern:
    """One regular expression."""

    def __init__(self, part: _Part, text: str) -> None:
        self._text = text
        self._built = 0
        self._states = [_State(None, [])]  # the first is the end
        self._start = self._before(part, 0)

    def fits(self, text: str) -> bool:
        """Say whether all of the text matches."""
        standing = self._reached([self._start], text, 0)
        for at in range(len(text)):
            if not standing:
                return False
            moved: list[int] = []
            for state in map(self._states.__getitem__, standing):
                if state.one and state.one.test.match(text, at):
                    moved += state.following
            standing = self._reached(moved, text, at + 1)
        return 0 in standing

    def _reached(self, states: Iterable[int], text: str, at: int) -> set[int]:
        """Return where a match can stand without taking a character: before each that may come, or at the end."""
        seen: set[int] = set()
        left = list(states)
        while left:
            number = left.pop()
            if number in seen:
                continue
            seen.add(number)
            state = self._states[number]
            if state.one is None or (not state.one.is_wide and state.one.test.match(text, at)):
                left += state.following
        return {number for number in seen if number == 0 or ((one := self._states[number].one) and one.is_wide)}

    def _before(self, part: _Part, following: int) -> int:
        """Return the state from which a part leads to the one that follows it."""
        self._built += 1
        if self._built > MOST_PARTS:
            raise SourceError(f"the regular expression {self._text!r} repeats too much; write it shorter")
        if isinstance(part, _One):
            return self._added(_State(part, [following]))
        if isinstance(part, _Row):
            for one in reversed(part.parts):
                following = self._before(one, following)
            return following
        if isinstance(part, _Choice):
            return self._added(_State(None, [self._before(way, following) for way in part.ways]))
        return self._repeated(part, following)

    def _repeated(self, repeat: _Repeat, following: int) -> int:
        start = following
        if repeat.most is None:
            start = self._added(_State(None, [following]))
            self._states[start].following.append(self._before(repeat.part, start))
        else:
            for _ in range(repeat.most - repeat.least):
                start = self._added(_State(None, [self._before(repeat.part, start), following]))
        for _ in range(repeat.least):
            start = self._before(repeat.part, start)
        return start

    def _added(self, state: _State) -> int:
        self._states.append(state)
        return len(self._states) - 1


@lru_cache(maxsize=256)
def compiled(text: str) -> Pattern:
    """Return the pattern that a text is; raises SourceError where it is none, or one that Prometheus has not."""
    if "[[:" in text:
        raise _unknown(text, "a class of POSIX")
    try:
        re.compile(text)  # its words for what is wrong are good
        reading = _Reading(text)
        return Pattern(reading.choice(reading.leading_flags()), text)
    except (re.error, OverflowError, RecursionError) as error:
        raise SourceError(f"{text!r} is no regular expression: {error}") from None


class _Reading:
    """Reads a text that is known to be a regular expression of Python's."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def leading_flags(self) -> int:
        """Take flags such as (?i), which stand for all of the pattern."""
        found = _GROUP.match(self._text)
        if found is None or found["whole"] != ")":
            return 0
        self._at = found.end()
        return _flags(found, 0)

    def choice(self, flags: int) -> _Part:
        """Read up to the end, or to the bracket that closes a group."""
        ways = [self._row(flags)]
        while self._text.startswith("|", self._at):
            self._at += 1
            ways.append(self._row(flags))
        return ways[0] if len(ways) == 1 else _Choice(tuple(ways))

    def _row(self, flags: int) -> _Part:
        parts: list[_Part] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeats(self._group(flags) if self._text[self._at] == "(" else self._one(flags)))
        return parts[0] if len(parts) == 1 else _Row(tuple(parts))

    def _group(self, flags: int) -> _Part:
        found = _GROUP.match(self._text, self._at)
        if found is None or found["whole"] == ")":
            raise _unknown(self._text, self._text[self._at : self._at + 4])
        self._at = found.end()
        part = self.choice(_flags(found, flags))
        self._at += 1  # the bracket that closes it
        return part

    def _one(self, flags: int) -> _Part:
        known: dict[str, Callable[[str, int], re.Match[str] | None]] = {"[": _CLASS.match, "\\": _ESCAPE.match}
        sign = self._text[self._at]
        found = known[sign](self._text, self._at) if sign in known else None
        if sign in known and found is None:
            raise _unknown(self._text, self._text[self._at : self._at + 2])
        taken = found[0] if found else sign
        self._at += len(taken)
        test = taken if sign in ".^[\\" else r"\Z" if sign == "$" else re.escape(sign)
        return _One(re.compile(test, flags), taken not in _WIDTHLESS)

    def _repeats(self, part: _Part) -> _Part:
        found = _REPEAT.match(self._text, self._at)
        if found is None:
            return part
        self._at = found.end()
        if self._text[self._at : self._at + 1] == "+":
            raise _unknown(self._text, f"{found[0]}+")
        if found["sign"]:
            least, most = _SIGNS[found["sign"]]
        else:
            least = int(found["least"] or found["from"] or 0)
            most = int(found["to"]) if found["to"] else None if found["least"] is None else least
        if max(least, most or 0) > MOST_REPEATS:
            raise SourceError(f"the regular expression {self._text!r} repeats a part more than {MOST_REPEATS} times")
        return _Repeat(part, least, most)


def _flags(found: re.Match[str], flags: int) -> int:
    for letter in found["on"] or "":
        flags |= _FLAGS[letter]
    for letter in found["off"] or "":
        flags &= ~_FLAGS[letter]
    return flags


def _unknown(text: str, what: str) -> SourceError:
    return SourceError(f"the regular expression {text!r} holds {what}, which is not known here; write it without")
