"""A report as entries, the units that a message keeps or drops as a whole; each dialect writes them in its own way.

The first screen is at most eight lines: verdict, reason and window, coverage, three numbers, what still fires, at most
three things to do. Everything from outside has been made literal here; escaping is the dialect's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import chain

from watchbell.delivery.interface import Stamp
from watchbell.delivery.render.figures import figures, is_known, window_text
from watchbell.delivery.render.literal import literal
from watchbell.delivery.render.table import Table, table
from watchbell.reports.interface import Coverage, CoverageStatus, Number, Report, Section, Verdict
from watchbell.reports.wording import count, duration

FIRST_SCREEN_LINES = 8
FIRST_SCREEN_NUMBERS = 3
MOST_ACTIONS = 3

LONGEST_HEADLINE = 120
ROOM_ABOVE = 240  # of the line with window and reason; whatever it tells within is surely shown
LONGEST_CELL = 120
LONGEST_COLUMN = 40
LONGEST_NOTICE_LINE = 600

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
    """One unit of a message; one that is `kept` is never dropped to make room, one that `leads` never stands last.

    `above` is what is repeated over it where it begins a further part: its section's heading, its table's columns.
    """

    style: Style
    text: str
    kept: bool = False
    leads: bool = False
    above: tuple["Entry", ...] = field(default=(), repr=False, compare=False)


def entries(report: Report, stamp: Stamp) -> tuple[Entry, ...]:
    """Return the whole report, from its verdict to its foot."""
    return tuple(chain(first_screen(report), details(report), foot(stamp)))


def notice(headline_text: str, lines: Iterable[str]) -> tuple[Entry, ...]:
    """Return a message of plain lines below a headline, such as those for the operator."""
    first = Entry(Style.HEADLINE, literal(headline_text, LONGEST_HEADLINE), kept=True)
    return (first, *(Entry(Style.LINE, f"• {literal(line, LONGEST_NOTICE_LINE)}") for line in lines))


def headline(report: Report) -> str:
    """Return the first line: what a notification shows."""
    return literal(f"{_MARKS[report.verdict]} {report.verdict} · {report.title}", LONGEST_HEADLINE)


def first_screen(report: Report) -> Iterator[Entry]:
    """Return verdict, reason and window, coverage, numbers, what fires and what to do; the verdict comes first."""
    top = [
        Entry(Style.HEADLINE, headline(report)),
        _line(" · ".join(filter(None, (window_text(report.window), report.reason)))),
        _line(_coverage(report.coverage, report.reason)),
    ]
    if report.numbers:
        top.append(_line(" · ".join(figures(report.numbers[:FIRST_SCREEN_NUMBERS]))))
    actions = [_line(f"→ {action}") for action in report.actions[:MOST_ACTIONS]]
    room = FIRST_SCREEN_LINES - len(top) - len(actions)
    yield from (replace(entry, kept=True) for entry in (*top, *_still_firing(report.still_firing, room), *actions))


def _line(text: str) -> Entry:
    return Entry(Style.LINE, literal(text))


def _coverage(coverage: Sequence[Coverage], above: str) -> str:
    """The sources that cannot be believed come first, each with as much of its reason as there is room for.

    A reason that the line above has told in full is not told again.
    """
    if not coverage:
        return "Coverage: no source was read"
    doubtful = [entry for entry in coverage if entry.status is not CoverageStatus.OK]
    good = [entry for entry in coverage if entry.status is CoverageStatus.OK]
    room = 240 // max(1, len(doubtful))
    untold = ["" if entry.detail in above[:ROOM_ABOVE] else f": {literal(entry.detail, room)}" for entry in doubtful]
    told = [f"{_named(entry)} {entry.status.upper()}{why}" for entry, why in zip(doubtful, untold, strict=True)]
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
        return [_line(f"Still firing ({count(lines)}), oldest first:"), *map(_item, lines)]
    return [_line(f"Still firing ({count(lines)}), oldest: {lines[0]}")]


def _item(text: str) -> Entry:
    return _line(f"• {text}")


def details(report: Report) -> Iterator[Entry]:
    """Return what stands below the first screen."""
    room = FIRST_SCREEN_LINES - 3 - bool(report.numbers) - len(report.actions[:MOST_ACTIONS])
    if report.still_firing and len(report.still_firing) >= max(room, 2):
        yield from _headed("Still firing, oldest first", map(_item, report.still_firing))
    if len(report.numbers) > FIRST_SCREEN_NUMBERS:
        yield from _headed("More numbers", map(_line, _figures(report.numbers[FIRST_SCREEN_NUMBERS:])))
    for section in report.sections:
        yield from _section(section)


def _figures(numbers: Sequence[Number]) -> Iterator[str]:
    """What could not be read is one line, however much it is."""
    yield from figures([number for number in numbers if is_known(number.value)])
    if missing := [number.name for number in numbers if not is_known(number.value)]:
        yield f"no data: {', '.join(missing)}"


def _headed(title: str, held: Iterable[Entry]) -> Iterator[Entry]:
    """Put a heading over entries, to be repeated wherever they go on."""
    again = Entry(Style.HEADING, f"{title} (continued)", kept=True)
    yield Entry(Style.HEADING, title, leads=True)
    yield from (replace(entry, above=(again, *entry.above)) for entry in held)


def _section(section: Section) -> Iterator[Entry]:
    held = chain(map(_line, section.lines), _rows(section))
    return _headed(literal(section.title, LONGEST_HEADLINE), held)


def _rows(section: Section) -> Iterator[Entry]:
    cells = [[literal(cell, LONGEST_CELL) for cell in row] for row in section.rows]
    made = table([literal(column, LONGEST_COLUMN) for column in section.columns], cells) if cells else Table()
    columns = [Entry(Style.ROW, made.columns, leads=True)] if made.columns else []
    again = tuple(replace(entry, kept=True, leads=False) for entry in columns)
    yield from columns
    yield from (Entry(Style.ROW, row, above=again) for row in made.rows)


def foot(stamp: Stamp, *, goes_on: bool = False) -> Iterator[Entry]:
    """Return what the run was; `goes_on` where another part follows. Each part may be a repeat of its own."""
    told = [f"task {stamp.task_id}", stamp.fire_time]
    if goes_on:
        told.append("continued")
    elif stamp.late_seconds >= 60:
        told.append(f"late by {duration(stamp.late_seconds // 60 * 60)}")
    yield Entry(Style.FOOT, literal(" · ".join(told)), kept=True)
    if stamp.repeat:
        yield Entry(Style.FOOT, "This may be a repeat: an earlier attempt may have arrived.", kept=True)
