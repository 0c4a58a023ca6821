"""Plain text, for the console and wherever nothing else fits."""

from collections.abc import Sequence

from watchbell.delivery.interface import Stamp
from watchbell.delivery.render.entries import Entry, Style, entries
from watchbell.reports.interface import Report


def message(report: Report, stamp: Stamp) -> str:
    """Return the whole report; a stream has no limit."""
    return text(entries(report, stamp))


def text(shown: Sequence[Entry]) -> str:
    """Return entries as lines, with an empty line before each heading and before the foot."""
    pairs = zip((None, *shown), shown, strict=False)
    return "\n".join(f"\n{entry.text}" if _stands_apart(before, entry) else entry.text for before, entry in pairs)


def _stands_apart(before: Entry | None, entry: Entry) -> bool:
    return entry.style is Style.HEADING or (
        entry.style is Style.FOOT and before is not None and before.style is not Style.FOOT
    )
