"""Divides a report into messages: between entries, each within its dialect's limits, numbered, nothing lost.

Where the cuts fall depends on the report alone, never on the stamp: a retry, late or marked as a repeat, has to make
the same parts. So room is measured with the widest number and the widest foot.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from watchbell.delivery.interface import Part, Stamp
from watchbell.delivery.render.entries import Entry, Style, details, first_screen, foot
from watchbell.delivery.render.literal import MARK
from watchbell.reports.interface import Report

Fits = Callable[[Sequence[Entry]], bool]

MOST_PARTS = 10

#: An entry that would not fit even alone is cut to this; it fits every dialect, whatever its characters.
SURELY_FITS = 500

#: Where even the first screen is too long, its lines are cut to this.
LONGEST_SHORTENED_LINE = 150

_WIDEST_LATE_SECONDS = 10**10


def utf16_units(text: str) -> int:
    """Return the length as Telegram counts it, the widest way there is: beyond the basic plane counts twice."""
    return len(text.encode("utf-16-le")) // 2


def split(report: Report, stamp: Stamp, fits: Fits) -> tuple[Sequence[Entry], ...]:
    """Return the entries of each message; what does not fit `MOST_PARTS` messages is counted in the last."""
    widest = tuple(foot(replace(stamp, late_seconds=_WIDEST_LATE_SECONDS, repeat=True)))
    top, rest = tuple(first_screen(report)), tuple(details(report))
    if fits((*top, *rest, *widest)):
        return ((*top, *rest, *foot(stamp)),)
    if not fits((*_numbered(top, MOST_PARTS, MOST_PARTS), *widest)):
        top = tuple(replace(one, text=shortened(one.text, LONGEST_SHORTENED_LINE)) for one in top)
    parts: list[Sequence[Entry]] = []
    while (rest or not parts) and len(parts) < MOST_PARTS:
        opening = top if not parts else (top[0], *(rest[0].above))
        measured = _numbered(opening, MOST_PARTS, MOST_PARTS)
        if len(parts) == MOST_PARTS - 1:
            whole = fit((*measured, *rest, *widest), fits)
            held, rest = whole[len(opening) : len(whole) - len(widest)], ()
        else:
            held, rest = _first_that_fit(rest, measured, widest, fits, must=bool(parts))
        parts.append((*opening, *held))
    return tuple(_framed(part, number, len(parts), stamp) for number, part in enumerate(parts, start=1))


def parts(bodies: Sequence[Mapping[str, Any]]) -> tuple[Part, ...]:
    """Return message bodies as numbered parts."""
    return tuple(Part(number=number, of=len(bodies), body=body) for number, body in enumerate(bodies, start=1))


def fit(whole: Sequence[Entry], fits: Fits) -> Sequence[Entry]:
    """Return `whole`, or as much of it as `fits`: entries are dropped from the end, and the reader told how many.

    What is kept is shortened only when it would not fit alone.
    """
    droppable = [index for index, entry in enumerate(whole) if not entry.kept]

    def without_last(count: int) -> Sequence[Entry]:
        return _without(whole, droppable[len(droppable) - count :])

    if fits(whole):
        return whole
    # The note on what is left out makes a message longer, so only those that have it are in order of length.
    counts = range(1, len(droppable))
    fewest = min(1 + bisect_left(counts, True, key=lambda count: fits(without_last(count))), len(droppable))
    rest = without_last(fewest)
    return rest if fits(rest) else [replace(one, text=shortened(one.text, LONGEST_SHORTENED_LINE)) for one in rest]


def shortened(text: str, longest: int) -> str:
    """Return the text, or its beginning and how much more there is."""
    if len(text) <= longest:
        return text
    closing = MARK if MARK in text else ""  # which may have been cut off
    return f"{text[:longest]}{closing}… ({len(text) - longest:,} more characters)"


def left_out(lines: int) -> str:
    """Return the note that stands for lines left out."""
    return f"… and {lines} more {'line' if lines == 1 else 'lines'} left out"


def _first_that_fit(
    rest: tuple[Entry, ...], opening: Sequence[Entry], closing: Sequence[Entry], fits: Fits, *, must: bool
) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Return the most entries that fit between opening and closing, and the others; at least one if it `must`."""

    def count_of(some: Sequence[Entry]) -> int:
        count = _most(len(some), lambda number: fits((*opening, *some[:number], *closing)))
        while count and count < len(some) and some[count - 1].leads:
            count -= 1
        return count

    count = count_of(rest)
    if must and count == 0:
        led = next(index for index, entry in enumerate(rest) if not entry.leads or index == len(rest) - 1)
        short = replace(rest[led], text=shortened(rest[led].text, SURELY_FITS))
        rest = (*rest[:led], short, *rest[led + 1 :])
        count = max(count_of(rest), led + 1)
    return rest[:count], rest[count:]


def _most(longest: int, fits: Callable[[int], bool]) -> int:
    """Return the greatest count up to `longest` that fits, by doubling: a part is far shorter than a report."""
    least, beyond = 0, 1
    while beyond <= longest and fits(beyond):
        least, beyond = beyond, beyond * 2
    counts = range(least + 1, min(beyond, longest + 1))
    return least + bisect_left(counts, True, key=lambda count: not fits(count))


def _numbered(opening: Sequence[Entry], number: int, of: int) -> tuple[Entry, ...]:
    first, *others = opening
    return (replace(first, text=f"{first.text} ({number}/{of})"), *others)


def _framed(part: Sequence[Entry], number: int, of: int, stamp: Stamp) -> Sequence[Entry]:
    feet = foot(stamp, goes_on=number < of)
    return (*(_numbered(part, number, of) if of > 1 else part), *feet)


def _without(whole: Sequence[Entry], dropped: Iterable[int]) -> Sequence[Entry]:
    """Leave entries out, with a note in the place of the first; what leads to nothing then goes as well."""
    gone = set(dropped)
    if not gone:
        return whole
    first = min(gone)
    while first > 0 and whole[first - 1].leads and not whole[first - 1].kept:
        first -= 1
        gone.add(first)
    lines = sum(whole[index].text.count("\n") + 1 for index in gone)
    note = Entry(Style.LINE, left_out(lines), kept=True)
    rest = [entry for index, entry in enumerate(whole) if index not in gone]
    before = sum(index not in gone for index in range(first))
    return [*rest[:before], note, *rest[before:]]


def cut_to_lines(text: str, fits: Callable[[str], bool]) -> tuple[str, int]:
    """Return as many of the text's lines as fit, with a note on those left out; and how many those are."""
    lines = text.split("\n")
    if fits(text):
        return text, 0
    kept = _most(len(lines), lambda count: fits("\n".join([*lines[:count], left_out(len(lines) - count)])))
    return "\n".join([*lines[:kept], left_out(len(lines) - kept)]), len(lines) - kept
