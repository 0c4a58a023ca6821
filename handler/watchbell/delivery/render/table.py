"""Tables as monospaced text that a phone does not wrap."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from watchbell.delivery.render.literal import MARK

#: Columns that a phone shows in a code block.
PHONE_WIDTH = 40

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Table:
    """A table's rows as text, and the row of column names above them where there is one."""

    columns: str | None = None
    rows: tuple[str, ...] = ()


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return the rows aligned below their columns; where they are too wide, each row as a record of its own.

    A record is the first cell on one line and the others, named, on the next: nothing is cut.
    """
    lines = [list(columns), *(list(row) for row in rows)] if columns else [list(row) for row in rows]
    widths = [max(map(_width, cells)) for cells in zip_longest(*lines, fillvalue="")]
    if sum(widths) + len(_GAP) * (len(widths) - 1) > PHONE_WIDTH:
        return Table(rows=tuple(_record(columns, row) for row in rows))
    right = [_is_numeric([row[index] for row in rows if index < len(row)]) for index in range(len(widths))]
    aligned = [
        _GAP.join(
            _padding(cell, width) + cell if numeric else cell + _padding(cell, width)
            for cell, width, numeric in zip(line, widths, right, strict=False)  # a short row leaves its end empty
        ).rstrip()
        for line in lines
    ]
    return Table(aligned[0], tuple(aligned[1:])) if columns else Table(rows=tuple(aligned))


def _record(columns: Sequence[str], row: Sequence[str]) -> str:
    first, *others = row or ("",)
    named = [
        f"{name} {cell}" if name else cell for name, cell in zip_longest(columns[1:], others, fillvalue="") if cell
    ]
    return f"{first}\n  {' · '.join(named)}" if named else first


def _width(cell: str) -> int:
    return len(cell) - cell.count(MARK)


def _padding(cell: str, width: int) -> str:
    return " " * (width - _width(cell))


def _is_numeric(cells: Sequence[str]) -> bool:
    return bool(cells) and all(cell[:1].isdigit() or cell[:1] in "+-±" for cell in cells if cell)
