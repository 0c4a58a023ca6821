"""The counts as a line of text, for where no picture can be drawn. Pure."""

from collections.abc import Sequence

from watchbell.reports.charts.plan import Rates
from watchbell.reports.interface import Section

_BLOCKS = "▁▂▃▄▅▆▇█"
#: A phone shows about this many characters in a line.
_LONGEST = 36


def sparkline(rates: Rates) -> Section:
    """Return the counts of the window, and of the one before on the same scale where that is known."""
    counts, previous = _short(rates.counts), _short(rates.previous or ())
    highest = max((*counts, *previous))
    lines = [f"{_blocks(counts, highest)} {sum(counts)} in this window"]
    if rates.previous is not None:
        lines.append(f"{_blocks(previous, highest)} {sum(previous)} in the one before")
    return Section(title=f"{rates.title}, in time", lines=tuple(lines))


def _short(counts: Sequence[int]) -> list[int]:
    """Return the counts, neighbours added up until they fit a line."""
    shorter = list(counts)
    while len(shorter) > _LONGEST:
        shorter = [sum(shorter[index : index + 2]) for index in range(0, len(shorter), 2)]
    return shorter


def _blocks(counts: Sequence[int], highest: int) -> str:
    """Return one block for each count; only none at all is the lowest."""
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[-(-count * top // highest)] for count in counts)
