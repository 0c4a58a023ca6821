"""A report as entries, the units that a message keeps or drops as a whole; each dialect writes them in its own way.

The first screen is at most eight lines: verdict, reason and window, coverage, three numbers, what still fires, at most
three things to do. Everything from outside has been made literal here; escaping is the dialect's.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import chain

from watchbell.delivery.interface import Stamp
from watchbell.delivery.render.figures import duration, figure, window_text
from watchbell.delivery.render.literal import literal
from watchbell.delivery.render.table import table
from watchbell.reports.interface import Coverage, CoverageStatus, Report, Section, Verdict

FIRST_SCREEN_LINES = 8
FIRST_SCREEN_NUMBERS = 3
MOST_ACTIONS = 3

LONGEST_HEADLINE = 120
LONGEST_CELL = 120
LONGEST_NOTICE_LINE = 600

#: Where even the first screen is too long, its lines are cut to this; then it fits Discord's 2,000 characters.
LONGEST_SHORTENED_LINE = 150

_MARKS = {Verdict.OK: "✅", Verdict.ATTENTION: "🟡", Verdict.DEGRADED: "🔴", Verdict.UNKNOWN: "❔"}


class Style(Enum):
    """How an entry is to look."""

    HEADLINE = auto()
    HEADING = auto()
    LINE = auto()
    ROW = auto()  # monospaced, with its neighbours
    FOOT = auto()


@dataclass(frozen=True, slots=True)
class Entry:
    """One unit of a message; one that is `kept` is never dropped to make room."""

    style: Style
    text: str
    kept: bool = False


def entries(report: Report, stamp: Stamp) -> tuple[Entry, ...]:
    """Return the whole report, from its verdict to its foot."""
    return tuple(chain(_first_screen(report), _details(report), _foot(stamp)))


def notice(headline_text: str, lines: Iterable[str]) -> tuple[Entry, ...]:
    """Return a message of plain lines below a headline, such as those for the operator."""
    first = Entry(Style.HEADLINE, literal(headline_text, LONGEST_HEADLINE), kept=True)
    return (first, *(Entry(Style.LINE, f"• {literal(line, LONGEST_NOTICE_LINE)}") for line in lines))


def fit(whole: Sequence[Entry], fits: Callable[[Sequence[Entry]], bool]) -> Sequence[Entry]:
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
    return rest if fits(rest) else [replace(one, text=literal(one.text, LONGEST_SHORTENED_LINE)) for one in rest]


def headline(report: Report) -> str:
    """Return the first line: what a notification shows."""
    return literal(f"{_MARKS[report.verdict]} {report.verdict} · {report.title}", LONGEST_HEADLINE)


def _without(whole: Sequence[Entry], dropped: Sequence[int]) -> Sequence[Entry]:
    """Leave entries out, with a note in the place of the first; a heading with nothing under it goes as well."""
    if not dropped:
        return whole
    gone = set(dropped)
    first = dropped[0]
    while first > 0 and whole[first - 1].style is Style.HEADING and not whole[first - 1].kept:
        first -= 1
        gone.add(first)
    lines = sum(whole[index].text.count("\n") + 1 for index in gone)
    note = Entry(Style.LINE, f"… and {lines} more {'line' if lines == 1 else 'lines'} left out", kept=True)
    rest = [entry for index, entry in enumerate(whole) if index not in gone]
    before = sum(index not in gone for index in range(first))
    return [*rest[:before], note, *rest[before:]]


def _first_screen(report: Report) -> Iterator[Entry]:
    top = [
        Entry(Style.HEADLINE, headline(report)),
        _line(" · ".join(filter(None, (window_text(report.window), report.reason)))),
        _line(_coverage(report.coverage)),
    ]
    if report.numbers:
        top.append(_line(" · ".join(map(figure, report.numbers[:FIRST_SCREEN_NUMBERS]))))
    actions = [_line(f"→ {action}") for action in report.actions[:MOST_ACTIONS]]
    room = FIRST_SCREEN_LINES - len(top) - len(actions)
    yield from (replace(entry, kept=True) for entry in (*top, *_still_firing(report.still_firing, room), *actions))


def _line(text: str) -> Entry:
    return Entry(Style.LINE, literal(text))


def _coverage(coverage: Sequence[Coverage]) -> str:
    """The sources that cannot be believed come first, each with as much of its reason as there is room for."""
    if not coverage:
        return "Coverage: no source was read"
    doubtful = [entry for entry in coverage if entry.status is not CoverageStatus.OK]
    good = [entry for entry in coverage if entry.status is CoverageStatus.OK]
    room = 240 // max(1, len(doubtful))
    told = [f"{_named(entry)} {entry.status.upper()}: {literal(entry.detail, room)}" for entry in doubtful]
    told += [f"{_named(entry)} ok{_age(entry)}" for entry in good]
    return f"Coverage {len(good)}/{len(coverage)}: {'; '.join(told)}"


def _named(coverage: Coverage) -> str:
    return coverage.source if coverage.required else f"{coverage.source} (optional)"


def _age(coverage: Coverage) -> str:
    return "" if coverage.age_seconds is None else f" (data {duration(coverage.age_seconds)} old)"


def _still_firing(lines: Sequence[str], room: int) -> list[Entry]:
    """The whole list where there is room for it, otherwise the count and the oldest."""
    if not lines:
        return []
    if len(lines) < room:
        return [_line(f"Still firing ({len(lines)}), oldest first:"), *map(_item, lines)]
    return [_line(f"Still firing ({len(lines)}), oldest: {lines[0]}")]


def _item(text: str) -> Entry:
    return _line(f"• {text}")


def _details(report: Report) -> Iterator[Entry]:
    room = FIRST_SCREEN_LINES - 3 - bool(report.numbers) - len(report.actions[:MOST_ACTIONS])
    if report.still_firing and len(report.still_firing) >= max(room, 2):
        yield Entry(Style.HEADING, "Still firing, oldest first")
        yield from map(_item, report.still_firing)
    if len(report.numbers) > FIRST_SCREEN_NUMBERS:
        yield Entry(Style.HEADING, "More numbers")
        yield from (_line(figure(number)) for number in report.numbers[FIRST_SCREEN_NUMBERS:])
    for section in report.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[Entry]:
    yield Entry(Style.HEADING, literal(section.title, LONGEST_HEADLINE))
    yield from map(_line, section.lines)
    rows = [[literal(cell, LONGEST_CELL) for cell in row] for row in section.rows]
    if rows:
        columns = [literal(column, 40) for column in section.columns]
        yield from (Entry(Style.ROW, row) for row in table(columns, rows))


def _foot(stamp: Stamp) -> Iterable[Entry]:
    told = [f"task {stamp.task_id}", stamp.fire_time]
    if stamp.late_seconds >= 60:
        told.append(f"late by {duration(stamp.late_seconds // 60 * 60)}")
    foot = [Entry(Style.FOOT, literal(" · ".join(told)), kept=True)]
    if stamp.repeat:
        foot.append(Entry(Style.FOOT, "This may be a repeat: an earlier attempt may have arrived.", kept=True))
    return foot
