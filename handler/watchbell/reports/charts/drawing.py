"""The charts as PNG, drawn with matplotlib: no global state of it is used, and equal charts are drawn once.

A picture has its own opaque background, so that it can be read on a light and on a dark page, and its letters are
still large enough when a phone shrinks it. Names in it are text from outside: nothing in them is markup.
"""

import threading
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import get_data_path
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.patches import Rectangle
from PIL import Image  # what matplotlib itself writes pictures with

from watchbell.reports.charts.plan import Axis, Rates, Row, Timeline, Weight

PAPER, INK, FAINT, TRACK = "#fbfbf9", "#1f2328", "#57606a", "#e6e8eb"
COLOURS = {Weight.URGENT: "#c62828", Weight.WARNING: "#b45309", Weight.OTHER: "#1d4ed8"}

#: A phone is about 4.4 inches wide when its letters are as large as in print.
_WIDTH, _DOTS_PER_INCH = 4.4, 230
_MARGIN = 0.14
_TITLE, _LINE, _AXIS = 0.42, 0.40, 0.40
_PLOT = 1.7
_EDGE, _APART = 0.06, 0.12  # the least between a label of the time and the picture's edge, and between two labels
_SIZE, _TITLE_SIZE = 9.0, 10.5
_SHADES = 64

_FONTS = Path(get_data_path()) / "fonts" / "ttf"
_PLAIN = FontProperties(fname=str(_FONTS / "DejaVuSans.ttf"), size=_SIZE)
_SMALL = FontProperties(fname=str(_FONTS / "DejaVuSans.ttf"), size=_SIZE - 1)
_BOLD = FontProperties(fname=str(_FONTS / "DejaVuSans-Bold.ttf"), size=_TITLE_SIZE)

# Fonts and their caches are shared; a chart takes a fraction of a second.
_one_at_a_time = threading.Lock()


@lru_cache(maxsize=32)
def draw_timeline(line: Timeline) -> bytes:
    """Return a row for each alert rule: its name and figures, and below them a bar for each time that it fired."""
    with _one_at_a_time:
        rest = 0.22 if line.more else 0.0
        height = _TITLE + _LINE * len(line.rows) + rest + _AXIS
        figure = _paper(height, "When alerts fired", "worst first")
        axes = _axes(figure, bottom=_AXIS + rest, height=_LINE * len(line.rows), times=line.axis)
        axes.set_ylim(len(line.rows), 0)
        for number, row in enumerate(line.rows):
            _draw_row(axes, number, row)
        if line.more:
            _write(figure, _MARGIN, _AXIS - 0.18, f"and {line.more} more", _SMALL, FAINT, height=height)
        return _png(figure)


@lru_cache(maxsize=32)
def draw_rates(counts: Rates) -> bytes:
    """Return a bar for each step of the window, and a stepped line for the window before."""
    with _one_at_a_time:
        height = _TITLE + 0.24 + _PLOT + _AXIS
        figure = _paper(height, counts.title, "")
        axes = _axes(figure, bottom=_AXIS, height=_PLOT, times=counts.axis, left=0.34)
        edges = [sum(counts.widths[:index]) for index in range(len(counts.counts) + 1)]
        axes.bar(edges[:-1], counts.counts, width=[0.86 * width for width in counts.widths], align="edge",
                 color=COLOURS[Weight.OTHER])  # fmt: skip
        if counts.previous is not None:
            axes.stairs(counts.previous, edges, baseline=None, color=INK, linewidth=1.4)
        _scale(axes, max((*counts.counts, *(counts.previous or ()), 1)))
        _legend(figure, counts, height)
        return _png(figure)


def _paper(height: float, title: str, remark: str) -> Figure:
    figure = Figure(figsize=(_WIDTH, height), dpi=_DOTS_PER_INCH, facecolor=PAPER, edgecolor=TRACK)
    _write(figure, _MARGIN, height - 0.27, title, _BOLD, INK, height=height)
    if remark:
        _write(figure, _WIDTH - _MARGIN, height - 0.27, remark, _SMALL, FAINT, height=height, align="right")
    figure.add_artist(Rectangle((0, 0), 1, 1, fill=False, edgecolor=TRACK, linewidth=2))
    return figure


def _write(
    figure: Figure, x: float, y: float, text: str, font: FontProperties, colour: str, *, height: float,
    align: str = "left",
) -> None:  # fmt: skip
    """Write text at a place in inches from the lower left corner."""
    figure.text(x / _WIDTH, y / height, _drawable(text), fontproperties=font, color=colour, ha=align, parse_math=False)


def _axes(figure: Figure, *, bottom: float, height: float, times: Axis, left: float = 0.0) -> Any:
    """Return axes that are the window wide, without a frame, with its times below."""
    total = figure.get_figheight()
    width = _WIDTH - 2 * _MARGIN - left
    axes = figure.add_axes(((_MARGIN + left) / _WIDTH, bottom / total, width / _WIDTH, height / total), facecolor=PAPER)
    axes.set_xlim(0, 1)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0, pad=3)
    for x, text in _labels(times, _MARGIN + left, width):
        _write(figure, x, bottom - 0.16, text, _SMALL, FAINT, height=total, align="center")
    axes.vlines([at for at, _ in times.ticks], 0, 1, transform=axes.get_xaxis_transform(), color=TRACK, linewidth=0.8,
                zorder=0)  # fmt: skip
    _write(figure, _WIDTH - _MARGIN, 0.07, times.timezone, _SMALL, FAINT, height=total, align="right")
    return axes


def _labels(times: Axis, left: float, width: float) -> list[tuple[float, str]]:
    """Return the middle of each tick's label, in inches, and its text: all within the picture, none over another.

    One at an edge moves in as far as it must; where it is then too near to its neighbour, it is left out.
    """
    found = []
    for at, text in times.ticks:
        half = _inches(_drawable(text)) * (_SIZE - 1) / _SIZE / 2
        middle = min(max(left + at * width, _EDGE + half), _WIDTH - _EDGE - half)
        found.append((middle - half, middle + half, text))
    if len(found) > 1 and found[1][0] - found[0][1] < _APART:
        del found[0]
    if len(found) > 1 and found[-1][0] - found[-2][1] < _APART:
        del found[-1]
    return [((first + last) / 2, text) for first, last, text in found]


def _draw_row(axes: Any, number: int, row: Row) -> None:
    colour = COLOURS[row.weight]
    figures = _drawable(row.figures + (", fires now" if row.firing_now else ""))
    inches = _WIDTH - 2 * _MARGIN
    name = _fitting(_drawable(row.name), inches - _inches(figures) - 0.12)
    style = {"fontproperties": _PLAIN, "va": "center", "parse_math": False}
    axes.text(0, number + 0.34, name, color=INK, **style)
    axes.text(1, number + 0.34, figures, color=colour if row.firing_now else FAINT, ha="right", **style)
    axes.broken_barh([(0, 1)], (number + 0.62, 0.22), facecolors=TRACK)
    axes.broken_barh([(start, end - start) for start, end in row.bars], (number + 0.62, 0.22), facecolors=colour)


def _scale(axes: Any, highest: int) -> None:
    """Put the counts at the left: nothing, the highest, and one between where there is room."""
    axes.set_ylim(0, highest * 1.04)
    marks = sorted({0, highest, *([highest // 2] if highest >= 4 else [])})
    axes.set_yticks(marks, [f"{mark:,}" for mark in marks], fontproperties=_SMALL, color=FAINT)
    axes.hlines(marks, 0, 1, color=TRACK, linewidth=0.8, zorder=0)


def _legend(figure: Figure, counts: Rates, height: float) -> None:
    y = height - _TITLE - 0.08
    now = f"■ this window {sum(counts.counts):,}"
    _write(figure, _MARGIN, y, now, _SMALL, COLOURS[Weight.OTHER], height=height)
    if counts.previous is not None:
        then = f"▬ the one before {sum(counts.previous):,}"
        _write(figure, _MARGIN + _inches(now) + 0.1, y, then, _SMALL, INK, height=height)


def _drawable(text: str) -> str:
    """Return text of which the font has each character; others, and what cannot be seen, become a mark."""
    known = get_font(str(_FONTS / "DejaVuSans.ttf")).get_charmap()
    return "".join(one if one.isprintable() and ord(one) in known else "\N{REPLACEMENT CHARACTER}" for one in text)


def _inches(text: str) -> float:
    font = get_font(str(_FONTS / "DejaVuSans.ttf"))
    font.set_size(_SIZE, 72)
    font.set_text(text)
    width: float = font.get_width_height()[0]
    return width / 64 / 72


def _fitting(text: str, inches: float) -> str:
    """Return the text, or its beginning, in a given width."""
    kept = text
    while len(kept) > 1 and _inches(kept) > inches:
        kept = kept[: max(1, len(kept) - 2)].rstrip("…") + "…"
    return kept


def _png(figure: Figure) -> bytes:
    """Return the picture, in few colours and without metadata: small, and equal pictures are equal bytes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib types most of itself
    size = canvas.get_width_height()
    drawn = Image.frombytes("RGBA", size, bytes(canvas.buffer_rgba()))  # type: ignore[no-untyped-call]
    target = BytesIO()
    drawn.convert("RGB").quantize(colors=_SHADES, dither=Image.Dither.NONE).save(target, format="png", optimize=True)
    return target.getvalue()
